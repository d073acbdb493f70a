//! Looking at one call.

use crate::support::{CUSTOMER, Floor};
use cordboard::core::fact::{Fact, Leg, Party};
use cordboard::core::outcome::Disposition;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

#[tokio::test]
async fn a_call_tells_all_that_happened() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let id = floor.started(&tenant).await;
    let began: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
    let at = |seconds| began + SignedDuration::from_secs(seconds);
    let path = format!("/api/v1/calls/{id}");
    let state = async || floor.get(&path, &tenant.token).await.json()["state"].clone();

    floor.happens(id, vec![Fact::AgentDialled { at: at(0), channel: id.agent_channel(1) }]).await;
    assert_eq!(state().await, "calling_agent");
    floor
        .happens(
            id,
            vec![
                Fact::AgentRinging { at: at(1) },
                Fact::AgentAnswered { at: at(2) },
                Fact::CustomerDialled { at: at(2), channel: id.customer_channel(1) },
                Fact::InviteSent { at: at(2) },
                Fact::Ringing { at: at(3) },
            ],
        )
        .await;
    assert_eq!(state().await, "dialling");
    floor.happens(id, vec![Fact::Answered { at: at(8) }]).await;
    assert_eq!(state().await, "talking");
    floor
        .happens(
            id,
            vec![
                Fact::HangupAsked { at: at(38), by: Party::Customer },
                Fact::LegEnded { at: at(38), leg: Leg::Customer, cause: Some(16), sip_code: Some(200) },
            ],
        )
        .await;
    assert_eq!(state().await, "ending");
    let settled = Fact::Settled { at: at(39), disposition: Disposition::Answered, estimated: false };
    floor.happens(id, vec![settled]).await;

    let reply = floor.get(&path, &tenant.token).await;
    assert_eq!(reply.status, 200);
    let mut call = reply.json();
    let facts = call["facts"].take();
    let given = |key: &str| call[key].clone();
    let expected = json!({
        "id": id, "state": "over",
        "agent": tenant.agent.endpoint, "agentId": tenant.agent.id, "agentName": "Alice",
        "from": tenant.number, "to": CUSTOMER, "dialled": CUSTOMER,
        "numberId": given("numberId"), "assignmentId": given("assignmentId"), "campaignId": null, "campaign": null,
        "region": "US", "class": "geographic_or_mobile", "day": given("day"),
        "quota": "committed", "origin": "api", "emergency": false,
        "requestedAt": given("requestedAt"), "decidedAt": given("decidedAt"),
        "inviteSentAt": "2026-11-21T12:00:02Z", "ringingAt": "2026-11-21T12:00:03Z",
        "answeredAt": "2026-11-21T12:00:08Z", "endedAt": "2026-11-21T12:00:38Z", "settledAt": "2026-11-21T12:00:39Z",
        "firstEnd": "customer", "hungUpBy": "customer", "cause": 16, "sipCode": 200,
        "refusal": null, "refusalSentence": null, "disposition": "answered",
        "ringMs": 5000, "talkMs": 30000, "estimated": false, "facts": null,
    });
    assert_eq!(call, expected);
    for key in ["numberId", "assignmentId", "day", "requestedAt", "decidedAt"] {
        assert!(call[key].is_string(), "{key}: {call}");
    }
    let kinds: Vec<&str> = facts.as_array().expect("facts").iter().filter_map(|fact| fact["kind"].as_str()).collect();
    let expected = [
        "requested",
        "admitted",
        "agent_dialled",
        "agent_ringing",
        "agent_answered",
        "customer_dialled",
        "invite_sent",
        "ringing",
        "answered",
        "hangup_asked",
        "leg_ended",
        "settled",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(facts[2]["channel"], format!("{id}-a-1"));
    assert_eq!(facts[9], json!({ "kind": "hangup_asked", "at": "2026-11-21T12:00:38Z", "by": "customer" }));
    let ended = json!({
        "kind": "leg_ended", "at": "2026-11-21T12:00:38Z", "leg": "customer", "cause": 16, "sipCode": 200
    });
    assert_eq!(facts[10], ended);
    assert_eq!(call.get("decision"), None);
}

#[tokio::test]
async fn the_decision_is_told_to_who_asks() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let id = floor.started(&tenant).await;
    let call = floor.get(&format!("/api/v1/calls/{id}?include=decision"), &tenant.token).await.json();
    let decision = &call["decision"];
    let expected = json!({
        "refusal": null, "agentUsedToday": 0, "agentDailyLimit": null, "discarded": [],
        "ranked": [{
            "assignmentId": call["assignmentId"], "numberId": call["numberId"], "number": tenant.number,
            "usedToday": 0, "dailyLimit": 100, "lastUsedAt": null, "reasons": [],
        }],
    });
    assert_eq!(*decision, expected);
}

#[tokio::test]
async fn ids_that_cannot_be_are_unknown() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let hostile = [
        "x",
        "0",
        "-1",
        "%00",
        "%ff%fe",
        "%0d%0aSet-Cookie:%20a=b",
        "..%2f..%2fetc%2fpasswd",
        "%27%20OR%201=1--",
        "00000000-0000-0000-0000-000000000000",
        "01998f2a-7c00-7000-8000-00000000000g",
        "%F0%9F%93%9E",
    ];
    for id in hostile.iter().map(ToString::to_string).chain(["a".repeat(5000)]) {
        for method in ["GET", "DELETE"] {
            let path = format!("/api/v1/calls/{id}");
            let reply = floor.ask(method.parse().expect("a method"), &path, &tenant.token).await;
            reply.is_problem(404, "call_not_found");
            assert_eq!(reply.header("set-cookie"), None);
        }
    }
    assert!(floor.stand.hung_up.lock().expect("lock").is_empty());
    let expected: Value = json!({
        "type": "urn:cordboard:problem:call_not_found",
        "title": "No such call",
        "status": 404,
        "detail": "Your organization has no call with this id. Take the id from the answer to the start, or from the list.",
        "code": "call_not_found",
    });
    assert_eq!(floor.get("/api/v1/calls/x", &tenant.token).await.json(), expected);
}

#[tokio::test]
async fn what_cannot_be_included_is_said() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let id = floor.started(&tenant).await;
    for query in ["include=everything", "include=", "include=decision&include=decision", "x=1", "%ff=1"] {
        let problem =
            floor.get(&format!("/api/v1/calls/{id}?{query}"), &tenant.token).await.is_problem(400, "wrong_query");
        assert_eq!(problem["detail"], "Only these may stand behind the `?`, each once: include=decision.");
    }
}
