//! `cordboard webhooks`: where events are sent.

use super::context::{self, Context, unknown};
use super::failure::{Failure, Outcome};
use super::organizations::on;
use super::output;
use crate::config::Config;
use crate::live::{EventType, Networks, Secret};
use crate::store::organizations::Organization;
use crate::store::webhooks::{Delivery, NewWebhook, Webhook, WebhookChange};
use crate::store::{Store, StoreError};
use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

/// Where events are sent
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  cordboard webhooks add acme https://crm.example.org/hooks")]
pub enum Webhooks {
    Add(Add),
    /// List a tenant's webhooks
    #[command(after_help = "Example:\n  cordboard webhooks list acme")]
    List {
        /// The tenant's short name
        organization: String,
    },
    Change(Change),
    /// Remove a webhook, and what waits for it
    #[command(after_help = "Example:\n  cordboard webhooks remove acme 01a1fe70-0fd6-76e4-a489-823b761941ad")]
    Remove(Which),
    /// Send again, from now on; what waited goes first
    #[command(after_help = "Example:\n  cordboard webhooks enable acme 01a1fe70-0fd6-76e4-a489-823b761941ad")]
    Enable(Which),
    /// Send nothing any more; what waits, waits
    #[command(after_help = "Example:\n  cordboard webhooks disable acme 01a1fe70-0fd6-76e4-a489-823b761941ad")]
    Disable(Which),
    /// Make a new secret, and print it, once; for a day deliveries are signed with the old one too
    #[command(after_help = "Example:\n  cordboard webhooks rotate acme 01a1fe70-0fd6-76e4-a489-823b761941ad")]
    Rotate(Which),
    Deliveries(Deliveries),
    /// Send something again, now
    #[command(
        after_help = "Example:\n  cordboard webhooks resend acme 01a1fe70-0fd6-76e4-a489-823b761941ad 01a1fe71-0fd6-76e4-a489-823b761941ad"
    )]
    Resend {
        #[command(flatten)]
        which: Which,
        /// The delivery's id
        delivery: Uuid,
    },
}

/// Which webhook
#[derive(Debug, Args)]
pub struct Which {
    /// The tenant's short name
    organization: String,
    /// The webhook's id
    webhook: Uuid,
}

/// Add a webhook, and print with what it is signed, once
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard webhooks add acme https://crm.example.org/hooks
  cordboard webhooks add acme https://crm.example.org/hooks --events call.answered,call.ended")]
pub struct Add {
    /// The tenant's short name
    organization: String,
    /// Whereto; https, and a public address
    url: String,
    /// Only these events, such as call.answered,call.ended
    #[arg(long, value_delimiter = ',', value_name = "EVENT")]
    events: Option<Vec<String>>,
}

/// Change where a webhook goes, or of what it hears
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard webhooks change acme 01a1fe70-0fd6-76e4-a489-823b761941ad --events call.ended")]
pub struct Change {
    #[command(flatten)]
    which: Which,
    /// Whereto; https, and a public address
    #[arg(long)]
    url: Option<String>,
    /// Only these events; `all` for all
    #[arg(long, value_delimiter = ',', value_name = "EVENT")]
    events: Option<Vec<String>>,
}

/// What was sent to a webhook, and what waits, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard webhooks deliveries acme 01a1fe70-0fd6-76e4-a489-823b761941ad --state failed")]
pub struct Deliveries {
    #[command(flatten)]
    which: Which,
    /// Those only
    #[arg(long, value_parser = ["pending", "delivered", "failed"])]
    state: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

impl Webhooks {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List { organization } => list(context, &organization).await,
            Self::Change(change) => change.run(context).await,
            Self::Remove(which) => remove(context, &which).await,
            Self::Enable(which) => switch(context, &which, true).await,
            Self::Disable(which) => switch(context, &which, false).await,
            Self::Rotate(which) => rotate(context, &which).await,
            Self::Deliveries(deliveries) => deliveries.run(context).await,
            Self::Resend { which, delivery } => resend(context, &which, delivery).await,
        }
    }
}

fn checked_url(config: &Config, url: &str) -> Outcome<String> {
    let networks = Networks::and(config.webhooks.private_networks.clone());
    networks.url(url).map(String::from).map_err(|error| Failure::new(format!("URL: {error}")))
}

/// Checked and in order; `all`, or nothing, is all.
fn checked_events(events: Option<Vec<String>>) -> Outcome<Option<Vec<String>>> {
    let Some(mut events) = events.filter(|events| events != &["all"]) else { return Ok(None) };
    if let Some(wrong) = events.iter().find(|name| name.parse::<EventType>().is_err()) {
        let names: Vec<&str> = EventType::ALL.iter().map(|event| event.as_str()).collect();
        return Err(Failure::with_code(2, format!("there is no event {wrong}, only {}", names.join(", "))));
    }
    events.sort();
    events.dedup();
    Ok(Some(events))
}

fn new_secret() -> Outcome<Secret> {
    Secret::new().map_err(|_| Failure::new("the system does not give what a secret is made of"))
}

fn show_secret(context: &Context, webhook: &Webhook, secret: &Secret, what: &str) -> Outcome {
    let secret = secret.text().expose_secret();
    if context.json {
        let mut value = output::json(webhook)?;
        value["secret"] = secret.into();
        return output::print_json(&value);
    }
    output::note(false, &format!("{what} {}; its secret is not shown again:", webhook.id));
    output::print(secret)
}

/// What there is, if there is no such webhook.
async fn explained<T>(store: &Store, organization: &Organization, answer: Result<T, StoreError>) -> Outcome<T> {
    match answer {
        Err(StoreError::NotFound { what: "webhook", key }) => {
            let known: Vec<String> =
                store.webhooks(organization.id).await?.iter().map(|webhook| webhook.id.to_string()).collect();
            let add = format!("cordboard webhooks add {} URL", organization.slug);
            Err(unknown("webhook", &key, known.iter().map(String::as_str), &add))
        }
        answer => Ok(answer?),
    }
}

impl Add {
    async fn run(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let store = context.store_of(&config).await?;
        let organization = context::organization(&store, &self.organization).await?;
        let secret = new_secret()?;
        let new = NewWebhook {
            organization: organization.id,
            url: checked_url(&config, &self.url)?,
            events: checked_events(self.events)?,
            secret: secret.text().clone(),
            created_by: Some(store.actor().to_string()),
        };
        let added = store.add_webhook(&new).await?;
        show_secret(context, &added, &secret, "webhook")
    }
}

async fn list(context: &Context, slug: &str) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, slug).await?;
    let webhooks = store.webhooks(organization.id).await?;
    if context.json {
        return output::print_json(&webhooks);
    }
    if webhooks.is_empty() {
        output::note(false, &format!("no webhooks yet; make one: cordboard webhooks add {slug} URL"));
        return Ok(());
    }
    let row = |webhook: &Webhook| {
        let second = |time: jiff::Timestamp| time.strftime("%F %T UTC").to_string();
        [
            webhook.id.to_string(),
            webhook.url.clone(),
            webhook.events.as_ref().map_or_else(|| "all".to_owned(), |events| events.join(",")),
            webhook.disabled_reason.clone().unwrap_or_else(|| on(webhook.enabled)),
            webhook.pending.to_string(),
            webhook.last_success_at.map(second).unwrap_or_default(),
            webhook.failing_since.map(second).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = webhooks.iter().map(row).collect();
    output::print(&output::table(["id", "url", "events", "state", "waiting", "last taken", "failing since"], &rows))
}

impl Change {
    async fn run(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let store = context.store_of(&config).await?;
        let organization = context::organization(&store, &self.which.organization).await?;
        let change = WebhookChange {
            url: self.url.map(|url| checked_url(&config, &url)).transpose()?,
            events: self.events.map(|events| checked_events(Some(events))).transpose()?,
            enabled: None,
        };
        let changed = store.change_webhook(organization.id, self.which.webhook, &change).await;
        let webhook = explained(&store, &organization, changed).await?;
        show(context, &webhook)
    }
}

fn show(context: &Context, webhook: &Webhook) -> Outcome {
    if context.json {
        return output::print_json(webhook);
    }
    let events = webhook.events.as_ref().map_or_else(|| "all events".to_owned(), |events| events.join(","));
    output::print(&format!("webhook {}: {} to {}, {}", webhook.id, events, webhook.url, on(webhook.enabled)))
}

async fn switch(context: &Context, which: &Which, enabled: bool) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, &which.organization).await?;
    let change = WebhookChange { enabled: Some(enabled), ..WebhookChange::default() };
    let changed = store.change_webhook(organization.id, which.webhook, &change).await;
    show(context, &explained(&store, &organization, changed).await?)
}

async fn remove(context: &Context, which: &Which) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, &which.organization).await?;
    let removed = store.remove_webhook(organization.id, which.webhook).await;
    explained(&store, &organization, removed).await?;
    if context.json {
        return output::print_json(&serde_json::json!({"removed": which.webhook}));
    }
    output::print(&format!("webhook {} is removed", which.webhook))
}

async fn rotate(context: &Context, which: &Which) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, &which.organization).await?;
    let secret = new_secret()?;
    let rotated = store.rotate_webhook_secret(organization.id, which.webhook, secret.text()).await;
    let webhook = explained(&store, &organization, rotated).await?;
    show_secret(context, &webhook, &secret, "new secret of webhook")
}

fn row(delivery: &Delivery) -> [String; 7] {
    let second = |time: jiff::Timestamp| time.strftime("%F %T UTC").to_string();
    let answer = delivery.last_status.map(|status| status.to_string()).or_else(|| delivery.last_error.clone());
    [
        delivery.id.to_string(),
        delivery.event.clone(),
        delivery.call_id.to_string(),
        delivery.state.clone(),
        delivery.attempts.to_string(),
        answer.unwrap_or_default(),
        delivery.due_at.or(delivery.done_at).map(second).unwrap_or_default(),
    ]
}

const COLUMNS: [&str; 7] = ["id", "event", "call", "state", "attempts", "answer", "next or done"];

impl Deliveries {
    async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let organization = context::organization(&store, &self.which.organization).await?;
        let state = self.state.as_deref();
        let rows = store.webhook_deliveries(organization.id, self.which.webhook, state, None, self.limit).await;
        let rows = explained(&store, &organization, rows).await?;
        if context.json {
            return output::print_json(&rows);
        }
        if rows.is_empty() {
            output::note(false, "nothing was sent, and nothing waits");
            return Ok(());
        }
        output::print(&output::table(COLUMNS, &rows.iter().map(row).collect::<Vec<_>>()))
    }
}

async fn resend(context: &Context, which: &Which, delivery: Uuid) -> Outcome {
    let store = context.store().await?;
    let organization = context::organization(&store, &which.organization).await?;
    let again = store.send_again(organization.id, which.webhook, delivery).await?;
    if context.json {
        return output::print_json(&again);
    }
    output::print(&format!("{} of call {} is sent again", again.event, again.call_id))
}
