//! Which agent may call from which number.

use super::{StoreError, columns};
use crate::core::ids::{AgentId, AssignmentId, EndpointName, NumberId, OrganizationId};
use crate::core::number::{E164, NumberClass, RegionCode};
use crate::policy::NumberState;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// An assignment to be, or what is to be changed of one that is open.
#[derive(Clone, Debug)]
pub struct NewAssignment {
    /// Who.
    pub agent: AgentId,
    /// From which number. If it is in the inventory, it becomes the organization's.
    pub number: NumberId,
    /// Calls a day, 1 to 1000; none: 100, or as it is.
    pub daily_limit: Option<u32>,
    /// Countries that may be called; none: US and CA, or as it is.
    pub allowed_countries: Option<Vec<RegionCode>>,
    /// Dear kinds of numbers that may be called; none: no such, or as it is.
    pub allowed_classes: Option<Vec<NumberClass>>,
}

/// An assignment with today's use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssignmentUsage {
    /// The id.
    pub assignment_id: AssignmentId,
    /// The tenant's id.
    pub organization_id: OrganizationId,
    /// The tenant's short name.
    pub organization: String,
    /// The agent's id.
    pub agent_id: AgentId,
    /// The agent's name.
    pub agent: String,
    /// The agent's phone.
    pub endpoint: EndpointName,
    /// The number's id.
    pub number_id: NumberId,
    /// The number.
    pub number: E164,
    /// Calls of this agent from this number today.
    pub calls_made_today: u32,
    /// Calls allowed a day.
    pub daily_limit: u32,
    /// Calls left today.
    pub remaining: u32,
    /// Countries that may be called.
    pub allowed_countries: Vec<RegionCode>,
    /// Dear kinds of numbers that may be called.
    pub allowed_classes: Vec<NumberClass>,
    /// Organization and agent are on, the number is in use, and the assignment has begun.
    pub active: bool,
    /// The number's state.
    pub number_state: NumberState,
    /// Calls from this number today by anybody.
    pub number_calls_today: u32,
    /// The number's own limit.
    pub number_daily_limit: Option<u32>,
    /// What day it is for the organization.
    pub local_day: jiff::civil::Date,
    /// When the agent last called from it today.
    pub last_used_at: Option<Timestamp>,
    /// Since when.
    pub starts_at: Timestamp,
    /// Until when, if that is known.
    pub ends_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for AssignmentUsage {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            assignment_id: row.try_get("assignment_id")?,
            organization_id: row.try_get("organization_id")?,
            organization: row.try_get("organization")?,
            agent_id: row.try_get("agent_id")?,
            agent: row.try_get("agent")?,
            endpoint: row.try_get("endpoint")?,
            number_id: row.try_get("number_id")?,
            number: row.try_get("number")?,
            calls_made_today: columns::count(row, "calls_made_today")?,
            daily_limit: columns::count(row, "daily_limit")?,
            remaining: columns::count(row, "remaining")?,
            allowed_countries: columns::set(row, "allowed_countries")?,
            allowed_classes: columns::set(row, "allowed_classes")?,
            active: row.try_get("active")?,
            number_state: row.try_get("number_state")?,
            number_calls_today: columns::count(row, "number_calls_today")?,
            number_daily_limit: columns::maybe_count(row, "number_daily_limit")?,
            local_day: row.try_get::<jiff_sqlx::Date, _>("local_day")?.to_jiff(),
            last_used_at: columns::maybe_time(row, "last_used_at")?,
            starts_at: columns::time(row, "starts_at")?,
            ends_at: columns::maybe_time(row, "ends_at")?,
        })
    }
}

/// Which assignments to list; all fields together, none of them for all.
#[derive(Clone, Debug, Default)]
pub struct AssignmentFilter {
    /// Of this tenant.
    pub organization: Option<OrganizationId>,
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Of this number.
    pub number: Option<NumberId>,
    /// This one.
    pub assignment: Option<AssignmentId>,
}

/// Lets an agent call from a number. If the agent has it already, its limits are changed instead, and what was used
/// today stays used.
///
/// # Errors
///
/// If agent and number are not of one organization, a limit is out of range, or the database cannot be asked.
pub async fn assign(connection: &mut PgConnection, new: &NewAssignment) -> Result<AssignmentUsage, StoreError> {
    let countries: Option<Vec<String>> =
        new.allowed_countries.as_ref().map(|c| c.iter().map(ToString::to_string).collect());
    let classes: Option<Vec<String>> =
        new.allowed_classes.as_ref().map(|c| c.iter().map(ToString::to_string).collect());
    // the agent first, as everywhere
    let organization: Option<OrganizationId> =
        sqlx::query_scalar("SELECT organization_id FROM agents WHERE id = $1 FOR NO KEY UPDATE")
            .bind(new.agent.0)
            .fetch_optional(&mut *connection)
            .await?;
    let organization =
        organization.ok_or_else(|| StoreError::NotFound { what: "agent", key: new.agent.to_string() })?;
    sqlx::query("UPDATE numbers SET organization_id = $2, state = 'assigned' WHERE id = $1 AND state = 'available'")
        .bind(new.number.0)
        .bind(organization.0)
        .execute(&mut *connection)
        .await?;
    let assignment: AssignmentId = sqlx::query_scalar(
        "INSERT INTO assignments AS a (agent_id, number_id, organization_id, daily_limit, allowed_countries, allowed_classes)
         VALUES ($1, $2, $3, coalesce($4, 100), coalesce($5, '{US,CA}'), coalesce($6, '{}'))
         ON CONFLICT (agent_id, number_id) WHERE ends_at IS NULL DO UPDATE SET
            daily_limit = coalesce($4, a.daily_limit),
            allowed_countries = coalesce($5, a.allowed_countries),
            allowed_classes = coalesce($6, a.allowed_classes)
         RETURNING id",
    )
    .bind(new.agent.0)
    .bind(new.number.0)
    .bind(organization.0)
    .bind(new.daily_limit.map(columns::limit))
    .bind(countries)
    .bind(classes)
    .fetch_one(&mut *connection)
    .await?;
    one(connection, assignment).await
}

/// Ends an assignment now. It is kept, with what was used.
///
/// # Errors
///
/// If there is none that is open, or the database cannot be asked.
pub async fn unassign(connection: &mut PgConnection, assignment: AssignmentId) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE assignments SET ends_at = greatest(clock_timestamp(), starts_at)
         WHERE id = $1 AND (ends_at IS NULL OR ends_at > clock_timestamp())",
    )
    .bind(assignment.0)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::NotFound { what: "open assignment", key: assignment.to_string() });
    }
    Ok(())
}

/// One assignment that has not ended, with today's use.
///
/// # Errors
///
/// If there is none, or the database cannot be asked.
pub async fn one(connection: &mut PgConnection, assignment: AssignmentId) -> Result<AssignmentUsage, StoreError> {
    let filter = AssignmentFilter { assignment: Some(assignment), ..AssignmentFilter::default() };
    let found = list(connection, &filter).await?.pop();
    found.ok_or_else(|| StoreError::NotFound { what: "open assignment", key: assignment.to_string() })
}

/// The assignments that have not ended, with today's use.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn list(
    connection: &mut PgConnection,
    filter: &AssignmentFilter,
) -> Result<Vec<AssignmentUsage>, StoreError> {
    macro_rules! usage {
        ($by:literal) => {
            concat!(
                "SELECT * FROM assignment_usage
                 WHERE ($1 IS NULL OR organization_id = $1) AND ($2 IS NULL OR agent_id = $2)
                    AND ($3 IS NULL OR number_id = $3) AND ($4 IS NULL OR assignment_id = $4) ",
                $by,
                " ORDER BY endpoint, number"
            )
        };
    }
    // One plan serves for all values: it must be told what is certainly given, or it reads everything.
    let sql = match filter {
        AssignmentFilter { assignment: Some(_), .. } => usage!("AND assignment_id = $4"),
        AssignmentFilter { agent: Some(_), .. } => usage!("AND agent_id = $2"),
        AssignmentFilter { number: Some(_), .. } => usage!("AND number_id = $3"),
        AssignmentFilter { organization: Some(_), .. } => usage!("AND organization_id = $1"),
        AssignmentFilter { .. } => usage!(""),
    };
    sqlx::query_as(sql)
        .bind(filter.organization.map(|o| o.0))
        .bind(filter.agent.map(|a| a.0))
        .bind(filter.number.map(|n| n.0))
        .bind(filter.assignment.map(|a| a.0))
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::reading("assignments", ""))
}

/// Who may call from these numbers, with today's use.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn of_numbers(
    connection: &mut PgConnection,
    numbers: &[NumberId],
) -> Result<Vec<AssignmentUsage>, StoreError> {
    sqlx::query_as("SELECT * FROM assignment_usage WHERE number_id = ANY($1) ORDER BY endpoint, number")
        .bind(numbers.iter().map(|number| number.0).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(StoreError::reading("assignments", ""))
}

/// Locks the agents who have these numbers, in the order of their ids: before the numbers, as everywhere.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn lock_agents_of(connection: &mut PgConnection, numbers: &[NumberId]) -> Result<(), StoreError> {
    sqlx::query(
        "SELECT FROM agents WHERE id IN (SELECT agent_id FROM assignments WHERE number_id = ANY($1) AND ends_at IS NULL)
         ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(numbers.iter().map(|number| number.0).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks these agents, in the order of their ids.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn lock_agents(connection: &mut PgConnection, agents: &[AgentId]) -> Result<(), StoreError> {
    sqlx::query("SELECT FROM agents WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(agents.iter().map(|agent| agent.0).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends what is open of a number. The agents are locked first, in the order of their ids.
pub(super) async fn end_all_of(connection: &mut PgConnection, number: NumberId) -> Result<(), StoreError> {
    lock_agents_of(connection, &[number]).await?;
    sqlx::query(
        "UPDATE assignments SET ends_at = greatest(clock_timestamp(), starts_at)
         WHERE number_id = $1 AND (ends_at IS NULL OR ends_at > clock_timestamp())",
    )
    .bind(number.0)
    .execute(connection)
    .await?;
    Ok(())
}
