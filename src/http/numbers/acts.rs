//! `POST …/numbers/{number}/activate`, `deactivate`, `rest`, `retire` and `primary`.

use super::view::NumberView;
use super::{NumberPath, assign, find, may_switch};
use crate::access::Action;
use crate::http::auth::Caller;
use crate::http::openapi::Operation;
use crate::http::{AppState, Problem};
use crate::policy::NumberState;
use crate::store::inventory::{self, Edit};
use crate::store::numbers::{self, NumberRow};
use crate::store::{StoreError, Transaction, claims};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

/// What can be done with a number as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Activate,
    Deactivate,
    Rest,
    Retire,
    Primary,
}

/// Does it, in the transaction.
pub(super) async fn perform(
    transaction: &mut Transaction,
    caller: &Caller,
    row: &NumberRow,
    act: Act,
) -> Result<(), Problem> {
    match act {
        Act::Activate => numbers::set_state(transaction, row.id, NumberState::Assigned).await?,
        Act::Deactivate | Act::Rest => {
            may_switch(transaction, caller, row.id).await?;
            if row.state == NumberState::Retired {
                return Err(retired());
            }
            let state = if act == Act::Rest { NumberState::Resting } else { NumberState::Inactive };
            numbers::set_state(transaction, row.id, state).await?;
        }
        Act::Retire => {
            if claims::chosen(transaction, caller.organization).await? == Some(row.id) {
                let message = "the number was chosen for good; an owner can release or swap it".to_owned();
                return Err(StoreError::Constraint { name: "number_is_chosen".to_owned(), message, taken: true }.into());
            }
            numbers::retire(transaction, row.id).await?;
        }
        Act::Primary => {
            let edit = Edit { primary: Some(true), ..Edit::default() };
            inventory::edit(transaction, caller.organization, row.id, &edit, None).await?;
        }
    }
    Ok(())
}

/// Switches a number on or off.
pub(super) async fn switch(
    transaction: &mut Transaction,
    caller: &Caller,
    row: &NumberRow,
    active: bool,
) -> Result<(), Problem> {
    match (active, row.state) {
        (true, NumberState::Assigned)
        | (false, NumberState::Inactive | NumberState::Resting | NumberState::Retired) => Ok(()),
        (true, _) => perform(transaction, caller, row, Act::Activate).await,
        (false, _) => perform(transaction, caller, row, Act::Deactivate).await,
    }
}

fn retired() -> Problem {
    let detail = "The number is retired. Activate it if it is yours again.";
    Problem::new(StatusCode::CONFLICT, "number_retired", "The number is retired", detail)
}

async fn act(
    state: AppState,
    caller: Caller,
    NumberPath(key): NumberPath,
    act: Act,
) -> Result<Json<NumberView>, Problem> {
    let sight = caller.may(Action::NumbersManage)?;
    let mut transaction = caller.begin(&state).await?;
    let row = find(&mut transaction, &caller, sight, key).await?;
    perform(&mut transaction, &caller, &row, act).await?;
    assign::finish(&state, transaction, &caller, row.id).await
}

macro_rules! endpoints {
    ($($(#[$doc:meta])* $name:ident = $act:ident;)+) => {$(
        $(#[$doc])*
        pub(in crate::http) async fn $name(
            State(state): State<AppState>,
            caller: Caller,
            number: NumberPath,
        ) -> Result<Json<NumberView>, Problem> {
            act(state, caller, number, Act::$act).await
        }
    )+};
}

endpoints! {
    /// Back in use.
    activate = Activate;
    /// Switched off for a while.
    deactivate = Deactivate;
    /// Not used for a while, so that it recovers.
    rest = Rest;
    /// Given back to the carrier: its assignments end.
    retire = Retire;
    /// The one the organization is known by; the one before is it no longer.
    primary = Primary;
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    let acts = [
        ("/api/v1/numbers/{number}/activate", "activateNumber", "Put a number back in use"),
        ("/api/v1/numbers/{number}/deactivate", "deactivateNumber", "Switch a number off for a while"),
        ("/api/v1/numbers/{number}/rest", "restNumber", "Let a number recover"),
        ("/api/v1/numbers/{number}/retire", "retireNumber", "Give a number back to the carrier: its assignments end"),
        ("/api/v1/numbers/{number}/primary", "makeNumberPrimary", "Make it the number the organization is known by"),
    ];
    let act = |(path, id, summary)| {
        let post = Operation::post(path, id, summary).needs(Action::NumbersManage);
        post.gives::<NumberView>(200, "The number as it is now")
    };
    acts.map(act).to_vec()
}
