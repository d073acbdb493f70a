//! A page is taken in, and turned.

use super::{Counts, Import, Taken, Target};
use crate::core::ids::TrunkName;
use crate::inventory::listed::Listed;
use crate::store::StoreError;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// Takes a page in: adds what is new, and brings what is there to what the carrier says about it. Name, state, limits, trunk
/// and metadata are ours alone, and are only filled where they are empty. Numbers of others are left as they are.
///
/// # Errors
///
/// If the database cannot be asked. Then nothing was changed, once the transaction around this is rolled back.
pub async fn take(
    connection: &mut PgConnection,
    target: &Target,
    page: i32,
    listed: &[(u32, &Listed)],
) -> Result<Vec<Taken>, StoreError> {
    let trunk = trunk_id(connection, target.trunk.as_ref()).await?;
    let numbers: Vec<String> = listed.iter().map(|(_, listed)| listed.e164.to_string()).collect();
    // In the order of the numbers, as everybody who changes many of them.
    sqlx::query("SELECT FROM numbers WHERE e164 = ANY($1) ORDER BY e164 FOR UPDATE")
        .bind(&numbers)
        .execute(&mut *connection)
        .await?;
    let text = |of: fn(&Listed) -> Option<String>| listed.iter().map(|(_, one)| of(one)).collect::<Vec<_>>();
    let rows = sqlx::query(TAKE)
        .bind(listed.iter().map(|(place, _)| i32::try_from(*place).unwrap_or(i32::MAX)).collect::<Vec<_>>())
        .bind(&numbers)
        .bind(text(|one| Some(one.region.to_string())))
        .bind(text(|one| one.name.as_ref().map(ToString::to_string)))
        .bind(text(|one| Some(one.provider_id.to_string())))
        .bind(text(|one| one.kind.map(|kind| kind.as_str().to_owned())))
        .bind(text(|one| one.capabilities.as_ref().and_then(|can| serde_json::to_string(can).ok())))
        .bind(target.organization.map(|o| o.0))
        .bind(target.kind.as_str())
        .bind(trunk)
        .fetch_all(connection)
        .await?;
    let taken = |row: &sqlx::postgres::PgRow| -> Result<Taken, sqlx::Error> {
        Ok(Taken {
            page,
            place: row.try_get("place")?,
            number: row.try_get("e164")?,
            result: row.try_get("result")?,
            message: row.try_get("message")?,
            e164: row.try_get("e164")?,
        })
    };
    rows.iter().map(taken).collect::<Result<_, _>>().map_err(StoreError::reading("numbers", ""))
}

/// What is there is read as it was before: both changing parts of the statement see the same moment.
const TAKE: &str = "
    WITH given AS (
        SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
            AS t (place, e164, region, name, provider_id, kind, can)
    ), new AS (
        INSERT INTO numbers (e164, organization_id, region, friendly_name, provider, provider_id, kind, trunk_id, capabilities)
        SELECT e164, $8, region, name, $9, provider_id, kind, $10, coalesce(can::jsonb, '{\"voice\": true, \"sms\": false}')
        FROM given ORDER BY e164
        ON CONFLICT (e164) DO NOTHING RETURNING e164
    ), there AS (
        SELECT g.*, n.id, concat_ws(', ',
                CASE WHEN lower(n.provider) IS DISTINCT FROM $9 THEN 'provider' END,
                CASE WHEN n.provider_id IS DISTINCT FROM g.provider_id THEN 'provider_id' END,
                CASE WHEN g.kind IS NOT NULL AND n.kind IS DISTINCT FROM g.kind THEN 'type' END,
                CASE WHEN g.can IS NOT NULL AND n.capabilities <> n.capabilities || g.can::jsonb THEN 'capabilities' END,
                CASE WHEN n.friendly_name IS NULL AND g.name IS NOT NULL THEN 'name' END,
                CASE WHEN n.trunk_id IS NULL AND $10::uuid IS NOT NULL THEN 'trunk' END) AS changes,
            n.state = 'retired' AS retired
        FROM given g JOIN numbers n ON n.e164 = g.e164 AND n.organization_id IS NOT DISTINCT FROM $8
    ), changed AS (
        UPDATE numbers n SET provider = CASE WHEN lower(n.provider) = $9 THEN n.provider ELSE $9 END,
            provider_id = t.provider_id,
            kind = coalesce(t.kind, n.kind),
            capabilities = n.capabilities || coalesce(t.can::jsonb, '{}'),
            friendly_name = coalesce(n.friendly_name, t.name),
            trunk_id = coalesce(n.trunk_id, $10)
        FROM there t WHERE n.id = t.id AND t.changes <> ''
    )
    SELECT g.place, g.e164,
        CASE WHEN new.e164 IS NOT NULL THEN 'added' WHEN t.id IS NULL THEN 'skipped' WHEN t.changes <> '' THEN 'updated'
            ELSE 'unchanged' END AS result,
        CASE WHEN new.e164 IS NOT NULL THEN NULL
            WHEN t.id IS NULL AND o.id IS NOT NULL THEN 'it is organization ' || o.slug || '''s'
            WHEN t.id IS NULL AND n.id IS NOT NULL THEN 'it is in the inventory'
            WHEN t.id IS NULL THEN 'somebody else has it here'
            WHEN t.changes <> '' THEN 'changed: ' || t.changes
            WHEN t.retired THEN 'it is retired here' END AS message
    FROM given g LEFT JOIN new USING (e164) LEFT JOIN there t ON t.place = g.place
        LEFT JOIN numbers n ON n.e164 = g.e164 LEFT JOIN organizations o ON o.id = n.organization_id
    ORDER BY g.place";

async fn trunk_id(connection: &mut PgConnection, trunk: Option<&TrunkName>) -> Result<Option<Uuid>, StoreError> {
    let Some(trunk) = trunk else { return Ok(None) };
    let id =
        sqlx::query_scalar("SELECT id FROM trunks WHERE name = $1").bind(trunk.as_ref()).fetch_optional(connection);
    id.await?.map(Some).ok_or_else(|| StoreError::NotFound { what: "trunk", key: trunk.to_string() })
}

/// Writes down what became of a page and where the next one is; if there is none, the import is at its end. False if somebody
/// else took the page in already: then all of the transaction is to be undone.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn turn(
    connection: &mut PgConnection,
    import: &Import,
    taken: &[Taken],
    next: Option<&str>,
    total: Option<i64>,
) -> Result<bool, StoreError> {
    let counts = Counts::of(taken);
    let done = sqlx::query(
        "UPDATE carrier_imports SET pages = pages + 1, cursor = $3, total = coalesce(total, $4), added = added + $5,
            updated = updated + $6, unchanged = unchanged + $7, skipped = skipped + $8, errors = errors + $9,
            finished_at = CASE WHEN $3::text IS NULL THEN clock_timestamp() END
         WHERE id = $1 AND pages = $2 AND cursor IS NOT DISTINCT FROM $10 AND finished_at IS NULL",
    )
    .bind(import.id.0)
    .bind(import.pages)
    .bind(next)
    .bind(total)
    .bind(counts.added)
    .bind(counts.updated)
    .bind(counts.unchanged)
    .bind(counts.skipped)
    .bind(counts.errors)
    .bind(import.cursor.as_deref())
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO carrier_import_rows (import_id, page, place, number, e164, result, message)
         SELECT $1, * FROM unnest($2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[])",
    )
    .bind(import.id.0)
    .bind(taken.iter().map(|one| one.page).collect::<Vec<_>>())
    .bind(taken.iter().map(|one| one.place).collect::<Vec<_>>())
    .bind(taken.iter().map(|one| one.number.clone()).collect::<Vec<_>>())
    .bind(taken.iter().map(|one| one.e164.map(|e164| e164.to_string())).collect::<Vec<_>>())
    .bind(taken.iter().map(|one| one.result.as_str()).collect::<Vec<_>>())
    .bind(taken.iter().map(|one| one.message.clone()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(true)
}
