//! Whom a campaign calls. Lists of them wait where lists of numbers do ([`uploads`](super::uploads)) until they are whole.

use super::uploads::{Mode, Outcome, UploadId, outcome, patiently};
use super::{StoreError, columns, settle};
use crate::core::ids::{CampaignId, ContactId, OrganizationId};
use crate::core::number::E164;
use crate::inventory::{Label, Metadata};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};

/// Somebody to call.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Contact")]
pub struct ContactRow {
    /// The id.
    pub id: ContactId,
    /// Their number.
    pub number: E164,
    /// Their name; null if nobody has said it.
    pub name: Option<String>,
    /// Whatever else was said of them; empty if nothing was.
    #[schemars(with = "Map<String, Value>")]
    pub metadata: Value,
    /// Since when we know them.
    pub created_at: Timestamp,
}

impl FromRow<'_, PgRow> for ContactRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            number: row.try_get("e164")?,
            name: row.try_get("name")?,
            metadata: row.try_get("metadata")?,
            created_at: columns::time(row, "created_at")?,
        })
    }
}

/// Adds somebody to a campaign.
///
/// # Errors
///
/// If the campaign has that number already, or the database cannot be asked.
pub async fn add(
    connection: &mut PgConnection,
    organization: OrganizationId,
    campaign: CampaignId,
    number: E164,
    name: Option<&Label>,
    metadata: Option<&Metadata>,
) -> Result<ContactRow, StoreError> {
    sqlx::query_as(
        "INSERT INTO contacts (organization_id, campaign_id, e164, name, metadata) VALUES ($1, $2, $3, $4, coalesce($5, '{}'))
         RETURNING *",
    )
    .bind(organization.0)
    .bind(campaign.0)
    .bind(number.to_string())
    .bind(name.map(AsRef::as_ref))
    .bind(metadata.map(Json))
    .fetch_one(connection)
    .await
    .map_err(StoreError::from)
}

/// One page of a campaign's contacts, in the order in which they came, from behind `after` on; with a text only those with it in
/// name or number.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn page(
    connection: &mut PgConnection,
    organization: OrganizationId,
    campaign: CampaignId,
    search: Option<&str>,
    after: Option<ContactId>,
    limit: u32,
) -> Result<Vec<ContactRow>, StoreError> {
    sqlx::query_as(
        "SELECT * FROM contacts WHERE campaign_id = $1 AND organization_id = $2 AND id > $3
            AND ($4::text IS NULL OR strpos(lower(name), $4) > 0 OR strpos(e164, $4) > 0)
         ORDER BY id LIMIT $5",
    )
    .bind(campaign.0)
    .bind(organization.0)
    .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
    .bind(search.map(str::to_lowercase))
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("contacts", ""))
}

/// Forgets somebody.
///
/// # Errors
///
/// If the campaign has no such contact, or the database cannot be asked.
pub async fn remove(
    connection: &mut PgConnection,
    organization: OrganizationId,
    campaign: CampaignId,
    contact: Contact,
) -> Result<(), StoreError> {
    let (id, number) = match contact {
        Contact::Id(id) => (Some(id.0), None),
        Contact::Number(number) => (None, Some(number.to_string())),
    };
    let done = sqlx::query(
        "DELETE FROM contacts WHERE campaign_id = $1 AND organization_id = $2
            AND CASE WHEN $3::uuid IS NULL THEN e164 = $4 ELSE id = $3 END",
    )
    .bind(campaign.0)
    .bind(organization.0)
    .bind(id)
    .bind(number)
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::NotFound { what: "contact", key: String::new() });
    }
    Ok(())
}

/// How a contact is named.
#[derive(Clone, Copy, Debug)]
pub enum Contact {
    /// By the id.
    Id(ContactId),
    /// By the number.
    Number(E164),
}

const THERE: &str = "
    UPDATE number_upload_rows r SET result = 'skipped', message = 'the campaign has this contact already'
    FROM contacts c
    WHERE r.upload_id = $1 AND r.result = 'ready' AND c.campaign_id = $2 AND c.e164 = r.e164";

const INSERT: &str = "
    WITH new AS (
        INSERT INTO contacts (organization_id, campaign_id, e164, name, metadata)
        SELECT $3, $2, e164, friendly_name, coalesce(metadata, '{}') FROM number_upload_rows
        WHERE upload_id = $1 AND result = 'ready' ORDER BY e164
        ON CONFLICT (campaign_id, e164) DO NOTHING RETURNING e164
    )
    UPDATE number_upload_rows r SET result = 'added' FROM new
    WHERE r.upload_id = $1 AND r.result = 'ready' AND r.e164 = new.e164";

/// Puts a list that is here whole among a campaign's contacts, all or nothing. The answer is stored with it.
///
/// # Errors
///
/// If the database cannot be asked. Then nothing was written, once the transaction around this is rolled back.
pub async fn settle(
    connection: &mut PgConnection,
    upload: UploadId,
    organization: OrganizationId,
    campaign: CampaignId,
    mode: Mode,
) -> Result<Outcome, StoreError> {
    patiently(connection).await?;
    sqlx::query(settle::DOUBLES).bind(upload.0).execute(&mut *connection).await?;
    sqlx::query(THERE).bind(upload.0).bind(campaign.0).execute(&mut *connection).await?;
    let written = mode == Mode::SkipWrong || settle::wrong(connection, upload).await? == 0;
    if written {
        sqlx::query(INSERT).bind(upload.0).bind(campaign.0).bind(organization.0).execute(&mut *connection).await?;
    }
    sqlx::query(
        "UPDATE number_upload_rows SET result = CASE WHEN $2 THEN 'skipped' ELSE 'not_written' END,
            message = CASE WHEN $2 THEN 'the campaign has this contact already' END
         WHERE upload_id = $1 AND result = 'ready'",
    )
    .bind(upload.0)
    .bind(written)
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE number_uploads SET state = CASE WHEN $2 THEN 'written' ELSE 'refused' END WHERE id = $1")
        .bind(upload.0)
        .bind(written)
        .execute(&mut *connection)
        .await?;
    outcome(connection, upload).await?.ok_or_else(|| StoreError::NotFound { what: "list", key: upload.0.to_string() })
}
