//! `/api/v1/users`: who signs in. Nobody gives or takes away a role above their own, and the last owner stays.

use super::agents;
use super::auth::{Caller, Sight};
use super::doors::Doors;
use super::etag;
use super::extract::{Body, Form, IdPath, said};
use super::openapi::Operation;
use super::{AppState, Problem};
use crate::access::{Action, Role, may_give};
use crate::core::ids::{AgentId, UserId};
use crate::store::users::{self, NewUser, UserChange, UserRow};
use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Nothing that people are called is longer.
const LONGEST: usize = 200;

/// Somebody who signs in, as their organization sees them.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "User")]
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

impl UserView {
    /// Another one whenever an admin would see a difference. That they signed in is none.
    fn tag(&self) -> HeaderValue {
        etag::of(&(&self.email, &self.name, self.role, self.active, self.agent_id, self.password_changed_at))
    }

    fn tagged(self) -> Response {
        ([(ETAG, self.tag())], Json(self)).into_response()
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserList")]
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

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewUser")]
pub(super) struct Add {
    email: String,
    #[serde(default)]
    name: String,
    role: Role,
    /// Without one they cannot sign in yet.
    #[schemars(with = "Option<String>")]
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
    Ok((StatusCode::CREATED, [(LOCATION, location)], UserView::from(user).tagged()).into_response())
}

/// `GET /api/v1/users/{id}`.
pub(super) async fn look(
    State(state): State<AppState>,
    caller: Caller,
    IdPath(id): IdPath<UserId>,
) -> Result<Response, Problem> {
    caller.may(Action::UsersSee)?;
    let id = id.ok_or_else(|| Problem::absent("user"))?;
    let mut transaction = caller.begin(&state).await?;
    Ok(UserView::from(users::one(&mut transaction, id, Some(caller.organization)).await?).tagged())
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "UserChange")]
pub(super) struct Change {
    name: Option<String>,
    role: Option<Role>,
    /// false: cannot sign in, and is signed out.
    active: Option<bool>,
    #[schemars(with = "Option<String>")]
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
    headers: HeaderMap,
    Body(body): Body<Change>,
) -> Result<Response, Problem> {
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
    etag::matches(&headers, &UserView::from(user.clone()).tag())?;
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
    Ok(UserView::from(user).tagged())
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

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/users", "listUsers", "Who signs in")
            .needs(Action::UsersSee)
            .gives::<Users>(200, "The users"),
        Operation::post("/api/v1/users", "addUser", "Somebody new")
            .says("Without a password they cannot sign in yet. Nobody gives a role above their own.")
            .needs(Action::UsersManage)
            .takes::<Add>(
                r#"{"email": "ann@example.org", "name": "Ann", "role": "manager", "password": "a few words in a row"}"#,
            )
            .gives::<UserView>(201, "Added")
            .located()
            .tagged(),
        Operation::get("/api/v1/users/{id}", "getUser", "One user")
            .needs(Action::UsersSee)
            .gives::<UserView>(200, "The user")
            .tagged(),
        Operation::patch("/api/v1/users/{id}", "changeUser", "Change a user")
            .says("What is left out stays. Who is made inactive is signed out. The last active owner stays one.")
            .needs(Action::UsersManage)
            .takes::<Change>(r#"{"role": "admin", "agent": null}"#)
            .gives::<UserView>(200, "Changed")
            .guarded(),
    ]
}
