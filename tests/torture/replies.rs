//! Replies and events that are lost or doubled, and commits of which nobody hears.

use crate::figures;
use crate::floor::{Floor, REST, run};
use crate::judge::{evidence, judge};
use crate::size::{dice, seed, size};
use crate::traffic::Traffic;
use fault_proxy::{Faults, On, Proxy, Rule, What};
use std::time::{Duration, Instant};

/// Waits until the rules have struck so often.
async fn struck(proxy: &Proxy, times: u64, rules: usize) -> u64 {
    let deadline = Instant::now() + REST + Duration::from_millis(times * 60);
    loop {
        let struck = proxy.struck().iter().take(rules).sum();
        if struck >= times {
            return struck;
        }
        assert!(Instant::now() < deadline, "only {struck} of {times}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs traffic while this goes wrong with ARI, until the first `counted` rules have struck so often.
async fn wrong(
    purpose: &str,
    rate: u32,
    rules: Vec<Rule>,
    counted: usize,
    times: u64,
) -> (u64, u64, crate::judge::Verdict) {
    let mut floor = Floor::open().await;
    floor.ari.set(Faults { rules, ..Faults::default() });
    let traffic = Traffic::start(&floor, rate, dice(purpose));
    let struck = struck(&floor.ari, times, counted).await;
    floor.ari.set(Faults::default());
    let asked = traffic.stop().await;
    let left = floor.rest().await;
    let mut verdict = judge(&evidence(&floor, &asked).await);
    verdict.broken.extend(left);
    floor.close().await;
    let complaints = verdict.complaints();
    assert!(complaints.is_empty(), "seed {}: {} complaints:\n{}", seed(), complaints.len(), complaints.join("\n"));
    (struck, asked.placed, verdict)
}

#[test]
fn a_lost_reply_is_never_a_second_invite() {
    run(async {
        let times = u64::try_from(size()).expect("a size");
        let post = |end| On::Request("POST", end);
        let rules = vec![
            Rule::new(post("/create"), What::DropReply).permille(200),
            Rule::new(post("/dial"), What::DropReply).permille(400),
            // These wait for the client to give up, and hold a connection meanwhile.
            Rule::new(post("/dial"), What::HoldReply).permille(5),
            Rule::new(post("/create"), What::HoldReply).permille(5),
            Rule::new(post("/create"), What::DropRequest).permille(10),
            Rule::new(post("/dial"), What::DropRequest).permille(10),
            Rule::new(post("/addChannel"), What::DropReply).permille(20),
            Rule::new(On::Request("DELETE", ""), What::DropReply).permille(50),
            Rule::new(post(""), What::DoubleReply).permille(10),
            Rule::new(post(""), What::Status(500)).permille(10),
        ];
        let (lost, calls, verdict) = wrong("replies", 40, rules, 4, times).await;
        figures::row(
            "replies to create and dial lost, model Asterisk",
            format!("{lost} in {calls} calls, {} INVITEs", verdict.invites),
            format!("second INVITEs **{}**", verdict.second_invites.len()),
        );
    });
}

#[test]
fn events_that_are_lost_or_doubled_change_no_record() {
    run(async {
        let times = u64::try_from(size() / 2).expect("a size");
        let rules = vec![
            Rule::new(On::Event(""), What::DropEvent).permille(10),
            Rule::new(On::Event(""), What::DoubleEvent).permille(50),
        ];
        let (lost, calls, verdict) = wrong("events", 25, rules, 1, times).await;
        let what = format!("{lost} in {calls} calls");
        figures::row("events lost", what, format!("complaints **{}**", verdict.complaints().len()));
    });
}

#[test]
fn a_commit_that_nobody_heard_of_is_neither_repeated_nor_forgotten() {
    run(async {
        let times = u64::try_from(size()).expect("a size");
        let mut floor = Floor::open().await;
        let rules = vec![
            Rule::new(On::Commit, What::CutAfter).permille(150),
            Rule::new(On::Batch, What::CutAfter).permille(40),
            Rule::new(On::Batch, What::CutBefore).permille(20),
        ];
        floor.postgres.set(Faults { rules, ..Faults::default() });
        let traffic = Traffic::start(&floor, 20, dice("commits"));
        let cut = struck(&floor.postgres, times, 3).await;
        floor.postgres.set(Faults::default());
        let asked = traffic.stop().await;
        let left = floor.rest().await;
        let mut verdict = judge(&evidence(&floor, &asked).await);
        verdict.broken.extend(left);
        floor.close().await;
        let complaints = verdict.complaints();
        figures::row(
            "connections to Postgres cut around a commit",
            format!("{cut} in {} calls", asked.placed),
            format!(
                "records lost **{}**, duplicated **{}**, counters wrong **{}**",
                verdict.lost.len(),
                verdict.duplicated.len(),
                verdict.miscounted.len()
            ),
        );
        assert!(complaints.is_empty(), "seed {}: {} complaints:\n{}", seed(), complaints.len(), complaints.join("\n"));
    });
}
