//! What came with a request, or a [`Problem`] that says what should have come.

use super::{AppState, Problem};
use crate::core::ids::CallId;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use std::convert::Infallible;
use std::str::FromStr;

/// Something that can be sent to us.
pub(super) trait Form: DeserializeOwned {
    /// What it looks like, for people.
    const FORM: &'static str;
}

/// The body.
pub(super) struct Body<T>(pub T);

impl<T: Form> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::not_json());
        }
        let too_large = || Problem::too_large(state.limits.body_bytes);
        if request.body().size_hint().lower() > state.limits.body_bytes as u64 {
            return Err(too_large());
        }
        // Half of the time at most, so that what is known about the call can still be said.
        let bytes = tokio::time::timeout(state.limits.time / 2, Bytes::from_request(request, state));
        let bytes = bytes.await.map_err(|_| Problem::slow_body())?.map_err(|rejection| {
            let status = rejection.into_response().status();
            if status == StatusCode::PAYLOAD_TOO_LARGE { too_large() } else { Problem::unreadable_body() }
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            Category::Data => Problem::wrong_body(T::FORM, error.line(), error.column()),
            Category::Io | Category::Syntax | Category::Eof => Problem::malformed_json(error.line(), error.column()),
        })
    }
}

/// The body, or nothing at all, which is the same as an empty one.
pub(super) struct MaybeBody<T>(pub T);

impl<T: Form + Default> FromRequest<AppState> for MaybeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        if request.body().size_hint().exact() == Some(0) {
            return Ok(Self(T::default()));
        }
        Body::from_request(request, state).await.map(|Body(body)| Self(body))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// What stands behind the `?`.
pub(super) struct Params<T>(pub T);

impl<T: Form> FromRequestParts<AppState> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|_| Problem::wrong_query(T::FORM))
    }
}

/// The call that the address names. What is not an id is no call of anybody's.
pub(super) struct CallPath(pub CallId);

impl FromRequestParts<AppState> for CallPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        let Ok(Path(id)) = path else { return Err(Problem::call_not_found()) };
        id.parse().map(Self).map_err(|_| Problem::call_not_found())
    }
}

/// What the address calls an agent: an endpoint or an id. What is no text is no agent of anybody's.
pub(super) struct AgentPath(pub String);

impl FromRequestParts<AppState> for AgentPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        path.map(|Path(agent)| Self(agent)).map_err(|_| Problem::agent_not_found())
    }
}

/// The id that the address names; none if it is not an id, which is then nobody's.
pub(super) struct IdPath<T>(pub Option<T>);

impl<T: FromStr> FromRequestParts<AppState> for IdPath<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        Ok(Self(path.ok().and_then(|Path(id)| id.parse().ok())))
    }
}

/// Tells a field that is null from one that is not there: with `#[serde(default, deserialize_with = "said")]`.
#[expect(clippy::option_option, reason = "not said, said to be nothing, or something")]
pub(super) fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Deserialize::deserialize(from).map(Some)
}
