//! Which address is whose.

use super::{AppState, Problem, Reach, calls, guard, health, metrics, numbers};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware;
use axum::routing::{MethodRouter, get};
use tower_http::catch_panic::CatchPanicLayer;

/// The API with its health; with the metrics too, if only operators can reach it.
pub fn api(state: AppState, reach: Reach) -> Router {
    let bounds = guard::Bounds::new(&state);
    let calls = Router::new()
        .route("/api/v1/calls", get(calls::list::list).post(calls::start::start))
        .route("/api/v1/calls/{id}", get(calls::look::look).delete(calls::hang_up::hang_up));
    let calls = with(calls, numbers::routes())
        .route_layer(middleware::from_fn_with_state(bounds, guard::bounded))
        .layer(DefaultBodyLimit::max(state.limits.body_bytes));
    let long = with(Router::new(), numbers::long_routes())
        .route_layer(middleware::from_fn_with_state(numbers::long_bounds(), guard::bounded));
    dressed(calls.merge(long).merge(about(reach)), state)
}

fn with(router: Router<AppState>, added: Vec<(&'static str, MethodRouter<AppState>)>) -> Router<AppState> {
    added.into_iter().fold(router, |router, (path, methods)| router.route(path, methods))
}

/// Health and metrics only, for the listener of the operators.
pub fn operations(state: AppState) -> Router {
    dressed(about(Reach::Operators), state)
}

fn about(reach: Reach) -> Router<AppState> {
    let ready = async move |State(state): State<AppState>| health::ready(&state, reach);
    let router = Router::new().route("/healthz", get(health::alive)).route("/readyz", get(ready));
    match reach {
        Reach::Operators => router.route("/metrics", get(metrics::metrics)),
        Reach::Anybody => router,
    }
}

fn dressed(router: Router<AppState>, state: AppState) -> Router {
    router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(middleware::from_fn(guard::named))
        .with_state(state)
}
