//! Connections that die in the middle of anything.

use crate::world::{World, admitted, decide, request};
use cordboard::store::admit::Admitted;
use cordboard::store::{Store, StoreError};
use secrecy::SecretString;
use sqlx::ConnectOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NUMBERS: [&str; 3] = ["+12125550101", "+12125550102", "+12125550103"];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_killed_counters_are_the_calls_that_were_admitted() {
    let world = Arc::new(World::acme().await);
    let agents = ["alice", "bob", "carol", "dave"];
    for agent in agents {
        world.equipped(agent, &NUMBERS, 1000).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let (world, over) = (Arc::clone(&world), Arc::clone(&over));
            tokio::spawn(async move {
                let (mut admitted, mut failed, mut unknown) = (0_i64, 0_i64, 0_i64);
                while !over.load(Ordering::Relaxed) {
                    match world.store.admit(&request(agents[client % 4]), decide).await {
                        Ok(Admitted::Admitted(_)) => admitted += 1,
                        Ok(answer) => panic!("{answer:?}"),
                        Err(StoreError::Unavailable(_)) => failed += 1,
                        Err(StoreError::OutcomeUnknown) => unknown += 1,
                        Err(error) => panic!("{error:?}"),
                    }
                }
                (admitted, failed, unknown)
            })
        })
        .collect();
    let (began, mut killed) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(5) {
        killed += world
            .number(
                "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'cordboard' ORDER BY random() LIMIT 1) victims",
            )
            .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.store(true, Ordering::Relaxed);
    let (mut admitted, mut failed, mut unknown) = (0, 0, 0);
    for client in clients {
        let (a, f, u) = client.await.expect("a client");
        (admitted, failed, unknown) = (admitted + a, failed + f, unknown + u);
    }
    let rows = world.number("SELECT count(*) FROM calls WHERE quota = 'reserved'").await;
    println!("{killed} killed: {admitted} admitted, {failed} failed, {unknown} unknown, {rows} rows");
    assert!(killed > 50 && admitted > 50 && failed + unknown > 0, "{killed} killed, {admitted} admitted: no storm");
    assert!((admitted..=admitted + unknown).contains(&rows), "{admitted} admitted, {unknown} unknown, {rows} rows");
    world.check().await;
}

/// A commit of which nobody knows whether it took place: refused by the daemon, settled by the store.
#[tokio::test]
async fn a_reservation_that_nobody_heard_of_is_given_back() {
    let world = World::acme().await;
    world.equipped("alice", &NUMBERS[..1], 1).await;
    let request = request("alice");
    admitted(world.try_admit(&request).await.expect("an answer"));

    // what the daemon writes if it believes that the database is away
    crate::writes::refuse_without_asking(&world, &request).await;
    assert_eq!(world.used(NUMBERS[0]).await, 0);
    let facts = world.store.facts(request.call).await.expect("facts");
    assert_eq!(
        facts.iter().map(cordboard::core::fact::Fact::kind).collect::<Vec<_>>(),
        ["requested", "admitted", "settled"]
    );
    assert!(world.store.open_calls("pbx1").await.expect("an answer").is_empty());
    // and again, because its answer was lost as well
    crate::writes::refuse_without_asking(&world, &request).await;
    assert_eq!(world.used(NUMBERS[0]).await, 0);
    assert_eq!(world.store.facts(request.call).await.expect("facts").len(), 3);
    world.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_went_away_is_one_clear_error_and_then_forgotten() {
    let world = World::with_connections(4).await;
    world.found_acme().await;
    world.equipped("alice", &NUMBERS, 1000).await;
    admitted(world.admit("alice").await);
    for _ in 0..10 {
        world
            .number(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'cordboard'",
            )
            .await;
        // the stale connection is noticed, and another one taken
        admitted(world.admit("alice").await);
    }
    world.check().await;
}

#[tokio::test]
async fn a_lock_held_too_long_refuses_instead_of_hanging() {
    let world = World::acme().await;
    world.equipped("alice", &NUMBERS, 1000).await;
    let mut holder = world.pool.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM agents FOR NO KEY UPDATE").execute(&mut *holder).await.expect("the lock");
    let began = Instant::now();
    let answer = world.try_admit(&request("alice")).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(world.number("SELECT count(*) FROM calls").await, 0);
}

/// What a message holds that reserves and commits at once: the call's first fact.
const RESERVATION: &[u8] = b"\"requested\"";
const COMMIT: &[u8] = b"COMMIT";

/// A way to the server that lets one such message through and then goes down before the answer comes back.
async fn proxy(server: (String, u16), message: &'static [u8], armed: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let upstream = TcpStream::connect((server.0.as_str(), server.1)).await.expect("the server");
            tokio::spawn(relay(client, upstream, message, Arc::clone(&armed)));
        }
    });
    port
}

async fn relay(mut client: TcpStream, mut server: TcpStream, message: &'static [u8], armed: Arc<AtomicBool>) {
    let (mut up, mut down) = ([0; 16_384], [0; 16_384]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let read = read.unwrap_or(0);
                if read == 0 || server.write_all(&up[..read]).await.is_err() {
                    return;
                }
                let commit = up[..read].windows(message.len()).any(|part| part == message);
                if commit && armed.swap(false, Ordering::Relaxed) {
                    let _ = server.read(&mut down).await;
                    return;
                }
            }
            read = server.read(&mut down) => {
                let read = read.unwrap_or(0);
                if read == 0 || client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn store_behind(world: &World, message: &'static [u8], armed: &Arc<AtomicBool>) -> Store {
    let options = world.pool.connect_options();
    let port = proxy((options.get_host().to_owned(), options.get_port()), message, Arc::clone(armed)).await;
    let url = options.as_ref().clone().host("127.0.0.1").port(port).to_url_lossy().to_string();
    Store::connect(&SecretString::from(url), 4, Duration::from_secs(10)).expect("a store")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_whose_answer_is_lost_is_looked_up_and_never_repeated() {
    let world = World::acme().await;
    world.equipped("alice", &NUMBERS, 1000).await;
    let armed = Arc::new(AtomicBool::new(false));
    let store = store_behind(&world, RESERVATION, &armed).await;
    for round in 1..=20 {
        armed.store(true, Ordering::Relaxed);
        let request = request("alice");
        let answer = store.admit(&request, decide).await.expect("found out");
        assert!(!armed.load(Ordering::Relaxed), "the answer was lost");
        assert!(matches!(answer, Admitted::Admitted(_)), "{answer:?}");
        assert_eq!(world.number("SELECT sum(used)::bigint FROM agent_days").await, round);
    }
    armed.store(true, Ordering::Relaxed);
    let answer = store.admit(&request("stranger"), decide).await.expect("found out");
    assert!(!armed.load(Ordering::Relaxed), "the answer was lost");
    assert!(matches!(answer, Admitted::Refused { .. }), "{answer:?}");
    store.close().await;
    world.check().await;
}

/// The same on the careful way: midnight comes between the decision and the reservation, so each call is decided twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_looked_up_and_never_repeated() {
    let world = World::acme().await;
    world.equipped("alice", &NUMBERS, 1000).await;
    world
        .sql(
            "CREATE SEQUENCE midnights;
             CREATE OR REPLACE FUNCTION cordboard_local_day(zone text) RETURNS date LANGUAGE sql VOLATILE AS
                $$ SELECT date '2026-07-01' + (nextval('midnights') > 1)::int $$",
        )
        .await;
    let armed = Arc::new(AtomicBool::new(false));
    let store = store_behind(&world, COMMIT, &armed).await;
    for round in 1..=20 {
        world.sql("ALTER SEQUENCE midnights RESTART").await;
        armed.store(true, Ordering::Relaxed);
        let answer = store.admit(&request("alice"), decide).await.expect("found out");
        assert!(!armed.load(Ordering::Relaxed), "the answer was lost");
        assert!(matches!(answer, Admitted::Admitted(_)), "{answer:?}");
        let counted = "SELECT sum(used)::bigint FROM agent_days WHERE day = '2026-07-02'";
        assert_eq!(world.number(counted).await, round);
    }
    store.close().await;
    world.check().await;
}

#[tokio::test]
async fn a_commit_that_fails_counts_nothing() {
    let world = World::acme().await;
    world.equipped("alice", &NUMBERS, 1000).await;
    world
        .sql(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER die AFTER INSERT ON calls DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION die()",
        )
        .await;
    let answer = world.try_admit(&request("alice")).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert_eq!(world.number("SELECT count(*) FROM calls").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM agent_days").await, 0);
}
