//! `/api/v1/agents`: who talks. An agent sees only themselves.

use super::auth::{Caller, Sight};
use super::extract::AgentPath;
use super::openapi::Operation;
use super::{AppState, Problem};
use crate::access::Action;
use crate::core::ids::{AgentId, EndpointName};
use crate::store::Transaction;
use crate::store::agents::{self, AgentKind, AgentRow, PhoneKind};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// An agent, as their organization sees them.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Agent")]
pub(super) struct AgentView {
    id: AgentId,
    endpoint: EndpointName,
    name: String,
    extension: Option<String>,
    kind: AgentKind,
    phone_kind: PhoneKind,
    /// Calls a day over all numbers; null: no such limit.
    daily_limit: Option<u32>,
    active: bool,
    /// The phone can sign in.
    has_secret: bool,
    /// Numbers assigned.
    numbers: i64,
    created_at: Timestamp,
}

impl From<AgentRow> for AgentView {
    fn from(row: AgentRow) -> Self {
        Self {
            id: row.id,
            endpoint: row.endpoint,
            name: row.name,
            extension: row.extension,
            kind: row.kind,
            phone_kind: row.phone_kind,
            daily_limit: row.daily_limit,
            active: row.active,
            has_secret: row.has_secret,
            numbers: row.numbers,
            created_at: row.created_at,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AgentList")]
pub(super) struct Agents {
    agents: Vec<AgentView>,
}

/// `GET`.
pub(super) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Agents>, Problem> {
    let sight = caller.may(Action::AgentsSee)?;
    let mut transaction = caller.begin(&state).await?;
    let rows = agents::list(&mut transaction, Some(caller.organization)).await?;
    let seen = rows.into_iter().filter(|row| sight.covers(Some(row.id)));
    Ok(Json(Agents { agents: seen.map(AgentView::from).collect() }))
}

/// `GET /api/v1/agents/{agent}`, by endpoint or id.
pub(super) async fn look(
    State(state): State<AppState>,
    caller: Caller,
    AgentPath(agent): AgentPath,
) -> Result<Json<AgentView>, Problem> {
    let sight = caller.may(Action::AgentsSee)?;
    let mut transaction = caller.begin(&state).await?;
    Ok(Json(find(&mut transaction, &caller, sight, &agent).await?.into()))
}

/// The tenant's agent of this endpoint or id, as far as the caller's sight reaches.
pub(super) async fn find(
    transaction: &mut Transaction,
    caller: &Caller,
    sight: Sight,
    text: &str,
) -> Result<AgentRow, Problem> {
    let organization = Some(caller.organization);
    let agent = if let Ok(id) = text.parse::<AgentId>() {
        agents::by_id(transaction, id, organization).await?
    } else {
        let endpoint: EndpointName = text.parse().map_err(|_| Problem::agent_not_found())?;
        agents::one(transaction, &endpoint, organization).await?
    };
    if sight.covers(Some(agent.id)) { Ok(agent) } else { Err(Problem::agent_not_found()) }
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/agents", "listAgents", "Who talks")
            .says("An agent sees only themselves.")
            .needs(Action::AgentsSee)
            .gives::<Agents>(200, "The agents"),
        Operation::get("/api/v1/agents/{agent}", "getAgent", "One agent")
            .needs(Action::AgentsSee)
            .gives::<AgentView>(200, "The agent"),
    ]
}
