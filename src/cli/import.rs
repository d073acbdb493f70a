//! `cordboard numbers import`: many numbers from a CSV or JSON file, all of them or none.
//!
//! The file is read line by line and written down beside the inventory; when all of it is good, one statement puts it there. All
//! of it is one transaction, and takes no more memory than its longest line.

use super::context::{self, Context};
use super::failure::{ERROR, Failure, Outcome};
use super::numbers::extra_prefixes;
use super::output;
use crate::inventory::{Field, Line, Rules, Unreadable, csv, json};
use crate::store::uploads::{self, Fate, Mode, UploadId, UploadRow};
use crate::store::{Transaction, trunks};
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};

/// No carrier has more; a file that is longer is no list of numbers.
const MAX_BYTES: u64 = 1 << 30;
/// Of JSON, which is read whole.
const MAX_JSON_BYTES: u64 = 64 << 20;
/// Progress is shown for every so many lines.
const STEP: usize = 5_000;
/// So many lines are written down at a time.
const BATCH: usize = 1000;
/// Of a longer list only the lines with a remark are shown.
const SHOWN: usize = 20_000;

/// Add many numbers from a CSV or JSON file: all of them, or none
#[derive(Debug, Args)]
#[command(
    long_about = "Add many numbers from a CSV or JSON file: all of them, or none

The first line of a CSV file may name the columns, in any order: number, provider, region, name, trunk, daily_limit, type, \
provider_id, capabilities, metadata; all but number may be left out. Without such a line they are in this order. A region is \
the country by which a national number is read. A JSON file is a list of objects with these names. Numbers that are there \
already are left as they are.",
    after_help = "Example:
  cordboard numbers import acme numbers.csv
  cordboard numbers import --pool toll-free.csv        into the inventory, for whoever takes them
  printf '+12025550123,telnyx,US\\n' | cordboard numbers import acme -"
)]
pub struct Import {
    /// The tenant's short name; with --pool the file
    organization: String,
    /// The file; - for standard input
    file: Option<String>,
    /// Into the inventory, and nobody's yet
    #[arg(long)]
    pool: bool,
    /// Leave wrong lines out and write the rest
    #[arg(long)]
    skip_bad: bool,
    /// csv or json; by the file's name unless you say
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values
    Csv,
    /// A list of objects
    Json,
}

impl Import {
    pub async fn run(self, context: &Context) -> Outcome {
        let (slug, file) = match (&self.file, self.pool) {
            (None, true) => (None, PathBuf::from(&self.organization)),
            (Some(file), false) => (Some(self.organization.as_str()), PathBuf::from(file)),
            (_, true) => return Err(Failure::with_code(2, "with --pool, say only the file")),
            (_, false) => {
                return Err(Failure::with_code(2, "say the organization and the file, or --pool and the file"));
            }
        };
        let format = self.format.unwrap_or_else(|| Format::of(&file));
        let source = open(&file)?;
        let config = context.config()?;
        let store = context.store_of(&config).await?;
        let organization = context::maybe_organization(&store, slug).await?;
        let mut transaction = store.begin().await?;
        let rules = Rules {
            country: organization.as_ref().map(|organization| organization.country),
            trunks: trunks::names(&mut transaction).await?,
            extra: extra_prefixes(&config),
        };
        let organization = organization.map(|organization| organization.id);
        uploads::patiently(&mut transaction).await?;
        let upload = uploads::begin(&mut transaction, organization).await?;
        let list = List { transaction, upload, staged: 0, fields: &Field::ALL };
        let (mut transaction, staged) = list.read(source, format, rules, &file).await?;
        if staged >= STEP && std::io::stderr().is_terminal() {
            eprintln!("\rwriting {staged} numbers …");
        }
        let mode = if self.skip_bad { Mode::SkipWrong } else { Mode::AllOrNothing };
        let outcome = uploads::settle(&mut transaction, upload, organization, mode).await?;
        finish(context, transaction, upload, &outcome, staged).await
    }
}

/// Tells what became of a list, forgets it and commits.
pub async fn finish(
    context: &Context,
    mut transaction: Transaction,
    upload: UploadId,
    outcome: &uploads::Outcome,
    staged: usize,
) -> Outcome {
    report(context, &mut transaction, upload, outcome, staged).await?;
    uploads::forget(&mut transaction, upload).await?;
    transaction.commit().await?;
    if !outcome.written {
        return Err(Failure::with_code(
            ERROR,
            format!(
                "nothing was written: {} of {staged} lines are wrong; correct them, or write the other {} with --skip-bad",
                outcome.errors,
                i64::try_from(staged).unwrap_or(i64::MAX) - outcome.errors
            ),
        ));
    }
    let uploads::Outcome { added, skipped, errors, .. } = outcome;
    output::note(context.json, &format!("{added} added, {skipped} skipped, {errors} wrong"));
    Ok(())
}

impl Format {
    /// By the file's name.
    pub fn of(file: &Path) -> Self {
        let json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if json { Self::Json } else { Self::Csv }
    }
}

/// Opens the file; - is standard input.
pub fn open(file: &PathBuf) -> Outcome<Box<dyn Read>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    match File::open(file) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(Failure::new(format!("cannot read {}: {error}", file.display()))),
    }
}

/// A list that is being read.
pub struct List {
    pub transaction: Transaction,
    pub upload: UploadId,
    pub staged: usize,
    /// What its lines say.
    pub fields: &'static [Field],
}

impl List {
    /// Reads all of it and writes it down; tells how many lines there are.
    pub async fn read(
        mut self,
        mut source: Box<dyn Read>,
        format: Format,
        rules: Rules,
        file: &Path,
    ) -> Outcome<(Transaction, usize)> {
        let name = file.display().to_string();
        match format {
            Format::Csv => self.read_csv(&mut source, rules, &name).await?,
            Format::Json => self.read_json(&mut source, &rules, &name).await?,
        }
        Ok((self.transaction, self.staged))
    }

    async fn read_csv(&mut self, source: &mut dyn Read, rules: Rules, name: &str) -> Outcome {
        let (mut reader, mut lines) = (csv::Reader::of(rules, self.fields), Vec::new());
        let mut piece = vec![0; 64 * 1024];
        let mut bytes: u64 = 0;
        loop {
            let length = source.read(&mut piece).map_err(|error| cannot(name, &error))?;
            if length == 0 {
                break;
            }
            bytes += length as u64;
            if bytes > MAX_BYTES {
                return Err(too_large(name, MAX_BYTES));
            }
            reader.feed(&piece[..length], &mut lines).map_err(|error| unreadable(name, &error))?;
            if lines.len() >= BATCH {
                self.stage(&mut lines).await?;
            }
        }
        reader.finish(&mut lines).map_err(|error| unreadable(name, &error))?;
        self.stage(&mut lines).await
    }

    async fn read_json(&mut self, source: &mut dyn Read, rules: &Rules, name: &str) -> Outcome {
        let (mut text, mut lines) = (Vec::new(), Vec::new());
        source.take(MAX_JSON_BYTES + 1).read_to_end(&mut text).map_err(|error| cannot(name, &error))?;
        if text.len() as u64 > MAX_JSON_BYTES {
            return Err(too_large(name, MAX_JSON_BYTES));
        }
        json::read_of(&text, rules, self.fields, |line| lines.push(line)).map_err(|error| unreadable(name, &error))?;
        self.stage(&mut lines).await
    }

    /// Writes down what was read until now.
    async fn stage(&mut self, lines: &mut Vec<Line>) -> Outcome {
        for batch in lines.chunks(BATCH) {
            let place =
                i32::try_from(self.staged).map_err(|_| Failure::new("the list is too long; cut it into several"))?;
            uploads::stage(&mut self.transaction, self.upload, place, batch).await?;
            self.staged += batch.len();
            if self.staged.is_multiple_of(STEP) && std::io::stderr().is_terminal() {
                eprint!("\rread {} lines", self.staged);
            }
        }
        lines.clear();
        Ok(())
    }
}

fn cannot(name: &str, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read {name}: {error}"))
}

fn too_large(name: &str, bytes: u64) -> Failure {
    Failure::new(format!("{name} is larger than {} MiB; cut it into several", bytes >> 20))
}

fn unreadable(name: &str, error: &Unreadable) -> Failure {
    Failure::new(format!("nothing was written: {name}: {error}"))
}

async fn report(
    context: &Context,
    transaction: &mut Transaction,
    upload: UploadId,
    outcome: &uploads::Outcome,
    lines: usize,
) -> Outcome {
    let remarkable = lines > SHOWN || !outcome.written && !context.json;
    let mut after = None;
    let mut rows = Vec::new();
    let mut out = std::io::stdout().lock();
    if context.json {
        let uploads::Outcome { written, added, skipped, errors, .. } = outcome;
        writeln!(
            out,
            "{{\"written\": {written}, \"added\": {added}, \"skipped\": {skipped}, \"errors\": {errors}, \"lines\": ["
        )?;
    }
    let mut first = true;
    loop {
        let page = uploads::rows(transaction, upload, after, 1000, remarkable).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.place);
        if !context.json {
            if rows.len() >= SHOWN {
                output::note(false, "there are more lines like these; --json shows all of them");
                break;
            }
            rows.extend(page.iter().filter(|row| outcome.written || row.result == Fate::Error).map(cells));
            continue;
        }
        for row in page {
            let text = serde_json::to_string(&row).map_err(Failure::new)?;
            writeln!(out, "{}{text}", if std::mem::take(&mut first) { " " } else { "," })?;
        }
    }
    if context.json {
        writeln!(out, "]}}")?;
        return Ok(out.flush()?);
    }
    drop(out);
    if rows.is_empty() { Ok(()) } else { output::print(&output::table(["line", "number", "result", "why"], &rows)) }
}

fn cells(row: &UploadRow) -> [String; 4] {
    let result = match row.result {
        Fate::Added => "added",
        Fate::Skipped => "skipped",
        Fate::Error => "error",
        Fate::NotWritten | Fate::Ready => "not written",
    };
    let place =
        |column: i32| row.field.as_ref().map_or_else(|| format!("column {column}: "), |field| format!("{field}: "));
    let why = row.message.clone().map(|message| row.column.map(place).unwrap_or_default() + &message);
    [row.line.to_string(), row.number.clone(), result.to_owned(), why.unwrap_or_default()]
}
