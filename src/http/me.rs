//! `/api/v1/me`: who one is, and what one may do; and a new password.

use super::auth::{Caller, Subject};
use super::doors::Doors;
use super::extract::{Body, Form};
use super::openapi::Operation;
use super::session::{no_cookie, user_of};
use super::{AppState, Problem};
use crate::access::{Action, Reach, Role};
use crate::core::ids::{AgentId, EndpointName, OrganizationId, TokenId, UserId};
use crate::store::users::UserChange;
use crate::store::{agents, organizations, tokens, users};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who one is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Me {
    organization: OrganizationView,
    role: Role,
    /// Null if a program asks with a token.
    user: Option<UserView>,
    /// Null if somebody signed in.
    token: Option<TokenView>,
    /// The agent that one is, or calls for.
    agent: Option<AgentView>,
    /// What one may do, and how far it reaches: `own` or `everything`.
    may: BTreeMap<Action, &'static str>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MyOrganization")]
struct OrganizationView {
    id: OrganizationId,
    slug: String,
    name: String,
    country: String,
    time_zone: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MyUser")]
struct UserView {
    id: UserId,
    email: String,
    name: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MyToken")]
struct TokenView {
    id: TokenId,
    name: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MyAgent")]
struct AgentView {
    id: AgentId,
    endpoint: EndpointName,
    name: String,
    extension: Option<String>,
}

/// `GET`.
pub(super) async fn me(State(state): State<AppState>, caller: Caller) -> Result<Json<Me>, Problem> {
    read(&state, &caller).await.map(Json)
}

/// What is to be told to this caller about themselves.
pub(super) async fn read(state: &AppState, caller: &Caller) -> Result<Me, Problem> {
    let mut transaction = caller.begin(state).await?;
    let organization = organizations::by_id(&mut transaction, caller.organization).await?;
    let (mut user, mut token, mut agent) = (None, None, None);
    match caller.subject {
        Subject::User(id) => {
            let row = users::one(&mut transaction, id, Some(caller.organization)).await?;
            user = Some(UserView { id, email: row.email, name: row.name });
        }
        Subject::Token(id) => {
            let row = tokens::one(&mut transaction, caller.organization, id).await?;
            token = Some(TokenView { id, name: row.name });
        }
    }
    if let Some(id) = caller.agent {
        let row = agents::by_id(&mut transaction, id, Some(caller.organization)).await?;
        agent = Some(AgentView { id, endpoint: row.endpoint, name: row.name, extension: row.extension });
    }
    let reach = |action: &Action| match caller.reach(*action) {
        Reach::Nothing => None,
        Reach::Own => Some((*action, "own")),
        Reach::Everything => Some((*action, "everything")),
    };
    Ok(Me {
        organization: OrganizationView {
            id: organization.id,
            slug: organization.slug,
            name: organization.name,
            country: organization.country.to_string(),
            time_zone: organization.time_zone,
        },
        role: caller.role,
        user,
        token,
        agent,
        may: Action::ALL.iter().filter_map(reach).collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewPassword {
    /// The one that one has.
    #[schemars(with = "String")]
    current: SecretString,
    /// The one to be.
    #[schemars(with = "String")]
    new: SecretString,
}

impl Form for NewPassword {
    const FORM: &'static str = r#"{"current": "<password>", "new": "<12 to 128 characters>"}"#;
}

/// `POST /api/v1/me/password`. It ends all sessions, this one too.
pub(super) async fn password(
    State(state): State<AppState>,
    Extension(doors): Extension<Doors>,
    caller: Caller,
    Body(body): Body<NewPassword>,
) -> Result<Response, Problem> {
    let user = user_of(&caller)?;
    doors.account(&user.to_string())?;
    let candidate = state.store.candidate_of(user).await?;
    if !doors.is_password(body.current, candidate.password_hash).await? {
        return Err(Problem::wrong_field("current", "your password"));
    }
    let change = UserChange { password_hash: Some(doors.hash(body.new).await?), ..UserChange::default() };
    let mut transaction = caller.begin(&state).await?;
    users::change(&mut transaction, user, caller.organization, &change).await?;
    transaction.commit().await?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, no_cookie())]).into_response())
}

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/me", "getMe", "Who one is, and what one may do").gives::<Me>(200, "You"),
        Operation::post("/api/v1/me/password", "changeMyPassword", "A new password for who signed in")
            .says("Ends all sessions of the user, this one too. Not for tokens: 409 `no_session`.")
            .takes::<NewPassword>(r#"{"current": "the password that was", "new": "a few words in a row"}"#)
            .gives_nothing(204, "From now on it is the new one"),
    ]
}
