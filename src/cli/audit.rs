//! `cordboard audit`: who changed what, and whether the trail of it is whole.

use super::context::{self, Context};
use super::failure::{ERROR, Failure, Outcome};
use super::output;
use crate::core::ids::OrganizationId;
use crate::store::Store;
use crate::store::audit::{AuditFilter, AuditRow, Chain, HOUSE};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Who changed what
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  cordboard audit list acme\n  cordboard audit verify")]
pub enum Audit {
    List(List),
    /// Read the trails from their beginning, and say whether anybody changed them
    #[command(
        after_help = "Exit code 1 if a trail is broken. Write the heads down elsewhere: a trail whose end was cut off is whole,
and only shorter; --head finds that out.

Example:
  cordboard audit verify
  cordboard audit verify acme --head 1204:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    Verify {
        /// Of this tenant only; its short name
        organization: Option<String>,
        /// What an earlier `verify` said of this tenant: ROW:HASH
        #[arg(long, requires = "organization", value_name = "ROW:HASH", value_parser = head)]
        head: Option<(i64, String)>,
    },
}

/// Who changed what, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cordboard audit list acme --what numbers\n  cordboard audit list --json")]
pub struct List {
    /// The tenant's short name; none: what belongs to nobody, such as the inventory and the trunks
    organization: Option<String>,
    /// Of this table only, such as numbers
    #[arg(long, value_name = "TABLE")]
    what: Option<String>,
    /// Of what has this id only
    #[arg(long, value_name = "ID")]
    row: Option<String>,
    /// By this actor only, such as cli:root
    #[arg(long)]
    actor: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

fn head(text: &str) -> Result<(i64, String), String> {
    let wrong = || "ROW:HASH, as `cordboard audit verify` prints it".to_owned();
    let (row, hash) = text.split_once(':').ok_or_else(wrong)?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let row = row.parse().ok().filter(|row| is_hash && *row > 0).ok_or_else(wrong)?;
    Ok((row, hash.to_ascii_lowercase()))
}

impl Audit {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Verify { organization, head } => verify(context, organization.as_deref(), head).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let organization = context::maybe_organization(&store, self.organization.as_deref()).await?;
        let filter = AuditFilter { what: self.what, row_id: self.row, actor: self.actor, before_seq: None };
        let rows = store.audit(organization.map_or(HOUSE, |o| o.id), &filter, self.limit).await?;
        if context.json {
            return output::print_json(&rows);
        }
        if rows.is_empty() {
            output::note(false, "nothing is on record");
            return Ok(());
        }
        let row = |row: &AuditRow| {
            let request = row.request.clone().unwrap_or_default();
            let at = row.at.strftime("%F %T UTC").to_string();
            let what = format!("{} {}", row.action, row.what);
            [row.seq.to_string(), at, row.actor.clone(), what, changes(row), request]
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        output::print(&output::table(["row", "at", "actor", "what", "change", "request"], &rows))
    }
}

/// `friendly_name: "a" → "b"`; of what was added or deleted, what people know it by.
fn changes(row: &AuditRow) -> String {
    let empty = serde_json::Map::new();
    let fields = |value: &Option<Value>| value.as_ref().and_then(Value::as_object).unwrap_or(&empty).clone();
    let (before, after) = (fields(&row.before), fields(&row.after));
    if row.action != "update" {
        let known = if after.is_empty() { &before } else { &after };
        let by = ["slug", "email", "e164", "endpoint", "name", "id"].iter().find_map(|name| known.get(*name));
        return by.and_then(Value::as_str).unwrap_or_default().to_owned();
    }
    let mut text = String::new();
    for (name, was) in &before {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{name}: {was} → {}", after.get(name).unwrap_or(&Value::Null));
    }
    text
}

async fn verify(context: &Context, slug: Option<&str>, head: Option<(i64, String)>) -> Outcome {
    let store = context.store().await?;
    let organization = context::maybe_organization(&store, slug).await?;
    let chains = match organization {
        Some(organization) => vec![organization.id],
        None => store.audit_chains().await?,
    };
    let (mut good, mut shown) = (true, Vec::new());
    for id in chains {
        let chain = store.verify_audit(id).await?;
        let short = match &head {
            Some((row, hash)) => is_short(&store, id, *row, hash).await?,
            None => false,
        };
        good &= chain.broken.is_none() && !short;
        shown.push((name(&store, id).await?, chain, short));
    }
    if context.json {
        let json = shown.iter().map(|(name, chain, short)| {
            let mut value = output::json(chain)?;
            value["organization"] = json!(name);
            value["headIsMissing"] = json!(short);
            Ok(value)
        });
        output::print_json(&json.collect::<Outcome<Vec<Value>>>()?)?;
    } else {
        for (name, chain, short) in &shown {
            output::print(&verdict(name, chain, *short, head.as_ref()))?;
        }
    }
    if good { Ok(()) } else { Err(Failure::silent(ERROR)) }
}

fn verdict(name: &str, chain: &Chain, short: bool, head: Option<&(i64, String)>) -> String {
    let Chain { rows, head: last, broken, .. } = chain;
    match (broken, head) {
        (Some(broken), _) => {
            format!("BROKEN  {name}: row {}: {}; {rows} rows before it are whole", broken.seq, broken.what)
        }
        (None, Some((row, _))) if short => {
            format!("BROKEN  {name}: row {row} is not the one that was written down; {rows} rows are there")
        }
        (None, _) => format!("ok      {name}: {rows} rows, head {rows}:{last}"),
    }
}

/// Whether the row of which the hash was written down is not there any more, or another stands in its place.
async fn is_short(store: &Store, id: OrganizationId, row: i64, hash: &str) -> Outcome<bool> {
    let filter = AuditFilter { before_seq: Some(row + 1), ..AuditFilter::default() };
    let found = store.audit(id, &filter, 1).await?;
    Ok(!found.first().is_some_and(|found| found.seq == row && found.hash == hash))
}

async fn name(store: &Store, id: OrganizationId) -> Outcome<String> {
    if id == HOUSE {
        return Ok("the house".to_owned());
    }
    let known = store.organizations().await?.into_iter().find(|organization| organization.id == id);
    Ok(known.map_or_else(|| id.to_string(), |organization| organization.slug))
}
