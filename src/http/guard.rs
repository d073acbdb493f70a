//! What stands around the handlers: an id for each request, bounds, and a net for panics.

use super::{AppState, Problem};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tracing::Instrument;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id, for whoever writes it down.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub String);

/// Gives the request an id, tells the log how it ended, and keeps the answer out of caches.
pub(super) async fn named(mut request: Request, next: Next) -> Response {
    let id = given_id(request.headers()).unwrap_or_else(new_id);
    // The route, never the path: what people type there does not belong in a log.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("http", request = id.to_str().unwrap_or_default(), route);
    request.extensions_mut().insert(RequestId(id.to_str().unwrap_or_default().to_owned()));
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status(), began.elapsed());
    span.in_scope(|| {
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), ?took, "a request failed");
        } else {
            tracing::debug!(status = status.as_u16(), ?took, "a request was answered");
        }
    });
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The client's own id, if it is harmless in a log.
fn given_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    ((1..=64).contains(&id.len()) && id.as_bytes().iter().all(harmless)).then(|| id.clone())
}

fn new_id() -> HeaderValue {
    // Hexadecimal digits and hyphens are always a header's value.
    HeaderValue::try_from(Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("none"))
}

/// How many requests are worked on, and for how long.
#[derive(Clone)]
pub(super) struct Bounds {
    slots: Arc<Semaphore>,
    time: Duration,
}

impl Bounds {
    pub fn new(state: &AppState) -> Self {
        Self::of(state.limits.at_once, state.limits.time)
    }

    /// So many requests, for so long each.
    pub fn of(slots: usize, time: Duration) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots)), time }
    }
}

/// Turns a request away at once if there are too many, and gives up on one that takes too long.
pub(super) async fn bounded(State(bounds): State<Bounds>, request: Request, next: Next) -> Response {
    let Ok(_slot) = bounds.slots.try_acquire() else { return Problem::busy().into_response() };
    match tokio::time::timeout(bounds.time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::timeout().into_response(),
    }
}

/// A handler panicked. The text of the panic goes to standard error only.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}
