//! `cordboard campaigns contacts`, `add-contact`, `import-contacts` and `remove-contact`.

use super::Which;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::import::{self, Format};
use crate::cli::numbers::{extra_prefixes, owned};
use crate::cli::output;
use crate::inventory::{Field, Label, Metadata, Rules};
use crate::store::StoreError;
use crate::store::contacts::{self, Contact, ContactRow};
use crate::store::uploads::{self, Mode};
use clap::Args;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// List whom a campaign calls
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cordboard campaigns contacts acme Spring --search 0123")]
pub struct List {
    #[command(flatten)]
    which: Which,
    /// With this in the name or the number
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    search: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = 100, value_name = "CONTACTS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Add somebody to a campaign
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cordboard campaigns add-contact acme Spring '(202) 555-0123' --name Alice")]
pub struct Add {
    #[command(flatten)]
    which: Which,
    /// Their number, international or as it is written in the tenant's country
    #[arg(allow_hyphen_values = true)]
    number: String,
    /// Their name
    #[arg(long)]
    name: Option<Label>,
    /// Anything else, as a JSON object
    #[arg(long, value_name = "JSON")]
    metadata: Option<Metadata>,
}

/// Add many to a campaign from a CSV or JSON file: all of them, or none
#[derive(Debug, Args)]
#[command(
    long_about = "Add many to a campaign from a CSV or JSON file: all of them, or none

The first line of a CSV file may name the columns, in any order: number, name, metadata; all but number may be left out. Without \
such a line they are in this order. Those that the campaign has already are left as they are.",
    after_help = "Example:
  cordboard campaigns import-contacts acme Spring leads.csv
  printf '+12025550123,Alice\\n' | cordboard campaigns import-contacts acme Spring -"
)]
pub struct Import {
    #[command(flatten)]
    which: Which,
    /// The file; - for standard input
    file: PathBuf,
    /// Leave wrong lines out and write the rest
    #[arg(long)]
    skip_bad: bool,
    /// csv or json; by the file's name unless you say
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Forget somebody whom a campaign calls
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cordboard campaigns remove-contact acme Spring +12025550123")]
pub struct Remove {
    #[command(flatten)]
    which: Which,
    /// Their number
    #[arg(allow_hyphen_values = true)]
    number: String,
}

impl List {
    pub async fn run(self, context: &Context) -> Outcome {
        let (store, organization, campaign) = self.which.ready(context).await?;
        let mut transaction = store.begin().await?;
        let search = self.search.as_deref();
        let rows = contacts::page(&mut transaction, organization.id, campaign.id, search, None, self.limit).await?;
        if context.json {
            return output::print_json(&rows);
        }
        if rows.is_empty() {
            output::note(false, "no such contacts");
            return Ok(());
        }
        let cells = |row: &ContactRow| [row.number.to_string(), row.name.clone().unwrap_or_default(), metadata(row)];
        let rows: Vec<_> = rows.iter().map(cells).collect();
        output::print(&output::table(["number", "name", "metadata"], &rows))
    }
}

fn metadata(row: &ContactRow) -> String {
    if row.metadata.as_object().is_none_or(serde_json::Map::is_empty) {
        String::new()
    } else {
        row.metadata.to_string()
    }
}

impl Add {
    pub async fn run(self, context: &Context) -> Outcome {
        let extra = extra_prefixes(&context.config()?);
        let (store, organization, campaign) = self.which.ready(context).await?;
        let (e164, _) = owned(&self.number, organization.country, &extra)?;
        let mut transaction = store.begin().await?;
        let (name, metadata) = (self.name.as_ref(), self.metadata.as_ref());
        let row = contacts::add(&mut transaction, organization.id, campaign.id, e164, name, metadata).await?;
        transaction.commit().await?;
        if context.json {
            return output::print_json(&row);
        }
        output::print(&format!("added {} to campaign {}", row.number, campaign.name))
    }
}

impl Import {
    pub async fn run(self, context: &Context) -> Outcome {
        let format = self.format.unwrap_or_else(|| Format::of(&self.file));
        let source = import::open(&self.file)?;
        let extra = extra_prefixes(&context.config()?);
        let (store, organization, campaign) = self.which.ready(context).await?;
        let rules = Rules { country: Some(organization.country), trunks: BTreeSet::new(), extra };
        let mut transaction = store.begin().await?;
        uploads::patiently(&mut transaction).await?;
        let upload = uploads::begin(&mut transaction, Some(organization.id)).await?;
        let list = import::List { transaction, upload, staged: 0, fields: &Field::OF_CONTACTS };
        let (mut transaction, staged) = list.read(source, format, rules, &self.file).await?;
        let mode = if self.skip_bad { Mode::SkipWrong } else { Mode::AllOrNothing };
        let outcome = contacts::settle(&mut transaction, upload, organization.id, campaign.id, mode).await?;
        import::finish(context, transaction, upload, &outcome, staged).await
    }
}

impl Remove {
    pub async fn run(self, context: &Context) -> Outcome {
        let extra = extra_prefixes(&context.config()?);
        let (store, organization, campaign) = self.which.ready(context).await?;
        let (e164, _) = owned(&self.number, organization.country, &extra)?;
        let mut transaction = store.begin().await?;
        match contacts::remove(&mut transaction, organization.id, campaign.id, Contact::Number(e164)).await {
            Err(StoreError::NotFound { .. }) => {
                return Err(Failure::new(format!("campaign {} has no contact {e164}", campaign.name)));
            }
            answer => answer?,
        }
        transaction.commit().await?;
        if context.json {
            return output::print_json(&serde_json::json!({"number": e164, "result": "removed"}));
        }
        output::print(&format!("removed {e164} from campaign {}", campaign.name))
    }
}
