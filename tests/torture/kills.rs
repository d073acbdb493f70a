//! `kill -9` at every crash point and at random moments, under traffic.

use crate::figures;
use crate::floor::{Floor, run};
use crate::judge::{Verdict, evidence, judge};
use crate::process::Started;
use crate::size::{dice, is_short, seed, size};
use crate::traffic::Traffic;
use model_asterisk::Dice;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The crash points of a call's life, as `src/crash.rs` knows them. K19 and K25 are those of recordings and webhooks, which
/// there are none of.
pub const POINTS: [&str; 22] = [
    "K01", "K02", "K03", "K04", "K05", "K06", "K07", "K08", "K09", "K10", "K11", "K12", "K13", "K14", "K15", "K16",
    "K17", "K18", "K20", "K21", "K22", "K23",
];
/// The last one, which is met by every call that ends.
const LAST: &str = "K24";
/// A floor is used for so many kills, then judged, and a new one taken.
const FLOOR: usize = 200;

/// What a run of kills came to.
#[derive(Default)]
struct Kills {
    /// By crash point; those at random moments have none.
    at: BTreeMap<String, u32>,
    /// Points that were never come to in time; then the kill was one at a random moment.
    missed: u32,
    /// From the death of a daemon to the readiness of the next.
    recovery: Vec<Duration>,
    verdict: Verdict,
    calls: u64,
}

#[test]
fn whenever_the_daemon_is_killed_no_record_is_lost_doubled_or_invented() {
    run(async {
        let mut kills = Kills::default();
        let mut dice = dice("kills");
        let mut done = 0;
        while done < size() {
            let some = (size() - done).min(FLOOR);
            kills.on_a_floor(done, some, &mut dice).await;
            done += some;
        }
        kills.tell(done);
        let complaints = kills.verdict.complaints();
        assert!(complaints.is_empty(), "seed {}: {} complaints:\n{}", seed(), complaints.len(), complaints.join("\n"));
        let unmet: Vec<_> = POINTS.iter().chain([&LAST]).filter(|point| !kills.at.contains_key(**point)).collect();
        assert!(unmet.len() <= if is_short() { 3 } else { 0 }, "never killed at {unmet:?}");
    });
}

impl Kills {
    async fn on_a_floor(&mut self, done: usize, some: usize, dice: &mut Dice) {
        let mut floor = Floor::open().await;
        let traffic = Traffic::start(&floor, 25, Dice::new(dice.bits()));
        floor.process.kill();
        for kill in done..done + some {
            let died = Instant::now();
            let turn = kill % (POINTS.len() + 8);
            let point = POINTS.iter().chain([&LAST]).nth(turn).copied();
            let at = point.map(|point| format!("{point}:{}", dice.between(1, 4)));
            floor.restart(at.as_deref());
            if let Started::Ready(at) = floor.process.started().await {
                self.recovery.push(at - died);
            }
            let patience = Duration::from_micros(u64::try_from(dice.between(0, 300_000)).unwrap_or(0));
            match point {
                Some(point) if floor.process.dies(Duration::from_secs(2)).await => {
                    *self.at.entry(point.to_owned()).or_default() += 1;
                }
                Some(_) => self.missed += 1,
                None => {
                    tokio::time::sleep(patience).await;
                    *self.at.entry("any moment".to_owned()).or_default() += 1;
                }
            }
            floor.process.kill();
        }
        floor.restart(None);
        assert!(matches!(floor.process.started().await, Started::Ready(_)));
        let asked = traffic.stop().await;
        self.calls += asked.placed;
        self.verdict.broken.extend(floor.rest().await);
        self.verdict.add(judge(&evidence(&floor, &asked).await));
        floor.close().await;
    }

    fn tell(&mut self, kills: usize) {
        let verdict = &self.verdict;
        println!("killed at {:?}, {} not come to", self.at, self.missed);
        figures::row(
            "kills of the daemon, model Asterisk",
            format!(
                "{kills} (at {} crash points and at any moment), {} calls, {} INVITEs",
                self.at.len() - 1,
                self.calls,
                verdict.invites
            ),
            format!(
                "records lost **{}**, duplicated **{}**, phantom **{}**; second INVITEs **{}**; silent calls **{}**; counters wrong **{}**; {} of {} records estimated",
                verdict.lost.len(),
                verdict.duplicated.len(),
                verdict.phantom.len(),
                verdict.second_invites.len(),
                verdict.silent.len(),
                verdict.miscounted.len(),
                verdict.estimated,
                verdict.rows,
            ),
        );
        let count = self.recovery.len();
        figures::row("recovery: kill -9 to serving again", count, figures::spread(&mut self.recovery));
    }
}
