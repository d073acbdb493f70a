//! `/api/v1/carriers`: the accounts at carriers that are this organization's by the settings, and their numbers. An import reads
//! some pages a request; who asks again goes on.

use super::auth::Caller;
use super::extract::{Form, IdPath, Params};
use super::{AppState, Problem};
use crate::access::Action;
use crate::carriers::import::{self, Desk, ImportError, Look, Report, Way};
use crate::carriers::{CarrierError, Client, Patience};
use crate::config::Carrier;
use crate::inventory::listed::CarrierKind;
use crate::store::carriers::{self, Taken};
use crate::store::{Scope, organizations};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request reads so many pages; the next goes on.
const PAGES: usize = 20;
/// So many lines are in the answer.
const SHOWN: u32 = 1000;

/// The addresses, and what is at them.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![("/api/v1/carriers", get(list))]
}

/// The addresses of what takes long: others answer meanwhile.
pub(super) fn long_routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![
        ("/api/v1/carriers/{id}/import", post(take_in)),
        ("/api/v1/carriers/{id}/drift", get(drift)),
        // where users of other systems look for it
        ("/api/v1/numbers/import", post(take_in_the_only)),
        ("/api/v1/phone-numbers/import", post(take_in_the_only)),
    ]
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Carrier")]
struct One {
    /// Its name in the settings, which stands in addresses.
    name: String,
    kind: CarrierKind,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CarrierList")]
struct Carriers {
    carriers: Vec<One>,
}

async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Carriers>, Problem> {
    caller.may(Action::ImportsManage)?;
    let own = own(&state, &caller).await?;
    let carriers = own.into_iter().map(|carrier| One { name: carrier.name.clone(), kind: carrier.kind }).collect();
    Ok(Json(Carriers { carriers }))
}

/// Those whose numbers are the caller's organization's.
async fn own<'a>(state: &'a AppState, caller: &Caller) -> Result<Vec<&'a Carrier>, Problem> {
    let mut transaction = caller.begin(state).await?;
    let slug = organizations::by_id(&mut transaction, caller.organization).await?.slug;
    Ok(state.carriers.iter().filter(|carrier| carrier.organization.as_ref() == Some(&slug)).collect())
}

async fn find<'a>(state: &'a AppState, caller: &Caller, name: &str) -> Result<(&'a Carrier, Client), Problem> {
    let own = own(state, caller).await?;
    let carrier = own.into_iter().find(|carrier| carrier.name == name).ok_or_else(absent)?;
    Ok((carrier, Client::new(carrier, Patience::default()).map_err(|error| refused(&error))?))
}

fn absent() -> Problem {
    let detail = "Your organization has no carrier of this name. GET /api/v1/carriers lists them; they are added in the \
        settings of the daemon, by its operator.";
    Problem::new(StatusCode::NOT_FOUND, "carrier_not_found", "No such carrier", detail)
}

fn desk<'a>(state: &'a AppState, caller: &Caller) -> Desk<'a> {
    Desk {
        store: &state.store,
        scope: Scope::Organization(caller.organization),
        actor: caller.actor(),
        organization: Some(caller.organization),
        extra: &state.extra_prefixes,
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "CarrierImportQuery")]
struct How {
    dry_run: bool,
    restart: bool,
}

impl Form for How {
    const FORM: &'static str = "dryRun=<true: only say what would come of it>, restart=<true: from the first page>";
}

/// What came of it, and the entries with something to say.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CarrierImport")]
struct Imported {
    #[serde(flatten)]
    report: Report,
    /// Entries that are new, changed, left out or wrong, or of which there is something to say, in their order: the first 1000 of
    /// those that this request read.
    rows: Vec<Taken>,
}

async fn take_in(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(name): IdPath<String>,
    Params(how): Params<How>,
) -> Result<Json<Imported>, Problem> {
    caller.may(Action::ImportsManage)?;
    let (carrier, client) = find(&state, &caller, &name.ok_or_else(absent)?).await?;
    let way = Way { restart: how.restart, dry_run: how.dry_run, pages_max: PAGES };
    let report = import::import(&client, carrier, &desk(&state, &caller), way, |_| ()).await.map_err(problem)?;
    let rows = match report.import {
        None => report.rows.iter().take(SHOWN as usize).cloned().collect(),
        Some(import) => {
            let mut transaction = caller.begin(&state).await?;
            carriers::remarkable(&mut transaction, import, (report.resumed_after + 1, -1), SHOWN).await?
        }
    };
    Ok(Json(Imported { report, rows }))
}

/// From the only carrier that the organization has.
async fn take_in_the_only(state: State<AppState>, caller: Caller, how: Params<How>) -> Result<Json<Imported>, Problem> {
    caller.may(Action::ImportsManage)?;
    let own = own(&state, &caller).await?;
    let [only] = own.as_slice() else {
        if own.is_empty() {
            return Err(absent());
        }
        let detail = "Your organization has several carriers. Say which: POST /api/v1/carriers/{name}/import.";
        return Err(Problem::new(StatusCode::CONFLICT, "which_carrier", "There are several carriers", detail));
    };
    let name = IdPath(Some(only.name.clone()));
    take_in(state, caller, name, how).await
}

async fn drift(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(name): IdPath<String>,
) -> Result<Json<Look>, Problem> {
    caller.may(Action::ImportsManage)?;
    let (carrier, client) = find(&state, &caller, &name.ok_or_else(absent)?).await?;
    Ok(Json(import::look(&client, carrier, &desk(&state, &caller), |_, _| ()).await.map_err(problem)?))
}

fn problem(error: ImportError) -> Problem {
    match error {
        ImportError::Store(error) => error.into(),
        ImportError::Carrier { error, .. } => refused(&error),
        ImportError::Contested => {
            let detail =
                "Another import from this carrier is under way, and was faster. Look what it did, and ask again.";
            Problem::new(StatusCode::CONFLICT, "import_under_way", "Another import is under way", detail)
        }
        ImportError::Circle { .. } | ImportError::Endless => {
            let detail = format!("Nothing more was read: {error}.");
            Problem::new(StatusCode::BAD_GATEWAY, "carrier_refused", "The carrier's list has no end", detail)
        }
    }
}

fn refused(error: &CarrierError) -> Problem {
    match error {
        CarrierError::Busy { .. } | CarrierError::Unreachable { .. } => {
            let detail = "What was read stands. Ask again later, and it goes on from there.";
            Problem::unavailable("carrier_unavailable", "The carrier does not answer", detail, 30)
        }
        CarrierError::NoSecret(_) | CarrierError::Unauthorized { .. } | CarrierError::Setup(_) => {
            tracing::warn!(%error, "a carrier cannot be asked");
            let detail = "The daemon's settings do not open this account. Its operator can correct them.";
            Problem::new(StatusCode::BAD_GATEWAY, "carrier_refused", "The carrier does not let us in", detail)
        }
        CarrierError::Refused { .. } | CarrierError::TooLarge | CarrierError::Unreadable(_) => {
            tracing::warn!(%error, "a carrier's answer is of no use");
            let detail = format!("What was read stands, and nothing more was read: {error}.");
            Problem::new(StatusCode::BAD_GATEWAY, "carrier_refused", "The carrier's answer is of no use", detail)
        }
    }
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<crate::http::openapi::Operation> {
    use crate::http::openapi::Operation;
    vec![
        Operation::get("/api/v1/carriers", "listCarriers", "The accounts at carriers that are the organization's")
            .says("They are added in the settings of the daemon, by its operator.")
            .needs(Action::ImportsManage)
            .gives::<Carriers>(200, "Their names and kinds"),
        Operation::post(
            "/api/v1/carriers/{id}/import",
            "importFromCarrier",
            "Take in the numbers that a carrier lists",
        )
        .says("A request reads some pages; who asks again goes on where it stopped.")
        .needs(Action::ImportsManage)
        .asks::<How>()
        .gives::<Imported>(200, "What came of it, and the entries with something to say"),
        Operation::post("/api/v1/numbers/import", "importFromOnlyCarrier", "Take in the numbers of the only carrier")
            .needs(Action::ImportsManage)
            .asks::<How>()
            .gives::<Imported>(200, "What came of it, and the entries with something to say"),
        Operation::get(
            "/api/v1/carriers/{id}/drift",
            "compareWithCarrier",
            "What a carrier lists, held against what we have",
        )
        .needs(Action::ImportsManage)
        .gives::<Look>(200, "What differs"),
    ]
}
