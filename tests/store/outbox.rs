//! Webhooks from a call's facts to a real receiver: nothing is lost, whatever dies in between; nothing goes where it must not.

use crate::receiver::{Answer, Got, Receiver};
use crate::world::{World, admitted, request, write};
use cordboard::core::fact::{Fact, Leg};
use cordboard::core::ids::{CallId, OrganizationId};
use cordboard::core::outcome::Disposition;
use cordboard::daemon::{Courier, CourierStats};
use cordboard::live::{Event, Networks, Schedule, Secret, Sender};
use cordboard::store::events::Of;
use cordboard::store::outbox::{Setback, Tried};
use cordboard::store::webhooks::{Delivery, NewWebhook, Webhook, WebhookChange};
use cordboard::store::{Actor, Scope, Store, StoreError, webhooks};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);
/// What is told of a call that is answered.
const OF_A_CALL: usize = 6;

fn quick() -> Schedule {
    let ms = Duration::from_millis;
    Schedule { waits: vec![ms(1); 4], rest: ms(1), longest_rest: ms(2), lease: ms(500), ..Schedule::default() }
}

fn sender(networks: &[&str]) -> Sender {
    let networks = networks.iter().map(|network| network.parse().expect("a network")).collect();
    Sender::new(Networks::and(networks)).expect("a sender")
}

fn courier_of(store: &Store, schedule: Schedule) -> Courier {
    Courier::new(store.clone(), sender(&["127.0.0.0/8"]), schedule, Arc::default())
}

fn courier(world: &World) -> Courier {
    courier_of(&world.store, quick())
}

async fn acme(world: &World) -> OrganizationId {
    world.store.organization("acme").await.expect("acme").id
}

async fn floor() -> World {
    let world = World::acme().await;
    world.equipped("alice", &["+12125550101"], 1_000).await;
    world
}

/// A webhook, and its secret.
async fn hook(world: &World, url: &str, events: Option<&[&str]>) -> (Webhook, String) {
    let secret = Secret::new().expect("a secret");
    let new = NewWebhook {
        organization: acme(world).await,
        url: url.to_owned(),
        events: events.map(|events| events.iter().map(|&event| event.to_owned()).collect()),
        secret: secret.text().clone(),
        created_by: None,
    };
    (world.store.add_webhook(&new).await.expect("a webhook"), secret.text().expose_secret().to_owned())
}

/// A whole call.
async fn call(world: &World) -> CallId {
    let asked = request("alice");
    admitted(world.try_admit(&asked).await.expect("an answer"));
    let at = Timestamp::now();
    let channel: cordboard::core::ids::ChannelId = "1795256619.47".parse().expect("a channel");
    for new in [
        vec![Fact::CustomerDialled { at, channel }, Fact::InviteSent { at }],
        vec![Fact::Ringing { at }, Fact::Answered { at }],
        vec![
            Fact::LegEnded { at, leg: Leg::Customer, cause: Some(16), sip_code: None },
            Fact::LegEnded { at, leg: Leg::Agent, cause: Some(16), sip_code: None },
            Fact::Settled { at, disposition: Disposition::Answered, estimated: false },
        ],
    ] {
        let stored = world.store.facts(asked.call).await.expect("facts");
        world.store.append(&[write(&stored, new, asked.call)]).await.expect("written");
    }
    asked.call
}

/// Looks until so much is put aside.
async fn put_aside(courier: &Courier, count: u64) {
    let (began, mut put) = (Instant::now(), 0);
    while put < count {
        put += courier.put_aside().await.expect("an answer").map_or(0, |(_, new)| new);
        assert!(began.elapsed() < PATIENCE, "only {put} of {count}");
    }
    assert_eq!(put, count);
}

/// Brings until nothing waits any more.
async fn bring_all(world: &World, courier: &Courier) {
    let began = Instant::now();
    while world.number("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'").await > 0 {
        courier.bring_what_is_due().await.expect("an answer");
        assert!(began.elapsed() < PATIENCE, "something waits for ever");
    }
}

async fn deliveries(world: &World, webhook: &Webhook) -> Vec<Delivery> {
    let mut all = world
        .store
        .webhook_deliveries(webhook.organization_id, webhook.id, None, None, 1_000)
        .await
        .expect("deliveries");
    all.reverse();
    all
}

async fn look(world: &World, webhook: &Webhook) -> Webhook {
    world.store.webhook(webhook.organization_id, webhook.id).await.expect("the webhook")
}

#[tokio::test]
async fn a_call_is_told_in_order_signed_and_without_what_was_not_asked_for() {
    let world = floor().await;
    let receiver = Receiver::answering([]).await;
    let (all, secret) = hook(&world, &receiver.url(), None).await;
    let other = Receiver::answering([]).await;
    let (some, _) = hook(&world, &other.url(), Some(&["call.ended"])).await;
    let courier = courier(&world);
    let call = call(&world).await;
    put_aside(&courier, OF_A_CALL as u64 + 1).await;
    bring_all(&world, &courier).await;
    let got = receiver.got();
    let kinds: Vec<String> = got.iter().map(Got::kind).collect();
    assert_eq!(kinds, ["call.started", "usage.changed", "call.dialled", "call.ringing", "call.answered", "call.ended"]);
    let now_s = Timestamp::now().as_second();
    for got in &got {
        assert!(got.is_signed_with(&secret), "{got:?}");
        assert!(!got.is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "the control");
        assert_eq!(got.json()["id"], got.id.as_str());
        assert!((now_s - 120..=now_s).contains(&got.timestamp_s), "{got:?}");
        assert_eq!(got.json()["data"]["callId"], call.to_string());
    }
    assert_eq!(got[5].json()["data"]["to"], "+14155550199");
    assert_eq!(other.got().iter().map(Got::kind).collect::<Vec<_>>(), ["call.ended"]);
    assert!(deliveries(&world, &some).await.iter().all(|one| one.state == "delivered" && one.last_status == Some(204)));
    assert_eq!(look(&world, &all).await.pending, 0);

    // A new secret, and the old one beside it for a day.
    let new = Secret::new().expect("a secret");
    world.store.rotate_webhook_secret(all.organization_id, all.id, new.text()).await.expect("rotated");
    self::call(&world).await;
    put_aside(&courier, OF_A_CALL as u64 + 1).await;
    bring_all(&world, &courier).await;
    let got = receiver.got().pop().expect("one");
    assert_eq!(got.signatures.len(), 2);
    assert!(got.is_signed_with(&secret) && got.is_signed_with(new.text().expose_secret()));
    world.sql("UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL").await;
    world
        .sql("UPDATE webhook_deliveries SET state = 'pending', attempts = 0, due_at = now() WHERE event = 'call.ended'")
        .await;
    bring_all(&world, &courier).await;
    let got = receiver.got().pop().expect("one");
    assert!(!got.is_signed_with(&secret) && got.is_signed_with(new.text().expose_secret()), "the old one is over");
}

#[tokio::test]
async fn whoever_fails_gets_it_again_under_the_same_id_and_what_came_after_it_waits() {
    let world = floor().await;
    let receiver = Receiver::answering([Answer::Status(500), Answer::Status(429)]).await;
    let (webhook, _) = hook(&world, &receiver.url(), None).await;
    let courier = courier(&world);
    call(&world).await;
    put_aside(&courier, OF_A_CALL as u64).await;
    bring_all(&world, &courier).await;
    let got = receiver.got();
    let ids: Vec<&str> = got.iter().map(|got| got.id.as_str()).collect();
    assert_eq!(ids.len(), OF_A_CALL + 2);
    assert_eq!((ids[0], ids[1]), (ids[2], ids[2]), "the same event three times");
    let kinds: Vec<String> = got[2..].iter().map(Got::kind).collect();
    assert_eq!(kinds[0], "call.started");
    assert_eq!(kinds[5], "call.ended", "in order all the same");
    let first = deliveries(&world, &webhook).await.remove(0);
    assert_eq!((first.state.as_str(), first.attempts, first.last_status), ("delivered", 3, Some(204)));
    assert_eq!((look(&world, &webhook).await.failures, look(&world, &webhook).await.failing_since), (0, None));
}

/// For how long from now, in seconds, the webhook is left alone, and its oldest delivery waits.
async fn waits_s(world: &World) -> (i64, i64) {
    let rest = "SELECT ceil(extract(epoch FROM resting_until - now()))::bigint FROM webhook_states";
    let due = "SELECT ceil(extract(epoch FROM due_at - now()))::bigint FROM webhook_deliveries ORDER BY n LIMIT 1";
    (world.number(rest).await, world.number(due).await)
}

/// As if the time that was asked for were over.
async fn time_passes(world: &World) {
    world.sql("UPDATE webhook_states SET resting_until = now(), failures = 0").await;
    world.sql("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'pending'").await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_is_left_alone_for_so_long_and_not_for_days() {
    let world = floor().await;
    let date = |seconds: i64| {
        let at = Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    let later = |status, when: &str| Answer::Later(status, when.to_owned());
    // Each with the least and the most that it is left alone for, in seconds; the test itself may take some.
    for (answer, least, most) in [
        (later(429, "600"), 500, 720),
        (later(503, "600"), 500, 720),
        (later(503, &date(600)), 500, 720),
        (later(429, &date(1_000_000)), 3_500, 4_320),
        (later(429, "99999999999999999999999"), 3_500, 4_320),
        (later(429, &date(-600)), i64::MIN, 1),
        (later(429, "soon"), i64::MIN, 1),
        // The controls: whoever says nothing of the kind, or is wrong for another reason, hears from us soon.
        (later(500, "600"), i64::MIN, 1),
        (later(302, "600"), i64::MIN, 1),
        (Answer::Status(429), i64::MIN, 1),
    ] {
        world.sql("DELETE FROM webhooks").await;
        let said = format!("{answer:?}");
        let receiver = Receiver::answering([answer]).await;
        let (webhook, _) = hook(&world, &receiver.url(), Some(&["call.ended"])).await;
        let courier = courier(&world);
        call(&world).await;
        put_aside(&courier, 1).await;
        assert_eq!(courier.bring_what_is_due().await.expect("an answer"), 1);
        let (rest_s, due_s) = waits_s(&world).await;
        assert!((least..=most).contains(&rest_s) && (least..=most).contains(&due_s), "{said}: {rest_s} {due_s}");
        let is_left_alone = least > 0;
        if is_left_alone {
            assert_eq!(courier.bring_what_is_due().await.expect("an answer"), 0, "{said}");
            // What is new waits with it.
            call(&world).await;
            put_aside(&courier, 1).await;
            assert_eq!(courier.bring_what_is_due().await.expect("an answer"), 0, "{said}");
            time_passes(&world).await;
        }
        bring_all(&world, &courier).await;
        let all = deliveries(&world, &webhook).await;
        assert!(all.iter().all(|one| one.state == "delivered"), "{said}: {all:?}");
        assert_eq!((receiver.got().len(), all[0].attempts), (all.len() + 1, 2), "{said}");
    }
}

#[tokio::test]
async fn what_others_under_way_come_to_does_not_shorten_the_time_that_was_asked_for() {
    let world = floor().await;
    for other in [204, 500] {
        world.sql("DELETE FROM webhooks").await;
        let receiver = Receiver::answering([Answer::Later(429, "600".to_owned())]).await;
        let (webhook, _) = hook(&world, &receiver.url(), Some(&["call.ended"])).await;
        let courier = courier(&world);
        call(&world).await;
        call(&world).await;
        put_aside(&courier, 2).await;
        // Both are under way; the first is asked for time, and then the second comes back.
        let both = world.store.claim_deliveries(&[], 8, 8, Duration::from_mins(1)).await.expect("claimed");
        assert_eq!(both.len(), 2);
        let tried = |status: u16| Tried { status: Some(status), error: (status != 204).then_some("status") };
        let setback =
            |rest| Setback { again_after: Some(rest), rest, give_up_after: Duration::from_hours(72), is_gone: false };
        let long = setback(Duration::from_mins(10));
        world.store.not_delivered(&both[0], tried(429), long).await.expect("noted");
        if other == 204 {
            assert!(world.store.delivered(&both[1], tried(204)).await.expect("noted"));
        } else {
            world.store.not_delivered(&both[1], tried(500), setback(Duration::from_millis(1))).await.expect("noted");
        }
        let (rest_s, _) = waits_s(&world).await;
        assert!((500..=600).contains(&rest_s), "{other}: {rest_s}");
        assert_eq!(courier.bring_what_is_due().await.expect("an answer"), 0, "{other}");
        // The control: switched off and on by hand, it is asked at once.
        for enabled in [false, true] {
            let change = WebhookChange { enabled: Some(enabled), ..WebhookChange::default() };
            world.store.change_webhook(webhook.organization_id, webhook.id, &change).await.expect("changed");
        }
        world.sql("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'pending'").await;
        assert!(courier.bring_what_is_due().await.expect("an answer") > 0, "{other}");
    }
}

#[tokio::test]
async fn what_fails_for_good_is_shown_can_be_sent_again_and_whoever_takes_nothing_is_switched_off() {
    let world = floor().await;
    let answers = vec![Answer::Status(503); 5];
    let receiver = Receiver::answering(answers).await;
    let (webhook, _) = hook(&world, &receiver.url(), Some(&["call.ended"])).await;
    let courier = courier(&world);
    call(&world).await;
    put_aside(&courier, 1).await;
    bring_all(&world, &courier).await;
    let failed = deliveries(&world, &webhook).await.remove(0);
    assert_eq!((failed.state.as_str(), failed.attempts, failed.last_error.as_deref()), ("failed", 5, Some("status")));
    assert!(look(&world, &webhook).await.enabled, "not for so short a time");
    // Not by anybody else, and not without a trace.
    let stranger = OrganizationId(uuid::Uuid::now_v7());
    let mut transaction =
        world.store.begin_as(Scope::Organization(stranger), &Actor::daemon()).await.expect("a transaction");
    let again = webhooks::send_again(&mut transaction, webhook.organization_id, webhook.id, failed.id).await;
    assert!(matches!(again, Err(StoreError::NotFound { .. })), "{again:?}");
    drop(transaction);
    world.store.send_again(webhook.organization_id, webhook.id, failed.id).await.expect("again");
    let trail = "SELECT count(*) FROM audit WHERE what = 'webhook_deliveries' AND before ->> 'state' = 'failed'";
    assert_eq!(world.number(trail).await, 1);
    bring_all(&world, &courier).await;
    assert_eq!(deliveries(&world, &webhook).await[0].state, "delivered");
    assert_eq!(receiver.got().iter().map(|got| &got.id).collect::<BTreeSet<_>>().len(), 1);

    // Whoever took nothing for long is switched off, with the reason; what waits then, waits.
    let dead = Receiver::always(Answer::Status(500)).await;
    let change = WebhookChange { url: Some(dead.url()), ..WebhookChange::default() };
    world.store.change_webhook(webhook.organization_id, webhook.id, &change).await.expect("changed");
    call(&world).await;
    put_aside(&courier, 1).await;
    courier.bring_what_is_due().await.expect("an answer");
    world.sql("UPDATE webhook_states SET failing_since = now() - interval '73 hours', resting_until = NULL").await;
    world.sql("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'pending'").await;
    courier.bring_what_is_due().await.expect("an answer");
    let off = look(&world, &webhook).await;
    assert!(!off.enabled, "{off:?}");
    assert_eq!(off.disabled_reason.as_deref(), Some("nothing was delivered for 73 h; the last attempt: status 500"));
    assert_eq!(courier.put_aside().await.expect("an answer"), None, "nobody wants anything");
    let change = WebhookChange { url: Some(receiver.url()), enabled: Some(true), ..WebhookChange::default() };
    let on = world.store.change_webhook(webhook.organization_id, webhook.id, &change).await.expect("on again");
    assert_eq!((on.enabled, on.disabled_reason, on.failures, on.failing_since), (true, None, 0, None));
    bring_all(&world, &courier).await;

    // 410: at once.
    let gone = Receiver::always(Answer::Status(410)).await;
    let change = WebhookChange { url: Some(gone.url()), ..WebhookChange::default() };
    world.store.change_webhook(webhook.organization_id, webhook.id, &change).await.expect("changed");
    call(&world).await;
    put_aside(&courier, 1).await;
    courier.bring_what_is_due().await.expect("an answer");
    assert_eq!(look(&world, &webhook).await.disabled_reason.as_deref(), Some("the receiver answered 410 Gone"));
}

/// Without an outbox: what happens is sent as it is heard.
async fn naive(store: Store, from: &mut u64, url: &str) {
    let news = store.news(*from, Of::default(), Event::told(), 100).await.expect("news");
    *from = news.next;
    for event in Event::of_all(&news.happenings) {
        let _ = reqwest::Client::new()
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", Event::id(CallId(event.place.call), event.place.seq, event.kind))
            .body(event.json)
            .send()
            .await;
    }
}

#[tokio::test]
async fn whoever_dies_in_the_middle_loses_nothing_and_without_an_outbox_it_is_lost() {
    let world = floor().await;
    let receiver = Receiver::answering([Answer::Never]).await;
    let (webhook, _) = hook(&world, &receiver.url(), Some(&["call.ended"])).await;
    let mut from = world.store.horizon().await.expect("a place");

    // It happened, and whoever was to notice had died before.
    call(&world).await;
    // Another notices, puts it aside, and dies before it sends anything.
    put_aside(&courier(&world), 1).await;
    assert_eq!(receiver.got().len(), 0);
    // Another sends it, and dies before there is an answer.
    let another = world.another_store();
    let dying = courier_of(&another, quick());
    let task = tokio::spawn(async move { dying.bring_what_is_due().await });
    receiver.gets(1).await;
    task.abort();
    assert!(task.await.expect_err("killed").is_cancelled());
    assert_eq!(deliveries(&world, &webhook).await[0].state, "pending");
    // The next one has it, after the lease of the dead one.
    bring_all(&world, &courier(&world)).await;
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].id, got[1].id, "the receiver can tell that it is the same");

    // The control dies in the same place, and what it had read is gone with it.
    let control = Receiver::answering([Answer::Never]).await;
    let (store, url) = (world.another_store(), control.url());
    let mut at = from;
    while world.store.news(from, Of::default(), Event::told(), 100).await.expect("news").happenings.len() < 5 {
        tokio::task::yield_now().await;
    }
    let task = tokio::spawn(async move { naive(store, &mut at, &url).await });
    control.gets(1).await;
    task.abort();
    let _ = task.await;
    from = world.store.horizon().await.expect("where the next one begins");
    naive(world.another_store(), &mut from, &control.url()).await;
    assert_eq!(control.got().len(), 1, "the control lost the rest");
}

#[tokio::test]
async fn the_cursor_and_what_is_put_aside_are_one_and_reading_twice_puts_nothing_twice() {
    let world = floor().await;
    let (webhook, _) = hook(&world, "https://example.org/", None).await;
    let before = world.number("SELECT next::text::bigint FROM webhook_cursor").await;
    call(&world).await;
    // Read, and died before the commit.
    let began = Instant::now();
    loop {
        let filling = world.store.begin_filling(Event::told()).await.expect("an answer").expect("a webhook");
        let seen = filling.news.happenings.len();
        drop(filling);
        if seen == 5 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{seen}");
    }
    assert_eq!(world.number("SELECT next::text::bigint FROM webhook_cursor").await, before);
    let courier = courier(&world);
    put_aside(&courier, OF_A_CALL as u64).await;
    // An old cursor, as from a backup.
    world.sql(&format!("UPDATE webhook_cursor SET next = '{before}'")).await;
    assert_eq!(courier.put_aside().await.expect("an answer").map(|(_, new)| new), Some(0));
    assert_eq!(deliveries(&world, &webhook).await.len(), OF_A_CALL);
    // A cursor of another database is given up.
    world.sql("UPDATE webhook_cursor SET next = '9000000000000000000'").await;
    courier.put_aside().await.expect("an answer");
    call(&world).await;
    put_aside(&courier, OF_A_CALL as u64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_couriers_send_each_event_once() {
    let world = floor().await;
    let receiver = Receiver::answering([]).await;
    hook(&world, &receiver.url(), None).await;
    for _ in 0..20 {
        call(&world).await;
    }
    let stop = CancellationToken::new();
    let schedule = Schedule { lease: Duration::from_mins(1), ..quick() };
    let couriers: Vec<_> =
        (0..4).map(|_| tokio::spawn(courier_of(&world.another_store(), schedule.clone()).run(stop.clone()))).collect();
    receiver.gets(20 * OF_A_CALL).await;
    let began = Instant::now();
    while world.number("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'").await > 0 {
        assert!(began.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
    stop.cancel();
    for courier in couriers {
        courier.await.expect("it ends");
    }
    let got = receiver.got();
    let ids: BTreeSet<&str> = got.iter().map(|got| got.id.as_str()).collect();
    assert_eq!((got.len(), ids.len()), (20 * OF_A_CALL, 20 * OF_A_CALL), "each once");
    // Of each call in order.
    let call_of = |got: &Got| got.json()["data"]["callId"].to_string();
    for call in got.iter().map(call_of).collect::<BTreeSet<_>>() {
        let of_call: Vec<String> = got.iter().filter(|got| call_of(got) == call).map(Got::kind).collect();
        assert_eq!(of_call[0], "call.started");
        assert_eq!(of_call[5], "call.ended", "{of_call:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receiver_that_never_answers_holds_nobody_else_up() {
    let world = floor().await;
    let (dead, well) = (Receiver::always(Answer::Never).await, Receiver::answering([]).await);
    hook(&world, &dead.url(), None).await;
    hook(&world, &well.url(), None).await;
    let stop = CancellationToken::new();
    let stats: Arc<CourierStats> = Arc::default();
    let courier =
        Courier::new(world.another_store(), sender(&["127.0.0.0/8"]), Schedule::default(), Arc::clone(&stats));
    let courier = tokio::spawn(courier.run(stop.clone()));
    for _ in 0..10 {
        call(&world).await;
    }
    well.gets(10 * OF_A_CALL).await;
    assert!(dead.got().len() <= 8, "no more than so many at a time: {}", dead.got().len());
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), courier)
        .await
        .expect("it does not wait for the dead")
        .expect("it ends");
    assert_eq!(stats.put_aside.load(Ordering::Relaxed), 20 * OF_A_CALL as u64);
}

/// What becomes of one event that is sent there.
async fn sent_to(world: &World, url: &str, networks: &[&str]) -> (String, Option<String>) {
    world.sql("DELETE FROM webhooks").await;
    let (webhook, _) = hook(world, url, Some(&["call.ended"])).await;
    call(world).await;
    let schedule = Schedule { waits: Vec::new(), ..quick() };
    let courier = Courier::new(world.store.clone(), sender(networks), schedule, Arc::default());
    put_aside(&courier, 1).await;
    bring_all(world, &courier).await;
    let one = deliveries(world, &webhook).await.remove(0);
    (one.state, one.last_error)
}

#[tokio::test]
async fn nothing_reaches_a_private_address_by_name_number_or_redirect() {
    let world = floor().await;
    let inside = Receiver::answering([]).await;
    let port = inside.address.port();
    let refused = ("failed".to_owned(), Some("address_not_allowed".to_owned()));
    // As if somebody had written them into the table: the program that takes them was asked elsewhere.
    for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"] {
        for scheme in ["https", "http"] {
            let url = format!("{scheme}://{host}:{port}/hooks");
            assert_eq!(sent_to(&world, &url, &[]).await, refused, "{url}");
            assert_eq!(sent_to(&world, &url, &["10.0.0.0/8"]).await, refused, "{url}, with another network named");
        }
    }
    assert_eq!(inside.got().len(), 0, "nothing came");
    // The control: with the network named, name and number lead there.
    let here = ["127.0.0.0/8", "::1/128"];
    for host in ["localhost", "127.0.0.1", "2130706433"] {
        let url = format!("http://{host}:{port}/hooks");
        assert_eq!(sent_to(&world, &url, &here).await, ("delivered".to_owned(), None), "{url}");
    }
    assert_eq!(inside.got().len(), 3);

    // One that is allowed sends us on to one that is not, or even to one that is.
    for to in [format!("http://localhost:{port}/hooks"), inside.url(), "https://169.254.169.254/latest".to_owned()] {
        let door = Receiver::always(Answer::Redirect(to)).await;
        let sent = sent_to(&world, &door.url(), &here).await;
        assert_eq!(sent, ("failed".to_owned(), Some("redirect".to_owned())));
        assert_eq!(door.got().len(), 1);
    }
    assert_eq!(inside.got().len(), 3, "nobody was followed");
    // What does not exist, and what speaks no TLS.
    let gone = sent_to(&world, "https://nobody.invalid/", &[]).await;
    assert_eq!(gone, ("failed".to_owned(), Some("name_not_found".to_owned())));
    let (state, error) = sent_to(&world, &format!("https://127.0.0.1:{port}/"), &here).await;
    assert_eq!(state, "failed");
    assert!(["tls", "cannot_connect"].contains(&error.as_deref().expect("a word")), "{error:?}");
}

#[tokio::test]
async fn nobody_hears_of_another_tenants_calls_and_of_nobody_who_was_erased() {
    let world = floor().await;
    let (ours, theirs) = (Receiver::answering([]).await, Receiver::answering([]).await);
    hook(&world, &ours.url(), Some(&["call.ended"])).await;
    world
        .sql("INSERT INTO organizations (slug, name, country, time_zone) VALUES ('other', 'Other', 'US', 'UTC')")
        .await;
    let other = world.store.organization("other").await.expect("other").id;
    let secret = Secret::new().expect("a secret").text().clone();
    let new = NewWebhook { organization: other, url: theirs.url(), events: None, secret, created_by: None };
    let hook_of_other = world.store.add_webhook(&new).await.expect("a webhook");
    let courier = courier(&world);
    let call = call(&world).await;
    put_aside(&courier, 1).await;
    // The person asked to be forgotten between the call and the delivery.
    world.sql(&format!("DELETE FROM call_numbers WHERE call_id = '{call}'")).await;
    bring_all(&world, &courier).await;
    let got = ours.got();
    assert_eq!(got.len(), 1);
    assert!(got[0].json()["data"]["to"].is_null() && !got[0].body.contains("4155550199"), "{got:?}");
    assert_eq!((theirs.got().len(), deliveries(&world, &hook_of_other).await), (0, Vec::new()));
    // Nor is any number in the outbox.
    let numbers = "SELECT count(*) FROM webhook_deliveries d WHERE d::text LIKE '%4155550199%'";
    assert_eq!(world.number(numbers).await, 0);
}

#[tokio::test]
async fn what_is_done_is_forgotten_in_time_and_what_waits_never() {
    let world = floor().await;
    let receiver = Receiver::answering([]).await;
    let (webhook, _) = hook(&world, &receiver.url(), None).await;
    let courier = courier(&world);
    call(&world).await;
    put_aside(&courier, OF_A_CALL as u64).await;
    bring_all(&world, &courier).await;
    world
        .sql(
            "UPDATE webhook_deliveries SET done_at = now() - interval '8 days' WHERE event IN ('call.ended', 'call.started');
             UPDATE webhook_deliveries SET state = 'failed' WHERE event = 'call.started';
             UPDATE webhook_deliveries SET state = 'pending', created_at = now() - interval '90 days' WHERE event = 'call.ringing'",
        )
        .await;
    assert_eq!(world.store.sweep_outbox().await.expect("swept"), 1);
    let left: Vec<String> = deliveries(&world, &webhook).await.into_iter().map(|one| one.event).collect();
    assert_eq!(left.len(), 5);
    assert!(!left.contains(&"call.ended".to_owned()), "{left:?}");
    let depth = world.store.outbox_depth().await.expect("counted");
    assert_eq!(depth.pending, 1);
    assert!(depth.oldest_s > 89.0 * 86_400.0, "{depth:?}");
}
