//! `cordboard numbers pool`: the inventory, and what organizations take out of it by themselves.

use crate::cli::context::{self, Context};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output;
use crate::core::number::{E164, RegionCode};
use crate::store::claims::{self, Claim, QUARANTINE_DAYS};
use clap::Subcommand;

/// So many are listed.
const MOST: u32 = 1000;

/// The inventory, and what organizations take out of it
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  cordboard numbers pool list --region US
  cordboard numbers pool provision acme
  cordboard numbers pool swap acme +12025550124")]
pub enum Pool {
    /// The numbers that can be taken
    #[command(after_help = "Example:\n  cordboard numbers pool list --region US")]
    List {
        /// Of this country
        #[arg(long)]
        region: Option<RegionCode>,
    },
    /// Take a number for an organization that has none
    #[command(after_help = "Example:\n  cordboard numbers pool claim acme +18005550101")]
    Claim {
        /// The tenant's short name
        organization: String,
        /// Which number
        #[arg(allow_hyphen_values = true)]
        number: E164,
    },
    /// Give the next number to an organization that has none
    #[command(after_help = "Example:\n  cordboard numbers pool provision acme")]
    Provision {
        /// The tenant's short name
        organization: String,
    },
    /// Another number in the place of the one that was chosen; its agents go on with it
    #[command(after_help = "Example:\n  cordboard numbers pool swap acme +18005550102")]
    Swap {
        /// The tenant's short name
        organization: String,
        /// Which number
        #[arg(allow_hyphen_values = true)]
        number: E164,
        /// So long nobody else gets the old one
        #[arg(long, value_name = "DAYS", default_value_t = QUARANTINE_DAYS)]
        quarantine_days: u32,
    },
    /// Give back what was chosen
    #[command(after_help = "Example:\n  cordboard numbers pool release acme --quarantine-days 90")]
    Release {
        /// The tenant's short name
        organization: String,
        /// So long nobody else gets it
        #[arg(long, value_name = "DAYS", default_value_t = QUARANTINE_DAYS)]
        quarantine_days: u32,
    },
}

impl Pool {
    pub async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let mut transaction = store.begin().await?;
        let (slug, claim) = match self {
            Self::List { region } => {
                let offers = claims::available(&mut transaction, region, None, None, MOST).await?;
                if context.json {
                    return output::print_json(&offers);
                }
                let row = |offer: &claims::Offer| {
                    [
                        offer.number.to_string(),
                        output::maybe(offer.region.as_ref()),
                        offer.r#type.clone().unwrap_or_default(),
                    ]
                };
                let rows: Vec<_> = offers.iter().map(row).collect();
                return output::print(&output::table(["number", "region", "type"], &rows));
            }
            Self::Claim { organization, number } => {
                let id = context::organization(&store, &organization).await?.id;
                (organization, claims::choose(&mut transaction, id, number).await?)
            }
            Self::Provision { organization } => {
                let id = context::organization(&store, &organization).await?.id;
                (organization, claims::provision(&mut transaction, id).await?)
            }
            Self::Swap { organization, number, quarantine_days } => {
                let id = context::organization(&store, &organization).await?.id;
                (organization, claims::swap(&mut transaction, id, number, quarantine_days).await?)
            }
            Self::Release { organization, quarantine_days } => {
                let id = context::organization(&store, &organization).await?.id;
                let Some(released) = claims::release(&mut transaction, id, quarantine_days).await? else {
                    return Err(nothing(&organization));
                };
                transaction.commit().await?;
                if context.json {
                    return output::print_json(
                        &serde_json::json!({ "released": released, "quarantineDays": quarantine_days }),
                    );
                }
                return output::print(&format!(
                    "{released} is in the inventory again, and waits {quarantine_days} days for its next owner"
                ));
            }
        };
        match claim {
            Claim::Done(row) => {
                transaction.commit().await?;
                if context.json {
                    return output::print_json(&row);
                }
                output::print(&format!("{} is {slug}'s now", row.e164))
            }
            Claim::Already(row) => Err(Failure::new(format!(
                "{slug} has {} already; another in its place: cordboard numbers pool swap {slug} NUMBER",
                row.e164
            ))),
            Claim::Nothing => Err(nothing(&slug)),
            Claim::Taken => {
                Err(Failure::new("that number is not available; those that are: cordboard numbers pool list"))
            }
            Claim::Empty { in_quarantine, .. } => Err(Failure::new(format!(
                "the inventory has no free number ({in_quarantine} in quarantine); add some: cordboard numbers import --pool FILE"
            ))),
        }
    }
}

fn nothing(slug: &str) -> Failure {
    Failure::new(format!("{slug} has not chosen a number; choose one: cordboard numbers pool claim {slug} NUMBER"))
}
