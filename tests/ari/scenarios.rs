//! What happens, written by hand from what the real Asterisk did.

use crate::world::{SOON, World};
use cordboard::core::command::{ChannelSpec, Command, Target};
use cordboard::core::ids::CallId;
use cordboard::core::input::{Carried, ListedState};
use model_asterisk::{FarEnd, MILLI};
use std::time::Duration;

const RING: i64 = 200 * MILLI;
const ANSWERS: FarEnd = FarEnd::Answer { ring: RING, early_media: false, hang_up_after: None };

pub async fn answered_and_the_customer_hangs_up(world: &mut World) {
    world.customer_will(FarEnd::Answer { ring: RING, early_media: false, hang_up_after: Some(RING) }).await;
    world.dial(5).await;
    let (customer, agent) = (world.customer(), world.agent.clone().expect("an agent"));
    world.until(&customer, "destroyed 16 -").await;
    // Nobody told the agent's leg to end: Asterisk's handler did.
    world.until_left(&agent).await;
    let expected = ["started", "dial began", "ringing", "up", "hangs up", "left", "destroyed 16 -"];
    assert_eq!(world.told(&customer), expected);
    assert_eq!(world.told(&agent)[..3], ["up", "is hung up", "left"]);
    assert_eq!(world.phone_sees().await, "bye");
    assert_eq!(world.invites(), 1);
}

pub async fn answered_and_the_agent_hangs_up(world: &mut World) {
    world.customer_will(ANSWERS).await;
    world.dial(5).await;
    let (customer, agent) = (world.customer(), world.agent.clone().expect("an agent"));
    world.until(&agent, "up").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.phone_hangs_up();
    world.until_left(&agent).await;
    world.until_gone(&customer).await;
    world.until(&customer, "left").await;
    assert_eq!(world.told(&customer)[..6], ["started", "dial began", "ringing", "up", "is hung up", "left"]);
    assert_eq!(world.told(&agent)[..3], ["up", "hangs up", "left"]);
}

async fn refused(world: &mut World, status: u16, end: &str) {
    world.customer_will(FarEnd::Reject { status, ring: RING }).await;
    world.dial(5).await;
    let (customer, agent) = (world.customer(), world.agent.clone().expect("an agent"));
    world.until(&customer, end).await;
    assert_eq!(world.told(&customer), ["started", "dial began", "ringing", "hangs up", "left", end]);
    // The agent must first hear or see why: nothing ends that leg but we.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.client.probe(&agent).await, Ok(ListedState::Ringing));
    world.must(&World::hang_up(&agent, 17)).await;
    assert_eq!(world.phone_sees().await, "486");
    assert_eq!(world.invites(), 1);
}

pub async fn busy(world: &mut World) {
    refused(world, 486, "destroyed 17 486").await;
}

pub async fn unallocated(world: &mut World) {
    refused(world, 404, "destroyed 1 404").await;
}

pub async fn rejected(world: &mut World) {
    refused(world, 603, "destroyed 21 603").await;
}

pub async fn congestion(world: &mut World) {
    refused(world, 503, "destroyed 34 503").await;
}

pub async fn nobody_answers(world: &mut World) {
    world.customer_will(FarEnd::RingForever).await;
    world.dial(1).await;
    let customer = world.customer();
    world.until(&customer, "destroyed 19 480").await;
    let expected = ["started", "dial began", "ringing", "is hung up", "left", "destroyed 19 480"];
    assert_eq!(world.told(&customer), expected);
}

pub async fn early_media_before_the_answer(world: &mut World) {
    world.customer_will(FarEnd::Answer { ring: RING, early_media: true, hang_up_after: None }).await;
    world.dial(5).await;
    let (customer, agent) = (world.customer(), world.agent.clone().expect("an agent"));
    world.until(&agent, "up").await;
    assert_eq!(world.told(&customer), ["started", "dial began", "early media", "up"]);
    world.must(&World::hang_up(&customer, 16)).await;
    world.until(&customer, "destroyed 16 -").await;
}

pub async fn the_agent_cancels_while_it_rings(world: &mut World) {
    world.customer_will(FarEnd::RingForever).await;
    world.dial(5).await;
    let (customer, agent) = (world.customer(), world.agent.clone().expect("an agent"));
    world.until(&customer, "ringing").await;
    world.phone_hangs_up();
    world.until(&agent, "destroyed 127 487").await;
    world.until_gone(&customer).await;
    world.until(&customer, "left").await;
    assert_eq!(world.told(&agent)[..2], ["hangs up", "left"]);
    assert_eq!(world.told(&customer)[..5], ["started", "dial began", "ringing", "is hung up", "left"]);
    assert_eq!(world.phone_sees().await, "487");
}

pub async fn orders_given_twice(world: &mut World) {
    world.customer_will(ANSWERS).await;
    let agent = world.phone_dials().await;
    let (customer, bridge) = (world.customer(), world.bridge());
    let create_bridge = Command::CreateBridge { bridge: bridge.clone() };
    let join = Command::AddToBridge { bridge: bridge.clone(), channels: vec![agent, customer.clone()] };
    let dial = Command::Dial { channel: customer.clone(), timeout_s: Some(5) };
    world.must(&create_bridge).await;
    world.must(&create_bridge).await;
    world.must(&world.create()).await;
    world.must(&world.create()).await;
    world.until(&customer, "started").await;
    world.must(&world.create()).await;
    world.must(&join).await;
    world.must(&join).await;
    world.must(&dial).await;
    world.until(&customer, "ringing").await;
    assert_eq!(world.run(&dial).await, Carried::Refused { status: 409 });
    world.until(&customer, "up").await;
    assert_eq!(world.run(&dial).await, Carried::Refused { status: 409 });
    assert_eq!(world.invites(), 1);
    let hang_up = World::hang_up(&customer, 16);
    world.must(&hang_up).await;
    world.until(&customer, "destroyed 16 -").await;
    world.must(&hang_up).await;
    let destroy = Command::DestroyBridge { bridge };
    world.must(&destroy).await;
    world.must(&destroy).await;
    assert_eq!(world.told(&customer).iter().filter(|word| **word == "started").count(), 1);
}

pub async fn what_cannot_be_called(world: &mut World) {
    let spec = |target| {
        Command::CreateChannel(ChannelSpec {
            channel: CallId(uuid::Uuid::now_v7()).customer_channel(1),
            target,
            present: Some("+12025550100".parse().expect("a number")),
            originator: None,
            peer: None,
            max_call_s: None,
        })
    };
    let number = "+12025550188".parse().expect("a number");
    let trunk = "no-such-trunk".parse().expect("a trunk");
    let by_trunk = spec(Target::Number { number, trunk, plus: true });
    assert_eq!(world.run(&by_trunk).await, Carried::Refused { status: 500 });
    let nobody = spec(Target::Agent { endpoint: "nobody".parse().expect("an endpoint"), auto_answer: false });
    assert_eq!(world.run(&nobody).await, Carried::Refused { status: 500 });
}

pub async fn a_phone_sees_why_it_is_turned_away(world: &mut World) {
    for (cause, status) in
        [(17, "486"), (21, "403"), (28, "484"), (42, "503"), (34, "503"), (1, "404"), (19, "480"), (16, "603")]
    {
        world.agent = None;
        let agent = world.phone_dials().await;
        world.must(&World::hang_up(&agent, cause)).await;
        assert_eq!(world.phone_sees().await, status, "cause {cause}");
        world.until(&agent, "left").await;
        assert_eq!(world.told(&agent), ["is hung up", "left"], "not followed to its end, unless asked");
    }
}

pub async fn legs_end_each_other_without_a_daemon(world: &mut World) {
    world.customer_will(ANSWERS).await;
    world.dial(5).await;
    let (customer, agent) = (world.customer(), world.agent.clone().expect("an agent"));
    world.until(&agent, "up").await;
    world.disconnect().await;
    assert_eq!(world.client.probe(&customer).await, Ok(ListedState::Up), "they talk on");
    world.phone_hangs_up();
    world.until_gone(&customer).await;
    world.until_gone(&agent).await;
    // Nothing is made up for.
    world.connect().await;
    assert_eq!(world.client.send_canary("after").await, Carried::Done);
    while world.canaries.is_empty() {
        world.hear().await;
    }
    assert!(!world.told(&customer).contains(&"left"));
}

pub async fn probes_and_listings(world: &mut World) {
    world.customer_will(FarEnd::Answer { ring: 400 * MILLI, early_media: false, hang_up_after: None }).await;
    let agent = world.phone_dials().await;
    let customer = world.customer();
    assert_eq!(world.client.probe(&agent).await, Ok(ListedState::Ringing));
    assert_eq!(world.client.probe(&customer).await, Ok(ListedState::Gone));
    world.dial(5).await;
    world.until(&customer, "ringing").await;
    // The event may come a moment before the state.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.client.probe(&customer).await, Ok(ListedState::Ringing));
    world.until(&customer, "up").await;
    assert_eq!(world.client.probe(&customer).await, Ok(ListedState::Up));
    let rows = world.client.list_channels().await.expect("channels");
    for (id, name, exten) in [(&agent, "PJSIP/alice-", Some("2025550123")), (&customer, "PJSIP/carrier-", None)] {
        let row = rows.iter().find(|row| row.listed.id == *id).expect("listed");
        assert!(
            row.in_app && row.listed.state == ListedState::Up && row.listed.name.as_str().starts_with(name),
            "{row:?}"
        );
        assert!(exten.is_none_or(|exten| row.exten == exten));
    }
    assert!(world.client.list_bridges().await.expect("bridges").contains(&world.bridge()));
    world.must(&Command::DestroyBridge { bridge: world.bridge() }).await;
    world.until_no_bridge().await;
    assert_eq!(world.client.probe(&customer).await, Ok(ListedState::Up), "a leg outlives its bridge");
    world.must(&World::hang_up(&customer, 16)).await;
    world.until_gone(&agent).await;
}

pub async fn an_announcement_before_the_answer(world: &mut World) {
    let agent = world.phone_dials().await;
    world.must(&Command::Play { channel: agent.clone(), prompt: "daily-limit" }).await;
    world.until(&agent, "played").await;
    assert_eq!(world.client.probe(&agent).await, Ok(ListedState::Ringing), "not answered by it");
    world.must(&World::hang_up(&agent, 21)).await;
    assert_eq!(world.phone_sees().await, "403");
    world.until(&agent, "left").await;
    assert_eq!(world.told(&agent), ["played", "is hung up", "left"]);
}

pub async fn what_is_gone_is_gone(world: &mut World) {
    let (channel, bridge) = (world.customer(), world.bridge());
    let refused = |status| Carried::Refused { status };
    let dial = Command::Dial { channel: channel.clone(), timeout_s: Some(5) };
    assert_eq!(world.run(&dial).await, refused(404));
    assert_eq!(world.run(&Command::Play { channel: channel.clone(), prompt: "no-number" }).await, refused(404));
    let join = Command::AddToBridge { bridge: bridge.clone(), channels: vec![channel.clone()] };
    assert_eq!(world.run(&join).await, refused(404));
    world.must(&Command::CreateBridge { bridge: bridge.clone() }).await;
    assert_eq!(world.run(&join).await, refused(400));
    world.must(&World::hang_up(&channel, 16)).await;
    assert_eq!(world.client.probe(&channel).await, Ok(ListedState::Gone));
    assert_eq!(world.client.subscribe_channel(&channel).await, refused(422));
    world.must(&Command::DestroyBridge { bridge }).await;
}

pub async fn the_event_path_and_its_filter(world: &mut World) {
    let info = world.client.info().await.expect("the node");
    assert!(!cordboard::ari::is_vulnerable(&info.version), "{info:?}");
    world.client.ping().await.expect("a pong");
    let filter = world.client.application().await.expect("our application").events_disallowed;
    assert!(filter.iter().any(|event| event.kind == "ChannelVarset"), "{filter:?}");
    assert_eq!(world.client.send_canary("canary-1").await, Carried::Done);
    while world.canaries.is_empty() {
        world.hear().await;
    }
    assert_eq!(world.canaries, ["canary-1"]);
    assert_eq!(world.client.info().await.expect("the node").startup_time, info.startup_time);
}

pub async fn nobody_holds_the_application(world: &mut World) {
    world.disconnect().await;
    // Accepted, and gone at once.
    world.must(&world.create()).await;
    world.until_gone(&world.customer()).await;
    assert_eq!(world.invites(), 0);
}

pub async fn click_to_call(world: &mut World) {
    world.customer_will(ANSWERS).await;
    let (agent, customer) = (world.call.agent_channel(1), world.customer());
    world
        .must(&Command::CreateChannel(ChannelSpec {
            channel: agent.clone(),
            target: Target::Agent { endpoint: "alice".parse().expect("an endpoint"), auto_answer: false },
            present: "+12025550123".parse().ok(),
            originator: None,
            peer: Some(customer.clone()),
            max_call_s: Some(60),
        }))
        .await;
    world.until(&agent, "started").await;
    world.must(&Command::Dial { channel: agent.clone(), timeout_s: Some(5) }).await;
    world.until(&agent, "up").await;
    world.agent = Some(agent.clone());
    world.dial(5).await;
    world.until(&customer, "up").await;
    world.must(&World::hang_up(&agent, 16)).await;
    tokio::time::timeout(SOON, world.until_gone(&customer)).await.expect("ended with the agent");
    world.until(&agent, "destroyed 16 -").await;
    world.until(&customer, "left").await;
    // The customer's handler may find the agent's leg still there and ask once more.
    assert_eq!(world.told(&agent)[..6], ["started", "dial began", "ringing", "up", "is hung up", "left"]);
    assert_eq!(world.told(&customer)[..6], ["started", "dial began", "ringing", "up", "is hung up", "left"]);
}
