//! `Idempotency-Key`: however often, by however many and over whichever deaths a start is asked for with one key, there is one call.

use crate::support::{CUSTOMER, Floor, Mode, Reply, Tenant, database};
use axum::body::Body;
use axum::http::Request;
use cordboard::core::command::Answer;
use cordboard::core::outcome::RefusalReason;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::collections::BTreeSet;

async fn start(floor: &Floor, tenant: &Tenant, key: Option<&str>, to: &str) -> Reply {
    send(floor, tenant, key, &json!({ "agent": tenant.agent.endpoint, "to": to })).await
}

async fn send(floor: &Floor, tenant: &Tenant, key: Option<&str>, body: &Value) -> Reply {
    let mut request = Request::post("/api/v1/calls")
        .header("authorization", format!("Bearer {}", tenant.token))
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    floor.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

fn asked(floor: &Floor) -> usize {
    floor.stand.started.lock().expect("lock").len()
}

async fn sql(tenant: &Tenant, statement: &str) -> Option<i64> {
    let mut connection = PgConnection::connect(&database().await).await.expect("the database");
    let text = statement.replace("$org", &format!("'{}'", tenant.id));
    if text.starts_with("SELECT") {
        return Some(sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&mut connection).await.expect("a count"));
    }
    connection.execute(sqlx::AssertSqlSafe(text)).await.expect("done");
    None
}

#[tokio::test]
async fn asked_again_the_same_call_is_the_answer() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let first = start(&floor, &tenant, Some("order 4711"), CUSTOMER).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (201, None), "{}", first.text);
    let again = start(&floor, &tenant, Some("order 4711"), CUSTOMER).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, Some("true")), "{}", again.text);
    assert_eq!((again.json(), again.header("location")), (first.json(), first.header("location")));
    assert_eq!(asked(&floor), 1);
    start(&floor, &tenant, Some("order 4711"), "+12025550198").await.is_problem(422, "key_reused");
    // A key is its organization's own.
    let other = floor.tenant().await;
    let theirs = start(&floor, &other, Some("order 4711"), CUSTOMER).await;
    assert_eq!((theirs.status.as_u16(), asked(&floor)), (201, 2), "{}", theirs.text);
    assert_ne!(theirs.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn the_same_call_for_a_campaign_is_another_call() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    sql(&tenant, "INSERT INTO campaigns (organization_id, name) VALUES ($org, 'Spring')").await;
    let plain = json!({ "agent": tenant.agent.endpoint, "to": CUSTOMER });
    let spring = json!({ "agent": tenant.agent.endpoint, "to": CUSTOMER, "campaign": "Spring" });
    assert_eq!(send(&floor, &tenant, Some("plain"), &plain).await.status, 201);
    send(&floor, &tenant, Some("plain"), &spring).await.is_problem(422, "key_reused");
    // None of the agent's numbers is the campaign's; what was said once is said again.
    for _ in 0..2 {
        send(&floor, &tenant, Some("spring"), &spring).await.is_problem(403, "campaign_has_no_number");
    }
    send(&floor, &tenant, Some("spring"), &plain).await.is_problem(422, "key_reused");
    assert_eq!(asked(&floor), 2);
}

#[tokio::test]
async fn many_at_once_with_one_key_make_one_call() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    for round in 0..10 {
        let before = asked(&floor);
        let key = format!("round-{round}");
        let replies = futures::future::join_all((0..16).map(|_| start(&floor, &tenant, Some(&key), CUSTOMER))).await;
        assert_eq!(asked(&floor), before + 1, "the loop was asked more than once");
        let mut calls = BTreeSet::new();
        for reply in replies {
            if reply.status.as_u16() == 201 {
                calls.insert(reply.json()["id"].to_string());
            } else {
                reply.is_problem(409, "key_in_use");
            }
        }
        assert_eq!(calls.len(), 1, "{calls:?}");
    }
    // The control: without a key each is a call of its own.
    let before = asked(&floor);
    let _ = futures::future::join_all((0..16).map(|_| start(&floor, &tenant, None, CUSTOMER))).await;
    assert_eq!(asked(&floor), before + 16);
    assert_eq!(sql(&tenant, "SELECT count(*) FROM call_keys WHERE organization_id = $org").await, Some(10));
}

#[tokio::test]
async fn who_looks_first_and_writes_then_makes_two_calls() {
    // The control of the test above: the same race, decided by a look.
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let mut twice = 0;
    for round in 0..40 {
        let naive = async || {
            let mut connection = PgConnection::connect(&database().await).await.expect("the database");
            let known: i64 =
                sqlx::query_scalar("SELECT count(*) FROM call_keys WHERE organization_id = $1 AND key = $2")
                    .bind(tenant.id.0)
                    .bind(format!("naive-{round}"))
                    .fetch_one(&mut connection)
                    .await
                    .expect("a count");
            if known == 0 {
                let write = "INSERT INTO call_keys (organization_id, key, request, call_id)
                             VALUES ($1, $2, decode(repeat('00', 32), 'hex'), gen_random_uuid()) ON CONFLICT DO NOTHING";
                let write = sqlx::query(write).bind(tenant.id.0).bind(format!("naive-{round}"));
                write.execute(&mut connection).await.expect("written");
            }
            known == 0
        };
        let begun = futures::future::join_all((0..8).map(|_| naive())).await;
        twice += usize::from(begun.into_iter().filter(|new| *new).count() > 1);
    }
    assert!(twice > 0, "a look is as good as a key after all");
}

#[tokio::test]
async fn after_the_death_of_who_was_asked_first_nothing_rings_twice() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    // It dies before it decides: the key stands, and there is no call.
    floor.set(Mode::Panic);
    start(&floor, &tenant, Some("died early"), CUSTOMER).await.is_problem(500, "internal");
    floor.set(Mode::Decide);
    start(&floor, &tenant, Some("died early"), CUSTOMER).await.is_problem(409, "key_in_use");
    assert_eq!(asked(&floor), 1);
    // It dies after it decided, and nobody heard the answer: another process gives it.
    let first = start(&floor, &tenant, Some("died late"), CUSTOMER).await;
    let another = Floor::new().await;
    let again = start(&another, &tenant, Some("died late"), CUSTOMER).await;
    assert_eq!((again.status.as_u16(), again.json()), (201, first.json()), "{}", again.text);
    assert_eq!(asked(&another), 0);
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_being_away_is_none() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let refused = start(&floor, &tenant, Some("to a country"), "+442071838750").await;
    let problem = refused.is_problem(403, "country_not_allowed");
    let again = start(&floor, &tenant, Some("to a country"), "+442071838750").await;
    assert_eq!(again.is_problem(403, "country_not_allowed"), problem);
    assert_eq!(asked(&floor), 1);
    // What was not begun does not use up the key.
    floor.set(Mode::Busy);
    start(&floor, &tenant, Some("later"), CUSTOMER).await.is_problem(503, "busy");
    floor.set(Mode::Say(Answer::Refused(RefusalReason::NodeUnavailable)));
    start(&floor, &tenant, Some("later"), CUSTOMER).await.is_problem(503, "node_unavailable");
    floor.set(Mode::Decide);
    let made = start(&floor, &tenant, Some("later"), CUSTOMER).await;
    assert_eq!((made.status.as_u16(), made.header("idempotency-replayed")), (201, None), "{}", made.text);
}

#[tokio::test]
async fn a_key_lasts_a_day_and_old_ones_go() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let first = start(&floor, &tenant, Some("daily"), CUSTOMER).await;
    start(&floor, &tenant, Some("forgotten"), CUSTOMER).await;
    sql(&tenant, "UPDATE call_keys SET created_at = now() - interval '25 hours' WHERE organization_id = $org").await;
    let next = start(&floor, &tenant, Some("daily"), CUSTOMER).await;
    assert_eq!((next.status.as_u16(), next.header("idempotency-replayed")), (201, None), "{}", next.text);
    assert_ne!(next.json()["id"], first.json()["id"]);
    assert_eq!(sql(&tenant, "SELECT count(*) FROM call_keys WHERE organization_id = $org").await, Some(1));
}

#[tokio::test]
async fn a_key_is_a_short_printable_text() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let long = "k".repeat(256);
    for bad in ["", "  ", "caf\u{e9}", long.as_str()] {
        start(&floor, &tenant, Some(bad), CUSTOMER).await.is_problem(400, "wrong_header");
    }
    assert_eq!(asked(&floor), 0);
    assert_eq!(start(&floor, &tenant, Some(&long[..255]), CUSTOMER).await.status.as_u16(), 201);
}

#[tokio::test]
async fn without_a_key_nothing_is_written_about_keys() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    floor.started(&tenant).await;
    assert_eq!(sql(&tenant, "SELECT count(*) FROM call_keys WHERE organization_id = $org").await, Some(0));
}
