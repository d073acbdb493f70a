//! Numbers that are read from carriers: how far an import has come, and a page of it. A page and the place where the next one is
//! are written by one transaction, so a page is never taken in twice or left out, whoever dies when.

mod ours;
mod take;

pub use ours::{Ours, ours, owners};
pub use take::{take, turn};

use super::StoreError;
use crate::core::ids::{OrganizationId, TrunkName};
use crate::core::number::E164;
use crate::inventory::listed::{CarrierKind, Entry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImportId(pub Uuid);

/// How far an import has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Which.
    pub id: ImportId,
    /// Numbers on a page, as it began.
    pub page_size: u16,
    /// Where the next page is; none: the first.
    pub cursor: Option<String>,
    /// Pages taken in.
    pub pages: i32,
    /// How many numbers the carrier said there are.
    pub total: Option<i64>,
    /// What became of the entries so far.
    pub counts: Counts,
}

/// What became of entries, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CarrierEntryCounts")]
pub struct Counts {
    /// New numbers.
    pub added: i32,
    /// Numbers that were there, of which the carrier knew more.
    pub updated: i32,
    /// Numbers that were there as they are.
    pub unchanged: i32,
    /// Numbers that cannot be ours, with the reason.
    pub skipped: i32,
    /// Entries that make no sense.
    pub errors: i32,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schemars(rename = "CarrierEntryFate")]
pub enum Fate {
    /// It is new.
    Added,
    /// It was there, and the carrier knew more of it.
    Updated,
    /// It was there as it is.
    Unchanged,
    /// It cannot be ours.
    Skipped,
    /// It makes no sense.
    Error,
}

/// What became of an entry, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CarrierEntry")]
pub struct Taken {
    /// Which page, from 1.
    pub page: i32,
    /// Its place on the page, from 0.
    pub place: i32,
    /// The number, or what the carrier wrote in its place.
    pub number: String,
    /// What became of it.
    pub result: Fate,
    /// Why, or what was changed; not there if there is nothing to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The number, if it is one.
    #[serde(skip)]
    pub e164: Option<E164>,
}

/// Whose numbers are taken in, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// Whose they become; none: nobody's, in the inventory.
    pub organization: Option<OrganizationId>,
    /// Who sold them.
    pub kind: CarrierKind,
    /// The trunk that can present them.
    pub trunk: Option<TrunkName>,
}

/// The import that is under way, or a new one. Forgets finished ones of more than a month ago.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn begin(
    connection: &mut PgConnection,
    carrier: &str,
    organization: Option<OrganizationId>,
    page_size: u16,
) -> Result<Import, StoreError> {
    sqlx::query(
        "DELETE FROM carrier_imports WHERE id IN (
            SELECT id FROM carrier_imports WHERE finished_at < now() - interval '30 days' AND organization_id IS NOT DISTINCT FROM $1
            ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(organization.map(|o| o.0))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO carrier_imports (carrier, organization_id, page_size) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(carrier)
    .bind(organization.map(|o| o.0))
    .bind(i32::from(page_size))
    .execute(&mut *connection)
    .await?;
    under_way(connection, carrier, organization).await?.ok_or(StoreError::OutcomeUnknown)
}

/// The import that is under way, if one is.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn under_way(
    connection: &mut PgConnection,
    carrier: &str,
    organization: Option<OrganizationId>,
) -> Result<Option<Import>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM carrier_imports
         WHERE carrier = $1 AND organization_id IS NOT DISTINCT FROM $2 AND finished_at IS NULL",
    )
    .bind(carrier)
    .bind(organization.map(|o| o.0))
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let read = || -> Result<Import, sqlx::Error> {
        Ok(Import {
            id: ImportId(row.try_get("id")?),
            page_size: u16::try_from(row.try_get::<i32, _>("page_size")?).unwrap_or(100),
            cursor: row.try_get("cursor")?,
            pages: row.try_get("pages")?,
            total: row.try_get("total")?,
            counts: Counts::from_row(&row)?,
        })
    };
    read().map(Some).map_err(StoreError::reading("carrier_imports", carrier))
}

/// Begins an import anew, from the first page; what was taken in stays.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn restart(connection: &mut PgConnection, import: ImportId, page_size: u16) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM carrier_import_rows WHERE import_id = $1")
        .bind(import.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE carrier_imports SET cursor = NULL, pages = 0, total = NULL, page_size = $2, added = 0, updated = 0,
            unchanged = 0, skipped = 0, errors = 0, created_at = now() WHERE id = $1 AND finished_at IS NULL",
    )
    .bind(import.0)
    .bind(i32::from(page_size))
    .execute(connection)
    .await?;
    Ok(())
}

impl Fate {
    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Error => "error",
        }
    }
}

impl Counts {
    /// Counts them.
    pub fn of(taken: &[Taken]) -> Self {
        let mut counts = Self::default();
        for one in taken {
            counts.count(one.result);
        }
        counts
    }

    fn count(&mut self, fate: Fate) {
        *match fate {
            Fate::Added => &mut self.added,
            Fate::Updated => &mut self.updated,
            Fate::Unchanged => &mut self.unchanged,
            Fate::Skipped => &mut self.skipped,
            Fate::Error => &mut self.errors,
        } += 1;
    }

    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.added += other.added;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.skipped += other.skipped;
        self.errors += other.errors;
    }
}

impl Taken {
    /// Whether there is something to say about it.
    pub fn is_remarkable(&self) -> bool {
        self.message.is_some() || self.result != Fate::Unchanged
    }

    /// An entry that is not taken in.
    pub fn not(page: i32, entry: &Entry, result: Fate, message: String) -> Self {
        let e164 = entry.read.as_ref().ok().map(|listed| listed.e164);
        let number = e164.map_or_else(|| entry.given.clone(), |e164| e164.to_string());
        let place = i32::try_from(entry.place).unwrap_or(i32::MAX);
        Self { page, place, number, result, message: Some(message), e164: None }
    }
}

/// The numbers of an import so far, and where each stood first: page and place.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn seen(connection: &mut PgConnection, import: ImportId) -> Result<BTreeMap<E164, (i32, i32)>, StoreError> {
    let rows: Vec<(E164, i32, i32)> = sqlx::query_as(
        "SELECT e164, page, place FROM carrier_import_rows WHERE import_id = $1 AND e164 IS NOT NULL ORDER BY page DESC, place DESC",
    )
    .bind(import.0)
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("carrier_import_rows", import.0))?;
    Ok(rows.into_iter().map(|(e164, page, place)| (e164, (page, place))).collect())
}

/// What became of the entries of an import that have something to say, in their order, from behind this page and place on.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn remarkable(
    connection: &mut PgConnection,
    import: ImportId,
    after: (i32, i32),
    limit: u32,
) -> Result<Vec<Taken>, StoreError> {
    sqlx::query_as(
        "SELECT * FROM carrier_import_rows
         WHERE import_id = $1 AND (page, place) > ($2, $3) AND (message IS NOT NULL OR result <> 'unchanged')
         ORDER BY page, place LIMIT $4",
    )
    .bind(import.0)
    .bind(after.0)
    .bind(after.1)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("carrier_import_rows", import.0))
}
