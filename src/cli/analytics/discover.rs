//! `cordboard analytics discover`: numbers of ours that nobody has said are ours.

use crate::analytics::{Candidate, Found, columns, read_line};
use crate::cli::context::{self, Context};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::numbers::{extra_prefixes, owned};
use crate::cli::{local, output};
use crate::core::number::E164;
use crate::inventory::Entry;
use crate::store::{analytics, inventory};
use clap::Args;
use std::path::{Path, PathBuf};

/// So far back is looked.
const HOURS: i64 = 24 * 366;
/// So many wrong lines are named.
const WRONG_LINES: usize = 20;

/// Find numbers that are the tenant's and that nobody has added: those on our side of calls
#[derive(Debug, Args)]
#[command(
    after_help = "Looks into the calls of the last year, or into the call log of another system: CSV with the columns direction \
(outbound or inbound), from, to, started_at and duration_s. Adds nothing but what --add names.

Example:
  cordboard analytics discover acme
  cordboard analytics discover acme --file calls.csv
  cordboard analytics discover acme --file calls.csv --add +12025550101 --add +12025550102"
)]
pub struct Discover {
    /// The tenant's short name
    organization: String,
    /// The call log of another system
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Add this number, which must have been found; several times for several: all of them, or none
    #[arg(long = "add", value_name = "NUMBER", allow_hyphen_values = true)]
    chosen: Vec<E164>,
}

impl Discover {
    pub async fn run(self, context: &Context) -> Outcome {
        let found = self.file.as_deref().map(read).transpose()?;
        let config = context.config()?;
        let store = context.store_of(&config).await?;
        let organization = context::organization(&store, &self.organization).await?;
        let mut transaction = store.begin().await?;
        let candidates = if let Some(found) = found {
            let nobodys = analytics::nobodys(&mut transaction, &found.numbers()).await?;
            found.candidates(|number| nobodys.contains(&number))
        } else {
            let since = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(HOURS);
            analytics::unknown_callers(&mut transaction, organization.id, since).await?
        };
        if self.chosen.is_empty() {
            return show(context, &candidates, &local::Clock::of(Some(&organization)));
        }
        let mut chosen = self.chosen;
        chosen.sort_unstable();
        chosen.dedup();
        let extra = extra_prefixes(&config);
        for number in &chosen {
            if !candidates.iter().any(|candidate| candidate.number == *number) {
                return Err(Failure::new(format!(
                    "nothing was added: {number} was not found; add what was not found: cordboard numbers add {} {number}",
                    self.organization
                )));
            }
            let (e164, region) = owned(number.as_str(), organization.country, &extra)?;
            inventory::add(&mut transaction, Some(organization.id), &Entry::plain(e164, region)).await?;
        }
        transaction.commit().await?;
        if context.json {
            return output::print_json(&serde_json::json!({ "added": chosen.len(), "numbers": chosen }));
        }
        output::print(&format!("added {} to {}", output::list(&chosen), self.organization))
    }
}

fn show(context: &Context, candidates: &[Candidate], clock: &local::Clock) -> Outcome {
    if context.json {
        return output::print_json(&candidates);
    }
    if candidates.is_empty() {
        output::note(false, "no number was on our side of a call that nobody has here");
        return Ok(());
    }
    let row = |candidate: &Candidate| {
        let time = |at: Option<jiff::Timestamp>| at.map(|at| clock.second(at)).unwrap_or_default();
        [
            candidate.number.to_string(),
            candidate.calls.to_string(),
            time(candidate.first_seen),
            time(candidate.last_seen),
            if candidate.other_side > 0 { format!("also called: {}", candidate.other_side) } else { String::new() },
        ]
    };
    let rows: Vec<_> = candidates.iter().map(row).collect();
    output::note(false, "nothing was added; name what is yours with --add");
    output::print(&output::table(["number", "calls", "first", "last", "but"], &rows))
}

/// Reads a log; all that is wrong with it is told.
fn read(path: &Path) -> Outcome<Found> {
    let name = path.display();
    let unreadable = |error: csv::Error| Failure::new(format!("cannot read {name}: {error}"));
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).map_err(unreadable)?;
    let places = columns(&reader.headers().map_err(unreadable)?.iter())
        .map_err(|wrong| Failure::new(format!("{name}, line 1: the column {wrong}")))?;
    let (mut found, mut wrong) = (Found::default(), Vec::new());
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(unreadable)? {
        let cells = places.map(|place| record.get(place).unwrap_or_default());
        match read_line(cells) {
            Ok(line) => found.add(&line),
            Err(error) => {
                let line = record.position().map_or(0, csv::Position::line);
                wrong.push(format!("{name}, line {line}: {error}"));
                if wrong.len() == WRONG_LINES {
                    break;
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok(found);
    }
    for line in &wrong {
        eprintln!("{line}");
    }
    let lines = if wrong.len() < WRONG_LINES { wrong.len().to_string() } else { format!("{WRONG_LINES} or more") };
    Err(Failure::new(format!("nothing was looked for: {lines} lines of {name} are wrong; correct them")))
}
