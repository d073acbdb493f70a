//! `cordboard tokens`: keys to the API.

use super::context::{self, Context, unknown, word};
use super::failure::Outcome;
use super::{output, secrets};
use crate::store::StoreError;
use crate::store::tokens::{NewToken, TokenInfo};
use clap::Subcommand;

/// Keys to the API
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  cordboard tokens add acme crm")]
pub enum Tokens {
    /// Make a token, and print it, once
    #[command(after_help = "Example:\n  CORDBOARD_TOKEN=$(cordboard tokens add acme crm --json | jq -r .token)")]
    Add {
        /// The tenant's short name
        organization: String,
        /// What it is for
        name: String,
    },
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

impl Tokens {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add { organization, name } => add(context, &organization, &name).await,
            Self::List { organization } => list(context, &organization).await,
            Self::Revoke { organization, name } => revoke(context, &organization, &name).await,
        }
    }
}

async fn add(context: &Context, slug: &str, name: &str) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, slug).await?;
    let (token, sha256) = secrets::token()?;
    let added = store.add_token(&NewToken::of_admin(organization.id, name, sha256)).await?;
    if context.json {
        let mut value = output::json(&added)?;
        value["token"] = token.into();
        return output::print_json(&value);
    }
    output::note(false, &format!("token {} of {slug}; it is not shown again:", word(name)));
    output::print(&token)
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
            second(t.created_at),
            t.last_used_at.map(second).unwrap_or_default(),
            t.revoked_at.map(second).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    output::print(&output::table(["name", "made", "last used", "revoked"], &rows))
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
