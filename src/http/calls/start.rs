//! `POST /api/v1/calls`: connect an agent with a number. The agent's phone rings first.

use super::key::Key;
use super::view::{CallState, location};
use crate::access::Action;
use crate::core::command::Answer;
use crate::core::ids::{AgentId, CallId, CampaignId, EndpointName};
use crate::core::number::E164;
use crate::core::outcome::RefusalReason;
use crate::http::auth::Caller;
use crate::http::extract::{Body, Form};
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem, agents, campaigns};
use crate::store::agents::AgentRow;
use crate::store::calls::{self, CallRow};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Nothing that can be dialled is longer.
const LONGEST: usize = 80;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewCall")]
pub(in crate::http) struct Request {
    /// Endpoint or id.
    agent: String,
    /// As a person would dial it.
    #[schemars(length(min = 1, max = 80))]
    to: String,
    /// For which campaign: id or name. Then it is made from one of the campaign's numbers.
    #[serde(alias = "campaignId")]
    campaign: Option<String>,
}

impl Form for Request {
    const FORM: &'static str =
        r#"{"agent": "<endpoint or id>", "to": "<phone number>", "campaign": "<id or name, if it is for one>"}"#;
}

/// The call that was started.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StartedCall")]
struct Started {
    id: CallId,
    state: CallState,
    agent: EndpointName,
    agent_id: AgentId,
    agent_name: String,
    from: Option<E164>,
    to: Option<E164>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign_id: Option<CampaignId>,
}

pub(in crate::http) async fn start(
    State(state): State<AppState>,
    caller: Caller,
    key: Option<Key>,
    Body(request): Body<Request>,
) -> Result<Response, Problem> {
    let sight = caller.may(Action::CallsStart)?;
    // No connection is held while the loop is asked.
    let (agent, campaign) = {
        let mut transaction = caller.begin(&state).await?;
        let agent = agents::find(&mut transaction, &caller, sight, &request.agent).await?;
        let campaign = match &request.campaign {
            Some(key) => Some(campaigns::open(&mut transaction, &caller, key).await?),
            None => None,
        };
        (agent, campaign)
    };
    let length = request.to.chars().count();
    if !(1..=LONGEST).contains(&length) || request.to.chars().any(char::is_control) {
        return Err(Problem::invalid_number());
    }
    let call = CallId(Uuid::now_v7());
    let Some(key) = key else { return begin(&state, &caller, call, agent, request.to, campaign).await };
    if let Some(answer) = key.claim(&state, &caller, call, &agent, &request.to, campaign).await? {
        return Ok(answer);
    }
    let begun = begin(&state, &caller, call, agent, request.to, campaign).await;
    if begun.as_ref().is_err_and(Problem::is_ours) {
        key.free(&state, &caller, call).await;
    }
    begun
}

/// Asks the loop.
async fn begin(
    state: &AppState,
    caller: &Caller,
    call: CallId,
    agent: AgentRow,
    to: String,
    campaign: Option<CampaignId>,
) -> Result<Response, Problem> {
    match state.calls.start(call, agent.endpoint.clone(), to, campaign).await? {
        Answer::Admitted => {
            // The call is on its way whether or not its row can be read.
            let row = row(state, caller, call).await;
            Ok(started(call, agent, row.as_ref(), campaign))
        }
        Answer::Refused(reason) => Err(refused(state, caller, call, reason).await),
        answer @ (Answer::HangingUp | Answer::NoSuchCall) => {
            tracing::error!(%call, ?answer, "a start was answered as if it were something else");
            Err(Problem::internal())
        }
    }
}

/// What is told of a call that is on its way.
pub(super) fn started(call: CallId, agent: AgentRow, row: Option<&CallRow>, campaign: Option<CampaignId>) -> Response {
    let started = Started {
        id: call,
        state: CallState::CallingAgent,
        agent: agent.endpoint,
        agent_id: agent.id,
        agent_name: agent.name,
        from: row.and_then(|row| row.presented),
        to: row.and_then(|row| row.destination),
        campaign_id: campaign,
    };
    (StatusCode::CREATED, [(LOCATION, location(call))], Json(started)).into_response()
}

/// With the sentence that is kept with the call, because it names the limit. A call that was refused without asking the
/// database may have no row yet: its sentence has no numbers in it.
async fn refused(state: &AppState, caller: &Caller, call: CallId, reason: RefusalReason) -> Problem {
    let stored = row(state, caller, call).await.and_then(|row| row.refusal_sentence);
    Problem::refused(reason, call, stored.unwrap_or_else(|| reason.sentence().to_owned()))
}

async fn row(state: &AppState, caller: &Caller, call: CallId) -> Option<CallRow> {
    let read = async {
        let mut transaction = caller.begin(state).await?;
        Ok::<_, Problem>(calls::one(&mut transaction, call, Some(caller.organization)).await?)
    };
    match read.await {
        Ok(row) => Some(row),
        Err(error) => {
            tracing::debug!(%call, ?error, "the call's row cannot be read yet");
            None
        }
    }
}

/// What the document says of these addresses.
pub(super) fn docs() -> Operation {
    Operation::post("/api/v1/calls", "startCall", "Connect an agent with a number")
        .says(
            "The agent's phone rings first; when they answer, the customer is called. The answer comes when it is decided, before \
             any phone rings.\n\nA refused call is a problem whose `code` is the reason and whose `detail` is the sentence that an \
             agent would hear; `callId` names its record.",
        )
        .needs(Action::CallsStart)
        .header(
            "Idempotency-Key",
            "Your name for this start, 1 to 255 printable characters of ASCII, such as a UUID. Asked again with it within \
             24 hours, the same call is the answer and no second one is made, even if the daemon died in between. With \
             another body: 422 `key_reused`. While the first is still being decided: 409 `key_in_use`. An answer of 503 says \
             that nothing was begun, and frees the key.",
        )
        .takes::<Request>(r#"{"agent": "alice", "to": "+12025550123"}"#)
        .gives::<Started>(201, "It is on its way. `Idempotency-Replayed: true`: it already was")
        .located()
}
