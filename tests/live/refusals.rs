//! Calls that may not be made: the agent hears why, and nothing leaves for any carrier.

use crate::floor::{Phone, SOON, live};
use cordboard::core::outcome::{Disposition, RefusalReason};
use futures::future::join_all;
use sip_peer::{Behaviour, Ending, OutCall};
use std::path::Path;
use std::time::Duration;

/// The phone hears the announcement before the answer, nearly all of it, and then this status.
pub async fn hears(call: &OutCall, prompt: &str, status: u16) {
    let end = call.ended(Duration::from_secs(15)).await.expect("an end");
    assert_eq!(end.how, Ending::Refused(status));
    let early = call.progress().provisionals.iter().any(|provisional| provisional.status == 183 && provisional.sdp);
    assert!(early, "no audio before the answer: {:?}", call.progress());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("asterisk-conf/sounds/cordboard/{prompt}.ulaw"));
    let packets = std::fs::metadata(file).expect("the announcement").len() / 160;
    let rtp = call.rtp();
    assert!(rtp.received * 10 >= packets * 9, "{prompt} has {packets} packets: {rtp:?}");
}

async fn refused(phone: &Phone, number: &str, reason: RefusalReason, status: u16) {
    let call = phone.call(number).await;
    hears(&call, reason.prompt(), status).await;
}

#[test]
fn every_refusal_is_heard_with_its_reason_and_nothing_is_dialled() {
    live(async |floor| {
        let none = floor.phone("none", &[]).await;
        let ann = floor.phone("ann", &["+12025550150"]).await;
        let spent = floor.phone("spent", &[]).await;
        floor.assign(spent.agent, "+12025550151", 1).await;
        let (stranger, endpoint) = floor.agent("gone").await;
        let gone = floor.device(stranger, &endpoint, Behaviour::RingForever).await;
        gone.register().await;
        // The one call that the limit leaves.
        let first = spent.call("+14155550101").await;
        first.answered(SOON).await.expect("an answer");
        first.hang_up();
        tokio::join!(
            refused(&none, "+14155550102", RefusalReason::NoNumberAssigned, 403),
            refused(&spent, "+14155550103", RefusalReason::DailyLimit, 403),
            refused(&ann, "+442079460123", RefusalReason::CountryNotAllowed, 403),
            refused(&ann, "+19002345678", RefusalReason::ClassNotAllowed, 403),
            refused(&ann, "5550104", RefusalReason::InvalidNumber, 484),
            refused(&gone, "+14155550105", RefusalReason::NoNumberAssigned, 403),
        );
        let calls = floor.settled(7).await;
        let mut reasons: Vec<_> = calls.iter().filter_map(|call| call.refusal).collect();
        reasons.sort();
        let mut expected = vec![
            RefusalReason::NoNumberAssigned,
            RefusalReason::NoNumberAssigned,
            RefusalReason::DailyLimit,
            RefusalReason::CountryNotAllowed,
            RefusalReason::ClassNotAllowed,
            RefusalReason::InvalidNumber,
        ];
        expected.sort();
        assert_eq!(reasons, expected);
        for call in calls.iter().filter(|call| call.refusal.is_some()) {
            assert_eq!(call.disposition, Some(Disposition::Refused));
            assert!(call.refusal_sentence.is_some(), "nobody is told why: {call:#?}");
        }
        assert_eq!(floor.carrier.log().invites().len(), 1);
    });
}

#[test]
fn a_refused_agent_may_hang_up_before_the_announcement_ends() {
    live(async |floor| {
        let none = floor.phone("none", &[]).await;
        let call = none.call("+14155550101").await;
        call.rtp_until("the announcement", SOON, |rtp| rtp.received >= 10).await.expect("audio");
        call.cancel();
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::Cancelled);
        assert_eq!(floor.the_call().await.refusal, Some(RefusalReason::NoNumberAssigned));
    });
}

#[test]
fn a_phone_without_an_account_is_a_stranger_to_asterisk() {
    live(async |floor| {
        let (agent, _) = floor.agent("ann").await;
        let stranger = floor.device(agent, "nobody", Behaviour::RingForever).await;
        assert!(stranger.peer.register(60).await.is_err());
        let call = stranger.call("+14155550101").await;
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::Refused(401));
        assert!(floor.calls().await.is_empty());
    });
}

/// Dial strings as they stand in a SIP URI. Whatever comes of them, none is dialled.
fn hostile() -> Vec<String> {
    let mut all: Vec<String> = [
        "%2F",
        "%40",
        "%26",
        "%3B",
        "%25",
        "%3F",
        "%23",
        "*",
        "%2A43",
        "*43",
        "h",
        "t",
        "s",
        "i",
        "T",
        "a",
        "o",
        "e",
        "0",
        "1",
        "00",
        "+",
        "%2B",
        "++14155550199",
        "+1415555019%39%39%39%39%39%39%39",
        "14155550199%2F14155550198",
        "14155550199%40carrier",
        "14155550199%26PJSIP%2F14155550198%40carrier",
        "PJSIP%2F14155550199%40carrier",
        "Local%2F14155550199%40cordboard-agents",
        "14155550199%0d%0aVia%3A%20x",
        "14155550199%0a",
        "%0d%0a",
        "%00",
        "14155550199%3Btag%3Dx",
        "14155550199%3Fheader%3Dx",
        "%EF%BC%91%EF%BC%94",
        "%D9%A1%D9%A4%D9%A1%D9%A5%D9%A5%D9%A5%D9%A5%D9%A0%D9%A1%D9%A9%D9%A9",
        "%E2%80%8B14155550199",
        "1415555FLOW",
        "14155550199x12",
        "14155550199,,1",
        "14155550199;phone-context=evil",
        "anonymous",
        "$%7BEXTEN%7D",
        "$%7BSHELL(id)%7D",
        "%27%3BDROP%20TABLE%20calls%3B--",
        "..%2F..%2Fetc",
        "(415)555-",
        "+882999123456789",
        "%ff%fe",
        "9911",
        "+1911",
    ]
    .map(str::to_owned)
    .to_vec();
    all.extend([79, 80, 81, 200, 10_000].map(|length| "9".repeat(length)));
    all
}

#[test]
fn hostile_dial_strings_dial_nothing_and_are_recorded() {
    live(async |floor| {
        let ann = floor.phone("ann", &["+12025550150"]).await;
        let strings = hostile();
        assert!(strings.len() >= 40);
        let calls = join_all(strings.iter().map(|string| ann.call(string))).await;
        for (string, call) in strings.iter().zip(&calls) {
            let end = call.ended(Duration::from_secs(30)).await;
            assert!(end.is_ok_and(|end| end.how == Ending::Refused(484)), "{string:.80}: {call:?}");
        }
        for row in floor.settled(strings.len()).await {
            assert_eq!(row.refusal, Some(RefusalReason::InvalidNumber), "{row:#?}");
        }
        assert_eq!(floor.carrier.log().entries().len(), 0);
        assert!(floor.daemon.is_alive());
    });
}

#[test]
fn what_asterisk_itself_drops_from_a_dialled_string_leads_nowhere_else() {
    live(async |floor| {
        let ann = floor.phone("ann", &["+12025550150"]).await;
        // A blank is for the eye, a zero byte ends a string, and no pattern of Asterisk matches a lone hyphen.
        for string in ["%2B14155550101%20", "%2B14155550101%00%2F14155550102"] {
            let call = ann.call(string).await;
            call.answered(SOON).await.expect("an answer");
            call.hang_up();
        }
        let call = ann.call("-").await;
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::Refused(484));
        floor.settled(2).await;
        assert_eq!(floor.carrier.log().invites_to("+14155550101").len(), 2);
    });
}
