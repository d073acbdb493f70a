//! How long agents wait for a refusal while the database is away, and what an outage costs calls under way: a part of
//! `make torture`, sized by `CORDBOARD_OUTAGE_S` and `CORDBOARD_OUTAGE_CALLS`.

use crate::check::until;
use crate::figures;
use crate::floor::{Floor, Phone, SOON};
use crate::http::ask;
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

/// Ready, and nothing waits.
async fn caught_up(floor: &Floor) {
    until("caught up", async || {
        let (status, ready) = ask(floor.servers.http, "GET", "/readyz", None, None).await;
        status == 200 && ready["unwrittenFacts"] == 0
    })
    .await;
}

#[test]
#[ignore = "a part of make torture"]
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
        let count = cold.len();
        figures::row("the first call of an outage is refused", count, figures::spread(&mut cold));

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
        let count = warm.len();
        figures::row("the others are refused", count, figures::spread(&mut warm));
        // The length of the outage is what is asked for.
        tokio::time::sleep(Duration::from_secs(seconds as u64).saturating_sub(began.elapsed())).await;
        let away = began.elapsed();
        proxy.mend();
        let thawed = Instant::now();
        caught_up(floor).await;
        let drained = thawed.elapsed();

        let rest = &live[half..];
        let (lost, gap) = rest
            .iter()
            .flat_map(|(call, customer)| [call.rtp(), customer.rtp()])
            .fold((0, 0), |sum, rtp| (sum.0 + rtp.lost, sum.1.max(rtp.longest_gap_ms)));
        let alive = rest.iter().filter(|(call, customer)| !call.is_over() && !customer.is_over()).count();
        figures::row(
            "the database away under calls, real Asterisk",
            format!("{calls} calls, {half} of which end meanwhile, {:.0} s", away.as_secs_f64()),
            format!(
                "**{alive}** of {} live on; RTP packets lost **{lost}**, longest gap {gap} ms; everything is written {:.1} s after its return",
                rest.len(),
                drained.as_secs_f64(),
            ),
        );
        for (call, _) in rest {
            call.hang_up();
        }
        // Each call has its row, those that were refused too, and each its end.
        floor.settled(calls + 120).await;
        assert_eq!((alive, lost), (rest.len(), 0));
    });
}
