//! `cordboard numbers import-carrier` and `drift`: what a carrier says is ours.

use crate::carriers::import::{self, Desk, ImportError, Look, Report, Way};
use crate::carriers::{CarrierError, Client, Patience};
use crate::cli::context::{self, Context};
use crate::cli::failure::{ERROR, Failure, Outcome, PENDING, UNAVAILABLE};
use crate::cli::output;
use crate::config::{Carrier, Config};
use crate::store::carriers::{self, Taken};
use crate::store::organizations::Organization;
use crate::store::{Scope, Store};
use clap::Args;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// So many lines are read at a time.
const BATCH: u32 = 1000;

/// Take in the numbers that a carrier lists for us
#[derive(Debug, Args)]
#[command(
    long_about = "Take in the numbers that a carrier lists for us

The carrier is a section [[carrier]] of the settings. New numbers are added. Of those that are there, provider, its id, type \
and capabilities become what the carrier says; name and trunk are filled if they are empty; nothing else is touched. Each page \
is kept when it is read: an import that was interrupted goes on where it stopped, and a second one finds nothing to do.",
    after_help = "Example:
  cordboard numbers import-carrier twilio --dry-run                 what would come of it
  cordboard numbers import-carrier twilio --organization acme
  cordboard numbers import-carrier telnyx --pool                    into the inventory, for whoever takes them"
)]
pub struct ImportCarrier {
    #[command(flatten)]
    whose: Whose,
    /// Only say what would come of it
    #[arg(long)]
    dry_run: bool,
    /// From the first page, even if an import was interrupted
    #[arg(long)]
    restart: bool,
}

/// Compare the numbers that a carrier lists with ours
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard numbers drift twilio --organization acme

Nothing is changed. It exits with 0 if both agree, and with 4 if they do not.")]
pub struct Drift {
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
struct Whose {
    /// Its name in the settings: [[carrier]]
    carrier: String,
    /// Whose numbers they are; the carrier's organization in the settings unless you say
    #[arg(long, value_name = "ORGANIZATION", conflicts_with = "pool")]
    organization: Option<String>,
    /// The inventory's: nobody's yet
    #[arg(long)]
    pool: bool,
}

/// All that both commands need.
struct Ready {
    config: Config,
    store: Store,
    organization: Option<Organization>,
    carrier: Carrier,
    client: Client,
}

impl Whose {
    async fn ready(&self, context: &Context) -> Outcome<Ready> {
        let config = context.config()?;
        let carrier = config.carriers.iter().find(|carrier| carrier.name == self.carrier).cloned();
        let carrier = carrier.ok_or_else(|| {
            let known: Vec<&str> = config.carriers.iter().map(|carrier| carrier.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let name = context::word(&self.carrier);
            Failure::new(format!("the settings have no carrier {name} ({known}); add a section [[carrier]]"))
        })?;
        let slug = self.organization.as_deref().or(carrier.organization.as_deref()).filter(|_| !self.pool);
        if slug.is_none() && !self.pool {
            let why = "say whose the numbers are: --organization, --pool, or carrier.organization in the settings";
            return Err(Failure::with_code(2, why));
        }
        let client = Client::new(&carrier, Patience::default()).map_err(|error| said(&carrier.name, &error))?;
        let store = context.store_of(&config).await?;
        let organization = context::maybe_organization(&store, slug).await?;
        Ok(Ready { config, store, organization, carrier, client })
    }
}

fn said(name: &str, error: &CarrierError) -> Failure {
    let passing = matches!(error, CarrierError::Busy { .. } | CarrierError::Unreachable { .. });
    Failure::with_code(if passing { UNAVAILABLE } else { ERROR }, format!("carrier {name}: {error}"))
}

impl Ready {
    async fn run<T>(&self, act: impl AsyncFnOnce(&Desk<'_>) -> Result<T, ImportError>) -> Outcome<T> {
        let extra = super::extra_prefixes(&self.config);
        let desk = Desk {
            store: &self.store,
            scope: Scope::Everything,
            actor: self.store.actor().clone(),
            organization: self.organization.as_ref().map(|organization| organization.id),
            extra: &extra,
        };
        act(&desk).await.map_err(|error| match error {
            ImportError::Store(error) => error.into(),
            ImportError::Carrier { page, error } => said(&format!("{}, page {page}", self.carrier.name), &error),
            ImportError::Contested | ImportError::Circle { .. } | ImportError::Endless => {
                Failure::new(format!("carrier {}: {error}", self.carrier.name))
            }
        })
    }

    fn whose(&self) -> String {
        self.organization.as_ref().map_or_else(|| "the inventory".to_owned(), |organization| organization.slug.clone())
    }
}

impl ImportCarrier {
    pub async fn run(self, context: &Context) -> Outcome {
        let ready = self.whose.ready(context).await?;
        let way = Way { restart: self.restart, dry_run: self.dry_run, ..Way::default() };
        let shown = std::io::stderr().is_terminal();
        let progress = |report: &Report| {
            if shown {
                let of = report.total.map(|total| format!(" of {total} numbers")).unwrap_or_default();
                eprint!(
                    "\rpage {}{of}: {} added, {} updated",
                    report.pages, report.counts.added, report.counts.updated
                );
            }
        };
        let done =
            ready.run(async |desk| import::import(&ready.client, &ready.carrier, desk, way, progress).await).await;
        if shown {
            eprintln!();
        }
        let report = done?;
        let rows = rows(&ready.store, &report).await?;
        if context.json {
            let mut value = output::json(&report)?;
            value["rows"] = output::json(&rows)?;
            return output::print_json(&value);
        }
        if !rows.is_empty() {
            let cells: Vec<_> = rows.iter().map(cells).collect();
            output::print(&output::table(["page", "place", "number", "result", "why"], &cells))?;
        }
        output::note(false, &sentence(&report, &ready.whose()));
        Ok(())
    }
}

fn sentence(report: &Report, whose: &str) -> String {
    let counts = report.counts;
    let mut text = format!(
        "{}{} pages for {whose}: {} added, {} updated, {} unchanged, {} skipped, {} wrong",
        if report.dry_run { "nothing was changed; it would be: " } else { "" },
        report.pages,
        counts.added,
        counts.updated,
        counts.unchanged,
        counts.skipped,
        counts.errors
    );
    if report.resumed_after > 0 {
        let _ = write!(text, " (went on behind page {})", report.resumed_after);
    }
    if report.changed_meanwhile {
        text.push_str("; the carrier's list changed meanwhile: do it once more");
    }
    text
}

async fn rows(store: &Store, report: &Report) -> Outcome<Vec<Taken>> {
    let Some(import) = report.import else { return Ok(report.rows.clone()) };
    let mut transaction = store.begin().await?;
    let mut rows: Vec<Taken> = Vec::new();
    loop {
        let after = rows.last().map_or((0, -1), |row| (row.page, row.place));
        let batch = carriers::remarkable(&mut transaction, import, after, BATCH).await?;
        let last = batch.len() < BATCH as usize;
        rows.extend(batch);
        if last {
            return Ok(rows);
        }
    }
}

fn cells(row: &Taken) -> [String; 5] {
    [
        row.page.to_string(),
        row.place.to_string(),
        row.number.clone(),
        row.result.as_str().to_owned(),
        row.message.clone().unwrap_or_default(),
    ]
}

impl Drift {
    pub async fn run(self, context: &Context) -> Outcome {
        let ready = self.whose.ready(context).await?;
        let shown = std::io::stderr().is_terminal();
        let progress = |page: i32, numbers: usize| {
            if shown {
                eprint!("\rpage {page}: {numbers} numbers");
            }
        };
        let done = ready.run(async |desk| import::look(&ready.client, &ready.carrier, desk, progress).await).await;
        if shown {
            eprintln!();
        }
        let look = done?;
        if context.json {
            output::print_json(&look)?;
        } else {
            print(&look)?;
            let drift = &look.drift;
            let text = format!(
                "{}: {} agree, {} only here, {} only there, {} differences, {} unreadable",
                ready.carrier.name,
                drift.agreeing,
                drift.missing_there.len(),
                drift.missing_here.len(),
                drift.differing.len(),
                look.errors.len()
            );
            output::note(false, &text);
        }
        if look.drift.is_none() && look.errors.is_empty() { Ok(()) } else { Err(Failure::silent(PENDING)) }
    }
}

fn print(look: &Look) -> Outcome {
    let mut rows = Vec::new();
    for number in &look.drift.missing_there {
        rows.push([number.to_string(), "only here".to_owned(), String::new(), String::new(), String::new()]);
    }
    for stranger in &look.drift.missing_here {
        let here = stranger.elsewhere.clone().unwrap_or_default();
        rows.push([
            stranger.number.to_string(),
            "only there".to_owned(),
            String::new(),
            here,
            stranger.provider_id.clone(),
        ]);
    }
    for one in &look.drift.differing {
        let (here, there) = (one.here.clone().unwrap_or_default(), one.there.clone().unwrap_or_default());
        rows.push([one.number.to_string(), "differs".to_owned(), one.field.clone(), here, there]);
    }
    for row in &look.errors {
        let at = format!("page {}, place {}", row.page, row.place);
        rows.push([
            row.number.clone(),
            "unreadable".to_owned(),
            at,
            String::new(),
            row.message.clone().unwrap_or_default(),
        ]);
    }
    if rows.is_empty() {
        Ok(())
    } else {
        output::print(&output::table(["number", "drift", "field", "here", "there"], &rows))
    }
}
