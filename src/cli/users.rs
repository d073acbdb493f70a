//! `cordboard users`: who signs in.

use super::context::{self, Context, unknown, word};
use super::failure::{Failure, Outcome};
use super::organizations::on;
use super::{output, secrets};
use crate::access::Role;
use crate::core::ids::EndpointName;
use crate::keys;
use crate::store::users::{NewUser, UserChange, UserRow};
use crate::store::{Store, StoreError};
use clap::{Args, Subcommand};
use secrecy::SecretString;
use std::io::Read as _;

/// Who signs in
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  cordboard users add acme alice@example.org --role owner")]
pub enum Users {
    /// Add somebody, and print their password, once
    Add(Add),
    /// List who signs in
    #[command(after_help = "Example:\n  cordboard users list acme")]
    List {
        /// Of this tenant only; its short name
        organization: Option<String>,
    },
    /// Change what somebody may do
    #[command(after_help = "Example:\n  cordboard users role alice@example.org manager")]
    Role {
        /// Their address
        email: String,
        /// owner, admin, manager or agent
        role: Role,
    },
    /// Give somebody a new password, and sign them out everywhere
    #[command(after_help = "Example:\n  cordboard users password alice@example.org")]
    Password {
        /// Their address
        email: String,
        /// Read it from standard input instead of making one
        #[arg(long)]
        password_stdin: bool,
    },
    /// Say which agent somebody is
    #[command(after_help = "Example:\n  cordboard users tie alice@example.org alice")]
    Tie {
        /// Their address
        email: String,
        /// The agent's endpoint; none: they are no agent
        agent: Option<EndpointName>,
    },
    /// Let somebody sign in again
    #[command(after_help = "Example:\n  cordboard users enable alice@example.org")]
    Enable {
        /// Their address
        email: String,
    },
    /// Let somebody not sign in any more, and sign them out
    #[command(after_help = "Example:\n  cordboard users disable alice@example.org")]
    Disable {
        /// Their address
        email: String,
    },
}

/// Add somebody, and print their password, once
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cordboard users add acme bob@example.org --role agent --agent bob")]
pub struct Add {
    /// The tenant's short name
    organization: String,
    /// Their address, by which they sign in
    email: String,
    /// owner, admin, manager or agent
    #[arg(long)]
    role: Role,
    /// Their name
    #[arg(long, default_value = "")]
    name: String,
    /// The agent that they are; its endpoint
    #[arg(long, value_name = "ENDPOINT")]
    agent: Option<EndpointName>,
    /// Read the password from standard input instead of making one
    #[arg(long)]
    password_stdin: bool,
}

impl Users {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List { organization } => list(context, organization.as_deref()).await,
            Self::Role { email, role } => {
                change(context, &email, UserChange { role: Some(role), ..UserChange::default() }).await
            }
            Self::Password { email, password_stdin } => password(context, &email, password_stdin).await,
            Self::Tie { email, agent } => tie(context, &email, agent.as_ref()).await,
            Self::Enable { email } => {
                change(context, &email, UserChange { active: Some(true), ..UserChange::default() }).await
            }
            Self::Disable { email } => {
                change(context, &email, UserChange { active: Some(false), ..UserChange::default() }).await
            }
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let organization = context::organization(&store, &self.organization).await?;
        let agent = match &self.agent {
            Some(endpoint) => Some(context::agent(&store, endpoint).await?),
            None => None,
        };
        if let Some(agent) = agent.as_ref().filter(|agent| agent.organization_id != organization.id) {
            return Err(Failure::new(format!("agent {} is of {}", agent.endpoint, agent.organization)));
        }
        let (password, made) = new_password(self.password_stdin)?;
        let new = NewUser {
            organization: organization.id,
            email: self.email.trim().to_owned(),
            name: self.name,
            role: self.role,
            password_hash: Some(keys::hash_password(&password).map_err(Failure::new)?),
        };
        let mut user = store.add_user(&new).await?;
        if let Some(agent) = agent {
            store.tie_user(user.id, organization.id, Some(agent.id)).await?;
            user = store.user_by_email(&user.email).await?;
        }
        let done = format!("added {} {} of {}", user.role, user.email, organization.slug);
        show(context, &user, made.as_deref(), &done)
    }
}

/// A password, and its text if it was made here and is to be shown.
fn new_password(from_stdin: bool) -> Outcome<(SecretString, Option<String>)> {
    if !from_stdin {
        let made = secrets::password()?;
        return Ok((made.clone().into(), Some(made)));
    }
    let mut text = String::new();
    // Nothing that is a password is longer, in bytes.
    let read = std::io::stdin().take(1_024).read_to_string(&mut text);
    read.map_err(|error| Failure::new(format!("the password cannot be read from standard input: {error}")))?;
    let password = SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned());
    keys::check_password(&password).map_err(Failure::new)?;
    Ok((password, None))
}

fn show(context: &Context, user: &UserRow, password: Option<&str>, done: &str) -> Outcome {
    if context.json {
        let mut value = output::json(user)?;
        if let Some(password) = password {
            value["password"] = password.into();
        }
        return output::print_json(&value);
    }
    let Some(password) = password else { return output::print(done) };
    output::note(false, &format!("{done}; the password is not shown again:"));
    output::print(password)
}

async fn find(store: &Store, email: &str) -> Outcome<UserRow> {
    match store.user_by_email(email).await {
        Err(StoreError::NotFound { .. }) => {
            let known = store.users(None).await?;
            let add = format!("cordboard users add ORGANIZATION {} --role agent", word(email));
            Err(unknown("user", email, known.iter().map(|user| user.email.as_str()), &add))
        }
        answer => Ok(answer?),
    }
}

async fn list(context: &Context, slug: Option<&str>) -> Outcome {
    let store = context.store().await?;
    let organization = context::maybe_organization(&store, slug).await?;
    let users = store.users(organization.map(|o| o.id)).await?;
    if context.json {
        return output::print_json(&users);
    }
    if users.is_empty() {
        output::note(false, "no users yet; add one: cordboard users add ORGANIZATION EMAIL --role owner");
        return Ok(());
    }
    let organizations = store.organizations().await?;
    let agents = store.agents(None).await?;
    let row = |user: &UserRow| {
        let organization = organizations.iter().find(|o| o.id == user.organization_id);
        let agent = agents.iter().find(|agent| Some(agent.id) == user.agent_id);
        [
            user.email.clone(),
            user.name.clone(),
            organization.map(|o| o.slug.clone()).unwrap_or_default(),
            user.role.to_string(),
            output::maybe(agent.map(|agent| &agent.endpoint)),
            user.last_seen_at.map(|at| at.strftime("%F %T UTC").to_string()).unwrap_or_default(),
            if user.active && user.password_changed_at.is_none() { "no password".to_owned() } else { on(user.active) },
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    output::print(&output::table(["email", "name", "organization", "role", "agent", "signed in", "state"], &rows))
}

async fn change(context: &Context, email: &str, change: UserChange) -> Outcome {
    let store = context.store().await?;
    let user = find(&store, email).await?;
    let user = store.change_user(user.id, user.organization_id, &change).await?;
    show(context, &user, None, &format!("user {}: {}, {}", user.email, user.role, on(user.active)))
}

async fn password(context: &Context, email: &str, from_stdin: bool) -> Outcome {
    let store = context.store().await?;
    let user = find(&store, email).await?;
    let (password, made) = new_password(from_stdin)?;
    let hash = keys::hash_password(&password).map_err(Failure::new)?;
    let change = UserChange { password_hash: Some(hash), ..UserChange::default() };
    let user = store.change_user(user.id, user.organization_id, &change).await?;
    show(context, &user, made.as_deref(), &format!("new password for {}, who is signed out everywhere", user.email))
}

async fn tie(context: &Context, email: &str, endpoint: Option<&EndpointName>) -> Outcome {
    let store = context.store().await?;
    let user = find(&store, email).await?;
    let agent = match endpoint {
        Some(endpoint) => Some(context::agent(&store, endpoint).await?.id),
        None => None,
    };
    store.tie_user(user.id, user.organization_id, agent).await?;
    let user = find(&store, email).await?;
    let who = endpoint.map_or_else(|| "no agent".to_owned(), |endpoint| format!("agent {endpoint}"));
    show(context, &user, None, &format!("user {} is {who}", user.email))
}
