//! `cordboard agents`.

use super::context::{self, Context};
use super::failure::{Failure, Outcome};
use super::organizations::on;
use super::{output, secrets};
use crate::core::ids::EndpointName;
use crate::store::agents::{AgentKind, AgentRow, NewAgent, PhoneKind};
use crate::store::{Store, StoreError, history};
use clap::{Args, Subcommand, ValueEnum};

/// So many changes are shown.
const CHANGES: u32 = 1000;

/// Who talks, and their SIP accounts
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  cordboard agents add acme Alice --endpoint alice")]
pub enum Agents {
    /// Add an agent, and print the password of the phone, once
    Add(Add),
    /// List agents
    #[command(after_help = "Example:\n  cordboard agents list --organization acme")]
    List {
        /// Of this tenant only
        #[arg(long, value_name = "ORGANIZATION")]
        organization: Option<String>,
    },
    /// Take an agent's numbers and password away, and switch the agent off; the calls stay on record
    #[command(after_help = "Example:\n  cordboard agents remove alice")]
    Remove {
        /// The agent's SIP account
        endpoint: EndpointName,
    },
    /// Make a new password for an agent's phone, and print it, once
    #[command(after_help = "Example:\n  cordboard agents password alice")]
    Password {
        /// The agent's SIP account
        endpoint: EndpointName,
    },
    /// Let an agent call again
    #[command(after_help = "Example:\n  cordboard agents enable alice")]
    Enable {
        /// The agent's SIP account
        endpoint: EndpointName,
    },
    /// Switch an agent off: no calls, and the phone cannot sign in
    #[command(after_help = "Example:\n  cordboard agents disable alice")]
    Disable {
        /// The agent's SIP account
        endpoint: EndpointName,
    },
    /// Show which numbers an agent had, when, and with which limits
    #[command(after_help = "Example:\n  cordboard agents history alice")]
    History {
        /// The agent's SIP account
        endpoint: EndpointName,
    },
    /// Limit an agent's calls a day over all numbers
    #[command(after_help = "Example:
  cordboard agents limit alice 200
  cordboard agents limit alice          lifts the limit")]
    Limit {
        /// The agent's SIP account
        endpoint: EndpointName,
        /// Calls a day, 1 to 100000; none: no limit
        limit: Option<u32>,
    },
}

/// Add an agent, and print the password of the phone, once
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard agents add acme Alice --endpoint alice --extension 101
  cordboard agents add acme 'Robot 1' --endpoint robot-1 --kind ai --daily-limit 500")]
pub struct Add {
    /// The tenant's short name
    organization: String,
    /// The agent's name for people
    name: String,
    /// The SIP account: a letter, then A-Z, a-z, 0-9, '_' and '-'
    #[arg(long)]
    endpoint: EndpointName,
    /// Short number for calls within the house, 2 to 6 digits
    #[arg(long)]
    extension: Option<String>,
    /// The agent talks through a web browser instead of a SIP phone
    #[arg(long)]
    browser: bool,
    /// Who talks
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// Calls a day over all numbers, 1 to 100000
    #[arg(long, value_name = "CALLS")]
    daily_limit: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Kind {
    /// A person
    #[default]
    Human,
    /// A program
    Ai,
}

impl Agents {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List { organization } => list(context, organization.as_deref()).await,
            Self::Remove { endpoint } => remove(context, &endpoint).await,
            Self::Password { endpoint } => password(context, &endpoint).await,
            Self::Enable { endpoint } => switch(context, &endpoint, true).await,
            Self::Disable { endpoint } => switch(context, &endpoint, false).await,
            Self::History { endpoint } => past(context, &endpoint).await,
            Self::Limit { endpoint, limit } => set_limit(context, &endpoint, limit).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let organization = context::organization(&store, &self.organization).await?;
        let password = secrets::password()?;
        let new = NewAgent {
            organization: organization.id,
            name: self.name,
            extension: self.extension,
            endpoint: self.endpoint.clone(),
            kind: match self.kind {
                Kind::Human => AgentKind::Human,
                Kind::Ai => AgentKind::Ai,
            },
            phone_kind: if self.browser { PhoneKind::Browser } else { PhoneKind::Phone },
            daily_limit: self.daily_limit,
            sip_ha1: Some(secrets::ha1(&self.endpoint, &password)),
        };
        let added = match store.add_agent(&new).await {
            Err(StoreError::Constraint { name, message, .. }) if name == "agents_endpoint_key" => {
                return Err(taken(&store, &self.endpoint, &message).await?);
            }
            answer => answer?,
        };
        let done = format!("added agent {} ({}) of {}", added.endpoint, added.name, added.organization);
        show_password(context, &added, &password, &done)
    }
}

/// A removed agent still has its endpoint: the calls are on record under it.
async fn taken(store: &Store, endpoint: &EndpointName, message: &str) -> Outcome<Failure> {
    let agent = store.agent(endpoint, None).await?;
    let back = format!("cordboard agents enable {endpoint}");
    Ok(Failure::new(if agent.active {
        format!(
            "{message}: {} of {}; choose another, or remove that one: cordboard agents remove {endpoint}",
            agent.name, agent.organization
        )
    } else {
        format!(
            "{message}: {} of {}, switched off; choose another, or switch it on: {back}",
            agent.name, agent.organization
        )
    }))
}

fn show_password(context: &Context, agent: &AgentRow, password: &str, done: &str) -> Outcome {
    if context.json {
        let mut value = output::json(agent)?;
        value["password"] = password.into();
        return output::print_json(&value);
    }
    let phone = match agent.phone_kind {
        PhoneKind::Phone => "phone",
        PhoneKind::Browser => "browser phone",
    };
    let entries = output::pairs(&[
        ("  user name", agent.endpoint.to_string()),
        ("  password", password.to_owned()),
        ("  domain", "the address of your Asterisk server".to_owned()),
    ]);
    output::print(&format!(
        "{done}\n\nEnter in the {phone}:\n{entries}\nThe password is not shown again. A new one: cordboard agents password {}",
        agent.endpoint
    ))
}

async fn list(context: &Context, slug: Option<&str>) -> Outcome {
    let store = context.store().await?;
    let organization = context::maybe_organization(&store, slug).await?;
    let agents = store.agents(organization.map(|o| o.id)).await?;
    if context.json {
        return output::print_json(&agents);
    }
    if agents.is_empty() {
        output::note(false, "no agents yet; add one: cordboard agents add ORGANIZATION NAME --endpoint ENDPOINT");
        return Ok(());
    }
    let row = |a: &AgentRow| {
        let kind = match (a.kind, a.phone_kind) {
            (AgentKind::Ai, _) => "ai",
            (AgentKind::Human, PhoneKind::Browser) => "browser",
            (AgentKind::Human, PhoneKind::Phone) => "phone",
        };
        [
            a.endpoint.to_string(),
            a.name.clone(),
            a.organization.clone(),
            output::maybe(a.extension.as_ref()),
            kind.to_owned(),
            a.numbers.to_string(),
            output::maybe(a.daily_limit.as_ref()),
            (if !a.active {
                "off"
            } else if a.has_secret {
                "on"
            } else {
                "no password"
            })
            .to_owned(),
        ]
    };
    let rows: Vec<_> = agents.iter().map(row).collect();
    let header = ["endpoint", "name", "organization", "extension", "kind", "numbers", "daily limit", "state"];
    output::print(&output::table(header, &rows))
}

async fn remove(context: &Context, endpoint: &EndpointName) -> Outcome {
    let store = context.store().await?;
    let agent = context::agent(&store, endpoint).await?;
    store.remove_agent(agent.id).await?;
    if context.json {
        return output::print_json(&store.agent(endpoint, None).await?);
    }
    let numbers = if agent.numbers == 1 { "1 number".to_owned() } else { format!("{} numbers", agent.numbers) };
    output::print(&format!(
        "removed agent {endpoint}: switched off, password void, {numbers} taken away; the calls stay on record"
    ))
}

async fn password(context: &Context, endpoint: &EndpointName) -> Outcome {
    let store = context.store().await?;
    let agent = context::agent(&store, endpoint).await?;
    let password = secrets::password()?;
    store.set_sip_secret(agent.id, Some(&secrets::ha1(endpoint, &password))).await?;
    let agent = store.agent(endpoint, None).await?;
    if !agent.active {
        output::note(
            context.json,
            &format!("agent {endpoint} is off; switch it on: cordboard agents enable {endpoint}"),
        );
    }
    show_password(context, &agent, &password, &format!("new password for agent {endpoint}; the old one is void"))
}

async fn switch(context: &Context, endpoint: &EndpointName, active: bool) -> Outcome {
    let store = context.store().await?;
    let agent = context::agent(&store, endpoint).await?;
    store.set_agent_active(agent.id, active).await?;
    if context.json {
        return output::print_json(&store.agent(endpoint, None).await?);
    }
    output::print(&format!("agent {endpoint} is {}", on(active)))?;
    if active && !agent.has_secret {
        output::note(false, &format!("the phone has no password; make one: cordboard agents password {endpoint}"));
    }
    Ok(())
}

async fn set_limit(context: &Context, endpoint: &EndpointName, limit: Option<u32>) -> Outcome {
    let store = context.store().await?;
    let agent = context::agent(&store, endpoint).await?;
    store.set_agent_limit(agent.id, limit).await?;
    if context.json {
        return output::print_json(&store.agent(endpoint, None).await?);
    }
    output::print(&match limit {
        Some(limit) => format!("agent {endpoint} may make {limit} calls a day over all numbers"),
        None => format!("agent {endpoint} has no daily limit but those of the numbers"),
    })
}

async fn past(context: &Context, endpoint: &EndpointName) -> Outcome {
    let store = context.store().await?;
    let agent = store.agent(endpoint, None).await?;
    let mut transaction = store.begin().await?;
    let changes = history::of_agent(&mut transaction, agent.organization_id, agent.id, None, CHANGES).await?;
    if context.json {
        return output::print_json(&changes);
    }
    let row = |change: &history::Change| {
        [
            change.at.to_string(),
            change.event.clone(),
            output::maybe(change.number.as_ref()),
            change.daily_limit.to_string(),
            output::list(&change.allowed_countries),
            change.by.clone(),
        ]
    };
    let rows: Vec<_> = changes.iter().map(row).collect();
    output::print(&output::table(["at", "event", "number", "daily limit", "countries", "by"], &rows))
}
