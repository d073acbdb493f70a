//! `POST …/numbers/bulk`: one act on many numbers. All or nothing, unless told otherwise; in both cases each number gets its
//! answer.

use super::acts::{self, Act};
use super::assign::{self, Assignment};
use super::edit::Changes;
use super::{find, key};
use crate::access::Action;
use crate::core::ids::NumberId;
use crate::core::number::{E164, RegionCode};
use crate::http::auth::{Caller, Sight};
use crate::http::extract::{Body, Form};
use crate::http::openapi;
use crate::http::{AppState, Problem, campaigns};
use crate::store::inventory::{self, Edit, NumberKey};
use crate::store::numbers::NumberRow;
use crate::store::{Transaction, assignments, savepoint};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// More would hold what they lock for too long.
const MOST: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BulkOperation")]
enum Operation {
    Activate,
    Deactivate,
    Rest,
    Retire,
    Delete,
    Assign,
    Unassign,
    Edit,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Bulk")]
pub(in crate::http) struct Request {
    operation: Operation,
    /// By their ids, or by themselves.
    #[schemars(length(min = 1, max = 500))]
    numbers: Vec<String>,
    /// Endpoint or id.
    #[serde(alias = "agentId")]
    agent: Option<String>,
    #[schemars(range(min = 1, max = 1000))]
    daily_limit: Option<u32>,
    allowed_countries: Option<Vec<RegionCode>>,
    /// What `edit` changes.
    set: Option<Changes>,
    #[serde(default = "yes")]
    all_or_nothing: bool,
}

fn yes() -> bool {
    true
}

impl Form for Request {
    const FORM: &'static str = r#"{"operation": "<activate, deactivate, rest, retire, delete, assign, unassign or edit>",
        "numbers": [<1 to 500 ids or numbers>], "agentId": <for assign and unassign>, "dailyLimit": …, "allowedCountries": […],
        "set": {<for edit: what is to be changed>}, "allOrNothing": <true unless you say otherwise>}"#;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BulkFate")]
enum Fate {
    Done,
    Error,
    NotDone,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BulkAnswer")]
struct Answer {
    done: usize,
    errors: usize,
    rows: Vec<Row>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "BulkRow")]
struct Row {
    /// Its place in the request, from 0.
    index: usize,
    id: Option<NumberId>,
    number: Option<E164>,
    result: Fate,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

pub(in crate::http) async fn bulk(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<Request>,
) -> Result<Response, Problem> {
    let gives = matches!(request.operation, Operation::Assign | Operation::Unassign);
    caller.may(if gives { Action::AssignmentsManage } else { Action::NumbersManage })?;
    let work = Work::of(request.operation, &request)?;
    if !(1..=MOST).contains(&request.numbers.len()) {
        return Err(Problem::wrong_body(Request::FORM, 1, 1));
    }
    let all_or_nothing = request.all_or_nothing;
    let campaign = request.set.as_ref().map(|set| set.campaign_id.clone()).unwrap_or_default();
    let edit = request.set.map(Changes::split);
    let mut transaction = caller.begin(&state).await?;
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for (index, text) in request.numbers.iter().enumerate() {
        let number = match key(text) {
            Some(key) => find(&mut transaction, &caller, Sight::All, key).await,
            None => Err(Problem::absent("number")),
        };
        let mut row = Row { index, id: None, number: None, result: Fate::NotDone, code: None, message: None };
        match number {
            Ok(number) if !seen.insert(number.id) => {
                row.fail("duplicate", "The number is there twice.");
            }
            Ok(number) => {
                (row.id, row.number) = (Some(number.id), Some(number.e164));
                found.push((index, number));
            }
            Err(problem) if problem.is_ours() => return Err(problem),
            Err(problem) => row.fail(problem.code(), problem.detail()),
        }
        rows.push(row);
    }
    // What others may want too is locked in the one order.
    let ids: Vec<NumberId> = found.iter().map(|(_, number)| number.id).collect();
    assignments::lock_agents_of(&mut transaction, &ids).await?;
    found.sort_by_key(|(_, number)| number.id);
    for (index, number) in found {
        savepoint::set(&mut transaction).await?;
        let done = match work.perform(&mut transaction, &caller, &number, edit.as_ref()).await {
            Ok(()) => campaigns::link_only(&mut transaction, &caller, number.id, &campaign).await,
            Err(problem) => Err(problem),
        };
        match done {
            Ok(()) => {
                savepoint::keep(&mut transaction).await?;
                rows[index].result = Fate::Done;
            }
            Err(problem) if problem.is_ours() => return Err(problem),
            Err(problem) => {
                savepoint::undo(&mut transaction).await?;
                rows[index].fail(problem.code(), problem.detail());
            }
        }
    }
    let errors = rows.iter().filter(|row| row.result == Fate::Error).count();
    if errors > 0 && all_or_nothing {
        drop(transaction);
        rows.iter_mut().filter(|row| row.result == Fate::Done).for_each(|row| row.result = Fate::NotDone);
        let detail = format!(
            "Nothing was changed: {errors} of {} numbers cannot be. Leave them out, or send \"allOrNothing\": false.",
            rows.len()
        );
        let problem =
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bulk_refused", "Not all of it can be done", detail);
        return Err(problem.with("done", json!(0)).with("errors", json!(errors)).with("rows", json!(rows)));
    }
    transaction.commit().await?;
    let done = rows.iter().filter(|row| row.result == Fate::Done).count();
    Ok(Json(Answer { done, errors, rows }).into_response())
}

impl Row {
    fn fail(&mut self, code: &str, message: &str) {
        self.result = Fate::Error;
        (self.code, self.message) = (Some(code.to_owned()), Some(message.to_owned()));
    }
}

/// What is to be done with each number.
enum Work {
    Act(Act),
    Delete,
    Give(Assignment),
    TakeBack(Option<String>),
    Edit,
}

impl Work {
    fn of(operation: Operation, request: &Request) -> Result<Self, Problem> {
        let wrong = || Problem::wrong_body(Request::FORM, 1, 1);
        let set = request.set.is_some();
        let limits = request.daily_limit.is_some() || request.allowed_countries.is_some();
        let agent = request.agent.clone();
        let work = match operation {
            Operation::Activate => Self::Act(Act::Activate),
            Operation::Deactivate => Self::Act(Act::Deactivate),
            Operation::Rest => Self::Act(Act::Rest),
            Operation::Retire => Self::Act(Act::Retire),
            Operation::Delete => Self::Delete,
            Operation::Assign => {
                let agent = agent.ok_or_else(wrong)?;
                Self::Give(Assignment::new(agent, request.daily_limit, request.allowed_countries.clone()))
            }
            Operation::Unassign => Self::TakeBack(agent),
            Operation::Edit => Self::Edit,
        };
        // What would be ignored is refused.
        let misplaced = set != (operation == Operation::Edit)
            || limits && operation != Operation::Assign
            || request.agent.is_some() && !matches!(operation, Operation::Assign | Operation::Unassign);
        if misplaced { Err(wrong()) } else { Ok(work) }
    }

    async fn perform(
        &self,
        transaction: &mut Transaction,
        caller: &Caller,
        number: &NumberRow,
        edit: Option<&(Edit, Option<bool>)>,
    ) -> Result<(), Problem> {
        match (self, edit) {
            (Self::Act(act), _) => acts::perform(transaction, caller, number, *act).await,
            (Self::Delete, _) => {
                inventory::delete(transaction, caller.organization, number.id).await?;
                Ok(())
            }
            (Self::Give(wanted), _) => assign::give(transaction, caller, number, wanted).await,
            (Self::TakeBack(agent), _) => assign::take_back(transaction, caller, number, agent.as_deref()).await,
            (Self::Edit, Some((edit, active))) => {
                inventory::edit(transaction, caller.organization, number.id, edit, None).await?;
                match active {
                    Some(active) => {
                        let row = inventory::one(transaction, caller.organization, NumberKey::Id(number.id)).await?;
                        acts::switch(transaction, caller, &row, *active).await
                    }
                    None => Ok(()),
                }
            }
            (Self::Edit, None) => Err(Problem::internal()),
        }
    }
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<openapi::Operation> {
    vec![
        openapi::Operation::post("/api/v1/numbers/bulk", "changeNumbers", "One act on up to 500 numbers")
            .says("All or nothing, unless `allOrNothing` is false. Each number gets its answer; if all is refused they are in the \
                `rows` of the problem.")
            .needs(Action::NumbersManage)
            .takes::<Request>(r#"{"operation": "edit", "numbers": ["+12025550123"], "set": {"friendlyName": "Support"}}"#)
            .gives::<Answer>(200, "What became of each"),
    ]
}
