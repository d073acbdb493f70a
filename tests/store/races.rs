//! Many at once: no limit is ever exceeded, and no free number is ever denied.

use crate::world::{World, decide, request};
use cordboard::core::outcome::RefusalReason;
use cordboard::store::StoreError;
use cordboard::store::admit::Admitted;
use sqlx::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;

const NUMBERS: [&str; 4] = ["+12125550101", "+12125550102", "+12125550103", "+12125550104"];

/// `clients` clients, each asking `times` times for one of the agents in turn.
async fn rush(world: &Arc<World>, agents: &[&'static str], clients: usize, times: usize) -> Vec<(String, Admitted)> {
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let (world, agents) = (Arc::clone(world), agents.to_vec());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for time in 0..times {
                    let agent = agents[(client + time) % agents.len()];
                    let request = request(agent);
                    // On a busy machine somebody may wait too long for the lock; asking again for the same call is harmless.
                    let answer = loop {
                        match world.store.admit(&request, decide).await {
                            Err(StoreError::Unavailable(_)) => {}
                            answer => break answer.expect("an answer"),
                        }
                    };
                    answers.push((agent.to_owned(), answer));
                }
                answers
            })
        })
        .collect();
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.expect("a client that does not panic"));
    }
    all
}

/// How many were admitted, and why the others were not.
fn tally(answers: &[(String, Admitted)]) -> (usize, BTreeMap<RefusalReason, usize>) {
    let mut reasons = BTreeMap::new();
    for (_, answer) in answers {
        if let Admitted::Refused { reason, .. } = answer {
            *reasons.entry(*reason).or_default() += 1;
        }
    }
    (answers.len() - reasons.values().sum::<usize>(), reasons)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_agent_never_exceeds_and_always_gets_the_limit() {
    let world = Arc::new(World::acme().await);
    world.equipped("alice", &NUMBERS, 20).await;
    let (granted, reasons) = tally(&rush(&world, &["alice"], 32, 5).await);
    assert_eq!(granted, 80, "four numbers of twenty calls");
    assert_eq!(reasons, BTreeMap::from([(RefusalReason::DailyLimit, 80)]));
    for number in NUMBERS {
        assert_eq!(world.used(number).await, 20);
    }
    world.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn use_is_spread_evenly_under_contention() {
    let world = Arc::new(World::acme().await);
    world.equipped("alice", &NUMBERS, 1000).await;
    let (granted, _) = tally(&rush(&world, &["alice"], 32, 5).await);
    assert_eq!(granted, 160);
    let spread = world.number("SELECT (max(used) - min(used))::bigint FROM assignment_days").await;
    assert!(spread <= 1, "{spread}");
    world.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_agent_s_own_limit_holds_over_all_numbers() {
    let world = Arc::new(World::acme().await);
    world.equipped("alice", &NUMBERS, 1000).await;
    world.sql("UPDATE agents SET daily_limit = 33").await;
    let (granted, reasons) = tally(&rush(&world, &["alice"], 32, 2).await);
    assert_eq!((granted, reasons), (33, BTreeMap::from([(RefusalReason::AgentDailyLimit, 31)])));
    world.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_number_shared_by_agents_never_exceeds_its_own_limit() {
    let world = Arc::new(World::acme().await);
    let agents = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
    for agent in agents {
        world.equipped(agent, &NUMBERS, 100).await;
    }
    world.sql("UPDATE numbers SET daily_limit = 25").await;
    // eight agents race for four hundred calls, of which there are a hundred; numbers run out under their hands
    let (granted, reasons) = tally(&rush(&world, &agents, 32, 13).await);
    assert_eq!(granted, 100);
    assert_eq!(reasons, BTreeMap::from([(RefusalReason::DailyLimit, 32 * 13 - 100)]));
    for number in NUMBERS {
        assert_eq!(world.used(number).await, 25);
    }
    world.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_place_of_a_shared_number_has_one_winner_and_the_others_their_next_number() {
    let agents = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
    for round in 0..5 {
        let world = Arc::new(World::acme().await);
        for (agent, own) in agents.iter().zip(1..) {
            world.equipped(agent, &[NUMBERS[0]], 100).await;
            // half of them have a second number; it is ranked after the shared one, which was never used by them
            if own % 2 == 0 {
                let second = format!("+1212555{:04}", 200 + own);
                world.add_number(&second).await;
                world.assign(agent, &second, 100).await;
                world
                    .sql(&format!(
                        "INSERT INTO number_days SELECT id, current_date - 1, 1, now() FROM numbers WHERE e164 = '{second}'"
                    ))
                    .await;
            }
        }
        world.sql(&format!("UPDATE numbers SET daily_limit = 1 WHERE e164 = '{}'", NUMBERS[0])).await;
        let answers = rush(&world, &agents, agents.len(), 1).await;
        let mut won = 0;
        for (agent, answer) in &answers {
            let second = agents.iter().position(|name| name == agent).expect("one of them") % 2 == 1;
            match answer {
                Admitted::Admitted(admission) if admission.present.to_string() == NUMBERS[0] => won += 1,
                Admitted::Admitted(_) => assert!(second, "{agent} has no second number"),
                Admitted::Refused { reason, .. } => {
                    assert_eq!((*reason, second), (RefusalReason::DailyLimit, false), "{agent} round {round}");
                }
                Admitted::Emergency => panic!("an emergency"),
            }
        }
        assert_eq!(won, 1, "round {round}");
    }
}

/// Two agents that rank two exhausted numbers the other way round must not wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn crossed_ranks_do_not_deadlock() {
    let world = Arc::new(World::acme().await);
    let agents = ["alice", "bob", "carol", "dave"];
    for agent in agents {
        world.equipped(agent, &NUMBERS[..2], 1000).await;
    }
    for limit in 1..40 {
        world.sql(&format!("UPDATE numbers SET daily_limit = {limit}")).await;
        let (granted, _) = tally(&rush(&world, &agents, 8, 1).await);
        assert_eq!(granted, 2, "limit {limit}");
    }
    let deadlocks = world.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await;
    assert_eq!(deadlocks, 0);
    world.check().await;
}

/// The control: the obvious way, read and then write, must exceed the limit, or the tests above prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_read_then_write_exceeds_the_limit() {
    let world = Arc::new(World::acme().await);
    world.equipped("alice", &NUMBERS[..1], 20).await;
    world
        .sql("INSERT INTO assignment_days SELECT id, cordboard_local_day('America/New_York'), 0 FROM assignments")
        .await;
    let options = world.pool.connect_options();
    let clients: Vec<_> = (0..32)
        .map(|_| {
            let options = Arc::clone(&options);
            tokio::spawn(async move {
                let mut connection = sqlx::PgConnection::connect_with(&options).await.expect("a connection");
                let mut granted = 0;
                for _ in 0..5 {
                    let used: i32 = sqlx::query_scalar("SELECT used FROM assignment_days")
                        .fetch_one(&mut connection)
                        .await
                        .expect("a row");
                    if used < 20 {
                        sqlx::query("UPDATE assignment_days SET used = used + 1")
                            .execute(&mut connection)
                            .await
                            .expect("an update");
                        granted += 1;
                    }
                }
                granted
            })
        })
        .collect();
    let mut granted = 0;
    for client in clients {
        granted += client.await.expect("a client");
    }
    assert!(granted > 20, "{granted}: this machine does not race; the other tests prove nothing here");
}
