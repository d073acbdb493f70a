//! What the daemon writes of calls under way: facts, the row they fold to, and the quota they give back.

use super::columns::{at, clean};
use super::leases::Fence;
use super::{Store, StoreError};
use crate::core::fact::Fact;
use crate::core::ids::{CallId, EndpointName, NodeName, TrunkName};
use crate::core::number::E164;
use crate::core::outcome::Disposition;
use crate::core::record::{Quota, Record};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A call that is not decided by the database: an emergency call, or one refused without asking it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnterRequest {
    /// The call's id.
    pub call: CallId,
    /// The agent's phone, if it is known. If it belongs to an agent, the call is the agent's.
    pub endpoint: Option<EndpointName>,
    /// What was dialled, as it came.
    pub dialled_raw: String,
    /// On which Asterisk.
    pub node: NodeName,
    /// By which trunk it leaves, if it does.
    pub trunk: Option<TrunkName>,
    /// What the called party sees as caller, if it leaves.
    pub presented: Option<E164>,
    /// Its facts so far, from the first on; may be empty.
    pub facts: Vec<Fact>,
}

/// What is new of a call.
#[derive(Clone, Debug)]
pub struct CallWrite {
    /// Which call.
    pub call: CallId,
    /// The sequence number of the first of `facts`.
    pub first_seq: u32,
    /// What happened.
    pub facts: Vec<Fact>,
    /// The fold of all its facts up to the last of these.
    pub record: Record,
}

/// The record as the statements below take it apart.
#[derive(Serialize)]
pub(super) struct Folded<'a> {
    id: CallId,
    #[serde(flatten)]
    record: &'a Record,
    ring_ms: Option<i64>,
    talk_ms: Option<i64>,
    refusal_sentence: Option<&'static str>,
}

impl<'a> Folded<'a> {
    pub(super) fn of(id: CallId, record: &'a Record) -> Self {
        let refusal_sentence = record.refusal.map(crate::core::outcome::RefusalReason::sentence);
        Self { id, record, ring_ms: record.ring_ms(), talk_ms: record.talk_ms(), refusal_sentence }
    }
}

#[derive(Default)]
struct FactRows {
    calls: Vec<Uuid>,
    seqs: Vec<i32>,
    ats: Vec<jiff_sqlx::Timestamp>,
    kinds: Vec<&'static str>,
    bodies: Vec<serde_json::Value>,
}

impl FactRows {
    fn add(&mut self, call: CallId, first_seq: u32, facts: &[Fact]) {
        for (seq, fact) in (first_seq..).zip(facts) {
            self.calls.push(call.0);
            self.seqs.push(super::columns::limit(seq));
            self.ats.push(at(fact.at()));
            self.kinds.push(fact.kind());
            self.bodies.push(serde_json::to_value(fact).unwrap_or_default());
        }
    }

    /// Facts of calls that have no row are left out: they are reported by the fold.
    async fn insert(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        if self.calls.is_empty() {
            return Ok(());
        }
        let statement = "INSERT INTO call_facts (call_id, seq, at, kind, body)
             SELECT f.call_id, f.seq, f.at, f.kind, f.body
             FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::text[], $5::jsonb[]) AS f (call_id, seq, at, kind, body)
             JOIN calls c ON c.id = f.call_id
             ON CONFLICT DO NOTHING";
        self.bind(sqlx::query(statement)).execute(connection).await?;
        Ok(())
    }

    fn bind(self, query: Query<'_, Postgres, PgArguments>) -> Query<'_, Postgres, PgArguments> {
        query.bind(self.calls).bind(self.seqs).bind(self.ats).bind(self.kinds).bind(self.bodies)
    }
}

const ENTER: &str = "
    WITH call AS (
        INSERT INTO calls (id, organization_id, agent_id, endpoint, day, node, trunk, refusal, refusal_sentence, facts, origin,
            emergency, agent_channel, requested_at, decided_at, ended_at, settled_at, disposition)
        SELECT r.id, g.organization_id, g.id, $2, cordboard_local_day(o.time_zone), $3, $4, r.refusal, r.refusal_sentence,
            r.facts, r.origin, r.emergency, r.agent_channel, r.requested_at, r.decided_at, r.ended_at, r.settled_at,
            r.disposition
        FROM jsonb_to_record($1) AS r (id uuid, refusal text, refusal_sentence text, facts int, origin text, emergency boolean,
            agent_channel text, requested_at timestamptz, decided_at timestamptz, ended_at timestamptz,
            settled_at timestamptz, disposition text)
        CROSS JOIN (SELECT cordboard_hold_lease($7, $8)) lease
        LEFT JOIN agents g ON g.endpoint = $2
        LEFT JOIN organizations o ON o.id = g.organization_id
        ON CONFLICT (id) DO NOTHING
        RETURNING id
    )
    INSERT INTO call_numbers (call_id, dialled, presented) SELECT id, $5, $6 FROM call";

/// The newest record of each call becomes its row. The rows are locked in the order of their ids. What was there when the call
/// was decided stands. Quota goes from reserved to committed or refunded, once, and nowhere else.
macro_rules! fold {
    ($more:literal) => {
        concat!(
            "    WITH incoming AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset($1) AS r (id uuid, facts int, origin text, emergency boolean, agent_channel text,
            customer_channel text, requested_at timestamptz, decided_at timestamptz, agent_dialled_at timestamptz,
            agent_ringing_at timestamptz, agent_answered_at timestamptz, customer_dialled_at timestamptz, invite_sent_at timestamptz,
            early_media_at timestamptz, ringing_at timestamptz, answered_at timestamptz, hangup_asked_at timestamptz,
            agent_ended_at timestamptz, customer_ended_at timestamptz, ended_at timestamptz, first_end text,
            hung_up_by text, cause int, sip_code int, quota text, refusal text, refusal_sentence text, disposition text,
            settled_at timestamptz, estimated boolean, ring_ms bigint, talk_ms bigint)
        WHERE (SELECT cordboard_hold_lease($2, $3))
    ), locked AS MATERIALIZED (
        SELECT c.id, c.quota, c.facts FROM calls c JOIN incoming i ON i.id = c.id ORDER BY c.id FOR NO KEY UPDATE OF c
    ), folded AS (
        UPDATE calls c SET
            facts = i.facts,
            origin = coalesce(c.origin, i.origin),
            emergency = i.emergency,
            requested_at = coalesce(c.requested_at, i.requested_at),
            decided_at = coalesce(c.decided_at, i.decided_at),
            refusal = coalesce(c.refusal, i.refusal),
            refusal_sentence = coalesce(c.refusal_sentence, i.refusal_sentence),
            agent_channel = i.agent_channel, customer_channel = i.customer_channel,
            agent_dialled_at = i.agent_dialled_at, agent_ringing_at = i.agent_ringing_at,
            agent_answered_at = i.agent_answered_at, hangup_asked_at = i.hangup_asked_at,
            agent_ended_at = i.agent_ended_at, customer_ended_at = i.customer_ended_at,
            customer_dialled_at = i.customer_dialled_at, invite_sent_at = i.invite_sent_at,
            early_media_at = i.early_media_at, ringing_at = i.ringing_at, answered_at = i.answered_at,
            ended_at = i.ended_at, first_end = i.first_end, hung_up_by = i.hung_up_by, cause = i.cause,
            sip_code = i.sip_code, disposition = i.disposition, settled_at = i.settled_at, estimated = i.estimated,
            ring_ms = i.ring_ms, talk_ms = i.talk_ms,
            quota = CASE WHEN l.quota = 'reserved' AND i.quota IN ('committed', 'refunded') THEN i.quota ELSE l.quota END
        FROM incoming i, locked l
        WHERE i.id = c.id AND l.id = c.id AND l.facts < i.facts AND NOT (l.quota = 'reserved' AND i.refusal IS NOT NULL)
        RETURNING c.id, l.quota = 'reserved' AND c.quota = 'refunded' AS refunded, c.day, c.agent_id, c.number_id,
            c.assignment_id
    )",
            $more,
            "    SELECT i.id, l.id IS NOT NULL AS known, f.id IS NOT NULL AS refunded, f.day, f.agent_id, f.number_id, f.assignment_id
    FROM incoming i LEFT JOIN locked l ON l.id = i.id LEFT JOIN folded f ON f.id = i.id AND f.refunded
    WHERE l.id IS NULL OR f.id IS NOT NULL OR (l.quota = 'reserved' AND i.refusal IS NOT NULL)"
        )
    };
}

const FOLD: &str = fold!("");
/// The same with the new facts, so that the usual batch is one statement and one commit.
const FOLD_WITH_FACTS: &str = fold!(
    ", facts AS (
        INSERT INTO call_facts (call_id, seq, at, kind, body)
        SELECT f.call_id, f.seq, f.at, f.kind, f.body
        FROM unnest($4::uuid[], $5::int[], $6::timestamptz[], $7::text[], $8::jsonb[]) AS f (call_id, seq, at, kind, body)
        JOIN locked ON locked.id = f.call_id
        ON CONFLICT DO NOTHING
    )"
);

macro_rules! give_back {
    ($table:literal, $id:literal) => {
        concat!(
            "WITH back AS MATERIALIZED (
                SELECT id, day, count(*)::int AS n FROM unnest($1::uuid[], $2::date[]) AS u (id, day) GROUP BY id, day
            ), locked AS MATERIALIZED (
                SELECT d.", $id, " AS id, d.day FROM ", $table, " d JOIN back b ON b.id = d.", $id, " AND b.day = d.day
                ORDER BY 1, 2 FOR NO KEY UPDATE OF d
            )
            UPDATE ", $table, " d SET used = greatest(d.used - b.n, 0) FROM back b, locked l
            WHERE b.id = d.", $id, " AND b.day = d.day AND l.id = b.id AND l.day = b.day"
        )
    };
}

/// In the order in which they are locked.
const GIVE_BACK: [&str; 3] = [
    give_back!("agent_days", "agent_id"),
    give_back!("assignment_days", "assignment_id"),
    give_back!("number_days", "number_id"),
];

impl Store {
    /// Writes the row of a call that the database does not decide. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn enter(&self, request: &EnterRequest) -> Result<(), StoreError> {
        let mut facts = FactRows::default();
        facts.add(request.call, 0, &request.facts);
        let record = Record::of(&request.facts);
        let mut transaction = self.pool.begin().await?;
        sqlx::query(ENTER)
            .bind(Json(Folded::of(request.call, &record)))
            .bind(request.endpoint.as_ref().map(AsRef::as_ref))
            .bind(request.node.as_ref())
            .bind(request.trunk.as_ref().map(AsRef::as_ref))
            .bind(clean(&request.dialled_raw))
            .bind(request.presented.map(|number| number.to_string()))
            .bind(Fence::node(self.fence.as_ref()))
            .bind(Fence::epoch(self.fence.as_ref()))
            .execute(&mut *transaction)
            .await?;
        facts.insert(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Writes what is new of some calls: facts, rows and given-back quota, in one transaction. Doing it again, or in another
    /// order, changes nothing: a fact is stored once, an older record does not replace a newer one, and quota is given back
    /// when the row goes from reserved to refunded, which happens once.
    ///
    /// If the commit of an admission was lost, the caller could not know and refused the call ([`StoreError::OutcomeUnknown`]),
    /// but the row is there and holds quota: then it is settled as failed, because nothing was dialled.
    ///
    /// Returns the calls that have no row; of those nothing was stored.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked. If the connection is lost during the commit, do it again.
    pub async fn append(&self, batch: &[CallWrite]) -> Result<Vec<CallId>, StoreError> {
        let appended = self.append_once(batch).await?;
        if !appended.held.is_empty() {
            let mut ends = Vec::with_capacity(appended.held.len());
            for call in appended.held {
                let mut facts = self.facts(call).await?;
                let first_seq = Record::of(&facts).facts;
                let at = batch.iter().find_map(|write| write.record.settled_at.filter(|_| write.call == call));
                let Some(at) = at.or_else(|| facts.last().map(Fact::at)) else { continue };
                let end = Fact::Settled { at, disposition: Disposition::Failed, estimated: false };
                facts.push(end.clone());
                ends.push(CallWrite { call, first_seq, facts: vec![end], record: Record::of(&facts) });
            }
            self.append_once(&ends).await?;
        }
        Ok(appended.unknown)
    }

    fn fold<'q>(&'q self, statement: &'static str, rows: Vec<Folded<'q>>) -> Query<'q, Postgres, PgArguments> {
        let fence = self.fence.as_ref();
        sqlx::query(statement).bind(Json(rows)).bind(Fence::node(fence)).bind(Fence::epoch(fence))
    }

    async fn append_once(&self, batch: &[CallWrite]) -> Result<Appended, StoreError> {
        let mut appended = Appended::default();
        let mut facts = FactRows::default();
        let mut newest: BTreeMap<Uuid, &CallWrite> = BTreeMap::new();
        for write in batch {
            facts.add(write.call, write.first_seq, &write.facts);
            let slot = newest.entry(write.call.0).or_insert(write);
            if slot.record.facts < write.record.facts {
                *slot = write;
            }
        }
        if newest.is_empty() {
            return Ok(appended);
        }
        let rows: Vec<_> = newest.values().map(|write| Folded::of(write.call, &write.record)).collect();

        if newest.values().all(|write| write.record.quota != Quota::Refunded) {
            // Nothing to give back: one statement, which is its own transaction.
            let mut connection = self.at_hand.take(&self.pool).await?;
            let folded = facts.bind(self.fold(FOLD_WITH_FACTS, rows)).fetch_all(&mut *connection).await?;
            connection.keep();
            for row in &folded {
                let odd = if row.try_get("known")? { &mut appended.held } else { &mut appended.unknown };
                odd.push(row.try_get("id")?);
            }
            return Ok(appended);
        }

        let mut transaction = self.pool.begin().await?;
        let folded = self.fold(FOLD, rows).fetch_all(&mut *transaction).await?;
        facts.insert(&mut transaction).await?;
        let mut days: Vec<jiff_sqlx::Date> = Vec::new();
        let mut owners: [Vec<Uuid>; 3] = Default::default();
        for row in &folded {
            if !row.try_get("known")? {
                appended.unknown.push(row.try_get("id")?);
            } else if !row.try_get("refunded")? {
                appended.held.push(row.try_get("id")?);
            } else {
                days.push(row.try_get("day")?);
                for (ids, column) in owners.iter_mut().zip(["agent_id", "assignment_id", "number_id"]) {
                    ids.push(row.try_get(column)?);
                }
            }
        }
        if !days.is_empty() {
            for (statement, ids) in GIVE_BACK.into_iter().zip(owners) {
                sqlx::query(statement).bind(ids).bind(days.clone()).execute(&mut *transaction).await?;
            }
        }
        crash_point!(K23);
        transaction.commit().await?;
        Ok(appended)
    }
}

/// What was odd about a batch.
#[derive(Default)]
struct Appended {
    /// Calls that have no row.
    unknown: Vec<CallId>,
    /// Calls that were refused for all the caller knows, and hold quota.
    held: Vec<CallId>,
}
