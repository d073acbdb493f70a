//! Whose request it is, and what they may do. The credential is looked up by its SHA-256 in the database each time, so that it
//! is void from the moment it is revoked, and no comparison of ours takes longer for a better guess.

use super::{AppState, Problem};
use crate::access::{self, Action, Reach, Role};
use crate::core::ids::{AgentId, OrganizationId, TokenId, UserId};
use crate::store::{Actor, Scope, Transaction};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;

/// Who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A program with this key.
    Token(TokenId),
    /// Somebody who signed in.
    #[expect(dead_code, reason = "nobody signs in yet")]
    User(UserId),
}

/// Whose request it is. Nothing else says which tenant: no address, no header, no body.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The tenant.
    pub organization: OrganizationId,
    /// What they may do at most.
    pub role: Role,
    /// Who it is.
    pub subject: Subject,
    /// The agent that they are, or call for.
    pub agent: Option<AgentId>,
    /// To which acts their key is narrowed.
    acts: Option<BTreeSet<Action>>,
    /// The request's id, for the audit trail.
    request: String,
}

/// How far the caller may go with what they asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The whole organization.
    All,
    /// What is this agent's.
    Own(AgentId),
}

impl Sight {
    /// The agent, if it goes no further than one.
    pub fn only(self) -> Option<AgentId> {
        match self {
            Self::All => None,
            Self::Own(agent) => Some(agent),
        }
    }

    /// Whether it reaches what is this agent's; what is nobody's is not one's own.
    pub fn covers(self, agent: Option<AgentId>) -> bool {
        self.only().is_none_or(|own| agent == Some(own))
    }
}

impl Caller {
    /// How far they may go with this.
    ///
    /// # Errors
    ///
    /// If they may not at all.
    pub fn may(&self, action: Action) -> Result<Sight, Problem> {
        match (access::reach_within(self.role, self.acts.as_ref(), action), self.agent) {
            (Reach::Everything, _) => Ok(Sight::All),
            (Reach::Own, Some(agent)) => Ok(Sight::Own(agent)),
            (Reach::Own, None) => Err(Problem::no_agent()),
            (Reach::Nothing, _) => Err(Problem::forbidden(action)),
        }
    }

    /// Begins a transaction that sees what is the caller's organization's, and nothing else, whatever its statements say.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn begin(&self, state: &AppState) -> Result<Transaction, Problem> {
        Ok(state.store.begin_as(Scope::Organization(self.organization), &self.actor()).await?)
    }

    /// How they stand in the audit trail.
    pub fn actor(&self) -> Actor {
        let actor = match self.subject {
            Subject::Token(id) => Actor::token(id),
            Subject::User(id) => Actor::user(id),
        };
        actor.within(&self.request)
    }
}

/// One row by its key. A program that waits longer for it waits for a database that is away.
const PATIENCE: Duration = Duration::from_millis(250);
/// No token of ours is longer.
const LONGEST: usize = 256;

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let token = bearer(parts).ok_or_else(Problem::unauthorized)?;
        if state.status.is_store_away() {
            return Err(Problem::store_unavailable());
        }
        let sha256: [u8; 32] = Sha256::digest(token).into();
        let token = state.store.within(PATIENCE, state.store.authenticate(&sha256)).await?;
        let token = token.ok_or_else(Problem::unauthorized)?;
        Ok(Self {
            organization: token.organization,
            role: token.role,
            subject: Subject::Token(token.id),
            agent: token.agent,
            acts: token.acts,
            request: parts.extensions.get::<super::guard::RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        })
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
