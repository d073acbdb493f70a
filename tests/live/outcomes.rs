//! What a customer's phone may do, and what the agent and the records then say.

use crate::floor::{CARRIER_HZ, PHONE_HZ, SOON, live};
use cordboard::core::fact::Party;
use cordboard::core::outcome::Disposition;
use sip_peer::{Behaviour, Ending};
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
        let heard = call.rtp_until("a second of the customer", SOON, |rtp| rtp.toned >= 50).await.expect("audio");
        customer.rtp_until("a second of the agent", SOON, |rtp| rtp.toned >= 50).await.expect("audio");
        assert_eq!((heard.heard_hz, heard.lost), (Some(CARRIER_HZ), 0));
        assert_eq!((customer.rtp().heard_hz, customer.rtp().lost), (Some(PHONE_HZ), 0));
        let picked_up = customer.progress().answered_ns.expect("picked up");
        let first = heard.first_received_ns.expect("a first packet");
        assert!(first < picked_up + 100_000_000, "the first {} ms are lost", (first - picked_up) / 1_000_000);
        assert!(heard.toned + 2 >= heard.received, "silence at the start: {heard:?}");
        call.hang_up();
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        let row = floor.the_call().await;
        assert_eq!((row.disposition, row.hung_up_by), (Some(Disposition::Answered), Some(Party::Agent)));
    });
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
        let row = floor.the_call().await;
        assert_eq!((row.disposition, row.hung_up_by), (Some(Disposition::Answered), Some(Party::Customer)));
    });
}

#[test]
fn busy_is_busy_on_the_agents_phone() {
    unanswered(486, 486, Disposition::Busy);
}

/// The carrier refuses with one status, the agent's phone shows another.
fn unanswered(of_carrier: u16, on_phone: u16, disposition: Disposition) {
    live(async |floor| {
        let ann = floor.phone("ann", &[OURS]).await;
        floor.carrier_does(Behaviour::Reject { status: of_carrier, ring: Duration::from_millis(300) });
        let call = ann.call("4155550101").await;
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::Refused(on_phone));
        let row = floor.the_call().await;
        assert_eq!((row.disposition, row.sip_code), (Some(disposition), Some(of_carrier)));
        assert_eq!(row.hung_up_by, Some(Party::Customer));
    });
}
