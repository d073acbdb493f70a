//! Which address is whose.

use super::doors::Doors;
use super::{
    AppState, Problem, Reach, agents, analytics, audit, calls, campaigns, carriers, events, guard, health, me, metrics,
    numbers, openapi, session, tokens, users, webhooks,
};
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;

/// A router that remembers its addresses, so that a test can walk all there are.
struct Routes {
    router: Router<AppState>,
    paths: Vec<&'static str>,
}

impl Routes {
    fn new() -> Self {
        Self { router: Router::new(), paths: Vec::new() }
    }

    fn route(mut self, path: &'static str, methods: MethodRouter<AppState>) -> Self {
        self.paths.push(path);
        Self { router: self.router.route(path, methods), ..self }
    }

    fn with(self, routes: Vec<(&'static str, MethodRouter<AppState>)>) -> Self {
        routes.into_iter().fold(self, |all, (path, methods)| all.route(path, methods))
    }
}

/// What belongs to tenants. Each handler takes a [`Caller`](super::auth::Caller), and asks it whether they may.
fn tenants() -> Routes {
    Routes::new()
        .route("/api/v1/session", post(session::sign_in).delete(session::sign_out))
        .route("/api/v1/me", get(me::me))
        .route("/api/v1/me/password", post(me::password))
        .route("/api/v1/users", get(users::list).post(users::add))
        .route("/api/v1/users/{id}", get(users::look).patch(users::change))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::add))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/agents", get(agents::list))
        .route("/api/v1/agents/{agent}", get(agents::look))
        .route("/api/v1/calls", get(calls::list::list).post(calls::start::start))
        .route("/api/v1/calls/{id}", get(calls::look::look).delete(calls::hang_up::hang_up))
        .with(numbers::routes())
        .with(carriers::routes())
        .with(campaigns::routes())
        .with(events::routes())
        .with(webhooks::routes())
        .with(analytics::routes())
}

/// What takes long, and has bounds of its own.
fn long_tenants() -> Routes {
    Routes::new().with(numbers::long_routes()).with(carriers::long_routes()).with(campaigns::long_routes())
}

/// Every address that belongs to tenants, as it is routed.
pub fn paths() -> Vec<&'static str> {
    [tenants().paths, long_tenants().paths].concat()
}

/// Every address that is nobody's, as it is routed for operators.
pub fn open_paths() -> Vec<&'static str> {
    about(Reach::Operators).paths
}

/// The API with its health; with the metrics too, if only operators can reach it.
pub fn api(state: AppState, reach: Reach) -> Router {
    let bounds = guard::Bounds::new(&state);
    // Cookies go along with what another site makes a browser send. Browsers say so, and nobody else has cookies.
    let own_site = CsrfLayer::new().with_rejection_response(|_| Problem::cross_site().into_response());
    let doors = Doors::new(&state.limits);
    let long = long_tenants()
        .router
        .route_layer(middleware::from_fn_with_state(numbers::long_bounds(), guard::bounded))
        .route_layer(own_site.clone())
        .layer(Extension(doors.clone()));
    let tenants = tenants()
        .router
        .route_layer(middleware::from_fn_with_state(bounds, guard::bounded))
        .route_layer(own_site)
        .layer(Extension(doors))
        .layer(DefaultBodyLimit::max(state.limits.body_bytes));
    dressed(tenants.merge(long).merge(about(reach).router), state)
}

/// Health and metrics only, for the listener of the operators.
pub fn operations(state: AppState) -> Router {
    dressed(about(Reach::Operators).router, state)
}

/// What is nobody's.
fn about(reach: Reach) -> Routes {
    let ready = async move |State(state): State<AppState>| health::ready(&state, reach);
    let routes = Routes::new().route("/healthz", get(health::alive)).route("/readyz", get(ready));
    let routes = routes.with(openapi::routes());
    match reach {
        Reach::Operators => routes.route("/metrics", get(metrics::metrics)),
        Reach::Anybody => routes,
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
