//! The SIP accounts of agents: an edit in the database is all.

use crate::check::until;
use crate::floor::{PASSWORD, SOON, live};
use crate::http::ask;
use sip_peer::{Behaviour, Ending, PeerError};
use std::time::Duration;
use tokio::time::Instant;

#[test]
fn an_agent_added_by_hand_can_call_at_once_and_after_a_restart_of_asterisk() {
    live(async |floor| {
        let began = Instant::now();
        let ann = floor.phone("ann", &["+12025550150"]).await;
        assert!(began.elapsed() < Duration::from_secs(2), "registered after {:?}", began.elapsed());
        floor.servers.stop_asterisk();
        floor.servers.start_asterisk();
        until("ready again", async || ask(floor.servers.http, "GET", "/readyz", None, None).await.0 == 200).await;
        ann.register().await;
        let call = ann.call("+14155550101").await;
        call.answered(SOON).await.expect("an answer");
        call.hang_up();
        assert_eq!(floor.settled(1).await.len(), 1);
    });
}

#[test]
fn a_removed_agent_cannot_sign_in_any_more() {
    live(async |floor| {
        let ann = floor.phone("ann", &["+12025550150"]).await;
        let bob = floor.phone("bob", &["+12025550151"]).await;
        floor.sql(&format!("UPDATE agents SET active = false WHERE id = '{}'", ann.agent)).await;
        floor.daemon.says("SIP account removed").await;
        assert!(matches!(ann.peer.register(600).await, Err(PeerError::Unauthorized)));
        let call = ann.call("+14155550101").await;
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::Refused(401));
        assert!(floor.calls().await.is_empty());
        bob.peer.register(600).await.expect("the others are still there");
        // And back again.
        floor.sql(&format!("UPDATE agents SET active = true WHERE id = '{}'", ann.agent)).await;
        ann.register().await;
    });
}

#[test]
fn a_new_secret_replaces_the_old_one() {
    live(async |floor| {
        let ann = floor.phone("ann", &["+12025550150"]).await;
        let ha1 = format!("md5('{}:asterisk:another secret')", ann.endpoint);
        floor.sql(&format!("UPDATE agents SET sip_ha1 = {ha1} WHERE id = '{}'", ann.agent)).await;
        let other = sip_peer::PeerConfig::new(&ann.endpoint).password("another secret").proxy(floor.servers.sip);
        let other = sip_peer::Peer::bind(other.rules(Behaviour::RingForever)).await.expect("a phone");
        let deadline = Instant::now() + SOON;
        while let Err(error) = other.register(600).await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert!(matches!(ann.peer.register(600).await, Err(PeerError::Unauthorized)), "{PASSWORD} is still good");
    });
}
