//! Lists of numbers. They are written down as they come in, line by line, beside the inventory; when all of a list is here it is
//! put into the inventory by one statement, all or nothing. So a list of any length takes no memory, and a sender who goes away
//! leaves nothing half-done.

use super::StoreError;
pub use super::settle::settle;
use crate::core::ids::OrganizationId;
use crate::inventory::{Line, NumberKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, Row};
use uuid::Uuid;

/// A list that is coming in, or was put away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct UploadId(pub Uuid);

/// What is done about wrong lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One wrong line keeps all out.
    AllOrNothing,
    /// They are left out, and the others are written.
    SkipWrong,
}

/// What became of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "UploadOutcome")]
pub struct Outcome {
    /// It was written, as far as it was good.
    pub written: bool,
    /// New numbers.
    pub added: i64,
    /// Numbers that were there already, or twice in the list.
    pub skipped: i64,
    /// Wrong lines.
    pub errors: i64,
    /// Good lines that were kept out by wrong ones.
    pub not_written: i64,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schemars(rename = "UploadFate")]
pub enum Fate {
    /// It is still to be looked at.
    Ready,
    /// It is new.
    Added,
    /// It was there already, and was left as it is.
    Skipped,
    /// It is wrong.
    Error,
    /// Nothing is wrong with it, and it was not written because of others.
    NotWritten,
}

/// One line of a list, afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadRow {
    /// Its place in the list, from 0.
    #[serde(skip)]
    pub place: i32,
    /// Its line, as an editor counts.
    pub line: i64,
    /// The number, or what was written in its place.
    pub number: String,
    /// What became of it.
    pub result: Fate,
    /// Where in the line it is wrong: in CSV the column of the table, in JSON the character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<i32>,
    /// Which field is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Longer than any list takes; the daemon's connections have shorter limits.
const PATIENCE: &str = "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '30s';
    SET LOCAL idle_in_transaction_session_timeout = '5min'";

/// Lets this transaction take as long as a list takes.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn patiently(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::raw_sql(PATIENCE).execute(connection).await?;
    Ok(())
}

/// Begins a list, for a tenant or the inventory. Forgets what is older than an hour.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn begin(
    connection: &mut PgConnection,
    organization: Option<OrganizationId>,
) -> Result<UploadId, StoreError> {
    sqlx::query(
        "DELETE FROM number_uploads WHERE id IN (
            SELECT id FROM number_uploads WHERE created_at < now() - interval '1 hour'
            ORDER BY created_at LIMIT 2 FOR UPDATE SKIP LOCKED)",
    )
    .execute(&mut *connection)
    .await?;
    let id = sqlx::query_scalar("INSERT INTO number_uploads (organization_id) VALUES ($1) RETURNING id")
        .bind(organization.map(|o| o.0))
        .fetch_one(connection)
        .await?;
    Ok(UploadId(id))
}

/// Writes lines down, the first of them at this place.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn stage(
    connection: &mut PgConnection,
    upload: UploadId,
    first_place: i32,
    lines: &[Line],
) -> Result<(), StoreError> {
    let good: Vec<_> = lines.iter().map(|line| line.read.as_ref().ok().map(|(entry, _)| entry)).collect();
    let wrong: Vec<_> = lines.iter().map(|line| line.read.as_ref().err()).collect();
    let remark = |line: &Line| match &line.read {
        Ok((_, remark)) => remark.clone(),
        Err(wrong) => Some(wrong.message.clone()),
    };
    macro_rules! of_entry {
        ($entry:ident => $value:expr) => {
            good.iter().map(|entry| entry.and_then(|$entry| $value)).collect::<Vec<Option<String>>>()
        };
    }
    sqlx::query(
        "INSERT INTO number_upload_rows (upload_id, place, line, given, result, position, field, message, e164, region,
            friendly_name, provider, provider_id, kind, trunk, daily_limit, capabilities, metadata)
         SELECT $1, place, line, given, result, position, field, message, e164, region, friendly_name, provider,
            provider_id, kind, trunk, daily_limit, capabilities::jsonb, metadata::jsonb
         FROM unnest($2::integer[], $3::bigint[], $4::text[], $5::text[], $6::integer[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::integer[], $17::text[],
            $18::text[])
            AS t (place, line, given, result, position, field, message, e164, region, friendly_name, provider,
                provider_id, kind, trunk, daily_limit, capabilities, metadata)",
    )
    .bind(upload.0)
    .bind((first_place..).take(lines.len()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| i64::try_from(line.line).unwrap_or(i64::MAX)).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.given.clone()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| if line.read.is_ok() { "ready" } else { "error" }).collect::<Vec<_>>())
    .bind(wrong.iter().map(|wrong| wrong.map(|w| i32::try_from(w.column).unwrap_or(i32::MAX))).collect::<Vec<_>>())
    .bind(wrong.iter().map(|wrong| wrong.and_then(|wrong| wrong.field)).collect::<Vec<_>>())
    .bind(lines.iter().map(remark).collect::<Vec<_>>())
    .bind(of_entry!(entry => Some(entry.e164.to_string())))
    .bind(of_entry!(entry => Some(entry.region.to_string())))
    .bind(of_entry!(entry => entry.friendly_name.as_ref().map(ToString::to_string)))
    .bind(of_entry!(entry => entry.provider.as_ref().map(ToString::to_string)))
    .bind(of_entry!(entry => entry.provider_id.as_ref().map(ToString::to_string)))
    .bind(of_entry!(entry => entry.kind.map(|kind| NumberKind::as_str(kind).to_owned())))
    .bind(of_entry!(entry => entry.trunk.as_ref().map(ToString::to_string)))
    .bind(good.iter().map(|entry| entry.and_then(|e| e.daily_limit).map(super::columns::limit)).collect::<Vec<_>>())
    .bind(of_entry!(entry => entry.capabilities.as_ref().and_then(|value| serde_json::to_string(value).ok())))
    .bind(of_entry!(entry => entry.metadata.as_ref().and_then(|value| serde_json::to_string(value).ok())))
    .execute(connection)
    .await?;
    Ok(())
}

/// What became of a list, if it was put away in the last hour and is this one's.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn outcome(connection: &mut PgConnection, upload: UploadId) -> Result<Option<Outcome>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT u.state = 'written' AS written, c.* FROM number_uploads u, LATERAL (
            SELECT count(*) FILTER (WHERE result = 'added') AS added, count(*) FILTER (WHERE result = 'skipped') AS skipped,
                count(*) FILTER (WHERE result = 'error') AS errors,
                count(*) FILTER (WHERE result IN ('ready', 'not_written')) AS not_written
            FROM number_upload_rows WHERE upload_id = u.id) c
         WHERE u.id = $1 AND u.state <> 'receiving'",
    )
    .bind(upload.0)
    .fetch_optional(connection)
    .await?)
}

/// Lines of a list from behind this place on; only those with something to say, if so asked.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn rows(
    connection: &mut PgConnection,
    upload: UploadId,
    after: Option<i32>,
    limit: u32,
    only_remarkable: bool,
) -> Result<Vec<UploadRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT place, line, coalesce(e164, given) AS number, result, position AS \"column\", field, message
         FROM number_upload_rows
         WHERE upload_id = $1 AND place > $2 AND (NOT $4 OR result IN ('error', 'skipped') OR message IS NOT NULL)
         ORDER BY place LIMIT $3",
    )
    .bind(upload.0)
    .bind(after.unwrap_or(-1))
    .bind(i64::from(limit))
    .bind(only_remarkable)
    .fetch_all(connection)
    .await?)
}

/// Forgets a list.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn forget(connection: &mut PgConnection, upload: UploadId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM number_upload_rows WHERE upload_id = $1").bind(upload.0).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM number_uploads WHERE id = $1").bind(upload.0).execute(connection).await?;
    Ok(())
}

/// Whose list it is: none if there is none.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn owner(
    connection: &mut PgConnection,
    upload: UploadId,
) -> Result<Option<Option<OrganizationId>>, StoreError> {
    let row = sqlx::query("SELECT organization_id FROM number_uploads WHERE id = $1")
        .bind(upload.0)
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok(row.try_get("organization_id")?)).transpose()
}
