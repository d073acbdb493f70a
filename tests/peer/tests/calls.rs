//! Peers call each other directly, without a server in between.

use sip_peer::{Behaviour, Direction, Ending, Peer, PeerConfig, PeerError, Rules};
use std::time::Duration;

type Outcome = Result<(), PeerError>;
const SOON: Duration = Duration::from_secs(5);

async fn pair(rules: impl Into<Rules>) -> Result<(Peer, Peer), PeerError> {
    let carrier = Peer::bind(PeerConfig::new("carrier").rules(rules).tone_hz(600)).await?;
    let phone = Peer::bind(PeerConfig::new("agent1").proxy(carrier.addr())).await?;
    Ok((phone, carrier))
}

#[tokio::test]
async fn an_answered_call_has_audio_both_ways_and_either_side_may_end_it() -> Outcome {
    let (phone, carrier) = pair(Behaviour::answer(Duration::from_millis(50))).await?;
    for caller_hangs_up in [true, false] {
        let out = phone.call("15551230001").await?;
        assert_eq!(out.provisional(SOON).await?.status, 180);
        out.answered(SOON).await?;
        let incoming = carrier.next_incoming(SOON).await?;
        assert_eq!((incoming.number(), incoming.invite().from_user()), ("15551230001", Some("agent1")));
        let heard = out.rtp_until("carrier's tone", SOON, |r| r.received >= 10).await?;
        assert_eq!((heard.heard_hz, heard.lost, heard.toned), (Some(600), 0, heard.received));
        assert_eq!(incoming.rtp_until("phone's tone", SOON, |r| r.received >= 10).await?.heard_hz, Some(450));
        if caller_hangs_up {
            out.hang_up();
        } else {
            incoming.hang_up();
        }
        let (a, b) = (out.ended(SOON).await?.how, incoming.ended(SOON).await?.how);
        let expected = if caller_hangs_up {
            (Ending::WeHungUp, Ending::TheyHungUp)
        } else {
            (Ending::TheyHungUp, Ending::WeHungUp)
        };
        assert_eq!((a, b), expected);
        let side = if caller_hangs_up { phone.log() } else { carrier.log() };
        let confirmed = |log: &sip_peer::Log| {
            log.by_call_id(out.call_id())
                .into_iter()
                .find(|e| e.received() && e.status() == Some(200) && e.cseq().is_some_and(|(_, m)| m == "BYE"))
        };
        side.wait_for("200 of the BYE", SOON, confirmed).await?;
    }
    assert_eq!(carrier.log().invites().len(), 2);
    assert_eq!(carrier.log().invites_to("15551230001").len(), 2);
    assert_eq!(phone.log().count(Direction::Sent, "ACK"), 2);
    Ok(())
}

#[tokio::test]
async fn a_busy_carrier_refuses_and_rules_choose_by_number() -> Outcome {
    let table = vec![("49".to_owned(), Behaviour::reject(486)), ("4930".to_owned(), Behaviour::reject(603))];
    let (phone, carrier) = pair(Rules::by_prefix(table, Behaviour::reject(404))).await?;
    for (number, status) in [("+49151", 486), ("493012", 603), ("1555", 404)] {
        let out = phone.call(number).await?;
        let Err(PeerError::Ended(end)) = out.answered(SOON).await else {
            return Err(PeerError::Malformed("answered"));
        };
        assert_eq!(end.how, Ending::Refused(status));
        assert_eq!(carrier.log().final_status(out.call_id()), Some(status));
        carrier.log().wait_for("ACK", SOON, |l| l.by_call_id(out.call_id()).into_iter().find(|e| e.is("ACK"))).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_ringing_call_is_cancelled_with_the_branch_of_its_invite() -> Outcome {
    let (phone, carrier) = pair(Behaviour::RingForever).await?;
    let out = phone.call("1").await?;
    out.cancel(); // before the 100: waits for it
    let incoming = carrier.next_incoming(SOON).await?;
    assert_eq!(incoming.ended(SOON).await?.how, Ending::Cancelled);
    assert_eq!(out.ended(SOON).await?.how, Ending::Cancelled);
    let seen = carrier.log().by_call_id(out.call_id());
    let branch = |method| seen.iter().find(|e| e.is(method)).and_then(|e| e.branch());
    assert!(branch("INVITE").is_some());
    assert_eq!(branch("INVITE"), branch("CANCEL"));
    assert_eq!(carrier.log().final_status(out.call_id()), Some(487));
    Ok(())
}

#[tokio::test]
async fn early_media_is_heard_before_the_answer() -> Outcome {
    let behaviour = Behaviour::Answer { ring: Duration::from_mins(1), early_media: true, hang_up_after: None };
    let (phone, _carrier) = pair(behaviour).await?;
    let out = phone.call("1").await?;
    let first = out.provisional(SOON).await?;
    assert_eq!((first.status, first.sdp), (183, true));
    let rtp = out.rtp_until("early media", SOON, |r| r.received >= 5).await?;
    assert_eq!(rtp.heard_hz, Some(600));
    assert!(out.progress().answered_ns.is_none());
    out.cancel();
    assert_eq!(out.ended(SOON).await?.how, Ending::Cancelled);
    Ok(())
}

#[tokio::test]
async fn hold_stops_the_audio_of_both_and_resume_starts_it() -> Outcome {
    let (phone, carrier) = pair(Behaviour::answer(Duration::ZERO)).await?;
    let out = phone.call("1").await?;
    out.answered(SOON).await?;
    let incoming = carrier.next_incoming(SOON).await?;
    incoming.wait_for("ACK", SOON, |p| p.confirmed_ns).await?;
    out.hold();
    incoming.wait_for("hold", SOON, |p| p.held.then_some(())).await?;
    out.resume();
    incoming.wait_for("resume", SOON, |p| (p.refreshes == 2 && !p.held).then_some(())).await?;
    let before = out.rtp().received;
    out.rtp_until("audio again", SOON, |r| r.received > before + 5).await?;
    carrier.shut_down(SOON).await?;
    assert_eq!(out.ended(SOON).await?.how, Ending::TheyHungUp);
    Ok(())
}

#[tokio::test]
async fn a_call_scripted_by_hand() -> Outcome {
    let (phone, carrier) = pair(Behaviour::Manual).await?;
    let out = phone.call("1").await?;
    let incoming = carrier.next_incoming(SOON).await?;
    incoming.ring();
    incoming.early_media();
    out.wait_for("183 after 180", SOON, |p| (p.provisionals.len() == 2).then_some(())).await?;
    incoming.answer();
    out.answered(SOON).await?;
    incoming.hang_up(); // may be before the ACK: then it waits for it
    assert_eq!(out.ended(SOON).await?.how, Ending::TheyHungUp);
    Ok(())
}

#[tokio::test]
async fn a_silent_carrier_sends_nothing_and_the_invite_is_repeated() -> Outcome {
    let (phone, carrier) = pair(Behaviour::Silent).await?;
    let out = phone.call("1").await?;
    let log = carrier.log();
    log.wait_for("repetition", SOON, |l| l.filter(|e| e.is("INVITE")).get(1).filter(|e| e.repeat).cloned()).await?;
    assert_eq!(log.invites().len(), 1);
    assert!(log.filter(|e| !e.received()).is_empty());
    assert!(!out.is_over());
    Ok(())
}
