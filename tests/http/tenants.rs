//! Whose token sees what: every address of the API × every kind of token.

use crate::support::{CUSTOMER, Floor, SECRET, Tenant, connect_within, log};
use axum::body::Body;
use axum::http::Request;
use cordboard::core::ids::CallId;
use cordboard::http::{Limits, Reach};
use cordboard::store::tokens::NewToken;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;

/// Every address that belongs to tenants, asked for things of `of`.
fn requests(of: &Tenant, call: CallId) -> Vec<(&'static str, String, Option<String>)> {
    let start = json!({ "agent": of.agent.endpoint, "to": CUSTOMER }).to_string();
    let by_id = json!({ "agent": of.agent.id, "to": CUSTOMER }).to_string();
    vec![
        ("POST", "/api/v1/calls".to_owned(), Some(start)),
        ("POST", "/api/v1/calls".to_owned(), Some(by_id)),
        ("GET", format!("/api/v1/calls/{call}"), None),
        ("GET", format!("/api/v1/calls/{call}?include=decision"), None),
        ("GET", format!("/api/v1/calls?agent={}", of.agent.endpoint), None),
        ("GET", format!("/api/v1/calls?agent={}", of.agent.id), None),
        ("GET", "/api/v1/calls".to_owned(), None),
        ("DELETE", format!("/api/v1/calls/{call}"), None),
    ]
}

fn request(method: &str, path: &str, body: Option<String>, authorization: &[&[u8]]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    request.body(body.map_or_else(Body::empty, Body::from)).expect("a request")
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_seen_or_done() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let call = floor.started(&tenant).await;
    let revoked = "a-revoked-token";
    floor
        .store
        .add_token(&NewToken::of_admin(tenant.id, "old", Sha256::digest(revoked).into()))
        .await
        .expect("a token");
    assert_eq!(floor.get("/api/v1/calls", revoked).await.status, 200, "until it is revoked");
    floor.store.revoke_token(tenant.id, "old").await.expect("revoked");
    let asleep = floor.tenant().await;
    floor.store.set_organization_active(&asleep.slug, false).await.expect("switched off");
    let started = floor.stand.started.lock().expect("lock").len();

    let good = format!("Bearer {}", tenant.token);
    let bad: [Vec<Vec<u8>>; 14] = [
        vec![],
        vec![b"".to_vec()],
        vec![b"Bearer".to_vec()],
        vec![b"Bearer ".to_vec()],
        vec![b"Bearer garbage".to_vec()],
        vec![format!("Bearer {revoked}").into_bytes()],
        vec![format!("Bearer {}", asleep.token).into_bytes()],
        vec![format!("Basic {}", tenant.token).into_bytes()],
        vec![tenant.token.clone().into_bytes()],
        vec![format!("Bearer {}x", tenant.token).into_bytes()],
        vec![b"Bearer \xff\xfe".to_vec()],
        vec![b"Bearer ' OR 1=1 --".to_vec()],
        vec![[b"Bearer ".to_vec(), vec![b'a'; 10_000]].concat()],
        vec![good.clone().into_bytes(), b"Bearer garbage".to_vec()],
    ];
    for authorization in &bad {
        let authorization: Vec<&[u8]> = authorization.iter().map(Vec::as_slice).collect();
        for (method, path, body) in requests(&tenant, call) {
            let reply = floor.send(request(method, &path, body, &authorization)).await;
            reply.is_problem(401, "unauthorized");
        }
    }
    let reply = floor.send(request("GET", "/api/v1/calls", None, &[])).await;
    let expected = json!({
        "type": "urn:cordboard:problem:unauthorized",
        "title": "The token is missing or not valid",
        "status": 401,
        "detail": "Send a valid token: `Authorization: Bearer <token>`. Your administrator can make one.",
        "code": "unauthorized",
    });
    assert_eq!(reply.json(), expected);
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"cordboard\""));
    assert_eq!(floor.stand.started.lock().expect("lock").len(), started, "the loop was not asked");
    assert!(floor.stand.hung_up.lock().expect("lock").is_empty());

    let lower =
        floor.send(request("GET", "/api/v1/calls", None, &[format!("bearer {}", tenant.token).as_bytes()])).await;
    assert_eq!(lower.status, 200, "the scheme is not case-sensitive");
}

#[tokio::test]
async fn the_tenant_itself_sees_and_does_everything() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let call = floor.started(&tenant).await;
    let good = format!("Bearer {}", tenant.token);
    let mut statuses = Vec::new();
    for (method, path, body) in requests(&tenant, call) {
        statuses.push(floor.send(request(method, &path, body, &[good.as_bytes()])).await.status.as_u16());
    }
    assert_eq!(statuses, [201, 201, 200, 200, 200, 200, 200, 202]);
}

#[tokio::test]
async fn what_is_another_tenants_is_as_unknown_as_what_is_not_there() {
    let floor = Floor::new().await;
    let (tenant, other) = (floor.tenant().await, floor.tenant().await);
    let call = floor.started(&other).await;
    let started = floor.stand.started.lock().expect("lock").len();
    let good = format!("Bearer {}", tenant.token);
    let mut unknown = floor.tenant().await;
    unknown.agent.endpoint = "nobody-at-all".parse().expect("an endpoint");
    unknown.agent.id = cordboard::core::ids::AgentId(Uuid::now_v7());
    let nowhere = requests(&unknown, CallId(Uuid::now_v7()));
    for ((method, path, body), (_, absent, nobody)) in requests(&other, call).into_iter().zip(nowhere) {
        let reply = floor.send(request(method, &path, body, &[good.as_bytes()])).await;
        if path == "/api/v1/calls" && method == "GET" {
            assert_eq!(reply.json(), json!({ "calls": [], "next": null }), "none of the other's");
            continue;
        }
        assert_eq!(reply.status, 404, "{method} {path}: {}", reply.text);
        let missing = floor.send(request(method, &absent, nobody, &[good.as_bytes()])).await;
        assert_eq!((reply.status, reply.text), (missing.status, missing.text), "{method} {path} can be told apart");
    }
    assert_eq!(floor.stand.started.lock().expect("lock").len(), started, "the loop was not asked");
    assert!(floor.stand.hung_up.lock().expect("lock").is_empty());
    // A cursor is only a place in the list.
    let page = floor.get(&format!("/api/v1/calls?cursor={call}"), &tenant.token).await;
    assert_eq!(page.json()["calls"], json!([]));
}

#[tokio::test]
async fn without_the_database_every_request_says_when_to_come_back() {
    let url = "postgres://cordboard:hunter2@127.0.0.1:1/none";
    let floor = Floor::on(connect_within(url, Duration::from_millis(300)), Limits::default(), Reach::Operators);
    let reply = floor.get("/api/v1/calls", "any").await;
    reply.is_problem(503, "store_unavailable");
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert!(!reply.text.contains("hunter2"), "{}", reply.text);
}

#[tokio::test]
async fn the_log_holds_neither_tokens_nor_numbers() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    floor.started(&tenant).await;
    floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), SECRET).await;
    floor.start(&tenant.token, SECRET, CUSTOMER).await;
    floor.post(&tenant.token, format!("{{\"{SECRET}\": 1}}")).await;
    floor.get(&format!("/api/v1/calls/{SECRET}"), &tenant.token).await;
    floor.get(&format!("/api/v1/calls?agent={SECRET}&to={SECRET}"), &tenant.token).await;
    floor.get(&format!("/{SECRET}?token={}", tenant.token), SECRET).await;
    // What the other tests did until now is in it too.
    let log = log();
    assert!(log.contains("a request was answered"), "something was logged: {log}");
    let number = tenant.number.trim_start_matches('+');
    for hidden in [SECRET, "token-of-", CUSTOMER.trim_start_matches('+'), number, "hunter2"] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
}
