//! Who signs in. Of passwords only their argon2id hash is ever here, and it is read for signing in alone.

use super::{Store, StoreError, columns};
use crate::access::Role;
use crate::core::ids::{AgentId, OrganizationId, UserId};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// Somebody to be.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Whose.
    pub organization: OrganizationId,
    /// By which they sign in.
    pub email: String,
    /// For people.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Argon2id, as a PHC string; none: they cannot sign in yet.
    pub password_hash: Option<SecretString>,
}

/// What is to be changed; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// For people.
    pub name: Option<String>,
    /// What they may do.
    pub role: Option<Role>,
    /// Whether they may sign in. Who is switched off is signed out.
    pub active: Option<bool>,
    /// A new password's hash. It ends all their sessions.
    pub password_hash: Option<SecretString>,
}

/// Somebody who signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserRow {
    /// The id.
    pub id: UserId,
    /// The tenant's id.
    pub organization_id: OrganizationId,
    /// By which they sign in.
    pub email: String,
    /// For people.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may sign in.
    pub active: bool,
    /// The agent that they are.
    pub agent_id: Option<AgentId>,
    /// Since when we know them.
    pub created_at: Timestamp,
    /// When their password was last set; none: they have none, and cannot sign in.
    pub password_changed_at: Option<Timestamp>,
    /// When they last signed in.
    pub last_seen_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for UserRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            organization_id: row.try_get("organization_id")?,
            email: row.try_get("email")?,
            name: row.try_get("name")?,
            role: row.try_get("role")?,
            active: row.try_get("active")?,
            agent_id: row.try_get("agent_id")?,
            created_at: columns::time(row, "created_at")?,
            password_changed_at: columns::maybe_time(row, "password_changed_at")?,
            last_seen_at: columns::maybe_time(row, "last_seen_at")?,
        })
    }
}

/// Without the hash, which tenants cannot read.
macro_rules! user_rows {
    ($rest:literal) => {
        concat!(
            "SELECT u.id, u.organization_id, u.email, u.name, u.role, u.active, u.created_at, u.password_changed_at,
                u.last_seen_at, g.id AS agent_id
             FROM users u LEFT JOIN agents g ON g.user_id = u.id ",
            $rest
        )
    };
}

/// Adds somebody.
///
/// # Errors
///
/// If it breaks a rule, such as an address that is taken, or the database cannot be asked.
pub async fn add(connection: &mut PgConnection, new: &NewUser) -> Result<UserRow, StoreError> {
    let id: UserId = sqlx::query_scalar(
        "INSERT INTO users (organization_id, email, name, role, password_hash, password_changed_at)
         VALUES ($1, $2, $3, $4, $5, CASE WHEN $5 IS NOT NULL THEN now() END) RETURNING id",
    )
    .bind(new.organization.0)
    .bind(&new.email)
    .bind(&new.name)
    .bind(new.role.as_str())
    .bind(new.password_hash.as_ref().map(ExposeSecret::expose_secret))
    .fetch_one(&mut *connection)
    .await?;
    one(connection, id, Some(new.organization)).await
}

/// The users of an organization, or all of them, by their addresses.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn list(
    connection: &mut PgConnection,
    organization: Option<OrganizationId>,
) -> Result<Vec<UserRow>, StoreError> {
    sqlx::query_as(user_rows!("WHERE $1 IS NULL OR u.organization_id = $1 ORDER BY lower(u.email)"))
        .bind(organization.map(|o| o.0))
        .fetch_all(connection)
        .await
        .map_err(StoreError::reading("users", ""))
}

/// One user, if they are the organization's; any user if none is given.
///
/// # Errors
///
/// If there is no such user, or the database cannot be asked.
pub async fn one(
    connection: &mut PgConnection,
    user: UserId,
    organization: Option<OrganizationId>,
) -> Result<UserRow, StoreError> {
    sqlx::query_as(user_rows!("WHERE u.id = $1 AND ($2 IS NULL OR u.organization_id = $2)"))
        .bind(user.0)
        .bind(organization.map(|o| o.0))
        .fetch_optional(connection)
        .await
        .map_err(StoreError::reading("users", user))?
        .ok_or_else(|| StoreError::NotFound { what: "user", key: user.to_string() })
}

/// One user by the address, however it is capitalized.
///
/// # Errors
///
/// If there is no such user, or the database cannot be asked.
pub async fn by_email(connection: &mut PgConnection, email: &str) -> Result<UserRow, StoreError> {
    sqlx::query_as(user_rows!("WHERE lower(u.email) = lower($1)"))
        .bind(email)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::reading("users", ""))?
        .ok_or_else(|| StoreError::NotFound { what: "user", key: email.to_owned() })
}

/// One user, locked until the end of the transaction, so that nobody changes them between a look and an act.
///
/// # Errors
///
/// If there is no such user, or the database cannot be asked.
pub async fn locked(
    connection: &mut PgConnection,
    user: UserId,
    organization: OrganizationId,
) -> Result<UserRow, StoreError> {
    // All owners at once and in order: two who demote each other must not both find that one is left.
    sqlx::query(
        "SELECT FROM users WHERE organization_id = $1 AND (id = $2 OR role = 'owner') ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(organization.0)
    .bind(user.0)
    .execute(&mut *connection)
    .await?;
    one(connection, user, Some(organization)).await
}

/// How many owners of an organization can sign in, or could if they had a password.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn owners(connection: &mut PgConnection, organization: OrganizationId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM users WHERE organization_id = $1 AND role = 'owner' AND active")
        .bind(organization.0)
        .fetch_one(connection)
        .await?)
}

/// Changes somebody.
///
/// # Errors
///
/// If there is no such user, it breaks a rule, or the database cannot be asked.
pub async fn change(
    connection: &mut PgConnection,
    user: UserId,
    organization: OrganizationId,
    change: &UserChange,
) -> Result<UserRow, StoreError> {
    sqlx::query(
        "UPDATE users SET name = coalesce($3, name), role = coalesce($4, role), active = coalesce($5, active)
         WHERE id = $1 AND organization_id = $2",
    )
    .bind(user.0)
    .bind(organization.0)
    .bind(&change.name)
    .bind(change.role.map(Role::as_str))
    .bind(change.active)
    .execute(&mut *connection)
    .await?;
    if let Some(hash) = &change.password_hash {
        sqlx::query(
            "UPDATE users SET password_hash = $3, password_changed_at = now() WHERE id = $1 AND organization_id = $2",
        )
        .bind(user.0)
        .bind(organization.0)
        .bind(hash.expose_secret())
        .execute(&mut *connection)
        .await?;
    }
    one(connection, user, Some(organization)).await
}

/// Says which agent somebody is, or that they are none.
///
/// # Errors
///
/// If there is no such agent, it is somebody else already, or the database cannot be asked.
pub async fn tie(
    connection: &mut PgConnection,
    user: UserId,
    organization: OrganizationId,
    agent: Option<AgentId>,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE agents SET user_id = NULL WHERE user_id = $1 AND organization_id = $2 AND id IS DISTINCT FROM $3",
    )
    .bind(user.0)
    .bind(organization.0)
    .bind(agent.map(|agent| agent.0))
    .execute(&mut *connection)
    .await?;
    let Some(agent) = agent else { return Ok(()) };
    let done = sqlx::query(
        "UPDATE agents SET user_id = $1 WHERE id = $3 AND organization_id = $2 AND coalesce(user_id = $1, true)",
    )
    .bind(user.0)
    .bind(organization.0)
    .bind(agent.0)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        super::agents::by_id(connection, agent, Some(organization)).await?;
        let message = "that agent is another user's; untie it there first".to_owned();
        return Err(StoreError::Constraint { name: "user_is_one_agent".to_owned(), message, taken: true });
    }
    Ok(())
}

/// Somebody who wants to sign in.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Who.
    pub user: UserId,
    /// The tenant.
    pub organization: OrganizationId,
    /// What is held against what they typed; none: they have no password.
    pub password_hash: Option<SecretString>,
    /// Neither they nor their organization are switched off.
    pub active: bool,
}

fn candidate(row: &PgRow) -> Result<Candidate, sqlx::Error> {
    Ok(Candidate {
        user: row.try_get("id")?,
        organization: row.try_get("organization_id")?,
        password_hash: row.try_get::<Option<String>, _>("password_hash")?.map(SecretString::from),
        active: row.try_get("active")?,
    })
}

impl Store {
    /// Who has this address, however it is capitalized.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn candidate(&self, email: &str) -> Result<Option<Candidate>, StoreError> {
        let row = sqlx::query(
            "SELECT u.id, u.organization_id, u.password_hash, u.active AND o.active AS active
             FROM users u JOIN organizations o ON o.id = u.organization_id WHERE lower(u.email) = lower($1)",
        )
        .bind(email)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.as_ref().map(candidate).transpose()?)
    }

    /// The same of somebody who is signed in, for a change of the password.
    ///
    /// # Errors
    ///
    /// If there is no such user, or the database cannot be asked.
    pub async fn candidate_of(&self, user: UserId) -> Result<Candidate, StoreError> {
        let row = sqlx::query(
            "SELECT u.id, u.organization_id, u.password_hash, u.active AND o.active AS active
             FROM users u JOIN organizations o ON o.id = u.organization_id WHERE u.id = $1",
        )
        .bind(user.0)
        .fetch_optional(&self.pool)
        .await?;
        let row = row.ok_or_else(|| StoreError::NotFound { what: "user", key: user.to_string() })?;
        Ok(candidate(&row)?)
    }
}
