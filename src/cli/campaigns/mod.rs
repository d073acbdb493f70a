//! `cordboard campaigns`.

mod contacts;

use super::context::{self, Context, unknown, word};
use super::failure::{Failure, Outcome};
use super::output;
use crate::core::ids::NumberId;
use crate::core::number::E164;
use crate::inventory::Label;
use crate::store::campaigns::{self, CampaignRow, CampaignStatus};
use crate::store::organizations::Organization;
use crate::store::{Store, StoreError};
use clap::{Args, Subcommand};

/// What calls are made for: their numbers, and whom to call
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  cordboard campaigns add acme Spring
  cordboard campaigns link acme Spring +12025550123")]
pub enum Campaigns {
    /// Add a campaign
    #[command(after_help = "Example:\n  cordboard campaigns add acme Spring")]
    Add {
        /// The tenant's short name
        organization: String,
        /// Its name
        name: Label,
    },
    /// List campaigns, but for those that are archived
    #[command(after_help = "Example:\n  cordboard campaigns list acme --status archived")]
    List {
        /// The tenant's short name
        organization: String,
        /// Only those that are active, paused or archived
        #[arg(long)]
        status: Option<CampaignStatus>,
    },
    /// Show a campaign with its numbers
    #[command(after_help = "Example:\n  cordboard campaigns show acme Spring")]
    Show(Which),
    /// Change a campaign's name, or pause it and go on with it
    #[command(after_help = "Example:
  cordboard campaigns edit acme Spring --name 'Spring 2027'
  cordboard campaigns edit acme Spring --status paused      no calls are made for it")]
    Edit {
        #[command(flatten)]
        which: Which,
        /// Its new name
        #[arg(long)]
        name: Option<Label>,
        /// active, paused or archived
        #[arg(long)]
        status: Option<CampaignStatus>,
    },
    /// Put a campaign away: no calls are made for it any more
    #[command(after_help = "Example:\n  cordboard campaigns archive acme Spring")]
    Archive(Which),
    /// Let calls of a campaign be made from these numbers
    #[command(after_help = "Example:\n  cordboard campaigns link acme Spring +12025550123 +12025550124")]
    Link(Links),
    /// Take numbers from a campaign
    #[command(after_help = "Example:\n  cordboard campaigns unlink acme Spring +12025550123")]
    Unlink(Links),
    Contacts(contacts::List),
    AddContact(contacts::Add),
    ImportContacts(contacts::Import),
    RemoveContact(contacts::Remove),
}

#[derive(Debug, Args)]
pub struct Which {
    /// The tenant's short name
    organization: String,
    /// The campaign's name or id
    campaign: String,
}

#[derive(Debug, Args)]
pub struct Links {
    #[command(flatten)]
    which: Which,
    /// Which numbers
    #[arg(required = true, allow_hyphen_values = true)]
    numbers: Vec<E164>,
}

/// The campaign of that name or id.
pub async fn find(store: &Store, organization: &Organization, key: &str) -> Outcome<CampaignRow> {
    let mut transaction = store.begin().await?;
    match campaigns::one(&mut transaction, organization.id, key).await {
        Err(StoreError::NotFound { .. }) => {
            let known = campaigns::page(&mut transaction, organization.id, None, None, 20).await?;
            let add = format!("cordboard campaigns add {} {}", organization.slug, word(key));
            Err(unknown("campaign", &word(key), known.iter().map(|row| row.name.as_str()), &add))
        }
        answer => Ok(answer?),
    }
}

impl Which {
    async fn ready(&self, context: &Context) -> Outcome<(Store, Organization, CampaignRow)> {
        let store = context.store().await?;
        let organization = context::organization(&store, &self.organization).await?;
        let campaign = find(&store, &organization, &self.campaign).await?;
        Ok((store, organization, campaign))
    }
}

impl Campaigns {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add { organization, name } => {
                let store = context.store().await?;
                let organization = context::organization(&store, &organization).await?;
                let mut transaction = store.begin().await?;
                let row = campaigns::add(&mut transaction, organization.id, &name).await?;
                transaction.commit().await?;
                said(context, &row, "added")
            }
            Self::List { organization, status } => list(context, &organization, status).await,
            Self::Show(which) => show(context, &which).await,
            Self::Edit { which, name, status } => edit(context, &which, name.as_ref(), status).await,
            Self::Archive(which) => edit(context, &which, None, Some(CampaignStatus::Archived)).await,
            Self::Link(links) => links.run(context, true).await,
            Self::Unlink(links) => links.run(context, false).await,
            Self::Contacts(list) => list.run(context).await,
            Self::AddContact(add) => add.run(context).await,
            Self::ImportContacts(import) => import.run(context).await,
            Self::RemoveContact(remove) => remove.run(context).await,
        }
    }
}

fn said(context: &Context, row: &CampaignRow, what: &str) -> Outcome {
    if context.json {
        return output::print_json(row);
    }
    output::print(&format!("{what} campaign {} ({}): {}", row.name, row.status.as_str(), row.id))
}

async fn list(context: &Context, slug: &str, status: Option<CampaignStatus>) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, slug).await?;
    let mut transaction = store.begin().await?;
    let mut rows: Vec<CampaignRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.id);
        let page = campaigns::page(&mut transaction, organization.id, status, after, 1000).await?;
        let last = page.len() < 1000;
        rows.extend(page);
        if last {
            break;
        }
    }
    if context.json {
        return output::print_json(&rows);
    }
    if rows.is_empty() {
        output::note(false, &format!("no such campaigns; add one: cordboard campaigns add {slug} NAME"));
        return Ok(());
    }
    let cells = |row: &CampaignRow| {
        [row.name.clone(), row.status.as_str().to_owned(), row.numbers.to_string(), row.contacts.to_string()]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    output::print(&output::table(["campaign", "status", "numbers", "contacts"], &rows))
}

async fn show(context: &Context, which: &Which) -> Outcome {
    let (store, organization, row) = which.ready(context).await?;
    let mut transaction = store.begin().await?;
    let numbers = campaigns::numbers(&mut transaction, organization.id, row.id).await?;
    if context.json {
        let mut value = output::json(&row)?;
        value["linked"] = output::json(&numbers)?;
        return output::print_json(&value);
    }
    let numbers: Vec<String> = numbers.iter().map(|one| format!("{} ({})", one.number, one.state.as_str())).collect();
    output::print(&output::pairs(&[
        ("campaign", row.name),
        ("id", row.id.to_string()),
        ("organization", organization.slug),
        ("status", row.status.as_str().to_owned()),
        ("contacts", row.contacts.to_string()),
        ("numbers", numbers.join(", ")),
    ]))
}

async fn edit(context: &Context, which: &Which, name: Option<&Label>, status: Option<CampaignStatus>) -> Outcome {
    if name.is_none() && status.is_none() {
        return Err(Failure::with_code(2, "say what is to be changed: --name or --status"));
    }
    let (store, organization, row) = which.ready(context).await?;
    let mut transaction = store.begin().await?;
    let row = campaigns::edit(&mut transaction, organization.id, row.id, name, status).await?;
    transaction.commit().await?;
    said(context, &row, "changed")
}

impl Links {
    async fn run(self, context: &Context, link: bool) -> Outcome {
        let (store, organization, row) = self.which.ready(context).await?;
        let mut ids: Vec<NumberId> = Vec::new();
        for e164 in self.numbers {
            let number = super::numbers::number(&store, e164).await?;
            if number.organization_id != Some(organization.id) {
                let slug = &organization.slug;
                return Err(Failure::new(format!(
                    "{e164} is not organization {slug}'s; cordboard numbers show {e164}"
                )));
            }
            ids.push(number.id);
        }
        let mut transaction = store.begin().await?;
        let changed = if link {
            campaigns::link(&mut transaction, organization.id, row.id, &ids).await?
        } else {
            campaigns::unlink(&mut transaction, organization.id, row.id, &ids).await?
        };
        let row = campaigns::one(&mut transaction, organization.id, &row.id.to_string()).await?;
        transaction.commit().await?;
        if context.json {
            return output::print_json(&row);
        }
        let done = if link { "linked" } else { "unlinked" };
        output::print(&format!("{done} {changed}; campaign {} has {} numbers", row.name, row.numbers))
    }
}
