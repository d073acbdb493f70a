//! Metrics by number. The calls are made by hand, and so are the figures that are expected.

use crate::support::{Floor, Reply, Tenant, database};
use axum::body::Body;
use axum::http::{Method, Request};
use cordboard::access::Role;
use cordboard::analytics::Span;
use cordboard::core::ids::{AgentId, NumberId};
use cordboard::store::analytics as metrics;
use cordboard::store::tokens::NewToken;
use cordboard::store::{Actor, Scope};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

const ANSWERED: (&str, i64) = ("answered", 60_000);

/// A tenant with Alice and her number, and Bob and his.
struct World {
    floor: Floor,
    tenant: Tenant,
    alice: AgentId,
    bob: AgentId,
    /// Alice's.
    a: NumberId,
    /// Bob's.
    b: NumberId,
    number_b: String,
    database: PgConnection,
}

impl World {
    async fn new() -> Self {
        let floor = Floor::new().await;
        let tenant = floor.tenant().await;
        let bob = floor.agent(tenant.id, &format!("{}-bob", tenant.slug)).await;
        let number_b = tenant.number.replace("+1415555", "+1415557");
        floor.add_number(tenant.id, &number_b).await;
        let of = Tenant {
            slug: tenant.slug.clone(),
            id: tenant.id,
            token: tenant.token.clone(),
            agent: bob.clone(),
            number: number_b.clone(),
        };
        floor.equip(&of).await;
        let id = async |number: &str| {
            floor.store.number(number.parse().expect("a number"), None).await.expect("the number").id
        };
        let (a, b) = (id(&tenant.number).await, id(&number_b).await);
        let database = PgConnection::connect(&database().await).await.expect("the database");
        let alice = tenant.agent.id;
        Self { floor, tenant, alice, bob: bob.id, a, b, number_b, database }
    }

    /// A call that was asked for at this moment, given in the tenant's own time with its offset.
    async fn call(
        &mut self,
        at: &str,
        agent: AgentId,
        number: Option<NumberId>,
        region: &str,
        end: (&str, i64),
    ) -> Uuid {
        let at: jiff::Timestamp = at.parse().unwrap_or_else(|error| panic!("{at}: {error}"));
        let ms = u64::try_from(at.as_millisecond()).expect("after 1970");
        // The end of a fresh id is random.
        let random = Uuid::now_v7().into_bytes();
        let random: [u8; 10] = random[6..].try_into().expect("ten bytes");
        let id = uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid();
        let (disposition, talk_ms) = end;
        sqlx::query(
            "INSERT INTO calls (id, organization_id, agent_id, node, number_id, assignment_id, region, day, quota, requested_at,
                invite_sent_at, answered_at, ended_at, settled_at, refusal, disposition, talk_ms)
             SELECT $1, $2, $3, 'pbx1', $4, (SELECT id FROM assignments WHERE agent_id = $3 AND number_id = $4), $5,
                ($6::timestamptz AT TIME ZONE 'America/New_York')::date, 'none', $6::timestamptz,
                CASE WHEN $7 NOT IN ('refused', 'agent_unavailable') THEN $6::timestamptz END,
                CASE WHEN $7 IN ('answered', 'talking') THEN $6::timestamptz END,
                CASE WHEN $7 <> 'talking' THEN $6::timestamptz END, CASE WHEN $7 <> 'talking' THEN $6::timestamptz END,
                CASE WHEN $7 = 'refused' THEN 'country_not_allowed' END, nullif($7, 'talking'),
                CASE WHEN $7 = 'answered' THEN $8 END",
        )
        .bind(id)
        .bind(self.tenant.id.0)
        .bind(agent.0)
        .bind(number.map(|number| number.0))
        .bind(region)
        .bind(at.to_string())
        .bind(disposition)
        .bind(talk_ms)
        .execute(&mut self.database)
        .await
        .expect("a call");
        id
    }

    /// A day with each kind of call, and calls right beside it.
    async fn monday(&mut self) {
        let (alice, bob, a, b) = (self.alice, self.bob, Some(self.a), Some(self.b));
        for (at, agent, number, region, end) in [
            ("2025-06-01T23:59:59.999-04:00", alice, a, "US", ANSWERED),
            ("2025-06-02T09:05:00-04:00", alice, a, "US", ("answered", 60_000)),
            ("2025-06-02T09:30:00-04:00", alice, a, "US", ("answered", 30_000)),
            ("2025-06-02T10:10:00-04:00", alice, a, "CA", ("no_answer", 0)),
            ("2025-06-02T10:20:00-04:00", alice, a, "US", ("agent_unavailable", 0)),
            ("2025-06-02T09:15:00-04:00", bob, b, "US", ("busy", 0)),
            ("2025-06-02T23:59:59.999-04:00", bob, b, "US", ("answered", 10_000)),
            ("2025-06-02T11:00:00-04:00", alice, None, "FR", ("refused", 0)),
            ("2025-06-03T00:00:00-04:00", alice, a, "US", ANSWERED),
        ] {
            self.call(at, agent, number, region, end).await;
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.floor.get(path, &self.tenant.token).await
    }

    async fn dashboard(&self, query: &str) -> Value {
        let reply = self.get(&format!("/api/v1/analytics/dashboard?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.text);
        reply.json()
    }

    async fn summed(&mut self) -> Vec<String> {
        sqlx::query_scalar("SELECT day::text FROM metric_days WHERE organization_id = $1 ORDER BY day")
            .bind(self.tenant.id.0)
            .fetch_all(&mut self.database)
            .await
            .expect("days")
    }

    async fn agents_token(&self) -> String {
        let token = format!("token-of-alice-of-{}", self.tenant.slug);
        let new = NewToken {
            role: Role::Agent,
            agent: Some(self.alice),
            ..NewToken::of_admin(self.tenant.id, "alice", Sha256::digest(&token).into())
        };
        self.floor.store.add_token(&new).await.expect("a token");
        token
    }
}

/// The rows that have calls: a key, calls, attempts, answered.
fn rows(value: &Value, key: &str) -> Vec<(String, i64, i64, i64)> {
    let count = |row: &Value, name: &str| row[name].as_i64().expect("a count");
    let rows = value.as_array().expect("rows").iter().filter(|row| row["calls"] != 0);
    let key = |row: &Value| row[key].as_str().map_or_else(|| row[key].to_string(), ToOwned::to_owned);
    rows.map(|row| (key(row), count(row, "calls"), count(row, "attempts"), count(row, "answered"))).collect()
}

fn is_monday_of_all(found: &Value, endpoints: [&str; 2]) {
    for (key, wanted) in [
        ("from", json!("2025-06-02")),
        ("to", json!("2025-06-02")),
        ("timeZone", json!("America/New_York")),
        ("numbers", json!(null)),
        ("callsToday", json!(null)),
        ("calls", json!(6)),
        ("attempts", json!(5)),
        ("answered", json!(3)),
        ("successRate", json!(0.6)),
        ("avgCallDuration", json!(33.3)),
        ("talkSeconds", json!(100)),
        ("refused", json!(1)),
    ] {
        assert_eq!(found[key], wanted, "{key}: {found}");
    }
    let of = |key: &str, calls, attempts, answered| (key.to_owned(), calls, attempts, answered);
    assert_eq!(rows(&found["byHour"], "hour"), [of("9", 3, 3, 2), of("10", 2, 1, 0), of("23", 1, 1, 1)]);
    assert_eq!(found["byHour"].as_array().map(Vec::len), Some(24));
    assert_eq!(found["byHour"][0]["startsAt"], "2025-06-02T04:00:00Z");
    assert_eq!(rows(&found["byAgent"], "agent"), [of(endpoints[0], 4, 3, 2), of(endpoints[1], 2, 2, 1)]);
    assert_eq!(rows(&found["byCountry"], "country"), [of("US", 5, 4, 3), of("CA", 1, 1, 0)]);
    assert_eq!(rows(&found["byDay"], "day"), [of("2025-06-02", 6, 5, 3)]);
}

#[tokio::test]
async fn a_day_of_all_numbers_is_the_same_call_by_call_and_summed_up() {
    let mut world = World::new().await;
    world.monday().await;
    let (alice, bob) = (world.tenant.agent.endpoint.to_string(), format!("{}-bob", world.tenant.slug));
    // A call that is open keeps the day from being summed up.
    let open = world.call("2025-06-02T12:00:00-04:00", world.alice, Some(world.a), "MX", ("talking", 0)).await;
    let live = world.dashboard("date=2025-06-02").await;
    assert_eq!((&live["calls"], &live["answered"], &live["avgCallDuration"]), (&json!(7), &json!(4), &json!(33.3)));
    assert_eq!(world.summed().await, Vec::<String>::new());
    sqlx::query("DELETE FROM calls WHERE id = $1").bind(open).execute(&mut world.database).await.expect("deleted");

    let first = world.dashboard("date=2025-06-02").await;
    is_monday_of_all(&first, [&alice, &bob]);
    assert_eq!(world.summed().await, ["2025-06-02"]);
    assert_eq!(world.dashboard("from=2025-06-02&to=2025-06-02").await, first);
    // It was read from the sums: what is written there is what is told.
    sqlx::query("UPDATE metric_sums SET calls = calls + 100 WHERE organization_id = $1 AND day = '2025-06-02' AND region = 'CA'")
        .bind(world.tenant.id.0)
        .execute(&mut world.database)
        .await
        .expect("changed");
    assert_eq!(world.dashboard("date=2025-06-02").await["calls"], 106);
    // And whoever deletes a day has it summed up anew.
    sqlx::query("DELETE FROM metric_days WHERE organization_id = $1")
        .bind(world.tenant.id.0)
        .execute(&mut world.database)
        .await
        .expect("deleted");
    assert_eq!(world.dashboard("date=2025-06-02").await, first);
}

#[tokio::test]
async fn a_number_is_asked_for_as_people_write_it() {
    let mut world = World::new().await;
    world.monday().await;
    let number = world.tenant.number.clone();
    let digits = number.trim_start_matches('+').to_owned();
    let (a, number_b, b) = (world.a, world.number_b.clone(), world.b);
    let wanted = world.dashboard(&format!("phoneNumber=%2B{digits}&date=2025-06-02")).await;
    for (key, value) in [
        ("calls", json!(4)),
        ("attempts", json!(3)),
        ("answered", json!(2)),
        ("successRate", json!(0.6667)),
        ("avgCallDuration", json!(45.0)),
        ("talkSeconds", json!(90)),
        ("refused", json!(null)),
    ] {
        assert_eq!(wanted[key], value, "{key}: {wanted}");
    }
    assert_eq!(wanted["numbers"], json!([{ "id": a, "number": number, "label": number }]));
    for asked in [format!("+{digits}"), digits.clone(), a.to_string(), format!("{a},%2B{digits}"), format!("{number},")]
    {
        let found = world.dashboard(&format!("phoneNumber={asked}&date=2025-06-02")).await;
        assert_eq!(found, wanted, "{asked}");
    }
    assert_eq!(world.dashboard("phoneNumber=&date=2025-06-02").await["calls"], 6, "no number is all of them");

    let both = world.dashboard(&format!("phoneNumber={number}&phoneNumber={number_b}&date=2025-06-02")).await;
    assert_eq!((&both["calls"], &both["refused"]), (&json!(6), &json!(null)));
    assert_eq!(both["numbers"].as_array().map(Vec::len), Some(2));
    assert_eq!(world.dashboard(&format!("phoneNumbers={a},{b}&date=2025-06-02")).await, both);
    let sql =
        "UPDATE numbers SET metadata = '{\"department\": \"sales: east\"}', friendly_name = 'Sales' WHERE id = ANY($1)";
    sqlx::query(sql).bind([a.0, b.0]).execute(&mut world.database).await.expect("a group");
    let group = world.dashboard("group=department:sales:%20east&date=2025-06-02").await;
    assert_eq!((&group["calls"], &group["numbers"][0]["label"]), (&json!(6), &json!("Sales")));
    let reply = world.get("/api/v1/analytics/dashboard?group=department:none").await;
    reply.is_problem(404, "group_not_found");
}

#[tokio::test]
async fn many_days_are_the_same_from_sums_and_from_calls() {
    let mut world = World::new().await;
    world.monday().await;
    let days = "from=2025-05-28&to=2025-06-04";
    let number = world.tenant.number.trim_start_matches('+').to_owned();
    // Two hundred days before it was the same weekday: there is nothing.
    let few = world.dashboard(&format!("phoneNumber={number}&from=2025-06-01&to=2025-06-03")).await;
    assert_eq!(world.summed().await, Vec::<String>::new(), "a few days of one number are read call by call");
    let of = |key: &str, calls, attempts, answered| (key.to_owned(), calls, attempts, answered);
    assert_eq!(
        rows(&few["byDay"], "day"),
        [of("2025-06-01", 1, 1, 1), of("2025-06-02", 4, 3, 2), of("2025-06-03", 1, 1, 1)]
    );
    assert_eq!(
        rows(&few["byHour"], "hour"),
        [of("0", 1, 1, 1), of("9", 2, 2, 2), of("10", 2, 1, 0), of("23", 1, 1, 1)]
    );
    let many = world.dashboard(&format!("phoneNumber={number}&{days}")).await;
    assert_eq!(world.summed().await.len(), 8);
    for key in ["calls", "attempts", "answered", "successRate", "avgCallDuration", "byHour", "byAgent", "byCountry"] {
        assert_eq!(many[key], few[key], "{key}");
    }
    assert_eq!(many["byDay"].as_array().map(Vec::len), Some(8));
    let all = world.dashboard(days).await;
    assert_eq!((&all["calls"], &all["refused"]), (&json!(8), &json!(1)));
    let token = world.agents_token().await;
    let own = world.floor.get(&format!("/api/v1/analytics/dashboard?{days}"), &token).await.json();
    assert_eq!((&own["calls"], &own["refused"]), (&json!(6), &json!(1)));
    assert_eq!(own["byHour"], few["byHour"]);
}

#[tokio::test]
async fn today_is_counted_as_it_happens() {
    let mut world = World::new().await;
    // The day may end between the call and the question; it does so once.
    for _ in 0..2 {
        let now = jiff::Timestamp::now().to_string();
        world.call(&now, world.alice, Some(world.a), "US", ANSWERED).await;
        let day: String = sqlx::query_scalar("SELECT max(day)::text FROM calls WHERE organization_id = $1")
            .bind(world.tenant.id.0)
            .fetch_one(&mut world.database)
            .await
            .expect("a day");
        let before = world.dashboard("").await;
        if before["from"] != day.as_str() {
            continue;
        }
        let calls = before["callsToday"].as_i64().expect("calls of today");
        assert_eq!((before["to"].clone(), before["calls"].clone()), (json!(day), json!(calls)));
        let id = world.floor.started(&world.tenant).await;
        let after = world.dashboard(&format!("phoneNumber={}", world.a)).await;
        if after["from"] == before["from"] {
            assert_eq!(after["callsToday"], calls + 1, "{id} is under way");
            assert_eq!(after["attempts"], before["attempts"], "no INVITE has left");
            return;
        }
    }
    panic!("it was midnight twice");
}

#[tokio::test]
async fn a_day_on_which_clocks_change_has_the_hours_that_it_has() {
    let mut world = World::new().await;
    let (alice, a) = (world.alice, Some(world.a));
    for at in [
        "2025-11-02T00:00:00-04:00",
        "2025-11-02T01:30:00-04:00",
        "2025-11-02T01:30:00-05:00",
        "2025-11-02T01:45:00-05:00",
        "2025-11-02T23:30:00-05:00",
        "2025-11-03T00:00:00-05:00",
        "2025-03-09T01:59:59-05:00",
        "2025-03-09T03:00:00-04:00",
        "2025-03-09T23:59:59-04:00",
    ] {
        world.call(at, alice, a, "US", ANSWERED).await;
    }
    let number = world.tenant.number.trim_start_matches('+').to_owned();
    for query in [format!("phoneNumber={number}&"), String::new()] {
        let autumn = world.dashboard(&format!("{query}date=2025-11-02")).await;
        let hours = autumn["byHour"].as_array().expect("hours").clone();
        assert_eq!((hours.len(), &autumn["calls"]), (25, &json!(5)), "{query}");
        let ones: Vec<_> = hours.iter().filter(|row| row["hour"] == 1).collect();
        let seen: Vec<_> = ones.iter().map(|row| (row["startsAt"].clone(), row["calls"].clone())).collect();
        assert_eq!(seen, [(json!("2025-11-02T05:00:00Z"), json!(1)), (json!("2025-11-02T06:00:00Z"), json!(2))]);
        let spring = world.dashboard(&format!("{query}date=2025-03-09")).await;
        let hours = spring["byHour"].as_array().expect("hours").clone();
        assert_eq!((hours.len(), &spring["calls"]), (23, &json!(3)), "{query}");
        assert!(!hours.iter().any(|row| row["hour"] == 2), "there is no such hour");
        assert_eq!((&hours[1]["calls"], &hours[2]["hour"], &hours[2]["calls"]), (&json!(1), &json!(3), &json!(1)));
    }
    let days = world.summed().await;
    assert_eq!(days, ["2025-03-09", "2025-11-02"], "the second time from sums");
}

#[tokio::test]
async fn numbers_stand_side_by_side() {
    let mut world = World::new().await;
    world.monday().await;
    let unused = world.tenant.number.replace("+1415555", "+1415558");
    world.floor.add_number(world.tenant.id, &unused).await;
    let days = "from=2025-06-01&to=2025-06-03";
    let (number, number_b) = (world.tenant.number.clone(), world.number_b.clone());
    let list = format!("{number},{number_b},{unused}").replace('+', "%2B");
    let found = world.get(&format!("/api/v1/analytics/compare?phoneNumber={list}&{days}")).await.json();
    let of = |key: &str, calls, attempts, answered| (key.to_owned(), calls, attempts, answered);
    assert_eq!(rows(&found["numbers"], "number"), [of(&number, 6, 5, 4), of(&number_b, 2, 2, 1)]);
    assert_eq!(found["numbers"].as_array().map(Vec::len), Some(3), "one without calls is there too");
    assert_eq!(found["numbers"][0]["successRate"], 0.8);
    assert_eq!(found["numbers"][1]["avgCallDuration"], 10.0);
    assert_eq!((&found["total"]["calls"], &found["total"]["talkSeconds"]), (&json!(8), &json!(220)));
    assert_eq!((&found["from"], &found["to"]), (&json!("2025-06-01"), &json!("2025-06-03")));
    let all = world.get(&format!("/api/v1/analytics/compare?{days}")).await.json();
    assert_eq!(rows(&all["numbers"], "number"), rows(&found["numbers"], "number"), "of all, those that were used");
}

#[tokio::test]
async fn what_is_not_the_callers_is_not_there() {
    let mut world = World::new().await;
    world.monday().await;
    let other = World::new().await;
    let foreign = other.tenant.number.trim_start_matches('+').to_owned();
    let own = world.tenant.number.trim_start_matches('+').to_owned();
    let mut absent = Vec::new();
    for asked in [
        foreign.clone(),
        other.a.to_string(),
        "12025550000".to_owned(),
        Uuid::now_v7().to_string(),
        "sales".to_owned(),
        format!("{own},{foreign}"),
    ] {
        for path in ["dashboard", "compare"] {
            let reply = world.get(&format!("/api/v1/analytics/{path}?phoneNumber={asked}")).await;
            reply.is_problem(404, "number_not_found");
            absent.push(reply.text);
        }
    }
    absent.dedup();
    assert_eq!(absent.len(), 1, "they cannot be told apart: {absent:?}");
    // A number that came from another tenant brings none of their calls with it.
    let given = world.number_b.clone();
    sqlx::query("UPDATE assignments SET ends_at = now() WHERE number_id = $1")
        .bind(world.b.0)
        .execute(&mut world.database)
        .await
        .expect("ended");
    sqlx::query("UPDATE numbers SET organization_id = $2 WHERE id = $1")
        .bind(world.b.0)
        .bind(other.tenant.id.0)
        .execute(&mut world.database)
        .await
        .expect("moved");
    let given = given.trim_start_matches('+');
    let reply = world.get(&format!("/api/v1/analytics/dashboard?phoneNumber={given}&date=2025-06-02")).await;
    reply.is_problem(404, "number_not_found");
    let theirs = other.dashboard(&format!("phoneNumber={given}&date=2025-06-02")).await;
    assert_eq!(theirs["calls"], 0, "{theirs}");
    let theirs = other.dashboard(&format!("phoneNumber={given}&from=2025-05-20&to=2025-06-20")).await;
    assert_eq!(theirs["calls"], 0, "{theirs}");

    let token = world.agents_token().await;
    let ask = async |query: &str| {
        world.floor.get(&format!("/api/v1/analytics/dashboard?{query}date=2025-06-02"), &token).await
    };
    let own = ask("").await.json();
    assert_eq!((&own["calls"], &own["refused"]), (&json!(4), &json!(1)));
    assert_eq!(own["byAgent"].as_array().map(Vec::len), Some(1), "{own}");
    ask(&format!("phoneNumber={}&", world.b)).await.is_problem(404, "number_not_found");
    ask(&format!("agent={}-bob&", world.tenant.slug)).await.is_problem(404, "agent_not_found");
    assert_eq!(ask(&format!("phoneNumber={}&", world.a)).await.json()["calls"], 4);
}

#[tokio::test]
async fn questions_of_another_form_are_refused() {
    let world = World::new().await;
    for query in [
        "date=today",
        "date=2025-02-29",
        "from=2025-06-02&to=2025-06-01",
        "from=2024-01-01&to=2025-06-01",
        "from=2025-06-02&from=2025-06-02",
        "group=sales",
        "group=a:b&phoneNumber=12025550101",
        "colour=red",
        "date=%00",
    ] {
        for path in ["dashboard", "compare"] {
            world.get(&format!("/api/v1/analytics/{path}?{query}")).await.is_problem(400, "wrong_query");
        }
    }
    let far = world.dashboard("date=2999-01-01").await;
    assert_eq!((&far["calls"], &far["successRate"]), (&json!(0), &json!(null)));
}

async fn confirm(world: &World, numbers: Value) -> Reply {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/phone-numbers/discover/confirm")
        .header("authorization", format!("Bearer {}", world.tenant.token))
        .header("content-type", "application/json");
    world.floor.send(request.body(Body::from(json!({ "numbers": numbers }).to_string())).expect("a request")).await
}

#[tokio::test]
async fn only_our_side_of_the_log_is_found_and_only_what_is_chosen_is_added() {
    let mut world = World::new().await;
    let mut other = World::new().await;
    let (lost, second, customer) = ("+12125557001", "+12125557002", "+12125557003");
    let now = jiff::Timestamp::now();
    let ours = world.tenant.number.clone();
    let foreign = other.tenant.number.clone();
    for (presented, hours) in [(lost, 3), (lost, 1), (second, 2), (ours.as_str(), 1), (foreign.as_str(), 1)] {
        let at = (now - jiff::SignedDuration::from_hours(hours)).to_string();
        let id = world.call(&at, world.alice, None, "US", ANSWERED).await;
        sqlx::query("INSERT INTO call_numbers (call_id, dialled, destination, presented) VALUES ($1, $2, $2, $3)")
            .bind(id)
            .bind(customer)
            .bind(presented)
            .execute(&mut world.database)
            .await
            .expect("numbers");
    }
    let at = now.to_string();
    let id = other.call(&at, other.alice, None, "US", ANSWERED).await;
    sqlx::query(
        "INSERT INTO call_numbers (call_id, dialled, destination, presented) VALUES ($1, $2, $2, '+12125557004')",
    )
    .bind(id)
    .bind(lost)
    .execute(&mut other.database)
    .await
    .expect("numbers");

    let asked = world.floor.ask(Method::POST, "/api/v1/phone-numbers/discover", &world.tenant.token).await;
    let found = asked.json();
    assert_eq!((&found["discovered"], &found["total"]), (&json!(2), &json!(2)), "{found}");
    let numbers: Vec<_> =
        found["candidates"].as_array().expect("some").iter().map(|c| (&c["number"], &c["calls"])).collect();
    assert_eq!(numbers, [(&json!(lost), &json!(2)), (&json!(second), &json!(1))]);
    assert!(found["candidates"][0]["firstSeen"].as_str() < found["candidates"][0]["lastSeen"].as_str(), "{found}");
    for secret in [customer, ours.as_str(), foreign.as_str(), "+12125557004"] {
        assert!(!asked.text.contains(secret), "{secret} is not to be found: {}", asked.text);
    }
    let count = async || world.get("/api/v1/numbers").await.json()["numbers"].as_array().map(Vec::len);
    assert_eq!(count().await, Some(2), "looking adds nothing");

    for wrong in [json!([lost, customer]), json!([foreign]), json!([ours]), json!(["+12125557004"])] {
        confirm(&world, wrong).await.is_problem(422, "not_discovered");
    }
    confirm(&world, json!([])).await.is_problem(422, "wrong_body");
    confirm(&world, json!(["sales"])).await.is_problem(422, "wrong_body");
    assert_eq!(count().await, Some(2), "all or nothing");
    let added = confirm(&world, json!([lost])).await;
    assert_eq!((added.status.as_u16(), &added.json()["added"]), (201, &json!(1)), "{}", added.text);
    assert_eq!(count().await, Some(3));
    let found = world.get("/api/v1/numbers/discover").await.json();
    assert_eq!((&found["discovered"], &found["candidates"][0]["number"]), (&json!(1), &json!(second)));
    confirm(&world, json!([lost])).await.is_problem(422, "not_discovered");
    let theirs = other.get("/api/v1/numbers/discover").await.json();
    assert_eq!(theirs["candidates"][0]["number"], "+12125557004");
    assert_eq!(theirs["discovered"], 1, "whom they called is not theirs: {theirs}");
}

#[tokio::test]
async fn a_tenants_transaction_sums_up_and_finds_nothing_of_anybody_elses() {
    let mut world = World::new().await;
    world.monday().await;
    let now = jiff::Timestamp::now().to_string();
    let id = world.call(&now, world.alice, None, "US", ANSWERED).await;
    sqlx::query("INSERT INTO call_numbers (call_id, presented) VALUES ($1, '+12125557005')")
        .bind(id)
        .execute(&mut world.database)
        .await
        .expect("a number");
    let other = World::new().await;
    let monday = Span::day("2025-06-02".parse().expect("a day"));
    let (ours, since) = (world.tenant.id, jiff::Timestamp::UNIX_EPOCH);
    // The control is last: the same, by the one whose calls they are.
    for (whose, wanted, found) in [(other.tenant.id, vec![], 0), (ours, vec!["2025-06-02"], 1)] {
        let store = &world.floor.store;
        let mut transaction = store.begin_as(Scope::Organization(whose), &Actor::daemon()).await.expect("begun");
        metrics::sum_days(&mut transaction, ours, monday, 1000).await.expect("asked");
        let candidates = metrics::unknown_callers(&mut transaction, ours, since).await.expect("asked");
        transaction.commit().await.expect("committed");
        assert_eq!(candidates.len(), found);
        assert_eq!(world.summed().await, wanted);
    }
    for statement in [
        "INSERT INTO metric_days (organization_id, day, calls) SELECT id, '2025-06-04', 0 FROM organizations",
        "UPDATE metric_sums SET calls = 0",
        "DELETE FROM metric_days",
    ] {
        let mut transaction =
            world.floor.store.begin_as(Scope::Organization(ours), &Actor::daemon()).await.expect("begun");
        let refused = sqlx::query(statement).execute(&mut *transaction).await;
        assert!(refused.is_err(), "{statement}");
    }
}
