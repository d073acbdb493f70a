//! The numbers that a question names.

use crate::analytics::{NumberLabel, NumberName};
use crate::core::ids::{AgentId, NumberId, OrganizationId};
use crate::store::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

macro_rules! labels {
    ($which:literal) => {
        concat!(
            "SELECT n.id, n.e164, coalesce(n.friendly_name, n.e164) AS label FROM numbers n WHERE n.organization_id = $1 ",
            $which,
            " ORDER BY n.e164"
        )
    };
}

fn read(rows: &[PgRow]) -> Result<Vec<NumberLabel>, StoreError> {
    let label = |row: &PgRow| -> Result<_, sqlx::Error> {
        Ok(NumberLabel { id: row.try_get("id")?, number: row.try_get("e164")?, label: row.try_get("label")? })
    };
    rows.iter().map(label).collect::<Result<_, _>>().map_err(StoreError::reading("numbers", ""))
}

/// What these numbers are called; those that are not the tenant's any more are left out.
pub(super) async fn labels(
    connection: &mut PgConnection,
    organization: OrganizationId,
    numbers: &[NumberId],
) -> Result<Vec<NumberLabel>, StoreError> {
    let ids: Vec<Uuid> = numbers.iter().map(|number| number.0).collect();
    let rows = sqlx::query(labels!("AND n.id = ANY($2)")).bind(organization.0).bind(ids).fetch_all(connection).await?;
    read(&rows)
}

/// The tenant's numbers of these names; of an agent, if one is given, only those that they have. None if there is one that is not
/// among them.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn named(
    connection: &mut PgConnection,
    organization: OrganizationId,
    agent: Option<AgentId>,
    names: &[NumberName],
) -> Result<Option<Vec<NumberLabel>>, StoreError> {
    let (mut ids, mut texts) = (Vec::<Uuid>::new(), Vec::<String>::new());
    for name in names {
        match name {
            NumberName::Id(id) => ids.push(id.0),
            NumberName::E164(e164) => texts.push(e164.to_string()),
            NumberName::Nobodys => return Ok(None),
        }
    }
    let rows = sqlx::query(labels!(
        "AND (n.id = ANY($2) OR n.e164 = ANY($3)) AND ($4::uuid IS NULL OR n.id IN (
            SELECT a.number_id FROM assignments a WHERE a.agent_id = $4 AND (a.ends_at IS NULL OR a.ends_at > now())))"
    ))
    .bind(organization.0)
    .bind(ids)
    .bind(texts)
    .bind(agent.map(|agent| agent.0))
    .fetch_all(connection)
    .await?;
    let found = read(&rows)?;
    let is_there = |name: &NumberName| match name {
        NumberName::Id(id) => found.iter().any(|number| number.id == *id),
        NumberName::E164(e164) => found.iter().any(|number| number.number == *e164),
        NumberName::Nobodys => false,
    };
    Ok(names.iter().all(is_there).then_some(found))
}

/// The tenant's numbers with this value of this key in their metadata; of an agent, if one is given, only those that they have.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn group(
    connection: &mut PgConnection,
    organization: OrganizationId,
    agent: Option<AgentId>,
    (key, value): &(String, String),
) -> Result<Vec<NumberLabel>, StoreError> {
    let rows = sqlx::query(labels!(
        "AND n.metadata ->> $2 = $3 AND ($4::uuid IS NULL OR n.id IN (
            SELECT a.number_id FROM assignments a WHERE a.agent_id = $4 AND (a.ends_at IS NULL OR a.ends_at > now())))"
    ))
    .bind(organization.0)
    .bind(key)
    .bind(value)
    .bind(agent.map(|agent| agent.0))
    .fetch_all(connection)
    .await?;
    read(&rows)
}
