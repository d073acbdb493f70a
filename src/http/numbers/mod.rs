//! The organization's numbers: `/api/v1/numbers`, and the same at `/api/v1/phone-numbers`, where users of other systems look for
//! them. One file a family of acts.

mod acts;
mod assign;
mod bulk;
mod edit;
mod export;
mod list;
mod pool;
pub(super) mod upload;
mod view;

use super::auth::{Caller, Sight};
use super::guard::Bounds;
use super::openapi::Operation;
use super::{AppState, Problem};
use crate::access::Action;
use crate::core::ids::NumberId;
use crate::inventory::Rules;
use crate::store::inventory::{self, NumberKey};
use crate::store::numbers::NumberRow;
use crate::store::{Transaction, organizations, trunks};
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{MethodRouter, get, post};

/// Where a number is, once it has an id.
const ROOT: &str = "/api/v1/numbers";

macro_rules! below {
    ($root:literal) => {
        [
            (concat!($root, ""), get(list::list).post(edit::add)),
            (concat!($root, "/dropdown"), get(list::dropdown)),
            (concat!($root, "/groups"), get(list::groups)),
            (concat!($root, "/summary"), get(list::summary)),
            (concat!($root, "/export"), get(export::export)),
            (concat!($root, "/primary/current"), get(list::primary)),
            (concat!($root, "/bulk"), post(bulk::bulk)),
            (concat!($root, "/uploads/{upload}"), get(upload::look)),
            (concat!($root, "/available"), get(pool::available)),
            (concat!($root, "/assign"), post(pool::assign)),
            (concat!($root, "/current"), get(pool::current)),
            (concat!($root, "/current/swap"), post(pool::swap)),
            (concat!($root, "/current/rest"), post(pool::rest)),
            (concat!($root, "/current/release"), post(pool::release)),
            (concat!($root, "/agent/{agent}"), get(assign::of_agent)),
            (concat!($root, "/agent/{agent}/history"), get(assign::history_of_agent)),
            (concat!($root, "/{number}"), get(edit::look).patch(edit::edit).put(edit::edit).delete(edit::delete)),
            (concat!($root, "/{number}/activate"), post(acts::activate)),
            (concat!($root, "/{number}/deactivate"), post(acts::deactivate)),
            (concat!($root, "/{number}/rest"), post(acts::rest)),
            (concat!($root, "/{number}/retire"), post(acts::retire)),
            (concat!($root, "/{number}/primary"), post(acts::primary)),
            (concat!($root, "/{number}/assign"), post(assign::assign)),
            (concat!($root, "/{number}/unassign"), post(assign::unassign)),
            (concat!($root, "/{number}/history"), get(assign::history)),
        ]
    };
}

/// The addresses, and what is at them.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    let mut routes = Vec::from(below!("/api/v1/numbers"));
    routes.extend(below!("/api/v1/phone-numbers"));
    routes.push(("/api/v1/phone/provision", post(pool::provision)));
    routes
}

/// The addresses of what takes long, and has bounds of its own: [`long_bounds`].
pub(super) fn long_routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    let upload = || post(upload::upload);
    vec![("/api/v1/numbers/bulk-upload", upload()), ("/api/v1/phone-numbers/bulk-upload", upload())]
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    [
        list::docs(),
        edit::docs(),
        acts::docs(),
        assign::docs(),
        bulk::docs(),
        upload::docs(),
        export::docs(),
        pool::docs(),
    ]
    .concat()
}

/// How many lists are taken at the same time, and for how long each.
pub(super) fn long_bounds() -> Bounds {
    Bounds::of(upload::AT_ONCE, upload::TIME)
}

/// The number that the address names: by its id, or by itself, with or without `+`. What is neither is no number of anybody's.
pub(in crate::http) struct NumberPath(pub NumberKey);

impl FromRequestParts<AppState> for NumberPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        let Ok(Path(text)) = path else { return Err(Problem::absent("number")) };
        key(&text).map(Self).ok_or_else(|| Problem::absent("number"))
    }
}

/// A number as a program names it.
pub(super) fn key(text: &str) -> Option<NumberKey> {
    if let Ok(id) = text.parse::<NumberId>() {
        return Some(NumberKey::Id(id));
    }
    // In a query, + may have become a blank.
    let digits = text.trim().trim_start_matches('+');
    format!("+{digits}").parse().ok().map(NumberKey::E164)
}

/// The caller's number of this name; one of somebody else is as unknown as one that is not there.
async fn find(
    transaction: &mut Transaction,
    caller: &Caller,
    sight: Sight,
    key: NumberKey,
) -> Result<NumberRow, Problem> {
    let number = inventory::one(transaction, caller.organization, key).await?;
    if let Some(agent) = sight.only() {
        let filter = inventory::NumberFilter { agent: Some(agent), ..Default::default() };
        let before = NumberId(uuid::Uuid::from_u128(number.id.0.as_u128().saturating_sub(1)));
        let own = inventory::page(transaction, caller.organization, &filter, Some(before), 1).await?;
        if own.first().is_none_or(|own| own.id != number.id) {
            return Err(Problem::absent("number"));
        }
    }
    Ok(number)
}

/// By what numbers of this organization are read.
pub(super) async fn rules(state: &AppState, transaction: &mut Transaction, caller: &Caller) -> Result<Rules, Problem> {
    let organization = organizations::by_id(transaction, caller.organization).await?;
    let trunks = trunks::names(transaction).await?;
    Ok(Rules { country: Some(organization.country), trunks, extra: state.extra_prefixes.to_vec() })
}

/// What was chosen for good is only the owner's to switch off.
async fn may_switch(transaction: &mut Transaction, caller: &Caller, number: NumberId) -> Result<(), Problem> {
    if crate::store::claims::chosen(transaction, caller.organization).await? == Some(number) {
        caller.may(Action::NumbersRelease)?;
    }
    Ok(())
}

/// Who has a number that was asked for has said all that can be said about it.
fn unprocessable(code: &'static str, title: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, detail)
}
