//! The load generator against a carrier, without a server in between.

use sip_peer::load::{LoadConfig, run};
use sip_peer::{Account, Behaviour, Direction, Peer, PeerConfig, PeerError};
use std::time::Duration;

#[tokio::test]
async fn every_call_is_answered_and_timed() -> Result<(), PeerError> {
    let seconds: usize = std::env::var("LOAD_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let rules = Behaviour::answer(Duration::from_millis(20));
    let carrier = Peer::bind(PeerConfig::new("carrier").rules(rules).without_rtp()).await?;
    let phones = Peer::bind(PeerConfig::new("phones").proxy(carrier.addr()).without_rtp()).await?;
    let agents = (0..10).map(|n| Account::new(format!("agent{n}"))).collect();
    let count = 50 * seconds;
    let config = LoadConfig { hold: Duration::from_millis(200), ..LoadConfig::new(agents, 50.0, count) };
    let report = run(config, &phones, &carrier).await?;
    println!("{report}");
    assert_eq!((report.placed(), report.answered(), report.failed()), (count, count, 0), "{report}");
    assert!(report.calls.iter().all(|c| c.carrier_invites == 1));
    assert_eq!(report.post_dial_delays_ns().len(), count);
    assert_eq!(report.answer_relays_ns().len(), count);
    assert_eq!(carrier.log().count(Direction::Received, "INVITE"), count);
    let callers: std::collections::HashSet<_> =
        carrier.log().invites().iter().filter_map(|e| e.from_user().map(str::to_owned)).collect();
    assert_eq!(callers.len(), 10);
    Ok(())
}
