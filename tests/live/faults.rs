//! What dies, and what must live on.

use crate::check::none_left;
use crate::floor::{Floor, Phone, SOON, live, live_with};
use crate::outcomes::{ended, they_talk};
use crate::refusals::hears;
use cordboard::core::fact::Party;
use cordboard::core::outcome::{Disposition, RefusalReason};
use fault_proxy::Proxy;
use sip_peer::{Behaviour, Ending, InCall, OutCall};
use std::time::Duration;

pub const CUSTOMER: &str = "+14155550101";

/// Agent and customer, talking.
pub async fn talking(floor: &mut Floor) -> (Phone, OutCall, InCall) {
    let ann = floor.phone("ann", &["+12025550150"]).await;
    let call = ann.call(CUSTOMER).await;
    call.answered(SOON).await.expect("an answer");
    let customer = floor.carrier.next_incoming(SOON).await.expect("a call at the carrier");
    they_talk(&call, &customer).await;
    (ann, call, customer)
}

/// Agent, and a customer whose phone rings.
async fn ringing(floor: &mut Floor) -> (Phone, OutCall, InCall) {
    floor.carrier_does(Behaviour::RingForever);
    let ann = floor.phone("ann", &["+12025550150"]).await;
    let call = ann.call(CUSTOMER).await;
    let customer = floor.carrier.next_incoming(SOON).await.expect("a call at the carrier");
    call.provisional(SOON).await.expect("ringing");
    floor.calls_when("recorded as ringing", |calls| calls.iter().all(|call| call.ringing_at.is_some())).await;
    (ann, call, customer)
}

#[test]
fn without_a_daemon_an_agent_hears_that_the_service_is_not_available() {
    live(async |floor| {
        let ann = floor.phone("ann", &["+12025550150"]).await;
        floor.daemon.signal("TERM");
        assert!(floor.daemon.ends(SOON).await.success());
        let call = ann.call(CUSTOMER).await;
        hears(&call, "service-unavailable", 503).await;
        floor.restart_daemon().await;
    });
}

#[test]
fn told_to_stop_the_daemon_waits_for_the_last_call_and_takes_no_new_one() {
    live(async |floor| {
        let (ann, call, customer) = talking(floor).await;
        floor.daemon.signal("TERM");
        floor.daemon.says("no new calls").await;
        let refused = ann.call("+14155550102").await;
        hears(&refused, RefusalReason::Draining.prompt(), 503).await;
        assert!(floor.daemon.is_alive());
        they_talk(&call, &customer).await;
        call.hang_up();
        assert!(floor.daemon.ends(SOON).await.success());
        let calls = floor.settled(2).await;
        assert_eq!(calls[0].disposition, Some(Disposition::Answered));
        assert_eq!(calls[1].refusal, Some(RefusalReason::Draining));
        floor.restart_daemon().await;
    });
}

#[test]
fn told_twice_the_daemon_leaves_the_call_to_asterisk_and_the_next_one_takes_it_up() {
    live(async |floor| {
        let (_ann, call, customer) = talking(floor).await;
        floor.daemon.signal("TERM");
        floor.daemon.says("no new calls").await;
        floor.daemon.signal("TERM");
        assert!(floor.daemon.ends(SOON).await.success());
        they_talk(&call, &customer).await;
        floor.restart_daemon().await;
        customer.hang_up();
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        ended(floor, Disposition::Answered, Party::Customer).await;
    });
}

#[test]
fn a_daemon_killed_in_mid_call_is_not_heard_and_the_next_one_records_the_end() {
    live(async |floor| {
        let (_ann, call, customer) = talking(floor).await;
        floor.daemon.kill();
        they_talk(&call, &customer).await;
        floor.restart_daemon().await;
        floor.daemon.says("taken up again").await;
        they_talk(&call, &customer).await;
        call.hang_up();
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        ended(floor, Disposition::Answered, Party::Agent).await;
        assert!(!floor.the_call().await.estimated);
    });
}

#[test]
fn a_call_that_ends_while_there_is_no_daemon_is_settled_by_the_next_one() {
    live(async |floor| {
        let (_ann, call, customer) = talking(floor).await;
        floor.daemon.kill();
        call.hang_up();
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        none_left(floor, "channels").await;
        floor.restart_daemon().await;
        let row = floor.the_call().await;
        assert_eq!((row.disposition, row.estimated), (Some(Disposition::Answered), true));
    });
}

#[test]
fn a_phone_that_rings_without_a_daemon_stops_when_the_agent_gives_up() {
    live(async |floor| {
        let (ann, call, customer) = ringing(floor).await;
        floor.daemon.kill();
        call.cancel();
        let there = customer.ended(SOON).await.expect("an end");
        assert_eq!(there.how, Ending::Cancelled);
        call.ended(SOON).await.expect("an end");
        let sent = ann.peer.log().filter(|e| e.is("CANCEL"))[0].at_ns;
        let late = Duration::from_nanos(there.at_ns - sent);
        assert!(late <= Duration::from_millis(50), "the customer's phone rang {late:?} longer");
        floor.restart_daemon().await;
        let row = floor.the_call().await;
        assert_eq!((row.disposition, row.estimated), (Some(Disposition::Failed), true), "{row:#?}");
    });
}

/// The control: without the net in the dialplan the witness sees the customer's phone ring on.
#[test]
fn without_the_hangup_handler_the_customers_phone_would_ring_on() {
    live(async |floor| {
        floor.servers.console("dialplan remove context cordboard-hangup");
        let (_ann, call, customer) = ringing(floor).await;
        floor.daemon.kill();
        call.cancel();
        call.ended(SOON).await.expect("an end");
        let rang_on = customer.ended(Duration::from_secs(1)).await.is_err();
        floor.servers.console("dialplan reload");
        assert!(rang_on, "something else than the hangup handler ended the call: this ring proves nothing");
        floor.restart_daemon().await;
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::Cancelled);
        floor.settled(1).await;
    });
}

#[test]
fn the_event_socket_is_cut_in_mid_call_and_the_end_is_recorded() {
    cut(async |floor, proxy| {
        let (_ann, call, customer) = talking(floor).await;
        proxy.cut();
        floor.daemon.says("the event socket is lost").await;
        they_talk(&call, &customer).await;
        proxy.mend();
        they_talk(&call, &customer).await;
        customer.hang_up();
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        let row = floor.the_call().await;
        assert_eq!(row.disposition, Some(Disposition::Answered));
    });
}

#[test]
fn a_call_that_ends_while_the_socket_is_cut_is_settled_afterwards() {
    cut(async |floor, proxy| {
        let (_ann, call, customer) = talking(floor).await;
        proxy.cut();
        floor.daemon.says("the event socket is lost").await;
        call.hang_up();
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        proxy.mend();
        let row = floor.the_call().await;
        assert_eq!((row.disposition, row.estimated), (Some(Disposition::Answered), true));
    });
}

#[test]
fn a_path_that_dies_without_a_word_is_noticed_and_the_end_is_recorded() {
    cut(async |floor, proxy| {
        let (_ann, call, customer) = talking(floor).await;
        let began = std::time::Instant::now();
        proxy.freeze();
        floor.daemon.says("event socket lost why=no answer to pings").await;
        println!("a half-open path is noticed after {:?}", began.elapsed());
        they_talk(&call, &customer).await;
        call.hang_up();
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        proxy.mend();
        let row = floor.the_call().await;
        assert_eq!(row.disposition, Some(Disposition::Answered));
    });
}

/// A floor whose daemon reaches Asterisk through a proxy.
fn cut(scenario: impl AsyncFnOnce(&mut Floor, &Proxy)) {
    let target = crate::servers::servers().ari;
    let proxy = Proxy::before(target);
    let ari = proxy.addr;
    live_with(move |settings| settings.ari = ari, async |floor| scenario(floor, &proxy).await);
}

#[test]
fn asterisk_is_killed_in_mid_call_and_the_record_says_so() {
    live(async |floor| {
        let (ann, call, _customer) = talking(floor).await;
        floor.servers.kill_asterisk();
        floor.servers.start_asterisk();
        let row = floor.the_call().await;
        assert_eq!((row.disposition, row.estimated), (Some(Disposition::NodeLost), true));
        drop(call);
        // And calls are made again.
        ann.register().await;
        floor.calls_when("connected", |_| floor.daemon.log().matches("connected with asterisk").count() >= 2).await;
        let call = ann.call("+14155550102").await;
        call.answered(SOON).await.expect("an answer");
        call.hang_up();
        floor.settled(2).await;
    });
}
