//! Campaigns over the API: their numbers, whom they call, and calls for them.

use crate::support::{CUSTOMER, Floor, Mode, Tenant};
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

impl Floor {
    async fn put(&self, method: &str, path: &str, token: &str, body: &Value) -> crate::support::Reply {
        self.put_as(method, path, token, "application/json", &body.to_string()).await
    }

    async fn put_as(&self, method: &str, path: &str, token: &str, kind: &str, body: &str) -> crate::support::Reply {
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let request = request.header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    async fn campaign(&self, tenant: &Tenant, name: &str) -> String {
        let reply = self.put("POST", "/api/v1/campaigns", &tenant.token, &json!({ "name": name })).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json()["id"].as_str().expect("an id").to_owned()
    }
}

#[tokio::test]
async fn a_campaign_is_added_found_changed_and_archived() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let id = floor.campaign(&tenant, "Spring").await;
    let again = floor.put("POST", "/api/v1/campaigns", &tenant.token, &json!({"name": "spring"})).await;
    assert!(again.is_problem(409, "conflict")["detail"].as_str().is_some_and(|text| text.contains("of that name")));
    let by_name = floor.get("/api/v1/campaigns/Spring", &tenant.token).await.json();
    assert_eq!((&by_name["id"], &by_name["status"], &by_name["contacts"]), (&json!(id), &json!("active"), &json!(0)));
    let path = format!("/api/v1/campaigns/{id}");
    let edited =
        floor.put("PATCH", &path, &tenant.token, &json!({"name": "Summer", "status": "archived"})).await.json();
    assert_eq!((&edited["name"], &edited["status"]), (&json!("Summer"), &json!("archived")));
    let list = async |query: &str| floor.get(&format!("/api/v1/campaigns{query}"), &tenant.token).await.json();
    assert_eq!(list("").await, json!({"campaigns": [], "next": null}));
    assert_eq!(list("?status=archived").await["campaigns"][0]["name"], "Summer");
    for name in ["A", "B", "C"] {
        floor.campaign(&tenant, name).await;
    }
    let first = list("?limit=2").await;
    assert_eq!(first["campaigns"].as_array().map(Vec::len), Some(2));
    let rest = list(&format!("?limit=2&cursor={}", first["next"].as_str().expect("more"))).await;
    assert_eq!((&rest["campaigns"][0]["name"], &rest["next"]), (&json!("C"), &Value::Null));
    for body in [json!({"status": "open"}), json!({"name": ""}), json!({"colour": 1})] {
        floor.put("PATCH", &path, &tenant.token, &body).await.is_problem(422, "wrong_body");
    }
    floor.get("/api/v1/campaigns/nobody", &tenant.token).await.is_problem(404, "campaign_not_found");
}

#[tokio::test]
async fn a_call_for_a_campaign_is_made_from_its_number() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let second = format!("+1628{}", &tenant.number[5..]);
    let added = floor.add_number(tenant.id, &second).await;
    floor
        .put("POST", &format!("/api/v1/numbers/{added}/assign"), &tenant.token, &json!({"agent": tenant.agent.id}))
        .await;
    let id = floor.campaign(&tenant, "Spring").await;
    let call = async |campaign: &str| {
        let body = json!({"agent": tenant.agent.endpoint, "to": CUSTOMER, "campaign": campaign});
        floor.post(&tenant.token, body.to_string()).await
    };
    let refused = call("Spring").await;
    let problem = refused.is_problem(403, "campaign_has_no_number");
    let look =
        floor.get(&format!("/api/v1/calls/{}", problem["callId"].as_str().expect("a call")), &tenant.token).await;
    assert_eq!((&look.json()["campaign"], &look.json()["campaignId"]), (&json!("Spring"), &json!(id)));
    assert_eq!(look.json()["refusal"], "campaign_has_no_number");
    let links = format!("/api/v1/campaigns/{id}/numbers");
    let linked = floor.put("POST", &links, &tenant.token, &json!({"numbers": [second]})).await.json();
    assert_eq!((&linked["numbers"][0]["number"], &linked["numbers"][0]["state"]), (&json!(second), &json!("assigned")));
    for _ in 0..2 {
        let started = call(&id).await;
        assert_eq!((started.status.as_u16(), &started.json()["from"]), (201, &json!(second)), "{}", started.text);
        assert_eq!(started.json()["campaignId"], json!(id));
    }
    let gone = floor.ask(Method::DELETE, &format!("{links}/{added}"), &tenant.token).await.json();
    assert_eq!(gone, json!({"numbers": []}));
    call(&id).await.is_problem(403, "campaign_has_no_number");
    // As users of another system say it, on the number.
    let edit = async |campaign: Value| {
        floor
            .put("PUT", &format!("/api/v1/phone-numbers/{added}"), &tenant.token, &json!({ "campaignId": campaign }))
            .await
    };
    assert_eq!(edit(json!(id)).await.status, 200);
    assert_eq!(call("Spring").await.status, 201);
    assert_eq!(edit(Value::Null).await.status, 200);
    call("Spring").await.is_problem(403, "campaign_has_no_number");
    let bulk = json!({"operation": "edit", "numbers": [added], "set": {"campaignId": id}});
    assert_eq!(floor.put("POST", "/api/v1/numbers/bulk", &tenant.token, &bulk).await.json()["done"], 1);
    assert_eq!(call("Spring").await.status, 201, "many at once are linked too");
    assert_eq!(edit(Value::Null).await.status, 200);
    edit(json!("nobody")).await.is_problem(404, "campaign_not_found");
    floor.put("PATCH", &format!("/api/v1/campaigns/{id}"), &tenant.token, &json!({"status": "paused"})).await;
    call(&id).await.is_problem(409, "campaign_not_active");
    floor.set(Mode::Decide);
}

#[tokio::test]
async fn nobody_reaches_another_organizations_campaign_or_number() {
    let floor = Floor::new().await;
    let (tenant, other) = (floor.tenant().await, floor.tenant().await);
    let (mine, theirs) = (floor.campaign(&tenant, "Mine").await, floor.campaign(&other, "Theirs").await);
    for path in ["", "/numbers", "/contacts"] {
        let reply = floor.get(&format!("/api/v1/campaigns/{theirs}{path}"), &tenant.token).await;
        reply.is_problem(404, "campaign_not_found");
    }
    let body = json!({"agent": tenant.agent.endpoint, "to": CUSTOMER, "campaign": theirs});
    floor.post(&tenant.token, body.to_string()).await.is_problem(404, "campaign_not_found");
    let links = format!("/api/v1/campaigns/{mine}/numbers");
    let reply = floor.put("POST", &links, &tenant.token, &json!({"numbers": [tenant.number, other.number]})).await;
    reply.is_problem(404, "number_not_found");
    assert_eq!(floor.get(&links, &tenant.token).await.json(), json!({"numbers": []}), "nothing is half-done");
}

#[tokio::test]
async fn contacts_come_one_by_one_or_as_a_list_with_an_answer_for_each_line() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let id = floor.campaign(&tenant, "Spring").await;
    let path = format!("/api/v1/campaigns/{id}/contacts");
    let new = json!({"number": "(202) 555-0101", "name": "Ann", "metadata": {"city": "Rome"}});
    let added = floor.put("POST", &path, &tenant.token, &new).await;
    assert_eq!((added.status.as_u16(), &added.json()["number"]), (201, &json!("+12025550101")));
    floor.put("POST", &path, &tenant.token, &new).await.is_problem(409, "conflict");
    floor.put("POST", &path, &tenant.token, &json!({"number": "12"})).await.is_problem(422, "invalid_number");
    let upload = async |kind: &str, query: &str, list: &str| {
        floor.put_as("POST", &format!("{path}/bulk-upload{query}"), &tenant.token, kind, list).await
    };
    let lines = "+12025550102,Bob\n+12025550101,Ann\n2025550103\n+12025550102,Bob again\n+1202,Nobody\n";
    let refused = upload("text/plain", "", lines).await.is_problem(422, "list_refused");
    assert_eq!((&refused["errors"], &refused["rows"][4]["line"]), (&json!(1), &json!(5)));
    assert_eq!(floor.get(&path, &tenant.token).await.json()["contacts"].as_array().map(Vec::len), Some(1));
    let done = upload("text/plain", "?onError=skip", lines).await.json();
    assert_eq!((&done["added"], &done["skipped"], &done["errors"]), (&json!(2), &json!(2), &json!(1)));
    assert_eq!(done["rows"][1]["message"], "the campaign has this contact already");
    let csv = upload("text/csv", "", "name,number,metadata\nCid,+12025550104,\"{\"\"a\"\": 1}\"\n").await.json();
    assert_eq!(csv["added"], 1);
    let json =
        upload("application/json", "", r#"{"contacts": [{"number": "+12025550105", "name": "Dee"}]}"#).await.json();
    assert_eq!(json["added"], 1);
    let wrong =
        upload("text/csv", "", "number,provider\n+12025550106,telnyx\n").await.is_problem(422, "unreadable_list");
    assert!(
        wrong["detail"].as_str().is_some_and(|text| text.contains("the columns are number, name, metadata")),
        "{wrong}"
    );
    let first = floor.get(&format!("{path}?limit=2"), &tenant.token).await.json();
    let next = first["next"].as_str().expect("more");
    let rest = floor.get(&format!("{path}?limit=9&cursor={next}"), &tenant.token).await.json();
    let names: Vec<_> = rest["contacts"].as_array().expect("contacts").iter().map(|one| &one["name"]).collect();
    assert_eq!((names.len(), &rest["next"]), (3, &Value::Null), "{names:?}");
    let found = floor.get(&format!("{path}?search=dee"), &tenant.token).await.json();
    let dee = found["contacts"][0]["id"].as_str().expect("an id");
    assert_eq!(floor.ask(Method::DELETE, &format!("{path}/{dee}"), &tenant.token).await.status, 204);
    floor.ask(Method::DELETE, &format!("{path}/{dee}"), &tenant.token).await.is_problem(404, "contact_not_found");
    assert_eq!(floor.get(&format!("/api/v1/campaigns/{id}"), &tenant.token).await.json()["contacts"], 4);
    assert_eq!(floor.get("/api/v1/numbers?search=12025550102", &tenant.token).await.json()["numbers"], json!([]));
}
