//! `POST …/numbers/{number}/assign` and `unassign`, and what an agent has: `GET …/numbers/agent/{agent}`.

use super::view::{NumberView, UsageView, view};
use super::{NumberPath, find, unprocessable};
use crate::access::Action;
use crate::core::ids::{AgentId, EndpointName, NumberId};
use crate::core::number::{NumberClass, RegionCode};
use crate::http::auth::{Caller, Sight};
use crate::http::extract::{AgentPath, Body, Form, MaybeBody, Params};
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem, agents};
use crate::numbering;
use crate::policy::NumberState;
use crate::store::Transaction;
use crate::store::assignments::{self, AssignmentFilter, NewAssignment};
use crate::store::history::{self, Change};
use crate::store::inventory::{self, NumberKey};
use crate::store::numbers::NumberRow;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewAssignment")]
pub(in crate::http) struct Assignment {
    /// Endpoint or id.
    #[serde(alias = "agentId")]
    agent: String,
    #[schemars(range(min = 1, max = 1000))]
    daily_limit: Option<u32>,
    allowed_countries: Option<Vec<RegionCode>>,
    allowed_classes: Option<Vec<NumberClass>>,
}

impl Form for Assignment {
    const FORM: &'static str = r#"{"agentId": "<endpoint or id>", "dailyLimit": <1 to 1000>, "allowedCountries": ["US", "CA"],
        "allowedClasses": []}, all but the agent may be left out"#;
}

impl Assignment {
    pub fn new(agent: String, daily_limit: Option<u32>, allowed_countries: Option<Vec<RegionCode>>) -> Self {
        Self { agent, daily_limit, allowed_countries, allowed_classes: None }
    }
}

/// Gives a number of the caller's to an agent of the caller's, or changes with which limits.
pub(super) async fn give(
    transaction: &mut Transaction,
    caller: &Caller,
    row: &NumberRow,
    wanted: &Assignment,
) -> Result<(), Problem> {
    if row.state == NumberState::Retired {
        let detail = "The number is retired. Activate it first, if it is yours again.";
        return Err(Problem::new(StatusCode::CONFLICT, "number_retired", "The number is retired", detail));
    }
    let unknown = wanted.allowed_countries.iter().flatten().find(|country| !numbering::has_numbering_plan(country));
    if let Some(country) = unknown {
        let detail = format!("{country} is not a country with telephone numbers. Countries are like US, GB or IN.");
        return Err(unprocessable("no_such_country", "No such country", detail));
    }
    let agent = agents::find(transaction, caller, Sight::All, &wanted.agent).await?;
    let new = NewAssignment {
        agent: agent.id,
        number: row.id,
        daily_limit: wanted.daily_limit,
        allowed_countries: wanted.allowed_countries.clone(),
        allowed_classes: wanted.allowed_classes.clone(),
    };
    assignments::assign(transaction, &new).await?;
    Ok(())
}

/// Takes a number from an agent, or from all of them.
pub(super) async fn take_back(
    transaction: &mut Transaction,
    caller: &Caller,
    row: &NumberRow,
    agent: Option<&str>,
) -> Result<(), Problem> {
    let agent = match agent {
        Some(agent) => Some(agents::find(transaction, caller, Sight::All, agent).await?.id),
        None => None,
    };
    let organization = Some(caller.organization);
    let filter = AssignmentFilter { organization, agent, number: Some(row.id), ..AssignmentFilter::default() };
    let open = assignments::list(transaction, &filter).await?;
    if open.is_empty() {
        let detail = "No such agent has this number. Look at its `agents`.";
        return Err(Problem::new(StatusCode::CONFLICT, "not_assigned", "The number is not assigned", detail));
    }
    assignments::lock_agents_of(transaction, &[row.id]).await?;
    for assignment in open {
        assignments::unassign(transaction, assignment.assignment_id).await?;
    }
    Ok(())
}

pub(in crate::http) async fn assign(
    State(state): State<AppState>,
    caller: Caller,
    NumberPath(key): NumberPath,
    Body(wanted): Body<Assignment>,
) -> Result<Json<NumberView>, Problem> {
    caller.may(Action::AssignmentsManage)?;
    let mut transaction = caller.begin(&state).await?;
    let row = find(&mut transaction, &caller, Sight::All, key).await?;
    give(&mut transaction, &caller, &row, &wanted).await?;
    finish(&state, transaction, &caller, row.id).await
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "Unassignment")]
pub(in crate::http) struct From {
    #[serde(alias = "agentId")]
    agent: Option<String>,
}

impl Form for From {
    const FORM: &'static str = r#"{"agentId": "<endpoint or id>"}, or nothing for all agents"#;
}

pub(in crate::http) async fn unassign(
    State(state): State<AppState>,
    caller: Caller,
    NumberPath(key): NumberPath,
    MaybeBody(from): MaybeBody<From>,
) -> Result<Json<NumberView>, Problem> {
    caller.may(Action::AssignmentsManage)?;
    let mut transaction = caller.begin(&state).await?;
    let row = find(&mut transaction, &caller, Sight::All, key).await?;
    take_back(&mut transaction, &caller, &row, from.agent.as_deref()).await?;
    finish(&state, transaction, &caller, row.id).await
}

/// Commits, and shows the number as it is from now on: in the same transaction the time stands still, and what ended in it has
/// not ended yet.
pub(super) async fn finish(
    state: &AppState,
    transaction: Transaction,
    caller: &Caller,
    number: NumberId,
) -> Result<Json<NumberView>, Problem> {
    transaction.commit().await?;
    let mut transaction = caller.begin(state).await?;
    let row = inventory::one(&mut transaction, caller.organization, NumberKey::Id(number)).await?;
    Ok(Json(view(&mut transaction, Sight::All, row).await?))
}

/// What an agent has, and what is left of it today.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumbersOfAgent")]
pub(in crate::http) struct OfAgent {
    agent_id: AgentId,
    agent: EndpointName,
    agent_name: String,
    /// Calls a day over all numbers; null: as many as the numbers allow.
    daily_limit: Option<u32>,
    /// Calls today from these numbers.
    calls_made_today: u32,
    /// Calls left today from those of the numbers that are in use.
    remaining: u32,
    numbers: Vec<UsageView>,
}

pub(in crate::http) async fn of_agent(
    State(state): State<AppState>,
    caller: Caller,
    AgentPath(agent): AgentPath,
) -> Result<Json<OfAgent>, Problem> {
    let sight = caller.may(Action::UsageSee)?;
    let mut transaction = caller.begin(&state).await?;
    let agent = agents::find(&mut transaction, &caller, sight, &agent).await?;
    let organization = Some(caller.organization);
    let filter = AssignmentFilter { organization, agent: Some(agent.id), ..AssignmentFilter::default() };
    let usage = assignments::list(&mut transaction, &filter).await?;
    let calls_made_today = usage.iter().map(|one| one.calls_made_today).fold(0, u32::saturating_add);
    let left = usage.iter().filter(|one| one.active).map(|one| one.remaining).fold(0, u32::saturating_add);
    let remaining = agent.daily_limit.map_or(left, |limit| left.min(limit.saturating_sub(calls_made_today)));
    Ok(Json(OfAgent {
        agent_id: agent.id,
        agent: agent.endpoint,
        agent_name: agent.name,
        daily_limit: agent.daily_limit,
        calls_made_today,
        remaining,
        numbers: usage.into_iter().map(UsageView::from).collect(),
    }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "HistoryQuery")]
pub(in crate::http) struct Where {
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    cursor: Option<i64>,
}

impl Form for Where {
    const FORM: &'static str = "limit=<1 to 200>, cursor=<`next` of the page before>";
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "History")]
pub(in crate::http) struct Changes {
    history: Vec<Change>,
    next: Option<i64>,
}

impl Where {
    fn limit(&self) -> Result<u32, Problem> {
        let limit = self.limit.unwrap_or(50);
        if (1..=200).contains(&limit) { Ok(limit) } else { Err(Problem::wrong_query(Self::FORM)) }
    }
}

fn changes(mut history: Vec<Change>, limit: u32) -> Json<Changes> {
    let more = history.len() > limit as usize;
    history.truncate(limit as usize);
    let next = history.last().filter(|_| more).map(|change| change.id);
    Json(Changes { history, next })
}

pub(in crate::http) async fn history(
    State(state): State<AppState>,
    caller: Caller,
    NumberPath(key): NumberPath,
    Params(page): Params<Where>,
) -> Result<Json<Changes>, Problem> {
    super::list::everything(&caller)?;
    let limit = page.limit()?;
    let mut transaction = caller.begin(&state).await?;
    let row = find(&mut transaction, &caller, Sight::All, key).await?;
    let organization = caller.organization;
    Ok(changes(history::of_number(&mut transaction, organization, row.id, page.cursor, limit + 1).await?, limit))
}

pub(in crate::http) async fn history_of_agent(
    State(state): State<AppState>,
    caller: Caller,
    AgentPath(agent): AgentPath,
    Params(page): Params<Where>,
) -> Result<Json<Changes>, Problem> {
    let sight = caller.may(Action::UsageSee)?;
    let limit = page.limit()?;
    let mut transaction = caller.begin(&state).await?;
    let agent = agents::find(&mut transaction, &caller, sight, &agent).await?;
    let organization = caller.organization;
    Ok(changes(history::of_agent(&mut transaction, organization, agent.id, page.cursor, limit + 1).await?, limit))
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/v1/numbers/agent/{agent}",
            "getNumbersOfAgent",
            "What an agent has, and what is left of it today",
        )
        .needs(Action::UsageSee)
        .gives::<OfAgent>(200, "The agent's numbers"),
        Operation::get(
            "/api/v1/numbers/agent/{agent}/history",
            "getAgentHistory",
            "Which numbers an agent had, newest first",
        )
        .needs(Action::UsageSee)
        .asks::<Where>()
        .gives::<Changes>(200, "A page of changes"),
        Operation::post("/api/v1/numbers/{number}/assign", "assignNumber", "Let an agent call from a number")
            .says("Or change with which limits. `agentId` is taken for `agent` too.")
            .needs(Action::AssignmentsManage)
            .takes::<Assignment>(r#"{"agent": "alice", "dailyLimit": 100, "allowedCountries": ["US", "CA"]}"#)
            .gives::<NumberView>(200, "The number with its agents"),
        Operation::post(
            "/api/v1/numbers/{number}/unassign",
            "unassignNumber",
            "Take a number from an agent, or from all",
        )
        .needs(Action::AssignmentsManage)
        .may_take::<From>(r#"{"agent": "alice"}"#)
        .gives::<NumberView>(200, "The number with the agents who are left"),
        Operation::get("/api/v1/numbers/{number}/history", "getNumberHistory", "Who had a number, newest first")
            .needs(Action::NumbersSee)
            .asks::<Where>()
            .gives::<Changes>(200, "A page of changes"),
    ]
}
