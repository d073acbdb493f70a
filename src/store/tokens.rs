//! Keys to the API. Only their SHA-256 is ever here.

use super::{Store, StoreError, columns};
use crate::access::{Action, Role};
use crate::core::ids::{AgentId, OrganizationId, TokenId};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::BTreeSet;

/// A key to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose.
    pub organization: OrganizationId,
    /// A name for people.
    pub name: String,
    /// What is kept of it.
    pub sha256: [u8; 32],
    /// What it may do at most.
    pub role: Role,
    /// To which acts it is narrowed; none: to none.
    pub acts: Option<BTreeSet<Action>>,
    /// For whom it calls; an agent's must have one.
    pub agent: Option<AgentId>,
    /// When it becomes void by itself; none: never.
    pub expires_at: Option<Timestamp>,
    /// Who makes it.
    pub created_by: Option<String>,
}

impl NewToken {
    /// A key that may do what an admin may, and does not expire.
    pub fn of_admin(organization: OrganizationId, name: &str, sha256: [u8; 32]) -> Self {
        let name = name.to_owned();
        Self {
            organization,
            name,
            sha256,
            role: Role::Admin,
            acts: None,
            agent: None,
            expires_at: None,
            created_by: None,
        }
    }
}

/// A key to the API, without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenInfo {
    /// The id.
    pub id: TokenId,
    /// Whose.
    pub organization: OrganizationId,
    /// A name for people.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// To which acts it is narrowed; none: to none.
    pub acts: Option<BTreeSet<Action>>,
    /// For whom it calls.
    pub agent: Option<AgentId>,
    /// Since when.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Option<String>,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<Timestamp>,
    /// When it becomes void by itself.
    pub expires_at: Option<Timestamp>,
    /// Since when it is void.
    pub revoked_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for TokenInfo {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let acts: Option<Vec<String>> = row.try_get("acts")?;
        Ok(Self {
            id: row.try_get("id")?,
            organization: row.try_get("organization_id")?,
            name: row.try_get("name")?,
            role: row.try_get("role")?,
            // An act that we do not know is one less that it may do.
            acts: acts.map(|acts| acts.iter().filter_map(|act| act.parse().ok()).collect()),
            agent: row.try_get("agent_id")?,
            created_at: columns::time(row, "created_at")?,
            created_by: row.try_get("created_by")?,
            last_used_at: columns::maybe_time(row, "last_used_at")?,
            expires_at: columns::maybe_time(row, "expires_at")?,
            revoked_at: columns::maybe_time(row, "revoked_at")?,
        })
    }
}

/// Without the hash, which tenants cannot read.
macro_rules! token_columns {
    ($before:literal, $rest:literal) => {
        concat!(
            $before,
            " id, organization_id, name, role, acts, agent_id, created_at, created_by, last_used_at, expires_at, revoked_at ",
            $rest
        )
    };
}

/// Adds a key by the SHA-256 of it.
///
/// # Errors
///
/// If the organization has one of that name, there is no such agent, or the database cannot be asked.
pub async fn add(connection: &mut PgConnection, new: &NewToken) -> Result<TokenInfo, StoreError> {
    let acts: Option<Vec<&str>> = new.acts.as_ref().map(|acts| acts.iter().map(|act| act.as_str()).collect());
    let added = sqlx::query_as(token_columns!(
        "INSERT INTO api_tokens (organization_id, name, sha256, role, acts, agent_id, expires_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING",
        ""
    ))
    .bind(new.organization.0)
    .bind(&new.name)
    .bind(new.sha256.as_slice())
    .bind(new.role.as_str())
    .bind(acts)
    .bind(new.agent.map(|agent| agent.0))
    .bind(new.expires_at.map(columns::at))
    .bind(&new.created_by)
    .fetch_one(connection)
    .await?;
    Ok(added)
}

/// The keys of a tenant, void ones too.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn list(connection: &mut PgConnection, organization: OrganizationId) -> Result<Vec<TokenInfo>, StoreError> {
    sqlx::query_as(token_columns!("SELECT", "FROM api_tokens WHERE organization_id = $1 ORDER BY created_at, id"))
        .bind(organization.0)
        .fetch_all(connection)
        .await
        .map_err(StoreError::reading("api_tokens", ""))
}

/// One key of a tenant.
///
/// # Errors
///
/// If there is none, or the database cannot be asked.
pub async fn one(
    connection: &mut PgConnection,
    organization: OrganizationId,
    token: TokenId,
) -> Result<TokenInfo, StoreError> {
    sqlx::query_as(token_columns!("SELECT", "FROM api_tokens WHERE organization_id = $1 AND id = $2"))
        .bind(organization.0)
        .bind(token.0)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::reading("api_tokens", token))?
        .ok_or_else(|| StoreError::NotFound { what: "token", key: token.to_string() })
}

/// Makes a key void, by its name.
///
/// # Errors
///
/// If there is none of that name, or the database cannot be asked.
pub async fn revoke(connection: &mut PgConnection, organization: OrganizationId, name: &str) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE api_tokens SET revoked_at = now() WHERE organization_id = $1 AND name = $2 AND revoked_at IS NULL",
    )
    .bind(organization.0)
    .bind(name)
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::NotFound { what: "token", key: name.to_owned() });
    }
    Ok(())
}

/// Makes a key void, by its id. Once more changes nothing.
///
/// # Errors
///
/// If there is none, or the database cannot be asked.
pub async fn revoke_one(
    connection: &mut PgConnection,
    organization: OrganizationId,
    token: TokenId,
) -> Result<TokenInfo, StoreError> {
    sqlx::query(
        "UPDATE api_tokens SET revoked_at = now() WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL",
    )
    .bind(organization.0)
    .bind(token.0)
    .execute(&mut *connection)
    .await?;
    one(connection, organization, token).await
}

impl Store {
    /// Whose key it is; none if it is nobody's, void, or the organization is switched off. An agent who is switched off has
    /// no key.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn authenticate(&self, sha256: &[u8; 32]) -> Result<Option<TokenInfo>, StoreError> {
        let token: Option<TokenInfo> = sqlx::query_as(
            "SELECT t.* FROM api_tokens t JOIN organizations o ON o.id = t.organization_id
             LEFT JOIN agents g ON g.id = t.agent_id
             WHERE t.sha256 = $1 AND t.revoked_at IS NULL AND coalesce(t.expires_at > now(), true)
                AND o.active AND coalesce(g.active, true)",
        )
        .bind(sha256.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        if let Some(token) = &token {
            // not with every request: a busy key would be a busy row
            sqlx::query(
                "UPDATE api_tokens SET last_used_at = now()
                 WHERE id = $1 AND coalesce(last_used_at < now() - interval '1 minute', true)",
            )
            .bind(token.id.0)
            .execute(&self.pool)
            .await?;
        }
        Ok(token)
    }
}
