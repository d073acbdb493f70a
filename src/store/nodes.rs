//! The Asterisk servers, as last seen.

use super::leases::Fence;
use super::{Store, StoreError, columns};
use crate::core::ids::NodeName;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// An Asterisk server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name in the configuration.
    pub name: NodeName,
    /// Where it is.
    pub url: String,
    /// It may be used.
    pub active: bool,
    /// Its version, when last seen.
    pub version: Option<String>,
    /// When it was started, when last seen; another value means that it was restarted.
    pub startup_time: Option<Timestamp>,
    /// When it was last seen.
    pub seen_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for Node {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            url: row.try_get("url")?,
            active: row.try_get("active")?,
            version: row.try_get("version")?,
            startup_time: columns::maybe_time(row, "startup_time")?,
            seen_at: columns::maybe_time(row, "seen_at")?,
        })
    }
}

impl Store {
    /// Notes that a node was seen. Returns the start-up time it had when it was seen before.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn node_seen(
        &self,
        name: &NodeName,
        url: &str,
        version: &str,
        startup_time: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let before: Option<jiff_sqlx::Timestamp> = sqlx::query_scalar(
            "WITH before AS (SELECT startup_time FROM nodes WHERE name = $1), put AS (
                INSERT INTO nodes (name, url, version, startup_time, seen_at)
                SELECT $1, $2, $3, $4, now() WHERE cordboard_hold_lease($5, $6)
                ON CONFLICT (name) DO UPDATE SET url = excluded.url, version = excluded.version,
                    startup_time = excluded.startup_time, seen_at = excluded.seen_at
             )
             SELECT (SELECT startup_time FROM before)",
        )
        .bind(name.as_ref())
        .bind(url)
        .bind(version)
        .bind(columns::at(startup_time))
        .bind(Fence::node(self.fence.as_ref()))
        .bind(Fence::epoch(self.fence.as_ref()))
        .fetch_one(&self.pool)
        .await?;
        Ok(before.map(jiff_sqlx::Timestamp::to_jiff))
    }

    /// All nodes, by their names.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        sqlx::query_as("SELECT * FROM nodes ORDER BY name")
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::reading("nodes", ""))
    }
}
