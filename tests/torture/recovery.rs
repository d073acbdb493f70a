//! How long it takes until the daemon knows again how things stand.

use crate::figures;
use crate::floor::{Floor, run};
use crate::judge::{evidence, judge};
use crate::size::{dice, seed, size};
use crate::traffic::Traffic;
use fault_proxy::{Faults, On, Proxy, Rule, What};
use model_asterisk::Dice;
use std::time::Duration;

/// From the last fault in the proxy's log to the end of the listing that followed it.
async fn listed_after(proxy: &Proxy, fault: &str) -> Duration {
    for _ in 0..10_000 {
        let log = proxy.log();
        let began = log.iter().rposition(|entry| entry.what == fault).expect("the fault");
        let listed = log[began..].iter().find(|entry| entry.what.ends_with("/bridges"));
        if let Some(listed) = listed {
            return listed.at.saturating_sub(log[began].at);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("never listed again");
}

/// Faults by themselves: after several within seconds the daemon waits longer before it tries again.
async fn apart(dice: &mut Dice) {
    let millis = dice.between(5_100, 5_600);
    tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or(0))).await;
}

#[test]
fn after_a_cut_and_after_a_silence_everything_is_known_again() {
    run(async {
        let mut floor = Floor::open().await;
        let mut dice = dice("recovery");
        floor
            .ari
            .set(Faults { rules: vec![Rule::new(On::Request("GET", "/bridges"), What::Note)], ..Faults::default() });
        let traffic = Traffic::start(&floor, 15, dice.clone());
        let (mut cuts, mut silences) = (Vec::new(), Vec::new());
        for _ in 0..(size() / 15).clamp(2, 100) {
            apart(&mut dice).await;
            floor.ari.reset();
            cuts.push(listed_after(&floor.ari, "reset").await);
        }
        for _ in 0..(size() / 30).clamp(1, 50) {
            apart(&mut dice).await;
            floor.ari.half_open();
            silences.push(listed_after(&floor.ari, "half open").await);
        }
        let asked = traffic.stop().await;
        let left = floor.rest().await;
        let mut verdict = judge(&evidence(&floor, &asked).await);
        verdict.broken.extend(left);
        floor.close().await;
        let (cut, silent) = (cuts.len(), silences.len());
        figures::row("recovery: event socket cut to consistent again", cut, figures::spread(&mut cuts));
        figures::row("recovery: half-open socket to consistent again", silent, figures::spread(&mut silences));
        let complaints = verdict.complaints();
        assert!(complaints.is_empty(), "seed {}: {} complaints:\n{}", seed(), complaints.len(), complaints.join("\n"));
    });
}
