//! How fast admission is. Run by hand: `cargo test --release --test store speed -- --ignored --nocapture`.

use crate::world::{World, decide, request};
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn load(world: &Arc<World>, clients: usize, times: usize, agents: usize, warm: bool) {
    let began = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                let mut taken = Vec::with_capacity(times);
                for time in 0..times {
                    let agent = format!("agent{}", (client + time * clients) % agents);
                    let began = Instant::now();
                    world.store.admit(&request(&agent), decide).await.expect("an answer");
                    taken.push(began.elapsed());
                }
                taken
            })
        })
        .collect();
    let mut taken: Vec<Duration> = Vec::new();
    for task in tasks {
        taken.extend(task.await.expect("a client"));
    }
    let rate = f64::from(u32::try_from(taken.len()).expect("few")) / began.elapsed().as_secs_f64();
    taken.sort_unstable();
    let at = |percent: usize| taken[(taken.len() - 1) * percent / 100];
    if !warm {
        println!(
            "{clients:2} clients, {agents:3} agents: {rate:6.0}/s, p50 {:?}, p90 {:?}, p99 {:?}, max {:?}",
            at(50),
            at(90),
            at(99),
            at(100)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
async fn measure() {
    let world = Arc::new(World::acme().await);
    world
        .sql(
            "INSERT INTO agents (organization_id, name, endpoint) SELECT id, 'a', 'agent' || i
                FROM organizations, generate_series(0, 199) i;
             INSERT INTO numbers (organization_id, e164) SELECT id, '+1212555' || i
                FROM organizations, generate_series(1000, 1599) i;
             INSERT INTO assignments (agent_id, number_id, daily_limit)
                SELECT a.id, n.id, 1000 FROM (SELECT id, row_number() OVER (ORDER BY endpoint) - 1 AS i FROM agents) a
                JOIN (SELECT id, row_number() OVER (ORDER BY e164) - 1 AS i FROM numbers) n ON n.i / 3 = a.i;
             ANALYZE",
        )
        .await;
    load(&world, 32, 40, 200, true).await;
    load(&world, 1, 500, 200, false).await;
    load(&world, 8, 400, 200, false).await;
    load(&world, 32, 100, 200, false).await;
    load(&world, 8, 100, 1, false).await;
    load(&world, 32, 30, 1, false).await;
}
