//! Where events are sent: what is taken, what is shown, and what never is.

use crate::support::{Floor, Reply, Tenant};
use axum::body::Body;
use axum::http::{Method, Request};
use cordboard::http::{self, Reach};
use cordboard::live::Networks;
use serde_json::{Value, json};
use std::sync::Arc;

async fn send(floor: &Floor, method: Method, path: &str, token: &str, body: Value) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    floor.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

async fn add(floor: &Floor, tenant: &Tenant, body: Value) -> Reply {
    send(floor, Method::POST, "/api/v1/webhooks", &tenant.token, body).await
}

#[tokio::test]
async fn a_webhook_is_made_shown_without_its_secret_changed_and_removed() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let events = json!(["call.ended", "call.answered", "call.ended"]);
    let made = add(&floor, &tenant, json!({ "url": "https://example.org/hooks", "events": events })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let secret = made.json()["secret"].as_str().expect("a secret").to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    assert_eq!(made.json()["events"], json!(["call.answered", "call.ended"]));
    let path = made.header("location").expect("where it is").to_owned();

    let shown = floor.get(&path, &tenant.token).await;
    assert_eq!(shown.json()["enabled"], true);
    let listed = floor.get("/api/v1/webhooks", &tenant.token).await;
    let trail = floor.get("/api/v1/audit?limit=200", &tenant.token).await;
    for reply in [&shown, &listed, &trail] {
        assert!(!reply.text.contains(&secret), "{}", reply.text);
    }
    assert!(trail.text.contains("webhook_secrets"), "who made it is on the trail: {}", trail.text);

    let changed = send(&floor, Method::PATCH, &path, &tenant.token, json!({ "events": null, "enabled": false })).await;
    assert_eq!((&changed.json()["events"], &changed.json()["enabled"]), (&Value::Null, &json!(false)));
    let rotated = floor.ask(Method::POST, &format!("{path}/secret"), &tenant.token).await.json();
    assert_ne!(rotated["secret"], secret.as_str());
    assert!(rotated["oldSecretUntil"].is_string(), "{rotated}");

    assert_eq!(floor.ask(Method::DELETE, &path, &tenant.token).await.status, 204);
    floor.get(&path, &tenant.token).await.is_problem(404, "webhook_not_found");
    floor.get("/api/v1/webhooks/x", &tenant.token).await.is_problem(404, "webhook_not_found");
}

#[tokio::test]
async fn what_is_not_public_not_whole_or_not_an_event_is_refused_and_said_why() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    for url in [
        "http://example.org/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "https://2130706433/",
        "https://[::ffff:127.0.0.1]/",
        "https://user:x@example.org/",
        "gopher://example.org/",
        "x",
    ] {
        add(&floor, &tenant, json!({ "url": url })).await.is_problem(422, "wrong_url");
    }
    for events in [json!([]), json!(["call.sung"])] {
        let body = json!({ "url": "https://example.org/", "events": events });
        let problem = add(&floor, &tenant, body).await.is_problem(422, "wrong_field");
        assert!(problem["detail"].as_str().expect("a text").contains("call.answered"), "{problem}");
    }
    assert_eq!(floor.get("/api/v1/webhooks", &tenant.token).await.json()["webhooks"], json!([]));

    // The control: with the network named, the same is taken.
    let mut state = floor.state.clone();
    state.networks = Arc::new(Networks::and(vec!["127.0.0.0/8".parse().expect("a network")]));
    let named = Floor { router: http::api(state, Reach::Operators), ..floor };
    assert_eq!(add(&named, &tenant, json!({ "url": "http://127.0.0.1/" })).await.status, 201);
    add(&named, &tenant, json!({ "url": "http://example.org/" })).await;
    add(&named, &tenant, json!({ "url": "https://10.0.0.1/" })).await.is_problem(422, "wrong_url");
}

#[tokio::test]
async fn an_organization_has_twenty_and_no_more_however_many_ask_at_once() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let all = (0..30).map(|n| {
        let (floor, tenant) = (&floor, &tenant);
        async move { add(floor, tenant, json!({ "url": format!("https://example.org/{n}") })).await.status.as_u16() }
    });
    let answers = futures::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 20, "{answers:?}");
    assert!(answers.iter().all(|status| [201, 409, 503].contains(status)), "{answers:?}");
    let other = floor.tenant().await;
    assert_eq!(add(&floor, &other, json!({ "url": "https://example.org/" })).await.status, 201);
}
