//! Controls: what the checks are for, done on purpose. Each must be noticed, or the checks prove nothing.

use crate::check;
use crate::floor::{Floor, Phone, SOON, live};
use futures::FutureExt as _;
use sip_peer::{Dial, Peer, PeerConfig};
use std::panic::AssertUnwindSafe;

/// An ordinary call, to its end.
async fn call(floor: &mut Floor) -> Phone {
    let ann = floor.phone("ann", &["+12025550150"]).await;
    let call = ann.call("+14155550101").await;
    call.answered(SOON).await.expect("an answer");
    call.hang_up();
    floor.settled(1).await;
    ann
}

/// The checks fail, and say this.
async fn noticed(floor: &mut Floor, what: &str) {
    let panic = AssertUnwindSafe(check::everything(floor)).catch_unwind().await.expect_err("nothing was noticed");
    let said = panic.downcast_ref::<String>().expect("a message");
    assert!(said.contains(what), "something else was noticed: {said}");
}

#[test]
fn a_row_that_its_facts_do_not_make_is_noticed() {
    live(async |floor| {
        call(floor).await;
        floor.sql("UPDATE calls SET answered_at = answered_at + interval '1 ms'").await;
        noticed(floor, "answered_at: the facts say").await;
        floor.sql("UPDATE calls SET answered_at = answered_at - interval '1 ms', talk_ms = talk_ms + 1").await;
        noticed(floor, "left: (").await;
        floor.sql("UPDATE calls SET talk_ms = talk_ms - 1").await;
    });
}

#[test]
fn a_counter_that_is_not_the_calls_is_noticed() {
    live(async |floor| {
        call(floor).await;
        floor.sql("UPDATE number_days SET used = used + 1").await;
        noticed(floor, "counters are not the calls").await;
        floor.sql("UPDATE number_days SET used = used - 1").await;
    });
}

#[test]
fn an_invite_that_no_call_accounts_for_is_noticed() {
    live(async |floor| {
        call(floor).await;
        let other = Peer::bind(PeerConfig::new("other").proxy(floor.carrier.addr())).await.expect("a peer");
        let stray = other.dial(Dial::to("+14155550101")).expect("a call");
        stray.answered(SOON).await.expect("an answer");
        stray.hang_up();
        stray.ended(SOON).await.expect("an end");
        noticed(floor, "an INVITE that no call accounts for").await;
        floor.carrier.log().clear();
        floor.excused.invites = true;
    });
}

#[test]
fn an_agent_named_to_the_carrier_is_noticed() {
    live(async |floor| {
        let ann = call(floor).await;
        let other = Peer::bind(PeerConfig::new(&ann.endpoint).proxy(floor.carrier.addr())).await.expect("a peer");
        // Asks for nothing that the other checks would see first.
        let _ = other.register(60).await;
        noticed(floor, "the carrier was told").await;
        floor.carrier.log().clear();
        floor.excused.invites = true;
    });
}
