use super::*;
use crate::ari::test_server::{Reaction, Server, client, nobody};
use crate::ari::{AriConfig, Leave};
use crate::core::command::EmergencyDigits;
use crate::core::ids::CallId;
use crate::core::input::ListedState;
use crate::core::outcome::HangupCause;

const CALL: &str = "01998f2a-7c00-7000-8000-000000000001";

fn call() -> CallId {
    CALL.parse().expect("a call id")
}

fn customer() -> ChannelId {
    call().customer_channel(1)
}

fn dial() -> Command {
    Command::Dial { channel: customer(), timeout_s: Some(45) }
}

fn spec() -> ChannelSpec {
    ChannelSpec {
        channel: customer(),
        target: Target::Number {
            number: "+12025550123".parse().expect("a number"),
            trunk: "carrier".parse().expect("a trunk"),
            plus: true,
        },
        present: Some("+12025550199".parse().expect("a number")),
        originator: Some("pbx1-1795256619.46".parse().expect("an id")),
        peer: Some("pbx1-1795256619.46".parse().expect("an id")),
        max_call_s: Some(7200),
    }
}

#[tokio::test]
async fn every_command_is_one_request() {
    let server = Server::start(|_| Reaction::Answer(204, "")).await;
    let client = server.client();
    let c = format!("channels/{CALL}-c-1");
    let agent: ChannelId = "pbx1-1795256619.46".parse().expect("an id");
    for (command, line) in [
        (
            Command::CreateBridge { bridge: call().bridge() },
            format!("POST bridges?bridgeId={CALL}-b&type=mixing&name=call%3A{CALL}"),
        ),
        (Command::CreateChannel(spec()), "POST channels/create".to_owned()),
        (
            Command::AddToBridge { bridge: call().bridge(), channels: vec![agent, customer()] },
            format!(
                "POST bridges/{CALL}-b/addChannel?channel=pbx1-1795256619.46%2C{CALL}-c-1&inhibitConnectedLineUpdates=true"
            ),
        ),
        (dial(), format!("POST {c}/dial?timeout=45")),
        (Command::Dial { channel: customer(), timeout_s: None }, format!("POST {c}/dial")),
        (
            Command::Play { channel: customer(), prompt: "daily-limit" },
            format!("POST {c}/play?media=sound%3Acordboard%2Fdaily-limit"),
        ),
        (Command::HangUp { channel: customer(), cause: HangupCause(17) }, format!("DELETE {c}?reason_code=17")),
        (Command::DestroyBridge { bridge: call().bridge() }, format!("DELETE bridges/{CALL}-b")),
    ] {
        assert_eq!(client.carry_out(&command).await, Carried::Done, "{command:?}");
        let seen = server.seen();
        let last = seen.last().expect("a request");
        assert_eq!(last.line, line);
        assert_eq!(last.authorization, "Basic Y29yZGJvYXJkOnMzY3JldA==");
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 8, "nothing but the commands");
    assert!(seen.iter().all(|s| s.connection == 0), "one kept-alive connection is enough");
}

#[test]
fn a_channel_is_born_with_all_that_ends_it() {
    let expected = json!({
        "endpoint": "PJSIP/+12025550123@carrier",
        "app": "cordboard",
        "appArgs": "customer",
        "channelId": format!("{CALL}-c-1"),
        "originator": "pbx1-1795256619.46",
        "variables": {
            "CONNECTEDLINE(num,i)": "+12025550199",
            "TIMEOUT(absolute)": "7200",
            "CHANNEL(hangup_handler_push)": "cordboard-hangup,s,1",
            "CORDBOARD_PEER_IF_UP": "pbx1-1795256619.46",
            "SHARED(CORDBOARD_PEER,pbx1-1795256619.46)": format!("{CALL}-c-1"),
        },
    });
    assert_eq!(create_body(&spec(), "cordboard"), expected);
}

#[test]
fn an_emergency_call_has_no_time_limit_and_a_phone_may_be_asked_to_answer() {
    let digits = EmergencyDigits::of("112").expect("a number");
    let trunk = "emergency".parse().expect("a trunk");
    let emergency = ChannelSpec { target: Target::Emergency { digits, trunk }, max_call_s: None, peer: None, ..spec() };
    let body = create_body(&emergency, "cordboard");
    assert_eq!(body["endpoint"], "PJSIP/112@emergency");
    assert!(
        body["variables"].get("TIMEOUT(absolute)").is_none() && body["variables"].get("CORDBOARD_PEER_IF_UP").is_none()
    );

    let endpoint: crate::core::ids::EndpointName = "acme-ann".parse().expect("an endpoint");
    for auto_answer in [false, true] {
        let target = Target::Agent { endpoint: endpoint.clone(), auto_answer };
        let peer = Some(customer());
        let agent = ChannelSpec { channel: call().agent_channel(1), target, originator: None, peer, ..spec() };
        let body = create_body(&agent, "cordboard");
        assert_eq!(body["appArgs"], "agent");
        assert_eq!(body["variables"]["CORDBOARD_PEER"], format!("{CALL}-c-1"));
        assert!(body.get("originator").is_none() && body.get("formats").is_none());
        let asks = body["variables"].get("PJSIP_HEADER(add,Alert-Info)").is_some();
        assert_eq!(asks, auto_answer);
    }
}

#[tokio::test]
async fn what_is_already_so_is_done_and_the_rest_is_refused() {
    let hang_up = Command::HangUp { channel: customer(), cause: HangupCause::NORMAL };
    let destroy = Command::DestroyBridge { bridge: call().bridge() };
    let create_bridge = Command::CreateBridge { bridge: call().bridge() };
    let create = Command::CreateChannel(spec());
    for (status, done, refused) in [
        (404, vec![&hang_up, &destroy], vec![&create, &create_bridge]),
        (409, vec![&create, &create_bridge, &destroy], vec![&hang_up]),
        (500, vec![], vec![&create, &hang_up, &destroy]),
        (503, vec![], vec![&create, &hang_up, &destroy]),
    ] {
        let server = Server::start(move |_| Reaction::Answer(status, r#"{"message":"x"}"#)).await;
        let client = server.client();
        for command in done {
            assert_eq!(client.carry_out(command).await, Carried::Done, "{status} {command:?}");
        }
        for command in refused.into_iter().chain([&dial()]) {
            assert_eq!(client.carry_out(command).await, Carried::Refused { status }, "{command:?}");
        }
    }
}

#[tokio::test]
async fn without_a_server_nothing_was_sent() {
    let client = client(nobody().await);
    assert_eq!(client.carry_out(&dial()).await, Carried::NotSent);
    assert_eq!(client.probe(&customer()).await, Err(Carried::NotSent));
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_unknown_and_the_request_is_not_repeated() {
    let server = Server::start(|_| Reaction::Close).await;
    assert_eq!(server.client().carry_out(&dial()).await, Carried::Unknown);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn the_same_on_a_connection_that_had_served_before() {
    let server = Server::start(|seen| match &*seen.line {
        "GET asterisk/ping" => Reaction::Answer(200, "{}"),
        _ => Reaction::Close,
    })
    .await;
    let client = server.client();
    client.ping().await.expect("a pong");
    assert_eq!(client.carry_out(&dial()).await, Carried::Unknown);
    let connections: Vec<_> = server.seen().iter().map(|s| s.connection).collect();
    assert_eq!(connections, [0, 0], "one ping, one dial, on the same connection");
}

#[tokio::test]
async fn a_late_answer_is_unknown() {
    let mut server = Server::start(|_| Reaction::Hang).await;
    let client = server.client();
    let waiting = tokio::spawn(async move { client.carry_out(&dial()).await });
    server.arrivals.recv().await.expect("the request");
    tokio::time::pause();
    assert_eq!(waiting.await.expect("no panic"), Carried::Unknown);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_idle_connection_closed_by_the_server_never_makes_two_of_one() {
    let server = Server::start(|_| Reaction::AnswerAndClose(204, "")).await;
    let client = server.client();
    let mut executed = 0;
    for timeout_s in 1..=200 {
        let before = server.seen().len();
        let command = Command::Dial { channel: customer(), timeout_s: Some(timeout_s) };
        let outcome = client.carry_out(&command).await;
        let line = format!("POST channels/{CALL}-c-1/dial?timeout={timeout_s}");
        let times = server.seen()[before..].iter().filter(|s| s.line == line).count();
        match outcome {
            Carried::Done => assert_eq!(times, 1),
            Carried::Unknown => assert!(times <= 1),
            Carried::Refused { .. } | Carried::NotSent => panic!("{outcome:?}"),
        }
        executed += times;
    }
    assert!(executed > 0);
}

#[tokio::test]
async fn the_status_counts_even_if_the_rest_is_cut_off() {
    let server = Server::start(|seen| Reaction::CutOff(if seen.line.starts_with("POST") { 200 } else { 500 })).await;
    let client = server.client();
    assert_eq!(client.carry_out(&dial()).await, Carried::Done);
    let hang_up = Command::HangUp { channel: customer(), cause: HangupCause::NORMAL };
    assert_eq!(client.carry_out(&hang_up).await, Carried::Refused { status: 500 });
    assert_eq!(client.probe(&customer()).await, Err(Carried::Refused { status: 500 }));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = Server::start(|_| Reaction::Redirect).await;
    assert_eq!(server.client().carry_out(&dial()).await, Carried::Refused { status: 302 });
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn at_most_eight_requests_are_under_way() {
    let mut server = Server::start(|_| Reaction::Hang).await;
    let client = server.client();
    for _ in 0..20 {
        let client = client.clone();
        tokio::spawn(async move { client.carry_out(&dial()).await });
    }
    for _ in 0..8 {
        server.arrivals.recv().await.expect("a request");
    }
    // What never came cannot be waited for; a moment of real time, in which eight others came, is a fair chance.
    let ninth = tokio::time::timeout(std::time::Duration::from_millis(100), server.arrivals.recv()).await;
    assert!(ninth.is_err(), "a ninth request came");
}

#[tokio::test]
async fn a_probe_tells_the_state() {
    for (status, body, state) in [
        (200, r#"{"id":"x","state":"Down"}"#, Ok(ListedState::Down)),
        (200, r#"{"state":"Ring"}"#, Ok(ListedState::Ringing)),
        (200, r#"{"state":"Up"}"#, Ok(ListedState::Up)),
        (404, r#"{"message":"Channel not found"}"#, Ok(ListedState::Gone)),
        (503, "", Err(Carried::Refused { status: 503 })),
        (200, "<html>", Err(Carried::Unknown)),
    ] {
        let server = Server::start(move |_| Reaction::Answer(status, body)).await;
        assert_eq!(server.client().probe(&customer()).await, state, "{body}");
        assert_eq!(server.seen()[0].line, format!("GET channels/{CALL}-c-1"));
    }
}

#[tokio::test]
async fn a_customer_is_never_called_anonymously() {
    let server = Server::start(|_| Reaction::Answer(200, "{}")).await;
    let nameless = Command::CreateChannel(ChannelSpec { present: None, ..spec() });
    assert_eq!(server.client().carry_out(&nameless).await, Carried::Refused { status: 400 });
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn what_is_not_for_asterisk_goes_nowhere() {
    let server = Server::start(|_| Reaction::Answer(204, "")).await;
    let probe = Command::Probe { channel: customer() };
    assert_eq!(server.client().carry_out(&probe).await, Carried::Refused { status: 501 });
    assert!(server.seen().is_empty());
}

/// May do these and nothing else.
#[derive(Debug)]
struct Only(&'static [Purpose]);

impl Leave for Only {
    fn allows(&self, purpose: Purpose) -> bool {
        self.0.contains(&purpose)
    }

    fn application_held(&self, _: std::time::Duration) {}
}

#[tokio::test]
async fn who_is_not_the_owner_any_more_sends_no_order() {
    let server = Server::start(|_| Reaction::Answer(204, "")).await;
    let client = |may: &'static [Purpose]| {
        let url = format!("http://{}/ari", server.address);
        let config = AriConfig::new(&url, "cordboard", "cordboard", "s3cret".into()).expect("a configuration");
        AriClient::with_leave(config, std::sync::Arc::new(Only(may))).expect("a client")
    };
    let emergency = Command::Dial { channel: customer(), timeout_s: None };
    let end = Command::HangUp { channel: customer(), cause: HangupCause::NORMAL };

    let silenced = client(&[Purpose::Look]);
    for command in [&dial(), &emergency, &end, &Command::CreateChannel(spec())] {
        assert_eq!(silenced.carry_out(command).await, Carried::NotSent, "{command:?}");
    }
    assert_eq!(silenced.send_canary("x").await, Carried::NotSent);
    assert!(server.seen().is_empty(), "{:?}", server.seen());

    // While the lease cannot be renewed nobody is called, save for help.
    let holder = client(&[Purpose::Look, Purpose::Act]);
    assert_eq!(holder.carry_out(&dial()).await, Carried::NotSent);
    assert_eq!(holder.carry_out(&emergency).await, Carried::Done);
    assert_eq!(holder.carry_out(&end).await, Carried::Done);
    assert_eq!(server.seen().len(), 2);

    let owner = client(&[Purpose::Act, Purpose::Ring]);
    assert_eq!(owner.carry_out(&dial()).await, Carried::Done);
}
