//! What went wrong, as RFC 9457 has it: a stable `code` for programs, and a `detail` that says what to do next. Nothing of
//! what the client sent is repeated.

use crate::access::Action;
use crate::core::ids::CallId;
use crate::core::outcome::RefusalReason;
use crate::daemon::Unserved;
use crate::store::StoreError;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::time::Duration;

/// An error as the client sees it.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    call: Option<CallId>,
    retry_after_s: Option<u16>,
    /// What else a program may want to know.
    members: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<CallId>,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, title, detail: detail.into(), call: None, retry_after_s: None, members: Map::new() }
    }

    pub(super) fn unavailable(
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
        after_s: u16,
    ) -> Self {
        let retry_after_s = Some(after_s);
        Self { retry_after_s, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail) }
    }

    /// The same, and what else a program may want to know.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// What it is, for programs.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// What it is, and what to do next, for people.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether it is no fault of the request's.
    pub(super) fn is_ours(&self) -> bool {
        self.status.is_server_error()
    }

    /// No token, or not one of ours.
    pub fn unauthorized() -> Self {
        let detail = "Send a valid token: `Authorization: Bearer <token>`. Your administrator can make one.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "The token is missing or not valid", detail)
    }

    /// Somebody we know, who may not do this.
    pub fn forbidden(action: Action) -> Self {
        let detail = format!(
            "This needs the right `{action}`, which your role or your token does not have. Ask an owner or admin of your \
             organization, or use a token that is not narrowed."
        );
        Self::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this", detail)
    }

    /// Their role reaches only what is their own, and they are nobody's agent.
    pub fn no_agent() -> Self {
        let detail = "Your role reaches what your own agent did, but you are no agent. Ask an admin of your organization \
            to tie your user to one.";
        Self::new(StatusCode::FORBIDDEN, "no_agent", "You are no agent", detail)
    }

    /// Unknown address, wrong password, switched off: which of them is nobody's business.
    pub fn sign_in_failed() -> Self {
        let detail = "Address and password do not fit together, or the account is switched off. Check both, or ask an admin \
            of your organization for a new password.";
        Self::new(StatusCode::UNAUTHORIZED, "sign_in_failed", "You are not signed in", detail)
    }

    /// Somebody asks too often.
    pub fn rate_limited(after: Duration) -> Self {
        let after_s = u16::try_from(after.as_millis().div_ceil(1_000)).unwrap_or(u16::MAX).max(1);
        let detail = format!("Nothing was begun. Ask again in {after_s} s, and less often.");
        let retry_after_s = Some(after_s);
        Self { retry_after_s, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests", detail) }
    }

    /// A browser was made to ask by another site.
    pub fn cross_site() -> Self {
        let detail =
            "A browser sends this from another site. Ask from the site itself, or without a browser with a token.";
        Self::new(StatusCode::FORBIDDEN, "cross_site", "Another site asks", detail)
    }

    /// A program with a token wants what only somebody who signed in can.
    pub fn no_session() -> Self {
        let detail = "This is for people who signed in at POST /api/v1/session. A token is revoked at /api/v1/tokens.";
        Self::new(StatusCode::CONFLICT, "no_session", "Nobody is signed in", detail)
    }

    /// A password that is none.
    pub fn weak_password() -> Self {
        let detail = "A password has 12 to 128 characters. A few words in a row are good and easy to keep in mind.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", "The password is too short or too long", detail)
    }

    /// Nobody gives, changes or takes away what is above them.
    pub fn above_you() -> Self {
        let detail = "This concerns a role above yours. Somebody of that role can do it.";
        Self::new(StatusCode::FORBIDDEN, "above_you", "You may not do this", detail)
    }

    /// An organization without an owner could not be given one any more.
    pub fn last_owner() -> Self {
        let detail = "This is the last owner of the organization who is active. Make somebody else an owner first.";
        Self::new(StatusCode::CONFLICT, "last_owner", "The last owner stays", detail)
    }

    /// A field whose form is right and whose value is not.
    pub fn wrong_field(field: &str, form: &str) -> Self {
        let detail = format!("`{field}` must be {form}. Nothing was changed.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_field", "A value is wrong", detail)
    }

    /// No such thing, or somebody else's: the two cannot be told apart.
    pub fn absent(what: &str) -> Self {
        match what {
            "call" => Self::call_not_found(),
            "agent" => Self::agent_not_found(),
            "number" => {
                let detail = "Your organization has no number with this id. Take the id from the list of numbers.";
                Self::new(StatusCode::NOT_FOUND, "number_not_found", "No such number", detail)
            }
            "open assignment" => {
                let detail = "Your organization has no such assignment that is open. Look at the list of assignments.";
                Self::new(StatusCode::NOT_FOUND, "assignment_not_found", "No such assignment", detail)
            }
            "user" => {
                let detail = "Your organization has no user with this id. Take the id from the list of users.";
                Self::new(StatusCode::NOT_FOUND, "user_not_found", "No such user", detail)
            }
            "token" => {
                let detail = "Your organization has no token with this id. Take the id from the list of tokens.";
                Self::new(StatusCode::NOT_FOUND, "token_not_found", "No such token", detail)
            }
            _ => Self::not_found(),
        }
    }

    /// What was asked for breaks a rule of the tables. Their names are sentences.
    fn rule(name: &str, message: &str, taken: bool) -> Self {
        // A message without a rule may repeat what the client sent.
        let why = if name.is_empty() { "a value is out of its range" } else { message };
        let detail = format!("Nothing was changed: {why}.");
        if taken {
            return Self::new(StatusCode::CONFLICT, "conflict", "It is taken", detail);
        }
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "rule_broken", "It breaks a rule", detail)
    }

    /// No such address.
    pub fn not_found() -> Self {
        let detail = "There is nothing at this address. The calls are at /api/v1/calls.";
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    /// No such call, or somebody else's.
    pub fn call_not_found() -> Self {
        let detail =
            "Your organization has no call with this id. Take the id from the answer to the start, or from the list.";
        Self::new(StatusCode::NOT_FOUND, "call_not_found", "No such call", detail)
    }

    /// No such agent, or somebody else's.
    pub fn agent_not_found() -> Self {
        let detail = "Your organization has no agent with this endpoint or id. Check the spelling.";
        Self::new(StatusCode::NOT_FOUND, "agent_not_found", "No such agent", detail)
    }

    /// The address does not know this method.
    pub fn method_not_allowed() -> Self {
        let detail = "This address does not take this method. The Allow header names those it takes.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", detail)
    }

    /// The body is not JSON.
    pub fn malformed_json(line: usize, column: usize) -> Self {
        let detail = format!("The body is not JSON in UTF-8: look at line {line}, column {column}.");
        Self::new(StatusCode::BAD_REQUEST, "malformed_json", "The body is not JSON", detail)
    }

    /// The body is JSON of another form.
    pub fn wrong_body(form: &str, line: usize, column: usize) -> Self {
        let detail = format!("The body must be {form}, and nothing else: look at line {line}, column {column}.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_body", "The body has not the right form", detail)
    }

    /// The body did not come, or not whole.
    pub fn unreadable_body() -> Self {
        let detail = "The body did not arrive whole. Send it again.";
        Self::new(StatusCode::BAD_REQUEST, "unreadable_body", "The body cannot be read", detail)
    }

    /// The body does not come.
    pub fn slow_body() -> Self {
        let detail = "The body did not arrive in time, and nothing was begun. Send it again.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow_body", "The body came too slowly", detail)
    }

    /// The body is too long.
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("The body may have {limit} bytes at most.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too long", detail)
    }

    /// The body is not said to be JSON.
    pub fn not_json() -> Self {
        let detail = "Send JSON, with the header `Content-Type: application/json`.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body must be JSON", detail)
    }

    /// What stands behind the `?` is wrong.
    pub fn wrong_query(form: &str) -> Self {
        let detail = format!("Only these may stand behind the `?`, each once: {form}.");
        Self::new(StatusCode::BAD_REQUEST, "wrong_query", "The query has not the right form", detail)
    }

    /// What is to be called cannot be a number; the loop was not even asked.
    pub fn invalid_number() -> Self {
        let detail = "`to` must be a phone number of at most 80 characters, such as +12025550123.";
        let code = RefusalReason::InvalidNumber.as_str();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, "Not a phone number", detail)
    }

    /// The call is refused; `sentence` is what the agent is told.
    pub fn refused(reason: RefusalReason, call: CallId, sentence: String) -> Self {
        let code = reason.as_str();
        let refused = match reason {
            RefusalReason::NotAnAgent => return Self::agent_not_found(),
            RefusalReason::InvalidNumber => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, "Not a phone number", sentence)
            }
            RefusalReason::Draining => Self::unavailable(code, "The daemon is about to stop", sentence, 30),
            RefusalReason::NodeUnavailable => Self::unavailable(code, "Asterisk is not available", sentence, 5),
            RefusalReason::StoreUnavailable => Self::unavailable(code, "The database is not available", sentence, 5),
            RefusalReason::AgentInactive
            | RefusalReason::AgentDailyLimit
            | RefusalReason::CampaignHasNoNumber
            | RefusalReason::ClassNotAllowed
            | RefusalReason::CountryNotAllowed
            | RefusalReason::DailyLimit
            | RefusalReason::EmergencyNotPossible
            | RefusalReason::NoNumberAssigned
            | RefusalReason::NoNumberAvailable => {
                Self::new(StatusCode::FORBIDDEN, code, "The call may not be made", sentence)
            }
        };
        Self { call: Some(call), ..refused }
    }

    /// The call is not the loop's any more, and its record is not final yet.
    pub fn not_settled(call: CallId) -> Self {
        let detail = "The call is ending or has ended, and its record is not final yet. Look at it again in a moment.";
        Self { call: Some(call), ..Self::unavailable("not_settled", "The record is not final yet", detail, 1) }
    }

    /// Too much is asked at once.
    pub fn busy() -> Self {
        let detail = "Nothing was begun. Try again in a moment.";
        Self::unavailable("busy", "Too many requests at once", detail, 1)
    }

    /// The node belongs to another replica, or to nobody yet.
    pub fn not_owner(node: &str, owner: Option<&str>) -> Self {
        let detail = match owner {
            Some(owner) => format!(
                "Nothing was begun. The replica {owner} owns the node {node}: send the request there, or to the address \
                 that leads to a replica which is ready."
            ),
            None => format!("Nothing was begun. Nobody owns the node {node} yet. Try again in a moment."),
        };
        Self::unavailable("not_owner", "Another replica owns the node", detail, 1)
    }

    /// The database does not answer.
    pub fn store_unavailable() -> Self {
        let code = RefusalReason::StoreUnavailable.as_str();
        let detail = "The request could not be carried out. Try again in a moment.";
        Self::unavailable(code, "The database is not available", detail, 5)
    }

    /// It took too long, and nobody knows what became of it.
    pub fn timeout() -> Self {
        let detail = "The request took too long. A call may have been started all the same: look at the list before you ask again.";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "No answer in time", detail)
    }

    /// Our fault.
    pub fn internal() -> Self {
        let detail = "This is a fault of the server. Tell your administrator the id in the X-Request-Id header.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }
}

impl From<Unserved> for Problem {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Busy(_) => Self::busy(),
            Unserved::Elsewhere { node, owner } => Self::not_owner(&node, owner.as_deref()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, .. } => Self::absent(what),
            StoreError::Constraint { name, message, taken } => Self::rule(&name, &message, taken),
            StoreError::Unavailable(_) | StoreError::OutcomeUnknown | StoreError::TooSlow(_) => {
                tracing::warn!(%error, "the database does not answer");
                Self::store_unavailable()
            }
            StoreError::Inconsistent { .. }
            | StoreError::Url
            | StoreError::Migration(_)
            | StoreError::Behind(_)
            | StoreError::NotOwner
            | StoreError::Unexpected(_) => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: format!("urn:cordboard:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            call_id: self.call,
            members: &self.members,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cordboard\""));
        }
        if let Some(after_s) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(after_s));
        }
        response
    }
}
