//! One owner a node, on a real server: replicas that fight, freeze, die and lose their connections.

use crate::world::{World, admitted, name, now, request, write};
use cordboard::core::fact::Fact;
use cordboard::core::ids::NodeName;
use cordboard::daemon::Terms;
use cordboard::store::leases::{Epoch, Renewed, Replica};
use cordboard::store::{Store, StoreError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use uuid::Uuid;

const TTL: Duration = Duration::from_secs(4);

fn replica(name: &str) -> Replica {
    Replica { id: Uuid::now_v7(), name: name.to_owned(), host: None }
}

fn node(name: &str) -> NodeName {
    name.parse().expect("a node")
}

async fn take(store: &Store, node: &NodeName, replica: &Replica) -> Option<Epoch> {
    store.take_lease(node, replica, TTL, None).await.expect("an answer")
}

#[tokio::test]
async fn a_lease_is_one_replicas_until_it_is_over_given_back_or_its_owner_dead() {
    let world = World::new().await;
    let (store, pbx) = (&world.store, node("pbx1"));
    let (a, b) = (replica("a"), replica("b"));
    assert_eq!(store.wait_for_lease(&pbx, &a).await.expect("an answer"), None);
    assert_eq!(take(store, &pbx, &a).await, Some(Epoch(1)));
    assert_eq!(take(store, &pbx, &b).await, None);
    let held = store.wait_for_lease(&pbx, &b).await.expect("an answer").expect("a lease");
    assert_eq!((held.owner, &*held.owner_name, held.is_free()), (Some(a.id), "a", false));
    assert!(held.left <= TTL, "{held:?}");

    // The owner hears that somebody waits; only the owner can renew.
    assert_eq!(store.renew_lease(&pbx, &a, Epoch(1), TTL).await.expect("an answer"), Renewed::Yes { standby: true });
    assert_eq!(store.renew_lease(&pbx, &b, Epoch(1), TTL).await.expect("an answer"), Renewed::Over);
    store.wait_no_more(&pbx, &b).await.expect("done");
    assert_eq!(store.renew_lease(&pbx, &a, Epoch(1), TTL).await.expect("an answer"), Renewed::Yes { standby: false });

    // Another node is another matter.
    assert_eq!(take(store, &node("pbx2"), &b).await, Some(Epoch(1)));

    // Given back: free at once, and whoever had it may not write with it.
    let mut releases = store.released_leases().await.expect("a listener");
    store.release_lease(&pbx, &b).await.expect("nothing of b's");
    store.release_lease(&pbx, &a).await.expect("released");
    assert_eq!(releases.next().await.expect("told"), "pbx1");
    assert_eq!(store.renew_lease(&pbx, &a, Epoch(1), TTL).await.expect("an answer"), Renewed::Over);
    assert_eq!(take(store, &pbx, &b).await, Some(Epoch(2)));

    // Over by the database's clock.
    assert_eq!(take(store, &pbx, &a).await, None);
    world.sql("UPDATE node_leases SET expires_at = clock_timestamp() WHERE node = 'pbx1'").await;
    // Nobody took it: it is renewed as if nothing had been.
    assert_eq!(store.renew_lease(&pbx, &b, Epoch(2), TTL).await.expect("an answer"), Renewed::Yes { standby: false });
    assert_eq!(take(store, &pbx, &a).await, None);
    world.sql("UPDATE node_leases SET expires_at = clock_timestamp() WHERE node = 'pbx1'").await;
    assert_eq!(take(store, &pbx, &a).await, Some(Epoch(3)));
    assert_eq!(store.renew_lease(&pbx, &b, Epoch(2), TTL).await.expect("an answer"), Renewed::Over);

    // Its owner is known to be dead; another's death is nobody's business.
    assert_eq!(store.take_lease(&pbx, &b, TTL, Some(Uuid::now_v7())).await.expect("an answer"), None);
    assert_eq!(store.take_lease(&pbx, &b, TTL, Some(a.id)).await.expect("an answer"), Some(Epoch(4)));
    let all = store.leases().await.expect("the leases");
    assert_eq!(all.iter().map(|(node, held)| (&**node, held.epoch.0)).collect::<Vec<_>>(), [("pbx1", 4), ("pbx2", 1)]);
}

#[tokio::test]
async fn whoever_lost_the_node_writes_nothing_about_calls() {
    let world = World::acme().await;
    world.equipped("alice", &["+12125550101"], 100).await;
    let pbx = node("pbx1");
    let (a, b) = (replica("a"), replica("b"));
    let epoch = take(&world.store, &pbx, &a).await.expect("free");
    let of_a = world.store.fenced(&pbx, epoch);
    let asked = request("alice");
    admitted(of_a.admit(&asked, crate::world::decide).await.expect("admitted"));
    let stored = of_a.facts(asked.call).await.expect("facts");
    let ringing = write(&stored, vec![Fact::InviteSent { at: now() }], asked.call);
    of_a.append(std::slice::from_ref(&ringing)).await.expect("written");

    let next = world.store.take_lease(&pbx, &b, TTL, Some(a.id)).await.expect("an answer").expect("taken");
    let of_b = world.store.fenced(&pbx, next);
    let tables = "SELECT md5(coalesce(string_agg(t.row, '|' ORDER BY t.row), '')) FROM (
        SELECT c::text AS row FROM calls c UNION ALL SELECT f::text FROM call_facts f UNION ALL SELECT n::text FROM call_numbers n
        UNION ALL SELECT d::text FROM number_days d UNION ALL SELECT d::text FROM agent_days d
        UNION ALL SELECT n::text FROM nodes n) t";
    let state = async || -> String { sqlx::query_scalar(tables).fetch_one(&world.pool).await.expect("a digest") };
    let before = state().await;
    let stored = of_a.facts(asked.call).await.expect("facts");
    let answered = write(&stored, vec![Fact::Answered { at: now() }], asked.call);
    let refund = {
        let end =
            Fact::Settled { at: now(), disposition: cordboard::core::outcome::Disposition::Failed, estimated: true };
        write(&stored, vec![end], asked.call)
    };
    let enter = cordboard::store::writes::EnterRequest {
        call: cordboard::core::ids::CallId(Uuid::now_v7()),
        endpoint: Some(name("alice")),
        dialled_raw: "911".to_owned(),
        node: pbx.clone(),
        trunk: None,
        presented: None,
        facts: Vec::new(),
    };
    let nobody = request("nobody");
    let attempts = [
        of_a.admit(&request("alice"), crate::world::decide).await.map(drop),
        of_a.admit(&nobody, crate::world::decide).await.map(drop),
        of_a.append(std::slice::from_ref(&answered)).await.map(drop),
        of_a.append(std::slice::from_ref(&refund)).await.map(drop),
        of_a.enter(&enter).await,
        of_a.node_seen(&pbx, "http://x", "22.10.1", now()).await.map(drop),
    ];
    for (number, attempt) in attempts.into_iter().enumerate() {
        assert!(matches!(attempt, Err(StoreError::NotOwner)), "attempt {number}: {attempt:?}");
    }
    assert_eq!(state().await, before, "something was written");

    // The control: the same from the owner is written.
    of_b.append(std::slice::from_ref(&answered)).await.expect("written");
    of_b.enter(&enter).await.expect("written");
    admitted(of_b.admit(&request("alice"), crate::world::decide).await.expect("admitted"));
    assert_ne!(state().await, before);
    world.check().await;
}

#[tokio::test]
async fn the_next_owner_waits_for_what_the_last_one_is_writing_and_a_renewal_does_not() {
    let world = World::acme().await;
    let pbx = node("pbx1");
    let (a, b) = (replica("a"), replica("b"));
    let epoch = take(&world.store, &pbx, &a).await.expect("free");
    let mut writing = world.pool.begin().await.expect("a transaction");
    let held: bool = sqlx::query_scalar("SELECT cordboard_hold_lease('pbx1', $1)")
        .bind(epoch.0)
        .fetch_one(&mut *writing)
        .await
        .expect("held");
    assert!(held);
    assert_eq!(
        world.store.renew_lease(&pbx, &a, epoch, TTL).await.expect("not blocked"),
        Renewed::Yes { standby: false }
    );
    world.sql("UPDATE node_leases SET expires_at = clock_timestamp() WHERE node = 'pbx1'").await;
    let blocked = world.store.take_lease(&pbx, &b, TTL, None).await;
    assert!(matches!(blocked, Err(StoreError::Unavailable(_))), "{blocked:?}");
    writing.commit().await.expect("committed");
    assert_eq!(take(&world.store, &pbx, &b).await, Some(Epoch(2)));
}

/// Somebody trusted to own a node, from when to when.
#[derive(Clone, Copy, Debug)]
struct Trusted {
    node: usize,
    replica: usize,
    epoch: Epoch,
    from: Duration,
    until: Duration,
}

/// Moments at which two replicas trusted to own the same node.
fn overlaps(log: &[Trusted]) -> Vec<(Trusted, Trusted)> {
    let mut found = Vec::new();
    for (i, one) in log.iter().enumerate() {
        let others = log[i + 1..].iter().filter(|o| o.node == one.node && o.replica != one.replica);
        found.extend(others.filter(|o| o.from < one.until && one.from < o.until).map(|o| (*one, *o)));
    }
    found
}

/// How the fighters take a node.
#[derive(Clone, Copy)]
enum Way {
    Lease,
    /// The control: looks first, and then takes it.
    LookThenTake,
}

/// Replicas that fight for nodes: they freeze, give back, and have their connections killed. The log is what each trusted.
async fn fight(seed: u64, way: Way) -> Vec<Trusted> {
    const REPLICAS: usize = 6;
    const NODES: usize = 3;
    let terms = Terms {
        ttl: Duration::from_millis(200),
        margin: Duration::from_millis(50),
        renew_every: Duration::from_millis(40),
    };
    let world = Arc::new(World::with_connections(16).await);
    let (log, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let zero = Instant::now();
    let fighters: Vec<_> = (0..REPLICAS)
        .map(|number| {
            let (world, log, over) = (Arc::clone(&world), Arc::clone(&log), Arc::clone(&over));
            tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(seed + number as u64);
                let me = replica(&format!("replica-{number}"));
                let mut mine: [Option<(Epoch, Duration)>; NODES] = [None; NODES];
                while !over.load(Ordering::Relaxed) {
                    let index = random.random_range(0..NODES);
                    let pbx = node(&format!("pbx{index}"));
                    let began = zero.elapsed();
                    let epoch = match mine[index] {
                        Some((epoch, _)) => match world.store.renew_lease(&pbx, &me, epoch, terms.ttl).await {
                            Ok(Renewed::Yes { .. }) => Some(epoch),
                            Ok(Renewed::Over) => {
                                mine[index] = None;
                                None
                            }
                            Err(_) => None,
                        },
                        None => try_take(&world, &pbx, &me, terms.ttl, way).await,
                    };
                    // Frozen in the middle: what was told is older than it looks.
                    if random.random_bool(0.1) {
                        tokio::time::sleep(Duration::from_millis(random.random_range(50..400))).await;
                    }
                    let (from, until) = (zero.elapsed(), terms.trusted_until(began));
                    if let Some(epoch) = epoch {
                        mine[index] = Some((epoch, until));
                        if from < until {
                            let trusted = Trusted { node: index, replica: number, epoch, from, until };
                            log.lock().expect("lock").push(trusted);
                        }
                    }
                    if mine[index].is_some() && random.random_bool(0.05) {
                        // What is given back is not trusted any more.
                        let given = zero.elapsed();
                        mine[index] = None;
                        for trusted in log.lock().expect("lock").iter_mut() {
                            if (trusted.node, trusted.replica) == (index, number) {
                                trusted.until = trusted.until.min(given.max(trusted.from));
                            }
                        }
                        let _ = world.store.release_lease(&pbx, &me).await;
                    }
                    tokio::time::sleep(terms.renew_every.mul_f64(random.random_range(0.1..1.5))).await;
                }
            })
        })
        .collect();
    while zero.elapsed() < Duration::from_secs(6) {
        world
            .number(
                "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'cordboard' ORDER BY random() LIMIT 1) victims",
            )
            .await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    over.store(true, Ordering::Relaxed);
    for fighter in fighters {
        fighter.await.expect("a fighter");
    }
    Arc::into_inner(log).expect("theirs is gone").into_inner().expect("lock")
}

async fn try_take(world: &World, pbx: &NodeName, me: &Replica, ttl: Duration, way: Way) -> Option<Epoch> {
    match way {
        Way::Lease => world.store.take_lease(pbx, me, ttl, None).await.ok().flatten(),
        Way::LookThenTake => {
            let held = world.store.wait_for_lease(pbx, me).await.ok()?;
            if held.as_ref().is_some_and(|held| !held.is_free()) {
                return None;
            }
            let dead = held.and_then(|held| held.owner);
            // Something else has the processor meanwhile.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let taken = "INSERT INTO node_leases AS l (node, epoch, owner, owner_name, taken_at, expires_at)
                VALUES ($1, 1, $2, $3, now(), clock_timestamp() + interval '200 ms')
                ON CONFLICT (node) DO UPDATE SET epoch = l.epoch + 1, owner = $2, expires_at = excluded.expires_at
                RETURNING epoch";
            let taken = sqlx::query_scalar(taken).bind(pbx.as_ref()).bind(me.id).bind(format!("{dead:?}"));
            taken.fetch_one(&world.pool).await.ok().map(Epoch)
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn never_do_two_replicas_trust_to_own_a_node() {
    let seed = 20_261_121;
    let log = fight(seed, Way::Lease).await;
    let owners: std::collections::BTreeSet<_> = log.iter().map(|t| (t.node, t.epoch)).collect();
    println!("{} times trusted in {} ownerships, seed {seed}", log.len(), owners.len());
    assert!(owners.len() > 30, "no fight: {} ownerships", owners.len());
    assert_eq!(overlaps(&log).len(), 0, "seed {seed}: {:#?}", overlaps(&log).first());
    for one in &log {
        let mut same = log.iter().filter(|other| (other.node, other.epoch) == (one.node, one.epoch));
        assert!(same.all(|other| other.replica == one.replica), "an epoch of two replicas: {one:?}");
    }
}

/// The control: without the condition in the statement the same fight has two owners.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_looks_and_then_takes_has_company() {
    let log = fight(20_261_121, Way::LookThenTake).await;
    assert!(!overlaps(&log).is_empty(), "no overlap in {} times trusted: the fight proves nothing", log.len());
}
