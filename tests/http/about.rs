//! Health, metrics, and what stands around every request.

use crate::support::{Floor, Reply};
use axum::body::Body;
use axum::http::{Method, Request};
use cordboard::checks::Finding;
use cordboard::daemon::Looked;
use cordboard::http::{self, Limits, Reach};
use jiff::Timestamp;
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;

#[tokio::test]
async fn the_process_is_alive_while_the_loop_turns() {
    let floor = Floor::new().await;
    let alive = async || floor.get("/healthz", "").await;
    assert_eq!(alive().await.status, 503, "it has not turned yet");
    let now = Timestamp::now().as_millisecond();
    floor.status.last_turn_ms.store(now - 2_000, Relaxed);
    let reply = alive().await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "alive": true })), "an idle loop is alive");
    floor.status.last_turn_ms.store(now - 30_000, Relaxed);
    let reply = alive().await;
    assert_eq!((reply.status.as_u16(), reply.json()), (503, json!({ "alive": false })));
    floor.status.last_turn_ms.store(now + 3_600_000, Relaxed);
    assert_eq!(alive().await.status, 200, "a clock that was set back is not a stuck loop");
}

#[tokio::test]
async fn ready_is_who_can_make_calls_and_operators_are_told_why_not() {
    let floor = Floor::new().await;
    floor.status.postgres.store(true, Relaxed);
    floor.status.open_calls.store(3, Relaxed);
    let expected = json!({
        "ready": false, "asterisk": false, "postgres": true, "journal": false, "draining": false, "emergencyRoute": false,
        "openCalls": 3, "unwrittenFacts": 0, "journaledFacts": 0, "fit": false, "blocked": [],
    });
    let reply = floor.get("/readyz", "").await;
    assert_eq!((reply.status.as_u16(), reply.json()), (503, expected));
    floor.status.asterisk.store(true, Relaxed);
    assert_eq!(floor.get("/readyz", "").await.status, 503, "nobody has looked at Asterisk yet");
    let looked = Looked::Node("pbx1".parse().expect("a node"));
    let bad = Finding::dangerous("live_dangerously", false, "is on", "switch it off", "node.allow_live_dangerously");
    floor.status.set_checks(looked.clone(), vec![bad]);
    let reply = floor.get("/readyz", "").await;
    assert_eq!((reply.status.as_u16(), &reply.json()["blocked"][0]["check"]), (503, &json!("live_dangerously")));
    let metrics = floor.get("/metrics", "").await.text;
    assert!(metrics.contains("cordboard_check{node=\"\",check=\"live_dangerously\"} 2\n"), "{metrics}");
    assert!(metrics.contains("cordboard_fit 0\n"), "{metrics}");
    let allowed = Finding::dangerous("live_dangerously", true, "is on", "switch it off", "node.allow_live_dangerously");
    floor.status.set_checks(looked, vec![allowed]);
    assert_eq!(floor.get("/readyz", "").await.status, 200);
    floor.status.store_away.store(true, Relaxed);
    assert_eq!(floor.get("/readyz", "").await.status, 503, "it answers, and does not have all that is known");
    floor.status.store_away.store(false, Relaxed);
    floor.status.draining.store(true, Relaxed);
    assert_eq!(floor.get("/readyz", "").await.status, 503);

    let floor = Floor::with(Limits::default(), Reach::Anybody).await;
    let reply = floor.get("/readyz", "").await;
    assert_eq!((reply.status.as_u16(), reply.json()), (503, json!({ "ready": false })));
    floor.get("/metrics", "").await.is_problem(404, "not_found");
}

fn numbers(reply: &Reply) {
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(reply.text.ends_with("\n# EOF\n"), "{}", reply.text);
    assert_eq!(reply.text.matches("# EOF").count(), 1, "{}", reply.text);
    for line in [
        "cordboard_open_calls 3",
        "cordboard_unwritten_facts 0",
        "cordboard_journal_bytes 0",
        "cordboard_journal_failures_total 0",
        "cordboard_asterisk_up 0",
        "cordboard_postgres_up 1",
        "cordboard_draining 0",
        "cordboard_emergency_route 0",
        "cordboard_ready 0",
        "cordboard_engine_steps_total 9",
        "test_extra_total 7",
        "cordboard_facts_written_total 0",
        "cordboard_refusals_total{reason=\"daily_limit\"} 1",
    ] {
        assert!(reply.text.lines().any(|found| found == line), "{line} in {}", reply.text);
    }
    for name in ["cordboard_postgres_connections ", "cordboard_loop_turn_age_seconds "] {
        assert!(reply.text.lines().any(|line| line.starts_with(name)), "{name} in {}", reply.text);
    }
    for line in reply.text.lines() {
        let fields = line.split(' ').count();
        assert!(line.starts_with("# ") || fields == 2, "{line}");
    }
}

#[tokio::test]
async fn metrics_are_told_to_operators_on_either_listener() {
    let floor = Floor::new().await;
    floor.status.postgres.store(true, Relaxed);
    floor.status.open_calls.store(3, Relaxed);
    floor.status.steps.store(9, Relaxed);
    floor.status.last_turn_ms.store(Timestamp::now().as_millisecond(), Relaxed);
    floor.state.metrics.refused("daily_limit");
    numbers(&floor.get("/metrics", "").await);

    let operations = Floor { router: http::operations(floor.state.clone()), ..floor };
    numbers(&operations.get("/metrics", "").await);
    assert_eq!(operations.get("/healthz", "").await.status, 200);
    assert_eq!(operations.get("/readyz", "").await.json()["openCalls"], 3);
    operations.get("/api/v1/calls", "").await.is_problem(404, "not_found");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    for path in
        ["/", "/api", "/api/v1", "/api/v2/calls", "/api/v1/calls/", "/api/v1/calls/a/b", "//api/v1/calls", "/%00"]
    {
        floor.get(path, &tenant.token).await.is_problem(404, "not_found");
    }
    let expected = json!({
        "type": "urn:cordboard:problem:not_found",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing at this address. The calls are at /api/v1/calls.",
        "code": "not_found",
    });
    assert_eq!(floor.get("/nothing", "").await.json(), expected);
    for (method, path, allow) in [
        ("PUT", "/api/v1/calls", "GET,HEAD,POST"),
        ("DELETE", "/api/v1/calls", "GET,HEAD,POST"),
        ("POST", "/api/v1/calls/x", "GET,HEAD,DELETE"),
        ("BREW", "/api/v1/calls", "GET,HEAD,POST"),
        ("POST", "/healthz", "GET,HEAD"),
        ("POST", "/metrics", "GET,HEAD"),
    ] {
        let reply = floor.ask(method.parse().expect("a method"), path, &tenant.token).await;
        reply.is_problem(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
    assert_eq!(floor.ask(Method::HEAD, "/api/v1/calls", &tenant.token).await.status, 200);
}

#[tokio::test]
async fn every_answer_has_an_id_and_only_a_harmless_one_is_taken_from_the_client() {
    let floor = Floor::new().await;
    let ask = async |id: &[u8]| {
        let request = Request::get("/healthz").header("x-request-id", id).body(Body::empty()).expect("a request");
        floor.send(request).await.header("x-request-id").expect("an id").to_owned()
    };
    assert_eq!(ask(b"click-42_a.b").await, "click-42_a.b");
    for bad in [&b""[..], b"a b", b"<script>", b"\xff\xfe", b"a;b=c", &[b'a'; 65]] {
        let id = ask(bad).await;
        assert_eq!(id.len(), 36, "{id}");
    }
    let [one, two] = [floor.get("/healthz", "").await, floor.get("/healthz", "").await];
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
    assert_eq!(one.header("x-content-type-options"), Some("nosniff"));
}
