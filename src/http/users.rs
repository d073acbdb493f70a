//! `/api/v1/users`: who signs in. Nobody gives or takes away a role above their own, and the last owner stays.

use super::agents;
use super::auth::{Caller, Sight};
use super::doors::Doors;
use super::extract::{Body, Form, IdPath, said};
use super::{AppState, Problem};
use crate::access::{Action, Role, may_give};
use crate::core::ids::{AgentId, UserId};
use crate::store::users::{self, NewUser, UserChange, UserRow};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Nothing that people are called is longer.
const LONGEST: usize = 200;

/// Somebody who signs in, as their organization sees them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserView {
    id: UserId,
    email: String,
    name: String,
    role: Role,
    active: bool,
    agent_id: Option<AgentId>,
    created_at: Timestamp,
    /// Null: no password was set yet, and they cannot sign in.
    password_changed_at: Option<Timestamp>,
    last_seen_at: Option<Timestamp>,
}

impl From<UserRow> for UserView {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            role: row.role,
            active: row.active,
            agent_id: row.agent_id,
            created_at: row.created_at,
            password_changed_at: row.password_changed_at,
            last_seen_at: row.last_seen_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Users {
    users: Vec<UserView>,
}

/// `GET`.
pub(super) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Users>, Problem> {
    caller.may(Action::UsersSee)?;
    let mut transaction = caller.begin(&state).await?;
    let rows = users::list(&mut transaction, Some(caller.organization)).await?;
    Ok(Json(Users { users: rows.into_iter().map(UserView::from).collect() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Add {
    email: String,
    #[serde(default)]
    name: String,
    role: Role,
    /// Without one they cannot sign in yet.
    password: Option<SecretString>,
    /// Endpoint or id.
    agent: Option<String>,
}

impl Form for Add {
    const FORM: &'static str = r#"{"email": "<address>", "role": "<owner, admin, manager or agent>", and if wanted "name", "password": "<12 to 128 characters>", "agent": "<endpoint or id>"}"#;
}

/// `POST`.
pub(super) async fn add(
    State(state): State<AppState>,
    Extension(doors): Extension<Doors>,
    caller: Caller,
    Body(body): Body<Add>,
) -> Result<Response, Problem> {
    caller.may(Action::UsersManage)?;
    gives(&caller, body.role)?;
    let email = body.email.trim().to_owned();
    short("email", &email)?;
    short("name", &body.name)?;
    let password_hash = match body.password {
        Some(password) => Some(doors.hash(password).await?),
        None => None,
    };
    let new = NewUser { organization: caller.organization, email, name: body.name, role: body.role, password_hash };
    let mut transaction = caller.begin(&state).await?;
    let mut user = users::add(&mut transaction, &new).await?;
    if let Some(agent) = body.agent {
        let agent = agents::find(&mut transaction, &caller, Sight::All, &agent).await?;
        users::tie(&mut transaction, user.id, caller.organization, Some(agent.id)).await?;
        user = users::one(&mut transaction, user.id, Some(caller.organization)).await?;
    }
    transaction.commit().await?;
    let location = format!("/api/v1/users/{}", user.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(UserView::from(user))).into_response())
}

/// `GET /api/v1/users/{id}`.
pub(super) async fn look(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath<UserId>,
) -> Result<Json<UserView>, Problem> {
    caller.may(Action::UsersSee)?;
    let id = id.ok_or_else(|| Problem::absent("user"))?;
    let mut transaction = caller.begin(&state).await?;
    Ok(Json(users::one(&mut transaction, id, Some(caller.organization)).await?.into()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Change {
    name: Option<String>,
    role: Option<Role>,
    /// false: cannot sign in, and is signed out.
    active: Option<bool>,
    password: Option<SecretString>,
    /// Endpoint or id; null: none.
    #[expect(clippy::option_option, reason = "not said, said to be nobody, or somebody")]
    #[serde(default, deserialize_with = "said")]
    agent: Option<Option<String>>,
}

impl Form for Change {
    const FORM: &'static str = r#"some of {"name": "<name>", "role": "<owner, admin, manager or agent>", "active": <true or false>, "password": "<12 to 128 characters>", "agent": "<endpoint or id>" or null}"#;
}

/// `PATCH /api/v1/users/{id}`.
pub(super) async fn change(
    State(state): State<AppState>,
    Extension(doors): Extension<Doors>,
    caller: Caller,
    IdPath(id): IdPath<UserId>,
    Body(body): Body<Change>,
) -> Result<Json<UserView>, Problem> {
    caller.may(Action::UsersManage)?;
    let id = id.ok_or_else(|| Problem::absent("user"))?;
    short("name", body.name.as_deref().unwrap_or_default())?;
    // Before anything is locked: it takes long.
    let password_hash = match body.password {
        Some(password) => Some(doors.hash(password).await?),
        None => None,
    };
    let mut transaction = caller.begin(&state).await?;
    let user = users::locked(&mut transaction, id, caller.organization).await?;
    gives(&caller, user.role)?;
    gives(&caller, body.role.unwrap_or(user.role))?;
    let was_owner = user.role == Role::Owner && user.active;
    let stays_owner = body.role.unwrap_or(user.role) == Role::Owner && body.active.unwrap_or(user.active);
    if was_owner && !stays_owner && users::owners(&mut transaction, caller.organization).await? < 2 {
        return Err(Problem::last_owner());
    }
    if let Some(agent) = body.agent {
        let agent = match agent {
            Some(agent) => Some(agents::find(&mut transaction, &caller, Sight::All, &agent).await?.id),
            None => None,
        };
        users::tie(&mut transaction, id, caller.organization, agent).await?;
    }
    let change = UserChange { name: body.name, role: body.role, active: body.active, password_hash };
    let user = users::change(&mut transaction, id, caller.organization, &change).await?;
    transaction.commit().await?;
    Ok(Json(user.into()))
}

/// Whether this role is theirs to give, or to take away.
pub(super) fn gives(caller: &Caller, role: Role) -> Result<(), Problem> {
    if may_give(caller.role, role) { Ok(()) } else { Err(Problem::above_you()) }
}

/// Names are short, and have no control characters.
pub(super) fn short(field: &str, text: &str) -> Result<(), Problem> {
    if text.chars().count() <= LONGEST && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::wrong_field(field, "at most 200 characters in one line"))
}
