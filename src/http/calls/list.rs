//! `GET /api/v1/calls`: the tenant's calls, newest first.

use super::view::CallView;
use crate::access::Action;
use crate::core::ids::CallId;
use crate::core::outcome::Disposition;
use crate::http::auth::Caller;
use crate::http::extract::{Form, Params};
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem, agents};
use crate::store::calls::{self, CallFilter};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const USUAL: u32 = 50;
const MOST: u32 = 200;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "CallQuery")]
pub(in crate::http) struct Request {
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<CallId>,
    /// Endpoint or id.
    agent: Option<String>,
    disposition: Option<Disposition>,
}

impl Form for Request {
    const FORM: &'static str = "limit=<1 to 200>, cursor=<`next` of the page before>, agent=<endpoint or id>, \
        disposition=<how the calls ended, such as answered or no_answer>";
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CallPage")]
pub(in crate::http) struct Page {
    calls: Vec<CallView>,
    /// The `cursor` of the next page; null if this is the last.
    next: Option<CallId>,
}

pub(in crate::http) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(request): Params<Request>,
) -> Result<Json<Page>, Problem> {
    let sight = caller.may(Action::CallsSee)?;
    let limit = request.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::wrong_query(Request::FORM));
    }
    let mut transaction = caller.begin(&state).await?;
    let agent = match request.agent {
        Some(agent) => Some(agents::find(&mut transaction, &caller, sight, &agent).await?.id),
        None => sight.only(),
    };
    let organization = Some(caller.organization);
    let filter = CallFilter { organization, agent, disposition: request.disposition, ..CallFilter::default() };
    // One more than asked for tells whether there is a next page.
    let mut rows = calls::list(&mut transaction, &filter, request.cursor, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Json(Page { calls: rows.into_iter().map(CallView::from).collect(), next }))
}

/// What the document says of these addresses.
pub(super) fn docs() -> Operation {
    Operation::get("/api/v1/calls", "listCalls", "The organization's calls, newest first")
        .needs(Action::CallsSee)
        .asks::<Request>()
        .gives::<Page>(200, "A page of calls")
}
