//! The statements that write a decided call, and those that read it back.

use super::StoreError;
use super::admit::{AdmitRequest, Admitted, Decided};
use super::columns::{at, clean, limit};
use super::leases::Fence;
use super::snapshot::SAME_INPUTS;
use crate::core::fact::Fact;
use crate::core::ids::{CallId, TrunkName};
use crate::core::input::Admission;
use crate::core::outcome::RefusalReason;
use crate::policy::{Agent, Candidate, Decision, Request};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};
use std::sync::LazyLock;

/// All that a reservation needs.
pub(super) struct Reservation<'a> {
    pub request: &'a AdmitRequest,
    pub agent: &'a Agent,
    pub day: jiff_sqlx::Date,
    /// When the agent's last call of the day was admitted, as far as the decision knew.
    pub agent_last_used_at: Option<jiff_sqlx::Timestamp>,
    /// The versions of the rows that were decided by.
    pub version: &'a str,
    /// All that was decided by, if it was not read just now.
    pub inputs: Option<Vec<String>>,
    pub candidate: &'a Candidate,
    pub trunk: TrunkName,
    pub destination: &'a Request,
    pub decided: &'a Decided,
}

impl Reservation<'_> {
    /// What is admitted if the reservation stands.
    pub fn admission(&self) -> Admission {
        Admission {
            organization: self.agent.organization,
            agent: self.agent.id,
            endpoint: self.request.endpoint.clone(),
            number: Some(self.candidate.number),
            present: self.candidate.e164,
            destination: self.destination.destination,
            trunk: self.trunk.clone(),
            plus: self.candidate.plus,
        }
    }
}

/// One statement, in which each part feeds on the one before: no agent, no assignment; no assignment, no number; no number, no
/// call. A limit that is reached leaves a part without a row. A conditional update looks at the *newest* row once it has its
/// lock, which a `SELECT count(*)` in its place would not.
///
/// The agent's row is locked, so the calls of one agent come one after the other; and its day must be as it was when the
/// decision was made, or another call of this agent came in between and the decision is out of date. Likewise what was decided
/// by: agent, organization, assignment and number are those that were read (their `xmin`), and it is still the same day. If it
/// was decided by what an earlier call left behind, then all that the numbers were ranked by must be as it was ($27).
static RESERVE: LazyLock<String> = LazyLock::new(|| RESERVE_IF_SAME.replace("{inputs}", SAME_INPUTS));

const RESERVE_IF_SAME: &str = "
    WITH same AS MATERIALIZED (
        SELECT g.id, o.time_zone FROM agents g
        JOIN organizations o ON o.id = g.organization_id
        JOIN assignments a ON a.id = $6
        JOIN numbers n ON n.id = a.number_id
        WHERE g.id = $3 AND concat_ws(' ', g.xmin, o.xmin, a.xmin, n.xmin) = $25
            AND ($27::text[] IS NULL OR ARRAY({inputs}) = $27)
            AND (SELECT cordboard_hold_lease($28, $29))
        FOR NO KEY UPDATE OF g
    ), agent_use AS (
        INSERT INTO agent_days AS d (agent_id, day, used, last_used_at) SELECT id, $8, 1, clock_timestamp() FROM same
            WHERE cordboard_local_day(time_zone) = $8
        ON CONFLICT (agent_id, day) DO UPDATE SET used = d.used + 1, last_used_at = excluded.last_used_at
            WHERE d.used < coalesce($11, d.used + 1) AND d.last_used_at IS NOT DISTINCT FROM $26
        RETURNING d.agent_id, d.last_used_at AS at
    ), assignment_use AS (
        INSERT INTO assignment_days AS d (assignment_id, day, used, last_used_at) SELECT $6, $8, 1, at FROM agent_use
        ON CONFLICT (assignment_id, day) DO UPDATE SET used = d.used + 1, last_used_at = excluded.last_used_at
            WHERE d.used < $10
        RETURNING d.last_used_at AS at
    ), number_use AS (
        INSERT INTO number_days AS d (number_id, day, used, last_used_at) SELECT $5, $8, 1, at FROM assignment_use
        ON CONFLICT (number_id, day) DO UPDATE SET used = d.used + 1, last_used_at = excluded.last_used_at
            WHERE d.used < coalesce($9, d.used + 1)
        RETURNING d.number_id
    ), call AS (
        INSERT INTO calls (id, organization_id, agent_id, endpoint, number_id, assignment_id, trunk, day, node, region, class,
            quota, facts, origin, agent_channel, requested_at, decided_at)
        SELECT $1, $2, $3, $4, number_id, $6, $7, $8, $12, $13, $14, 'reserved', 2, $15, $16, $17, $18 FROM number_use
        RETURNING id
    ), number AS (
        INSERT INTO call_numbers (call_id, dialled, destination, presented) SELECT id, $19, $20, $21 FROM call
    ), fact AS (
        INSERT INTO call_facts (call_id, seq, at, kind, body)
        SELECT id, 0, $17, 'requested', $22 FROM call UNION ALL SELECT id, 1, $18, 'admitted', $23 FROM call
    ), decision AS (
        INSERT INTO call_decisions (call_id, body) SELECT id, $24 FROM call
    )
    SELECT call.id, agent_use.at FROM call, agent_use
    UNION ALL SELECT cordboard_lost_race(), NULL WHERE NOT EXISTS (SELECT FROM call)";

/// What `cordboard_lost_race` raises.
const LOST_RACE: &str = "CB001";

/// Counts and writes, and says when; or neither, and none, if another call was faster. In that case a transaction around it is
/// aborted.
pub(super) async fn reserve(
    connection: &mut PgConnection,
    reservation: &Reservation<'_>,
    fence: Option<&Fence>,
) -> Result<Option<jiff_sqlx::Timestamp>, StoreError> {
    let Reservation {
        request,
        agent,
        day,
        agent_last_used_at,
        version,
        inputs,
        candidate,
        trunk,
        destination,
        decided,
    } = reservation;
    let (requested, admitted) = (requested(request), Fact::Admitted { at: decided.at, emergency: false });
    let row = sqlx::query(RESERVE.as_str())
        .bind(request.call.0)
        .bind(agent.organization.0)
        .bind(agent.id.0)
        .bind(request.endpoint.as_ref())
        .bind(candidate.number.0)
        .bind(candidate.assignment.0)
        .bind(trunk.as_ref())
        .bind(day)
        .bind(candidate.number_daily_limit.map(limit))
        .bind(limit(candidate.daily_limit))
        .bind(agent.daily_limit.map(limit))
        .bind(request.node.as_ref())
        .bind(destination.region.to_string())
        .bind(destination.class.to_string())
        .bind(request.origin.as_str())
        .bind(request.agent_channel.as_ref().map(AsRef::as_ref))
        .bind(at(request.requested_at))
        .bind(at(decided.at))
        .bind(clean(&request.dialled_raw))
        .bind(destination.destination.to_string())
        .bind(candidate.e164.to_string())
        .bind(Json(&requested))
        .bind(Json(&admitted))
        .bind(Json(&decided.decision))
        .bind(version)
        .bind(agent_last_used_at)
        .bind(inputs)
        .bind(Fence::node(fence))
        .bind(Fence::epoch(fence))
        .fetch_one(connection)
        .await;
    match row {
        Ok(row) => row.try_get("at").map(Some).map_err(StoreError::reading("agent_days", request.call)),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(LOST_RACE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Runs [`RESERVE`] for a number, an agent and an organization that do not exist, so that it is planned.
pub(super) async fn plan(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let nobody = uuid::Uuid::nil();
    let now = at(Timestamp::UNIX_EPOCH);
    let day = jiff::civil::Date::ZERO.to_sqlx();
    sqlx::query(RESERVE.as_str())
        .bind(nobody)
        .bind(nobody)
        .bind(nobody)
        .bind("")
        .bind(nobody)
        .bind(nobody)
        .bind("")
        .bind(day)
        .bind(None::<i32>)
        .bind(1_i32)
        .bind(None::<i32>)
        .bind("")
        .bind("")
        .bind("")
        .bind("")
        .bind(None::<&str>)
        .bind(now)
        .bind(now)
        .bind("")
        .bind("")
        .bind("")
        .bind(Json(()))
        .bind(Json(()))
        .bind(Json(()))
        .bind("")
        .bind(None::<jiff_sqlx::Timestamp>)
        .bind(None::<Vec<String>>)
        .bind(None::<&str>)
        .bind(None::<i64>)
        .execute(connection)
        .await
        .map(drop)
}

fn requested(request: &AdmitRequest) -> Fact {
    let (at, origin, agent_channel) = (request.requested_at, request.origin, request.agent_channel.clone());
    Fact::Requested { at, origin, agent_channel }
}

/// Why a call may not be made.
pub(super) struct Refusal<'a> {
    pub reason: RefusalReason,
    pub sentence: &'a str,
    pub at: Timestamp,
}

/// Whose call is refused.
pub(super) struct Refused<'a> {
    pub agent: &'a Agent,
    pub day: jiff_sqlx::Date,
    pub destination: Option<&'a Request>,
}

const REFUSE: &str = "
    WITH call AS (
        INSERT INTO calls (id, organization_id, agent_id, endpoint, day, node, region, class, refusal, refusal_sentence, facts,
            origin, agent_channel, requested_at, decided_at, ended_at, settled_at, disposition)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 2, $11, $12, $13, $14, $14, $14, 'refused'
        WHERE cordboard_hold_lease($20, $21)
        RETURNING id
    ), number AS (
        INSERT INTO call_numbers (call_id, dialled, destination) SELECT id, $15, $16 FROM call
    ), fact AS (
        INSERT INTO call_facts (call_id, seq, at, kind, body)
        SELECT id, 0, $13, 'requested', $17 FROM call UNION ALL SELECT id, 1, $14, 'refused', $18 FROM call
    ), decision AS (
        INSERT INTO call_decisions (call_id, body) SELECT id, $19 FROM call WHERE $19 IS NOT NULL
    )
    SELECT id FROM call";

/// Writes a refused call.
pub(super) async fn refuse(
    connection: &mut PgConnection,
    request: &AdmitRequest,
    who: Option<&Refused<'_>>,
    refusal: &Refusal<'_>,
    decision: Option<&Decision>,
    fence: Option<&Fence>,
) -> Result<(), StoreError> {
    let destination = who.and_then(|who| who.destination);
    let refused = Fact::Refused { at: refusal.at, reason: refusal.reason };
    sqlx::query(REFUSE)
        .bind(request.call.0)
        .bind(who.map(|who| who.agent.organization.0))
        .bind(who.map(|who| who.agent.id.0))
        .bind(request.endpoint.as_ref())
        .bind(who.map(|who| who.day))
        .bind(request.node.as_ref())
        .bind(destination.map(|d| d.region.to_string()))
        .bind(destination.map(|d| d.class.to_string()))
        .bind(refusal.reason.as_str())
        .bind(refusal.sentence)
        .bind(request.origin.as_str())
        .bind(request.agent_channel.as_ref().map(AsRef::as_ref))
        .bind(at(request.requested_at))
        .bind(at(refusal.at))
        .bind(clean(&request.dialled_raw))
        .bind(destination.map(|d| d.destination.to_string()))
        .bind(Json(&requested(request)))
        .bind(Json(&refused))
        .bind(decision.map(Json))
        .bind(Fence::node(fence))
        .bind(Fence::epoch(fence))
        .execute(connection)
        .await?;
    Ok(())
}

/// What was decided for a call; none if there is no such call.
pub(super) async fn outcome(connection: &mut PgConnection, call: CallId) -> Result<Option<Admitted>, StoreError> {
    let row = sqlx::query(
        "SELECT c.*, n.presented, n.destination, coalesce(t.plus, true) AS plus
         FROM calls c LEFT JOIN call_numbers n ON n.call_id = c.id LEFT JOIN trunks t ON t.name = c.trunk
         WHERE c.id = $1",
    )
    .bind(call.0)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let read = || -> Result<_, sqlx::Error> {
        if let Some(reason) = row.try_get::<Option<RefusalReason>, _>("refusal")? {
            let sentence: Option<String> = row.try_get("refusal_sentence")?;
            let sentence = sentence.unwrap_or_else(|| reason.sentence().to_owned());
            return Ok(Some(Admitted::Refused { reason, sentence }));
        }
        Ok(admission(&row)?.map(Admitted::Admitted))
    };
    read().map_err(StoreError::reading("calls", call))
}

/// What was admitted, from a row of `calls` joined with its numbers and the trunk's `plus`. None if no number was chosen, or
/// if the numbers were erased.
pub(super) fn admission(row: &PgRow) -> Result<Option<Admission>, sqlx::Error> {
    let number: Option<_> = row.try_get("number_id")?;
    let (present, destination) = (row.try_get("presented")?, row.try_get("destination")?);
    let (organization, agent, endpoint, trunk) =
        (row.try_get("organization_id")?, row.try_get("agent_id")?, row.try_get("endpoint")?, row.try_get("trunk")?);
    let (Some(organization), Some(agent), Some(endpoint), Some(trunk), Some(present), Some(destination)) =
        (organization, agent, endpoint, trunk, present, destination)
    else {
        return Ok(None);
    };
    Ok(Some(Admission {
        organization,
        agent,
        endpoint,
        number,
        present,
        destination,
        trunk,
        plus: row.try_get("plus")?,
    }))
}
