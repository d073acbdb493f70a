//! The audit trail: who changed what, and whether anybody changed the trail itself. Rows are written by triggers only.

use super::{StoreError, columns};
use crate::core::ids::OrganizationId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::fmt;
use uuid::Uuid;

/// The chain of what belongs to nobody: the inventory, the trunks.
pub const HOUSE: OrganizationId = OrganizationId(Uuid::nil());

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// Whose chain.
    pub organization_id: OrganizationId,
    /// When.
    pub at: Timestamp,
    /// Who: `user:<id>`, `token:<id>`, `cli:<name>`, `daemon`, `sql:<role>`.
    pub actor: String,
    /// As whom the connection to the database was made.
    pub database_user: String,
    /// Within which request.
    pub request: Option<String>,
    /// `insert`, `update`, `delete`, `join`, `leave` or `truncate`.
    pub action: String,
    /// Which table.
    pub what: String,
    /// Which row of it.
    pub row_id: Option<String>,
    /// What it was; of an update, only what was changed.
    pub before: Option<Value>,
    /// What it became.
    pub after: Option<Value>,
    /// The SHA-256 of this and all before it, in hex.
    pub hash: String,
}

impl FromRow<'_, PgRow> for AuditRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            organization_id: row.try_get("organization_id")?,
            at: columns::time(row, "at")?,
            actor: row.try_get("actor")?,
            database_user: row.try_get("database_user")?,
            request: row.try_get("request")?,
            action: row.try_get("action")?,
            what: row.try_get("what")?,
            row_id: row.try_get("row_id")?,
            before: row.try_get("before")?,
            after: row.try_get("after")?,
            hash: hex(row.try_get("hash")?),
        })
    }
}

/// Which rows to list; all fields together.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Changes of this table.
    pub what: Option<String>,
    /// Changes of this row.
    pub row_id: Option<String>,
    /// By this actor.
    pub actor: Option<String>,
    /// Older than this place in the chain.
    pub before_seq: Option<i64>,
}

/// The changes of an organization, newest first, `limit` at most.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    filter: &AuditFilter,
    limit: u32,
) -> Result<Vec<AuditRow>, StoreError> {
    sqlx::query_as(
        "SELECT * FROM audit WHERE organization_id = $1 AND ($2 IS NULL OR what = $2) AND ($3 IS NULL OR row_id = $3)
            AND ($4 IS NULL OR actor = $4) AND ($5 IS NULL OR seq < $5)
         ORDER BY seq DESC LIMIT $6",
    )
    .bind(organization.0)
    .bind(&filter.what)
    .bind(&filter.row_id)
    .bind(&filter.actor)
    .bind(filter.before_seq)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("audit", organization))
}

/// A chain that was read from its first row to its last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Whose.
    pub organization_id: OrganizationId,
    /// How many rows are as they were written, from the first on.
    pub rows: i64,
    /// The hash of the last of them, in hex: who writes it down elsewhere can tell later that none was taken from the end.
    pub head: String,
    /// The first row that is not.
    pub broken: Option<Break>,
}

/// Where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The place of the first row that is wrong.
    pub seq: i64,
    /// What is wrong.
    pub what: Wrong,
}

/// What is wrong with a row of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It is not there, though later ones are.
    Missing,
    /// It does not name the row before it.
    Detached,
    /// It does not say what it said.
    Changed,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it is missing",
            Self::Detached => "it does not follow the row before it",
            Self::Changed => "it was changed after it was written",
        })
    }
}

/// So many rows are in memory at a time.
const PAGE: i64 = 1_000;

/// The chains there are.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn chains(connection: &mut PgConnection) -> Result<Vec<OrganizationId>, StoreError> {
    // By steps through the index: the trail may be long, and the chains are few.
    Ok(sqlx::query_scalar(
        "WITH RECURSIVE chain AS (
            (SELECT organization_id FROM audit ORDER BY organization_id LIMIT 1)
            UNION ALL
            SELECT (SELECT a.organization_id FROM audit a WHERE a.organization_id > chain.organization_id
                    ORDER BY a.organization_id LIMIT 1)
            FROM chain WHERE chain.organization_id IS NOT NULL
         ) SELECT organization_id FROM chain WHERE organization_id IS NOT NULL",
    )
    .fetch_all(connection)
    .await?)
}

/// Reads a chain from its beginning, and reckons each hash anew. Nothing of the database's own functions is used, so that
/// whoever changed those is found out too.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn verify(connection: &mut PgConnection, organization: OrganizationId) -> Result<Chain, StoreError> {
    let (mut rows, mut last) = (0, [0; 32]);
    loop {
        let page = sqlx::query(
            "SELECT seq, previous, hash, (extract(epoch FROM at) * 1000000)::bigint::text AS at_us, actor, database_user,
                request, action, what, row_id, before::text, after::text
             FROM audit WHERE organization_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(organization.0)
        .bind(rows)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
        for row in &page {
            let expected = rows + 1;
            let previous: Vec<u8> = row.try_get("previous")?;
            let hash: Vec<u8> = row.try_get("hash")?;
            let wrong = if row.try_get::<i64, _>("seq")? != expected {
                Some(Wrong::Missing)
            } else if reckoned(organization, row, &previous)?.as_slice() != hash {
                Some(Wrong::Changed)
            } else if previous != last {
                Some(Wrong::Detached)
            } else {
                None
            };
            if let Some(what) = wrong {
                let broken = Some(Break { seq: expected, what });
                return Ok(Chain { organization_id: organization, rows, head: hex(&last), broken });
            }
            (rows, last) = (expected, reckoned(organization, row, &previous)?);
        }
        if page.is_empty() {
            return Ok(Chain { organization_id: organization, rows, head: hex(&last), broken: None });
        }
    }
}

/// The hash that the row must have, if it follows `previous`: each word with its length before it.
fn reckoned(organization: OrganizationId, row: &PgRow, previous: &[u8]) -> Result<[u8; 32], sqlx::Error> {
    let mut sha256 = Sha256::new_with_prefix(previous);
    let mut word = |word: Option<&str>| match word {
        Some(word) => sha256.update(format!("{}:{word}", word.len())),
        None => sha256.update("-"),
    };
    word(Some(&organization.to_string()));
    word(Some(&row.try_get::<i64, _>("seq")?.to_string()));
    let columns = ["at_us", "actor", "database_user", "request", "action", "what", "row_id", "before", "after"];
    for column in columns {
        word(row.try_get::<Option<&str>, _>(column)?);
    }
    Ok(sha256.finalize().into())
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
