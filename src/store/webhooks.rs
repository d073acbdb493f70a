//! Where events are sent, with what they are signed, and how it goes. What waits to be sent is in [`outbox`](super::outbox).

use super::{StoreError, columns};
use crate::core::ids::OrganizationId;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use uuid::Uuid;

/// An organization that needs more has something in between.
pub const MOST: i64 = 20;
/// An old secret is good for so long after a new one is made, in hours.
pub const OLD_SECRET_H: f64 = 24.0;

/// A webhook to be.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Whose.
    pub organization: OrganizationId,
    /// Whereto.
    pub url: String,
    /// Which events; none: all.
    pub events: Option<Vec<String>>,
    /// With what it is signed.
    pub secret: SecretString,
    /// Who makes it.
    pub created_by: Option<String>,
}

/// What is to be changed of a webhook; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Whereto.
    pub url: Option<String>,
    /// Which events; none within: all.
    pub events: Option<Option<Vec<String>>>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
}

/// A webhook, without its secrets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Webhook {
    /// The id.
    pub id: Uuid,
    /// Whose.
    pub organization_id: OrganizationId,
    /// Whereto.
    pub url: String,
    /// Which events; none: all.
    pub events: Option<Vec<String>>,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Why not, if Cordboard switched it off by itself.
    pub disabled_reason: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Option<String>,
    /// Attempts that failed since the last that did not.
    pub failures: i32,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When something was last taken, to within a minute.
    pub last_success_at: Option<Timestamp>,
    /// Deliveries that wait, ten thousand at most.
    pub pending: i64,
    /// Until when the secret before the present one is good.
    pub old_secret_until: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for Webhook {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            organization_id: row.try_get("organization_id")?,
            url: row.try_get("url")?,
            events: row.try_get("events")?,
            enabled: row.try_get("enabled")?,
            disabled_reason: row.try_get("disabled_reason")?,
            created_at: columns::time(row, "created_at")?,
            created_by: row.try_get("created_by")?,
            failures: row.try_get("failures")?,
            failing_since: columns::maybe_time(row, "failing_since")?,
            last_success_at: columns::maybe_time(row, "last_success_at")?,
            pending: row.try_get("pending")?,
            old_secret_until: columns::maybe_time(row, "old_secret_until")?,
        })
    }
}

/// What became of one event at one webhook.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delivery {
    /// The id.
    pub id: Uuid,
    /// Its place among all deliveries, in the order in which they were put aside.
    pub n: i64,
    /// To which webhook.
    pub webhook_id: Uuid,
    /// What kind of event.
    pub event: String,
    /// Of which call.
    pub call_id: Uuid,
    /// Of which of its facts.
    pub seq: i32,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was put aside.
    pub created_at: Timestamp,
    /// When it is tried next; none if it is done.
    pub due_at: Option<Timestamp>,
    /// When it was tried last.
    pub last_at: Option<Timestamp>,
    /// What the receiver answered last.
    pub last_status: Option<i32>,
    /// What was wrong last, in one word.
    pub last_error: Option<String>,
    /// When it was delivered, or given up.
    pub done_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for Delivery {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let state: String = row.try_get("state")?;
        let due_at = columns::time(row, "due_at")?;
        Ok(Self {
            id: row.try_get("id")?,
            n: row.try_get("n")?,
            webhook_id: row.try_get("webhook_id")?,
            event: row.try_get("event")?,
            call_id: row.try_get("call_id")?,
            seq: row.try_get("seq")?,
            due_at: (state == "pending").then_some(due_at),
            state,
            attempts: row.try_get("attempts")?,
            created_at: columns::time(row, "created_at")?,
            last_at: columns::maybe_time(row, "last_at")?,
            last_status: row.try_get("last_status")?,
            last_error: row.try_get("last_error")?,
            done_at: columns::maybe_time(row, "done_at")?,
        })
    }
}

macro_rules! webhooks {
    ($rest:literal) => {
        concat!(
            "SELECT w.id, w.organization_id, w.url, w.events, w.enabled, w.disabled_reason, w.created_at, w.created_by,
                coalesce(s.failures, 0) AS failures, s.failing_since, s.last_success_at,
                (SELECT count(*) FROM (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'pending'
                    LIMIT 10000) p) AS pending,
                (SELECT max(x.expires_at) FROM webhook_secrets x WHERE x.webhook_id = w.id AND x.expires_at > now())
                    AS old_secret_until
             FROM webhooks w LEFT JOIN webhook_states s ON s.webhook_id = w.id ",
            $rest
        )
    };
}

/// Adds a webhook. It hears of what is written from now on.
///
/// # Errors
///
/// If there are too many, an address breaks a rule, or the database cannot be asked.
pub async fn add(connection: &mut PgConnection, new: &NewWebhook) -> Result<Webhook, StoreError> {
    // So that two at once do not both find room.
    sqlx::query("SELECT pg_advisory_xact_lock(17987, hashtext($1))")
        .bind(new.organization.to_string())
        .execute(&mut *connection)
        .await?;
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM webhooks WHERE organization_id = $1")
        .bind(new.organization.0)
        .fetch_one(&mut *connection)
        .await?;
    if there >= MOST {
        return Err(StoreError::Constraint {
            name: "organization_has_at_most_20_webhooks".to_owned(),
            message: "the organization has 20 webhooks, and may have no more; remove one that is not used".to_owned(),
            taken: true,
        });
    }
    let id: Uuid = sqlx::query_scalar(
        "INSERT INTO webhooks (organization_id, url, events, created_by) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(new.organization.0)
    .bind(&new.url)
    .bind(&new.events)
    .bind(&new.created_by)
    .fetch_one(&mut *connection)
    .await?;
    put_secret(connection, new.organization, id, &new.secret).await?;
    one(connection, new.organization, id).await
}

async fn put_secret(
    connection: &mut PgConnection,
    organization: OrganizationId,
    webhook: Uuid,
    secret: &SecretString,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO webhook_secrets (organization_id, webhook_id, secret) VALUES ($1, $2, $3)")
        .bind(organization.0)
        .bind(webhook)
        .bind(secret.expose_secret())
        .execute(connection)
        .await?;
    Ok(())
}

/// The webhooks of a tenant.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn list(connection: &mut PgConnection, organization: OrganizationId) -> Result<Vec<Webhook>, StoreError> {
    sqlx::query_as(webhooks!("WHERE w.organization_id = $1 ORDER BY w.id"))
        .bind(organization.0)
        .fetch_all(connection)
        .await
        .map_err(StoreError::reading("webhooks", ""))
}

/// One webhook of a tenant.
///
/// # Errors
///
/// If there is none, or the database cannot be asked.
pub async fn one(
    connection: &mut PgConnection,
    organization: OrganizationId,
    webhook: Uuid,
) -> Result<Webhook, StoreError> {
    sqlx::query_as(webhooks!("WHERE w.organization_id = $1 AND w.id = $2"))
        .bind(organization.0)
        .bind(webhook)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::reading("webhooks", webhook))?
        .ok_or_else(|| absent(webhook))
}

fn absent(webhook: Uuid) -> StoreError {
    StoreError::NotFound { what: "webhook", key: webhook.to_string() }
}

/// Changes a webhook.
///
/// # Errors
///
/// If there is none, an address breaks a rule, or the database cannot be asked.
pub async fn change(
    connection: &mut PgConnection,
    organization: OrganizationId,
    webhook: Uuid,
    change: &WebhookChange,
) -> Result<Webhook, StoreError> {
    let done = sqlx::query(
        "UPDATE webhooks SET url = coalesce($3, url), events = CASE WHEN $4 THEN $5 ELSE events END,
            enabled = coalesce($6, enabled)
         WHERE organization_id = $1 AND id = $2",
    )
    .bind(organization.0)
    .bind(webhook)
    .bind(&change.url)
    .bind(change.events.is_some())
    .bind(change.events.clone().flatten())
    .bind(change.enabled)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(absent(webhook));
    }
    one(connection, organization, webhook).await
}

/// Removes a webhook, and what waits for it.
///
/// # Errors
///
/// If there is none, or the database cannot be asked.
pub async fn remove(
    connection: &mut PgConnection,
    organization: OrganizationId,
    webhook: Uuid,
) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM webhooks WHERE organization_id = $1 AND id = $2")
        .bind(organization.0)
        .bind(webhook)
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 { Err(absent(webhook)) } else { Ok(()) }
}

/// Gives a webhook a new secret. The one before stays good for a day beside it, and those before that are over.
///
/// # Errors
///
/// If there is none, or the database cannot be asked.
pub async fn rotate(
    connection: &mut PgConnection,
    organization: OrganizationId,
    webhook: Uuid,
    secret: &SecretString,
) -> Result<Webhook, StoreError> {
    // Locks it, so that two at once come one after the other.
    let found: Option<Uuid> =
        sqlx::query_scalar("SELECT id FROM webhooks WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE")
            .bind(organization.0)
            .bind(webhook)
            .fetch_optional(&mut *connection)
            .await?;
    found.ok_or_else(|| absent(webhook))?;
    sqlx::query(
        "UPDATE webhook_secrets SET expires_at = CASE WHEN expires_at IS NULL THEN now() + make_interval(secs => $2) ELSE now() END
         WHERE webhook_id = $1 AND coalesce(expires_at > now(), true)",
    )
    .bind(webhook)
    .bind(OLD_SECRET_H * 3_600.0)
    .execute(&mut *connection)
    .await?;
    put_secret(connection, organization, webhook, secret).await?;
    one(connection, organization, webhook).await
}

/// What was and is to be sent to a webhook, newest first: at most `limit` of those before `before`.
///
/// # Errors
///
/// If there is no such webhook, or the database cannot be asked.
pub async fn deliveries(
    connection: &mut PgConnection,
    organization: OrganizationId,
    webhook: Uuid,
    state: Option<&str>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    one(connection, organization, webhook).await?;
    sqlx::query_as(
        "SELECT d.* FROM webhook_deliveries d
         WHERE d.organization_id = $1 AND d.webhook_id = $2 AND ($3::text IS NULL OR d.state = $3)
            AND ($4::bigint IS NULL OR d.n < $4)
         ORDER BY d.n DESC LIMIT $5",
    )
    .bind(organization.0)
    .bind(webhook)
    .bind(state)
    .bind(before)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("webhook_deliveries", ""))
}

/// Has something sent again, at once and with all its attempts before it.
///
/// # Errors
///
/// If there is no such delivery, or the database cannot be asked.
pub async fn send_again(
    connection: &mut PgConnection,
    organization: OrganizationId,
    webhook: Uuid,
    delivery: Uuid,
) -> Result<Delivery, StoreError> {
    sqlx::query_as("SELECT * FROM cordboard_send_again($1, $2, $3)")
        .bind(organization.0)
        .bind(webhook)
        .bind(delivery)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::reading("webhook_deliveries", delivery))?
        .ok_or_else(|| StoreError::NotFound { what: "delivery", key: delivery.to_string() })
}
