//! `GET /healthz`: is the process alive? `GET /readyz`: can it make calls?

use super::openapi::Operation;
use super::{AppState, Reach};
use crate::daemon::Health;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

/// An idle loop turns every second; one that has not turned for longer than this is stuck.
const STUCK_MS: i64 = 5_000;

#[derive(Serialize, JsonSchema)]
struct Alive {
    alive: bool,
}

/// Anybody hears whether, operators also why not.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Ready {
    Operators(Health),
    Anybody {
        /// New calls can be made.
        ready: bool,
    },
}

fn code(good: bool) -> StatusCode {
    if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Milliseconds since the loop last turned; none if it never did.
pub(super) fn turn_age_ms(state: &AppState) -> Option<i64> {
    let last = state.status.last_turn_ms();
    (last > 0).then(|| (state.now)().as_millisecond().saturating_sub(last).max(0))
}

/// Whether the loop turns.
pub(super) async fn alive(State(state): State<AppState>) -> Response {
    let alive = turn_age_ms(&state).is_some_and(|age| age <= STUCK_MS);
    (code(alive), Json(Alive { alive })).into_response()
}

/// Whether calls can be made; operators are told why not.
pub(super) fn ready(state: &AppState, reach: Reach) -> Response {
    let health = state.status.health();
    let ready = health.ready;
    let told = match reach {
        Reach::Operators => Ready::Operators(health),
        Reach::Anybody => Ready::Anybody { ready },
    };
    (code(ready), Json(told)).into_response()
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::get("/healthz", "getAlive", "Does the loop that makes calls turn?")
            .open()
            .gives::<Alive>(200, "It does")
            .gives::<Alive>(503, "It does not: the process should be started anew"),
        Operation::get("/readyz", "getReady", "Can calls be made?")
            .says("On a listener of operators, with all that is known about why not.")
            .open()
            .gives::<Ready>(200, "They can")
            .gives::<Ready>(503, "They cannot at the moment"),
        Operation::get("/metrics", "getMetrics", "Figures for Prometheus")
            .says("Only on a listener of operators.")
            .open()
            .gives_media(200, "application/openmetrics-text", "In the format of OpenMetrics"),
    ]
}
