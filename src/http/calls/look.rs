//! `GET /api/v1/calls/{id}`: one call with all that happened, and with `?include=decision` why its number was chosen.

use super::view::{CallView, DecisionView, FactView};
use crate::access::Action;
use crate::http::auth::Caller;
use crate::http::extract::{CallPath, Form, Params};
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem};
use crate::store::calls;
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "CallInclude")]
pub(in crate::http) struct Request {
    include: Option<Include>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CallIncludeWhat")]
enum Include {
    Decision,
}

impl Form for Request {
    const FORM: &'static str = "include=decision";
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct CallWithFacts {
    #[serde(flatten)]
    call: CallView,
    facts: Vec<FactView>,
    /// Only if it was asked for, and the rules were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView>,
}

pub(in crate::http) async fn look(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    Params(request): Params<Request>,
) -> Result<Json<CallWithFacts>, Problem> {
    let sight = caller.may(Action::CallsSee)?;
    let mut transaction = caller.begin(&state).await?;
    let call = calls::one(&mut transaction, id, Some(caller.organization)).await?;
    if !sight.covers(call.agent_id) {
        return Err(Problem::call_not_found());
    }
    let facts = calls::facts(&mut transaction, id).await?;
    let decision = match request.include {
        Some(Include::Decision) => calls::decision(&mut transaction, id).await?.map(DecisionView::from),
        None => None,
    };
    Ok(Json(CallWithFacts { call: call.into(), facts: facts.iter().map(FactView::from).collect(), decision }))
}

/// What the document says of these addresses.
pub(super) fn docs() -> Operation {
    Operation::get("/api/v1/calls/{id}", "getCall", "One call with all that happened in it")
        .says("With `include=decision` also why its number was chosen, or why none was.")
        .needs(Action::CallsSee)
        .asks::<Request>()
        .gives::<CallWithFacts>(200, "The call")
}
