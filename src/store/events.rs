//! What happened, in an order in which nothing is missed. A fact carries the transaction that wrote it, and only what lies below
//! the oldest transaction that still runs is read: all of that has ended, so nothing can appear there later. What is read is
//! everything's: whoever tells it to somebody asks whether it is theirs.

use super::calls::CallRow;
use super::{Store, StoreError};
use crate::access::Role;
use crate::core::fact::Fact;
use crate::core::ids::{AgentId, OrganizationId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::BTreeSet;
use uuid::Uuid;

/// One thing that happened, and the call to which it did, as it is now.
#[derive(Clone, Debug)]
pub struct Happening {
    /// In which transaction it was written.
    pub transaction: u64,
    /// Its place among the facts of the call.
    pub seq: i32,
    /// What happened.
    pub fact: Fact,
    /// To which call.
    pub call: CallRow,
    /// What is left, now.
    pub usage: Usage,
}

/// How often was called on the day of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// By its assignment.
    pub used: Option<i32>,
    /// How often that may.
    pub limit: Option<i32>,
    /// By its agent.
    pub agent_used: Option<i32>,
    /// How often they may; none: no such limit.
    pub agent_limit: Option<i32>,
}

/// What happened from one transaction to another.
#[derive(Clone, Debug)]
pub struct News {
    /// The first transaction that is not looked at yet.
    pub next: u64,
    /// There is more.
    pub more: bool,
    /// What happened, whole transactions.
    pub happenings: Vec<Happening>,
}

/// Whose news.
#[derive(Clone, Copy, Debug, Default)]
pub struct Of {
    /// Of this tenant; none: everybody's.
    pub organization: Option<OrganizationId>,
    /// Of this agent.
    pub agent: Option<AgentId>,
}

/// What somebody is let in by, and what for. When it changes, what was let in by it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The session or token.
    pub id: Uuid,
    /// What they may do at most.
    pub role: Role,
    /// The agent that they are.
    pub agent: Option<AgentId>,
    /// To which acts they are narrowed.
    pub acts: Option<BTreeSet<String>>,
}

/// What is read of a fact and its call.
macro_rules! happenings {
    ($facts:literal, $rest:literal) => {
        concat!(
            "SELECT f.transaction::text::bigint AS transaction, f.seq, f.body AS fact, c.*, n.dialled, n.destination, n.presented,
                o.slug AS organization, g.name AS agent, k.name AS campaign, u.used AS usage_used, a.daily_limit AS usage_limit,
                gu.used AS usage_agent_used, g.daily_limit AS usage_agent_limit
             FROM ",
            $facts,
            " f
             JOIN calls c ON c.id = f.call_id
             JOIN organizations o ON o.id = c.organization_id
             LEFT JOIN call_numbers n ON n.call_id = c.id
             LEFT JOIN agents g ON g.id = c.agent_id
             LEFT JOIN campaigns k ON k.id = c.campaign_id
             LEFT JOIN assignments a ON a.id = c.assignment_id
             LEFT JOIN assignment_days u ON u.assignment_id = c.assignment_id AND u.day = c.day
             LEFT JOIN agent_days gu ON gu.agent_id = c.agent_id AND gu.day = c.day ",
            $rest
        )
    };
}

/// In one statement, and so by one look at which transactions run. What is looked at is bounded, whoever's it is. What happened
/// longer than a week ago is no news, even if a database that was moved gives it the numbers of transactions to come.
const NEWS: &str = concat!(
    "WITH horizon AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS at), page AS MATERIALIZED (
        SELECT f.* FROM horizon CROSS JOIN LATERAL (
            SELECT f.* FROM call_facts f WHERE f.transaction >= $1::text::xid8 AND f.transaction < horizon.at
            ORDER BY f.transaction FETCH FIRST ($5) ROWS WITH TIES) f
     )
     SELECT horizon.at::text::bigint AS horizon, (SELECT count(*) FROM page) AS looked_at,
        (SELECT transaction::text::bigint FROM page ORDER BY page.transaction DESC LIMIT 1) AS last, p.*
     FROM horizon LEFT JOIN LATERAL (",
    happenings!(
        "page",
        "WHERE f.kind = ANY($2) AND f.at > now() - interval '7 days'
            AND ($3::uuid IS NULL OR c.organization_id = $3) AND ($4::uuid IS NULL OR c.agent_id = $4)"
    ),
    ") p ON true"
);

impl FromRow<'_, PgRow> for Happening {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let Json(fact) = row.try_get("fact")?;
        Ok(Self {
            transaction: number(row, "transaction")?.unwrap_or_default(),
            seq: row.try_get("seq")?,
            fact,
            call: CallRow::from_row(row)?,
            usage: Usage {
                used: row.try_get("usage_used")?,
                limit: row.try_get("usage_limit")?,
                agent_used: row.try_get("usage_agent_used")?,
                agent_limit: row.try_get("usage_agent_limit")?,
            },
        })
    }
}

/// The number of a transaction; Postgres gives out none that is negative.
pub(super) fn number(row: &PgRow, column: &str) -> Result<Option<u64>, sqlx::Error> {
    let number: Option<i64> = row.try_get(column)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()))
}

/// What happened from this transaction on, of these kinds. `limit` facts are looked at, of whatever kind and whoever's, and the rest
/// of the last transaction.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn news(
    connection: &mut PgConnection,
    from: u64,
    of: Of,
    kinds: &[&str],
    limit: u16,
) -> Result<News, StoreError> {
    let rows = sqlx::query(NEWS)
        .bind(from.to_string())
        .bind(kinds)
        .bind(of.organization.map(|id| id.0))
        .bind(of.agent.map(|id| id.0))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    let first = rows.first();
    let of_all = |column| first.map(|row| number(row, column)).transpose().map(Option::flatten);
    let (horizon, looked_at, last) = (of_all("horizon")?.unwrap_or(from), of_all("looked_at")?, of_all("last")?);
    let mut happenings = Vec::with_capacity(rows.len());
    for row in &rows {
        if number(row, "transaction")?.is_some() {
            happenings.push(Happening::from_row(row).map_err(StoreError::reading("call_facts", ""))?);
        }
    }
    happenings.sort_by_key(|one: &Happening| (one.transaction, one.call.id, one.seq));
    let more = looked_at.unwrap_or_default() >= u64::from(limit);
    // A database that was moved counts its transactions anew: then `from` lies ahead of it, and is given up.
    let next = last.filter(|_| more).map_or(horizon, |last| last + 1);
    Ok(News { next, more, happenings })
}

/// These facts of these calls, those that are still there.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn these(connection: &mut PgConnection, facts: &[(Uuid, i32)]) -> Result<Vec<Happening>, StoreError> {
    let (calls, seqs): (Vec<Uuid>, Vec<i32>) = facts.iter().copied().unzip();
    let statement = happenings!(
        "call_facts",
        "WHERE (f.call_id, f.seq) IN (SELECT t.call_id, t.seq FROM unnest($1::uuid[], $2::int[]) t (call_id, seq))"
    );
    let read = sqlx::query_as(statement).bind(calls).bind(seqs).fetch_all(connection).await;
    read.map_err(StoreError::reading("call_facts", ""))
}

impl Store {
    /// [`news`], over everything.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn news(&self, from: u64, of: Of, kinds: &[&str], limit: u16) -> Result<News, StoreError> {
        news(&mut *self.pool.acquire().await?, from, of, kinds, limit).await
    }

    /// [`these`], over everything.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn these_facts(&self, facts: &[(Uuid, i32)]) -> Result<Vec<Happening>, StoreError> {
        these(&mut *self.pool.acquire().await?, facts).await
    }

    /// The first transaction that may still run: all before it have ended.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn horizon(&self) -> Result<u64, StoreError> {
        let statement = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS at";
        let row = sqlx::query(statement).fetch_one(&self.pool).await?;
        Ok(number(&row, "at")?.unwrap_or_default())
    }

    /// Whether what comes first from this transaction on happened longer than an hour ago: too much to tell it all.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn is_long_ago(&self, transaction: u64) -> Result<bool, StoreError> {
        let first = sqlx::query_scalar(
            "SELECT f.at < now() - interval '1 hour' FROM call_facts f WHERE f.transaction >= $1::text::xid8
             ORDER BY f.transaction LIMIT 1",
        );
        Ok(first.bind(transaction.to_string()).fetch_optional(&self.pool).await?.unwrap_or(false))
    }

    /// Which of these still hold, and as what.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn standings(&self, ids: &[Uuid]) -> Result<Vec<Standing>, StoreError> {
        let rows = sqlx::query(
            "SELECT t.id, t.role, t.agent_id, t.acts
             FROM api_tokens t JOIN organizations o ON o.id = t.organization_id LEFT JOIN agents g ON g.id = t.agent_id
             WHERE t.id = ANY($1) AND t.revoked_at IS NULL AND coalesce(t.expires_at > now(), true) AND o.active
                AND coalesce(g.active, true)
             UNION ALL
             SELECT s.id, u.role, g.id, NULL
             FROM sessions s JOIN users u ON u.id = s.user_id JOIN organizations o ON o.id = s.organization_id
             LEFT JOIN agents g ON g.user_id = u.id AND g.active
             WHERE s.id = ANY($1) AND s.ended_at IS NULL AND s.expires_at > now()
                AND s.seen_at + make_interval(secs => s.idle_s) > now() AND u.active AND o.active",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        let standing = |row: &PgRow| {
            let acts: Option<Vec<String>> = row.try_get("acts")?;
            Ok(Standing {
                id: row.try_get("id")?,
                role: row.try_get("role")?,
                agent: row.try_get("agent_id")?,
                acts: acts.map(|acts| acts.into_iter().collect()),
            })
        };
        rows.iter().map(standing).collect::<Result<_, sqlx::Error>>().map_err(Into::into)
    }
}
