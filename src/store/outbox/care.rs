//! How full the outbox is, and what can be forgotten of it.

use crate::store::{Store, StoreError};
use sqlx::Row as _;

/// How full the outbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Depth {
    /// Deliveries that wait, one hundred thousand at most.
    pub pending: i64,
    /// For how long the oldest has, in seconds.
    pub oldest_s: f64,
    /// For how long facts wait behind a transaction that does not end, in seconds.
    pub held_back_s: f64,
}

impl Store {
    /// Forgets what was delivered a week ago, and what failed a month ago: some of it, and says how many.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn sweep_outbox(&self) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM webhook_deliveries WHERE id IN (
                SELECT id FROM webhook_deliveries WHERE state <> 'pending'
                    AND done_at < now() - CASE state WHEN 'delivered' THEN interval '7 days' ELSE interval '30 days' END
                ORDER BY done_at LIMIT 5000)",
        )
        .execute(&self.pool)
        .await?;
        sqlx::query("DELETE FROM webhook_secrets WHERE expires_at < now() - interval '30 days'")
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    /// How full the outbox is.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn outbox_depth(&self) -> Result<Depth, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM (SELECT FROM webhook_deliveries d WHERE d.state = 'pending' LIMIT 100000) p) AS pending,
                coalesce((SELECT extract(epoch FROM now() - min(m.oldest)) FROM webhooks w CROSS JOIN LATERAL (
                    SELECT d.created_at AS oldest FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'pending'
                    ORDER BY d.n LIMIT 1) m WHERE w.enabled), 0)::float8 AS oldest_s,
                coalesce((SELECT extract(epoch FROM now() - f.at) FROM call_facts f
                    WHERE f.transaction >= pg_snapshot_xmin(pg_current_snapshot()) ORDER BY f.transaction LIMIT 1), 0)::float8
                    AS held_back_s",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Depth {
            pending: row.try_get("pending")?,
            oldest_s: row.try_get("oldest_s")?,
            held_back_s: row.try_get::<f64, _>("held_back_s")?.max(0.0),
        })
    }
}
