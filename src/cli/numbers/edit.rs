//! `cordboard numbers edit`, `delete` and `primary`.

use super::{extra_prefixes, number};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output;
use crate::core::ids::TrunkName;
use crate::core::number::E164;
use crate::inventory::{Capabilities, Entry, Label, Metadata, NumberKind, Provider, ProviderId, Set};
use crate::numbering;
use crate::store::inventory::{self, Deleted, Edit, Edited, NumberKey};
use crate::store::numbers::NumberRow;
use crate::store::{Store, StoreError};
use clap::Args;
use std::str::FromStr;

/// What can be said about a number.
#[derive(Debug, Default, Args)]
pub struct Details {
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// local, national, mobile, `toll_free`, exophone, sip or landline
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Who sold it to us
    #[arg(long)]
    provider: Option<String>,
    /// Its id with the provider
    #[arg(long, value_name = "ID")]
    provider_id: Option<String>,
    /// What it can do: 'voice sms', or JSON
    #[arg(long)]
    capabilities: Option<String>,
    /// Anything else, as a JSON object
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Calls a day over all agents, 1 to 100000
    #[arg(long, value_name = "CALLS")]
    daily_limit: Option<u32>,
    /// The trunk that can present it; not needed if there is just one
    #[arg(long)]
    trunk: Option<String>,
}

/// A word, or what it should be; an empty one takes away what there is.
fn word<T: FromStr<Err: std::fmt::Display>>(text: Option<&String>) -> Outcome<Set<T>> {
    match text.map(|text| text.trim()) {
        None => Ok(Set::Keep),
        Some("") => Ok(Set::Clear),
        Some(text) => text.parse().map(Set::To).map_err(|error| Failure::with_code(2, error)),
    }
}

/// The same, of something that is never missing but may be empty.
fn object<T: FromStr<Err: std::fmt::Display> + Default>(text: Option<&String>) -> Outcome<Option<T>> {
    Ok(match word(text)? {
        Set::Keep => None,
        Set::Clear => Some(T::default()),
        Set::To(value) => Some(value),
    })
}

impl Details {
    /// As an edit.
    fn edit(&self) -> Outcome<Edit> {
        Ok(Edit {
            friendly_name: word::<Label>(self.name.as_ref())?,
            kind: word::<NumberKind>(self.kind.as_ref())?,
            provider: word::<Provider>(self.provider.as_ref())?,
            provider_id: word::<ProviderId>(self.provider_id.as_ref())?,
            capabilities: object::<Capabilities>(self.capabilities.as_ref())?,
            metadata: object::<Metadata>(self.metadata.as_ref())?,
            daily_limit: self.daily_limit.map_or(Set::Keep, Set::To),
            trunk: word::<TrunkName>(self.trunk.as_ref())?,
            primary: None,
        })
    }

    /// As a number to be.
    pub fn entry(self, number: numbering::Destination) -> Outcome<Entry> {
        let edit = self.edit()?;
        Ok(Entry {
            e164: number.e164,
            region: number.region,
            friendly_name: edit.friendly_name.value().cloned(),
            provider: edit.provider.value().cloned(),
            provider_id: edit.provider_id.value().cloned(),
            kind: edit.kind.value().copied(),
            trunk: edit.trunk.value().cloned(),
            daily_limit: self.daily_limit,
            capabilities: edit.capabilities,
            metadata: edit.metadata,
        })
    }
}

/// Change what is said about a number
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard numbers edit +12025550123 --name 'Sales - Washington' --metadata '{\"department\": \"sales\"}'
  cordboard numbers edit +12025550123 --name ''        takes the name away")]
pub struct Change {
    /// Which number
    #[arg(allow_hyphen_values = true)]
    number: E164,
    #[command(flatten)]
    details: Details,
    /// Make it the number that the organization is known by
    #[arg(long)]
    primary: bool,
    /// Allow any number of calls a day
    #[arg(long, conflicts_with = "daily_limit")]
    no_daily_limit: bool,
}

impl Change {
    pub async fn run(self, context: &Context) -> Outcome {
        let mut edit = self.details.edit()?;
        edit.primary = self.primary.then_some(true);
        if self.no_daily_limit {
            edit.daily_limit = Set::Clear;
        }
        let store = context.store().await?;
        let row = number(&store, self.number).await?;
        if self.primary && row.organization_id.is_none() {
            return Err(Failure::new(format!("{} is nobody's, so nobody can be known by it", self.number)));
        }
        let mut transaction = store.begin().await?;
        let edited = match inventory::edit(&mut transaction, row.organization_id, row.id, &edit, None).await {
            Err(StoreError::NotFound { what: "trunk", key }) => {
                return Err(Failure::new(format!("there is no trunk {key}; add it: cordboard trunks add {key}")));
            }
            edited => edited?,
        };
        transaction.commit().await?;
        match edited {
            Edited::Done(row) => shown(context, &row),
            Edited::Outdated { .. } => Err(Failure::new("somebody else changed the number at this moment; try again")),
        }
    }
}

/// Print a number and all that is known of it
pub fn shown(context: &Context, row: &NumberRow) -> Outcome {
    if context.json {
        return output::print_json(row);
    }
    let maybe = |text: &Option<String>| text.clone().unwrap_or_default();
    output::print(&output::pairs(&[
        ("number", row.e164.to_string()),
        ("name", maybe(&row.friendly_name)),
        ("organization", maybe(&row.organization)),
        ("state", row.state.as_str().to_owned()),
        ("primary", if row.is_primary { "yes" } else { "" }.to_owned()),
        ("type", row.kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default()),
        ("region", output::maybe(row.region.as_ref())),
        ("provider", maybe(&row.provider)),
        ("provider id", maybe(&row.provider_id)),
        ("trunk", output::maybe(row.trunk.as_ref())),
        ("daily limit", output::maybe(row.daily_limit.as_ref())),
        ("agents", row.agents.to_string()),
        ("capabilities", row.capabilities.to_string()),
        ("metadata", row.metadata.to_string()),
        ("quarantine until", output::maybe(row.quarantine_until.as_ref())),
        ("changed", row.updated_at.to_string()),
    ]))
}

/// Delete a number that no agent has; one with calls is kept, as retired.
pub async fn delete(context: &Context, e164: E164) -> Outcome {
    let store = context.store().await?;
    let row = number(&store, e164).await?;
    let mut transaction = store.begin().await?;
    let deleted = match inventory::delete(&mut transaction, row.organization_id, row.id).await {
        Err(StoreError::Constraint { name, .. }) if name == "number_is_assigned" => {
            return Err(Failure::new(format!(
                "an agent has {e164}; take it back first: cordboard unassign ENDPOINT {e164}"
            )));
        }
        Err(StoreError::Constraint { name, .. }) if name == "number_is_chosen" => {
            return Err(Failure::new(format!(
                "{} chose {e164} for good; give it back first: cordboard numbers set {e164} available",
                row.organization.unwrap_or_default()
            )));
        }
        deleted => deleted?,
    };
    transaction.commit().await?;
    if context.json {
        return output::print_json(&serde_json::json!({ "number": e164, "result": deleted }));
    }
    output::print(&match deleted {
        Deleted::Deleted => format!("number {e164} is deleted"),
        Deleted::Retired => format!("number {e164} is retired; it is kept for the sake of its calls"),
    })
}

/// Reads a number as a person writes it, and adds it.
pub async fn add(
    context: &Context,
    store: &Store,
    organization: Option<&crate::store::organizations::Organization>,
    raw: &str,
    details: Details,
) -> Outcome<Result<NumberRow, (E164, StoreError)>> {
    let config = context.config()?;
    let country = organization.map(|organization| organization.country);
    let read = numbering::parse_owned_number(raw, country.as_ref(), &extra_prefixes(&config));
    let number = read
        .map_err(|error| Failure::new(format!("{} is not a phone number: {error}", crate::cli::context::word(raw))))?;
    let entry = details.entry(number)?;
    let mut transaction = store.begin().await?;
    if let Some(trunk) = &entry.trunk
        && !crate::store::trunks::names(&mut transaction).await?.contains(trunk)
    {
        let error = StoreError::NotFound { what: "trunk", key: trunk.to_string() };
        return Ok(Err((entry.e164, error)));
    }
    let organization = organization.map(|organization| organization.id);
    let id = match inventory::add(&mut transaction, organization, &entry).await {
        Ok(id) => id,
        Err(error @ StoreError::Constraint { .. }) => return Ok(Err((entry.e164, error))),
        Err(error) => return Err(error.into()),
    };
    let row = inventory::one(&mut transaction, organization, NumberKey::Id(id)).await?;
    transaction.commit().await?;
    Ok(Ok(row))
}
