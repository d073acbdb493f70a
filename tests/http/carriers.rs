//! Imports from carriers over the API: only from accounts that are the caller's by the settings.

use crate::support::{Floor, Tenant};
use axum::http::Method;
use cordboard::config;
use cordboard::http::{self, AppState, Reach};
use cordboard::inventory::listed::CarrierKind;
use model_carrier::{ACCOUNT, Carrier, Fault, SECRET, twilio_number};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;

async fn with_carrier(numbers: Vec<Value>) -> (Floor, Tenant, Carrier) {
    let mut floor = Floor::new().await;
    let (tenant, carrier) = (floor.tenant().await, Carrier::twilio(numbers).await);
    let settings = config::Carrier {
        name: "twilio".to_owned(),
        kind: CarrierKind::Twilio,
        url: carrier.url.parse().expect("a URL"),
        account: Some(ACCOUNT.to_owned()),
        username: None,
        secret: Some(SecretString::from(SECRET)),
        organization: Some(tenant.slug.clone()),
        trunk: Some("carrier".parse().expect("a trunk")),
        page_size: 2,
    };
    let state = AppState { carriers: Arc::from([settings]), ..floor.state.clone() };
    floor.router = http::api(state, Reach::Operators);
    (floor, tenant, carrier)
}

#[tokio::test]
async fn an_admin_imports_from_the_organizations_own_account() {
    let first = 4_000;
    let mine: Vec<Value> =
        (0..3).map(|n| twilio_number(n, &format!("+1213555{:04}", first + n), &format!("Line {n}"))).collect();
    let (floor, tenant, carrier) = with_carrier(mine).await;
    let other = floor.tenant().await;
    let mut theirs = carrier_numbers(&other);
    theirs.extend((0..3).map(|n| twilio_number(n, &format!("+1213555{:04}", first + n), &format!("Line {n}"))));
    carrier.has(theirs);
    let list = floor.get("/api/v1/carriers", &tenant.token).await.json();
    assert_eq!(list, json!({"carriers": [{"name": "twilio", "kind": "twilio"}]}));
    let dry = floor.ask(Method::POST, "/api/v1/carriers/twilio/import?dryRun=true", &tenant.token).await.json();
    assert_eq!((&dry["added"], &dry["skipped"], &dry["dryRun"]), (&json!(3), &json!(1), &json!(true)));
    let done = floor.ask(Method::POST, "/api/v1/carriers/twilio/import", &tenant.token).await.json();
    assert_eq!((&done["added"], &done["skipped"], &done["finished"]), (&json!(3), &json!(1), &json!(true)));
    assert_eq!(done["rows"][0]["message"], "somebody else has it here", "and not who");
    assert!(!done.to_string().contains(&other.slug));
    let again = floor.ask(Method::POST, "/api/v1/carriers/twilio/import", &tenant.token).await.json();
    assert_eq!((&again["added"], &again["unchanged"]), (&json!(0), &json!(3)));
    let drift = floor.get("/api/v1/carriers/twilio/drift", &tenant.token).await.json();
    assert_eq!((&drift["agreeing"], &drift["missingHere"][0]["elsewhere"]), (&json!(3), &Value::Null));
    // The tenant's first number says nothing of a provider, so nobody misses it at the carrier.
    assert_eq!((&drift["missingThere"], &drift["differing"]), (&json!([]), &json!([])));
    let number = floor.get("/api/v1/numbers?search=2135554000", &tenant.token).await.json();
    assert_eq!(number["numbers"][0]["provider"], "twilio");
    let audit = floor.get("/api/v1/audit?limit=200", &tenant.token).await.text;
    assert!(audit.contains("+12135554000"), "what was imported is on record: {audit}");
}

fn carrier_numbers(tenant: &Tenant) -> Vec<Value> {
    vec![twilio_number(99, &tenant.number, "Theirs")]
}

#[tokio::test]
async fn another_organizations_account_is_as_unknown_as_none() {
    let (floor, _, carrier) = with_carrier(Vec::new()).await;
    let other = floor.tenant().await;
    assert_eq!(floor.get("/api/v1/carriers", &other.token).await.json(), json!({"carriers": []}));
    for (method, path) in [(Method::POST, "twilio/import"), (Method::GET, "twilio/drift"), (Method::GET, "x/drift")] {
        let reply = floor.ask(method, &format!("/api/v1/carriers/{path}"), &other.token).await;
        reply.is_problem(404, "carrier_not_found");
    }
    assert_eq!(carrier.asked(), [0; 0]);
}

#[tokio::test]
async fn what_the_carrier_does_is_told_without_its_secret() {
    let (floor, tenant, carrier) = with_carrier(Vec::new()).await;
    let import = async || floor.ask(Method::POST, "/api/v1/carriers/twilio/import", &tenant.token).await;
    carrier.fails(1, Fault::Status(401, None));
    import().await.is_problem(502, "carrier_refused");
    carrier.fails(1, Fault::Status(429, Some("3600")));
    import().await.is_problem(503, "carrier_unavailable");
    carrier.fails(1, Fault::Body("[]".to_owned()));
    import().await.is_problem(502, "carrier_refused");
    assert_eq!(import().await.json()["finished"], true);
    assert!(!crate::support::log().contains(SECRET));
}
