//! What became of the calls of numbers: a dashboard, numbers side by side, and numbers of ours that nobody has said are ours.

mod discover;

use super::auth::{Caller, Sight};
use super::{AppState, Problem, agents};
use crate::access::Action;
use crate::analytics::{Asked, Comparison, Dashboard, MOST_DAYS, MOST_NUMBERS, NumberLabel, Place};
use crate::store::Transaction;
use crate::store::analytics::{self, Answer, Question};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{MethodRouter, get, post};

/// So long days are summed up before a request is answered.
const SUM_MS: i32 = 700;
/// Days of a dashboard where none was said.
const DASHBOARD_DAYS: i32 = 1;
/// Days that are compared where none was said.
const COMPARED_DAYS: i32 = 7;

/// The addresses, and what is at them.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    let discover = || get(discover::look).post(discover::look);
    vec![
        ("/api/v1/analytics/dashboard", get(dashboard)),
        ("/api/v1/analytics/compare", get(compare)),
        ("/api/v1/numbers/discover", discover()),
        ("/api/v1/numbers/discover/confirm", post(discover::confirm)),
        ("/api/v1/phone-numbers/discover", discover()),
        ("/api/v1/phone-numbers/discover/confirm", post(discover::confirm)),
    ]
}

/// What stands behind the `?`. Not [`Params`](super::extract::Params): a number may be there several times.
struct Ask(Asked);

impl FromRequestParts<AppState> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        Asked::read(form_urlencoded::parse(query.as_bytes())).map(Self).map_err(|_| wrong_query())
    }
}

fn wrong_query() -> Problem {
    let detail = format!(
        "Behind the `?` may stand: phoneNumber=<number or id, several with commas or each by itself, {MOST_NUMBERS} at most> or \
         group=<key:value of the metadata>, agent=<endpoint or id>, date=<such as 2026-11-21> or from= and to=, {MOST_DAYS} days \
         at most. Without a number, it is about all."
    );
    Problem::new(StatusCode::BAD_REQUEST, "wrong_query", "The query has not the right form", detail)
}

fn no_group() -> Problem {
    let detail =
        "None of the numbers that you see has this value of this key. `GET /api/v1/numbers/groups` lists them.";
    Problem::new(StatusCode::NOT_FOUND, "group_not_found", "No such group", detail)
}

fn later(days: usize) -> Problem {
    let detail = format!(
        "Days that are over are summed up once, and {days} are still to be. Each request sums up some; ask again, or let \
         `cordboard analytics sum` do all of it."
    );
    Problem::unavailable("metrics_not_ready", "The figures are being summed up", detail, 1)
}

/// A question, understood.
struct Understood {
    transaction: Transaction,
    place: Place,
    question: Question,
    numbers: Option<Vec<NumberLabel>>,
}

/// Whose calls are meant. What is not the caller's to see is as unknown as what is not there.
async fn understand(
    state: &AppState,
    caller: &Caller,
    sight: Sight,
    asked: Asked,
    usual_days: i32,
) -> Result<Understood, Problem> {
    let mut transaction = caller.begin(state).await?;
    let place = analytics::place(&mut transaction, caller.organization).await?;
    let span = asked.days.span(place.today, usual_days).map_err(|_| wrong_query())?;
    let agent = match &asked.agent {
        Some(agent) => Some(agents::find(&mut transaction, caller, sight, agent).await?.id),
        None => sight.only(),
    };
    let organization = caller.organization;
    let numbers = if let Some(group) = &asked.group {
        let numbers = analytics::group(&mut transaction, organization, sight.only(), group).await?;
        Some((!numbers.is_empty()).then_some(numbers).ok_or_else(no_group)?)
    } else if asked.numbers.is_empty() {
        None
    } else {
        let found = analytics::named(&mut transaction, organization, sight.only(), &asked.numbers).await?;
        Some(found.ok_or_else(|| Problem::absent("number"))?)
    };
    let ids = numbers.as_ref().map(|numbers| numbers.iter().map(|number| number.id).collect());
    let question = Question { organization, numbers: ids, agent, span };
    if question.wants_sums(&place) {
        analytics::sum_days(&mut transaction, organization, span, SUM_MS).await?;
        // It stays summed up, whatever comes of this request.
        transaction.commit().await?;
        transaction = caller.begin(state).await?;
    }
    Ok(Understood { transaction, place, question, numbers })
}

fn known<T>(answer: Answer<T>) -> Result<Json<T>, Problem> {
    match answer {
        Answer::Known(known) => Ok(Json(known)),
        Answer::Later { days } => Err(later(days)),
    }
}

/// `GET /api/v1/analytics/dashboard`.
async fn dashboard(State(state): State<AppState>, caller: Caller, Ask(asked): Ask) -> Result<Json<Dashboard>, Problem> {
    let sight = caller.may(Action::MetricsSee)?;
    let mut it = understand(&state, &caller, sight, asked, DASHBOARD_DAYS).await?;
    known(analytics::dashboard(&mut it.transaction, &it.question, &it.place, it.numbers).await?)
}

/// `GET /api/v1/analytics/compare`.
async fn compare(State(state): State<AppState>, caller: Caller, Ask(asked): Ask) -> Result<Json<Comparison>, Problem> {
    let sight = caller.may(Action::MetricsSee)?;
    let mut it = understand(&state, &caller, sight, asked, COMPARED_DAYS).await?;
    known(analytics::comparison(&mut it.transaction, &it.question, &it.place, it.numbers).await?)
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<crate::http::openapi::Operation> {
    use crate::http::openapi::Operation;
    let figures = |operation: Operation| {
        operation.needs(Action::MetricsSee).says(
            "Behind the `?`: `phoneNumber` (a number or id, several with commas or each by itself) or `group` (`key:value` of the \
             metadata), `agent` (endpoint or id), `date` or `from` and `to`. Without a number it is about all. 503 \
             `metrics_not_ready`: days are still being summed up; ask again.",
        )
    };
    let manages = |operation: Operation| operation.needs(Action::NumbersManage);
    let candidates = |operation: Operation| manages(operation).gives::<discover::Discovery>(200, "What may be ours");
    vec![
        figures(Operation::get(
            "/api/v1/analytics/dashboard",
            "getDashboard",
            "What became of the calls of numbers: by hour, agent and country",
        ))
        .gives::<Dashboard>(200, "The figures"),
        figures(Operation::get("/api/v1/analytics/compare", "compareNumbers", "Numbers side by side"))
            .gives::<Comparison>(200, "The figures"),
        candidates(Operation::get(
            "/api/v1/numbers/discover",
            "discoverNumbers",
            "Numbers of ours that nobody has added, out of the call log",
        )),
        candidates(Operation::post(
            "/api/v1/numbers/discover",
            "discoverNumbersAgain",
            "The same, for programs that only know POST",
        )),
        manages(Operation::post(
            "/api/v1/numbers/discover/confirm",
            "addDiscoveredNumbers",
            "Add numbers that were discovered",
        ))
        .takes::<discover::Chosen>(r#"{"numbers": ["+12025550123"]}"#)
        .gives::<discover::Added>(201, "They are added"),
    ]
}
