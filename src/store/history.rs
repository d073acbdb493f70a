//! Who could call from which number, when, and with which limits.

use super::{StoreError, columns};
use crate::core::ids::{AgentId, AssignmentId, EndpointName, NumberId, OrganizationId};
use crate::core::number::{E164, RegionCode};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// A change of an assignment.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AssignmentChange")]
pub struct Change {
    /// Its place in the history.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// `assigned`, `changed` or `ended`.
    pub event: String,
    /// The assignment.
    pub assignment_id: AssignmentId,
    /// The agent.
    pub agent_id: AgentId,
    /// The agent's phone; none if the agent is gone.
    pub agent: Option<EndpointName>,
    /// The number's id.
    pub number_id: NumberId,
    /// The number; none if it is gone.
    pub number: Option<E164>,
    /// Calls a day from then on.
    pub daily_limit: u32,
    /// Countries that could be called from then on.
    pub allowed_countries: Vec<RegionCode>,
    /// Since when the assignment is in force.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Option<Timestamp>,
    /// Who did it.
    pub by: String,
}

impl FromRow<'_, PgRow> for Change {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            at: columns::time(row, "at")?,
            event: row.try_get("event")?,
            assignment_id: row.try_get("assignment_id")?,
            agent_id: row.try_get("agent_id")?,
            agent: row.try_get("endpoint")?,
            number_id: row.try_get("number_id")?,
            number: row.try_get("e164")?,
            daily_limit: columns::count(row, "daily_limit")?,
            allowed_countries: columns::set(row, "allowed_countries")?,
            starts_at: columns::time(row, "starts_at")?,
            ends_at: columns::maybe_time(row, "ends_at")?,
            by: row.try_get("actor")?,
        })
    }
}

macro_rules! changes {
    ($column:literal) => {
        concat!(
            "SELECT h.*, g.endpoint, n.e164 FROM assignment_history h
             LEFT JOIN agents g ON g.id = h.agent_id LEFT JOIN numbers n ON n.id = h.number_id
             WHERE h.organization_id = $1 AND h.",
            $column,
            " = $2 AND h.id < coalesce($3, 9223372036854775807) ORDER BY h.id DESC LIMIT $4"
        )
    };
}

/// What happened with a number, the latest first, from before `before` on.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn of_number(
    connection: &mut PgConnection,
    organization: OrganizationId,
    number: NumberId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Change>, StoreError> {
    read(connection, changes!("number_id"), organization, number.0, before, limit).await
}

/// What happened with an agent, the latest first, from before `before` on.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn of_agent(
    connection: &mut PgConnection,
    organization: OrganizationId,
    agent: AgentId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Change>, StoreError> {
    read(connection, changes!("agent_id"), organization, agent.0, before, limit).await
}

async fn read(
    connection: &mut PgConnection,
    sql: &'static str,
    organization: OrganizationId,
    whose: uuid::Uuid,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Change>, StoreError> {
    sqlx::query_as(sql)
        .bind(organization.0)
        .bind(whose)
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .map_err(StoreError::reading("assignment_history", ""))
}
