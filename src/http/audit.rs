//! `GET /api/v1/audit`: who changed what in the organization, newest first.

use super::auth::Caller;
use super::extract::{Form, Params};
use super::openapi::Operation;
use super::{AppState, Problem};
use crate::access::Action;
use crate::store::audit::{self, AuditFilter, AuditRow};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const USUAL: u32 = 50;
const MOST: u32 = 200;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "AuditQuery")]
pub(super) struct Request {
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<i64>,
    /// A table, such as `numbers`.
    what: Option<String>,
    /// A row of it, by its id.
    row_id: Option<String>,
    actor: Option<String>,
}

impl Form for Request {
    const FORM: &'static str = "limit=<1 to 200>, cursor=<`next` of the page before>, what=<table, such as numbers>, \
        rowId=<id of what was changed>, actor=<user:…, token:…, cli:…>";
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditEntry")]
struct Entry {
    seq: i64,
    at: Timestamp,
    actor: String,
    database_user: String,
    request_id: Option<String>,
    action: String,
    what: String,
    row_id: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
    hash: String,
}

impl From<AuditRow> for Entry {
    fn from(row: AuditRow) -> Self {
        Self {
            seq: row.seq,
            at: row.at,
            actor: row.actor,
            database_user: row.database_user,
            request_id: row.request,
            action: row.action,
            what: row.what,
            row_id: row.row_id,
            before: row.before,
            after: row.after,
            hash: row.hash,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditPage")]
pub(super) struct Page {
    audit: Vec<Entry>,
    /// The `cursor` of the next page; null if this is the last.
    next: Option<i64>,
}

pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(request): Params<Request>,
) -> Result<Json<Page>, Problem> {
    caller.may(Action::AuditSee)?;
    let limit = request.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::wrong_query(Request::FORM));
    }
    let filter =
        AuditFilter { what: request.what, row_id: request.row_id, actor: request.actor, before_seq: request.cursor };
    let mut transaction = caller.begin(&state).await?;
    let mut rows = audit::list(&mut transaction, caller.organization, &filter, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.seq);
    Ok(Json(Page { audit: rows.into_iter().map(Entry::from).collect(), next }))
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/audit", "listAudit", "Who changed what, newest first")
            .says("Each entry's `hash` is made of the entry and the hash before it; `cordboard audit verify` recomputes them.")
            .needs(Action::AuditSee)
            .asks::<Request>()
            .gives::<Page>(200, "A page of the trail"),
    ]
}
