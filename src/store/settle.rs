//! A list of numbers that is here whole is put into the inventory, all or nothing.

use super::StoreError;
use super::uploads::{Mode, Outcome, UploadId, outcome, patiently};
use crate::core::ids::OrganizationId;
use sqlx::{Acquire, PgConnection};

/// Those that are twice in the list: the first counts.
pub(super) const DOUBLES: &str = "
    UPDATE number_upload_rows r SET result = 'skipped', message = 'the same as line ' || f.line
    FROM (SELECT place, first_value(line) OVER w AS line, row_number() OVER w AS nth FROM number_upload_rows
        WHERE upload_id = $1 AND result = 'ready' WINDOW w AS (PARTITION BY e164 ORDER BY place)) f
    WHERE r.upload_id = $1 AND r.place = f.place AND f.nth > 1";

/// Those that are there. What is somebody else's may not be seen here, and is found when it cannot be added.
const THERE: &str = "
    UPDATE number_upload_rows r SET result = 'skipped', message = CASE
        WHEN n.organization_id IS NULL AND $2::uuid IS NOT NULL THEN 'it is in the inventory already'
        WHEN n.organization_id IS DISTINCT FROM $2 THEN 'it is organization ' || o.slug || '''s'
        WHEN n.state = 'retired' THEN 'it is there already, retired'
        ELSE 'it is there already' END
    FROM numbers n LEFT JOIN organizations o ON o.id = n.organization_id
    WHERE r.upload_id = $1 AND r.result = 'ready' AND n.e164 = r.e164";

const TRUNKS: &str = "
    UPDATE number_upload_rows r SET result = 'error', field = 'trunk', message = 'the trunk is gone'
    WHERE r.upload_id = $1 AND r.result = 'ready' AND r.trunk IS NOT NULL
        AND NOT EXISTS (SELECT FROM trunks t WHERE t.name = r.trunk)";

/// In the order of the numbers, so that two lists do not wait for each other in a circle.
const INSERT: &str = "
    WITH new AS (
        INSERT INTO numbers (e164, organization_id, region, friendly_name, provider, provider_id, kind, trunk_id, daily_limit,
            capabilities, metadata)
        SELECT r.e164, $2, r.region, r.friendly_name, r.provider, r.provider_id, r.kind, t.id, r.daily_limit,
            coalesce(r.capabilities, '{\"voice\": true, \"sms\": false}'), coalesce(r.metadata, '{}')
        FROM number_upload_rows r LEFT JOIN trunks t ON t.name = r.trunk
        WHERE r.upload_id = $1 AND r.result = 'ready' AND ($3::integer IS NULL OR r.place = $3)
            AND (r.trunk IS NULL) = (t.id IS NULL)
        ORDER BY r.e164
        ON CONFLICT (e164) DO NOTHING RETURNING e164
    )
    UPDATE number_upload_rows r SET result = 'added' FROM new
    WHERE r.upload_id = $1 AND r.result = 'ready' AND r.e164 = new.e164";

/// Those that somebody else added in this moment, or that are another tenant's.
const LEFT: &str = "
    UPDATE number_upload_rows SET result = 'skipped', message = 'it is in the inventory already'
    WHERE upload_id = $1 AND result = 'ready'";

/// Puts a list that is here whole into the inventory. The answer is stored with it.
///
/// # Errors
///
/// If the database cannot be asked. Then nothing was written, once the transaction around this is rolled back.
pub async fn settle(
    connection: &mut PgConnection,
    upload: UploadId,
    organization: Option<OrganizationId>,
    mode: Mode,
) -> Result<Outcome, StoreError> {
    patiently(connection).await?;
    sqlx::query(DOUBLES).bind(upload.0).execute(&mut *connection).await?;
    sqlx::query(TRUNKS).bind(upload.0).execute(&mut *connection).await?;
    sqlx::query(THERE).bind(upload.0).bind(organization.map(|o| o.0)).execute(&mut *connection).await?;
    let whole = mode == Mode::SkipWrong || wrong(connection, upload).await? == 0;
    let written = whole && insert(connection, upload, organization, mode).await?;
    if !written {
        sqlx::query(
            "UPDATE number_upload_rows SET result = 'not_written', message = NULL
             WHERE upload_id = $1 AND result IN ('ready', 'added')",
        )
        .bind(upload.0)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query("UPDATE number_uploads SET state = CASE WHEN $2 THEN 'written' ELSE 'refused' END WHERE id = $1")
        .bind(upload.0)
        .bind(written)
        .execute(&mut *connection)
        .await?;
    outcome(connection, upload).await?.ok_or_else(|| gone(upload))
}

fn gone(upload: UploadId) -> StoreError {
    StoreError::NotFound { what: "list", key: upload.0.to_string() }
}

pub(super) async fn wrong(connection: &mut PgConnection, upload: UploadId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM number_upload_rows WHERE upload_id = $1 AND result = 'error'")
        .bind(upload.0)
        .fetch_one(connection)
        .await?)
}

/// Whether it was written. What was good a moment ago may be so no longer: a trunk is removed, a rule is added.
async fn insert(
    connection: &mut PgConnection,
    upload: UploadId,
    organization: Option<OrganizationId>,
    mode: Mode,
) -> Result<bool, StoreError> {
    let mut attempt = connection.begin().await?;
    let done = insert_rows(&mut attempt, upload, organization, None).await;
    match done {
        Ok(()) => {
            sqlx::query(TRUNKS).bind(upload.0).execute(&mut *attempt).await?;
            let bad = wrong(&mut attempt, upload).await?;
            if bad > 0 && mode == Mode::AllOrNothing {
                attempt.rollback().await?;
                sqlx::query(TRUNKS).bind(upload.0).execute(&mut *connection).await?;
                return Ok(false);
            }
            sqlx::query(LEFT).bind(upload.0).execute(&mut *attempt).await?;
            attempt.commit().await?;
            return Ok(true);
        }
        Err(StoreError::Constraint { .. }) => attempt.rollback().await?,
        Err(error) => return Err(error),
    }
    // One of them broke a rule; which, is found by trying each.
    let places: Vec<i32> = sqlx::query_scalar(
        "SELECT place FROM number_upload_rows WHERE upload_id = $1 AND result = 'ready' ORDER BY e164",
    )
    .bind(upload.0)
    .fetch_all(&mut *connection)
    .await?;
    let mut all = connection.begin().await?;
    let mut errors = Vec::new();
    for place in places {
        let mut attempt = all.begin().await?;
        match insert_rows(&mut attempt, upload, organization, Some(place)).await {
            Ok(()) => attempt.commit().await?,
            Err(StoreError::Constraint { message, .. }) => {
                attempt.rollback().await?;
                errors.push((place, message));
            }
            Err(error) => return Err(error),
        }
    }
    let kept = mode == Mode::SkipWrong;
    if kept {
        sqlx::query(
            "UPDATE number_upload_rows SET result = 'skipped', message = 'it is in the inventory already'
             WHERE upload_id = $1 AND result = 'ready' AND place <> ALL($2)",
        )
        .bind(upload.0)
        .bind(errors.iter().map(|(place, _)| *place).collect::<Vec<_>>())
        .execute(&mut *all)
        .await?;
        all.commit().await?;
    } else {
        all.rollback().await?;
    }
    for (place, message) in errors {
        sqlx::query("UPDATE number_upload_rows SET result = 'error', message = $3 WHERE upload_id = $1 AND place = $2")
            .bind(upload.0)
            .bind(place)
            .bind(message)
            .execute(&mut *connection)
            .await?;
    }
    Ok(kept)
}

async fn insert_rows(
    connection: &mut PgConnection,
    upload: UploadId,
    organization: Option<OrganizationId>,
    place: Option<i32>,
) -> Result<(), StoreError> {
    sqlx::query(INSERT).bind(upload.0).bind(organization.map(|o| o.0)).bind(place).execute(connection).await?;
    Ok(())
}
