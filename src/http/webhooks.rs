//! `/api/v1/webhooks`: where events are sent. A secret is shown once, when it is made.

use super::auth::Caller;
use super::extract::{Body, Form, IdPath, Params, said};
use super::{AppState, Problem};
use crate::access::Action;
use crate::live::{EventType, Secret};
use crate::store::StoreError;
use crate::store::webhooks::{self, Delivery, NewWebhook, Webhook, WebhookChange};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const USUAL: u32 = 50;
const MOST: u32 = 200;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![
        ("/api/v1/webhooks", get(list).post(add)),
        ("/api/v1/webhooks/{id}", get(look).patch(change).delete(remove)),
        ("/api/v1/webhooks/{id}/secret", post(rotate)),
        ("/api/v1/webhooks/{id}/deliveries", get(deliveries)),
        ("/api/v1/webhooks/{id}/deliveries/{delivery}/send", post(send_again)),
    ]
}

/// A webhook, without its secret.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Webhook")]
struct WebhookView {
    id: Uuid,
    url: String,
    /// Null: all.
    events: Option<Vec<String>>,
    enabled: bool,
    /// Why not, if Cordboard switched it off by itself.
    disabled_reason: Option<String>,
    created_at: Timestamp,
    created_by: Option<String>,
    /// Attempts that failed since the last that did not.
    failures: i32,
    failing_since: Option<Timestamp>,
    last_success_at: Option<Timestamp>,
    /// Deliveries that wait, 10000 at most.
    pending: i64,
    /// Until then each delivery is signed with the secret before, too.
    old_secret_until: Option<Timestamp>,
}

impl From<Webhook> for WebhookView {
    fn from(row: Webhook) -> Self {
        Self {
            id: row.id,
            url: row.url,
            events: row.events,
            enabled: row.enabled,
            disabled_reason: row.disabled_reason,
            created_at: row.created_at,
            created_by: row.created_by,
            failures: row.failures,
            failing_since: row.failing_since,
            last_success_at: row.last_success_at,
            pending: row.pending,
            old_secret_until: row.old_secret_until,
        }
    }
}

/// What became of one event.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookDelivery")]
struct DeliveryView {
    id: Uuid,
    /// The header `webhook-id`.
    event_id: String,
    event: String,
    call_id: Uuid,
    /// pending, delivered or failed.
    state: String,
    attempts: i32,
    created_at: Timestamp,
    /// When it is tried next.
    next_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    last_status: Option<i32>,
    last_error: Option<String>,
    done_at: Option<Timestamp>,
}

impl From<Delivery> for DeliveryView {
    fn from(row: Delivery) -> Self {
        let kind = row.event.parse::<EventType>().ok();
        let id = |kind| crate::live::Event::id(crate::core::ids::CallId(row.call_id), row.seq, kind);
        Self {
            id: row.id,
            event_id: kind.map(id).unwrap_or_default(),
            event: row.event,
            call_id: row.call_id,
            state: row.state,
            attempts: row.attempts,
            created_at: row.created_at,
            next_at: row.due_at,
            last_at: row.last_at,
            last_status: row.last_status,
            last_error: row.last_error,
            done_at: row.done_at,
        }
    }
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "WebhookList")]
struct Webhooks {
    webhooks: Vec<WebhookView>,
}

/// It is not shown again.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "MadeWebhook")]
struct Made {
    secret: String,
    #[serde(flatten)]
    view: WebhookView,
}

fn not_found() -> Problem {
    let detail = "Your organization has no webhook, or no delivery, with this id. Take the id from the list.";
    Problem::new(StatusCode::NOT_FOUND, "webhook_not_found", "No such webhook", detail)
}

fn found<T>(answer: Result<T, StoreError>) -> Result<T, Problem> {
    answer.map_err(|error| if matches!(error, StoreError::NotFound { .. }) { not_found() } else { error.into() })
}

fn new_secret() -> Result<Secret, Problem> {
    Secret::new().map_err(|error| {
        tracing::error!(%error, "no secret can be made");
        Problem::internal()
    })
}

/// The address in its usual form, if something may be sent there.
fn checked_url(state: &AppState, url: &str) -> Result<String, Problem> {
    let checked = state.networks.url(url);
    checked.map(String::from).map_err(|error| {
        let detail = format!("`url` is not taken: {error}. Nothing was changed.");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_url", "Nothing is sent there", detail)
    })
}

fn checked_events(events: Option<Vec<String>>) -> Result<Option<Vec<String>>, Problem> {
    let Some(mut events) = events else { return Ok(None) };
    if events.is_empty() || events.iter().any(|name| name.parse::<EventType>().is_err()) {
        let names: Vec<&str> = EventType::ALL.iter().map(|event| event.as_str()).collect();
        let form = format!("null for all, or some of {}", names.join(", "));
        return Err(Problem::wrong_field("events", &form));
    }
    events.sort();
    events.dedup();
    Ok(Some(events))
}

async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Webhooks>, Problem> {
    caller.may(Action::WebhooksManage)?;
    let mut transaction = caller.begin(&state).await?;
    let rows = webhooks::list(&mut transaction, caller.organization).await?;
    Ok(Json(Webhooks { webhooks: rows.into_iter().map(WebhookView::from).collect() }))
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewWebhook")]
pub(super) struct Add {
    url: String,
    events: Option<Vec<String>>,
}

impl Form for Add {
    const FORM: &'static str =
        r#"{"url": "https://…", and if wanted "events": ["call.answered", …], which are all if left out}"#;
}

async fn add(State(state): State<AppState>, caller: Caller, Body(body): Body<Add>) -> Result<Response, Problem> {
    caller.may(Action::WebhooksManage)?;
    let secret = new_secret()?;
    let new = NewWebhook {
        organization: caller.organization,
        url: checked_url(&state, &body.url)?,
        events: checked_events(body.events)?,
        secret: secret.text().clone(),
        created_by: Some(caller.actor().to_string()),
    };
    let mut transaction = caller.begin(&state).await?;
    let made = webhooks::add(&mut transaction, &new).await?;
    transaction.commit().await?;
    let location = format!("/api/v1/webhooks/{}", made.id);
    let secret = secret.text().expose_secret().to_owned();
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(Made { secret, view: made.into() })).into_response())
}

async fn look(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath<Uuid>,
) -> Result<Json<WebhookView>, Problem> {
    caller.may(Action::WebhooksManage)?;
    let id = id.ok_or_else(not_found)?;
    let mut transaction = caller.begin(&state).await?;
    Ok(Json(found(webhooks::one(&mut transaction, caller.organization, id).await)?.into()))
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WebhookChange")]
pub(super) struct Changes {
    url: Option<String>,
    #[serde(default, deserialize_with = "said")]
    #[expect(clippy::option_option, reason = "not said, all, or some")]
    events: Option<Option<Vec<String>>>,
    enabled: Option<bool>,
}

impl Form for Changes {
    const FORM: &'static str = r#"{"url": "https://…", "events": ["call.answered", …] or null for all, "enabled": true or false}, only what is to be changed"#;
}

async fn change(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath<Uuid>,
    Body(body): Body<Changes>,
) -> Result<Json<WebhookView>, Problem> {
    caller.may(Action::WebhooksManage)?;
    let id = id.ok_or_else(not_found)?;
    let change = WebhookChange {
        url: body.url.map(|url| checked_url(&state, &url)).transpose()?,
        events: body.events.map(checked_events).transpose()?,
        enabled: body.enabled,
    };
    let mut transaction = caller.begin(&state).await?;
    let changed = found(webhooks::change(&mut transaction, caller.organization, id, &change).await)?;
    transaction.commit().await?;
    Ok(Json(changed.into()))
}

async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath<Uuid>,
) -> Result<StatusCode, Problem> {
    caller.may(Action::WebhooksManage)?;
    let id = id.ok_or_else(not_found)?;
    let mut transaction = caller.begin(&state).await?;
    found(webhooks::remove(&mut transaction, caller.organization, id).await)?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rotate(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath<Uuid>,
) -> Result<Json<Made>, Problem> {
    caller.may(Action::WebhooksManage)?;
    let id = id.ok_or_else(not_found)?;
    let secret = new_secret()?;
    let mut transaction = caller.begin(&state).await?;
    let made = found(webhooks::rotate(&mut transaction, caller.organization, id, secret.text()).await)?;
    transaction.commit().await?;
    Ok(Json(Made { secret: secret.text().expose_secret().to_owned(), view: made.into() }))
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WebhookDeliveryQuery")]
pub(super) struct Which {
    state: Option<Stand>,
    limit: Option<u32>,
    cursor: Option<i64>,
}

/// Where deliveries stand.
#[derive(Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WebhookDeliveryState")]
enum Stand {
    Pending,
    Delivered,
    Failed,
}

impl Stand {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl Form for Which {
    const FORM: &'static str =
        "state=<pending, delivered or failed>, limit=<1 to 200>, cursor=<`next` of the page before>";
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "WebhookDeliveryPage")]
struct Deliveries {
    deliveries: Vec<DeliveryView>,
    /// The `cursor` of the next page; null if this is the last.
    next: Option<i64>,
}

async fn deliveries(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath<Uuid>,
    Params(which): Params<Which>,
) -> Result<Json<Deliveries>, Problem> {
    caller.may(Action::WebhooksManage)?;
    let id = id.ok_or_else(not_found)?;
    let limit = which.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::wrong_query(Which::FORM));
    }
    let mut transaction = caller.begin(&state).await?;
    let wanted = which.state.map(Stand::as_str);
    // One more than asked for tells whether there is a next page.
    let rows = webhooks::deliveries(&mut transaction, caller.organization, id, wanted, which.cursor, limit + 1).await;
    let mut rows = found(rows)?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.n);
    Ok(Json(Deliveries { deliveries: rows.into_iter().map(DeliveryView::from).collect(), next }))
}

async fn send_again(
    State(state): State<AppState>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    caller.may(Action::WebhooksManage)?;
    let Path((id, delivery)) = path.map_err(|_| not_found())?;
    let (Ok(id), Ok(delivery)) = (id.parse(), delivery.parse()) else { return Err(not_found()) };
    let mut transaction = caller.begin(&state).await?;
    let again = found(webhooks::send_again(&mut transaction, caller.organization, id, delivery).await)?;
    transaction.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(again.into())))
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<crate::http::openapi::Operation> {
    use crate::http::openapi::Operation;
    let needs = |operation: Operation| operation.needs(Action::WebhooksManage);
    vec![
        needs(Operation::get("/api/v1/webhooks", "listWebhooks", "Where events are sent"))
            .gives::<Webhooks>(200, "Without their secrets"),
        needs(Operation::post("/api/v1/webhooks", "addWebhook", "Somewhere new to send events to"))
            .says("The secret with which deliveries are signed is in the answer and is not shown again.")
            .takes::<Add>(r#"{"url": "https://example.org/hook", "events": ["call.answered"]}"#)
            .gives::<Made>(201, "Made")
            .located(),
        needs(Operation::get("/api/v1/webhooks/{id}", "getWebhook", "One webhook"))
            .gives::<WebhookView>(200, "The webhook"),
        needs(Operation::patch("/api/v1/webhooks/{id}", "changeWebhook", "Change a webhook"))
            .says("What is left out stays; `events: null` is all.")
            .takes::<Changes>(r#"{"enabled": true}"#)
            .gives::<WebhookView>(200, "Changed"),
        needs(Operation::delete("/api/v1/webhooks/{id}", "deleteWebhook", "Remove a webhook, and what waits for it"))
            .gives_nothing(204, "Removed"),
        needs(Operation::post("/api/v1/webhooks/{id}/secret", "renewWebhookSecret", "A new secret"))
            .says("For a day deliveries are signed with the old one too.")
            .gives::<Made>(200, "With the new secret, which is not shown again"),
        needs(Operation::get(
            "/api/v1/webhooks/{id}/deliveries",
            "listWebhookDeliveries",
            "What was sent and what waits, newest first",
        ))
        .asks::<Which>()
        .gives::<Deliveries>(200, "A page of deliveries"),
        needs(Operation::post(
            "/api/v1/webhooks/{id}/deliveries/{delivery}/send",
            "sendDeliveryAgain",
            "Send something again, now",
        ))
        .gives::<DeliveryView>(202, "It is to be sent"),
    ]
}
