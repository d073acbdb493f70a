//! Two daemons and one Asterisk: one owns it, the other waits.

use crate::check::{none_left, until};
use crate::daemon::{Daemon, Settings};
use crate::faults::{CUSTOMER, talking};
use crate::floor::{Floor, Phone, SOON, live, live_with};
use crate::http::ask;
use crate::outcomes::{ended, they_talk};
use crate::servers::servers;
use cordboard::core::fact::Party;
use cordboard::core::outcome::Disposition;
use fault_proxy::{Proxy, Speaks};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sip_peer::{Behaviour, Ending, InCall};
use std::time::{Duration, Instant};

const TOKEN: &str = "the-token-of-a-program";
const OURS: &str = "+12025550150";
pub const WAITS: &str = "another replica owns the node; waiting for it";

/// A second daemon on the same database, which waits.
pub async fn standby(floor: &mut Floor) -> Daemon {
    let settings = Settings {
        without_lease: false,
        name: "-b",
        http: floor.servers.http_b,
        ari: floor.servers.ari,
        // As if it were another machine: it cannot see whether the owner lives.
        host: "another-boot",
        ..floor.settings.clone()
    };
    let mut standby = Daemon::start(floor.servers, &floor.database, &settings);
    standby.says(WAITS).await;
    floor.daemon.says("another replica waits for the node").await;
    standby
}

/// Everything that is known of calls.
async fn calls(floor: &Floor) -> String {
    let all = "SELECT md5(coalesce(string_agg(t.row, '|' ORDER BY t.row), '')) FROM (
        SELECT c::text AS row FROM calls c UNION ALL SELECT f::text FROM call_facts f UNION ALL SELECT n::text FROM call_numbers n
        UNION ALL SELECT d::text FROM number_days d UNION ALL SELECT n::text FROM nodes n) t";
    sqlx::query_scalar(all).fetch_one(&floor.pool).await.expect("a digest")
}

#[test]
fn when_the_owner_is_killed_the_other_replica_takes_the_call_up_and_records_its_end() {
    live(async |floor| {
        let (ann, call, customer) = talking(floor).await;
        let mut other = standby(floor).await;
        let began = Instant::now();
        floor.daemon.kill();
        other.says("taken up again").await;
        other.is_ready().await;
        println!("takeover after kill -9 on another machine: {:?}", began.elapsed());
        floor.daemon = other;
        they_talk(&call, &customer).await;
        customer.hang_up();
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        ended(floor, Disposition::Answered, Party::Customer).await;
        assert!(!floor.the_call().await.estimated);
        // And calls are made by it.
        let call = ann.call("+14155550102").await;
        call.answered(SOON).await.expect("an answer");
        call.hang_up();
        floor.settled(2).await;
    });
}

#[test]
fn an_owner_that_is_told_to_stop_hands_its_calls_over_at_once() {
    live(async |floor| {
        let (ann, call, customer) = talking(floor).await;
        let mut other = standby(floor).await;
        let began = Instant::now();
        floor.daemon.signal("TERM");
        other.says("taken up again").await;
        other.is_ready().await;
        println!("takeover after SIGTERM: {:?}", began.elapsed());
        assert!(floor.daemon.ends(SOON).await.success());
        assert!(!floor.daemon.log().contains("no new calls"), "it waited for its calls");
        floor.daemon = other;
        they_talk(&call, &customer).await;
        let second = ann.call("+14155550102").await;
        second.answered(SOON).await.expect("an answer");
        second.hang_up();
        call.hang_up();
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        for call in floor.settled(2).await {
            assert_eq!((call.disposition, call.estimated), (Some(Disposition::Answered), false), "{call:#?}");
        }
    });
}

/// A call that the frozen owner began and the other replica took over.
struct TakenOver {
    ann: Phone,
    customer: InCall,
    other: Daemon,
    /// How many orders the frozen one had given.
    orders: usize,
}

/// The agent's phone rings when the owner is frozen. The other replica takes the call over, and calls the customer when the
/// agent picks up. When the frozen one wakes up it must do nothing.
async fn frozen(floor: &mut Floor, proxy: &Proxy) -> TakenOver {
    let (ann, other) = freeze(floor, proxy, Duration::from_secs(7)).await;
    let customer = floor.carrier.next_incoming(SOON).await.expect("a call at the carrier");
    customer.wait_for("answer", SOON, |p| p.answered_ns).await.expect("an answer");
    floor.calls_when("answered", |calls| calls.iter().all(|call| call.answered_at.is_some())).await;
    TakenOver { ann, customer, other, orders: proxy.orders().len() }
}

/// The agent picks up after this time; the other replica owns the node.
async fn freeze(floor: &mut Floor, proxy: &Proxy, answer: Duration) -> (Phone, Daemon) {
    let ann = floor.phone_that("ann", &[OURS], Behaviour::answer(answer)).await;
    let mut other = standby(floor).await;
    let (status, answer) = start(floor, &ann.endpoint).await;
    assert_eq!(status, 201, "{answer}");
    ann.peer.next_incoming(SOON).await.expect("a call at the agent's phone");
    let recorded = "SELECT count(*) FROM calls WHERE agent_ringing_at IS NOT NULL";
    until("recorded", async || floor.count(recorded).await == 1).await;
    assert!(!proxy.orders().is_empty(), "the witness does not see the orders of an owner");
    floor.daemon.signal("STOP");
    let began = Instant::now();
    other.says("taken up again").await;
    println!("takeover from a frozen owner: {:?}", began.elapsed());
    (ann, other)
}

#[test]
fn an_owner_that_was_frozen_writes_nothing_and_sends_nothing_when_it_wakes_up() {
    let proxy = Proxy::new(servers().ari, Speaks::Ari, 0);
    let ari = proxy.addr;
    live_with(
        move |settings| settings.ari = ari,
        async |floor| {
            let TakenOver { ann, customer, mut other, orders } = frozen(floor, &proxy).await;
            let before = calls(floor).await;
            floor.daemon.signal("CONT");
            floor.daemon.says("another replica").await;
            floor.daemon.says(WAITS).await;
            assert_eq!(calls(floor).await, before, "the frozen replica wrote");
            assert_eq!(proxy.orders().get(orders..), Some(&[][..]), "the frozen replica gave orders");

            customer.hang_up();
            let call = floor.the_call().await;
            assert_eq!(call.disposition, Some(Disposition::Answered), "{call:#?}");
            assert_eq!(floor.carrier.log().invites().len(), 1);
            none_left(floor, "channels").await;
            assert_eq!(proxy.orders().get(orders..), Some(&[][..]), "the frozen replica gave orders");
            // The one that was frozen is good for the next turn.
            other.says("another replica waits for the node").await;
            other.signal("TERM");
            assert!(other.ends(SOON).await.success());
            until("ready again", async || floor.daemon.log().matches("INFO ready").count() == 2).await;
            let call = ann.call("+14155550102").await;
            call.answered(SOON).await.expect("an answer");
            call.hang_up();
            floor.settled(2).await;
        },
    );
}

/// The control: the same owner, and nobody asks its lease for leave.
#[test]
fn without_its_lease_an_owner_that_was_frozen_gives_orders_when_it_wakes_up() {
    let proxy = Proxy::new(servers().ari, Speaks::Ari, 0);
    let ari = proxy.addr;
    live_with(
        move |settings| (settings.ari, settings.without_lease) = (ari, true),
        async |floor| {
            // It finds in its socket that the agent picked up.
            let (_ann, other) = freeze(floor, &proxy, Duration::from_secs(2)).await;
            let orders = proxy.orders().len();
            floor.daemon.signal("CONT");
            let given = || proxy.orders().split_off(orders);
            until("orders", async || given().iter().any(|order| order.contains("/ari/channels"))).await;
            println!("without a lease: {:?}", given());
            floor.excused.killed = true;
            floor.daemon.kill();
            floor.daemon = other;
            floor.settled(1).await;
        },
    );
}

#[test]
fn a_replica_that_owns_nothing_says_who_does() {
    live(async |floor| {
        let (ann, call, _customer) = talking(floor).await;
        let mut other = standby(floor).await;
        let owner: String =
            sqlx::query_scalar("SELECT owner_name FROM node_leases").fetch_one(&floor.pool).await.expect("it");
        token(floor).await;
        let b = floor.servers.http_b;
        let body = json!({ "agent": ann.endpoint, "to": CUSTOMER });
        let id = floor.calls().await[0].id;
        for (method, path, body) in
            [("POST", "/api/v1/calls".to_owned(), Some(body)), ("DELETE", format!("/api/v1/calls/{id}"), None)]
        {
            let (status, problem) = ask(b, method, &path, Some(TOKEN), body).await;
            assert_eq!((status, problem["code"].as_str()), (503, Some("not_owner")), "{problem}");
            assert!(problem["detail"].as_str().is_some_and(|text| text.contains(&owner)), "{problem}");
        }
        let (status, health) = ask(b, "GET", "/readyz", None, None).await;
        assert_eq!((status, &health["nodes"][0]["ownedBy"]), (503, &json!(owner)), "{health}");
        let (status, health) = ask(floor.servers.http, "GET", "/readyz", None, None).await;
        assert_eq!((status, &health["nodes"][0]["owner"]), (200, &json!(true)), "{health}");
        // It reads all the same.
        let (status, _) = ask(b, "GET", &format!("/api/v1/calls/{id}"), Some(TOKEN), None).await;
        assert_eq!(status, 200);
        call.hang_up();
        floor.settled(1).await;
        other.signal("TERM");
        assert!(other.ends(SOON).await.success());
    });
}

/// Somebody who knows nothing of leases takes the application.
#[test]
fn an_owner_whose_application_is_taken_steps_back_and_comes_again() {
    live(async |floor| {
        let (_ann, call, customer) = talking(floor).await;
        let url = format!(
            "ws://{}/ari/events?app=cordboard&api_key=cordboard:{}",
            floor.servers.ari,
            crate::servers::ARI_PASSWORD
        );
        let intruder = tokio_tungstenite::connect_async(url).await.expect("a socket");
        floor.daemon.says("the node is ours, and yet somebody took our application").await;
        they_talk(&call, &customer).await;
        drop(intruder);
        until("ready again", async || floor.daemon.log().matches("INFO ready").count() == 2).await;
        they_talk(&call, &customer).await;
        call.hang_up();
        ended(floor, Disposition::Answered, Party::Agent).await;
    });
}

/// One daemon, two nodes: click-to-call goes where the phone is registered, and is spread by weight where it is at both.
#[test]
fn calls_are_made_where_the_phone_is_registered_and_spread_by_weight() {
    let second = servers().second;
    live_with(
        move |settings| settings.second = Some((second.ari, 3)),
        async |floor| {
            floor.servers.start_second_asterisk();
            let ann = floor.phone("ann", &[OURS]).await;
            let bob = floor.agent_at("bob", &["+12025550151"], second.sip).await;
            token(floor).await;
            for (agent, node) in [(&ann, "live"), (&bob, "second")] {
                assert_eq!(called(floor, &agent.endpoint).await, node);
            }
            // Bob dials by hand there, too.
            let call = bob.call("+14155550109").await;
            call.answered(SOON).await.expect("an answer");
            call.hang_up();
            floor.calls_when("settled", |calls| calls.iter().all(|call| call.settled_at.is_some())).await;
            // Ann has a second phone, at the other node.
            let other = floor.device_at(ann.agent, &ann.endpoint, second.sip).await;
            other.register().await;
            let mut nodes = Vec::new();
            for _ in 0..8 {
                nodes.push(called(floor, &ann.endpoint).await);
            }
            let there = nodes.iter().filter(|node| *node == "second").count();
            assert_eq!(there, 6, "{nodes:?}");
            assert_eq!(floor.count("SELECT count(*) FROM node_leases WHERE owner IS NOT NULL").await, 2);
            floor.servers.stop_second_asterisk();
        },
    );
}

/// Asks for a call, ends it when the two talk, and says on which node it was.
async fn called(floor: &Floor, agent: &str) -> String {
    let body = json!({ "agent": agent, "to": CUSTOMER });
    let (status, answer) = ask(floor.servers.http, "POST", "/api/v1/calls", Some(TOKEN), Some(body)).await;
    assert_eq!(status, 201, "{answer}");
    let path = format!("/api/v1/calls/{}", answer["id"].as_str().expect("an id"));
    let id = answer["id"].as_str().expect("an id").to_owned();
    let customer = floor.carrier.next_incoming(SOON).await.expect("a call at the carrier");
    customer.wait_for("answer", SOON, |p| p.answered_ns).await.expect("an answer");
    let (status, answer) = ask(floor.servers.http, "DELETE", &path, Some(TOKEN), None).await;
    assert!(matches!(status, 200 | 202), "{answer}");
    customer.ended(SOON).await.expect("an end");
    let calls = floor.calls_when("settled", |calls| calls.iter().all(|call| call.settled_at.is_some())).await;
    calls.into_iter().find(|call| call.id.to_string() == id).expect("the call").node
}

/// Agents who dial while the owner is dead and nobody noticed yet are served by the next one.
#[test]
fn who_dials_while_nobody_hears_it_is_connected_after_the_takeover() {
    live(async |floor| {
        let ann = floor.phone("ann", &[OURS]).await;
        let mut other = standby(floor).await;
        // Frozen, it keeps the application, as a machine would that lost its power.
        floor.daemon.signal("STOP");
        let call = ann.call(CUSTOMER).await;
        other.says("a phone dialled when nobody heard it").await;
        call.answered(SOON).await.expect("an answer");
        let customer = floor.carrier.next_incoming(SOON).await.expect("a call at the carrier");
        they_talk(&call, &customer).await;
        floor.daemon.kill();
        floor.daemon = other;
        call.hang_up();
        ended(floor, Disposition::Answered, Party::Agent).await;
    });
}

async fn token(floor: &Floor) {
    sqlx::query("INSERT INTO api_tokens (organization_id, name, sha256) SELECT id, 'live', $1 FROM organizations")
        .bind(Sha256::digest(TOKEN).as_slice())
        .execute(&floor.pool)
        .await
        .expect("a token");
}

async fn start(floor: &Floor, agent: &str) -> (u16, serde_json::Value) {
    token(floor).await;
    let body = json!({ "agent": agent, "to": CUSTOMER });
    ask(floor.servers.http, "POST", "/api/v1/calls", Some(TOKEN), Some(body)).await
}
