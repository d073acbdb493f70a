//! A long backlog, and a database that is slow to take it.

use crate::floor::{Floor, run};
use crate::judge::{evidence, judge};
use crate::size::{dice, seed};
use crate::traffic::{Traffic, get};
use fault_proxy::Faults;
use std::time::{Duration, Instant};

async fn unwritten(floor: &Floor) -> u64 {
    let metrics = get(floor.http, "/metrics").await;
    let facts = metrics.lines().find_map(|line| line.strip_prefix("cordboard_unwritten_facts ")).expect("a gauge");
    facts.parse().expect("a number")
}

async fn until_unwritten(floor: &Floor, wanted: impl Fn(u64) -> bool) {
    let deadline = Instant::now() + Duration::from_mins(3);
    loop {
        let now = unwritten(floor).await;
        if wanted(now) {
            return;
        }
        assert!(Instant::now() < deadline, "{now} facts are unwritten:\n{}", floor.process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// More than can be written in the time of one attempt: what an attempt has written must count.
#[test]
fn a_long_backlog_comes_into_a_slow_database_bit_by_bit() {
    run(async {
        let mut floor = Floor::open().await;
        floor.postgres.freeze();
        let traffic = Traffic::start(&floor, 50, dice("backlog"));
        until_unwritten(&floor, |facts| facts > 600).await;
        let asked = traffic.stop().await;
        floor.postgres.set(Faults { latency: Duration::from_millis(5), ..Faults::default() });
        floor.postgres.mend();
        until_unwritten(&floor, |facts| facts == 0).await;
        floor.postgres.set(Faults::default());
        let left = floor.rest().await;
        let mut verdict = judge(&evidence(&floor, &asked).await);
        verdict.broken.extend(left);
        floor.close().await;
        let complaints = verdict.complaints();
        assert!(complaints.is_empty(), "seed {}: {} complaints:\n{}", seed(), complaints.len(), complaints.join("\n"));
    });
}
