//! Numbers of ours that nobody has said are ours: what stood as caller on calls of the tenant, and is nobody's here. They are
//! only shown; what is added, and when, is said by people.

use crate::analytics::Candidate;
use crate::core::ids::OrganizationId;
use crate::core::number::E164;
use crate::store::{StoreError, columns};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::BTreeSet;

/// Numbers on our side of the tenant's calls, from a time on, that are nobody's here, the most used first; 1000 at most.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn unknown_callers(
    connection: &mut PgConnection,
    organization: OrganizationId,
    since: Timestamp,
) -> Result<Vec<Candidate>, StoreError> {
    let rows = sqlx::query("SELECT * FROM cordboard_unknown_callers($1, $2)")
        .bind(organization.0)
        .bind(columns::at(since))
        .fetch_all(connection)
        .await?;
    let candidate = |row: &PgRow| -> Result<_, sqlx::Error> {
        Ok(Candidate {
            number: row.try_get("e164")?,
            calls: row.try_get("calls")?,
            first_seen: columns::maybe_time(row, "first_seen")?,
            last_seen: columns::maybe_time(row, "last_seen")?,
            other_side: 0,
        })
    };
    rows.iter().map(candidate).collect::<Result<_, _>>().map_err(StoreError::reading("call_numbers", ""))
}

/// Those of these numbers that are nobody's here.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn nobodys(connection: &mut PgConnection, numbers: &[E164]) -> Result<BTreeSet<E164>, StoreError> {
    let wanted: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT * FROM cordboard_nobodys($1)").bind(wanted).fetch_all(connection).await?;
    Ok(rows.iter().filter_map(|number| number.parse().ok()).collect())
}
