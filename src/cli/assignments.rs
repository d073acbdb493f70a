//! `cordboard assign`, `unassign` and `usage`: who may call from which number.

use super::context::{self, Context};
use super::failure::{Failure, Outcome};
use super::numbers::{extra_prefixes, number, owned};
use super::organizations::{known_country, region};
use super::output;
use crate::config::Config;
use crate::core::ids::EndpointName;
use crate::core::number::{NumberClass, RegionCode};
use crate::store::Store;
use crate::store::agents::AgentRow;
use crate::store::assignments::{AssignmentFilter, AssignmentUsage, NewAssignment};
use crate::store::numbers::NumberRow;
use clap::Args;

/// Let an agent call from a number, or change with which limits
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard assign alice +12025550123 --daily-limit 100 --countries US,CA
  cordboard assign alice +12025550123 --classes premium      the rest stays as it is")]
pub struct Assign {
    /// The agent's SIP account
    endpoint: EndpointName,
    /// The number
    #[arg(allow_hyphen_values = true)]
    number: String,
    /// Calls a day, 1 to 1000; 100 unless you say otherwise
    #[arg(long, value_name = "CALLS")]
    daily_limit: Option<u32>,
    /// Countries that may be called; US,CA unless you say otherwise
    #[arg(long, value_delimiter = ',', value_name = "COUNTRIES", value_parser = region)]
    countries: Option<Vec<RegionCode>>,
    /// Dear kinds of numbers that may be called: premium, satellite, `shared_cost` …; '' for none
    #[arg(long, value_name = "CLASSES")]
    classes: Option<String>,
}

/// Take a number from an agent
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cordboard unassign alice +12025550123")]
pub struct Unassign {
    /// The agent's SIP account
    endpoint: EndpointName,
    /// The number
    #[arg(allow_hyphen_values = true)]
    number: String,
}

/// Who may call from which number, and what is left of it today
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cordboard usage --organization acme\n  cordboard usage --agent alice --json")]
pub struct Usage {
    /// Of this tenant only
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,
    /// Of this agent only
    #[arg(long, value_name = "ENDPOINT")]
    agent: Option<EndpointName>,
}

impl Assign {
    pub async fn run(self, context: &Context) -> Outcome {
        let countries =
            self.countries.map(|countries| countries.into_iter().map(known_country).collect()).transpose()?;
        let classes = self.classes.as_deref().map(classes).transpose()?;
        let config = context.config()?;
        let store = context.store_of(&config).await?;
        let (agent, number) = pair(&store, &config, &self.endpoint, &self.number).await?;
        if let Some(owner) = &number.organization
            && *owner != agent.organization
        {
            return Err(Failure::new(format!(
                "{} is organization {owner}'s, and agent {} is {}'s; give it back first: cordboard numbers set {} available",
                number.e164, agent.endpoint, agent.organization, number.e164
            )));
        }
        let had = open(&store, &agent, &number).await?.is_some();
        let new = NewAssignment {
            agent: agent.id,
            number: number.id,
            daily_limit: self.daily_limit,
            allowed_countries: countries,
            allowed_classes: classes,
        };
        let assigned = store.assign(&new).await?;
        if context.json {
            return output::print_json(&assigned);
        }
        let extra = if assigned.allowed_classes.is_empty() {
            String::new()
        } else {
            format!(", and to {}", output::list(&assigned.allowed_classes))
        };
        output::print(&format!(
            "agent {} {} from {}: {} calls a day ({} left today) to {}{extra}",
            assigned.endpoint,
            if had { "calls" } else { "now calls" },
            assigned.number,
            assigned.daily_limit,
            assigned.remaining,
            output::list(&assigned.allowed_countries),
        ))?;
        if number.trunk.is_none() {
            output::note(false, &format!("{} has no trunk that can present it, and cannot be used yet", number.e164));
        }
        Ok(())
    }
}

/// Dear kinds of numbers; none for an empty text.
fn classes(text: &str) -> Outcome<Vec<NumberClass>> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| name.parse().map_err(|e| Failure::with_code(2, format!("{name} is {e}")))).collect()
}

impl Unassign {
    pub async fn run(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let store = context.store_of(&config).await?;
        let (agent, number) = pair(&store, &config, &self.endpoint, &self.number).await?;
        let Some(assignment) = open(&store, &agent, &number).await? else {
            return Err(Failure::new(format!(
                "agent {} does not have {}; `cordboard usage --agent {}` shows what there is",
                agent.endpoint, number.e164, agent.endpoint
            )));
        };
        store.unassign(assignment.assignment_id).await?;
        if context.json {
            return output::print_json(&serde_json::json!({"unassigned": assignment.assignment_id}));
        }
        output::print(&format!(
            "agent {} no longer calls from {}; what was called stays on record",
            agent.endpoint, number.e164
        ))
    }
}

/// Agent and number by their names.
async fn pair(store: &Store, config: &Config, endpoint: &EndpointName, raw: &str) -> Outcome<(AgentRow, NumberRow)> {
    let agent = context::agent(store, endpoint).await?;
    let country = store.organization(&agent.organization).await?.country;
    let (e164, _) = owned(raw, country, &extra_prefixes(config))?;
    Ok((agent, number(store, e164).await?))
}

async fn open(store: &Store, agent: &AgentRow, number: &NumberRow) -> Outcome<Option<AssignmentUsage>> {
    let filter = AssignmentFilter { agent: Some(agent.id), number: Some(number.id), ..AssignmentFilter::default() };
    Ok(store.assignments(&filter).await?.pop())
}

impl Usage {
    pub async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let organization = context::maybe_organization(&store, self.organization.as_deref()).await?;
        let agent = match &self.agent {
            Some(endpoint) => Some(context::agent(&store, endpoint).await?.id),
            None => None,
        };
        let filter =
            AssignmentFilter { organization: organization.map(|o| o.id), agent, ..AssignmentFilter::default() };
        let usage = store.assignments(&filter).await?;
        if context.json {
            return output::print_json(&usage);
        }
        if usage.is_empty() {
            output::note(false, "nobody has a number there; give one: cordboard assign ENDPOINT NUMBER");
            return Ok(());
        }
        let row = |u: &AssignmentUsage| {
            [
                u.organization.clone(),
                u.endpoint.to_string(),
                u.number.to_string(),
                u.calls_made_today.to_string(),
                u.daily_limit.to_string(),
                u.remaining.to_string(),
                output::list(&u.allowed_countries),
                output::list(&u.allowed_classes),
                (if u.active { "on" } else { "off" }).to_owned(),
            ]
        };
        let rows: Vec<_> = usage.iter().map(row).collect();
        let header = [
            "organization",
            "agent",
            "number",
            "calls_made_today",
            "daily_limit",
            "remaining",
            "countries",
            "classes",
            "state",
        ];
        output::print(&output::table(header, &rows))
    }
}
