//! Listing calls.

use crate::support::{CUSTOMER, Floor};
use serde_json::Value;

fn ids(page: &Value) -> Vec<&str> {
    page["calls"].as_array().expect("calls").iter().filter_map(|call| call["id"].as_str()).collect()
}

#[tokio::test]
async fn calls_come_newest_first_page_by_page() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(floor.started(&tenant).await.to_string());
    }
    made.reverse();
    let all = floor.get("/api/v1/calls", &tenant.token).await.json();
    assert_eq!(ids(&all), made);
    assert_eq!(all["next"], Value::Null);
    assert_eq!(all["calls"][0]["to"], CUSTOMER);

    let first = floor.get("/api/v1/calls?limit=2", &tenant.token).await.json();
    assert_eq!(ids(&first), made[..2]);
    let next = first["next"].as_str().expect("a next page");
    let second = floor.get(&format!("/api/v1/calls?limit=2&cursor={next}"), &tenant.token).await.json();
    assert_eq!(ids(&second), made[2..4]);
    let next = second["next"].as_str().expect("a next page");
    let last = floor.get(&format!("/api/v1/calls?limit=2&cursor={next}"), &tenant.token).await.json();
    assert_eq!(ids(&last), made[4..]);
    assert_eq!(last["next"], Value::Null);
    let exact = floor.get("/api/v1/calls?limit=5", &tenant.token).await.json();
    assert_eq!(exact["next"], Value::Null, "a full last page has no next");
}

#[tokio::test]
async fn calls_are_chosen_by_agent_and_end() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let made = floor.started(&tenant).await.to_string();
    let bob = floor.agent(tenant.id, &format!("{}-bob", tenant.slug)).await;
    let refused = floor.start(&tenant.token, bob.endpoint.as_ref(), CUSTOMER).await;
    refused.is_problem(403, "no_number_assigned");
    let refused = refused.json()["callId"].as_str().expect("an id").to_owned();
    for (query, expected) in [
        (format!("agent={}", tenant.agent.endpoint), vec![made.as_str()]),
        (format!("agent={}", bob.id), vec![refused.as_str()]),
        ("disposition=refused".to_owned(), vec![refused.as_str()]),
        ("disposition=answered".to_owned(), vec![]),
        (format!("agent={}&disposition=refused", tenant.agent.id), vec![]),
    ] {
        let page = floor.get(&format!("/api/v1/calls?{query}"), &tenant.token).await.json();
        assert_eq!(ids(&page), expected, "{query}");
    }
}

#[tokio::test]
async fn queries_of_another_form_are_refused() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1&limit=2",
        "cursor=x",
        "cursor=",
        "cursor=%00",
        "disposition=happy",
        "organization=other",
        "limit=99999999999999999999",
    ] {
        floor.get(&format!("/api/v1/calls?{query}"), &tenant.token).await.is_problem(400, "wrong_query");
    }
    for agent in ["nobody", "", "%00", "..%2f", "%0d%0a"] {
        floor.get(&format!("/api/v1/calls?agent={agent}"), &tenant.token).await.is_problem(404, "agent_not_found");
    }
}
