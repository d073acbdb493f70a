//! `cordboard numbers`.

use super::context::{self, Context, unknown, word};
use super::failure::{Failure, Outcome};
use super::{import, output};
use crate::core::ids::TrunkName;
use crate::core::number::{E164, RegionCode};
use crate::numbering::{self, ExtraPrefix};
use crate::policy::NumberState;
use crate::store::numbers::{NewNumber, NumberRow};
use crate::store::{Store, StoreError};
use clap::{Args, Subcommand, ValueEnum};

/// Phone numbers that are ours
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  cordboard numbers add acme +12025550123 --trunk carrier-a
  cordboard numbers import acme numbers.csv")]
pub enum Numbers {
    /// Add a number
    Add(Add),
    /// Add many numbers from a CSV file: all of them, or none
    Import(import::Import),
    /// List numbers
    #[command(after_help = "Example:\n  cordboard numbers list --organization acme")]
    List {
        /// Of this tenant only
        #[arg(long, value_name = "ORGANIZATION")]
        organization: Option<String>,
    },
    /// Switch a number off or on, let it rest, or give it back for good
    #[command(after_help = "Example:
  cordboard numbers set +12025550123 resting
  cordboard numbers set +12025550123 assigned      back in use")]
    Set {
        /// Which number
        #[arg(allow_hyphen_values = true)]
        number: E164,
        /// What is to become of it
        #[arg(value_enum)]
        state: State,
    },
}

/// Add a number
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard numbers add acme +12025550123 --trunk carrier-a --name 'Washington' --daily-limit 300
  cordboard numbers add acme '(202) 555-0123'      a national number of the organization's country")]
pub struct Add {
    /// The tenant's short name
    organization: String,
    /// The number, international or as it is written in the tenant's country
    #[arg(allow_hyphen_values = true)]
    number: String,
    /// The trunk that can present it; not needed if there is just one
    #[arg(long)]
    trunk: Option<TrunkName>,
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// Who sold it to us
    #[arg(long)]
    provider: Option<String>,
    /// Calls a day over all agents, 1 to 100000
    #[arg(long, value_name = "CALLS")]
    daily_limit: Option<u32>,
}

/// What a person may make of a number.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum State {
    /// In use
    Assigned,
    /// Switched off for a while
    Inactive,
    /// Not used for a while so that it recovers
    Resting,
    /// Back in the inventory: its assignments end, and it is nobody's
    Available,
    /// Given back to the carrier: its assignments end for good
    Retired,
}

impl Numbers {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::Import(import) => import.run(context).await,
            Self::List { organization } => list(context, organization.as_deref()).await,
            Self::Set { number, state } => set(context, number, state).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let store = context.store_of(&config).await?;
        let organization = context::organization(&store, &self.organization).await?;
        let (e164, region) = owned(&self.number, organization.country, &extra_prefixes(&config))?;
        let new = NewNumber {
            e164,
            organization: Some(organization.id),
            region: Some(region),
            friendly_name: self.name,
            provider: self.provider,
            trunk: self.trunk,
            daily_limit: self.daily_limit,
        };
        let added = match store.add_number(&new).await {
            Err(StoreError::NotFound { what: "trunk", key }) => {
                let trunks = store.trunks().await?;
                let known = trunks.iter().map(|trunk| trunk.name.as_ref());
                return Err(unknown("trunk", &key, known, &format!("cordboard trunks add {key}")));
            }
            Err(StoreError::Constraint { name, .. }) if name == "numbers_e164_is_unique" => {
                return Err(owner(&store, e164, &organization.slug).await?);
            }
            answer => answer?,
        };
        if context.json {
            return output::print_json(&added);
        }
        let trunk = added.trunk.as_ref().map_or_else(
            || "no trunk yet, so it cannot be used: name one with --trunk".to_owned(),
            |trunk| format!("trunk {trunk}"),
        );
        output::print(&format!("added number {} of {}: region {region}, {trunk}", added.e164, organization.slug))
    }
}

/// Who has the number that is there already.
async fn owner(store: &Store, e164: E164, wanted: &str) -> Outcome<Failure> {
    let number = store.number(e164, None).await?;
    Ok(Failure::new(match number.organization.as_deref() {
        Some(slug) if slug == wanted => {
            format!("{e164} is there already; let an agent call from it: cordboard assign ENDPOINT {e164}")
        }
        Some(slug) => {
            format!("{e164} is organization {slug}'s; give it back first: cordboard numbers set {e164} available")
        }
        None => format!(
            "{e164} is in the inventory already; it becomes the agent's organization's: cordboard assign ENDPOINT {e164}"
        ),
    }))
}

/// The prefixes that the settings add to the numbering plans.
pub fn extra_prefixes(config: &crate::config::Config) -> Vec<ExtraPrefix> {
    crate::daemon::Rules::of(config).extra_prefixes
}

/// A number of ours, as a person writes it.
pub fn owned(raw: &str, country: RegionCode, extra: &[ExtraPrefix]) -> Outcome<(E164, RegionCode)> {
    match numbering::parse_owned_number(raw, Some(&country), extra) {
        Ok(number) => Ok((number.e164, number.region)),
        Err(error) => Err(Failure::new(format!("{} is not a phone number: {error}", word(raw)))),
    }
}

/// The number of that name.
pub async fn number(store: &Store, e164: E164) -> Outcome<NumberRow> {
    match store.number(e164, None).await {
        Err(StoreError::NotFound { .. }) => {
            Err(Failure::new(format!("there is no number {e164}; add it: cordboard numbers add ORGANIZATION {e164}")))
        }
        answer => Ok(answer?),
    }
}

async fn list(context: &Context, slug: Option<&str>) -> Outcome {
    let store = context.store().await?;
    let organization = context::maybe_organization(&store, slug).await?;
    let numbers = store.numbers(organization.map(|o| o.id), None).await?;
    if context.json {
        return output::print_json(&numbers);
    }
    if numbers.is_empty() {
        output::note(false, "no numbers yet; add one: cordboard numbers add ORGANIZATION NUMBER");
        return Ok(());
    }
    let row = |n: &NumberRow| {
        [
            n.e164.to_string(),
            output::maybe(n.friendly_name.as_ref()),
            output::maybe(n.organization.as_ref()),
            output::maybe(n.region.as_ref()),
            output::maybe(n.trunk.as_ref()),
            output::maybe(n.provider.as_ref()),
            n.agents.to_string(),
            output::maybe(n.daily_limit.as_ref()),
            n.state.as_str().to_owned(),
        ]
    };
    let rows: Vec<_> = numbers.iter().map(row).collect();
    let header = ["number", "name", "organization", "region", "trunk", "provider", "agents", "daily limit", "state"];
    output::print(&output::table(header, &rows))
}

async fn set(context: &Context, e164: E164, state: State) -> Outcome {
    let store = context.store().await?;
    let row = number(&store, e164).await?;
    match state {
        State::Assigned if row.organization.is_none() => {
            return Err(Failure::new(format!(
                "{e164} is nobody's; give it to an agent: cordboard assign ENDPOINT {e164}"
            )));
        }
        State::Assigned => store.set_number_state(row.id, NumberState::Assigned).await?,
        State::Inactive => store.set_number_state(row.id, NumberState::Inactive).await?,
        State::Resting => store.set_number_state(row.id, NumberState::Resting).await?,
        State::Available => store.release_number(row.id).await?,
        State::Retired => store.retire_number(row.id).await?,
    }
    let row = store.number(e164, None).await?;
    if context.json {
        return output::print_json(&row);
    }
    output::print(&format!("number {e164} is {}", row.state.as_str()))
}
