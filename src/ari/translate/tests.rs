//! Events are written by hand after what Asterisk 22.10.1 sends.

use super::*;
use crate::ari::wire::Fault;
use proptest::prelude::*;

const AT: &str = "2026-11-21T10:23:39.479+0000";
const CALL: &str = "01998f2a-7c00-7000-8000-000000000001";

/// A channel as Asterisk shows it, with all the fields that we do not read.
fn shown(id: &str, name: &str, state: &str, exten: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"{name}","state":"{state}","protocol_id":"1-9066@127.0.0.1","caller":{{"name":"Ann Example","number":"ann"}},"connected":{{"name":"","number":"12025550199"}},"accountcode":"","dialplan":{{"context":"cordboard-agents","exten":"{exten}","priority":6,"app_name":"Stasis","app_data":"cordboard,outbound"}},"creationtime":"{AT}","language":"en"}}"#
    )
}

fn customer(state: &str) -> String {
    shown(&format!("{CALL}-c-1"), "PJSIP/carrier-0000002f", state, "s")
}

fn event(kind: &str, more: &str) -> String {
    format!(
        r#"{{"type":"{kind}","timestamp":"{AT}",{more},"asterisk_id":"02:00:00:00:00:01","application":"cordboard"}}"#
    )
}

fn of_customer(event: ChannelEvent) -> Translated {
    let channel = CALL.parse::<crate::core::ids::CallId>().expect("a call id").customer_channel(1);
    Translated::Input(Input::Channel { channel, event, at: at() })
}

fn at() -> Timestamp {
    "2026-11-21T10:23:39.479Z".parse().expect("a time")
}

#[test]
fn what_happens_to_a_channel_of_ours_is_told() {
    let (down, ringing, up) = (customer("Down"), customer("Ringing"), customer("Up"));
    let dial = |status: &str, peer: &str| {
        event(
            "Dial",
            &format!(r#""dialstatus":"{status}","forward":"","dialstring":"12025550123@carrier","peer":{peer}"#),
        )
    };
    let channel = |kind: &str, more: &str, shown: &str| event(kind, &format!(r#"{more}"channel":{shown}"#));
    let destroyed = |cause, sip_code| of_customer(ChannelEvent::Destroyed { cause, sip_code });
    let asked = |by_party| of_customer(ChannelEvent::HangupRequested { by_party });
    let playback = format!(
        r#""playback":{{"id":"p","media_uri":"sound:cordboard/x","target_uri":"channel:{CALL}-c-1","language":"en","state":"failed"}}"#
    );
    for (text, expected) in [
        (channel("StasisStart", r#""args":["customer"],"#, &down), of_customer(ChannelEvent::Started)),
        (dial("", &down), of_customer(ChannelEvent::DialBegan)),
        (dial("PROGRESS", &down), of_customer(ChannelEvent::EarlyMedia)),
        (dial("RINGING", &ringing), of_customer(ChannelEvent::Ringing)),
        (dial("ANSWER", &up), of_customer(ChannelEvent::Up)),
        (channel("ChannelStateChange", "", &ringing), of_customer(ChannelEvent::Ringing)),
        (channel("ChannelStateChange", "", &up), of_customer(ChannelEvent::Up)),
        (channel("ChannelHangupRequest", "", &up), asked(true)),
        (channel("ChannelHangupRequest", r#""cause":17,"tech_cause":486,"#, &ringing), asked(true)),
        (channel("ChannelHangupRequest", r#""cause":32,"soft":true,"#, &up), asked(false)),
        (channel("StasisEnd", "", &up), of_customer(ChannelEvent::Left)),
        (channel("ChannelDestroyed", r#""cause":16,"cause_txt":"Normal Clearing","#, &up), destroyed(Some(16), None)),
        (
            channel("ChannelDestroyed", r#""cause":17,"cause_txt":"","tech_cause":486,"#, &up),
            destroyed(Some(17), Some(486)),
        ),
        (channel("ChannelDestroyed", r#""cause":0,"cause_txt":"Unknown","#, &up), destroyed(None, None)),
        (event("PlaybackFinished", &playback), of_customer(ChannelEvent::Played)),
    ] {
        assert_eq!(translate(&text), Ok(expected), "{text}");
    }
}

#[test]
fn an_agents_call_is_known_by_its_argument_and_its_foreign_id() {
    let start = |args: &str, shown: &str| event("StasisStart", &format!(r#""args":{args},"channel":{shown}"#));
    let agent = |name: &str, exten: &str| shown("pbx1-1795256619.46", name, "Ring", exten);
    let channel: ChannelId = "pbx1-1795256619.46".parse().expect("an id");
    let name: ChannelName = "PJSIP/acme-ann-0000002e".parse().expect("a name");

    let dialled = translate(&start(r#"["outbound"]"#, &agent("PJSIP/acme-ann-0000002e", "+1 (202) \\u0035550123")));
    let raw = "+1 (202) 5550123".to_owned();
    let expected = Translated::AgentDialled { channel: channel.clone(), name: name.clone(), raw, at: at() };
    assert_eq!(dialled, Ok(expected));

    for (args, shown_name) in [(r#"["trunk"]"#, "PJSIP/acme-ann-0000002e"), ("[]", "PJSIP/acme-ann-0000002e")] {
        let foreign = Translated::ForeignChannel { channel: channel.clone(), name: Some(name.clone()) };
        assert_eq!(translate(&start(args, &agent(shown_name, "1"))), Ok(foreign), "{args}");
    }
    let nameless = Translated::ForeignChannel { channel, name: None };
    assert_eq!(translate(&start(r#"["outbound"]"#, &agent("Local/+1555@x-0001;1", "1"))), Ok(nameless));
    // A channel of ours stays ours, whatever its arguments say.
    let ours = translate(&start(r#"["outbound"]"#, &customer("Down")));
    assert!(matches!(ours, Ok(Translated::Input(Input::Channel { event: ChannelEvent::Started, .. }))), "{ours:?}");
}

#[test]
fn what_we_do_not_need_is_ignored_by_name() {
    let target = |uri: &str| format!(r#""playback":{{"target_uri":"{uri}"}}"#);
    let dial = format!(r#""dialstatus":"BUSY","peer":{}"#, customer("Down"));
    for (text, kind) in [
        (event("Dial", &dial), "Dial"),
        (event("ChannelStateChange", &format!(r#""channel":{}"#, customer("Ring"))), "ChannelStateChange"),
        (event("ChannelStateChange", &format!(r#""channel":{}"#, customer("Novel"))), "ChannelStateChange"),
        (event("PlaybackFinished", &target("bridge:x")), "PlaybackFinished"),
        (event("PlaybackFinished", &target("channel:a b")), "PlaybackFinished"),
        (event("ChannelVarset", r#""variable":"X","value":"12025550123""#), "ChannelVarset"),
        (event("ChannelUserevent", r#""eventname":"a\nb""#), "ChannelUserevent"),
        (event("SomethingNew", r#""channel":7"#), "unknown"),
        (r#"{"type":""}"#.to_owned(), "unknown"),
    ] {
        assert_eq!(translate(&text), Ok(Translated::Ignored(kind)), "{text}");
    }
}

#[test]
fn words_about_the_connection_are_told() {
    let replaced = format!(r#"{{"type":"ApplicationReplaced","timestamp":"{AT}","application":"cordboard"}}"#);
    assert_eq!(translate(&replaced), Ok(Translated::Replaced));
    let canary = event("ChannelUserevent", r#""eventname":"canary-17","userevent":{}"#);
    assert_eq!(translate(&canary), Ok(Translated::Canary("canary-17".to_owned())));
}

/// Messages that are wrong. Each holds a number that no error may repeat.
fn nasty() -> Vec<String> {
    let whole = event("ChannelDestroyed", &format!(r#""cause":16,"channel":{}"#, customer("Up")));
    let mut all: Vec<String> = [
        "",
        " ",
        "null",
        "true",
        "12025550123",
        "\"12025550123\"",
        "[]",
        "{}",
        "[{}]",
        "{",
        "}",
        "{]",
        "nul",
        "\u{0}",
        "\u{feff}{}",
        "NaN",
        "-",
        "{\"type\"}",
        "{\"type\":}",
        "{'type':'Dial'}",
        "{\"type\":null}",
        "{\"type\":12025550123}",
        "{\"type\":[]}",
        "{\"type\":{}}",
        "{\"type\":true}",
        "{\"type\":\"Dial\",\"type\":\"Dial\"}",
        "{\"Type\":\"Dial\"}",
        "{\"type\":\"Dial\"} x",
        "{\"type\":\"Dial\"}{\"type\":\"Dial\"}",
        "{\"type\":\"\\ud800\"}",
        "{\"type\":\"a\u{1}\"}",
        "{\"type\":\"Dial\",}",
        "12025550123{\"type\":\"Dial\"}",
        "{\"n\":12025550123}",
        "{\"type\":\"Dial\"",
    ]
    .map(str::to_owned)
    .to_vec();
    for kind in [
        "StasisStart",
        "StasisEnd",
        "Dial",
        "ChannelStateChange",
        "ChannelHangupRequest",
        "ChannelDestroyed",
        "PlaybackFinished",
        "ChannelUserevent",
    ] {
        for more in [
            r#""x":"12025550123""#,
            r#""channel":null,"peer":null,"playback":null,"eventname":null,"args":[],"dialstatus":"""#,
            r#""channel":"12025550123","peer":"12025550123","playback":"12025550123","eventname":12025550123"#,
            r#""channel":{},"peer":{},"playback":{},"eventname":{},"dialstatus":"""#,
            r#""channel":{"id":12025550123},"peer":{"id":12025550123},"playback":{"target_uri":12025550123}"#,
            r#""channel":{"id":"../12025550123","name":"x","state":"Up","dialplan":{"exten":"1"}},"peer":{"id":"a/12025550123"},"dialstatus":"""#,
        ] {
            all.push(event(kind, more));
        }
    }
    for (from, to) in [
        (AT, "yesterday 12025550123"),
        (AT, ""),
        (AT, "2026-11-21"),
        (AT, "2026-13-41T10:23:39.479+0000"),
        (r#""cause":16"#, r#""cause":"12025550123""#),
        (r#""cause":16"#, r#""cause":12025550123"#),
        (r#""cause":16"#, r#""cause":-1"#),
        (r#""cause":16"#, r#""cause":1.5"#),
        (r#""cause":16"#, r#""cause":null"#),
        (r#""cause":16"#, r#""cause":16,"tech_cause":"12025550123""#),
        (r#""cause":16"#, r#""cause":16,"cause":17"#),
        (r#""cause":16"#, r#""cause":16,"channel":{}"#),
        (CALL, ""),
        ("-c-1", "-c-1 12025550123"),
    ] {
        assert!(whole.contains(from));
        // The first of two times is the event's.
        all.push(whole.replacen(from, to, 1).replace("\"-c-1\"", "\"\""));
    }
    let deep = "[".repeat(200_000);
    all.push(deep.clone());
    all.push(format!(r#"{{"type":{deep}"#));
    all.push(format!(r#"{{"type":"ChannelDestroyed","channel":{deep}"#));
    all.push(format!(r#"{{"a":{}{},"type":7}}"#, "[".repeat(100_000), "]".repeat(100_000)));
    all.push(format!(r#"{{"type":"{}"#, "9".repeat(900_000)));
    all.push(format!(r#"{{"type":"StasisEnd","timestamp":"{}"}}"#, "9".repeat(900_000)));
    all
}

#[test]
fn nasty_messages_are_errors_that_repeat_nothing() {
    let all = nasty();
    assert!(all.len() >= 60, "{}", all.len());
    for text in &all {
        let shown: String = text.chars().take(200).collect();
        let Err(error) = translate(text) else {
            // The one kind of message that needs no more than these fields.
            panic!("taken as an event: {shown}");
        };
        let told = format!("{error} {error:?}");
        assert!(told.len() < 200, "{told}");
        assert!(!told.contains("2025550123") && !told.contains("99999"), "{told} repeats {shown}");
    }
}

#[test]
fn an_error_says_which_event_and_where() {
    let cut = r#"{"type":"Dial","timestamp":"#;
    assert_eq!(translate(cut), Err(Malformed::NotAnEvent(Fault::Cut)));
    let without = r#"{"type":"Dial"}"#;
    let fault = Fault::Shape { column: without.len() };
    assert_eq!(translate(without), Err(Malformed::Event { event: "Dial", fault }));
}

#[test]
fn what_was_dialled_is_not_printed() {
    let text = event(
        "StasisStart",
        &format!(r#""args":["outbound"],"channel":{}"#, shown("x.1", "PJSIP/ann-01", "Ring", "12025550123")),
    );
    let told = format!("{:?}", translate(&text));
    assert!(told.contains("AgentDialled") && !told.contains("2025550123"), "{told}");
}

proptest! {
    /// One changed character, one cut, one doubled piece: never a panic, never a number in the error.
    #[test]
    fn damaged_messages_never_panic(at in 0_usize..400, length in 0_usize..40, with in "[\"{}\\[\\]:,0-9a-z\\\\]{0,3}") {
        let whole = event("StasisStart", &format!(r#""args":["outbound"],"channel":{}"#, shown("x.1", "PJSIP/ann-01", "Ring", "12025550123")));
        let end = (at + length).min(whole.len());
        let damaged = format!("{}{with}{}", &whole[..at.min(end)], &whole[end..]);
        if let Err(error) = translate(&damaged) {
            let told = format!("{error:?}");
            prop_assert!(!told.contains("2025550123"));
        }
    }
}
