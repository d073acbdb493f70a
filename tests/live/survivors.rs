//! People who talk while the daemon dies hear nothing of it.

use crate::check::until;
use crate::figures;
use crate::floor::{Floor, Phone, SOON, live};
use crate::size;
use sip_peer::{InCall, OutCall};
use std::sync::{Mutex, PoisonError};

/// Calls at a time; each is four streams of audio.
const TOGETHER: usize = 12;
/// Rounds on one floor: its agent has two numbers for a hundred calls a day each.
const FLOOR: usize = 16;

/// Calls that talk while a daemon is killed: the aim is 2,000 of 10,000 kills on the model.
fn rounds() -> usize {
    (size::size() / 5 / TOGETHER).max(1)
}

#[derive(Default)]
struct Heard {
    calls: usize,
    survived: usize,
    packets: u64,
    lost: u64,
    longest_gap_ms: u64,
}

#[test]
fn calls_outlive_the_daemon_and_no_packet_is_lost() {
    let heard = Mutex::new(Heard::default());
    let mut left = rounds();
    while left > 0 {
        let some = left.min(FLOOR);
        left -= some;
        live(async |floor| {
            let ann = floor.phone("ann", &["+12025550150", "+12025550151"]).await;
            for round in 0..some {
                let pairs = one_round(floor, &ann, round).await;
                heard.lock().unwrap_or_else(PoisonError::into_inner).note(&pairs);
                for (agent, customer) in &pairs {
                    agent.hang_up();
                    customer.ended(SOON).await.expect("an end");
                }
                let settled = i64::try_from((round + 1) * TOGETHER).expect("a count");
                let query = "SELECT count(*) FROM calls WHERE settled_at IS NOT NULL";
                until("settled", async || floor.count(query).await == settled).await;
            }
        });
    }
    let heard = heard.into_inner().unwrap_or_else(PoisonError::into_inner);
    figures::row(
        "calls talking through a kill -9 of the daemon, real Asterisk",
        heard.calls,
        format!(
            "survived **{}**; {} RTP packets, lost **{}**; longest gap {} ms",
            heard.survived, heard.packets, heard.lost, heard.longest_gap_ms
        ),
    );
    assert_eq!((heard.survived, heard.lost), (heard.calls, 0));
    assert!(heard.longest_gap_ms < 1000, "somebody heard nothing for {} ms", heard.longest_gap_ms);
}

/// Calls, a death, a new daemon; they talk before, between and after.
async fn one_round(floor: &mut Floor, ann: &Phone, round: usize) -> Vec<(OutCall, InCall)> {
    let mut pairs = Vec::new();
    for call in 0..TOGETHER {
        let number = format!("+1415{:07}", 5_000_000 + round * TOGETHER + call);
        let agent = ann.call(&number).await;
        agent.answered(SOON).await.expect("an answer");
        pairs.push((agent, floor.carrier.next_incoming(SOON).await.expect("a call at the carrier")));
    }
    talk(&pairs).await;
    floor.daemon.kill();
    talk(&pairs).await;
    floor.restart_daemon().await;
    talk(&pairs).await;
    pairs
}

/// Half a second of audio each way, for all.
async fn talk(pairs: &[(OutCall, InCall)]) {
    let more = |toned: u64| toned + 25;
    let wanted: Vec<(u64, u64)> =
        pairs.iter().map(|(agent, customer)| (more(agent.rtp().toned), more(customer.rtp().toned))).collect();
    for ((agent, customer), (here, there)) in pairs.iter().zip(wanted) {
        agent.rtp_until("the customer", SOON, |rtp| rtp.toned >= here).await.expect("the customer is heard");
        customer.rtp_until("the agent", SOON, |rtp| rtp.toned >= there).await.expect("the agent is heard");
    }
}

impl Heard {
    fn note(&mut self, pairs: &[(OutCall, InCall)]) {
        for (agent, customer) in pairs {
            self.calls += 1;
            self.survived += usize::from(!agent.is_over() && !customer.is_over());
            for rtp in [agent.rtp(), customer.rtp()] {
                self.packets += rtp.received;
                self.lost += rtp.lost;
                self.longest_gap_ms = self.longest_gap_ms.max(rtp.longest_gap_ms);
            }
        }
    }
}
