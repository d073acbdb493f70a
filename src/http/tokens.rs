//! `/api/v1/tokens`: keys for programs. A key is shown once, when it is made.

use super::agents;
use super::auth::{Caller, Sight};
use super::extract::{Body, Form, IdPath};
use super::openapi::Operation;
use super::users::{gives, short};
use super::{AppState, Problem};
use crate::access::{Action, Role};
use crate::core::ids::{AgentId, TokenId};
use crate::keys;
use crate::store::tokens::{self, NewToken, TokenInfo};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A key, without the key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Token")]
pub(super) struct TokenView {
    id: TokenId,
    name: String,
    role: Role,
    /// The only acts it is good for; null: all that the role may do.
    acts: Option<BTreeSet<Action>>,
    agent_id: Option<AgentId>,
    created_at: Timestamp,
    created_by: Option<String>,
    last_used_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl From<TokenInfo> for TokenView {
    fn from(row: TokenInfo) -> Self {
        Self {
            id: row.id,
            name: row.name,
            role: row.role,
            acts: row.acts,
            agent_id: row.agent,
            created_at: row.created_at,
            created_by: row.created_by,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenList")]
pub(super) struct Tokens {
    tokens: Vec<TokenView>,
}

/// `GET`. Void ones too.
pub(super) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Tokens>, Problem> {
    caller.may(Action::TokensManage)?;
    let mut transaction = caller.begin(&state).await?;
    let rows = tokens::list(&mut transaction, caller.organization).await?;
    Ok(Json(Tokens { tokens: rows.into_iter().map(TokenView::from).collect() }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewToken")]
pub(super) struct Add {
    name: String,
    role: Role,
    acts: Option<BTreeSet<Action>>,
    /// Endpoint or id.
    agent: Option<String>,
    expires_at: Option<Timestamp>,
}

impl Form for Add {
    const FORM: &'static str = r#"{"name": "<what it is for>", "role": "<owner, admin, manager or agent>", and if wanted "acts": ["calls.see", …], "agent": "<endpoint or id>", "expiresAt": "<as 2027-01-31T00:00:00Z>"}"#;
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeToken")]
struct Made {
    /// It is not shown again.
    token: String,
    #[serde(flatten)]
    view: TokenView,
}

/// `POST`.
pub(super) async fn add(
    State(state): State<AppState>,
    caller: Caller,
    Body(body): Body<Add>,
) -> Result<Response, Problem> {
    caller.may(Action::TokensManage)?;
    gives(&caller, body.role)?;
    short("name", &body.name)?;
    if body.expires_at.is_some_and(|expires_at| expires_at <= (state.now)()) {
        return Err(Problem::wrong_field("expiresAt", "in the future"));
    }
    let (token, sha256) = keys::token(keys::API).map_err(|error| {
        tracing::error!(%error, "no token can be made");
        Problem::internal()
    })?;
    let mut transaction = caller.begin(&state).await?;
    let agent = match body.agent {
        Some(agent) => Some(agents::find(&mut transaction, &caller, Sight::All, &agent).await?.id),
        None => None,
    };
    let new = NewToken {
        organization: caller.organization,
        name: body.name,
        sha256,
        role: body.role,
        acts: body.acts,
        agent,
        expires_at: body.expires_at,
        created_by: Some(caller.actor().to_string()),
    };
    let made = tokens::add(&mut transaction, &new).await?;
    transaction.commit().await?;
    let location = format!("/api/v1/tokens/{}", made.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(Made { token, view: made.into() })).into_response())
}

/// `DELETE /api/v1/tokens/{id}`: makes it void. Once more changes nothing.
pub(super) async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath<TokenId>,
) -> Result<Json<TokenView>, Problem> {
    caller.may(Action::TokensManage)?;
    let id = id.ok_or_else(|| Problem::absent("token"))?;
    let mut transaction = caller.begin(&state).await?;
    let token = tokens::one(&mut transaction, caller.organization, id).await?;
    gives(&caller, token.role)?;
    let token = tokens::revoke_one(&mut transaction, caller.organization, id).await?;
    transaction.commit().await?;
    Ok(Json(token.into()))
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/tokens", "listTokens", "Keys for programs, void ones too")
            .needs(Action::TokensManage)
            .gives::<Tokens>(200, "The tokens, without the keys themselves"),
        Operation::post("/api/v1/tokens", "addToken", "A key for a program")
            .says("The key is in the answer and is not shown again. `acts` narrows it; nobody makes one of a role above their own.")
            .needs(Action::TokensManage)
            .takes::<Add>(r#"{"name": "crm", "role": "agent", "agent": "alice", "acts": ["calls.start", "calls.see"]}"#)
            .gives::<Made>(201, "Made")
            .located(),
        Operation::delete("/api/v1/tokens/{id}", "revokeToken", "Make a key void")
            .says("Once more changes nothing.")
            .needs(Action::TokensManage)
            .gives::<TokenView>(200, "It is void"),
    ]
}
