//! Calls on record: listed, shown, explained.

use crate::floor::Floor;
use cordboard::core::fact::{Fact, Leg, Origin, Party};
use cordboard::core::ids::CallId;
use cordboard::core::outcome::Disposition;
use cordboard::core::record::Record;
use cordboard::daemon::{Rules, decide};
use cordboard::store::admit::AdmitRequest;
use cordboard::store::calls::CallWrite;
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

/// A call as the daemon makes it, up to its decision.
pub fn ask(floor: &Floor, endpoint: &str, dialled: &str) -> AdmitRequest {
    let request = AdmitRequest {
        call: CallId(uuid::Uuid::now_v7()),
        endpoint: endpoint.parse().expect("an endpoint"),
        dialled_raw: dialled.to_owned(),
        origin: Origin::Phone,
        agent_channel: None,
        requested_at: Timestamp::now(),
        node: "floor-1".parse().expect("a node"),
    };
    let store = floor.store();
    let decided = store.admit(&request, |snapshot| decide(dialled, &Rules::default(), snapshot, Timestamp::now()));
    floor.runtime.block_on(decided).expect("a decision");
    request
}

/// The rest of its life.
pub fn answer(floor: &Floor, request: &AdmitRequest) {
    let at = |ms: i64| request.requested_at + ms.milliseconds();
    let before = [
        Fact::Requested { at: at(0), origin: Origin::Phone, agent_channel: None },
        Fact::Admitted { at: at(1), emergency: false },
    ];
    let facts = vec![
        Fact::CustomerDialled { at: at(2), channel: request.call.customer_channel(1) },
        Fact::InviteSent { at: at(3) },
        Fact::Ringing { at: at(1000) },
        Fact::Answered { at: at(3000) },
        Fact::HangupAsked { at: at(68_000), by: Party::Agent },
        Fact::LegEnded { at: at(68_000), leg: Leg::Agent, cause: Some(16), sip_code: None },
        Fact::LegEnded { at: at(68_001), leg: Leg::Customer, cause: Some(16), sip_code: Some(200) },
        Fact::Settled { at: at(68_100), disposition: Disposition::Answered, estimated: false },
    ];
    let record = Record::of(before.iter().chain(&facts));
    let write = CallWrite { call: request.call, first_seq: 2, facts, record };
    let store = floor.store();
    assert_eq!(floor.runtime.block_on(store.append(&[write])).expect("written"), []);
}

#[test]
fn a_call_is_listed_shown_and_explained() {
    let floor = Floor::alice();
    floor.ok("numbers add acme +12025550124");
    floor.ok("assign alice +12025550124 --countries CA");
    let request = ask(&floor, "alice", "(202) 555-0199");
    let id = request.call;
    let open = floor.ok("calls list");
    assert!(open.lines().nth(1).expect("a row").ends_with("  preparing …  -"), "{open}");
    answer(&floor, &request);

    let list = floor.ok("calls list --organization acme --agent alice --disposition answered");
    let row = list.lines().nth(1).expect("a row");
    assert!(row.starts_with(&id.to_string()), "{list}");
    assert!(row.ends_with("  alice  +12025550199  +12025550123  answered  1:05"), "{list}");
    assert_eq!(floor.json("calls list --disposition busy"), json!([]));
    assert_eq!(floor.ok("usage --agent alice").lines().count(), 3);

    let show = floor.ok(&format!("calls show {id}"));
    for line in [
        "agent         alice (Alice)",
        "to            +12025550199 (US, geographic_or_mobile)",
        "from          +12025550123",
        "quota         committed",
        "hung up by    agent",
        "because of    cause 16, SIP 200",
        "talked for    1:05",
    ] {
        assert!(show.contains(&format!("{line}\n")), "no {line:?} in {show}");
    }
    assert!(show.contains("  +68.000  leg ended         agent, cause 16\n"), "{show}");

    let json = floor.json(&format!("calls show {id}"));
    let keys = "id organization agent endpoint origin emergency dialled destination presented region class trunk day quota
        disposition refusal refusalSentence hungUpBy cause sipCode requestedAt decidedAt inviteSentAt ringingAt answeredAt
        endedAt settledAt ringMs talkMs estimated facts";
    for key in keys.split_whitespace() {
        assert!(json.get(key).is_some(), "{key}");
    }
    assert_eq!((&json["talkMs"], &json["ringMs"], &json["quota"]), (&json!(65_000), &json!(2000), &json!("committed")));
    assert_eq!((&json["facts"][7]["kind"], &json["facts"][8]["sipCode"]), (&json!("leg_ended"), &json!(200)));

    let why = floor.ok(&format!("explain {id}"));
    for line in [
        format!("call         {id}"),
        "to           +12025550199 (US, geographic_or_mobile)".to_owned(),
        "decision     allowed, by carrier".to_owned(),
        "number       +12025550123 (the only one possible: 0 of 100 calls; never used)".to_owned(),
        "  not        +12025550124: country US is not allowed".to_owned(),
        "             → allow it: cordboard assign alice +12025550124 --countries CA,US".to_owned(),
        "came to      answered, talked 1:05".to_owned(),
    ] {
        assert!(why.contains(&format!("{line}\n")), "no {line:?} in {why}");
    }
    assert!(why.contains("alice (Alice) of acme dialled (202) 555-0199, "), "{why}");
    let json = floor.json(&format!("explain {id}"));
    assert_eq!(json["decision"]["discarded"][0]["reasons"][0]["text"], "country US is not allowed");
}

#[test]
fn refused_calls_are_explained_too() {
    let floor = Floor::alice();
    floor.ok("assign alice +12025550123 --daily-limit 1");
    ask(&floor, "alice", "+12025550199");
    let full = ask(&floor, "alice", "+12025550199").call;
    let why = floor.ok(&format!("explain {full}"));
    assert!(why.contains("decision     refused (daily_limit): Daily call limit reached (1 calls)."), "{why}");
    assert!(why.contains("  not        +12025550123: used 1 of 1 calls today by this agent\n"), "{why}");
    assert!(why.contains(" --daily-limit 2\n"), "{why}");
    let show = floor.json(&format!("calls show {full}"));
    assert_eq!((&show["refusal"], &show["quota"]), (&json!("daily_limit"), &json!("none")));
    assert!(floor.ok("calls list").contains("refused (daily_limit)"));

    let abroad = ask(&floor, "alice", "+442079460018").call;
    floor.ok("assign alice +12025550123 --countries GB");
    let why = floor.ok(&format!("explain {abroad}"));
    assert!(why.contains("country GB is not allowed") && why.contains("→ allowed since\n"), "{why}");

    let stranger = ask(&floor, "mallory", "+12025550199").call;
    let why = floor.ok(&format!("explain {stranger}"));
    assert!(why.contains("asked        mallory, which is no agent's dialled +12025550199"), "{why}");
    assert!(why.contains("refused (not_an_agent)"), "{why}");
}
