//! Against a real Asterisk that sends every number to one trunk. Run with
//! `SIP_PEER_PROXY=127.0.0.1:45060 SIP_PEER_TRUNK=127.0.0.1:45090 SIP_PEER_USER=agent1 SIP_PEER_PASSWORD=..`
//! and `cargo test -p sip-peer --test asterisk -- --ignored --test-threads=1`.

use sip_peer::load::{LoadConfig, run};
use sip_peer::{Account, Behaviour, Ending, Peer, PeerConfig, PeerError};
use std::net::SocketAddr;
use std::time::Duration;

type Outcome = Result<(), PeerError>;
const SOON: Duration = Duration::from_secs(5);

fn setting(name: &str) -> Result<String, PeerError> {
    std::env::var(name).map_err(|_| PeerError::Malformed("SIP_PEER_PROXY, _TRUNK, _USER and _PASSWORD must be set"))
}

fn address(name: &str) -> Result<SocketAddr, PeerError> {
    setting(name)?.parse().map_err(|_| PeerError::Malformed("not an address"))
}

fn account() -> Result<Account, PeerError> {
    Ok(Account::new(setting("SIP_PEER_USER")?).with_password(setting("SIP_PEER_PASSWORD")?))
}

async fn pair(behaviour: Behaviour, rtp: bool) -> Result<(Peer, Peer), PeerError> {
    let mut carrier = PeerConfig::new("carrier").listen(address("SIP_PEER_TRUNK")?).rules(behaviour).tone_hz(600);
    let mut phone = PeerConfig { account: account()?, ..PeerConfig::new("") }.proxy(address("SIP_PEER_PROXY")?);
    (carrier.rtp, phone.rtp) = (rtp, rtp);
    Ok((Peer::bind(phone).await?, Peer::bind(carrier).await?))
}

#[tokio::test]
#[ignore = "needs Asterisk"]
async fn a_registered_phone_is_held_and_resumed_and_hung_up_by_the_carrier() -> Outcome {
    let (phone, carrier) = pair(Behaviour::answer(Duration::from_millis(100)), true).await?;
    phone.register(60).await?;
    let out = phone.call("15551230001").await?;
    out.answered(SOON).await?;
    let incoming = carrier.next_incoming(SOON).await?;
    assert_eq!(out.rtp_until("carrier's tone", SOON, |r| r.toned > 20).await?.heard_hz, Some(600));
    assert_eq!(incoming.rtp_until("phone's tone", SOON, |r| r.toned > 20).await?.heard_hz, Some(450));
    out.hold();
    out.resume();
    let (heard, sent) = (incoming.rtp().received, out.rtp().received);
    incoming.rtp_until("audio after the hold", SOON, |r| r.received > heard + 50).await?;
    out.rtp_until("audio after the hold", SOON, |r| r.received > sent + 50).await?;
    incoming.hang_up();
    assert_eq!(out.ended(SOON).await?.how, Ending::TheyHungUp);
    phone.register(0).await
}

/// Needs `timers_sess_expires = 90` at the trunk: Asterisk refreshes after 45 s.
#[tokio::test]
#[ignore = "needs Asterisk, and takes 50 s"]
async fn session_refreshes_are_answered() -> Outcome {
    let (phone, carrier) = pair(Behaviour::answer(Duration::ZERO), true).await?;
    let out = phone.call("15551230002").await?;
    let incoming = carrier.next_incoming(SOON).await?;
    incoming.wait_for("session refresh", Duration::from_mins(1), |p| (p.refreshes > 0).then_some(())).await?;
    let before = incoming.rtp().received;
    incoming.rtp_until("audio after the refresh", SOON, |r| r.received > before + 50).await?;
    out.hang_up();
    assert_eq!(incoming.ended(SOON).await?.how, Ending::TheyHungUp);
    Ok(())
}

#[tokio::test]
#[ignore = "needs Asterisk"]
async fn fifty_calls_a_second_with_digest() -> Outcome {
    let (phones, carrier) = pair(Behaviour::answer(Duration::from_millis(50)), false).await?;
    let report = run(LoadConfig::new(vec![account()?], 50.0, 500), &phones, &carrier).await?;
    println!("{report}");
    assert_eq!(report.answered(), 500);
    assert!(report.calls.iter().all(|c| c.carrier_invites == 1 && c.authenticated_ns.is_some()));
    Ok(())
}
