//! Reading calls: those left open for recovery, one with its facts, and lists.

mod pages;

pub use super::writes::{CallWrite, EnterRequest};
pub use pages::{CallFilter, list};

use super::columns::{maybe_code, maybe_time};
use super::{Store, StoreError, reserve};
use crate::core::fact::{Fact, Leg, Origin, Party};
use crate::core::ids::{
    AgentId, AssignmentId, CallId, CampaignId, ChannelId, EndpointName, NodeName, NumberId, OrganizationId,
};
use crate::core::input::Admission;
use crate::core::number::{E164, NumberClass, RegionCode};
use crate::core::outcome::{Disposition, RefusalReason};
use crate::core::record::{Quota, Record};
use crate::policy::Decision;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A call that has not come to its end, as far as the database knows.
#[derive(Clone, Debug)]
pub struct OpenCall {
    /// Which call.
    pub call: CallId,
    /// All that happened, in order.
    pub facts: Vec<Fact>,
    /// The fold of that.
    pub record: Record,
    /// What was admitted; none for an emergency call.
    pub admission: Option<Admission>,
}

/// A call as people read it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallRow {
    /// Its id.
    pub id: CallId,
    /// The tenant's id.
    pub organization_id: Option<OrganizationId>,
    /// The tenant's name.
    pub organization: Option<String>,
    /// The agent's id.
    pub agent_id: Option<AgentId>,
    /// The agent's name.
    pub agent: Option<String>,
    /// The phone.
    pub endpoint: Option<EndpointName>,
    /// On which Asterisk.
    pub node: String,
    /// The number it was made from.
    pub number_id: Option<NumberId>,
    /// By which assignment.
    pub assignment_id: Option<AssignmentId>,
    /// For which campaign.
    pub campaign_id: Option<CampaignId>,
    /// The campaign's name.
    pub campaign: Option<String>,
    /// By which trunk.
    pub trunk: Option<String>,
    /// What was dialled; none if it was erased.
    pub dialled: Option<String>,
    /// Whom it went to; none if it was erased or is not a number.
    pub destination: Option<E164>,
    /// What the called party saw as caller.
    pub presented: Option<E164>,
    /// The country called.
    pub region: Option<RegionCode>,
    /// The kind of number called.
    pub class: Option<NumberClass>,
    /// The day on which it is counted.
    pub day: Option<jiff::civil::Date>,
    /// What became of its quota.
    pub quota: Quota,
    /// By which door it was asked for.
    pub origin: Option<Origin>,
    /// An emergency call.
    pub emergency: bool,
    /// When the agent asked.
    pub requested_at: Option<Timestamp>,
    /// When the rules had their say.
    pub decided_at: Option<Timestamp>,
    /// When the INVITE left for the carrier.
    pub invite_sent_at: Option<Timestamp>,
    /// When the customer's phone began to ring.
    pub ringing_at: Option<Timestamp>,
    /// When the customer picked up.
    pub answered_at: Option<Timestamp>,
    /// When the first leg ended, or the call was refused.
    pub ended_at: Option<Timestamp>,
    /// When nothing of it was left in Asterisk.
    pub settled_at: Option<Timestamp>,
    /// Which leg ended first.
    pub first_end: Option<Leg>,
    /// Who wanted it to end.
    pub hung_up_by: Option<Party>,
    /// Q.850 cause.
    pub cause: Option<u16>,
    /// SIP status behind it.
    pub sip_code: Option<u16>,
    /// Why it was refused.
    pub refusal: Option<RefusalReason>,
    /// What the agent was told.
    pub refusal_sentence: Option<String>,
    /// How it ended.
    pub disposition: Option<Disposition>,
    /// How long the customer's phone rang.
    pub ring_ms: Option<i64>,
    /// How long the two talked.
    pub talk_ms: Option<i64>,
    /// Times are a best guess.
    pub estimated: bool,
}

impl FromRow<'_, PgRow> for CallRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            organization_id: row.try_get("organization_id")?,
            organization: row.try_get("organization")?,
            agent_id: row.try_get("agent_id")?,
            agent: row.try_get("agent")?,
            endpoint: row.try_get("endpoint")?,
            node: row.try_get("node")?,
            number_id: row.try_get("number_id")?,
            assignment_id: row.try_get("assignment_id")?,
            campaign_id: row.try_get("campaign_id")?,
            campaign: row.try_get("campaign")?,
            trunk: row.try_get("trunk")?,
            dialled: row.try_get("dialled")?,
            destination: row.try_get("destination")?,
            presented: row.try_get("presented")?,
            region: row.try_get("region")?,
            class: row.try_get("class")?,
            day: row.try_get::<Option<jiff_sqlx::Date>, _>("day")?.map(jiff_sqlx::Date::to_jiff),
            quota: row.try_get("quota")?,
            origin: row.try_get("origin")?,
            emergency: row.try_get("emergency")?,
            requested_at: maybe_time(row, "requested_at")?,
            decided_at: maybe_time(row, "decided_at")?,
            invite_sent_at: maybe_time(row, "invite_sent_at")?,
            ringing_at: maybe_time(row, "ringing_at")?,
            answered_at: maybe_time(row, "answered_at")?,
            ended_at: maybe_time(row, "ended_at")?,
            settled_at: maybe_time(row, "settled_at")?,
            first_end: row.try_get("first_end")?,
            hung_up_by: row.try_get("hung_up_by")?,
            cause: maybe_code(row, "cause")?,
            sip_code: maybe_code(row, "sip_code")?,
            refusal: row.try_get("refusal")?,
            refusal_sentence: row.try_get("refusal_sentence")?,
            disposition: row.try_get("disposition")?,
            ring_ms: row.try_get("ring_ms")?,
            talk_ms: row.try_get("talk_ms")?,
            estimated: row.try_get("estimated")?,
        })
    }
}

macro_rules! call_rows {
    ($rest:literal) => {
        concat!(
            "SELECT c.*, n.dialled, n.destination, n.presented, o.slug AS organization, g.name AS agent,
                k.name AS campaign
             FROM calls c
             LEFT JOIN call_numbers n ON n.call_id = c.id
             LEFT JOIN organizations o ON o.id = c.organization_id
             LEFT JOIN agents g ON g.id = c.agent_id
             LEFT JOIN campaigns k ON k.id = c.campaign_id ",
            $rest
        )
    };
}

/// One call, if it is the organization's; any call if none is given.
///
/// # Errors
///
/// If there is no such call, or the database cannot be asked.
pub async fn one(
    connection: &mut PgConnection,
    call: CallId,
    organization: Option<OrganizationId>,
) -> Result<CallRow, StoreError> {
    sqlx::query_as(call_rows!("WHERE c.id = $1 AND ($2 IS NULL OR c.organization_id = $2)"))
        .bind(call.0)
        .bind(organization.map(|o| o.0))
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::reading("calls", call))?
        .ok_or_else(|| StoreError::NotFound { what: "call", key: call.to_string() })
}

/// All that happened in a call, in order.
///
/// # Errors
///
/// If the database cannot be asked, or a stored fact cannot be read.
pub async fn facts(connection: &mut PgConnection, call: CallId) -> Result<Vec<Fact>, StoreError> {
    let rows = sqlx::query("SELECT body FROM call_facts WHERE call_id = $1 ORDER BY seq")
        .bind(call.0)
        .fetch_all(&mut *connection)
        .await?;
    rows.iter().map(|row| fact(row, call)).collect()
}

/// Why a call was made from its number, or refused; none if the rules were not asked.
///
/// # Errors
///
/// If the database cannot be asked, or what is stored cannot be read.
pub async fn decision(connection: &mut PgConnection, call: CallId) -> Result<Option<Decision>, StoreError> {
    let decision: Option<Json<Decision>> = sqlx::query_scalar("SELECT body FROM call_decisions WHERE call_id = $1")
        .bind(call.0)
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::reading("call_decisions", call))?;
    Ok(decision.map(|Json(decision)| decision))
}

impl Store {
    /// Whether a call of this phone's channel is recorded that was asked for at this time or later.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn has_agent_channel(
        &self,
        node: &NodeName,
        channel: &ChannelId,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        // Ids sort by time: a minute more, because it is another clock's.
        let since_ms = u64::try_from(since.as_millisecond() - 60_000).unwrap_or(0);
        let first = uuid::Builder::from_unix_timestamp_millis(since_ms, &[0; 10]).into_uuid();
        let found =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM calls WHERE id >= $1 AND node = $2 AND agent_channel = $3)");
        Ok(found.bind(first).bind(node.as_ref()).bind(channel.as_ref()).fetch_one(&self.pool).await?)
    }

    /// The calls of a node that have not come to their end, oldest first: for recovery.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked, or a stored fact cannot be read.
    pub async fn open_calls(&self, node: &str) -> Result<Vec<OpenCall>, StoreError> {
        let rows = sqlx::query(
            "SELECT c.id, c.organization_id, c.agent_id, c.endpoint, c.number_id, c.trunk, n.presented, n.destination,
                coalesce(t.plus, true) AS plus
             FROM calls c LEFT JOIN call_numbers n ON n.call_id = c.id LEFT JOIN trunks t ON t.name = c.trunk
             WHERE c.node = $1 AND c.settled_at IS NULL ORDER BY c.id",
        )
        .bind(node)
        .fetch_all(&self.pool)
        .await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
        let stored = sqlx::query("SELECT call_id, body FROM call_facts WHERE call_id = ANY($1) ORDER BY call_id, seq")
            .bind(&ids)
            .fetch_all(&self.pool)
            .await?;
        let mut facts: BTreeMap<CallId, Vec<Fact>> = BTreeMap::new();
        for row in &stored {
            let call: CallId = row.try_get("call_id")?;
            facts.entry(call).or_default().push(fact(row, call)?);
        }
        rows.iter()
            .map(|row| {
                let call = row.try_get("id")?;
                let admission = reserve::admission(row).map_err(StoreError::reading("calls", call))?;
                let facts = facts.remove(&call).unwrap_or_default();
                Ok(OpenCall { call, record: Record::of(&facts), facts, admission })
            })
            .collect()
    }

    /// Counters that are not the number of calls that hold quota: there are none, unless somebody wrote to the tables by
    /// hand.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn miscounted_days(&self) -> Result<Vec<Miscount>, StoreError> {
        Ok(sqlx::query_as(MISCOUNTED).fetch_all(&self.pool).await?)
    }
}

fn fact(row: &PgRow, call: CallId) -> Result<Fact, StoreError> {
    let Json(fact) = row.try_get("body").map_err(StoreError::reading("call_facts", call))?;
    Ok(fact)
}

/// A counter that is not the number of calls it should have counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct Miscount {
    /// `number`, `assignment` or `agent`.
    pub what: String,
    /// Its id.
    pub id: Uuid,
    /// Of which day of the organization.
    #[sqlx(try_from = "jiff_sqlx::Date")]
    pub day: jiff::civil::Date,
    /// What the counter says.
    pub counted: i32,
    /// What the calls say.
    pub calls: i32,
}

impl Miscount {
    /// Its place in the order of locks.
    pub(super) fn place(&self) -> usize {
        ["number", "assignment", "agent"].iter().position(|what| self.what == *what).unwrap_or(usize::MAX)
    }
}

pub(super) const MISCOUNTED: &str = "
    WITH held AS (SELECT number_id, assignment_id, agent_id, day FROM calls WHERE quota IN ('reserved', 'committed')),
    calls AS (
        SELECT 'number' AS what, number_id AS id, day, count(*)::int AS n FROM held GROUP BY 2, 3
        UNION ALL SELECT 'assignment', assignment_id, day, count(*)::int FROM held GROUP BY 2, 3
        UNION ALL SELECT 'agent', agent_id, day, count(*)::int FROM held GROUP BY 2, 3
    ), counters AS (
        SELECT 'number' AS what, number_id AS id, day, used FROM number_days
        UNION ALL SELECT 'assignment', assignment_id, day, used FROM assignment_days
        UNION ALL SELECT 'agent', agent_id, day, used FROM agent_days
    )
    SELECT what, id, day, coalesce(used, 0) AS counted, coalesce(n, 0) AS calls
    FROM calls FULL JOIN counters USING (what, id, day)
    WHERE coalesce(used, 0) <> coalesce(n, 0) ORDER BY what, id, day";
