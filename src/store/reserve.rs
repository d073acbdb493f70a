//! The statements that write a decided call, and those that read it back.

use super::StoreError;
use super::admit::{AdmitRequest, Admitted, Decided};
use super::columns::{at, clean, limit};
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

/// All that a reservation needs.
pub(super) struct Reservation<'a> {
    pub request: &'a AdmitRequest,
    pub agent: &'a Agent,
    pub day: jiff_sqlx::Date,
    pub candidate: &'a Candidate,
    pub trunk: TrunkName,
    pub destination: &'a Request,
    pub decided: &'a Decided,
}

/// One statement, in which each part feeds on the one before: no number, no assignment; no assignment, no agent; no agent, no
/// call. A limit that is reached leaves a part without a row. A conditional update looks at the *newest* row once it has its
/// lock, which a `SELECT count(*)` in its place would not.
const RESERVE: &str = "
    WITH number_use AS (
        INSERT INTO number_days AS d (number_id, day, used, last_used_at) VALUES ($5, $8, 1, clock_timestamp())
        ON CONFLICT (number_id, day) DO UPDATE SET used = d.used + 1, last_used_at = excluded.last_used_at
            WHERE d.used < coalesce($9, d.used + 1)
        RETURNING d.last_used_at AS at
    ), assignment_use AS (
        INSERT INTO assignment_days AS d (assignment_id, day, used, last_used_at) SELECT $6, $8, 1, at FROM number_use
        ON CONFLICT (assignment_id, day) DO UPDATE SET used = d.used + 1, last_used_at = excluded.last_used_at
            WHERE d.used < $10
        RETURNING d.last_used_at AS at
    ), agent_use AS (
        INSERT INTO agent_days AS d (agent_id, day, used, last_used_at) SELECT $3, $8, 1, at FROM assignment_use
        ON CONFLICT (agent_id, day) DO UPDATE SET used = d.used + 1, last_used_at = excluded.last_used_at
            WHERE d.used < coalesce($11, d.used + 1)
        RETURNING d.agent_id
    ), call AS (
        INSERT INTO calls (id, organization_id, agent_id, endpoint, number_id, assignment_id, trunk, day, node, region, class,
            quota, facts, origin, agent_channel, requested_at, decided_at)
        SELECT $1, $2, agent_id, $4, $5, $6, $7, $8, $12, $13, $14, 'reserved', 2, $15, $16, $17, $18 FROM agent_use
        RETURNING id
    ), number AS (
        INSERT INTO call_numbers (call_id, dialled, destination, presented) SELECT id, $19, $20, $21 FROM call
    ), fact AS (
        INSERT INTO call_facts (call_id, seq, at, kind, body)
        SELECT id, 0, $17, 'requested', $22 FROM call UNION ALL SELECT id, 1, $18, 'admitted', $23 FROM call
    ), decision AS (
        INSERT INTO call_decisions (call_id, body) SELECT id, $24 FROM call
    )
    SELECT id FROM call";

/// Counts and writes; or neither, if the number, or against all odds the assignment or the agent, is used up. In that case the
/// transaction must be rolled back, because some of the counters may have moved.
pub(super) async fn reserve(
    connection: &mut PgConnection,
    reservation: Reservation<'_>,
) -> Result<Option<Admission>, StoreError> {
    let Reservation { request, agent, day, candidate, trunk, destination, decided } = reservation;
    let (requested, admitted) = (requested(request), Fact::Admitted { at: decided.at, emergency: false });
    let row = sqlx::query(RESERVE)
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
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|_| Admission {
        organization: agent.organization,
        agent: agent.id,
        endpoint: request.endpoint.clone(),
        number: Some(candidate.number),
        present: candidate.e164,
        destination: destination.destination,
        trunk,
        plus: candidate.plus,
    }))
}

/// Runs [`RESERVE`] for a number, an agent and an organization that do not exist, so that it is planned.
pub(super) async fn plan(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let nobody = uuid::Uuid::nil();
    let now = at(Timestamp::UNIX_EPOCH);
    let day = jiff::civil::Date::ZERO.to_sqlx();
    sqlx::query(RESERVE)
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
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 2, $11, $12, $13, $14, $14, $14, 'refused')
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
