//! `cordboard numbers list`, `groups`, `summary`, `history` and `export`.

use super::number;
use crate::cli::context::{self, Context};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output;
use crate::core::number::{E164, RegionCode};
use crate::inventory::{NumberKind, csv};
use crate::policy::NumberState;
use crate::store::history;
use crate::store::inventory::{self, NumberFilter};
use crate::store::numbers::NumberRow;
use crate::store::overview;
use clap::Args;
use std::io::Write as _;

/// So many are read at a time.
const PAGE: u32 = 1000;

/// List numbers
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard numbers list --organization acme
  cordboard numbers list --organization acme --state assigned --free      in use, and no agent has them
  cordboard numbers list --organization acme --group department=sales")]
pub struct List {
    /// Of this tenant only
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,
    /// In this state: assigned (in use), inactive, resting, retired or available
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<NumberState>,
    /// With this in the number, the name or the provider's id
    #[arg(long, value_name = "TEXT", requires = "organization", allow_hyphen_values = true)]
    search: Option<String>,
    /// Those that an agent has
    #[arg(long, requires = "organization", conflicts_with = "free")]
    given: bool,
    /// Those that no agent has
    #[arg(long, requires = "organization")]
    free: bool,
    /// With this value of this key in the metadata
    #[arg(long, value_name = "KEY=VALUE", requires = "organization", value_parser = group)]
    group: Option<(String, String)>,
    /// Sold by them
    #[arg(long, requires = "organization")]
    provider: Option<String>,
    /// Of this country
    #[arg(long, requires = "organization")]
    region: Option<RegionCode>,
    /// Of this type
    #[arg(long = "type", value_name = "TYPE", requires = "organization")]
    kind: Option<NumberKind>,
}

fn state(text: &str) -> Result<NumberState, String> {
    let all = [
        NumberState::Assigned,
        NumberState::Inactive,
        NumberState::Resting,
        NumberState::Retired,
        NumberState::Available,
    ];
    let known = all.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| "a state is assigned, inactive, resting, retired or available".to_owned())
}

fn group(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "a group is KEY=VALUE, such as department=sales".to_owned())
}

impl List {
    pub async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let organization = context::maybe_organization(&store, self.organization.as_deref()).await?;
        let numbers = match organization {
            None => store.numbers(None, self.state).await?,
            Some(organization) => {
                let all = [NumberState::Assigned, NumberState::Inactive, NumberState::Resting, NumberState::Retired];
                let filter = NumberFilter {
                    states: Some(self.state.map_or_else(|| all.to_vec(), |state| vec![state])),
                    assigned: if self.given { Some(true) } else { self.free.then_some(false) },
                    agent: None,
                    search: self.search,
                    provider: self.provider,
                    region: self.region,
                    kind: self.kind,
                    group: self.group,
                };
                let mut transaction = store.begin().await?;
                let (mut rows, mut after) = (Vec::new(), None);
                loop {
                    let page = inventory::page(&mut transaction, organization.id, &filter, after, PAGE).await?;
                    after = page.last().map(|row| row.id);
                    let last = page.len() < PAGE as usize;
                    rows.extend(page);
                    if last {
                        break;
                    }
                }
                rows.sort_by_key(|row| row.e164);
                rows
            }
        };
        if context.json {
            return output::print_json(&numbers);
        }
        if numbers.is_empty() {
            output::note(false, "no such numbers; add one: cordboard numbers add ORGANIZATION NUMBER");
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
        let header =
            ["number", "name", "organization", "region", "trunk", "provider", "agents", "daily limit", "state"];
        output::print(&output::table(header, &rows))
    }
}

/// All numbers of a tenant as CSV, which can be imported again.
pub async fn export(context: &Context, slug: &str) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, slug).await?;
    let states = Some(vec![NumberState::Assigned, NumberState::Inactive, NumberState::Resting]);
    let filter = NumberFilter { states, ..NumberFilter::default() };
    let mut out = std::io::stdout().lock();
    out.write_all(csv::header_line().as_bytes())?;
    let mut after = None;
    let mut transaction = store.begin().await?;
    loop {
        let page = inventory::page(&mut transaction, organization.id, &filter, after, PAGE).await?;
        let mut text = String::new();
        for row in &page {
            csv::write(&row.cells(), &mut text);
        }
        out.write_all(text.as_bytes())?;
        after = page.last().map(|row| row.id);
        if page.len() < PAGE as usize {
            return Ok(out.flush()?);
        }
    }
}

/// Numbers by the values of a key of their metadata, or the keys that there are.
pub async fn groups(context: &Context, slug: &str, by: Option<&str>) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, slug).await?;
    let mut transaction = store.begin().await?;
    let Some(by) = by else {
        let keys = overview::group_keys(&mut transaction, organization.id, PAGE).await?;
        if context.json {
            let keys: Vec<_> = keys.iter().map(|(key, n)| serde_json::json!({ "key": key, "numbers": n })).collect();
            return output::print_json(&keys);
        }
        let rows: Vec<_> = keys.into_iter().map(|(key, numbers)| [key, numbers.to_string()]).collect();
        return output::print(&output::table(["key", "numbers"], &rows));
    };
    let groups = overview::groups(&mut transaction, organization.id, by, PAGE).await?;
    if context.json {
        return output::print_json(&groups);
    }
    let row = |group: overview::Group| {
        [
            group.value.unwrap_or_default(),
            group.numbers.to_string(),
            group.active.to_string(),
            group.assigned.to_string(),
        ]
    };
    let rows: Vec<_> = groups.into_iter().map(row).collect();
    output::print(&output::table([by, "numbers", "active", "assigned"], &rows))
}

/// How many agents, and numbers with and without one.
pub async fn summary(context: &Context, slug: &str) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, slug).await?;
    let mut transaction = store.begin().await?;
    let summary = overview::summary(&mut transaction, organization.id).await?;
    if context.json {
        return output::print_json(&summary);
    }
    output::print(&output::pairs(&[
        ("agents", summary.agents.to_string()),
        ("agents with numbers", summary.agents_with_numbers.to_string()),
        ("numbers", summary.numbers.to_string()),
        ("assigned", summary.assigned.to_string()),
        ("available", summary.available.to_string()),
        ("inactive", summary.inactive.to_string()),
        ("resting", summary.resting.to_string()),
    ]))
}

/// Who had a number when, the latest first.
pub async fn history(context: &Context, e164: E164) -> Outcome {
    let store = context.store().await?;
    let row = number(&store, e164).await?;
    let Some(organization) = row.organization_id else {
        return Err(Failure::new(format!("{e164} is nobody's; its history is with its last owner")));
    };
    let mut transaction = store.begin().await?;
    let changes = history::of_number(&mut transaction, organization, row.id, None, PAGE).await?;
    if context.json {
        return output::print_json(&changes);
    }
    let row = |change: &history::Change| {
        [
            change.at.to_string(),
            change.event.clone(),
            output::maybe(change.agent.as_ref()),
            change.daily_limit.to_string(),
            output::list(&change.allowed_countries),
            change.by.clone(),
        ]
    };
    let rows: Vec<_> = changes.iter().map(row).collect();
    output::print(&output::table(["at", "event", "agent", "daily limit", "countries", "by"], &rows))
}
