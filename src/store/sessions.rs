//! Who is signed in. The random number that they show is kept as its SHA-256 only.

use super::{Actor, Scope, Store, StoreError};
use crate::access::Role;
use crate::core::ids::{AgentId, OrganizationId, UserId};
use sqlx::Row;
use std::time::Duration;
use uuid::Uuid;

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// When it is not used.
    pub idle: Duration,
    /// However much it is used.
    pub absolute: Duration,
}

/// A session that is valid.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which.
    pub id: Uuid,
    /// The tenant.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// What they may do, now.
    pub role: Role,
    /// The agent that they are, now.
    pub agent: Option<AgentId>,
}

/// A duration as the database has it.
fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

impl Store {
    /// Signs somebody in.
    ///
    /// # Errors
    ///
    /// If they are not there any more, or the database cannot be asked.
    pub async fn begin_session(
        &self,
        organization: OrganizationId,
        user: UserId,
        sha256: &[u8; 32],
        lifetime: Lifetime,
        request: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_as(Scope::Everything, &Actor::user(user).within(request)).await?;
        sqlx::query(
            "INSERT INTO sessions (organization_id, user_id, sha256, idle_s, expires_at)
             VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))",
        )
        .bind(organization.0)
        .bind(user.0)
        .bind(sha256.as_slice())
        .bind(seconds(lifetime.idle))
        .bind(f64::from(seconds(lifetime.absolute)))
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE users SET last_seen_at = now() WHERE id = $1")
            .bind(user.0)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Whose session it is; none if it is nobody's, has ended, or user or organization are switched off.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn session(&self, sha256: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query(
            "SELECT s.id, s.organization_id, s.user_id, u.role, g.id AS agent_id
             FROM sessions s
             JOIN users u ON u.id = s.user_id
             JOIN organizations o ON o.id = s.organization_id
             LEFT JOIN agents g ON g.user_id = u.id AND g.active
             WHERE s.sha256 = $1 AND s.ended_at IS NULL AND s.expires_at > now()
                AND s.seen_at + make_interval(secs => s.idle_s) > now() AND u.active AND o.active",
        )
        .bind(sha256.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let session = Session {
            id: row.try_get("id")?,
            organization: row.try_get("organization_id")?,
            user: row.try_get("user_id")?,
            role: row.try_get("role")?,
            agent: row.try_get("agent_id")?,
        };
        // not with every request: a busy session would be a busy row
        sqlx::query("UPDATE sessions SET seen_at = now() WHERE id = $1 AND seen_at < now() - interval '1 minute'")
            .bind(session.id)
            .execute(&self.pool)
            .await?;
        Ok(Some(session))
    }

    /// Signs somebody out of one session. Once more changes nothing.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn end_session(&self, session: Uuid, actor: &Actor) -> Result<(), StoreError> {
        let mut transaction = self.begin_as(Scope::Everything, actor).await?;
        sqlx::query("UPDATE sessions SET ended_at = now() WHERE id = $1 AND ended_at IS NULL")
            .bind(session)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}
