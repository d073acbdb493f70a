//! Self-service: `GET …/numbers/available`, `POST …/numbers/assign`, `GET …/numbers/current`, and `POST /api/v1/phone/provision`.
//! What a company chose is for good: only its owner lets it rest, swaps it or gives it back.

use super::list::everything;
use super::view::{NumberView, view};
use super::{key, unprocessable};
use crate::access::Action;
use crate::core::ids::NumberId;
use crate::core::number::{E164, RegionCode};
use crate::http::auth::{Caller, Sight};
use crate::http::extract::{Body, Form, Params};
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem};
use crate::policy::NumberState;
use crate::store::claims::{self, Claim, Offer, QUARANTINE_DAYS};
use crate::store::inventory::{self, NumberKey};
use crate::store::{Transaction, numbers};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

const USUAL: u32 = 50;
const MOST: u32 = 200;
/// So many are offered to who came too late.
const FRESH: u32 = 20;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "AvailableQuery")]
pub(in crate::http) struct Wish {
    #[serde(alias = "region")]
    country_code: Option<RegionCode>,
    search: Option<String>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    cursor: Option<NumberId>,
}

impl Form for Wish {
    const FORM: &'static str = "countryCode=<such as US>, search=<a part of the number>, limit=<1 to 200>, \
        cursor=<`next` of the page before>";
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AvailableNumbers")]
pub(in crate::http) struct Offers {
    numbers: Vec<Offer>,
    next: Option<NumberId>,
}

pub(in crate::http) async fn available(
    State(state): State<AppState>,
    caller: Caller,
    Params(wish): Params<Wish>,
) -> Result<Json<Offers>, Problem> {
    everything(&caller)?;
    let limit = wish.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::wrong_query(Wish::FORM));
    }
    let mut transaction = caller.begin(&state).await?;
    let (region, search) = (wish.country_code, wish.search.as_deref());
    let mut offers = claims::available(&mut transaction, region, search, wish.cursor, limit + 1).await?;
    let more = offers.len() > limit as usize;
    offers.truncate(limit as usize);
    let next = offers.last().filter(|_| more).map(|offer| offer.id);
    Ok(Json(Offers { numbers: offers, next }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NumberChoice")]
pub(in crate::http) struct Choice {
    #[serde(alias = "phoneNumber", alias = "phone_number")]
    number: String,
}

impl Form for Choice {
    const FORM: &'static str = r#"{"number": "<one of the available numbers>"}"#;
}

impl Choice {
    fn number(&self) -> Result<E164, Problem> {
        match key(&self.number) {
            Some(NumberKey::E164(number)) => Ok(number),
            Some(NumberKey::Id(_)) | None => {
                let detail = "`number` must be one of the available numbers, such as +12025550123.".to_owned();
                Err(unprocessable("invalid_number", "Not a phone number", detail))
            }
        }
    }
}

/// The number that the organization has now.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CurrentNumber")]
struct Mine {
    has_phone: bool,
    phone_number: Option<E164>,
    /// It was chosen by the organization itself, for good.
    permanent: bool,
    number: Option<NumberView>,
}

pub(in crate::http) async fn assign(
    State(state): State<AppState>,
    caller: Caller,
    Body(choice): Body<Choice>,
) -> Result<Response, Problem> {
    caller.may(Action::NumbersClaim)?;
    let wanted = choice.number()?;
    let mut transaction = caller.begin(&state).await?;
    let claim = claims::choose(&mut transaction, caller.organization, wanted).await?;
    answer(transaction, claim, StatusCode::CREATED).await
}

/// Commits what was claimed, or says why nothing was.
async fn answer(mut transaction: Transaction, claim: Claim, done: StatusCode) -> Result<Response, Problem> {
    match claim {
        Claim::Done(row) => {
            let number = view(&mut transaction, Sight::All, *row).await?;
            transaction.commit().await?;
            let mine =
                Mine { has_phone: true, phone_number: Some(number.number), permanent: true, number: Some(number) };
            Ok((done, Json(mine)).into_response())
        }
        Claim::Already(row) => {
            let detail =
                "Your organization has a number already, and a number is chosen for good. An owner can swap it.";
            let problem = Problem::new(StatusCode::CONFLICT, "already_has_number", "There is a number already", detail);
            Err(problem.with("phoneNumber", json!(row.e164)).with("numberId", json!(row.id)))
        }
        Claim::Nothing => {
            let detail = "Your organization has not chosen a number. Choose one: POST /api/v1/numbers/assign.";
            Err(Problem::new(StatusCode::CONFLICT, "nothing_chosen", "No number was chosen", detail))
        }
        Claim::Taken => {
            let fresh = claims::available(&mut transaction, None, None, None, FRESH).await?;
            let detail = "The number is not available any more; somebody may have been faster. Choose another, such as one \
                of those in `available`.";
            let problem = Problem::new(StatusCode::CONFLICT, "number_taken", "The number is taken", detail);
            Err(problem.with("available", json!(fresh)))
        }
        Claim::Empty { in_quarantine, next_at } => {
            let detail = match next_at {
                Some(at) => format!(
                    "The inventory has no free number. {in_quarantine} wait after their last owner, the first until {at}. \
                     Ask your administrator to add numbers."
                ),
                None => "The inventory has no free number. Ask your administrator to add numbers.".to_owned(),
            };
            let problem = Problem::unavailable("inventory_empty", "There is no number left", detail, 3600);
            Err(problem.with("inQuarantine", json!(in_quarantine)).with("nextAt", json!(next_at)))
        }
    }
}

pub(in crate::http) async fn current(State(state): State<AppState>, caller: Caller) -> Result<Response, Problem> {
    everything(&caller)?;
    let mut transaction = caller.begin(&state).await?;
    let permanent = claims::chosen(&mut transaction, caller.organization).await?.is_some();
    let number = match claims::current(&mut transaction, caller.organization).await? {
        Some(row) => Some(view(&mut transaction, Sight::All, row).await?),
        None => None,
    };
    let phone_number = number.as_ref().map(|number| number.number);
    Ok(Json(Mine { has_phone: number.is_some(), phone_number, permanent, number }).into_response())
}

/// Another number of the inventory in the place of the one that was chosen; its agents go on with it.
pub(in crate::http) async fn swap(
    State(state): State<AppState>,
    caller: Caller,
    Body(choice): Body<Choice>,
) -> Result<Response, Problem> {
    caller.may(Action::NumbersRelease)?;
    let wanted = choice.number()?;
    let mut transaction = caller.begin(&state).await?;
    let claim = claims::swap(&mut transaction, caller.organization, wanted, QUARANTINE_DAYS).await?;
    answer(transaction, claim, StatusCode::OK).await
}

/// Not used for a while, so that it recovers; to use it again, `…/{number}/activate`.
pub(in crate::http) async fn rest(State(state): State<AppState>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Action::NumbersRelease)?;
    let mut transaction = caller.begin(&state).await?;
    let Some(id) = claims::chosen(&mut transaction, caller.organization).await? else {
        return answer(transaction, Claim::Nothing, StatusCode::OK).await;
    };
    numbers::set_state(&mut transaction, id, NumberState::Resting).await?;
    let row = inventory::one(&mut transaction, caller.organization, NumberKey::Id(id)).await?;
    answer(transaction, Claim::Done(Box::new(row)), StatusCode::OK).await
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ReleasedNumber")]
struct Released {
    released: E164,
    /// So long nobody else gets it.
    quarantine_days: u32,
}

/// Back to the inventory, where it waits.
pub(in crate::http) async fn release(State(state): State<AppState>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Action::NumbersRelease)?;
    let mut transaction = caller.begin(&state).await?;
    match claims::release(&mut transaction, caller.organization, QUARANTINE_DAYS).await? {
        Some(released) => {
            transaction.commit().await?;
            Ok(Json(Released { released, quarantine_days: QUARANTINE_DAYS }).into_response())
        }
        None => answer(transaction, Claim::Nothing, StatusCode::OK).await,
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ProvisionedNumber")]
struct Provisioned {
    /// It was given now; false: the organization had it before.
    #[serde(rename = "provisioned")]
    given_now: bool,
    phone_number: E164,
    number: NumberView,
}

/// The next number for an organization that has none. Asking again changes nothing.
pub(in crate::http) async fn provision(State(state): State<AppState>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Action::NumbersClaim)?;
    let mut transaction = caller.begin(&state).await?;
    let (provisioned, row) = match claims::provision(&mut transaction, caller.organization).await? {
        Claim::Done(row) => (true, row),
        Claim::Already(row) => (false, row),
        other @ (Claim::Nothing | Claim::Taken | Claim::Empty { .. }) => {
            return answer(transaction, other, StatusCode::OK).await;
        }
    };
    let number = view(&mut transaction, Sight::All, *row).await?;
    transaction.commit().await?;
    let status = if provisioned { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Provisioned { given_now: provisioned, phone_number: number.number, number })).into_response())
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    let number = r#"{"number": "+12025550123"}"#;
    vec![
        Operation::get("/api/v1/numbers/available", "listAvailableNumbers", "Numbers of the inventory that one may take")
            .needs(Action::NumbersSee)
            .asks::<Wish>()
            .gives::<Offers>(200, "A page of offers"),
        Operation::post("/api/v1/numbers/assign", "chooseNumber", "Take a number out of the inventory, for good")
            .says("Once. `phoneNumber` is taken for `number` too. Who comes too late is told in `available` what is still free.")
            .needs(Action::NumbersClaim)
            .takes::<Choice>(number)
            .gives::<Mine>(201, "It is yours"),
        Operation::get("/api/v1/numbers/current", "getCurrentNumber", "The number that the organization has")
            .needs(Action::NumbersSee)
            .gives::<Mine>(200, "It, or none"),
        Operation::post("/api/v1/numbers/current/swap", "swapNumber", "Another number in the place of the one that was chosen")
            .says("Its agents go on with the new one.")
            .needs(Action::NumbersRelease)
            .takes::<Choice>(number)
            .gives::<Mine>(200, "The new one"),
        Operation::post("/api/v1/numbers/current/rest", "restCurrentNumber", "Let the chosen number recover")
            .says("To use it again: `activate`.")
            .needs(Action::NumbersRelease)
            .gives::<Mine>(200, "It rests"),
        Operation::post("/api/v1/numbers/current/release", "releaseNumber", "Give the chosen number back to the inventory")
            .needs(Action::NumbersRelease)
            .gives::<Released>(200, "It waits there"),
        Operation::post("/api/v1/phone/provision", "provisionNumber", "The next number for an organization that has none")
            .says("Asking again changes nothing.")
            .needs(Action::NumbersClaim)
            .gives::<Provisioned>(200, "There was one already")
            .gives::<Provisioned>(201, "It was given now"),
    ]
}
