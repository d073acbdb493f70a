//! `cordboard organizations`.

use super::context::{self, Context};
use super::failure::{Failure, Outcome};
use super::output;
use crate::core::number::{E164, InvalidRegion, RegionCode};
use crate::numbering;
use crate::store::organizations::{NewOrganization, Organization};
use clap::{Args, Subcommand};

/// Tenants
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  cordboard organizations add acme --name 'Acme Ltd' --country US --time-zone America/New_York")]
pub enum Organizations {
    /// Add a tenant
    Add(Add),
    /// List the tenants
    #[command(after_help = "Example:\n  cordboard organizations list --json")]
    List,
    /// Let a tenant's agents call again
    #[command(after_help = "Example:\n  cordboard organizations enable acme")]
    Enable {
        /// Its short name
        slug: String,
    },
    /// Switch a tenant and so all its agents off; emergency calls stay possible
    #[command(after_help = "Example:\n  cordboard organizations disable acme")]
    Disable {
        /// Its short name
        slug: String,
    },
}

/// Add a tenant
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard organizations add acme --name 'Acme Ltd' --country US --time-zone America/New_York \\
      --emergency-caller-id +12125550100")]
pub struct Add {
    /// Its short name: a lower-case letter, then a-z, 0-9 and '-'
    slug: String,
    /// Its name for people
    #[arg(long)]
    name: String,
    /// By which numbers dialled without + are read, such as US
    #[arg(long, value_parser = region)]
    country: RegionCode,
    /// Its midnight is when daily limits begin anew, such as `America/New_York`
    #[arg(long, value_name = "ZONE")]
    time_zone: String,
    /// What emergency services see as caller, and where they call back
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    emergency_caller_id: Option<E164>,
}

impl Organizations {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List => list(context).await,
            Self::Enable { slug } => switch(context, &slug, true).await,
            Self::Disable { slug } => switch(context, &slug, false).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> Outcome {
        let country = known_country(self.country)?;
        let store = context.store().await?;
        let new = NewOrganization {
            slug: self.slug,
            name: self.name,
            country,
            time_zone: self.time_zone,
            emergency_caller_id: self.emergency_caller_id,
        };
        let added = store.add_organization(&new).await?;
        if context.json {
            return output::print_json(&added);
        }
        output::print(&format!(
            "added organization {} ({}): country {}, time zone {}",
            added.slug, added.name, added.country, added.time_zone
        ))
    }
}

/// A country as people write it.
pub fn region(text: &str) -> Result<RegionCode, InvalidRegion> {
    text.trim().to_ascii_uppercase().parse()
}

/// A country of which numbers are known, so that a slip of the pen is noticed.
pub fn known_country(country: RegionCode) -> Outcome<RegionCode> {
    if country.is_world() || numbering::has_numbering_plan(&country) {
        return Ok(country);
    }
    Err(Failure::new(format!(
        "{country} is no country whose numbers are known; countries are those of ISO 3166, such as GB"
    )))
}

async fn list(context: &Context) -> Outcome {
    let organizations = context.store().await?.organizations().await?;
    if context.json {
        return output::print_json(&organizations);
    }
    if organizations.is_empty() {
        output::note(false, "no organizations yet; add one: cordboard organizations add --help");
        return Ok(());
    }
    let row = |o: &Organization| {
        let emergency = output::maybe(o.emergency_caller_id.as_ref());
        [o.slug.clone(), o.name.clone(), o.country.to_string(), o.time_zone.clone(), emergency, on(o.active)]
    };
    let rows: Vec<_> = organizations.iter().map(row).collect();
    output::print(&output::table(["slug", "name", "country", "time zone", "emergency caller id", "state"], &rows))
}

async fn switch(context: &Context, slug: &str, active: bool) -> Outcome {
    let store = context.store().await?;
    context::organization(&store, slug).await?;
    let changed = store.set_organization_active(slug, active).await?;
    if context.json {
        return output::print_json(&changed);
    }
    output::print(&format!("organization {} is {}", changed.slug, on(changed.active)))
}

/// How something that can be switched off stands.
pub fn on(active: bool) -> String {
    (if active { "on" } else { "off" }).to_owned()
}
