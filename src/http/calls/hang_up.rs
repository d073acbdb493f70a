//! `DELETE /api/v1/calls/{id}`: end a call. Asking again changes nothing.

use super::view::{CallState, CallView};
use crate::access::Action;
use crate::core::command::Answer;
use crate::core::ids::CallId;
use crate::http::auth::{Caller, Sight};
use crate::http::extract::CallPath;
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem};
use crate::store::calls::{self, CallRow};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// The record of a call that has just ended is on its way to the database.
const PATIENCE: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(200)];

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EndingCall")]
struct Ending {
    id: CallId,
    state: CallState,
}

pub(in crate::http) async fn hang_up(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
) -> Result<Response, Problem> {
    let sight = caller.may(Action::CallsHangUp)?;
    let call = read(&state, &caller, sight, id).await?;
    if call.settled_at.is_some() {
        return Ok(Json(CallView::from(call)).into_response());
    }
    match state.calls.hang_up(id, &call.node).await? {
        Answer::HangingUp => {
            let ending = Ending { id, state: CallState::Ending };
            Ok((StatusCode::ACCEPTED, Json(ending)).into_response())
        }
        Answer::NoSuchCall => {
            for pause in PATIENCE {
                tokio::time::sleep(pause).await;
                let call = read(&state, &caller, sight, id).await?;
                if call.settled_at.is_some() {
                    return Ok(Json(CallView::from(call)).into_response());
                }
            }
            Err(Problem::not_settled(id))
        }
        answer @ (Answer::Admitted | Answer::Refused(_)) => {
            tracing::error!(call = %id, ?answer, "a hang-up was answered as if it were something else");
            Err(Problem::internal())
        }
    }
}

/// The call, if the caller's sight reaches it. Not held on to: the loop is asked without a connection.
async fn read(state: &AppState, caller: &Caller, sight: Sight, id: CallId) -> Result<CallRow, Problem> {
    let mut transaction = caller.begin(state).await?;
    let call = calls::one(&mut transaction, id, Some(caller.organization)).await?;
    if sight.covers(call.agent_id) { Ok(call) } else { Err(Problem::call_not_found()) }
}

/// What the document says of these addresses.
pub(super) fn docs() -> Operation {
    Operation::delete("/api/v1/calls/{id}", "endCall", "End a call")
        .says("Asking again changes nothing. A call that is over already is given as it was.")
        .needs(Action::CallsHangUp)
        .gives::<CallView>(200, "It is over")
        .gives::<Ending>(202, "It is ending")
}
