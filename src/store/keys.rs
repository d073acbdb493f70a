//! The keys by which programs name the calls that they start. Who names a call first may make it; whoever names it again is told
//! which it is. Decided by the primary key of [`call_keys`](../../../migrations/0016_call_keys.sql), before anything rings.

use super::StoreError;
use crate::core::ids::{CallId, OrganizationId};
use sqlx::{PgConnection, Row};

/// What a key comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is new, and from now on names this call.
    New,
    /// It names a call already.
    Known {
        /// Which.
        call: CallId,
        /// The same was asked for.
        same: bool,
    },
}

/// A key in use may be given back while we look at it; more often than this it is not.
const TRIES: u32 = 3;

/// Names a call, if the key names none yet, or one of more than 24 hours ago. To be committed before the call is begun. Waits for
/// another transaction that is just doing the same. Old keys of the organization go, a few at a time.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn claim(
    connection: &mut PgConnection,
    organization: OrganizationId,
    key: &str,
    request: &[u8; 32],
    call: CallId,
) -> Result<Claim, StoreError> {
    sqlx::query(
        "DELETE FROM call_keys WHERE organization_id = $1 AND key IN (
             SELECT key FROM call_keys WHERE organization_id = $1 AND created_at < now() - interval '24 hours'
             ORDER BY created_at LIMIT 20 FOR UPDATE SKIP LOCKED)",
    )
    .bind(organization.0)
    .execute(&mut *connection)
    .await?;
    for _ in 0..TRIES {
        let done = sqlx::query(
            "INSERT INTO call_keys (organization_id, key, request, call_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT (organization_id, key) DO UPDATE
             SET request = excluded.request, call_id = excluded.call_id, created_at = now()
             WHERE call_keys.created_at < now() - interval '24 hours'",
        )
        .bind(organization.0)
        .bind(key)
        .bind(&request[..])
        .bind(call.0)
        .execute(&mut *connection)
        .await?;
        if done.rows_affected() == 1 {
            return Ok(Claim::New);
        }
        let known =
            sqlx::query("SELECT call_id, request = $3 AS same FROM call_keys WHERE organization_id = $1 AND key = $2")
                .bind(organization.0)
                .bind(key)
                .bind(&request[..])
                .fetch_optional(&mut *connection)
                .await?;
        if let Some(row) = known {
            return Ok(Claim::Known { call: row.try_get("call_id")?, same: row.try_get("same")? });
        }
    }
    Err(StoreError::OutcomeUnknown)
}

/// Gives a key back, if it still names this call, and there is no such call but a refused one.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn free(
    connection: &mut PgConnection,
    organization: OrganizationId,
    key: &str,
    call: CallId,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM call_keys k WHERE organization_id = $1 AND key = $2 AND call_id = $3
             AND NOT EXISTS (SELECT FROM calls c WHERE c.id = k.call_id AND c.refusal IS NULL)",
    )
    .bind(organization.0)
    .bind(key)
    .bind(call.0)
    .execute(connection)
    .await?;
    Ok(())
}
