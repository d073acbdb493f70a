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
    SELECT agent.id AS agent_id, agent.version AS agent_version, agent.organization_id, agent.country, agent.active, agent.daily_limit AS agent_limit, agent.day,
        coalesce(gd.used, 0) AS agent_used, gd.last_used_at AS agent_last_used_at,
        c.*
    FROM agent
    LEFT JOIN agent_days gd ON gd.agent_id = agent.id AND gd.day = agent.day
    LEFT JOIN LATERAL (
        SELECT a.id AS assignment_id, concat_ws(' ', a.xmin, n.xmin) AS version, t.xmin::text AS trunk_version, a.number_id, n.e164, n.state, t.name AS trunk, coalesce(t.plus, true) AS plus,
            coalesce(ad.used, 0) AS used, a.daily_limit, coalesce(nd.used, 0) AS number_used,
            n.daily_limit AS number_limit, a.allowed_countries, a.allowed_classes,
            coalesce(nd.last_used_at, (
                SELECT x.last_used_at FROM number_days x WHERE x.number_id = n.id ORDER BY x.day DESC LIMIT 1
            )) AS last_used_at
        FROM assignments a
        JOIN numbers n ON n.id = a.number_id
        LEFT JOIN trunks t ON t.id = n.trunk_id AND t.active
        LEFT JOIN number_days nd ON nd.number_id = n.id AND nd.day = agent.day
        LEFT JOIN assignment_days ad ON ad.assignment_id = a.id AND ad.day = agent.day
        WHERE a.agent_id = agent.id AND a.starts_at <= clock_timestamp()
            AND (a.ends_at IS NULL OR a.ends_at > clock_timestamp())
    ) c ON true";

/// What is true now, and by what to know later whether it still is.
#[derive(Debug)]
pub(super) struct Read {
    /// The day where the agent is.
    pub day: jiff_sqlx::Date,
    /// What the rules look at.
    pub snapshot: Snapshot,
    /// The time of the agent's last admission today.
    pub agent_last_used_at: Option<jiff_sqlx::Timestamp>,
    /// The versions of the agent's and the organization's row.
    pub agent_version: String,
    /// The versions of the rows behind each candidate.
    pub versions: HashMap<AssignmentId, Version>,
}

/// The versions of the rows behind a candidate.
#[derive(Debug)]
pub(super) struct Version {
    /// Of the assignment's and the number's.
    pub rows: String,
    /// Of the trunk's; none if there is no trunk that can be used.
    pub trunk: Option<String>,
}

impl Read {
    /// The versions of the rows that stand behind one candidate.
    pub fn version(&self, assignment: AssignmentId) -> String {
        let rows = self.versions.get(&assignment).map(|version| version.rows.as_str()).unwrap_or_default();
        format!("{} {rows}", self.agent_version)
    }

    /// All that the candidates were ranked by, as [`SAME_INPUTS`] tells it.
    pub fn inputs(&self) -> Vec<String> {
        let mut candidates: Vec<_> = self.snapshot.candidates.iter().collect();
        candidates.sort_unstable_by_key(|candidate| candidate.assignment);
        let input = |candidate: &&Candidate| {
            let version = self.versions.get(&candidate.assignment);
            let (rows, trunk) = version.map(|v| (v.rows.as_str(), v.trunk.as_deref())).unwrap_or_default();
            let (used, by_all) = (candidate.used_today, candidate.number_used_today);
            trunk.map_or_else(|| format!("{rows} {used} {by_all}"), |trunk| format!("{rows} {trunk} {used} {by_all}"))
        };
        candidates.iter().map(input).collect()
    }

    /// One more call was admitted: what another read would find now, had nobody else changed anything.
    pub fn count(&mut self, assignment: AssignmentId, at: jiff_sqlx::Timestamp) {
        self.snapshot.agent.used_today += 1;
        self.agent_last_used_at = Some(at);
        for candidate in self.snapshot.candidates.iter_mut().filter(|candidate| candidate.assignment == assignment) {
            candidate.used_today += 1;
            candidate.number_used_today += 1;
            candidate.last_used_at = Some(at.to_jiff());
        }
    }
}

/// What an agent's candidates are ranked by: the versions of their rows, and the counters. `$3` is the agent, `$8` the day.
pub(super) const SAME_INPUTS: &str = "
    SELECT concat_ws(' ', a.xmin, n.xmin, t.xmin, coalesce(ad.used, 0), coalesce(nd.used, 0))
    FROM assignments a
    JOIN numbers n ON n.id = a.number_id
    LEFT JOIN trunks t ON t.id = n.trunk_id AND t.active
    LEFT JOIN number_days nd ON nd.number_id = n.id AND nd.day = $8
    LEFT JOIN assignment_days ad ON ad.assignment_id = a.id AND ad.day = $8
    WHERE a.agent_id = $3 AND a.starts_at <= clock_timestamp() AND (a.ends_at IS NULL OR a.ends_at > clock_timestamp())
    ORDER BY a.id";

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
                let version = Version { rows: row.try_get("version")?, trunk: row.try_get("trunk_version")? };
                versions.insert(candidate.assignment, version);
                candidates.push(candidate);
            }
        }
        let snapshot = Snapshot { agent, candidates, campaign: None };
        let agent_last_used_at = first.try_get("agent_last_used_at")?;
        let agent_version = first.try_get("agent_version")?;
        Ok(Read { day: first.try_get("day")?, snapshot, agent_last_used_at, agent_version, versions })
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
