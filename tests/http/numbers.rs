//! The organization's numbers: what is taken, what is refused, and what stays as it was.

use crate::support::{Floor, Reply, Tenant};
use axum::body::Body;
use axum::http::Request;
use cordboard::access::Role;
use cordboard::store::tokens::NewToken;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A number that no other test has.
pub fn fresh() -> String {
    format!("+1206555{:04}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub async fn ask(floor: &Floor, token: &str, method: &str, path: &str, body: Option<Value>) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    floor.send(request.body(body).expect("a request")).await
}

pub async fn get(floor: &Floor, token: &str, path: &str) -> Value {
    let reply = ask(floor, token, "GET", path, None).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    reply.json()
}

pub async fn done(floor: &Floor, token: &str, method: &str, path: &str, body: Value) -> Value {
    let reply = ask(floor, token, method, path, Some(body)).await;
    assert!(reply.status.is_success(), "{method} {path}: {}", reply.text);
    reply.json()
}

async fn token(floor: &Floor, tenant: &Tenant, role: Role) -> String {
    let token = format!("{}-of-{}", role.as_str(), tenant.slug);
    let sha256 = Sha256::digest(token.as_bytes()).into();
    let new = NewToken {
        role,
        agent: (role == Role::Agent).then_some(tenant.agent.id),
        ..NewToken::of_admin(tenant.id, role.as_str(), sha256)
    };
    floor.store.add_token(&new).await.expect("a token");
    token
}

pub async fn upload(floor: &Floor, token: &str, query: &str, kind: &str, list: impl Into<Body>) -> Reply {
    let request = Request::post(format!("/api/v1/numbers/bulk-upload{query}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", kind);
    floor.send(request.body(list.into()).expect("a request")).await
}

#[tokio::test]
async fn a_number_is_added_read_changed_and_deleted() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let number = fresh();
    let new = json!({ "phoneNumber": number, "provider": "telnyx", "countryCode": "US", "friendlyName": "Main",
        "type": "TOLL_FREE", "metadata": { "department": "sales" }, "capabilities": { "voice": true } });
    let reply = ask(&floor, &tenant.token, "POST", "/phone-numbers", Some(new.clone())).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let (id, tag) = (reply.json()["id"].as_str().expect("an id").to_owned(), reply.header("etag").map(str::to_owned));
    assert_eq!(reply.header("location"), Some(format!("/api/v1/numbers/{id}").as_str()));
    assert_eq!((&reply.json()["status"], &reply.json()["type"]), (&json!("active"), &json!("toll_free")));
    ask(&floor, &tenant.token, "POST", "/numbers", Some(new)).await.is_problem(409, "conflict");

    // by its id and by itself
    let digits = number.trim_start_matches('+');
    for name in [id.as_str(), number.as_str(), digits, &format!("%2B{digits}")] {
        assert_eq!(get(&floor, &tenant.token, &format!("/numbers/{name}")).await["id"], id, "{name}");
    }

    let change = |tag: Option<String>, body: Value| {
        let mut request = Request::patch(format!("/api/v1/numbers/{id}"))
            .header("authorization", format!("Bearer {}", tenant.token))
            .header("content-type", "application/json");
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        floor.send(request.body(Body::from(body.to_string())).expect("a request"))
    };
    let changed = change(tag.clone(), json!({ "friendlyName": "Support", "provider": null, "isPrimary": true })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let body = changed.json();
    assert_eq!(
        (&body["friendlyName"], &body["provider"], &body["isPrimary"], &body["metadata"]),
        (&json!("Support"), &json!(null), &json!(true), &json!({ "department": "sales" }))
    );
    assert_ne!(changed.header("etag").map(str::to_owned), tag);
    change(tag, json!({ "friendlyName": "Late" })).await.is_problem(412, "outdated");
    change(None, json!({ "isActive": false })).await;
    assert_eq!(get(&floor, &tenant.token, &format!("/numbers/{id}")).await["status"], "inactive");
    change(None, json!({ "trunk": "nobody" })).await.is_problem(422, "no_such_trunk");
    change(None, json!({ "colour": "red" })).await.is_problem(422, "wrong_body");
    change(None, json!({ "dailyLimit": 0 })).await.is_problem(422, "rule_broken");

    let deleted = ask(&floor, &tenant.token, "DELETE", &format!("/numbers/{id}"), None).await;
    assert_eq!(deleted.json(), json!({ "result": "deleted" }));
    ask(&floor, &tenant.token, "GET", &format!("/numbers/{id}"), None).await.is_problem(404, "number_not_found");
}

#[tokio::test]
async fn one_number_is_primary_however_many_want_to_be() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        let added = done(&floor, &tenant.token, "POST", "/numbers", json!({ "number": fresh() })).await;
        ids.push(added["id"].as_str().expect("an id").to_owned());
    }
    let acts: Vec<_> = ids.iter().map(|id| format!("/numbers/{id}/primary")).collect();
    let replies =
        futures::future::join_all(acts.iter().map(|path| ask(&floor, &tenant.token, "POST", path, None))).await;
    assert!(
        replies.iter().all(|reply| reply.status == 200),
        "{:?}",
        replies.iter().map(|r| &r.text).collect::<Vec<_>>()
    );
    let list = get(&floor, &tenant.token, "/numbers").await;
    let primary: Vec<_> =
        list["numbers"].as_array().expect("numbers").iter().filter(|number| number["isPrimary"] == true).collect();
    assert_eq!(primary.len(), 1);
    assert_eq!(get(&floor, &tenant.token, "/numbers/primary/current").await["id"], primary[0]["id"]);
}

#[tokio::test]
async fn the_list_is_filtered_and_comes_in_pages() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    for n in 0..5 {
        let (name, department) = (format!("Line {n}"), if n < 3 { "sales" } else { "support" });
        let new = json!({ "number": fresh(), "friendlyName": name, "provider": "Telnyx", "metadata": { "department": department } });
        done(&floor, &tenant.token, "POST", "/numbers", new).await;
    }
    let list = async |query: &str| -> Vec<String> {
        let page = get(&floor, &tenant.token, &format!("/numbers?{query}")).await;
        let numbers = page["numbers"].as_array().expect("numbers").iter();
        numbers.map(|number| number["friendlyName"].as_str().unwrap_or("-").to_owned()).collect()
    };
    assert_eq!(list("assigned=true").await, ["-"], "the tenant's first number has an agent");
    assert_eq!(list("assigned=false").await.len(), 5);
    assert_eq!(list("search=line%203").await, ["Line 3"]);
    assert_eq!(list("group=department:support").await, ["Line 3", "Line 4"]);
    assert_eq!(list("provider=telnyx&status=active").await.len(), 5);
    assert_eq!(list("status=resting").await.len(), 0);
    let number = tenant.number.trim_start_matches('+');
    for search in [format!("%2B{number}"), format!("+{number}"), number.to_owned()] {
        assert_eq!(list(&format!("search={search}")).await, ["-"], "{search}");
    }
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let page = get(&floor, &tenant.token, &format!("/numbers?limit=2{cursor}")).await;
        seen.extend(page["numbers"].as_array().expect("numbers").iter().map(|number| number["id"].clone()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 6);
    ask(&floor, &tenant.token, "GET", "/numbers?limit=0", None).await.is_problem(400, "wrong_query");
    ask(&floor, &tenant.token, "GET", "/numbers?colour=red", None).await.is_problem(400, "wrong_query");

    let groups = get(&floor, &tenant.token, "/numbers/groups?by=department").await;
    assert_eq!(groups["groups"][0], json!({ "value": "sales", "numbers": 3, "active": 3, "assigned": 0 }));
    assert_eq!(
        get(&floor, &tenant.token, "/numbers/groups").await["keys"],
        json!([{ "key": "department", "numbers": 5 }])
    );
    let dropdown = get(&floor, &tenant.token, "/numbers/dropdown").await;
    assert_eq!(dropdown[1]["label"], "Line 0");
    let summary = get(&floor, &tenant.token, "/numbers/summary").await;
    assert_eq!(
        summary,
        json!({ "agents": 1, "agentsWithNumbers": 1, "numbers": 6, "assigned": 1, "available": 5, "inactive": 0, "resting": 0 })
    );
}

#[tokio::test]
async fn an_agent_gets_numbers_with_limits_and_gives_them_back() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let number = fresh();
    done(&floor, &tenant.token, "POST", "/numbers", json!({ "number": number })).await;
    let path = |act: &str| format!("/phone-numbers/{number}/{act}");
    let limits = json!({ "agentId": tenant.agent.id, "dailyLimit": 25, "allowedCountries": ["US", "GB"] });
    let given = done(&floor, &tenant.token, "POST", &path("assign"), limits).await;
    assert_eq!(
        (&given["agents"][0]["dailyLimit"], &given["agents"][0]["remaining"], &given["agents"][0]["allowedCountries"]),
        (&json!(25), &json!(25), &json!(["US", "GB"]))
    );
    for (wrong, status, code) in [
        (json!({ "agentId": tenant.agent.id, "dailyLimit": 1001 }), 422, "rule_broken"),
        (json!({ "agentId": tenant.agent.id, "dailyLimit": 0 }), 422, "rule_broken"),
        (json!({ "agentId": tenant.agent.id, "allowedCountries": ["XX"] }), 422, "no_such_country"),
        (json!({ "agentId": tenant.agent.id, "allowedCountries": [] }), 422, "rule_broken"),
        (json!({ "agentId": "nobody" }), 404, "agent_not_found"),
        (json!({ "agentId": 1 }), 422, "wrong_body"),
    ] {
        ask(&floor, &tenant.token, "POST", &path("assign"), Some(wrong)).await.is_problem(status, code);
    }
    let of_agent = get(&floor, &tenant.token, &format!("/numbers/agent/{}", tenant.agent.endpoint)).await;
    assert_eq!((&of_agent["remaining"], of_agent["numbers"].as_array().map(Vec::len)), (&json!(125), Some(2)));
    floor.started(&tenant).await;
    let of_agent = get(&floor, &tenant.token, &format!("/numbers/agent/{}", tenant.agent.id)).await;
    assert_eq!((&of_agent["remaining"], &of_agent["callsMadeToday"]), (&json!(124), &json!(1)));

    ask(&floor, &tenant.token, "DELETE", &format!("/numbers/{number}"), None).await.is_problem(409, "conflict");
    done(&floor, &tenant.token, "POST", &path("assign"), json!({ "agentId": tenant.agent.id, "dailyLimit": 30 })).await;
    let reply = ask(&floor, &tenant.token, "POST", &path("unassign"), None).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["agents"]), (200, &json!([])));
    ask(&floor, &tenant.token, "POST", &path("unassign"), None).await.is_problem(409, "not_assigned");
    let history = get(&floor, &tenant.token, &path("history")).await;
    let events: Vec<_> =
        history["history"].as_array().expect("changes").iter().map(|c| (&c["event"], &c["dailyLimit"])).collect();
    assert_eq!(json!(events), json!([["ended", 30], ["changed", 30], ["assigned", 25]]));
    assert!(history["history"][0]["by"].as_str().is_some_and(|by| by.starts_with("token:")), "{history}");
    // it was used, so it is kept
    let deleted = ask(&floor, &tenant.token, "DELETE", &format!("/numbers/{number}"), None).await;
    assert_eq!(deleted.json(), json!({ "result": "retired" }));
}

#[tokio::test]
async fn roles_see_and_do_what_is_theirs() {
    let floor = Floor::new().await;
    let (tenant, other) = (floor.tenant().await, floor.tenant().await);
    let (manager, agent) = (token(&floor, &tenant, Role::Manager).await, token(&floor, &tenant, Role::Agent).await);
    let number = fresh();
    done(&floor, &tenant.token, "POST", "/numbers", json!({ "number": number })).await;
    assert_eq!(get(&floor, &manager, "/numbers").await["numbers"].as_array().map(Vec::len), Some(2));
    assert_eq!(get(&floor, &agent, "/numbers").await["numbers"].as_array().map(Vec::len), Some(1));
    ask(&floor, &agent, "GET", &format!("/numbers/{number}"), None).await.is_problem(404, "number_not_found");
    assert_eq!(get(&floor, &agent, &format!("/numbers/{}", tenant.number)).await["number"], tenant.number.as_str());
    ask(&floor, &agent, "GET", "/numbers/summary", None).await.is_problem(403, "forbidden");
    for token in [&manager, &agent] {
        ask(&floor, token, "POST", "/numbers", Some(json!({ "number": fresh() }))).await.is_problem(403, "forbidden");
        upload(&floor, token, "", "text/csv", "x").await.is_problem(403, "forbidden");
    }
    get(&floor, &agent, &format!("/numbers/agent/{}", tenant.agent.endpoint)).await;
    for (path, code) in [
        (format!("/numbers/{}", other.number), "number_not_found"),
        (format!("/numbers/agent/{}", other.agent.id), "agent_not_found"),
        (format!("/numbers/{}/history", other.number), "number_not_found"),
    ] {
        ask(&floor, &tenant.token, "GET", &path, None).await.is_problem(404, code);
    }
    let give = json!({ "agentId": other.agent.id });
    ask(&floor, &tenant.token, "POST", &format!("/numbers/{number}/assign"), Some(give))
        .await
        .is_problem(404, "agent_not_found");
    let give = json!({ "agentId": tenant.agent.id });
    ask(&floor, &tenant.token, "POST", &format!("/numbers/{}/assign", other.number), Some(give))
        .await
        .is_problem(404, "number_not_found");
}

#[tokio::test]
async fn a_company_chooses_once_and_its_owner_can_swap_and_release() {
    // the inventory is everybody's, so all that empties it is in this one test
    let floor = Floor::new().await;
    let add = async |count: usize| {
        let mut transaction = floor.store.begin().await.expect("a transaction");
        let mut numbers = Vec::new();
        for _ in 0..count {
            let number = fresh();
            let rules = cordboard::inventory::Rules::default();
            let mut lines = Vec::new();
            cordboard::inventory::json::read(json!([number]).to_string().as_bytes(), &rules, |line| lines.push(line))
                .expect("a list");
            let (entry, _) = lines[0].read.clone().expect("a number");
            cordboard::store::inventory::add(&mut transaction, None, &entry).await.expect("added");
            numbers.push(number);
        }
        transaction.commit().await.expect("committed");
        numbers
    };
    // an organization without any number
    let bare = async || {
        let tenant = floor.tenant().await;
        let path = format!("/numbers/{}", tenant.number);
        assert_eq!(ask(&floor, &tenant.token, "POST", &format!("{path}/unassign"), None).await.status, 200);
        assert_eq!(ask(&floor, &tenant.token, "DELETE", &path, None).await.status, 200);
        tenant
    };
    let (first, second) = (bare().await, bare().await);
    let reply = ask(&floor, &first.token, "POST", "/phone/provision", None).await;
    reply.is_problem(503, "inventory_empty");

    let pool = add(3).await;
    assert_eq!(get(&floor, &first.token, "/numbers/current").await["hasPhone"], false);
    let offers = get(&floor, &first.token, "/phone-numbers/available").await;
    assert_eq!(offers["numbers"].as_array().map(Vec::len), Some(3));
    let choose = json!({ "phone_number": pool[1] });
    let chosen = ask(&floor, &first.token, "POST", "/phone-numbers/assign", Some(choose.clone())).await;
    assert_eq!((chosen.status.as_u16(), &chosen.json()["phoneNumber"]), (201, &json!(pool[1])));
    let late = ask(&floor, &second.token, "POST", "/numbers/assign", Some(choose.clone()))
        .await
        .is_problem(409, "number_taken");
    let fresh: Vec<_> =
        late["available"].as_array().expect("a fresh list").iter().map(|offer| offer["number"].clone()).collect();
    assert_eq!(json!(fresh), json!([pool[0], pool[2]]));
    let again = json!({ "number": pool[0] });
    let twice =
        ask(&floor, &first.token, "POST", "/numbers/assign", Some(again)).await.is_problem(409, "already_has_number");
    assert_eq!(twice["phoneNumber"], pool[1].as_str());
    let current = get(&floor, &first.token, "/numbers/current").await;
    assert_eq!((&current["phoneNumber"], &current["permanent"]), (&json!(pool[1]), &json!(true)));

    // for good: an admin neither deletes, retires, rests, swaps nor releases it
    let path = format!("/numbers/{}", pool[1]);
    ask(&floor, &first.token, "DELETE", &path, None).await.is_problem(409, "conflict");
    ask(&floor, &first.token, "POST", &format!("{path}/retire"), None).await.is_problem(409, "conflict");
    for act in [
        format!("{path}/rest"),
        format!("{path}/deactivate"),
        "/numbers/current/rest".to_owned(),
        "/numbers/current/release".to_owned(),
    ] {
        ask(&floor, &first.token, "POST", &act, None).await.is_problem(403, "forbidden");
    }
    let swap = json!({ "number": pool[0] });
    ask(&floor, &first.token, "POST", "/numbers/current/swap", Some(swap.clone())).await.is_problem(403, "forbidden");

    let owner = token(&floor, &first, Role::Owner).await;
    let rested = ask(&floor, &owner, "POST", "/numbers/current/rest", None).await;
    assert_eq!(rested.json()["number"]["status"], "resting", "{}", rested.text);
    let swapped = done(&floor, &owner, "POST", "/numbers/current/swap", swap).await;
    assert_eq!(swapped["phoneNumber"], pool[0].as_str());
    // the old one waits, and nobody gets it
    ask(&floor, &second.token, "POST", "/numbers/assign", Some(choose)).await.is_problem(409, "number_taken");
    let provisioned = ask(&floor, &second.token, "POST", "/phone/provision", None).await;
    assert_eq!((provisioned.status.as_u16(), &provisioned.json()["phoneNumber"]), (201, &json!(pool[2])));
    let same = ask(&floor, &second.token, "POST", "/phone/provision", None).await;
    assert_eq!(
        (same.status.as_u16(), &same.json()["phoneNumber"], &same.json()["provisioned"]),
        (200, &json!(pool[2]), &json!(false))
    );
    let released = ask(&floor, &owner, "POST", "/numbers/current/release", None).await;
    assert_eq!(released.json(), json!({ "released": pool[0], "quarantineDays": 30 }));
    ask(&floor, &owner, "POST", "/numbers/current/release", None).await.is_problem(409, "nothing_chosen");
    let empty = ask(&floor, &owner, "POST", "/phone/provision", None).await.is_problem(503, "inventory_empty");
    assert_eq!(empty["inQuarantine"], 2);
}
