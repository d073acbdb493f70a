//! Starting calls.

use crate::support::{CUSTOMER, Floor, Mode, SECRET};
use axum::body::Body;
use axum::http::Request;
use cordboard::core::command::Answer;
use cordboard::core::outcome::RefusalReason;
use cordboard::http::{Limits, Reach};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn a_call_is_started_and_can_be_looked_at() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let reply = floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), CUSTOMER).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let body = reply.json();
    let id = body["id"].as_str().expect("an id");
    let expected = json!({
        "id": id,
        "state": "calling_agent",
        "agent": tenant.agent.endpoint,
        "agentId": tenant.agent.id,
        "agentName": "Alice",
        "from": tenant.number,
        "to": CUSTOMER,
    });
    assert_eq!(body, expected);
    assert_eq!(reply.header("location"), Some(format!("/api/v1/calls/{id}").as_str()));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));

    let looked = floor.get(reply.header("location").expect("a location"), &tenant.token).await;
    assert_eq!(looked.status, 200, "{}", looked.text);
    assert_eq!(looked.json()["id"], id);
    assert_eq!(looked.json()["state"], "calling_agent");
}

#[tokio::test]
async fn an_agent_can_be_named_by_id() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let reply = floor.start(&tenant.token, &tenant.agent.id.to_string(), "(202) 555-0199").await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(reply.json()["to"], CUSTOMER);
    let asked = floor.stand.started.lock().expect("lock").clone();
    assert_eq!(asked, [(tenant.agent.endpoint.clone(), "(202) 555-0199".to_owned())]);
}

#[tokio::test]
async fn a_limit_is_named_with_its_number_and_the_refusal_is_kept() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    floor.limit(&tenant, 1).await;
    floor.started(&tenant).await;
    let reply = floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), CUSTOMER).await;
    let problem = reply.is_problem(403, "daily_limit");
    let expected = json!({
        "type": "urn:cordboard:problem:daily_limit",
        "title": "The call may not be made",
        "status": 403,
        "detail": "Daily call limit reached (1 calls). Please contact your administrator.",
        "code": "daily_limit",
        "callId": problem["callId"],
    });
    assert_eq!(problem, expected);

    let path = format!("/api/v1/calls/{}?include=decision", problem["callId"].as_str().expect("an id"));
    let call = floor.get(&path, &tenant.token).await.json();
    assert_eq!(call["disposition"], "refused", "{call}");
    assert_eq!(call["refusal"], "daily_limit", "{call}");
    assert_eq!(call["state"], "over", "{call}");
    let discarded = &call["decision"]["discarded"][0];
    assert_eq!(discarded["number"], tenant.number, "{call}");
    let reason = json!({
        "text": "used 1 of 1 calls today by this agent", "rule": "assignment_limit", "used": 1, "limit": 1
    });
    assert_eq!(discarded["reasons"], json!([reason]), "{call}");
}

#[tokio::test]
async fn a_country_that_is_not_allowed_is_refused() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let reply = floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), "+442071838750").await;
    let problem = reply.is_problem(403, "country_not_allowed");
    assert_eq!(problem["detail"], RefusalReason::CountryNotAllowed.sentence());
    assert!(!reply.text.contains("2071838750"), "{}", reply.text);
}

#[tokio::test]
async fn every_refusal_has_its_status() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    for reason in RefusalReason::ALL {
        floor.set(Mode::Say(Answer::Refused(reason)));
        let reply = floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), CUSTOMER).await;
        let (status, code) = match reason {
            RefusalReason::NotAnAgent => (404, "agent_not_found"),
            RefusalReason::InvalidNumber => (422, "invalid_number"),
            RefusalReason::Draining | RefusalReason::NodeUnavailable | RefusalReason::StoreUnavailable => {
                (503, reason.as_str())
            }
            RefusalReason::AgentInactive
            | RefusalReason::AgentDailyLimit
            | RefusalReason::CampaignHasNoNumber
            | RefusalReason::ClassNotAllowed
            | RefusalReason::CountryNotAllowed
            | RefusalReason::DailyLimit
            | RefusalReason::EmergencyNotPossible
            | RefusalReason::NoNumberAssigned
            | RefusalReason::NoNumberAvailable => (403, reason.as_str()),
        };
        let problem = reply.is_problem(status, code);
        if status == 404 {
            assert_eq!(problem.get("callId"), None);
        } else {
            // There is no row of this call, as when the database is away: the plain sentence stands in.
            assert_eq!(problem["detail"], reason.sentence(), "{reason}");
            assert!(problem["callId"].as_str().is_some_and(|id| Uuid::try_parse(id).is_ok()), "{reason}");
        }
    }
}

#[tokio::test]
async fn a_loop_that_is_full_panics_or_talks_nonsense_is_no_mystery() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let start = async || floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), CUSTOMER).await;
    floor.set(Mode::Busy);
    let reply = start().await;
    reply.is_problem(503, "busy");
    assert_eq!(reply.header("retry-after"), Some("1"));
    floor.set(Mode::Elsewhere);
    let problem = start().await.is_problem(503, "not_owner");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("replica-b:7")), "{problem}");
    floor.set(Mode::Panic);
    let reply = start().await;
    let expected = json!({
        "type": "urn:cordboard:problem:internal",
        "title": "Internal error",
        "status": 500,
        "detail": "This is a fault of the server. Tell your administrator the id in the X-Request-Id header.",
        "code": "internal",
    });
    assert_eq!(reply.is_problem(500, "internal"), expected);
    for nonsense in [Answer::HangingUp, Answer::NoSuchCall] {
        floor.set(Mode::Say(nonsense));
        start().await.is_problem(500, "internal");
    }
    floor.set(Mode::Decide);
    assert_eq!(start().await.status, 201, "and the next one is as if nothing had been");
}

#[tokio::test]
async fn a_request_may_not_take_for_ever_and_too_many_at_once_are_turned_away() {
    let limits = Limits { time: Duration::from_millis(700), at_once: 1, ..Limits::default() };
    let floor = Floor::with(limits, Reach::Operators).await;
    let tenant = floor.tenant().await;
    floor.set(Mode::Silent);
    let slow = async { floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), CUSTOMER).await };
    let turned_away = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let reply = floor.get("/api/v1/calls", &tenant.token).await;
        (reply, floor.get("/readyz", "").await)
    };
    let (slow, (turned_away, ready)) = tokio::join!(slow, turned_away);
    assert!(slow.is_problem(504, "timeout")["detail"].as_str().is_some_and(|text| text.contains("may have been")));
    turned_away.is_problem(503, "busy");
    assert_eq!(ready.json()["ready"], false, "health is never turned away: {}", ready.text);
    assert_eq!(floor.get("/api/v1/calls", &tenant.token).await.status, 200, "the slot is free again");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let floor = Floor::with(Limits { time: Duration::from_millis(400), ..Limits::default() }, Reach::Operators).await;
    let tenant = floor.tenant().await;
    let never = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    floor.post(&tenant.token, Body::from_stream(never)).await.is_problem(408, "slow_body");
    let broken = futures::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other(SECRET)) });
    floor.post(&tenant.token, Body::from_stream(broken)).await.is_problem(400, "unreadable_body");
}

#[tokio::test]
async fn what_is_not_a_number_is_refused_and_never_repeated() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let hostile = [
        String::new(),
        " ".to_owned(),
        "+".to_owned(),
        "not a number".to_owned(),
        format!("{SECRET}\0"),
        format!("{SECRET}\r\nX-Evil: 1"),
        format!("PJSIP/{SECRET}@carrier"),
        format!("{SECRET}&PJSIP/1"),
        format!("'; DROP TABLE calls; -- {SECRET}"),
        format!("${{SYSTEM({SECRET})}}"),
        format!("<script>{SECRET}</script>"),
        format!("sip:{SECRET}@evil.example"),
        "٠١٢٣٤٥٦٧٨٩".to_owned(),
        "\u{202e}9910555202".to_owned(),
        "9".repeat(81),
        "9".repeat(40_000),
        "\u{1f4de}".repeat(80),
    ];
    for to in hostile {
        let reply = floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), &to).await;
        reply.is_problem(422, "invalid_number");
        for part in [SECRET, "DROP", "script", "99999", "\u{1f4de}"] {
            assert!(!reply.text.contains(part), "{to:?}: {}", reply.text);
            assert!(!format!("{:?}", reply.headers).contains(part), "{to:?}: {:?}", reply.headers);
        }
    }
}

#[tokio::test]
async fn an_emergency_number_is_not_started_by_a_program_without_a_route() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let reply = floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), "911").await;
    let problem = reply.is_problem(403, "emergency_not_possible");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("mobile phone")), "{problem}");
}

#[tokio::test]
async fn agents_that_cannot_be_are_unknown_and_the_loop_is_not_asked() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let hostile = [
        "",
        " ",
        "nobody",
        "1alice",
        "../alice",
        "alice\r\nX: 1",
        "alice\0",
        "PJSIP/alice",
        "élan",
        "' OR 1=1 --",
        "00000000-0000-0000-0000-000000000000",
        &"a".repeat(50_000),
    ];
    for agent in hostile {
        floor.start(&tenant.token, agent, CUSTOMER).await.is_problem(404, "agent_not_found");
    }
    assert!(floor.stand.started.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn bodies_of_another_form_are_refused_with_the_place() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let wrong = [
        json!({}),
        json!({ "agent": "a" }),
        json!({ "to": SECRET }),
        json!({ "agent": "a", "to": 5_558_675_309_u64 }),
        json!({ "agent": "a", "to": null }),
        json!({ "agent": ["a"], "to": SECRET }),
        json!({ "agent": "a", "to": SECRET, "organization": "other" }),
        json!({ "agent": "a", "to": SECRET, SECRET: 1 }),
        json!({ "Agent": "a", "To": SECRET }),
        json!(null),
        json!(SECRET),
    ];
    let twice = format!(r#"{{"agent": "a", "agent": "b", "to": "{SECRET}"}}"#);
    for body in wrong.iter().map(ToString::to_string).chain([twice]) {
        let reply = floor.post(&tenant.token, body).await;
        reply.is_problem(422, "wrong_body");
        assert!(!reply.text.contains(SECRET), "{}", reply.text);
    }
    let reply = floor.post(&tenant.token, r#"{"agent": "a", "too": 1}"#).await;
    let expected = json!({
        "type": "urn:cordboard:problem:wrong_body",
        "title": "The body has not the right form",
        "status": 422,
        "detail": "The body must be {\"agent\": \"<endpoint or id>\", \"to\": \"<phone number>\", \"campaign\": \
                   \"<id or name, if it is for one>\"}, and nothing else: look at line 1, column 20.",
        "code": "wrong_body",
    });
    assert_eq!(reply.json(), expected);
    assert!(floor.stand.started.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn bodies_that_are_not_json_are_refused() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let malformed: [&[u8]; 8] = [
        b"",
        b"{",
        b"{\"agent\": \"a\", \"to\": \"1\"} x",
        b"agent=a&to=1",
        b"{\"agent\": \"\xff\xfe\", \"to\": \"1\"}",
        b"{\"agent\": \"\\ud800\", \"to\": \"1\"}",
        b"\xef\xbb\xbf{\"agent\": \"a\", \"to\": \"1\"}",
        b"{\"agent\": \"a\x01\", \"to\": \"1\"}",
    ];
    for body in malformed {
        floor.post(&tenant.token, body).await.is_problem(400, "malformed_json");
    }
    let deep = floor.post(&tenant.token, "[".repeat(60_000)).await;
    assert!([400, 422].contains(&deep.status.as_u16()), "{}", deep.text);

    let long = format!(r#"{{"agent": "a", "to": "{}"}}"#, "1".repeat(1 << 20));
    let problem = floor.post(&tenant.token, long).await.is_problem(413, "too_large");
    assert_eq!(problem["detail"], "The body may have 65536 bytes at most.");

    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")] {
        let mut request = Request::post("/api/v1/calls").header("authorization", format!("Bearer {}", tenant.token));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request.body(Body::from(r#"{"agent": "a", "to": "1"}"#)).expect("a request");
        floor.send(request).await.is_problem(415, "unsupported_media_type");
    }
    assert!(floor.stand.started.lock().expect("lock").is_empty());
}
