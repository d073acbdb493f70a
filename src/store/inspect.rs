//! Questions about the database server itself.

use super::{Store, StoreError};
use jiff::Timestamp;
use sqlx::Row;

/// The server as it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// As in `16.4`.
    pub version: String,
    /// The same as a number: 160004.
    pub version_number: i32,
    /// Its time.
    pub now: Timestamp,
}

/// The time zone of some organizations, as the server understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// The organizations, by their names.
    pub organizations: Vec<String>,
    /// Its offset from UTC in seconds, at the moments that were asked for; empty if the server does not know the zone.
    pub offsets_s: Vec<i32>,
}

impl Store {
    /// Version and time of the server.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn server_info(&self) -> Result<ServerInfo, StoreError> {
        let row = sqlx::query(
            "SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
                current_setting('server_version_num')::int AS version_number, clock_timestamp() AS now",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(ServerInfo {
            version: row.try_get("version")?,
            version_number: row.try_get("version_number")?,
            now: super::columns::time(&row, "now")?,
        })
    }

    /// The time zones of all organizations, each with its offsets at these moments.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn zones(&self, moments: &[Timestamp]) -> Result<Vec<Zone>, StoreError> {
        let moments: Vec<_> = moments.iter().copied().map(super::columns::at).collect();
        // An unknown zone would be an error in AT TIME ZONE, so the known ones are found first.
        let rows = sqlx::query(
            "WITH wanted AS MATERIALIZED (
                SELECT o.time_zone AS name, array_agg(o.slug ORDER BY o.slug) AS organizations
                FROM organizations o WHERE o.active GROUP BY 1
             ), known AS MATERIALIZED (SELECT name FROM pg_timezone_names WHERE name IN (SELECT name FROM wanted))
             SELECT w.name, w.organizations, CASE WHEN k.name IS NULL THEN '{}' ELSE ARRAY(
                SELECT extract(epoch FROM (m.at AT TIME ZONE k.name) - (m.at AT TIME ZONE 'UTC'))::int
                FROM unnest($1::timestamptz[]) WITH ORDINALITY AS m (at, n) ORDER BY m.n
             ) END AS offsets_s
             FROM wanted w LEFT JOIN known k USING (name) ORDER BY w.name",
        )
        .bind(moments)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Zone {
                    name: row.try_get("name")?,
                    organizations: row.try_get("organizations")?,
                    offsets_s: row.try_get("offsets_s")?,
                })
            })
            .collect()
    }
}
