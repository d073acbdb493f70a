//! What a decision is made by, read by one statement.

use super::{StoreError, columns};
use crate::core::ids::{AssignmentId, EndpointName};
use crate::policy::{Agent, Candidate, Snapshot};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::HashMap;

pub(super) const SNAPSHOT: &str = "
    WITH agent AS MATERIALIZED (
        SELECT g.id, concat_ws(' ', g.xmin, o.xmin) AS version, g.organization_id, o.country, g.active AND o.active AS active, g.daily_limit,
            cordboard_local_day(o.time_zone) AS day
        FROM agents g JOIN organizations o ON o.id = g.organization_id
        WHERE g.endpoint = $1
    )
    SELECT agent.id AS agent_id, agent.organization_id, agent.country, agent.active, agent.daily_limit AS agent_limit, agent.day,
        coalesce(gd.used, 0) AS agent_used, gd.last_used_at AS agent_last_used_at,
        c.*
    FROM agent
    LEFT JOIN agent_days gd ON gd.agent_id = agent.id AND gd.day = agent.day
    LEFT JOIN LATERAL (
        SELECT a.id AS assignment_id, concat_ws(' ', agent.version, a.xmin, n.xmin) AS version, a.number_id, n.e164, n.state, t.name AS trunk, coalesce(t.plus, true) AS plus,
            coalesce(ad.used, 0) AS used, a.daily_limit, coalesce(nd.used, 0) AS number_used,
            n.daily_limit AS number_limit, a.allowed_countries, a.allowed_classes,
            coalesce(nd.last_used_at, (
                SELECT x.last_used_at FROM number_days x WHERE x.number_id = n.id ORDER BY x.day DESC LIMIT 1
            )) AS last_used_at
        FROM assignments a
        JOIN numbers n ON n.id = a.number_id AND n.organization_id = a.organization_id
        LEFT JOIN trunks t ON t.id = n.trunk_id AND t.active
        LEFT JOIN number_days nd ON nd.number_id = n.id AND nd.day = agent.day
        LEFT JOIN assignment_days ad ON ad.assignment_id = a.id AND ad.day = agent.day
        WHERE a.agent_id = agent.id AND a.starts_at <= clock_timestamp()
            AND (a.ends_at IS NULL OR a.ends_at > clock_timestamp())
    ) c ON true";

/// What is true now, and by what to know later whether it still is.
pub(super) struct Read {
    /// The day where the agent is.
    pub day: jiff_sqlx::Date,
    /// What the rules look at.
    pub snapshot: Snapshot,
    /// The time of the agent's last admission today.
    pub agent_last_used_at: Option<jiff_sqlx::Timestamp>,
    /// The versions of the rows behind each candidate.
    pub versions: HashMap<AssignmentId, String>,
}

/// Reads all that a decision needs; none if the phone belongs to no agent.
pub(super) async fn read(connection: &mut PgConnection, endpoint: &EndpointName) -> Result<Option<Read>, StoreError> {
    let rows = sqlx::query(SNAPSHOT).bind(endpoint.as_ref()).fetch_all(connection).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let read = || -> Result<_, sqlx::Error> {
        let agent = Agent {
            id: first.try_get("agent_id")?,
            organization: first.try_get("organization_id")?,
            endpoint: endpoint.clone(),
            country: first.try_get("country")?,
            active: first.try_get("active")?,
            used_today: columns::count(first, "agent_used")?,
            daily_limit: columns::maybe_count(first, "agent_limit")?,
        };
        let (mut candidates, mut versions) = (Vec::with_capacity(rows.len()), HashMap::with_capacity(rows.len()));
        for row in &rows {
            if let Some(candidate) = candidate(row)? {
                versions.insert(candidate.assignment, row.try_get("version")?);
                candidates.push(candidate);
            }
        }
        let snapshot = Snapshot { agent, candidates };
        let agent_last_used_at = first.try_get("agent_last_used_at")?;
        Ok(Read { day: first.try_get("day")?, snapshot, agent_last_used_at, versions })
    };
    read().map(Some).map_err(StoreError::reading("assignments", endpoint))
}

/// The candidate of one row; none in the only row of an agent without numbers.
fn candidate(row: &PgRow) -> Result<Option<Candidate>, sqlx::Error> {
    let Some(assignment) = row.try_get("assignment_id")? else { return Ok(None) };
    Ok(Some(Candidate {
        assignment,
        number: row.try_get("number_id")?,
        e164: row.try_get("e164")?,
        state: row.try_get("state")?,
        trunk: row.try_get("trunk")?,
        plus: row.try_get("plus")?,
        used_today: columns::count(row, "used")?,
        daily_limit: columns::count(row, "daily_limit")?,
        number_used_today: columns::count(row, "number_used")?,
        number_daily_limit: columns::maybe_count(row, "number_limit")?,
        last_used_at: columns::maybe_time(row, "last_used_at")?,
        countries: columns::set(row, "allowed_countries")?,
        classes: columns::set(row, "allowed_classes")?,
    }))
}
