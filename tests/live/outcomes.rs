//! What a customer's phone may do, and what the agent and the records then say.

use crate::floor::{CARRIER_HZ, Floor, PHONE_HZ, SOON, live, live_with};
use cordboard::core::fact::Party;
use cordboard::core::outcome::Disposition;
use sip_peer::{Behaviour, Ending, InCall, OutCall};
use std::time::Duration;

const OURS: &str = "+12025550150";
const CUSTOMER: &str = "+14155550101";

#[test]
fn an_answered_call_has_audio_both_ways_and_the_agent_hangs_up() {
    live(async |floor| {
        let ann = floor.phone("ann", &[OURS]).await;
        let call = ann.call("4155550101").await;
        call.answered(SOON).await.expect("an answer");
        let customer = floor.carrier.next_incoming(SOON).await.expect("a call at the carrier");
        assert_eq!(customer.number(), CUSTOMER);
        they_talk(&call, &customer).await;
        let (heard, picked_up) = (call.rtp(), customer.progress().answered_ns.expect("picked up"));
        let first = heard.first_received_ns.expect("a first packet");
        assert!(first < picked_up + 100_000_000, "the first {} ms are lost", (first - picked_up) / 1_000_000);
        assert!(heard.toned + 2 >= heard.received, "silence at the start: {heard:?}");
        call.hang_up();
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        ended(floor, Disposition::Answered, Party::Agent).await;
    });
}

/// A second of audio each way, nothing lost.
pub async fn they_talk(agent: &OutCall, customer: &InCall) {
    let (before, there) = (agent.rtp().toned, customer.rtp().toned);
    let heard = agent.rtp_until("a second of the customer", SOON, |rtp| rtp.toned >= before + 50).await;
    let heard_there = customer.rtp_until("a second of the agent", SOON, |rtp| rtp.toned >= there + 50).await;
    let (heard, heard_there) = (heard.expect("audio"), heard_there.expect("audio"));
    assert_eq!((heard.heard_hz, heard.lost), (Some(CARRIER_HZ), 0));
    assert_eq!((heard_there.heard_hz, heard_there.lost), (Some(PHONE_HZ), 0));
}

/// The one call ended so.
pub async fn ended(floor: &Floor, disposition: Disposition, by: Party) {
    let call = floor.the_call().await;
    assert_eq!((call.disposition, call.hung_up_by), (Some(disposition), Some(by)), "{call:#?}");
}

#[test]
fn the_customer_hangs_up() {
    live(async |floor| {
        let ann = floor.phone("ann", &[OURS]).await;
        floor.carrier_does(Behaviour::Answer {
            ring: Duration::from_millis(300),
            early_media: false,
            hang_up_after: Some(Duration::from_millis(700)),
        });
        let call = ann.call("+14155550101").await;
        assert_eq!(call.provisional(SOON).await.expect("ringing").status, 180);
        call.answered(SOON).await.expect("an answer");
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        ended(floor, Disposition::Answered, Party::Customer).await;
    });
}

#[test]
fn the_agent_hears_what_the_carrier_plays_before_the_answer() {
    live(async |floor| {
        let ann = floor.phone("ann", &[OURS]).await;
        let ring = Duration::from_millis(1200);
        floor.carrier_does(Behaviour::Answer { ring, early_media: true, hang_up_after: None });
        let call = ann.call(CUSTOMER).await;
        let heard = call.rtp_until("the carrier's tone", SOON, |rtp| rtp.toned >= 20).await.expect("audio");
        assert_eq!(heard.heard_hz, Some(CARRIER_HZ));
        assert!(call.progress().answered_ns.is_none(), "the agent's phone counts the call as answered");
        let first = call.provisional(SOON).await.expect("a provisional response");
        assert_eq!((first.status, first.sdp), (183, true));
        call.answered(SOON).await.expect("an answer");
        call.hang_up();
        ended(floor, Disposition::Answered, Party::Agent).await;
    });
}

#[test]
fn busy_is_busy_on_the_agents_phone() {
    refused_by_carrier(486, 486, Disposition::Busy);
}

#[test]
fn a_customer_who_declines_is_a_rejection() {
    refused_by_carrier(603, 403, Disposition::Rejected);
}

#[test]
fn a_number_that_nobody_has_is_not_found() {
    refused_by_carrier(404, 404, Disposition::Unallocated);
}

#[test]
fn a_carrier_without_a_free_line_is_congestion() {
    refused_by_carrier(503, 503, Disposition::Congestion);
}

/// The carrier refuses with one status, the agent's phone shows another.
fn refused_by_carrier(status: u16, on_phone: u16, disposition: Disposition) {
    live(async |floor| {
        let ann = floor.phone("ann", &[OURS]).await;
        floor.carrier_does(Behaviour::Reject { status, ring: Duration::from_millis(300) });
        let call = ann.call(CUSTOMER).await;
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::Refused(on_phone));
        ended(floor, disposition, Party::Customer).await;
        assert_eq!(floor.the_call().await.sip_code, Some(status));
    });
}

#[test]
fn a_redirection_is_not_followed() {
    live(async |floor| {
        let ann = floor.phone("ann", &[OURS]).await;
        floor.carrier_does(Behaviour::Redirect { contact: format!("sip:+882999123456@{}", floor.decoy.addr()) });
        let call = ann.call(CUSTOMER).await;
        let Ending::Refused(_) = call.ended(SOON).await.expect("an end").how else { panic!("{call:?}") };
        let call = floor.the_call().await;
        assert_ne!(call.disposition, Some(Disposition::Answered), "{call:#?}");
    });
}

#[test]
fn nobody_picks_up_the_carrier_is_silent_or_nothing_listens_there() {
    live_with(
        |settings| settings.calls = "ring_timeout_s = 15",
        async |floor| {
            let ann = floor.phone("ann", &[OURS]).await;
            let bob = floor.phone("bob", &["+12025550151"]).await;
            let cid = floor.phone("cid", &["+12025550152"]).await;
            // The trunk by which cid calls is one where nobody is.
            floor.sql("INSERT INTO trunks (name) VALUES ('nowhere')").await;
            floor
                .sql("UPDATE numbers SET trunk_id = (SELECT id FROM trunks WHERE name = 'nowhere') WHERE e164 = '+12025550152'")
                .await;
            floor.customer_does("+14155550101", Behaviour::RingForever);
            floor.customer_does("+14155550102", Behaviour::Silent);
            let calls =
                [ann.call("+14155550101").await, bob.call("+14155550102").await, cid.call("+14155550103").await];
            for call in &calls {
                assert_eq!(call.ended(Duration::from_secs(25)).await.expect("an end").how, Ending::Refused(480));
            }
            for call in floor.settled(3).await {
                let end = (call.disposition, call.hung_up_by);
                assert_eq!(end, (Some(Disposition::NoAnswer), Some(Party::System)), "{call:#?}");
            }
            floor.excused.invites = true; // of the call to nowhere
            // The INVITE to the silent carrier must not be repeated into the next scenario.
            floor.servers.stop_asterisk();
            floor.servers.start_asterisk();
        },
    );
}

#[test]
fn a_trunk_that_is_known_to_be_dead_fails_at_once() {
    live(async |floor| {
        let ann = floor.phone("ann", &[OURS]).await;
        floor.sql("INSERT INTO trunks (name) VALUES ('dead')").await;
        floor.sql("UPDATE numbers SET trunk_id = (SELECT id FROM trunks WHERE name = 'dead')").await;
        let contacts = async || floor.servers.console("pjsip show contacts").contains("Unavail");
        crate::check::until("known to be dead", contacts).await;
        let call = ann.call(CUSTOMER).await;
        let Ending::Refused(502 | 503) = call.ended(SOON).await.expect("an end").how else { panic!("{call:?}") };
        ended(floor, Disposition::Congestion, Party::System).await;
    });
}
