//! `cordboard numbers`.

mod carrier;
mod edit;
mod look;
mod pool;

use super::context::{self, Context, unknown, word};
use super::failure::{Failure, Outcome};
use super::{import, output};
use crate::core::number::{E164, RegionCode};
use crate::numbering::{self, ExtraPrefix};
use crate::policy::NumberState;
use crate::store::claims::{self, QUARANTINE_DAYS};
use crate::store::numbers::NumberRow;
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
    /// Add many numbers from a CSV or JSON file: all of them, or none
    Import(import::Import),
    ImportCarrier(carrier::ImportCarrier),
    Drift(carrier::Drift),
    /// Print all numbers of a tenant as CSV, which can be imported again
    #[command(after_help = "Example:\n  cordboard numbers export acme > numbers.csv")]
    Export {
        /// The tenant's short name
        organization: String,
    },
    List(Box<look::List>),
    /// Show all that is known of a number
    #[command(after_help = "Example:\n  cordboard numbers show +12025550123")]
    Show {
        /// Which number
        #[arg(allow_hyphen_values = true)]
        number: E164,
    },
    Edit(Box<edit::Change>),
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
        /// With available: so long nobody else takes it by themselves
        #[arg(long, value_name = "DAYS", default_value_t = QUARANTINE_DAYS)]
        quarantine_days: u32,
    },
    /// Delete a number that no agent has
    #[command(after_help = "Example:\n  cordboard numbers delete +12025550123")]
    Delete {
        /// Which number
        #[arg(allow_hyphen_values = true)]
        number: E164,
    },
    /// Count numbers by what their metadata says
    #[command(after_help = "Example:\n  cordboard numbers groups acme department")]
    Groups {
        /// The tenant's short name
        organization: String,
        /// A key of the metadata; without one, the keys are listed
        by: Option<String>,
    },
    /// Count agents, and numbers with and without one
    #[command(after_help = "Example:\n  cordboard numbers summary acme")]
    Summary {
        /// The tenant's short name
        organization: String,
    },
    /// Show who had a number, when, and with which limits
    #[command(after_help = "Example:\n  cordboard numbers history +12025550123")]
    History {
        /// Which number
        #[arg(allow_hyphen_values = true)]
        number: E164,
    },
    #[command(subcommand)]
    Pool(pool::Pool),
}

/// Add a number
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard numbers add acme +12025550123 --trunk carrier-a --name 'Washington' --daily-limit 300
  cordboard numbers add acme '(202) 555-0123'      a national number of the organization's country
  cordboard numbers add --pool +18005550199        into the inventory, for whoever takes it")]
pub struct Add {
    /// The tenant's short name; with --pool the number
    organization: String,
    /// The number, international or as it is written in the tenant's country
    #[arg(allow_hyphen_values = true)]
    number: Option<String>,
    /// Into the inventory, and nobody's yet
    #[arg(long)]
    pool: bool,
    #[command(flatten)]
    details: edit::Details,
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
            Self::ImportCarrier(import) => import.run(context).await,
            Self::Drift(drift) => drift.run(context).await,
            Self::Export { organization } => look::export(context, &organization).await,
            Self::List(list) => list.run(context).await,
            Self::Show { number: e164 } => {
                let store = context.store().await?;
                edit::shown(context, &number(&store, e164).await?)
            }
            Self::Edit(change) => change.run(context).await,
            Self::Set { number, state, quarantine_days } => set(context, number, state, quarantine_days).await,
            Self::Delete { number } => edit::delete(context, number).await,
            Self::Groups { organization, by } => look::groups(context, &organization, by.as_deref()).await,
            Self::Summary { organization } => look::summary(context, &organization).await,
            Self::History { number } => look::history(context, number).await,
            Self::Pool(pool) => pool.run(context).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> Outcome {
        let (slug, raw) = match (&self.number, self.pool) {
            (None, true) => (None, &self.organization),
            (Some(number), false) => (Some(self.organization.as_str()), number),
            (_, true) => return Err(Failure::with_code(2, "with --pool, say only the number")),
            (_, false) => {
                return Err(Failure::with_code(2, "say the organization and the number, or --pool and the number"));
            }
        };
        let store = context.store().await?;
        let organization = context::maybe_organization(&store, slug).await?;
        let added = match edit::add(context, &store, organization.as_ref(), raw, self.details).await? {
            Ok(added) => added,
            Err((_, StoreError::NotFound { what: "trunk", key })) => {
                let trunks = store.trunks().await?;
                let known = trunks.iter().map(|trunk| trunk.name.as_ref());
                return Err(unknown("trunk", &key, known, &format!("cordboard trunks add {key}")));
            }
            Err((e164, StoreError::Constraint { name, .. })) if name == "numbers_e164_is_unique" => {
                return Err(owner(&store, e164, slug.unwrap_or_default()).await?);
            }
            Err((_, error)) => return Err(error.into()),
        };
        if context.json {
            return output::print_json(&added);
        }
        let trunk = added.trunk.as_ref().map_or_else(
            || "no trunk yet, so it cannot be used: name one with --trunk".to_owned(),
            |trunk| format!("trunk {trunk}"),
        );
        let whose = slug.map_or_else(|| "to the inventory".to_owned(), |slug| format!("of {slug}"));
        output::print(&format!(
            "added number {} {whose}: region {}, {trunk}",
            added.e164,
            output::maybe(added.region.as_ref())
        ))
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

async fn set(context: &Context, e164: E164, state: State, quarantine_days: u32) -> Outcome {
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
        State::Available => {
            let mut transaction = store.begin().await?;
            claims::give_back(&mut transaction, row.id, quarantine_days).await?;
            transaction.commit().await?;
        }
        State::Retired => store.retire_number(row.id).await?,
    }
    let row = store.number(e164, None).await?;
    if context.json {
        return output::print_json(&row);
    }
    output::print(&format!("number {e164} is {}", row.state.as_str()))
}
