//! `cordboard tokens`: keys to the API.

use super::context::{self, Context, unknown, word};
use super::failure::Outcome;
use super::{output, secrets};
use crate::access::{Action, Role};
use crate::core::ids::EndpointName;
use crate::store::StoreError;
use crate::store::tokens::{NewToken, TokenInfo};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

/// Keys to the API
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  cordboard tokens add acme crm")]
pub enum Tokens {
    Add(Add),
    /// List a tenant's tokens
    #[command(after_help = "Example:\n  cordboard tokens list acme")]
    List {
        /// The tenant's short name
        organization: String,
    },
    /// Make a token void
    #[command(after_help = "Example:\n  cordboard tokens revoke acme crm")]
    Revoke {
        /// The tenant's short name
        organization: String,
        /// The token's name
        name: String,
    },
}

/// Make a token, and print it, once
#[derive(Debug, Args)]
#[command(after_help = "Example:
  CORDBOARD_TOKEN=$(cordboard tokens add acme crm --json | jq -r .token)
  cordboard tokens add acme wallboard --role manager --acts calls.see,usage.see --expires-in-days 90
  cordboard tokens add acme alices-dialler --role agent --agent alice")]
pub struct Add {
    /// The tenant's short name
    organization: String,
    /// What it is for
    name: String,
    /// What it may do at most: what an owner, admin, manager or agent may
    #[arg(long, default_value_t = Role::Admin)]
    role: Role,
    /// Narrow it to these acts, such as calls.see,calls.start
    #[arg(long, value_delimiter = ',', value_name = "ACT")]
    acts: Option<Vec<Action>>,
    /// The agent it calls and sees for; an agent's token needs one
    #[arg(long, value_name = "ENDPOINT")]
    agent: Option<EndpointName>,
    /// It is void after so many days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in_days: Option<u32>,
}

impl Tokens {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List { organization } => list(context, &organization).await,
            Self::Revoke { organization, name } => revoke(context, &organization, &name).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let slug = &self.organization;
        let organization = context::organization(&store, slug).await?;
        let agent = match &self.agent {
            Some(endpoint) => Some(context::agent(&store, endpoint).await?.id),
            None => None,
        };
        let (token, sha256) = secrets::token()?;
        let days = |days: u32| Timestamp::now() + SignedDuration::from_hours(24 * i64::from(days));
        let new = NewToken {
            role: self.role,
            acts: self.acts.map(|acts| acts.into_iter().collect()),
            agent,
            expires_at: self.expires_in_days.map(days),
            created_by: Some(store.actor().to_string()),
            ..NewToken::of_admin(organization.id, &self.name, sha256)
        };
        let added = store.add_token(&new).await?;
        if context.json {
            let mut value = output::json(&added)?;
            value["token"] = token.into();
            return output::print_json(&value);
        }
        output::note(false, &format!("token {} of {slug}; it is not shown again:", word(&self.name)));
        output::print(&token)
    }
}

async fn list(context: &Context, slug: &str) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, slug).await?;
    let tokens = store.tokens(organization.id).await?;
    if context.json {
        return output::print_json(&tokens);
    }
    if tokens.is_empty() {
        output::note(false, &format!("no tokens yet; make one: cordboard tokens add {slug} NAME"));
        return Ok(());
    }
    let row = |t: &TokenInfo| {
        let second = |time: jiff::Timestamp| time.strftime("%F %T UTC").to_string();
        [
            t.name.clone(),
            t.role.to_string(),
            t.acts
                .as_ref()
                .map(|acts| acts.iter().map(|act| act.as_str()).collect::<Vec<_>>().join(","))
                .unwrap_or_default(),
            second(t.created_at),
            t.last_used_at.map(second).unwrap_or_default(),
            t.expires_at.map(second).unwrap_or_default(),
            t.revoked_at.map(second).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    output::print(&output::table(["name", "role", "acts", "made", "last used", "expires", "revoked"], &rows))
}

async fn revoke(context: &Context, slug: &str, name: &str) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, slug).await?;
    match store.revoke_token(organization.id, name).await {
        Err(StoreError::NotFound { .. }) => {
            let tokens = store.tokens(organization.id).await?;
            let valid = tokens.iter().filter(|token| token.revoked_at.is_none()).map(|token| token.name.as_str());
            return Err(unknown("valid token", name, valid, &format!("cordboard tokens add {slug} {}", word(name))));
        }
        outcome => outcome?,
    }
    if context.json {
        return output::print_json(&serde_json::json!({"revoked": name}));
    }
    output::print(&format!("token {} of {slug} is void", word(name)))
}
