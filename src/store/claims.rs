//! A company takes a number out of the inventory by itself: once, and for good. The table
//! [`number_claims`](../../../migrations/0012_self_service.sql) holds the two rules whatever happens here: one number an
//! organization, one organization a number.

use super::inventory::{self, NumberKey};
use super::numbers::{self, NumberRow};
use super::{StoreError, assignments, columns};
use crate::core::ids::{NumberId, OrganizationId};
use crate::core::number::{E164, RegionCode};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// People still call the last owner of a number: so many days it waits before somebody else gets it.
pub const QUARANTINE_DAYS: u32 = 30;

/// A number that can be taken.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AvailableNumber")]
pub struct Offer {
    /// The id.
    pub id: NumberId,
    /// The number.
    pub number: E164,
    /// Its country.
    pub region: Option<RegionCode>,
    /// What sort of number it is.
    pub r#type: Option<String>,
    /// What it can do.
    pub capabilities: serde_json::Value,
    /// Since when it is in the inventory.
    pub created_at: Timestamp,
}

impl FromRow<'_, PgRow> for Offer {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            number: row.try_get("e164")?,
            region: row.try_get("region")?,
            r#type: row.try_get("kind")?,
            capabilities: row.try_get("capabilities")?,
            created_at: columns::time(row, "created_at")?,
        })
    }
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// The number is the organization's now.
    Done(Box<NumberRow>),
    /// It has one already: this.
    Already(Box<NumberRow>),
    /// It has none that it chose, so there is nothing to swap or give back.
    Nothing,
    /// The number is somebody's, resting after its last owner, or not one of ours.
    Taken,
    /// There is none left.
    Empty {
        /// So many will be free when their quarantine is over.
        in_quarantine: i64,
        /// The first of them at this time.
        next_at: Option<Timestamp>,
    },
}

/// One at a time for each organization: what it has is looked at and changed by nobody else meanwhile.
pub(super) async fn lock(connection: &mut PgConnection, organization: OrganizationId) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('cordboard numbers of ' || $1::text, 0))")
        .bind(organization.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// The numbers that can be taken, in the order in which they came, from behind `after` on.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn available(
    connection: &mut PgConnection,
    region: Option<RegionCode>,
    search: Option<&str>,
    after: Option<NumberId>,
    limit: u32,
) -> Result<Vec<Offer>, StoreError> {
    let digits: Option<String> = search.map(|text| text.chars().filter(char::is_ascii_digit).collect());
    sqlx::query_as(
        "SELECT id, e164, region, kind, capabilities, created_at FROM numbers
         WHERE state = 'available' AND (quarantine_until IS NULL OR quarantine_until <= now()) AND id > $1
            AND ($2::text IS NULL OR region = $2) AND ($3::text IS NULL OR strpos(e164, $3) > 0)
         ORDER BY id LIMIT $4",
    )
    .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
    .bind(region.map(|region| region.to_string()))
    .bind(digits)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("numbers", ""))
}

/// The organization's number: what it chose, or else its primary one, or else its first.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn current(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<Option<NumberRow>, StoreError> {
    let id: Option<NumberId> = sqlx::query_scalar(
        "SELECT n.id FROM numbers n
         LEFT JOIN number_claims c ON c.number_id = n.id AND c.organization_id = $1 AND c.released_at IS NULL
         WHERE n.organization_id = $1 AND n.state <> 'retired'
         ORDER BY c.id IS NULL, NOT n.is_primary, n.id LIMIT 1",
    )
    .bind(organization.0)
    .fetch_optional(&mut *connection)
    .await?;
    match id {
        Some(id) => inventory::one(connection, organization, NumberKey::Id(id)).await.map(Some),
        None => Ok(None),
    }
}

/// Takes this number for an organization that has none.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn choose(
    connection: &mut PgConnection,
    organization: OrganizationId,
    number: E164,
) -> Result<Claim, StoreError> {
    lock(connection, organization).await?;
    if let Some(row) = current(connection, organization).await? {
        return Ok(Claim::Already(Box::new(row)));
    }
    match take(connection, organization, number).await? {
        Some(id) => claimed(connection, organization, id, "chosen").await,
        None => Ok(Claim::Taken),
    }
}

/// Takes the next number for an organization that has none.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn provision(connection: &mut PgConnection, organization: OrganizationId) -> Result<Claim, StoreError> {
    lock(connection, organization).await?;
    if let Some(row) = current(connection, organization).await? {
        return Ok(Claim::Already(Box::new(row)));
    }
    // First past the rows that others are about to take; if there is no other, they are waited for: who holds the last one
    // may yet give up.
    for next in [
        "SELECT e164 FROM numbers WHERE state = 'available' AND (quarantine_until IS NULL OR quarantine_until <= now())
         ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
        "SELECT e164 FROM numbers WHERE state = 'available' AND (quarantine_until IS NULL OR quarantine_until <= now())
         ORDER BY id LIMIT 1 FOR NO KEY UPDATE",
    ] {
        let next: Option<E164> = sqlx::query_scalar(next).fetch_optional(&mut *connection).await?;
        if let Some(number) = next
            && let Some(id) = take(connection, organization, number).await?
        {
            return claimed(connection, organization, id, "provisioned").await;
        }
    }
    let row = sqlx::query(
        "SELECT count(*) AS waiting, min(quarantine_until) AS next_at FROM numbers
         WHERE state = 'available' AND quarantine_until > now()",
    )
    .fetch_one(connection)
    .await?;
    Ok(Claim::Empty { in_quarantine: row.try_get("waiting")?, next_at: columns::maybe_time(&row, "next_at")? })
}

/// Takes this number in the place of the one that was chosen. Its agents go on with the new one, and the old one goes back to
/// the inventory, where it waits.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn swap(
    connection: &mut PgConnection,
    organization: OrganizationId,
    number: E164,
    quarantine_days: u32,
) -> Result<Claim, StoreError> {
    lock(connection, organization).await?;
    let Some(old) = chosen(connection, organization).await? else { return Ok(Claim::Nothing) };
    // agents before numbers, as everywhere
    assignments::lock_agents_of(connection, &[old]).await?;
    let Some(new) = take(connection, organization, number).await? else { return Ok(Claim::Taken) };
    let was_primary: bool = sqlx::query_scalar("SELECT is_primary FROM numbers WHERE id = $1")
        .bind(old.0)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO assignments (organization_id, agent_id, number_id, daily_limit, allowed_countries, allowed_classes)
         SELECT organization_id, agent_id, $2, daily_limit, allowed_countries, allowed_classes FROM assignments
         WHERE number_id = $1 AND ends_at IS NULL ORDER BY agent_id",
    )
    .bind(old.0)
    .bind(new.0)
    .execute(&mut *connection)
    .await?;
    give_back(connection, old, quarantine_days).await?;
    if was_primary {
        sqlx::query("UPDATE numbers SET is_primary = false WHERE organization_id = $1 AND is_primary AND id <> $2")
            .bind(organization.0)
            .bind(new.0)
            .execute(&mut *connection)
            .await?;
        sqlx::query("UPDATE numbers SET is_primary = true WHERE id = $1").bind(new.0).execute(&mut *connection).await?;
    }
    claimed(connection, organization, new, "swapped").await
}

/// Gives back what was chosen.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn release(
    connection: &mut PgConnection,
    organization: OrganizationId,
    quarantine_days: u32,
) -> Result<Option<E164>, StoreError> {
    lock(connection, organization).await?;
    let Some(old) = chosen(connection, organization).await? else { return Ok(None) };
    let number = inventory::one(connection, organization, NumberKey::Id(old)).await?.e164;
    give_back(connection, old, quarantine_days).await?;
    Ok(Some(number))
}

/// Gives a number back to the inventory, where it waits so many days before somebody else can take it.
///
/// # Errors
///
/// If there is no such number, or the database cannot be asked.
pub async fn give_back(
    connection: &mut PgConnection,
    number: NumberId,
    quarantine_days: u32,
) -> Result<(), StoreError> {
    numbers::release(connection, number).await?;
    sqlx::query("UPDATE numbers SET quarantine_until = now() + make_interval(days => $2) WHERE id = $1 AND $2 > 0")
        .bind(number.0)
        .bind(columns::limit(quarantine_days))
        .execute(connection)
        .await?;
    Ok(())
}

/// What the organization chose.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn chosen(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<Option<NumberId>, StoreError> {
    Ok(sqlx::query_scalar("SELECT number_id FROM number_claims WHERE organization_id = $1 AND released_at IS NULL")
        .bind(organization.0)
        .fetch_optional(connection)
        .await?)
}

/// Makes an available number the organization's. A conditional update: who comes second sees the row as the first left it.
async fn take(
    connection: &mut PgConnection,
    organization: OrganizationId,
    number: E164,
) -> Result<Option<NumberId>, StoreError> {
    Ok(sqlx::query_scalar(
        "UPDATE numbers SET organization_id = $1, state = 'assigned'
         WHERE e164 = $2 AND state = 'available' AND (quarantine_until IS NULL OR quarantine_until <= now()) RETURNING id",
    )
    .bind(organization.0)
    .bind(number.to_string())
    .fetch_optional(connection)
    .await?)
}

async fn claimed(
    connection: &mut PgConnection,
    organization: OrganizationId,
    number: NumberId,
    how: &'static str,
) -> Result<Claim, StoreError> {
    sqlx::query("INSERT INTO number_claims (organization_id, number_id, how) VALUES ($1, $2, $3)")
        .bind(organization.0)
        .bind(number.0)
        .bind(how)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE numbers SET is_primary = true
         WHERE id = $1 AND NOT EXISTS (SELECT FROM numbers WHERE organization_id = $2 AND is_primary)",
    )
    .bind(number.0)
    .bind(organization.0)
    .execute(&mut *connection)
    .await?;
    Ok(Claim::Done(Box::new(inventory::one(connection, organization, NumberKey::Id(number)).await?)))
}
