//! `GET` and `POST …/numbers/discover`: numbers of ours that nobody has said are ours, out of the call log. Looking adds nothing;
//! `POST …/discover/confirm` adds those that were chosen.

use crate::access::Action;
use crate::analytics::Candidate;
use crate::core::ids::NumberId;
use crate::core::number::E164;
use crate::http::auth::Caller;
use crate::http::extract::{Body, Form};
use crate::http::{AppState, Problem};
use crate::inventory::Entry;
use crate::numbering;
use crate::store::{Transaction, analytics, inventory, organizations};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// So far back is looked.
const HOURS: i64 = 24 * 366;
/// So many are confirmed at once.
const MOST: usize = 500;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberDiscovery")]
pub(super) struct Discovery {
    /// How many candidates there are.
    discovered: usize,
    /// How many numbers the organization has already.
    total: i64,
    /// The most used first.
    candidates: Vec<Candidate>,
}

/// What may be ours.
pub(super) async fn look(State(state): State<AppState>, caller: Caller) -> Result<Json<Discovery>, Problem> {
    caller.may(Action::NumbersManage)?;
    let mut transaction = caller.begin(&state).await?;
    let candidates = candidates(&state, &caller, &mut transaction).await?;
    let total = crate::store::overview::summary(&mut transaction, caller.organization).await?.numbers;
    Ok(Json(Discovery { discovered: candidates.len(), total, candidates }))
}

async fn candidates(
    state: &AppState,
    caller: &Caller,
    transaction: &mut Transaction,
) -> Result<Vec<Candidate>, Problem> {
    let since = (state.now)() - jiff::SignedDuration::from_hours(HOURS);
    Ok(analytics::unknown_callers(transaction, caller.organization, since).await?)
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ChosenNumbers")]
pub(super) struct Chosen {
    #[serde(alias = "phoneNumbers")]
    numbers: Vec<E164>,
}

impl Form for Chosen {
    const FORM: &'static str = r#"{"numbers": ["+12025550123", …]}, 1 to 500 of those that were discovered"#;
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AddedNumbers")]
pub(super) struct Added {
    added: usize,
    numbers: Vec<AddedNumber>,
}

#[derive(Serialize, JsonSchema)]
struct AddedNumber {
    id: NumberId,
    number: E164,
}

/// Adds what was chosen, if all of it was discovered.
pub(super) async fn confirm(
    State(state): State<AppState>,
    caller: Caller,
    Body(Chosen { mut numbers }): Body<Chosen>,
) -> Result<(StatusCode, Json<Added>), Problem> {
    caller.may(Action::NumbersManage)?;
    if !(1..=MOST).contains(&numbers.len()) {
        return Err(Problem::wrong_body(Chosen::FORM, 1, 1));
    }
    let mut transaction = caller.begin(&state).await?;
    let candidates = candidates(&state, &caller, &mut transaction).await?;
    let is_candidate = |number: &E164| candidates.iter().any(|candidate| candidate.number == *number);
    if let Some(index) = numbers.iter().position(|number| !is_candidate(number)) {
        let detail = format!(
            "Nothing was added: the number at place {index} of `numbers` was not discovered. Take those of \
             `GET /api/v1/numbers/discover`; any other is added by `POST /api/v1/numbers`."
        );
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not_discovered", "Not discovered", detail);
        return Err(problem.with("index", json!(index)));
    }
    // In the order of the numbers, as lists do, so that nobody waits in a circle.
    numbers.sort_unstable();
    numbers.dedup();
    let country = organizations::by_id(&mut transaction, caller.organization).await?.country;
    let mut added = Vec::new();
    for number in numbers {
        let read = numbering::parse_owned_number(number.as_str(), Some(&country), &state.extra_prefixes);
        let read = read.map_err(|error| {
            let detail = format!("Nothing was added, because one of the numbers can be nobody's: {error}.");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_number", "Not a phone number", detail)
        })?;
        let entry = Entry::plain(read.e164, read.region);
        let id = inventory::add(&mut transaction, Some(caller.organization), &entry).await?;
        added.push(AddedNumber { id, number: read.e164 });
    }
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(Added { added: added.len(), numbers: added })))
}
