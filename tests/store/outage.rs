//! Work on the database that is given up in the middle: whatever it was, nothing stays reserved and nothing is counted twice.

use crate::world::{World, decide, request};
use crate::writes::refuse_without_asking;
use cordboard::core::record::Quota;
use cordboard::store::StoreError;
use cordboard::store::admit::{AdmitRequest, Admitted};
use futures::future::join_all;
use std::time::Duration;

const NUMBERS: [&str; 2] = ["+12125550101", "+12125550102"];

/// Asks for a call and gives up after a time that is different for each.
async fn hurried(world: &World, number: u64, agent: &str) -> (AdmitRequest, Result<Admitted, StoreError>) {
    let request = request(agent);
    let limit = Duration::from_micros(number * 97 % 9_000);
    let answer = world.store.within(limit, world.store.admit(&request, decide)).await;
    (request, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_decision_that_is_given_up_at_any_moment_leaves_nothing_reserved() {
    let world = World::with_connections(8).await;
    world.found_acme().await;
    for agent in ["alice", "bob", "carol"] {
        world.equipped(agent, &NUMBERS, 1000).await;
    }
    let (mut admitted, mut given_up, mut late) = (0, 0, 0);
    for round in 0..60 {
        let agents = ["alice", "bob", "carol", "alice", "bob", "carol"];
        let all = agents.iter().zip(round * 6..).map(|(agent, number)| hurried(&world, number, agent));
        for (request, answer) in join_all(all).await {
            match answer {
                Ok(Admitted::Admitted(_)) => admitted += 1,
                Ok(other) => panic!("{other:?}"),
                Err(StoreError::TooSlow(_)) => {
                    given_up += 1;
                    refuse_without_asking(&world, &request).await;
                    // One row, whichever came first; and it is really written, not part of something given up.
                    assert_eq!(committed(&world, &request).await, 1);
                    let row = world.store.call(request.call, None).await.expect("a row");
                    assert!(matches!(row.quota, Quota::None | Quota::Refunded), "{row:#?}");
                    assert!(row.settled_at.is_some(), "{row:#?}");
                    late += u32::from(row.quota == Quota::Refunded);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    println!("{admitted} admitted, {given_up} given up, {late} of them admitted all the same and given back");
    assert!(admitted > 20 && given_up > 20, "{admitted} admitted, {given_up} given up: this proves nothing");
    let reserved = world.number("SELECT count(*) FROM calls WHERE quota = 'reserved'").await;
    assert_eq!(reserved, admitted);
    world.check().await;
}

/// How many settled rows of the call others see.
async fn committed(world: &World, request: &AdmitRequest) -> i64 {
    world.number(&format!("SELECT count(*) FROM calls WHERE id = '{}' AND settled_at IS NOT NULL", request.call)).await
}

/// The control: whoever gives up and leaves it at that has reservations that nobody uses.
#[tokio::test]
async fn giving_up_alone_would_keep_quota() {
    let world = World::acme().await;
    world.equipped("alice", &NUMBERS, 1000).await;
    let (mut admitted, mut kept) = (0, 0);
    for number in 0..2_000 {
        let (_, answer) = hurried(&world, number, "alice").await;
        admitted += i64::from(answer.is_ok());
        kept = world.number("SELECT count(*) FROM calls WHERE quota = 'reserved'").await - admitted;
        if kept > 0 {
            return;
        }
    }
    panic!(
        "{admitted} admitted, {kept} kept: no decision was ever given up too late, so the test above proves nothing"
    );
}

#[tokio::test]
async fn who_waits_behind_others_for_a_connection_or_a_lock_gives_up_in_time_and_is_not_counted() {
    let world = World::with_connections(1).await;
    world.found_acme().await;
    world.equipped("alice", &NUMBERS, 1000).await;
    let mut somebody = world.pool.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM agents FOR UPDATE").execute(&mut *somebody).await.expect("a lock");
    // The first waits for the lock with the only connection, the second for the connection.
    let limit = Duration::from_millis(100);
    let requests = [request("alice"), request("alice")];
    let answers =
        join_all(requests.iter().map(|request| world.store.within(limit, world.store.admit(request, decide)))).await;
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::TooSlow(_))), "{answer:?}");
    }
    somebody.rollback().await.expect("the lock is free");
    for request in &requests {
        refuse_without_asking(&world, request).await;
    }
    assert_eq!(world.number("SELECT count(*) FROM calls WHERE quota = 'reserved'").await, 0);
    world.check().await;
    // And the pool is not the poorer for it.
    assert!(matches!(world.admit("alice").await, Admitted::Admitted(_)));
}

#[tokio::test]
async fn a_disk_that_is_full_is_a_database_that_is_away() {
    let world = World::acme().await;
    world.equipped("alice", &NUMBERS, 1000).await;
    // As Postgres says it, at the moment it says it.
    world
        .sql(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
             CREATE TRIGGER full_disk BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION full_disk()",
        )
        .await;
    let error = world.try_admit(&request("alice")).await.expect_err("no space");
    assert!(error.is_away(), "{error}");
    let request = request("alice");
    assert!(world.store.enter(&crate::writes::entered(&request)).await.expect_err("no space").is_away());
    world.sql("DROP TRIGGER full_disk ON calls").await;
    refuse_without_asking(&world, &request).await;
    assert!(matches!(world.admit("alice").await, Admitted::Admitted(_)));
    world.check().await;
}
