//! Whose request it is, and what they may do. The credential is looked up by its SHA-256 in the database each time, so that it
//! is void from the moment it is revoked, and no comparison of ours takes longer for a better guess.

use super::doors::Doors;
use super::guard::RequestId;
use super::{AppState, Problem};
use crate::access::{self, Action, Reach, Role};
use crate::core::ids::{AgentId, OrganizationId, TokenId, UserId};
use crate::keys;
use crate::store::events::Standing;
use crate::store::sessions::Session;
use crate::store::tokens::TokenInfo;
use crate::store::{Actor, Scope, Transaction};
use axum::extract::FromRequestParts;
use axum::http::header::{self, AUTHORIZATION};
use axum::http::request::Parts;
use std::collections::BTreeSet;
use std::time::Duration;
use uuid::Uuid;

/// Who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A program with this key.
    Token(TokenId),
    /// Somebody who signed in.
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
    /// The session, if somebody signed in.
    pub session: Option<Uuid>,
    /// The request's id, for the audit trail.
    pub request: String,
}

/// How far the caller may go with what they asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The whole organization.
    All,
    /// What is this agent's.
    Own(AgentId),
}

impl Subject {
    /// One number for each.
    fn as_u128(self) -> u128 {
        match self {
            Self::Token(id) => id.0.as_u128(),
            Self::User(id) => id.0.as_u128(),
        }
    }
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
        match (self.reach(action), self.agent) {
            (Reach::Everything, _) => Ok(Sight::All),
            (Reach::Own, Some(agent)) => Ok(Sight::Own(agent)),
            (Reach::Own, None) => Err(Problem::no_agent()),
            (Reach::Nothing, _) => Err(Problem::forbidden(action)),
        }
    }

    /// How far they reach with this; unlike [`may`](Self::may) it says nothing about whose what is.
    pub fn reach(&self, action: Action) -> Reach {
        access::reach_within(self.role, self.acts.as_ref(), action)
    }

    /// Somebody who signed in.
    pub fn of_session(session: &Session, request: String) -> Self {
        Self {
            organization: session.organization,
            role: session.role,
            subject: Subject::User(session.user),
            agent: session.agent,
            acts: None,
            session: Some(session.id),
            request,
        }
    }

    /// A program with a key.
    fn of_token(token: TokenInfo, request: String) -> Self {
        Self {
            organization: token.organization,
            role: token.role,
            subject: Subject::Token(token.id),
            agent: token.agent,
            acts: token.acts,
            session: None,
            request,
        }
    }

    /// By what they are let in, for what lasts longer than a request.
    pub fn standing(&self) -> Standing {
        let id = match self.subject {
            Subject::Token(id) => id.0,
            Subject::User(id) => self.session.unwrap_or(id.0),
        };
        let acts = self.acts.as_ref().map(|acts| acts.iter().map(|act| act.as_str().to_owned()).collect());
        Standing { id, role: self.role, agent: self.agent, acts }
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
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// No token of ours is longer.
const LONGEST: usize = 256;
/// Where browsers keep the token of a session. With this prefix they take it from this host only, and over TLS.
pub(super) const COOKIE: &str = "__Host-cordboard";

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let token = if parts.headers.contains_key(AUTHORIZATION) { bearer(parts) } else { cookie(parts) };
        let token = token.ok_or_else(Problem::unauthorized)?;
        if state.status.is_store_away() {
            return Err(Problem::store_unavailable());
        }
        let sha256 = keys::sha256(token);
        let is_session = token.starts_with(keys::SESSION.as_bytes());
        let request = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let doors = parts.extensions.get::<Doors>().cloned();
        let caller = if is_session {
            let session = state.store.within(PATIENCE, state.store.session(&sha256)).await?;
            session.map(|session| Self::of_session(&session, request))
        } else {
            let token = state.store.within(PATIENCE, state.store.authenticate(&sha256)).await?;
            token.map(|token| Self::of_token(token, request))
        };
        let caller = caller.ok_or_else(Problem::unauthorized)?;
        if let Some(doors) = doors {
            doors.caller(caller.subject.as_u128())?;
        }
        Ok(caller)
    }
}

/// The token of the header, if there is exactly one.
fn bearer(parts: &Parts) -> Option<&[u8]> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && (1..=LONGEST).contains(&token.len())).then_some(token)
}

/// The token of a session in the cookie, if there is exactly one. A token of the API has no place there.
fn cookie(parts: &Parts) -> Option<&[u8]> {
    let values = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let ours = values.flat_map(|value| value.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    });
    let mut ours = ours.filter(|value| value.starts_with(keys::SESSION) && value.len() <= LONGEST);
    let (Some(token), None) = (ours.next(), ours.next()) else { return None };
    Some(token.as_bytes())
}
