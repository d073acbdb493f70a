//! `DELETE /api/v1/calls/{id}`: end a call. Asking again changes nothing.

use super::view::{CallState, CallView};
use crate::core::command::Answer;
use crate::core::ids::CallId;
use crate::http::auth::Tenant;
use crate::http::extract::CallPath;
use crate::http::{AppState, Problem};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;

/// The record of a call that has just ended is on its way to the database.
const PATIENCE: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(200)];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ending {
    id: CallId,
    state: CallState,
}

pub(in crate::http) async fn hang_up(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    CallPath(id): CallPath,
) -> Result<Response, Problem> {
    let call = state.store.call(id, Some(tenant)).await?;
    if call.settled_at.is_some() {
        return Ok(Json(CallView::from(call)).into_response());
    }
    match state.calls.hang_up(id).await? {
        Answer::HangingUp => {
            let ending = Ending { id, state: CallState::Ending };
            Ok((StatusCode::ACCEPTED, Json(ending)).into_response())
        }
        Answer::NoSuchCall => {
            for pause in PATIENCE {
                tokio::time::sleep(pause).await;
                let call = state.store.call(id, Some(tenant)).await?;
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
