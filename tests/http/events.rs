//! Streams of events, over real connections.

use crate::support::{CUSTOMER, Floor, Tenant, database};
use axum::body::Body;
use axum::http::Request;
use cordboard::access::Role;
use cordboard::core::fact::{Fact, Leg};
use cordboard::core::ids::CallId;
use cordboard::core::outcome::Disposition;
use cordboard::daemon::{Feed, FeedTerms};
use cordboard::http::{self, Reach};
use cordboard::store::tokens::NewToken;
use futures::StreamExt as _;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Connection as _, PgConnection};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Long enough for a busy machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// As a browser reads a stream.
struct Reader {
    response: reqwest::Response,
    text: String,
    last_id: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Told {
    id: String,
    kind: String,
    data: Value,
}

impl Reader {
    async fn open(address: SocketAddr, token: &str, query: &str, last_id: Option<&str>) -> reqwest::Response {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut request = client.get(format!("http://{address}/api/v1/events{query}")).bearer_auth(token);
        if let Some(last_id) = last_id {
            request = request.header("Last-Event-ID", last_id);
        }
        request.send().await.expect("an answer")
    }

    /// Begins to listen, and has been told so.
    async fn new(address: SocketAddr, token: &str, query: &str, last_id: Option<&str>) -> Self {
        let response = Self::open(address, token, query, last_id).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self { response, text: String::new(), last_id: String::new() };
        while reader.last_id.is_empty() {
            assert_eq!(reader.block().await.expect("a greeting"), None);
        }
        reader
    }

    /// The next block; none at the end. A block without data is no event.
    async fn block(&mut self) -> Option<Option<Told>> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned())
                };
                if let Some(id) = field("id:") {
                    self.last_id = id;
                }
                let Some(data) = field("data:") else { return Some(None) };
                let data = serde_json::from_str(&data).expect("JSON");
                let kind = field("event:").unwrap_or_default();
                return Some(Some(Told { id: self.last_id.clone(), kind, data }));
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("something in time");
            self.text.push_str(std::str::from_utf8(&chunk.ok().flatten()?).expect("text"));
        }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.block().await? {
                return Some(told);
            }
        }
    }

    async fn some(&mut self, count: usize) -> Vec<Told> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.next().await.expect("an event"));
        }
        all
    }
}

fn kinds(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.kind.as_str()).collect()
}

async fn serve(floor: &Floor) -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    tokio::spawn(http::serve(listener, floor.router.clone(), stop.clone()));
    (address, stop)
}

async fn token(floor: &Floor, tenant: &Tenant, role: Role, agent: Option<cordboard::core::ids::AgentId>) -> String {
    let token = format!("{}-{role}-{}", tenant.slug, uuid::Uuid::now_v7());
    let sha256 = Sha256::digest(&token).into();
    let new = NewToken { role, agent, ..NewToken::of_admin(tenant.id, &token, sha256) };
    floor.store.add_token(&new).await.expect("a token");
    token
}

fn talk() -> Vec<Fact> {
    let at = Timestamp::now();
    let channel: cordboard::core::ids::ChannelId = "1795256619.46".parse().expect("a channel");
    vec![
        Fact::CustomerDialled { at, channel },
        Fact::InviteSent { at },
        Fact::Ringing { at },
        Fact::Answered { at },
        Fact::LegEnded { at, leg: Leg::Customer, cause: Some(16), sip_code: None },
        Fact::LegEnded { at, leg: Leg::Agent, cause: Some(16), sip_code: None },
        Fact::Settled { at, disposition: Disposition::Answered, estimated: false },
    ]
}

const OF_A_CALL: [&str; 6] =
    ["call.started", "usage.changed", "call.dialled", "call.ringing", "call.answered", "call.ended"];

async fn whole_call(floor: &Floor, tenant: &Tenant) -> CallId {
    let call = floor.started(tenant).await;
    floor.happens(call, talk()).await;
    call
}

#[tokio::test]
async fn what_happens_in_a_call_is_told_as_it_happens() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (address, _stop) = serve(&floor).await;
    let mut reader = Reader::new(address, &tenant.token, "", None).await;
    let call = floor.started(&tenant).await;
    let told = reader.some(2).await;
    assert_eq!(kinds(&told), OF_A_CALL[..2]);
    let data = &told[0].data["data"];
    assert_eq!(data["callId"], call.to_string());
    assert_eq!((&data["to"], &data["from"]), (&CUSTOMER.into(), &tenant.number.as_str().into()));
    let usage = &told[1].data["data"];
    assert_eq!((&usage["callsMadeToday"], &usage["remaining"]), (&1.into(), &99.into()), "{usage}");
    floor.happens(call, talk()).await;
    let told = reader.some(4).await;
    assert_eq!(kinds(&told), OF_A_CALL[2..]);
    assert_eq!(told[3].data["data"]["disposition"], "answered");
    assert_eq!(told[3].data["type"], "call.ended");
    // A refusal is told with its reason.
    floor.start(&tenant.token, tenant.agent.endpoint.as_ref(), "+4930123456").await;
    let told = reader.next().await.expect("an event");
    assert_eq!((told.kind.as_str(), &told.data["data"]["reason"]), ("call.refused", &"country_not_allowed".into()));
}

#[tokio::test]
async fn whoever_comes_again_misses_nothing_and_gets_nothing_twice_wherever_they_were_cut() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (address, _stop) = serve(&floor).await;
    let start = Reader::new(address, &tenant.token, "", None).await.last_id;
    for _ in 0..3 {
        whole_call(&floor, &tenant).await;
    }
    // Usage is told as it is when it is told, so all who are compared hear it now.
    let all = Reader::new(address, &tenant.token, "", Some(&start)).await.some(18).await;
    assert_eq!(kinds(&all), OF_A_CALL.repeat(3));
    for cut in 0..=all.len() {
        let last = if cut == 0 { &start } else { &all[cut - 1].id };
        let mut again = Reader::new(address, &tenant.token, "", Some(last)).await;
        assert_eq!(again.some(all.len() - cut).await, all[cut..], "cut after {cut}");
    }
    // In pieces, while more happens, and each time after some of it was heard.
    let mut heard = all.clone();
    for piece in [1, 4, 7, 2] {
        whole_call(&floor, &tenant).await;
        whole_call(&floor, &tenant).await;
        let last = heard.last().expect("one").id.clone();
        heard.extend(Reader::new(address, &tenant.token, "", Some(&last)).await.some(piece).await);
    }
    let rest = 18 + 6 * 8 - heard.len();
    let last = heard.last().expect("one").id.clone();
    let mut reader = Reader::new(address, &tenant.token, "", Some(&last)).await;
    heard.extend(reader.some(rest).await);
    assert_eq!(kinds(&heard), OF_A_CALL.repeat(11));
    let ids: std::collections::BTreeSet<&str> =
        heard.iter().map(|told| told.data["id"].as_str().expect("id")).collect();
    assert_eq!(ids.len(), heard.len(), "nothing twice");
}

#[tokio::test]
async fn everybody_hears_what_is_theirs_and_nothing_else() {
    let floor = Floor::new().await;
    let (tenant, foreign) = (floor.tenant().await, floor.tenant().await);
    let bob = floor.agent(tenant.id, &format!("{}-bob", tenant.slug)).await;
    let number = format!("+1415558{:04}", tenant.number.chars().rev().take(4).collect::<String>());
    floor.add_number(tenant.id, &number).await;
    let bobs = Tenant { slug: tenant.slug.clone(), token: tenant.token.clone(), id: tenant.id, agent: bob, number };
    floor.equip(&bobs).await;
    let (address, _stop) = serve(&floor).await;
    let alices = token(&floor, &tenant, Role::Agent, Some(tenant.agent.id)).await;
    let managers = token(&floor, &tenant, Role::Manager, None).await;
    let mut alice = Reader::new(address, &alices, "", None).await;
    let mut manager = Reader::new(address, &managers, "?types=call.ended,call.started", None).await;
    let mut stranger = Reader::new(address, &foreign.token, "", None).await;

    let of_bob = whole_call(&floor, &bobs).await;
    let of_alice = whole_call(&floor, &tenant).await;
    let of_foreign = whole_call(&floor, &foreign).await;
    let calls = |told: &[Told]| -> Vec<String> {
        told.iter().map(|told| told.data["data"]["callId"].as_str().expect("a call").to_owned()).collect()
    };
    assert_eq!(calls(&alice.some(6).await), vec![of_alice.to_string(); 6]);
    let (by_bob, by_alice) = (of_bob.to_string(), of_alice.to_string());
    assert_eq!(calls(&manager.some(4).await), [&*by_bob, &*by_bob, &*by_alice, &*by_alice]);
    assert_eq!(calls(&stranger.some(6).await), vec![of_foreign.to_string(); 6]);
    // From the beginning, too.
    let all = Reader::open(address, &alices, "?follow=false&after=0", None).await.text().await.expect("a text");
    assert!(all.contains(&by_alice) && !all.contains(&by_bob) && !all.contains(&of_foreign.to_string()), "{all}");
    let all = Reader::open(address, &managers, "?follow=false&after=0", None).await.text().await.expect("a text");
    assert!(all.contains(&by_alice) && all.contains(&by_bob) && !all.contains(&of_foreign.to_string()), "{all}");
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_it_and_with_the_daemon() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (address, _stop) = serve(&floor).await;
    let revoked = token(&floor, &tenant, Role::Manager, None).await;
    let mut one = Reader::new(address, &revoked, "", None).await;
    let mut other = Reader::new(address, &tenant.token, "", None).await;
    floor.store.revoke_token(tenant.id, &revoked).await.expect("revoked");
    assert_eq!(one.next().await, None);
    whole_call(&floor, &tenant).await;
    assert_eq!(kinds(&other.some(6).await), OF_A_CALL, "the other goes on");
    assert_eq!(Reader::open(address, &revoked, "", None).await.status(), 401);

    // Who may something else now comes again, and hears what they may now.
    let changed = token(&floor, &tenant, Role::Manager, None).await;
    let mut third = Reader::new(address, &changed, "", None).await;
    let mut connection = PgConnection::connect(&database().await).await.expect("a connection");
    let done = sqlx::query("UPDATE api_tokens SET role = 'agent', agent_id = $2 WHERE name = $1");
    done.bind(&changed).bind(tenant.agent.id.0).execute(&mut connection).await.expect("changed");
    assert_eq!(third.next().await, None);

    floor.status.draining.store(true, Ordering::Relaxed);
    assert_eq!(other.next().await, None);
    assert_eq!(Reader::open(address, &tenant.token, "", None).await.status(), 503);
    assert_eq!(floor.state.feed.streams(), 0, "their places are free");
}

/// The same floor, with other terms for streams.
fn with_terms(floor: &Floor, terms: FeedTerms) -> Floor {
    let mut state = floor.state.clone();
    state.feed = Feed::start(floor.store.clone(), floor.status.clone(), terms);
    Floor {
        router: http::api(state.clone(), Reach::Operators),
        state,
        store: floor.store.clone(),
        stand: Arc::clone(&floor.stand),
        status: Arc::clone(&floor.status),
    }
}

#[tokio::test]
async fn there_are_so_many_streams_and_no_more() {
    let floor = Floor::new().await;
    let floor = with_terms(&floor, FeedTerms { of_organization: 2, in_all: 3, ..FeedTerms::default() });
    let (tenant, other, third) = (floor.tenant().await, floor.tenant().await, floor.tenant().await);
    let (address, _stop) = serve(&floor).await;
    let first = Reader::new(address, &tenant.token, "", None).await;
    let _second = Reader::new(address, &tenant.token, "", None).await;
    assert_eq!(Reader::open(address, &tenant.token, "", None).await.status(), 429, "of one organization");
    let _others = Reader::new(address, &other.token, "", None).await;
    assert_eq!(Reader::open(address, &third.token, "", None).await.status(), 429, "in all");
    drop(first);
    let free = async {
        while Reader::open(address, &third.token, "", None).await.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.expect("a place that is given up is free");
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_and_nobody_waits() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let floor =
        with_terms(&floor, FeedTerms { every: Duration::from_millis(1), beat: Duration::ZERO, ..FeedTerms::default() });
    let request = Request::get("/api/v1/events").header("authorization", format!("Bearer {}", tenant.token));
    let response =
        floor.router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    assert_eq!(response.status(), 200);
    let mut slow = response.into_body().into_data_stream();
    let first = slow.next().await.expect("a greeting").expect("bytes");
    assert!(first.starts_with(b"id:") || first.windows(3).any(|bytes| bytes == b"id:"), "{first:?}");

    // Somebody else reads all the while, and far more than is kept.
    let (address, _stop) = serve(&floor).await;
    let quick = token(&floor, &tenant, Role::Manager, None).await;
    let mut quick = Reader::new(address, &quick, "", None).await;
    let call = whole_call(&floor, &tenant).await;
    assert_eq!(kinds(&quick.some(6).await), OF_A_CALL);
    let mut seat = floor.state.feed.join(tenant.id, tokens_standing(&floor, &tenant).await).expect("a place");
    for _ in 0..300 {
        tokio::time::timeout(PATIENCE, seat.batches.recv()).await.expect("in time").expect("a batch");
    }
    assert!(slow.next().await.is_none(), "cut off, without what it missed of {call}");
    assert_eq!(floor.state.feed.cut_off(), 1);
}

async fn tokens_standing(floor: &Floor, tenant: &Tenant) -> cordboard::store::events::Standing {
    let sha256 = Sha256::digest(tenant.token.as_bytes()).into();
    let token = floor.store.authenticate(&sha256).await.expect("an answer").expect("a token");
    floor.store.standings(&[token.id.0]).await.expect("an answer").remove(0)
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_what_is_of_another_database_begins_anew() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (address, _stop) = serve(&floor).await;
    for query in ["?after=x", "?after=1-2", "?types=call.sung", "?tail=1", "?follow=perhaps"] {
        assert_eq!(Reader::open(address, &tenant.token, query, None).await.status(), 400, "{query}");
    }
    let mut reader = Reader::new(address, &tenant.token, "", Some("9000000000000000000")).await;
    assert_eq!(reader.next().await.expect("an event").kind, "stream.reset");
    whole_call(&floor, &tenant).await;
    assert_eq!(kinds(&reader.some(6).await), OF_A_CALL);
}
