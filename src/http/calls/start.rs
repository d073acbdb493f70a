//! `POST /api/v1/calls`: connect an agent with a number. The agent's phone rings first.

use super::view::{CallState, location};
use crate::access::Action;
use crate::core::command::Answer;
use crate::core::ids::{AgentId, CallId, CampaignId, EndpointName};
use crate::core::number::E164;
use crate::core::outcome::RefusalReason;
use crate::http::auth::Caller;
use crate::http::extract::{Body, Form};
use crate::http::{AppState, Problem, agents, campaigns};
use crate::store::calls::{self, CallRow};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// Nothing that can be dialled is longer.
const LONGEST: usize = 80;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct Request {
    /// Endpoint or id.
    agent: String,
    /// As a person would dial it.
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
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
    let (call, answer) = state.calls.start(agent.endpoint.clone(), request.to, campaign).await?;
    match answer {
        Answer::Admitted => {
            // The call is on its way whether or not its row can be read.
            let row = row(&state, &caller, call).await;
            let started = Started {
                id: call,
                state: CallState::CallingAgent,
                agent: agent.endpoint,
                agent_id: agent.id,
                agent_name: agent.name,
                from: row.as_ref().and_then(|row| row.presented),
                to: row.as_ref().and_then(|row| row.destination),
                campaign_id: campaign,
            };
            Ok((StatusCode::CREATED, [(LOCATION, location(call))], Json(started)).into_response())
        }
        Answer::Refused(reason) => Err(refused(&state, &caller, call, reason).await),
        Answer::HangingUp | Answer::NoSuchCall => {
            tracing::error!(%call, ?answer, "a start was answered as if it were something else");
            Err(Problem::internal())
        }
    }
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
