//! What happened is read in an order in which nothing is missed, whatever commits when. Beside it, the obvious way, which misses.

use crate::world::{World, admitted, request, write};
use cordboard::core::fact::Fact;
use cordboard::core::ids::CallId;
use cordboard::live::Event;
use cordboard::store::Store;
use cordboard::store::events::{Happening, Of};
use jiff::Timestamp;
use rand::RngExt as _;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Other tests on the same server hold transactions open for a while.
const PATIENCE: Duration = Duration::from_mins(1);

/// Writes a fact, and does not commit.
async fn begin_fact(connection: &mut PgConnection, call: Uuid) {
    let sql = format!(
        "BEGIN;
         INSERT INTO calls (id, organization_id, agent_id, node, facts) SELECT '{call}', organization_id, id, 'pbx1', 1 FROM agents LIMIT 1;
         INSERT INTO call_facts (call_id, seq, at, kind, body)
         SELECT '{call}', 0, now(), 'ringing', jsonb_build_object('kind', 'ringing', 'at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))"
    );
    connection.execute(AssertSqlSafe(sql)).await.expect("a fact");
}

/// One look: what is new, and from where to look next.
async fn look(store: &Store, from: u64) -> (u64, Vec<Happening>) {
    let news = store.news(from, Of::default(), Event::told(), 3).await.expect("news");
    (news.next, news.happenings)
}

/// Looks until so many things were seen.
async fn look_for(store: &Store, from: &mut u64, count: usize) -> Vec<Happening> {
    let (began, mut seen) = (Instant::now(), Vec::new());
    while seen.len() < count {
        let (next, some) = look(store, *from).await;
        assert!(next >= *from, "it never goes back");
        *from = next;
        seen.extend(some);
        assert!(began.elapsed() < PATIENCE, "only {} of {count}", seen.len());
    }
    seen
}

fn calls(happenings: &[Happening]) -> Vec<CallId> {
    happenings.iter().map(|one| one.call.id).collect()
}

/// The obvious way: all after the greatest one that was seen.
async fn naive(world: &World, after: &mut i64) -> Vec<Uuid> {
    let rows: Vec<(i64, Uuid)> = sqlx::query_as(
        "SELECT transaction::text::bigint, call_id FROM call_facts WHERE transaction > $1::text::xid8 ORDER BY 1",
    )
    .bind(after.to_string())
    .fetch_all(&world.pool)
    .await
    .expect("rows");
    *after = rows.iter().map(|(transaction, _)| *transaction).max().unwrap_or(*after);
    rows.into_iter().map(|(_, call)| call).collect()
}

#[tokio::test]
async fn who_begins_first_and_commits_last_is_not_missed_and_by_the_greatest_id_is() {
    let world = World::acme().await;
    world.agent("alice").await;
    let mut from = world.store.horizon().await.expect("a place");
    let mut greatest = i64::try_from(from).expect("a number") - 1;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let (mut one, mut two) = (world.connection().await, world.connection().await);
    begin_fact(&mut one, first).await;
    begin_fact(&mut two, second).await;
    two.execute("COMMIT").await.expect("committed");

    // The second is there, and the first is not yet.
    assert_eq!(naive(&world, &mut greatest).await, [second]);
    let (next, seen) = look(&world.store, from).await;
    assert_eq!(calls(&seen), [], "it waits for the first");
    from = next;

    one.execute("COMMIT").await.expect("committed");
    assert_eq!(naive(&world, &mut greatest).await, Vec::<Uuid>::new(), "the control misses the first for ever");
    let seen = look_for(&world.store, &mut from, 2).await;
    assert_eq!(calls(&seen), [CallId(first), CallId(second)]);

    // Who gives up holds nobody back.
    let (third, fourth) = (Uuid::now_v7(), Uuid::now_v7());
    begin_fact(&mut one, third).await;
    begin_fact(&mut two, fourth).await;
    two.execute("COMMIT").await.expect("committed");
    one.execute("ROLLBACK").await.expect("rolled back");
    assert_eq!(calls(&look_for(&world.store, &mut from, 1).await), [CallId(fourth)]);
    one.close().await.expect("a polite end");
    two.close().await.expect("a polite end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_write_at_once_are_all_seen_exactly_once() {
    let world = Arc::new(World::acme().await);
    world.agent("alice").await;
    let mut from = world.store.horizon().await.expect("a place");
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut connection = world.connection().await;
                let mut written = Vec::new();
                for _ in 0..25 {
                    let call = Uuid::now_v7();
                    begin_fact(&mut connection, call).await;
                    let pause = rand::rng().random_range(0.0..0.02);
                    connection.execute(AssertSqlSafe(format!("SELECT pg_sleep({pause})"))).await.expect("waited");
                    let commits = rand::rng().random_bool(0.9);
                    connection.execute(if commits { "COMMIT" } else { "ROLLBACK" }).await.expect("ended");
                    written.extend(commits.then_some(call));
                }
                written
            })
        })
        .collect();
    let reader = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            let mut seen = Vec::new();
            // Reads while they write, and until an end mark that is written last.
            let began = Instant::now();
            while !seen.iter().any(|one: &Happening| one.call.id == CallId(Uuid::max())) {
                let (next, some) = look(&world.store, from).await;
                from = next;
                seen.extend(some);
                assert!(began.elapsed() < PATIENCE, "the end mark was not seen");
            }
            seen
        }
    });
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.expect("written"));
    }
    let mut last = world.connection().await;
    begin_fact(&mut last, Uuid::max()).await;
    last.execute("COMMIT").await.expect("committed");
    let mut counted: BTreeMap<Uuid, u32> = BTreeMap::new();
    for one in reader.await.expect("read") {
        *counted.entry(one.call.id.0).or_default() += 1;
    }
    counted.remove(&Uuid::max());
    let wanted: BTreeMap<Uuid, u32> = written.into_iter().map(|call| (call, 1)).collect();
    assert!(wanted.len() > 100, "{}", wanted.len());
    assert_eq!(counted, wanted);
    last.close().await.expect("a polite end");
}

#[tokio::test]
async fn the_facts_of_calls_are_told_with_what_is_left_and_what_is_old_is_not() {
    let world = World::acme().await;
    world.equipped("alice", &["+12125550101"], 5).await;
    let mut from = world.store.horizon().await.expect("a place");
    let asked = request("alice");
    admitted(world.try_admit(&asked).await.expect("an answer"));
    let stored = world.store.facts(asked.call).await.expect("facts");
    let at = Timestamp::now();
    world.store.append(&[write(&stored, vec![Fact::Ringing { at }], asked.call)]).await.expect("written");
    let seen = look_for(&world.store, &mut from, 2).await;
    let told: Vec<String> = Event::of_all(&seen).iter().map(|event| event.kind.to_string()).collect();
    assert_eq!(told, ["call.started", "usage.changed", "call.ringing"]);
    assert_eq!((seen[0].usage.used, seen[0].usage.limit), (Some(1), Some(5)));

    // A database that was moved may number what is long past as if it were to come.
    let old = format!(
        "INSERT INTO call_facts (call_id, seq, at, kind, body)
         SELECT '{}', 90, now() - interval '8 days', 'ringing', '{{\"kind\": \"ringing\", \"at\": \"2026-01-01T00:00:00Z\"}}'",
        asked.call
    );
    world.sql(&old).await;
    world.sql(&old.replace("90, now() - interval '8 days'", "91, now()")).await;
    let seen = look_for(&world.store, &mut from, 1).await;
    assert_eq!(seen.iter().map(|one| one.seq).collect::<Vec<_>>(), [91]);
    // And it is read by its index, not as a whole.
    let mut planner = world.connection().await;
    planner.execute("SET enable_seqscan = off").await.expect("as the store has it");
    let plan: Vec<String> = sqlx::query_scalar(
        "EXPLAIN SELECT * FROM call_facts f WHERE f.transaction >= '900'::text::xid8
            AND f.transaction < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY f.transaction",
    )
    .fetch_all(&mut planner)
    .await
    .expect("a plan");
    assert!(plan.iter().any(|line| line.contains("call_facts_news")), "{plan:?}");
}
