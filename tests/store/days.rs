//! The day is the organization's, by the database's clock.

use crate::world::{World, admitted, refused};
use cordboard::core::outcome::RefusalReason;

const ONE: &str = "+12125550101";

/// From now on time stands still, where the test puts it.
async fn stop_clocks(world: &World, at: &str) {
    world
        .sql(&format!(
            "CREATE TABLE IF NOT EXISTS test_clock AS SELECT now() AS at;
             UPDATE test_clock SET at = '{at}';
             CREATE OR REPLACE FUNCTION cordboard_local_day(zone text) RETURNS date LANGUAGE sql VOLATILE AS
                $$ SELECT (at AT TIME ZONE zone)::date FROM test_clock $$"
        ))
        .await;
}

async fn days(world: &World) -> Vec<String> {
    sqlx::query_scalar("SELECT day::text || ' ' || used FROM agent_days ORDER BY day")
        .fetch_all(&world.pool)
        .await
        .expect("days")
}

#[tokio::test]
async fn a_limit_begins_anew_at_local_midnight_and_nothing_is_reset() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 1).await;
    stop_clocks(&world, "2026-07-01 03:59:59+00").await;
    admitted(world.admit("alice").await);
    assert_eq!(refused(world.admit("alice").await), RefusalReason::DailyLimit);
    // midnight in New York
    stop_clocks(&world, "2026-07-01 04:00:00+00").await;
    admitted(world.admit("alice").await);
    assert_eq!(refused(world.admit("alice").await), RefusalReason::DailyLimit);
    assert_eq!(days(&world).await, ["2026-06-30 1", "2026-07-01 1"]);
    // set back, yesterday is still used up
    stop_clocks(&world, "2026-07-01 03:59:59+00").await;
    assert_eq!(refused(world.admit("alice").await), RefusalReason::DailyLimit);
    world.check().await;
}

#[tokio::test]
async fn two_organizations_have_their_own_midnights() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 1).await;
    world
        .sql(
            "INSERT INTO organizations (slug, name, country, time_zone) VALUES ('tokyo', 'Tokyo', 'JP', 'Asia/Tokyo');
             INSERT INTO agents (organization_id, name, endpoint) SELECT id, 'Taro', 'taro' FROM organizations WHERE slug = 'tokyo';
             INSERT INTO numbers (organization_id, e164) SELECT id, '+81355550101' FROM organizations WHERE slug = 'tokyo';
             INSERT INTO assignments (agent_id, number_id, daily_limit) SELECT a.id, n.id, 1 FROM agents a
                JOIN numbers n USING (organization_id) WHERE a.endpoint = 'taro'",
        )
        .await;
    stop_clocks(&world, "2026-07-01 14:59:00+00").await;
    admitted(world.admit("alice").await);
    admitted(world.admit("taro").await);
    // midnight in Tokyo only
    stop_clocks(&world, "2026-07-01 15:00:00+00").await;
    assert_eq!(refused(world.admit("alice").await), RefusalReason::DailyLimit);
    admitted(world.admit("taro").await);
    world.check().await;
}

#[tokio::test]
async fn clocks_put_back_and_forward_neither_make_nor_take_a_day() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 1000).await;
    // 2026-11-01 has 25 hours in New York, 2026-03-08 has 23
    for at in ["2026-11-01 04:00+00", "2026-11-01 05:59+00", "2026-11-01 06:00+00", "2026-11-02 04:59+00"] {
        stop_clocks(&world, at).await;
        admitted(world.admit("alice").await);
    }
    for at in ["2026-03-08 05:00+00", "2026-03-08 06:59+00", "2026-03-08 07:00+00", "2026-03-09 03:59+00"] {
        stop_clocks(&world, at).await;
        admitted(world.admit("alice").await);
    }
    assert_eq!(days(&world).await, ["2026-03-08 4", "2026-11-01 4"]);
}

/// Whoever waits for the lock over midnight is counted on the day on which they get it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_day_is_read_when_the_lock_is_held() {
    let world = std::sync::Arc::new(World::acme().await);
    world.equipped("alice", &[ONE], 2).await;
    stop_clocks(&world, "2026-07-01 03:59:59+00").await;
    admitted(world.admit("alice").await);
    let mut holder = world.pool.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM agents FOR NO KEY UPDATE").execute(&mut *holder).await.expect("the lock");
    let waiting = tokio::spawn({
        let world = std::sync::Arc::clone(&world);
        async move { world.admit("alice").await }
    });
    while world.number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await == 0 {
        tokio::task::yield_now().await;
    }
    stop_clocks(&world, "2026-07-01 04:00:00+00").await;
    holder.rollback().await.expect("the lock is free");
    admitted(waiting.await.expect("no panic"));
    assert_eq!(days(&world).await, ["2026-06-30 1", "2026-07-01 1"]);
}
