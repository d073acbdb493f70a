//! Whose request it is. The token is looked up by its SHA-256 in the database each time, so that a token is void from the
//! moment it is revoked, and no comparison of ours takes longer for a better guess.

use super::{AppState, Problem};
use crate::core::ids::OrganizationId;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The organization whose token came with the request. Nothing else says which tenant it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tenant(pub OrganizationId);

/// One row by its key. A program that waits longer for it waits for a database that is away.
const PATIENCE: Duration = Duration::from_millis(250);
/// No token of ours is longer.
const LONGEST: usize = 256;

impl FromRequestParts<AppState> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let token = bearer(parts).ok_or_else(Problem::unauthorized)?;
        if state.status.store_away.load(Ordering::Relaxed) {
            return Err(Problem::store_unavailable());
        }
        let sha256: [u8; 32] = Sha256::digest(token).into();
        let token = state.store.within(PATIENCE, state.store.authenticate(&sha256)).await?;
        token.map(|token| Self(token.organization)).ok_or_else(Problem::unauthorized)
    }
}

/// The token, if there is exactly one.
fn bearer(parts: &Parts) -> Option<&[u8]> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && (1..=LONGEST).contains(&token.len())).then_some(token)
}
