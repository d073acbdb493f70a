//! The ARI client against a real Asterisk with `asterisk-conf/`. Run by hand:
//!
//! `eval "$(scripts/asterisk env)"; export CORDBOARD_ARI_URL CORDBOARD_ARI_USER CORDBOARD_ARI_PASSWORD`
//! and `cargo test --test ari_live -- --ignored`. Nothing needs to answer at the trunk `carrier`.

use cordboard::ari::{
    AccountKind, AriClient, AriConfig, EventSocket, SipAccount, SocketEvent, SocketEvents, Translated, is_vulnerable,
};
use cordboard::core::command::{ChannelSpec, Command, Target};
use cordboard::core::ids::CallId;
use cordboard::core::input::{Carried, ChannelEvent, Input, ListedState};
use cordboard::core::outcome::HangupCause;
use std::time::Duration;

fn client() -> AriClient {
    let var = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (url, user) = (var("CORDBOARD_ARI_URL"), var("CORDBOARD_ARI_USER"));
    let config = AriConfig::new(&url, "cordboard", &user, var("CORDBOARD_ARI_PASSWORD").into());
    AriClient::new(config.expect("a configuration")).expect("a client")
}

async fn next(events: &mut SocketEvents) -> SocketEvent {
    let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await.expect("an event in time");
    let event = event.expect("the socket runs");
    println!("{event:?}");
    event
}

async fn until(events: &mut SocketEvents, wanted: impl Fn(&ChannelEvent) -> bool) -> ChannelEvent {
    loop {
        if let SocketEvent::Event(Translated::Input(Input::Channel { event, .. })) = next(events).await
            && wanted(&event)
        {
            return event;
        }
    }
}

#[tokio::test]
#[ignore = "needs a running Asterisk"]
async fn a_call_that_nobody_takes() {
    let client = client();
    let info = client.info().await.expect("the node");
    println!("{info:?}");
    assert!(!is_vulnerable(&info.version));
    client.ping().await.expect("a pong");

    let (socket, mut events, stats) = EventSocket::new(client.clone());
    let task = tokio::spawn(socket.run());
    assert_eq!(next(&mut events).await, SocketEvent::Connected);
    let filter = client.application().await.expect("our application").events_disallowed;
    assert!(filter.iter().any(|f| f.kind == "ChannelVarset"), "{filter:?}");

    assert_eq!(client.send_canary("canary-1").await, Carried::Done);
    assert_eq!(next(&mut events).await, SocketEvent::Event(Translated::Canary("canary-1".into())));

    let call = CallId(uuid::Uuid::now_v7());
    let (channel, bridge) = (call.customer_channel(1), call.bridge());
    let create = Command::CreateChannel(ChannelSpec {
        channel: channel.clone(),
        target: Target::Number {
            number: "+12025550123".parse().expect("a number"),
            trunk: "carrier".parse().expect("a trunk"),
            plus: true,
        },
        present: Some("+12025550199".parse().expect("a number")),
        originator: None,
        peer: None,
        max_call_s: Some(60),
    });
    let create_bridge = Command::CreateBridge { bridge: bridge.clone() };
    for command in [&create_bridge, &create_bridge, &create] {
        assert_eq!(client.carry_out(command).await, Carried::Done, "{command:?}");
    }
    until(&mut events, |e| *e == ChannelEvent::Started).await;
    assert_eq!(client.carry_out(&create).await, Carried::Done, "already there");
    assert_eq!(client.probe(&channel).await, Ok(ListedState::Down));
    let rows = client.list_channels().await.expect("channels");
    let row = rows.iter().find(|r| r.listed.id == channel).expect("our channel");
    assert!(row.in_app && row.listed.name.as_str().starts_with("PJSIP/carrier-"), "{row:?}");
    assert!(client.list_bridges().await.expect("bridges").contains(&bridge));

    let set_peer = Command::SetPeer { channel: channel.clone(), peer: call.agent_channel(1) };
    let add = Command::AddToBridge { bridge: bridge.clone(), channels: vec![channel.clone()] };
    let dial = Command::Dial { channel: channel.clone(), timeout_s: Some(5) };
    for command in [&set_peer, &add, &add, &dial] {
        assert_eq!(client.carry_out(command).await, Carried::Done, "{command:?}");
    }
    until(&mut events, |e| *e == ChannelEvent::DialBegan).await;
    // Dialled, and still `Down`: a probe cannot tell whether the INVITE left.
    assert_eq!(client.probe(&channel).await, Ok(ListedState::Down));
    let hang_up = Command::HangUp { channel: channel.clone(), cause: HangupCause::NORMAL };
    assert_eq!(client.carry_out(&hang_up).await, Carried::Done);
    until(&mut events, |e| matches!(e, ChannelEvent::Destroyed { .. })).await;
    assert_eq!(client.carry_out(&hang_up).await, Carried::Done, "gone already");
    assert_eq!(client.probe(&channel).await, Ok(ListedState::Gone));
    let destroy = Command::DestroyBridge { bridge };
    assert_eq!(client.carry_out(&destroy).await, Carried::Done);
    assert_eq!(client.carry_out(&destroy).await, Carried::Done, "gone already");
    assert_eq!(client.subscribe_channel(&channel).await, Carried::Refused { status: 422 });

    // Another client takes the application.
    let (second, mut others, _) = EventSocket::new(client.clone());
    let second = tokio::spawn(second.run());
    assert_eq!(next(&mut others).await, SocketEvent::Connected);
    assert_eq!(next(&mut events).await, SocketEvent::Replaced);
    task.await.expect("the first has ended");
    println!("{stats:?}");
    second.abort();
}

#[tokio::test]
#[ignore = "needs a running Asterisk"]
async fn accounts_come_and_go() {
    let client = client();
    for kind in [AccountKind::Phone, AccountKind::Browser] {
        let account = SipAccount {
            endpoint: "live-ann".parse().expect("an endpoint"),
            username: "live-ann".parse().expect("a name"),
            ha1: "0123456789abcdef0123456789abcdef".into(),
            kind,
        };
        for _ in 0..2 {
            assert_eq!(client.put_sip_account(&account).await, Carried::Done);
            assert_eq!(client.endpoint_online(&account.endpoint).await, Ok(Some(false)));
        }
        for _ in 0..2 {
            assert_eq!(client.delete_sip_account(&account.endpoint).await, Carried::Done);
            assert_eq!(client.endpoint_online(&account.endpoint).await, Ok(None));
        }
    }
}
