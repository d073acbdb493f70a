//! Keys to the API. Only their SHA-256 is ever here.

use super::{Store, StoreError, columns};
use crate::core::ids::OrganizationId;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

/// A key to the API, without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenInfo {
    /// The id.
    pub id: Uuid,
    /// Whose.
    pub organization: OrganizationId,
    /// A name for people.
    pub name: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<Timestamp>,
    /// Since when it is void.
    pub revoked_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for TokenInfo {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            organization: row.try_get("organization_id")?,
            name: row.try_get("name")?,
            created_at: columns::time(row, "created_at")?,
            last_used_at: columns::maybe_time(row, "last_used_at")?,
            revoked_at: columns::maybe_time(row, "revoked_at")?,
        })
    }
}

impl Store {
    /// Adds a key by the SHA-256 of it.
    ///
    /// # Errors
    ///
    /// If the organization has one of that name, or the database cannot be asked.
    pub async fn add_token(
        &self,
        organization: OrganizationId,
        name: &str,
        sha256: &[u8; 32],
    ) -> Result<TokenInfo, StoreError> {
        let added =
            sqlx::query_as("INSERT INTO api_tokens (organization_id, name, sha256) VALUES ($1, $2, $3) RETURNING *")
                .bind(organization.0)
                .bind(name)
                .bind(sha256.as_slice())
                .fetch_one(&self.pool)
                .await?;
        Ok(added)
    }

    /// Whose key it is; none if it is nobody's, void, or the organization is switched off.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn authenticate(&self, sha256: &[u8; 32]) -> Result<Option<TokenInfo>, StoreError> {
        let token: Option<TokenInfo> = sqlx::query_as(
            "SELECT t.* FROM api_tokens t JOIN organizations o ON o.id = t.organization_id
             WHERE t.sha256 = $1 AND t.revoked_at IS NULL AND o.active",
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
            .bind(token.id)
            .execute(&self.pool)
            .await?;
        }
        Ok(token)
    }

    /// The keys of a tenant, void ones too.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn tokens(&self, organization: OrganizationId) -> Result<Vec<TokenInfo>, StoreError> {
        Ok(sqlx::query_as("SELECT * FROM api_tokens WHERE organization_id = $1 ORDER BY created_at")
            .bind(organization.0)
            .fetch_all(&self.pool)
            .await?)
    }

    /// Makes a key void.
    ///
    /// # Errors
    ///
    /// If there is none of that name, or the database cannot be asked.
    pub async fn revoke_token(&self, organization: OrganizationId, name: &str) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE api_tokens SET revoked_at = now() WHERE organization_id = $1 AND name = $2 AND revoked_at IS NULL",
        )
        .bind(organization.0)
        .bind(name)
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "token", key: name.to_owned() });
        }
        Ok(())
    }
}
