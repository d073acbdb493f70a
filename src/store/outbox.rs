//! The outbox: events are put aside for webhooks in one transaction with how far the facts were read, and taken out of it one at a
//! time, whoever tries. Whoever dies in between leaves behind what was not done yet, and another does it.

mod care;

pub use care::Depth;

use super::events::{self, News, Of};
use super::{Actor, Scope, Store, StoreError, Transaction};
use crate::core::ids::{CallId, OrganizationId};
use secrecy::SecretString;
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Facts that are looked at in one go.
const PAGE: u16 = 2_000;

/// A webhook that is switched on.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which.
    pub webhook: Uuid,
    /// Whose.
    pub organization: OrganizationId,
    /// Which events; none: all.
    pub events: Option<Vec<String>>,
    /// What was written in this transaction or later.
    pub since: u64,
}

/// An event that is to be put aside.
#[derive(Clone, Debug)]
pub struct Aside {
    /// For which webhook.
    pub webhook: Uuid,
    /// Whose.
    pub organization: OrganizationId,
    /// What kind.
    pub event: &'static str,
    /// Of which call.
    pub call: CallId,
    /// Of which of its facts.
    pub seq: i32,
}

/// What is new for webhooks, with the cursor locked: nobody else puts anything aside meanwhile.
#[derive(Debug)]
pub struct Filling {
    transaction: Transaction,
    /// Those that are switched on.
    pub wanted: Vec<Wanted>,
    /// What happened.
    pub news: News,
}

/// A delivery that is ours to try, for as long as the lease lasts.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Which.
    pub id: Uuid,
    /// To which webhook.
    pub webhook: Uuid,
    /// Whereto.
    pub url: String,
    /// What kind of event.
    pub event: String,
    /// Of which call.
    pub call: CallId,
    /// Of which of its facts.
    pub seq: i32,
    /// How often it was tried, with this time. Whoever has another number has lost it.
    pub attempts: u32,
    /// How often this webhook failed in a row before.
    pub failures: u32,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// What the receiver answered.
    pub status: Option<u16>,
    /// What was wrong, in one word.
    pub error: Option<&'static str>,
}

/// What becomes of a delivery that failed.
#[derive(Clone, Copy, Debug)]
pub struct Setback {
    /// When it is tried again; none: it has failed for good.
    pub again_after: Option<Duration>,
    /// For how long the webhook is left alone.
    pub rest: Duration,
    /// Since when all has to have failed for the webhook to be switched off.
    pub give_up_after: Duration,
    /// The receiver wants nothing any more.
    pub is_gone: bool,
}

/// Those to which something is sent.
const WANTED: &str = "SELECT w.id, w.organization_id, w.events, w.since::text::bigint AS since
     FROM webhooks w JOIN organizations o ON o.id = w.organization_id WHERE w.enabled AND o.active";

/// Of each webhook some that are due, the oldest first, and of one call only the first that waits, unless that has failed often.
/// A webhook that fails gets one at a time.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT d.id, w.url, coalesce(s.failures, 0) AS failures
        FROM webhooks w
        JOIN organizations o ON o.id = w.organization_id AND o.active
        LEFT JOIN webhook_states s ON s.webhook_id = w.id
        CROSS JOIN LATERAL (
            SELECT d.id FROM webhook_deliveries d
            WHERE d.webhook_id = w.id AND d.state = 'pending' AND d.due_at <= now()
                AND coalesce((SELECT p.n FROM webhook_deliveries p WHERE p.webhook_id = d.webhook_id AND p.call_id = d.call_id
                    AND p.state = 'pending' AND p.attempts < 3 ORDER BY p.n LIMIT 1) >= d.n, true)
            ORDER BY d.n LIMIT CASE WHEN s.failures > 0 THEN 1 ELSE $2 END FOR UPDATE SKIP LOCKED
        ) d
        WHERE w.enabled AND coalesce(s.resting_until <= now(), true) AND w.id <> ALL($1)
        LIMIT $3
    )
    UPDATE webhook_deliveries d
    SET attempts = d.attempts + 1, due_at = now() + make_interval(secs => $4), last_at = now()
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.webhook_id, due.url, d.event, d.call_id, d.seq, d.attempts, due.failures, d.n";

async fn wanted_now(transaction: &mut Transaction) -> Result<Vec<Wanted>, StoreError> {
    let rows = sqlx::query(WANTED).fetch_all(&mut **transaction).await?;
    rows.iter().map(wanted).collect::<Result<_, _>>().map_err(Into::into)
}

fn wanted(row: &PgRow) -> Result<Wanted, sqlx::Error> {
    Ok(Wanted {
        webhook: row.try_get("id")?,
        organization: row.try_get("organization_id")?,
        events: row.try_get("events")?,
        since: events::number(row, "since")?.unwrap_or_default(),
    })
}

fn claimed(row: &PgRow) -> Result<(i64, Claimed), sqlx::Error> {
    let count = |column| row.try_get(column).map(|n: i32| u32::try_from(n).unwrap_or_default());
    let claimed = Claimed {
        id: row.try_get("id")?,
        webhook: row.try_get("webhook_id")?,
        url: row.try_get("url")?,
        event: row.try_get("event")?,
        call: row.try_get("call_id")?,
        seq: row.try_get("seq")?,
        attempts: count("attempts")?,
        failures: count("failures")?,
    };
    Ok((row.try_get("n")?, claimed))
}

impl Store {
    /// Looks what is new for webhooks. None if there are none, or another replica does it right now.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn begin_filling(&self, kinds: &[&str]) -> Result<Option<Filling>, StoreError> {
        let any: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM webhooks WHERE enabled)").fetch_one(&self.pool).await?;
        if !any {
            return Ok(None);
        }
        let mut transaction = self.begin_as(Scope::Everything, &Actor::daemon()).await?;
        let locked = sqlx::query(
            "SELECT next::text::bigint AS next, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
             FROM webhook_cursor FOR UPDATE SKIP LOCKED",
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(locked) = locked else { return Ok(None) };
        let place = |column| events::number(&locked, column).map(Option::unwrap_or_default);
        let (next, horizon) = (place("next")?, place("horizon")?);
        // What was written before anybody wanted to hear it is nobody's news. A webhook that is being made right now, and not seen
        // yet, begins at the horizon or later.
        let Some(first) = wanted_now(&mut transaction).await?.iter().map(|wanted| wanted.since).min() else {
            return Ok(None);
        };
        let news = events::news(&mut transaction, next.max(first.min(horizon)), Of::default(), kinds, PAGE).await?;
        // Once more: one that was made in between wants what was just read.
        let all = wanted_now(&mut transaction).await?;
        Ok(Some(Filling { transaction, wanted: all, news }))
    }

    /// Takes deliveries that are due, for as long as `lease`: at most `each` of a webhook and `most` in all, and none of those that
    /// are busy.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn claim_deliveries(
        &self,
        busy: &[Uuid],
        each: u32,
        most: u32,
        lease: Duration,
    ) -> Result<Vec<Claimed>, StoreError> {
        let rows = sqlx::query(CLAIM)
            .bind(busy)
            .bind(i64::from(each))
            .bind(i64::from(most))
            .bind(lease.as_secs_f64())
            .fetch_all(&self.pool)
            .await?;
        let mut all: Vec<(i64, Claimed)> = rows.iter().map(claimed).collect::<Result<_, _>>()?;
        all.sort_by_key(|(n, _)| *n);
        Ok(all.into_iter().map(|(_, claimed)| claimed).collect())
    }

    /// With what these webhooks are signed: the newest secret first.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn webhook_secrets(&self, webhooks: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<SecretString>>, StoreError> {
        let rows: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT webhook_id, secret FROM webhook_secrets
             WHERE webhook_id = ANY($1) AND coalesce(expires_at > now(), true) ORDER BY created_at DESC, id DESC",
        )
        .bind(webhooks)
        .fetch_all(&self.pool)
        .await?;
        let mut secrets: BTreeMap<Uuid, Vec<SecretString>> = BTreeMap::new();
        for (webhook, secret) in rows {
            secrets.entry(webhook).or_default().push(secret.into());
        }
        Ok(secrets)
    }

    /// The receiver has it. False if it is not ours any more.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn delivered(&self, claimed: &Claimed, tried: Tried) -> Result<bool, StoreError> {
        let mut transaction = self.begin_as(Scope::Everything, &Actor::daemon()).await?;
        let done = sqlx::query(
            "UPDATE webhook_deliveries SET state = 'delivered', last_status = $3, last_error = NULL, done_at = now()
             WHERE id = $1 AND attempts = $2 AND state = 'pending'",
        )
        .bind(claimed.id)
        .bind(i32::try_from(claimed.attempts).unwrap_or(i32::MAX))
        .bind(tried.status.map(i32::from))
        .execute(&mut *transaction)
        .await?;
        // Not each time: a busy webhook would be a busy row. Of several that were under way one may have been taken and another not,
        // with the wish to be left alone: that stands.
        sqlx::query(
            "INSERT INTO webhook_states AS s (webhook_id, organization_id, last_success_at)
             SELECT id, organization_id, now() FROM webhooks WHERE id = $1
             ON CONFLICT (webhook_id) DO UPDATE SET failures = 0, failing_since = NULL, last_success_at = now()
                WHERE s.failures > 0 OR coalesce(s.last_success_at < now() - interval '1 minute', true)",
        )
        .bind(claimed.webhook)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// The receiver does not have it, as far as we know. Says whether the webhook was switched off.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn not_delivered(&self, claimed: &Claimed, tried: Tried, setback: Setback) -> Result<bool, StoreError> {
        let mut transaction = self.begin_as(Scope::Everything, &Actor::daemon()).await?;
        let again = setback.again_after.map(|after| after.as_secs_f64());
        sqlx::query(
            "UPDATE webhook_deliveries SET last_status = $3, last_error = $4,
                due_at = CASE WHEN $5::float8 IS NULL THEN due_at ELSE now() + make_interval(secs => $5) END,
                state = CASE WHEN $5::float8 IS NULL THEN 'failed' ELSE state END,
                done_at = CASE WHEN $5::float8 IS NULL THEN now() END
             WHERE id = $1 AND attempts = $2 AND state = 'pending'",
        )
        .bind(claimed.id)
        .bind(i32::try_from(claimed.attempts).unwrap_or(i32::MAX))
        .bind(tried.status.map(i32::from))
        .bind(tried.error)
        .bind(again)
        .execute(&mut *transaction)
        .await?;
        let failing_s: Option<f64> = sqlx::query_scalar(
            "INSERT INTO webhook_states AS s (webhook_id, organization_id, failures, failing_since, resting_until)
             SELECT id, organization_id, 1, now(), now() + make_interval(secs => $2) FROM webhooks WHERE id = $1
             ON CONFLICT (webhook_id) DO UPDATE SET failures = s.failures + 1, failing_since = coalesce(s.failing_since, now()),
                resting_until = greatest(s.resting_until, excluded.resting_until)
             RETURNING extract(epoch FROM now() - s.failing_since)::float8",
        )
        .bind(claimed.webhook)
        .bind(setback.rest.as_secs_f64())
        .fetch_optional(&mut *transaction)
        .await?;
        let is_over = failing_s.is_some_and(|failing_s| failing_s >= setback.give_up_after.as_secs_f64());
        let mut switched_off = false;
        if setback.is_gone || is_over {
            let word = tried.error.unwrap_or("status");
            let reason = if setback.is_gone {
                "the receiver answered 410 Gone".to_owned()
            } else {
                let status = tried.status.map(|status| format!(" {status}")).unwrap_or_default();
                let failing = Duration::try_from_secs_f64(failing_s.unwrap_or_default()).unwrap_or_default();
                format!("nothing was delivered for {} h; the last attempt: {word}{status}", failing.as_secs() / 3_600)
            };
            let done =
                sqlx::query("UPDATE webhooks SET enabled = false, disabled_reason = $2 WHERE id = $1 AND enabled")
                    .bind(claimed.webhook)
                    .bind(reason)
                    .execute(&mut *transaction)
                    .await?;
            switched_off = done.rows_affected() > 0;
        }
        transaction.commit().await?;
        Ok(switched_off)
    }
}

impl Filling {
    /// Puts these aside, and goes on behind what was looked at; all of it, or nothing. Says how many are new.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn put_aside(mut self, asides: &[Aside]) -> Result<u64, StoreError> {
        let mut put = 0;
        if !asides.is_empty() {
            let column = |of: fn(&Aside) -> Uuid| asides.iter().map(of).collect::<Vec<Uuid>>();
            // What is there already was read a second time, after the cursor was put back.
            let done = sqlx::query(
                "INSERT INTO webhook_deliveries (webhook_id, organization_id, call_id, event, seq)
                 SELECT t.webhook, t.organization, t.call, t.event, t.seq
                 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[])
                    WITH ORDINALITY t (webhook, organization, call, event, seq, nth)
                 JOIN webhooks w ON w.id = t.webhook
                 ORDER BY t.nth
                 ON CONFLICT ON CONSTRAINT event_is_delivered_once DO NOTHING",
            )
            .bind(column(|aside| aside.webhook))
            .bind(column(|aside| aside.organization.0))
            .bind(column(|aside| aside.call.0))
            .bind(asides.iter().map(|aside| aside.event).collect::<Vec<_>>())
            .bind(asides.iter().map(|aside| aside.seq).collect::<Vec<_>>())
            .execute(&mut *self.transaction)
            .await?;
            put = done.rows_affected();
        }
        sqlx::query("UPDATE webhook_cursor SET next = $1::text::xid8")
            .bind(self.news.next.to_string())
            .execute(&mut *self.transaction)
            .await?;
        self.transaction.commit().await?;
        Ok(put)
    }
}
