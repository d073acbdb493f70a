//! An agent who hangs up before the customer has answered: nobody may be left ringing.

use crate::floor::{SOON, live};
use crate::outcomes::ended;
use cordboard::core::fact::Party;
use cordboard::core::outcome::Disposition;
use sip_peer::{Behaviour, Ending};
use std::time::Duration;

#[test]
fn the_customers_phone_stops_ringing_when_the_agent_gives_up() {
    live(async |floor| {
        let ann = floor.phone("ann", &["+12025550150"]).await;
        floor.carrier_does(Behaviour::RingForever);
        let call = ann.call("+14155550101").await;
        let customer = floor.carrier.next_incoming(SOON).await.expect("a call at the carrier");
        call.provisional(SOON).await.expect("ringing");
        call.cancel();
        let there = customer.ended(SOON).await.expect("an end");
        assert_eq!(there.how, Ending::Cancelled);
        call.ended(SOON).await.expect("an end");
        let sent = ann.peer.log().filter(|e| e.is("CANCEL"))[0].at_ns;
        let late = Duration::from_nanos(there.at_ns - sent);
        assert!(late <= Duration::from_millis(50), "the customer's phone rang {late:?} longer");
        ended(floor, Disposition::Cancelled, Party::Agent).await;
    });
}

#[test]
fn sixty_calls_given_up_within_moments_leave_nobody_ringing_and_count_what_the_carrier_saw() {
    live(async |floor| {
        // Asterisk tells that it dials before the INVITE leaves, and a cancel in between stops it: what may have left is
        // counted. Only of a call that ended in those moments; an INVITE that no record knows is never excused.
        floor.excused.overtaken_invites = true;
        floor.carrier_does(Behaviour::RingForever);
        let ann = floor.phone("ann", &["+12025550150"]).await;
        for i in 0..60_u32 {
            let call = ann.call(&format!("+141555501{i:02}")).await;
            // From before the challenge to after the ringing: every moment of the first 20 ms, then 30 ms in larger steps.
            tokio::time::sleep(Duration::from_micros(u64::from(if i < 40 { i * 500 } else { i * 1500 - 40_000 })))
                .await;
            call.cancel();
            call.ended(SOON).await.expect("an end");
        }
        crate::check::nothing_is_left(floor).await;
        let log = floor.carrier.log();
        let calls = floor.calls_when("settled", |calls| calls.iter().all(|call| call.settled_at.is_some())).await;
        assert!(calls.len() >= 20 && !log.invites().is_empty(), "the moments were badly chosen");
        for invite in log.invites() {
            assert_eq!(log.final_status(invite.call_id()), Some(487), "left ringing: {invite}");
        }
        for call in calls {
            assert_eq!(
                (call.disposition, call.hung_up_by),
                (Some(Disposition::Cancelled), Some(Party::Agent)),
                "{call:#?}"
            );
        }
    });
}
