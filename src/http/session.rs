//! `/api/v1/session`: sign in, and out.
//!
//! Browsers get a cookie that scripts cannot read and other sites cannot use; programs ask for a bearer token instead. What is
//! not to be learnt here is who exists: an unknown address, a wrong password and an account that is switched off get the same
//! answer after the same work.

use super::auth::{COOKIE, Caller, PATIENCE, Subject};
use super::doors::{Doors, Peer};
use super::extract::{Body, Form};
use super::guard::RequestId;
use super::me::{self, Me};
use super::openapi::Operation;
use super::{AppState, Problem};
use crate::core::ids::UserId;
use crate::keys;
use crate::store::sessions::Lifetime;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A shift, with the breaks in it.
const LIFETIME: Lifetime = Lifetime { idle: Duration::from_hours(2), absolute: Duration::from_hours(12) };

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SignIn {
    email: String,
    #[schemars(with = "String")]
    password: SecretString,
    /// A token in the answer, instead of a cookie.
    #[serde(default)]
    bearer: bool,
}

impl Form for SignIn {
    const FORM: &'static str = r#"{"email": "<address>", "password": "<password>", "bearer": <true for a token instead of a cookie; optional>}"#;
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SignedIn {
    /// Only if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    bearer_token: Option<String>,
    /// It ends then, however much it is used.
    expires_in_s: u64,
    /// It ends when it is not used for so long.
    idle_timeout_s: u64,
    #[serde(flatten)]
    me: Me,
}

/// `POST`: sign in.
pub(super) async fn sign_in(
    State(state): State<AppState>,
    Extension(doors): Extension<Doors>,
    Extension(request): Extension<RequestId>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Body(body): Body<SignIn>,
) -> Result<Response, Problem> {
    doors.address(peer.map(|Extension(peer)| peer), &headers)?;
    doors.account(&body.email)?;
    if state.status.is_store_away() {
        return Err(Problem::store_unavailable());
    }
    let candidate = state.store.within(PATIENCE, state.store.candidate(body.email.trim())).await?;
    let hash = candidate.as_ref().and_then(|candidate| candidate.password_hash.clone());
    let knows = doors.is_password(body.password, hash).await?;
    let candidate = candidate.filter(|candidate| knows && candidate.active);
    let Some(candidate) = candidate else {
        tracing::info!("somebody could not sign in");
        return Err(Problem::sign_in_failed());
    };
    let (token, sha256) = new_token()?;
    state.store.begin_session(candidate.organization, candidate.user, &sha256, LIFETIME, &request.0).await?;
    let session = state.store.session(&sha256).await?.ok_or_else(Problem::sign_in_failed)?;
    let caller = Caller::of_session(&session, request.0);
    let signed_in = SignedIn {
        bearer_token: body.bearer.then(|| token.clone()),
        expires_in_s: LIFETIME.absolute.as_secs(),
        idle_timeout_s: LIFETIME.idle.as_secs(),
        me: me::read(&state, &caller).await?,
    };
    let answer = (StatusCode::CREATED, Json(signed_in));
    if body.bearer {
        return Ok(answer.into_response());
    }
    Ok(([(SET_COOKIE, cookie(&token, LIFETIME.absolute))], answer).into_response())
}

/// `DELETE`: sign out.
pub(super) async fn sign_out(State(state): State<AppState>, caller: Caller) -> Result<Response, Problem> {
    let session = caller.session.ok_or_else(Problem::no_session)?;
    state.store.end_session(session, &caller.actor()).await?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, no_cookie())]).into_response())
}

/// Who signed in; a program with a token did not.
pub(super) fn user_of(caller: &Caller) -> Result<UserId, Problem> {
    match caller.subject {
        Subject::User(user) => Ok(user),
        Subject::Token(_) => Err(Problem::no_session()),
    }
}

/// What takes the cookie away.
pub(super) fn no_cookie() -> String {
    cookie("", Duration::ZERO)
}

fn cookie(token: &str, age: Duration) -> String {
    format!("{COOKIE}={token}; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Strict", age.as_secs())
}

fn new_token() -> Result<(String, [u8; 32]), Problem> {
    keys::token(keys::SESSION).map_err(|error| {
        tracing::error!(%error, "nobody can sign in");
        Problem::internal()
    })
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::post("/api/v1/session", "signIn", "Sign in")
            .says("Browsers get a cookie; with `\"bearer\": true` there is a token in the answer instead. It ends after 12 hours, or \
                when it was not used for 2.")
            .open()
            .takes::<SignIn>(r#"{"email": "ann@example.org", "password": "a few words in a row", "bearer": true}"#)
            .gives::<SignedIn>(201, "Signed in"),
        Operation::delete("/api/v1/session", "signOut", "Sign out")
            .says("Not for tokens: 409 `no_session`. A token is revoked at `/api/v1/tokens/{id}`.")
            .gives_nothing(204, "Signed out"),
    ]
}
