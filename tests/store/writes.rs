//! Facts on their way to the table, and the quota that comes back.

use crate::world::{World, admitted, name, now, request, write};
use cordboard::core::fact::{Fact, Leg, Origin, Party};
use cordboard::core::ids::CallId;
use cordboard::core::outcome::{Disposition, RefusalReason};
use cordboard::core::record::{Quota, Record};
use cordboard::store::admit::AdmitRequest;
use cordboard::store::calls::{CallFilter, CallWrite, EnterRequest};
use jiff::Timestamp;
use uuid::Uuid;

const ONE: &str = "+12125550101";
const TWO: &str = "+12125550102";

pub fn entered(request: &AdmitRequest) -> EnterRequest {
    EnterRequest {
        call: request.call,
        endpoint: Some(request.endpoint.clone()),
        dialled_raw: request.dialled_raw.clone(),
        node: request.node.clone(),
        trunk: None,
        presented: None,
        facts: Vec::new(),
    }
}

/// What the daemon writes of a call that it refuses by itself.
pub async fn refuse_without_asking(world: &World, request: &AdmitRequest) {
    let requested = Fact::Requested { at: now(), origin: request.origin, agent_channel: request.agent_channel.clone() };
    let refused = Fact::Refused { at: now(), reason: RefusalReason::StoreUnavailable };
    world.store.enter(&entered(request)).await.expect("a row");
    let unknown = world.store.append(&[write(&[], vec![requested, refused], request.call)]).await.expect("written");
    assert_eq!(unknown, []);
}

/// A call that was admitted, and its two facts.
async fn call(world: &World, endpoint: &str) -> (CallId, Vec<Fact>) {
    let request = request(endpoint);
    admitted(world.try_admit(&request).await.expect("an answer"));
    (request.call, world.store.facts(request.call).await.expect("facts"))
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_256_619_000 + millis).expect("a time")
}

fn a_whole_life(call: CallId) -> Vec<Fact> {
    vec![
        Fact::CustomerDialled { at: at(10), channel: call.customer_channel(1) },
        Fact::InviteSent { at: at(20) },
        Fact::EarlyMedia { at: at(30) },
        Fact::Ringing { at: at(40) },
        Fact::Answered { at: at(5040) },
        Fact::HangupAsked { at: at(65_000), by: Party::Customer },
        Fact::LegEnded { at: at(65_040), leg: Leg::Customer, cause: Some(16), sip_code: None },
        Fact::LegEnded { at: at(65_050), leg: Leg::Agent, cause: Some(16), sip_code: None },
        Fact::Settled { at: at(65_060), disposition: Disposition::Answered, estimated: false },
    ]
}

fn never_left() -> Vec<Fact> {
    vec![
        Fact::LegEnded { at: at(10), leg: Leg::Agent, cause: Some(16), sip_code: None },
        Fact::Settled { at: at(20), disposition: Disposition::Cancelled, estimated: false },
    ]
}

/// The row, column by column, is the fold of the facts.
async fn assert_row_is_fold(world: &World, call: CallId) {
    let row: serde_json::Value = sqlx::query_scalar("SELECT to_jsonb(c) FROM calls c WHERE id = $1")
        .bind(call.0)
        .fetch_one(&world.pool)
        .await
        .expect("a row");
    let facts = world.store.facts(call).await.expect("facts");
    let record = Record::of(&facts);
    let fold = serde_json::to_value(&record).expect("json");
    for (column, folded) in fold.as_object().expect("an object") {
        let stored = row.get(column).unwrap_or_else(|| panic!("no column {column}"));
        let micros = |value: &serde_json::Value| {
            let time: Option<Timestamp> = value.as_str().and_then(|text| text.parse().ok());
            time.map(Timestamp::as_microsecond)
        };
        match (micros(stored), micros(folded)) {
            // the database knows microseconds
            (Some(stored), Some(folded)) => assert!((stored - folded).abs() <= 1, "{column}"),
            (_, _) => assert_eq!(stored, folded, "{column}"),
        }
    }
    assert_eq!((row["ring_ms"].as_i64(), row["talk_ms"].as_i64()), (record.ring_ms(), record.talk_ms()));
}

#[tokio::test]
async fn a_call_s_row_is_the_fold_of_its_facts_at_every_step() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    let (id, mut facts) = call(&world, "alice").await;
    assert_row_is_fold(&world, id).await;
    for fact in a_whole_life(id) {
        let step = write(&facts, vec![fact.clone()], id);
        world.store.append(std::slice::from_ref(&step)).await.expect("written");
        facts.push(fact);
        assert_row_is_fold(&world, id).await;
        let open = world.store.open_calls("pbx1").await.expect("an answer");
        if let Some(open) = open.first() {
            assert_eq!((&open.facts, &open.record), (&facts, &step.record));
        }
    }
    assert!(world.store.open_calls("pbx1").await.expect("an answer").is_empty(), "it is over");
    let row = world.store.call(id, None).await.expect("a row");
    assert_eq!((row.ring_ms, row.talk_ms, row.quota), (Some(5000), Some(60_000), Quota::Committed));
    assert_eq!(
        (row.hung_up_by, row.cause, row.disposition),
        (Some(Party::Customer), Some(16), Some(Disposition::Answered))
    );
    world.check().await;
}

#[tokio::test]
async fn the_order_and_number_of_writes_do_not_matter() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let (id, stored) = call(&world, "alice").await;
        let life = a_whole_life(id);
        let mut all = stored.clone();
        let writes: Vec<CallWrite> = life
            .chunks(3)
            .map(|chunk| {
                let step = write(&all, chunk.to_vec(), id);
                all.extend_from_slice(chunk);
                step
            })
            .collect();
        for step in order {
            world.store.append(&writes[step..=step]).await.expect("written");
        }
        // all of it again, at once
        world.store.append(&writes).await.expect("written");
        assert_eq!(world.store.facts(id).await.expect("facts"), all, "{order:?}");
        assert_row_is_fold(&world, id).await;
    }
    assert_eq!(world.used(ONE).await, 6);
    world.check().await;
}

#[tokio::test]
async fn quota_of_a_call_that_never_left_comes_back_once() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 1).await;
    let (id, facts) = call(&world, "alice").await;
    assert_eq!(crate::world::refused(world.admit("alice").await), RefusalReason::DailyLimit);
    let end = [write(&facts, never_left(), id)];
    for _ in 0..3 {
        assert_eq!(world.store.append(&end).await.expect("written"), []);
        assert_eq!(world.used(ONE).await, 0);
    }
    assert_eq!(world.store.call(id, None).await.expect("a row").quota, Quota::Refunded);
    let (_, _) = call(&world, "alice").await;
    world.store.append(&end).await.expect("written");
    assert_eq!(world.used(ONE).await, 1, "a late replay takes nothing from the next call");
    world.check().await;
}

#[tokio::test]
async fn a_batch_gives_back_each_call_s_own() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE, TWO], 100).await;
    world.equipped("bob", &[TWO], 100).await;
    let mut batch = Vec::new();
    for round in 0..12 {
        let (id, facts) = call(&world, if round % 3 == 0 { "bob" } else { "alice" }).await;
        let end = if round % 2 == 0 { never_left() } else { a_whole_life(id) };
        batch.push(write(&facts, end, id));
    }
    let stranger = CallId(Uuid::now_v7());
    batch.push(write(&[], never_left(), stranger));
    for _ in 0..2 {
        assert_eq!(world.store.append(&batch).await.expect("written"), [stranger]);
        assert_eq!(world.number("SELECT sum(used)::bigint FROM agent_days").await, 6);
        world.check().await;
    }
}

/// Give-backs and admissions want the same rows; nobody may wait in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn giving_back_while_others_reserve() {
    let world = std::sync::Arc::new(World::acme().await);
    let agents = ["alice", "bob", "carol", "dave"];
    for agent in agents {
        world.equipped(agent, &[ONE, TWO], 1000).await;
    }
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move {
                for _ in 0..4 {
                    let mut batch = Vec::new();
                    for _ in 0..4 {
                        let (id, facts) = call(&world, agents[client % 4]).await;
                        batch.push(write(&facts, never_left(), id));
                    }
                    world.store.append(&batch).await.expect("written");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client");
    }
    assert_eq!(world.used(ONE).await + world.used(TWO).await, 0);
    let deadlocks = world.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await;
    assert_eq!(deadlocks, 0);
    world.check().await;
}

#[tokio::test]
async fn an_emergency_call_is_entered_and_never_counted() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 1).await;
    for endpoint in [Some("alice"), Some("stranger"), None] {
        let mut enter = entered(&request("alice"));
        enter.endpoint = endpoint.map(name);
        enter.dialled_raw = "911".to_owned();
        enter.trunk = Some("carrier".parse().expect("a trunk"));
        enter.presented = Some(ONE.parse().expect("a number"));
        enter.facts = vec![
            Fact::Requested { at: now(), origin: Origin::Phone, agent_channel: None },
            Fact::Admitted { at: now(), emergency: true },
        ];
        for _ in 0..2 {
            world.store.enter(&enter).await.expect("a row");
            assert_row_is_fold(&world, enter.call).await;
        }
        let life = a_whole_life(enter.call);
        world.store.append(&[write(&enter.facts, life, enter.call)]).await.expect("written");
        assert_row_is_fold(&world, enter.call).await;
        let row = world.store.call(enter.call, None).await.expect("a row");
        assert!(row.emergency);
        assert_eq!((row.quota, row.agent_id.is_some()), (Quota::None, endpoint == Some("alice")));
    }
    assert_eq!(world.number("SELECT count(*) FROM agent_days").await, 0);
    world.check().await;
}

#[tokio::test]
async fn a_call_refused_without_asking_is_entered() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 1).await;
    let request = request("alice");
    for _ in 0..2 {
        refuse_without_asking(&world, &request).await;
        assert_row_is_fold(&world, request.call).await;
    }
    let row = world.store.call(request.call, None).await.expect("a row");
    assert_eq!(row.refusal, Some(RefusalReason::StoreUnavailable));
    assert_eq!(row.refusal_sentence.as_deref(), Some(RefusalReason::StoreUnavailable.sentence()));
    assert_eq!(row.agent.as_deref(), Some("alice"));
    assert_eq!(world.store.decision(request.call).await.expect("an answer"), None);
    world.check().await;
}

#[tokio::test]
async fn calls_are_listed_newest_first_in_pages_and_by_owner() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    world.equipped("bob", &[TWO], 100).await;
    let mut ids = Vec::new();
    for round in 0..7 {
        ids.push(call(&world, if round % 2 == 0 { "alice" } else { "bob" }).await.0);
    }
    ids.reverse();
    let all = CallFilter::default();
    let first = world.store.list_calls(&all, None, 4).await.expect("calls");
    let rest = world.store.list_calls(&all, Some(first[3].id), 4).await.expect("calls");
    assert_eq!(first.iter().chain(&rest).map(|call| call.id).collect::<Vec<_>>(), ids);

    let bob = world.store.agent(&name("bob"), None).await.expect("bob");
    let filter = CallFilter { agent: Some(bob.id), open: Some(true), since: Some(at(0)), ..CallFilter::default() };
    assert_eq!(world.store.list_calls(&filter, None, 100).await.expect("calls").len(), 3);
    let nobody = CallFilter { disposition: Some(Disposition::Busy), ..CallFilter::default() };
    assert!(world.store.list_calls(&nobody, None, 100).await.expect("calls").is_empty());
    let stranger = cordboard::core::ids::OrganizationId(Uuid::now_v7());
    assert!(world.store.call(ids[0], Some(stranger)).await.is_err(), "not theirs");
}
