//! How long agents wait for a refusal while the database is away, and what an outage costs calls under way. Run by hand:
//! `cargo test --release --test live outage_figures -- --ignored --nocapture`, with `CORDBOARD_OUTAGE_S` and
//! `CORDBOARD_OUTAGE_CALLS` for another size.

use crate::check::until;
use crate::floor::{Floor, Phone, SOON};
use crate::http::{ask, page};
use crate::outage::by_proxy;
use sip_peer::{Behaviour, InCall, OutCall};
use std::time::{Duration, Instant};

fn size(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// From the INVITE to the beginning of the announcement.
async fn wait_for_refusal(ann: &Phone) -> Duration {
    let call = ann.call("+14155550102").await;
    let heard = call.provisional(SOON).await.expect("the announcement");
    call.cancel();
    call.ended(SOON).await.expect("an end");
    Duration::from_nanos(heard.at_ns - call.progress().invited_ns)
}

fn tell(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!("{what} ({}): p50 {:?}, p99 {:?}, max {:?}", took.len(), at(50), at(99), at(100));
}

/// Ready, and nothing waits.
async fn caught_up(floor: &Floor) {
    until("caught up", async || {
        let (status, ready) = ask(floor.servers.http, "GET", "/readyz", None, None).await;
        status == 200 && ready["unwrittenFacts"] == 0
    })
    .await;
}

#[test]
#[ignore = "a measurement, not a test"]
fn measure() {
    let (calls, seconds) = (size("CORDBOARD_OUTAGE_CALLS", 100), size("CORDBOARD_OUTAGE_S", 60));
    by_proxy(async |floor, proxy| {
        floor.carrier_does(Behaviour::answer(Duration::from_millis(50)));
        let ann = floor.phone("ann", &["+12025550150"]).await;
        let (mut live, mut phones): (Vec<(OutCall, InCall)>, Vec<Phone>) = (Vec::new(), Vec::new());
        for number in 0..calls {
            let phone = floor.phone(&format!("p{number}"), &["+12025550151"]).await;
            let call = phone.call(&format!("+1415556{number:04}")).await;
            call.answered(SOON).await.expect("an answer");
            live.push((call, floor.carrier.next_incoming(SOON).await.expect("a call")));
            phones.push(phone);
        }
        caught_up(floor).await;

        let mut cold = Vec::new();
        for _ in 0..20 {
            proxy.freeze();
            cold.push(wait_for_refusal(&ann).await);
            proxy.mend();
            caught_up(floor).await;
        }
        tell("the first call of an outage hears so after", cold);

        proxy.freeze();
        floor.daemon.says("the database is away").await;
        let (began, mut warm) = (Instant::now(), Vec::new());
        let half = calls / 2;
        for number in 0..100 {
            warm.push(wait_for_refusal(&ann).await);
            if let Some((call, _)) = live.get(number).filter(|_| number < half) {
                call.hang_up();
            }
        }
        tell("the others after", warm);
        // The length of the outage is what is asked for.
        tokio::time::sleep(Duration::from_secs(seconds as u64).saturating_sub(began.elapsed())).await;
        let (_, metrics) = page(floor.servers.http, "GET", "/metrics", None, None).await;
        for line in metrics.lines().filter(|line| line.starts_with("cordboard_journal")) {
            println!("{line}");
        }
        let took = began.elapsed();
        proxy.mend();
        let thawed = Instant::now();
        caught_up(floor).await;
        println!("after {took:?} the database is back, and has everything after {:?}", thawed.elapsed());

        let rest = &live[half..];
        let (lost, gap) = rest
            .iter()
            .flat_map(|(call, customer)| [call.rtp(), customer.rtp()])
            .fold((0, 0), |sum, rtp| (sum.0 + rtp.lost, sum.1.max(rtp.longest_gap_ms)));
        let alive = rest.iter().filter(|(call, customer)| !call.is_over() && !customer.is_over()).count();
        println!("{alive} of {} calls live; {lost} packets lost, longest gap {gap} ms", rest.len());
        for (call, _) in rest {
            call.hang_up();
        }
        floor.settled(calls + 120).await;
    });
}
