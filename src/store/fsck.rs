//! Whether what is stored agrees with itself: each call's row with its facts, each counter with the calls it counts.

use super::calls::{MISCOUNTED, Miscount};
use super::writes::Folded;
use super::{Store, StoreError};
use crate::core::fact::Fact;
use crate::core::ids::{CallId, ChannelId, NodeName};
use crate::core::record::{Quota, Record};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Connection, FromRow, PgConnection, Row};
use uuid::Uuid;

/// So many calls are read at a time, whatever there is.
const BATCH: i64 = 500;

/// What is wrong with a call's row.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum RowProblem {
    /// Some columns are not what the facts say.
    Differs {
        /// Which, and how.
        columns: Vec<Difference>,
        /// The facts say all that the row must hold.
        mendable: bool,
    },
    /// The numbers of its facts are not 0, 1, 2 …: one is lost.
    FactsMissing {
        /// How many there are.
        facts: usize,
    },
    /// A fact cannot be read.
    Unreadable,
    /// A number was chosen, and nothing says why.
    NoDecision,
}

/// A column that is not what the facts say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Its name.
    pub column: String,
    /// What it holds.
    pub row: Value,
    /// What it must hold.
    pub facts: Value,
}

/// Some calls that were looked at.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// How many calls.
    pub calls: u64,
    /// How many facts.
    pub facts: u64,
    /// What is wrong with some of them.
    pub findings: Vec<(CallId, RowProblem)>,
}

/// A call without an end.
#[derive(Clone, Debug, FromRow)]
pub struct Unsettled {
    /// Which call.
    pub id: CallId,
    /// On which Asterisk.
    pub node: NodeName,
    /// Its channels, as far as they are known.
    pub agent_channel: Option<ChannelId>,
    /// The other one.
    pub customer_channel: Option<ChannelId>,
}

/// What was put in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mended {
    /// These rows are what their facts say.
    pub calls: Vec<CallId>,
    /// These counters are what the calls say.
    pub counters: Vec<Miscount>,
}

/// Reads all calls once, oldest first, a few at a time.
#[derive(Debug)]
pub struct Fsck {
    connection: PgConnection,
    after: Uuid,
}

impl Store {
    /// A look at everything, on a connection of its own and without a time limit.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached.
    pub async fn fsck(&self) -> Result<Fsck, StoreError> {
        Ok(Fsck { connection: self.patient_connection().await?, after: Uuid::nil() })
    }

    /// Which of these calls are over, or were never known.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn not_open(&self, calls: &[CallId]) -> Result<Vec<CallId>, StoreError> {
        let ids: Vec<Uuid> = calls.iter().map(|call| call.0).collect();
        Ok(sqlx::query_scalar(
            "SELECT u.id FROM unnest($1::uuid[]) AS u (id)
             WHERE NOT EXISTS (SELECT FROM calls c WHERE c.id = u.id AND c.settled_at IS NULL)",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?)
    }

    /// All calls without an end, of all nodes.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn unsettled(&self) -> Result<Vec<Unsettled>, StoreError> {
        sqlx::query_as(
            "SELECT id, node, agent_channel, customer_channel FROM calls WHERE settled_at IS NULL ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::reading("calls", ""))
    }
}

macro_rules! audited {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, to_jsonb(c) AS \"row\",
                c.number_id IS NOT NULL AND NOT EXISTS (SELECT FROM call_decisions d WHERE d.call_id = c.id) AS undecided,
                ARRAY(SELECT f.seq FROM call_facts f WHERE f.call_id = c.id ORDER BY f.seq) AS seqs,
                ARRAY(SELECT f.body FROM call_facts f WHERE f.call_id = c.id ORDER BY f.seq) AS facts
             FROM calls c ",
            $rest
        )
    };
}

impl Fsck {
    /// How many calls there are, roughly.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn estimate(&mut self) -> Result<u64, StoreError> {
        let rows: f32 = sqlx::query_scalar("SELECT reltuples FROM pg_class WHERE oid = 'calls'::regclass")
            .fetch_one(&mut self.connection)
            .await?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rough number of rows")]
        Ok(rows.max(0.0) as u64)
    }

    /// Looks at the next calls; none when all were looked at.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        let rows = sqlx::query(audited!("WHERE c.id > $1 ORDER BY c.id LIMIT $2"))
            .bind(self.after)
            .bind(BATCH)
            .fetch_all(&mut self.connection)
            .await?;
        let mut batch = Batch::default();
        for row in &rows {
            let audited = Audited::read(row)?;
            batch.calls += 1;
            batch.facts += audited.seqs.len() as u64;
            batch.findings.extend(audited.problems().into_iter().map(|problem| (audited.call, problem)));
            self.after = audited.call.0;
        }
        Ok((batch.calls > 0).then_some(batch))
    }

    /// Counters that are not the number of calls that hold quota. Calls `each` for every one.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn miscounted(&mut self, mut each: impl FnMut(Miscount)) -> Result<(), StoreError> {
        let mut found = sqlx::query_as::<_, Miscount>(MISCOUNTED).fetch(&mut self.connection);
        while let Some(miscount) = found.try_next().await? {
            each(miscount);
        }
        Ok(())
    }

    /// Makes the rows of these calls what their facts say, as far as the facts say it, and then every counter what the calls
    /// say. All of it or nothing. Calls that are being made wait for it.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked, or refuses; then nothing was changed.
    pub async fn mend(&mut self, calls: &[CallId]) -> Result<Mended, StoreError> {
        let mut mended = Mended::default();
        let mut transaction = self.connection.begin().await?;
        let mut ids: Vec<Uuid> = calls.iter().map(|call| call.0).collect();
        ids.sort_unstable();
        for id in ids {
            // Looked at again under its lock: it may have gone on since.
            let row = sqlx::query(audited!("WHERE c.id = $1 FOR NO KEY UPDATE OF c")).bind(id);
            let Some(row) = row.fetch_optional(&mut *transaction).await? else { continue };
            let audited = Audited::read(&row)?;
            let Some(record) = audited.record.as_ref().filter(|_| audited.is_mendable()) else { continue };
            sqlx::query(MEND).bind(Json(Folded::of(audited.call, record))).execute(&mut *transaction).await?;
            mended.calls.push(audited.call);
        }
        // In the order in which they are locked: number, assignment, agent.
        let mut wrong: Vec<Miscount> = sqlx::query_as(MISCOUNTED).fetch_all(&mut *transaction).await?;
        wrong.sort_by_key(|miscount| (miscount.place(), miscount.id, miscount.day));
        for mut miscount in wrong {
            let Some([lock, count, put]) = COUNTERS.get(miscount.place()).copied() else { continue };
            let day = jiff_sqlx::Date::from(miscount.day);
            let counted: i32 =
                sqlx::query_scalar(lock).bind(miscount.id).bind(day).fetch_one(&mut *transaction).await?;
            // Whoever counted up before had to hold this lock, and their call is there to be seen.
            let held: i32 = sqlx::query_scalar(count).bind(miscount.id).bind(day).fetch_one(&mut *transaction).await?;
            if held != counted {
                sqlx::query(put).bind(miscount.id).bind(day).bind(held).execute(&mut *transaction).await?;
                (miscount.counted, miscount.calls) = (counted, held);
                mended.counters.push(miscount);
            }
        }
        transaction.commit().await?;
        Ok(mended)
    }
}

macro_rules! counter {
    ($table:literal, $id:literal) => {
        [
            concat!(
                "INSERT INTO ",
                $table,
                " AS d (",
                $id,
                ", day, used) VALUES ($1, $2, 0)
                 ON CONFLICT (",
                $id,
                ", day) DO UPDATE SET used = d.used RETURNING used"
            ),
            concat!(
                "SELECT count(*)::int FROM calls WHERE ",
                $id,
                " = $1 AND day = $2 AND quota IN ('reserved', 'committed')"
            ),
            concat!("UPDATE ", $table, " SET used = $3 WHERE ", $id, " = $1 AND day = $2"),
        ]
    };
}

/// Lock, count and set, of each kind of counter.
const COUNTERS: [[&str; 3]; 3] = [
    counter!("number_days", "number_id"),
    counter!("assignment_days", "assignment_id"),
    counter!("agent_days", "agent_id"),
];

const MEND: &str = "
    UPDATE calls c SET facts = i.facts, origin = i.origin, emergency = i.emergency, agent_channel = i.agent_channel,
        customer_channel = i.customer_channel, requested_at = i.requested_at, decided_at = i.decided_at,
        agent_dialled_at = i.agent_dialled_at, agent_ringing_at = i.agent_ringing_at,
        agent_answered_at = i.agent_answered_at, customer_dialled_at = i.customer_dialled_at,
        invite_sent_at = i.invite_sent_at, early_media_at = i.early_media_at, ringing_at = i.ringing_at,
        answered_at = i.answered_at, hangup_asked_at = i.hangup_asked_at, agent_ended_at = i.agent_ended_at,
        customer_ended_at = i.customer_ended_at, ended_at = i.ended_at, first_end = i.first_end,
        hung_up_by = i.hung_up_by, cause = i.cause, sip_code = i.sip_code, quota = i.quota, refusal = i.refusal,
        refusal_sentence = CASE WHEN i.refusal IS NOT NULL THEN coalesce(c.refusal_sentence, i.refusal_sentence) END,
        disposition = i.disposition, settled_at = i.settled_at, estimated = i.estimated, ring_ms = i.ring_ms,
        talk_ms = i.talk_ms
    FROM jsonb_to_record($1) AS i (id uuid, facts int, origin text, emergency boolean, agent_channel text,
        customer_channel text, requested_at timestamptz, decided_at timestamptz, agent_dialled_at timestamptz,
        agent_ringing_at timestamptz, agent_answered_at timestamptz, customer_dialled_at timestamptz,
        invite_sent_at timestamptz, early_media_at timestamptz, ringing_at timestamptz, answered_at timestamptz,
        hangup_asked_at timestamptz, agent_ended_at timestamptz, customer_ended_at timestamptz, ended_at timestamptz,
        first_end text, hung_up_by text, cause int, sip_code int, quota text, refusal text, refusal_sentence text,
        disposition text, settled_at timestamptz, estimated boolean, ring_ms bigint, talk_ms bigint)
    WHERE c.id = i.id";

/// A call with all that is stored of it.
struct Audited {
    call: CallId,
    row: Map<String, Value>,
    undecided: bool,
    seqs: Vec<i32>,
    /// The fold of the facts; none if one of them cannot be read.
    record: Option<Record>,
}

impl Audited {
    fn read(row: &PgRow) -> Result<Self, StoreError> {
        let bodies: Vec<Value> = row.try_get("facts")?;
        let facts: Result<Vec<Fact>, _> = bodies.into_iter().map(serde_json::from_value).collect();
        let Json(columns) = row.try_get("row")?;
        Ok(Self {
            call: row.try_get("id")?,
            row: columns,
            undecided: row.try_get("undecided")?,
            seqs: row.try_get("seqs")?,
            record: facts.ok().map(|facts| Record::of(&facts)),
        })
    }

    fn problems(&self) -> Vec<RowProblem> {
        let mut problems = Vec::new();
        match &self.record {
            None => problems.push(RowProblem::Unreadable),
            Some(_) if !self.is_whole() => problems.push(RowProblem::FactsMissing { facts: self.seqs.len() }),
            Some(record) => {
                let columns = differences(&self.row, &fields(self.call, record));
                if !columns.is_empty() {
                    problems.push(RowProblem::Differs { columns, mendable: self.is_mendable() });
                }
            }
        }
        if self.undecided {
            problems.push(RowProblem::NoDecision);
        }
        problems
    }

    /// No fact is lost, as far as their numbers tell.
    fn is_whole(&self) -> bool {
        self.seqs.iter().zip(0..).all(|(seq, n)| *seq == n)
    }

    /// The facts do not say from which number a call was made: a row that lost that cannot hold quota.
    fn is_mendable(&self) -> bool {
        let counts = |record: &Record| record.quota != Quota::None && self.row.get("number_id") == Some(&Value::Null);
        self.is_whole() && self.record.as_ref().is_some_and(|record| !counts(record))
    }
}

fn fields(call: CallId, record: &Record) -> Map<String, Value> {
    match serde_json::to_value(Folded::of(call, record)) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn differences(row: &Map<String, Value>, facts: &Map<String, Value>) -> Vec<Difference> {
    // The database may have a better sentence than the table of reasons: it knows the limit.
    let compared = facts.iter().filter(|(column, _)| *column != "refusal_sentence");
    compared
        .filter_map(|(column, facts)| {
            let row = row.get(column).unwrap_or(&Value::Null);
            let (row, facts) = (row.clone(), facts.clone());
            (!same(&row, &facts)).then(|| Difference { column: column.clone(), row, facts })
        })
        .collect()
}

/// Equal, if need be as moments. Postgres keeps microseconds.
fn same(a: &Value, b: &Value) -> bool {
    let moment = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(of_a), Some(of_b)) = (moment(a), moment(b)) else { return a == b };
    of_a.duration_since(of_b).abs() <= SignedDuration::from_micros(1)
}
