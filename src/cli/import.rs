//! `cordboard numbers import`: many numbers from a CSV file, all of them or none.
//!
//! Every line is read and checked before the first is written; then all are written in one transaction. The rows are held in
//! memory meanwhile (the file, and some 300 bytes a row), which [`MAX_ROWS`] and [`MAX_BYTES`] bound.

use super::context::{self, Context};
use super::failure::{ERROR, Failure, Outcome};
use super::numbers::extra_prefixes;
use super::output;
use crate::core::ids::TrunkName;
use crate::core::number::{E164, RegionCode};
use crate::numbering::{self, ExtraPrefix};
use crate::store::Store;
use crate::store::numbers::{Imported, NewNumber};
use crate::store::organizations::Organization;
use clap::Args;
use csv::{ReaderBuilder, StringRecord, Trim};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::PathBuf;

/// No carrier's list is longer; a file that is would better be cut.
const MAX_ROWS: usize = 200_000;
/// A line of that list is not longer than a few hundred bytes.
const MAX_BYTES: u64 = 64 << 20;
/// Progress is shown for every so many lines.
const STEP: usize = 5_000;
/// What the columns are, in this order if there is no header.
const COLUMNS: [&str; 6] = ["number", "provider", "region", "name", "trunk", "daily_limit"];

/// Add many numbers from a CSV file: all of them, or none
#[derive(Debug, Args)]
#[command(
    long_about = "Add many numbers from a CSV file: all of them, or none

The first line may name the columns, in any order: number,provider,region,name,trunk,daily_limit; all but number may be \
left out. Without such a line they are in this order. A region is the country by which a national number is read. \
Numbers that are there already are left as they are. At most 200000 lines at a time.",
    after_help = "Example:
  cordboard numbers import acme numbers.csv
  printf '+12025550123,telnyx,US\\n' | cordboard numbers import acme -"
)]
pub struct Import {
    /// The tenant's short name
    organization: String,
    /// The file; - for standard input
    file: PathBuf,
    /// Leave wrong lines out and write the rest
    #[arg(long)]
    skip_bad: bool,
}

/// What became of one line.
#[derive(Clone, Debug, Serialize)]
struct Line {
    #[serde(rename = "line")]
    at: u64,
    number: String,
    result: Fate,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Added,
    Skipped,
    Error,
    /// Nothing is wrong with it, and it was not written because of others.
    NotWritten,
}

impl Import {
    pub async fn run(self, context: &Context) -> Outcome {
        let data = self.data()?;
        let config = context.config()?;
        let store = context.store_of(&config).await?;
        let organization = context::organization(&store, &self.organization).await?;
        let checks = Checks {
            trunks: store.trunks().await?.into_iter().map(|trunk| trunk.name).collect(),
            extra: extra_prefixes(&config),
            organization,
        };
        let (mut lines, rows) = checks.read(&data)?;
        let bad = lines.iter().filter(|line| line.result == Fate::Error).count();
        let written = bad == 0 || self.skip_bad;
        if written {
            write(&store, &checks.organization, &mut lines, &rows).await?;
        }
        report(context, &lines, written, self.skip_bad)
    }
}

impl Import {
    fn data(&self) -> Outcome<Vec<u8>> {
        let name = self.file.display();
        let cannot = |error: std::io::Error| Failure::new(format!("cannot read {name}: {error}"));
        let mut data = Vec::new();
        let read = if self.file.as_os_str() == "-" {
            std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut data)
        } else {
            File::open(&self.file).map_err(cannot)?.take(MAX_BYTES + 1).read_to_end(&mut data)
        };
        if read.map_err(cannot)? as u64 > MAX_BYTES {
            return Err(Failure::new(format!("{name} is larger than {} MiB; cut it into several", MAX_BYTES >> 20)));
        }
        Ok(data)
    }
}

/// What a line is held against.
struct Checks {
    organization: Organization,
    trunks: BTreeSet<TrunkName>,
    extra: Vec<ExtraPrefix>,
}

/// Counts lines as an editor does, also empty ones and those within quotation marks.
struct LineCount<'a> {
    data: &'a [u8],
    at: usize,
    line: u64,
}

impl LineCount<'_> {
    /// The line on which the record begins that is read next from `byte` on.
    fn next(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(&b) = self.data.get(self.at).filter(|b| self.at < byte || matches!(b, b'\r' | b'\n')) {
            self.line += u64::from(b == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// A number and the place of its line among the lines.
type Row = (usize, NewNumber);

impl Checks {
    fn read(&self, data: &[u8]) -> Outcome<(Vec<Line>, Vec<Row>)> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(data);
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        let mut columns: BTreeMap<&str, usize> = COLUMNS.iter().enumerate().map(|(i, name)| (*name, i)).collect();
        let mut seen: BTreeMap<E164, u64> = BTreeMap::new();
        let mut count = LineCount { data, at: 0, line: 1 };
        let mut first = true;
        let mut record = StringRecord::new();
        loop {
            let line = count.next(reader.position().byte());
            match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                    lines.push(Line::error(line, "", "the line is not UTF-8"));
                    continue;
                }
                Err(error) => return Err(Failure::new(format!("cannot read the file: {error}"))),
            }
            if std::mem::take(&mut first) {
                let name = record.get(0).unwrap_or_default().trim_start_matches('\u{feff}').to_owned();
                if let Some(header) = header(&record)? {
                    columns = header;
                    continue;
                }
                // a byte order mark is no part of the number
                record = std::iter::once(name.as_str()).chain(record.iter().skip(1)).collect();
            }
            if record.iter().all(str::is_empty) {
                continue;
            }
            if lines.len() >= MAX_ROWS {
                return Err(Failure::new(format!("the file has more than {MAX_ROWS} lines; cut it into several")));
            }
            let field = |name: &str| columns.get(name).and_then(|&i| record.get(i)).filter(|text| !text.is_empty());
            let raw = field("number").unwrap_or_default();
            match self.number(&record, columns.len(), field) {
                Ok((new, remark)) => {
                    let earlier = seen.get(&new.e164).copied();
                    let remark = earlier.map(|first| format!("the same as line {first}")).or(remark);
                    seen.entry(new.e164).or_insert(line);
                    let number = new.e164.to_string();
                    rows.push((lines.len(), new));
                    lines.push(Line { at: line, number, result: Fate::NotWritten, message: remark });
                }
                Err(message) => lines.push(Line::error(line, raw, &message)),
            }
            progress("read", lines.len());
        }
        Ok((lines, rows))
    }

    /// The number of one line, with a remark; or what is wrong with it.
    fn number<'a>(
        &self,
        record: &StringRecord,
        columns: usize,
        field: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(NewNumber, Option<String>), String> {
        if record.len() > columns {
            return Err(format!("{} columns where there should be at most {columns}", record.len()));
        }
        let named = field("region").map(|text| text.to_ascii_uppercase().parse::<RegionCode>()).transpose();
        let named = named.map_err(|error| format!("the region is {error}"))?;
        let country = named.unwrap_or(self.organization.country);
        let raw = field("number").ok_or("the number is missing")?;
        let number = numbering::parse_owned_number(raw, Some(&country), &self.extra).map_err(|e| e.to_string())?;
        let trunk = field("trunk").map(str::parse::<TrunkName>).transpose().map_err(|e| e.to_string())?;
        if let Some(trunk) = trunk.as_ref().filter(|trunk| !self.trunks.contains(trunk)) {
            return Err(format!("there is no trunk {trunk}; add it: cordboard trunks add {trunk}"));
        }
        let daily_limit = field("daily_limit").map(str::parse::<u32>).transpose().ok();
        let daily_limit = daily_limit.filter(|limit| limit.is_none_or(|limit| (1..=100_000).contains(&limit)));
        let new = NewNumber {
            e164: number.e164,
            organization: Some(self.organization.id),
            region: Some(number.region),
            friendly_name: field("name").map(str::to_owned),
            provider: field("provider").map(str::to_owned),
            trunk,
            daily_limit: daily_limit.ok_or("the daily limit is 1 to 100000")?,
        };
        if [&new.friendly_name, &new.provider].into_iter().flatten().any(|text| text.chars().any(char::is_control)) {
            return Err("there is a control character in the name or the provider".to_owned());
        }
        let remark = named.filter(|region| *region != number.region);
        Ok((new, remark.map(|region| format!("the file says {region}, but the number is of {}", number.region))))
    }
}

/// The columns, if the first line names them.
fn header(record: &StringRecord) -> Outcome<Option<BTreeMap<&'static str, usize>>> {
    let names: Vec<String> =
        record.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_ascii_lowercase()).collect();
    if !names.iter().any(|name| name == "number") {
        return Ok(None);
    }
    let mut columns = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        let Some(known) = COLUMNS.into_iter().find(|column| column == name) else {
            let all = COLUMNS.join(", ");
            return Err(Failure::new(format!("line 1: there is no column {name:?}; the columns are {all}")));
        };
        if columns.insert(known, index).is_some() {
            return Err(Failure::new(format!("line 1: the column {known} is there twice")));
        }
    }
    Ok(Some(columns))
}

async fn write(store: &Store, organization: &Organization, lines: &mut [Line], rows: &[Row]) -> Outcome {
    let new: Vec<NewNumber> = rows.iter().map(|(_, new)| new.clone()).collect();
    if new.len() >= STEP && std::io::stderr().is_terminal() {
        eprintln!("\rwriting {} numbers …", new.len());
    }
    // what belongs to somebody else is not "there already" for this tenant
    let owners: BTreeMap<E164, Option<String>> =
        store.numbers(None, None).await?.into_iter().map(|row| (row.e164, row.organization)).collect();
    let results = store.import_numbers(&new).await?;
    for ((index, new), result) in rows.iter().zip(results) {
        let line = &mut lines[*index];
        match result {
            Imported::Added => line.result = Fate::Added,
            Imported::Skipped => {
                line.result = Fate::Skipped;
                let owner = owners.get(&new.e164);
                let there = owner.map(|owner| match owner.as_deref() {
                    Some(slug) if slug == organization.slug => "it is there already".to_owned(),
                    Some(slug) => format!("it is organization {slug}'s"),
                    None => "it is in the inventory already".to_owned(),
                });
                line.message = there.or_else(|| line.message.take());
            }
            Imported::Error { message } => {
                line.result = Fate::Error;
                line.message = Some(message);
            }
        }
    }
    Ok(())
}

fn report(context: &Context, lines: &[Line], written: bool, skip_bad: bool) -> Outcome {
    let count = |result| lines.iter().filter(|line| line.result == result).count();
    let (added, skipped, bad) = (count(Fate::Added), count(Fate::Skipped), count(Fate::Error));
    if context.json {
        let report = serde_json::json!({
            "written": written, "added": added, "skipped": skipped, "errors": bad, "lines": lines,
        });
        output::print_json(&report)?;
    } else {
        let shown = lines.iter().filter(|line| written || line.result == Fate::Error);
        let row = |line: &Line| {
            let result = match line.result {
                Fate::Added => "added",
                Fate::Skipped => "skipped",
                Fate::Error => "error",
                Fate::NotWritten => "not written",
            };
            let message = line.message.clone().unwrap_or_default();
            [line.at.to_string(), line.number.clone(), result.to_owned(), message]
        };
        let rows: Vec<_> = shown.map(row).collect();
        if !rows.is_empty() {
            output::print(&output::table(["line", "number", "result", "why"], &rows))?;
        }
    }
    if !written {
        let good = lines.len() - bad;
        return Err(Failure::with_code(
            ERROR,
            format!(
                "nothing was written: {bad} of {} lines are wrong; correct them, or write the other {good} with --skip-bad",
                lines.len()
            ),
        ));
    }
    output::note(context.json, &format!("{added} added, {skipped} skipped, {bad} wrong"));
    if bad > 0 && !skip_bad {
        // something changed between the check and the writing, such as a trunk that was removed
        return Err(Failure::new(format!("{bad} lines were refused by the database; the others were written")));
    }
    Ok(())
}

impl Line {
    fn error(line: u64, number: &str, message: &str) -> Self {
        let number = number.chars().take(40).collect();
        Self { at: line, number, result: Fate::Error, message: Some(message.to_owned()) }
    }
}

fn progress(what: &str, lines: usize) {
    if lines.is_multiple_of(STEP) && lines > 0 && std::io::stderr().is_terminal() {
        eprint!("\r{what} {lines} lines");
    }
}

#[cfg(test)]
mod tests;
