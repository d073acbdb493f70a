use super::*;
use crate::ari::test_server::{Reaction, Seen, Server};
use std::sync::atomic::AtomicU64;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{accept_async, accept_hdr_async};

type Peer = WebSocketStream<TcpStream>;

struct Scene {
    server: Server,
    events: SocketEvents,
    stats: Arc<SocketStats>,
    task: JoinHandle<()>,
}

impl Scene {
    async fn start(filter: Reaction, capacity: usize) -> Self {
        // Test events are not answered, so that they prove nothing.
        let is_canary = |seen: &Seen| seen.line.starts_with("POST events/user/");
        let server = Server::start(move |seen| if is_canary(seen) { Reaction::Close } else { filter }).await;
        Self::on(server, capacity)
    }

    fn on(server: Server, capacity: usize) -> Self {
        let (socket, events, stats) = EventSocket::with_capacity(server.client(), capacity);
        Self { server, events, stats, task: tokio::spawn(socket.run()) }
    }

    async fn raw(&mut self) -> TcpStream {
        self.server.sockets.recv().await.expect("the server runs")
    }

    async fn accept(&mut self) -> Peer {
        accept_async(self.raw().await).await.expect("a handshake")
    }

    async fn connected() -> (Self, Peer) {
        let mut scene = Self::start(Reaction::Answer(200, "{}"), CAPACITY).await;
        let peer = scene.accept().await;
        assert_eq!(scene.next().await, SocketEvent::Connected);
        (scene, peer)
    }

    async fn next(&mut self) -> SocketEvent {
        self.events.recv().await.expect("the socket runs")
    }

    async fn lost(&mut self) -> LostWhy {
        match self.next().await {
            SocketEvent::Lost { why } => why,
            other @ (SocketEvent::Connected
            | SocketEvent::Event(_)
            | SocketEvent::Overflowed
            | SocketEvent::Replaced) => panic!("{other:?}"),
        }
    }
}

fn canary(n: u32) -> Message {
    Message::text(format!(r#"{{"type":"ChannelUserevent","eventname":"c{n}","application":"cordboard"}}"#))
}

fn heard(n: u32) -> SocketEvent {
    SocketEvent::Event(Translated::Canary(format!("c{n}")))
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[tokio::test]
#[expect(clippy::result_large_err, reason = "tungstenite's type")]
async fn it_is_connected_once_the_filter_is_set_and_the_password_is_in_the_header_only() {
    let mut scene = Scene::start(Reaction::Answer(200, "{}"), CAPACITY).await;
    let mut asked = None;
    let look = |request: &Request, response: Response| {
        let header = request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
        asked = Some((request.uri().to_string(), header));
        Ok(response)
    };
    // What comes before the filter's answer belongs after `Connected`.
    let mut peer = accept_hdr_async(scene.raw().await, look).await.expect("a handshake");
    peer.send(canary(1)).await.expect("sent");
    assert_eq!(scene.next().await, SocketEvent::Connected);
    assert_eq!(scene.next().await, heard(1));

    let header = Some("Basic Y29yZGJvYXJkOnMzY3JldA==".to_owned());
    assert_eq!(asked, Some(("/ari/events?app=cordboard".to_owned(), header)));
    let seen = scene.server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "PUT applications/cordboard/eventFilter");
    assert!(seen[0].body.starts_with(r#"{"disallowed":[{"type":"#), "{}", seen[0].body);
    assert!(!seen[0].body.contains("StasisStart"));
}

#[tokio::test]
async fn what_is_no_event_is_counted_and_skipped() {
    let (mut scene, mut peer) = Scene::connected().await;
    for message in [
        Message::text("hello"),
        Message::text("["),
        Message::text("[".repeat(500_000)),
        Message::binary(vec![0, 159, 146, 150]),
        Message::text(r#"{"type":"ChannelDestroyed"}"#),
        Message::Ping(tungstenite::Bytes::from_static(b"x")),
        Message::text(r#"{"type":"Novelty"}"#),
        canary(7),
    ] {
        peer.send(message).await.expect("sent");
    }
    assert_eq!(scene.next().await, heard(7));
    assert_eq!((read(&scene.stats.malformed), read(&scene.stats.unknown)), (5, 1));
    assert!(scene.stats.connected.load(Ordering::Relaxed));
}

#[tokio::test]
async fn it_reconnects_by_itself() {
    let (mut scene, peer) = Scene::connected().await;
    drop(peer);
    assert_eq!(scene.lost().await, LostWhy::Closed);
    assert!(!scene.stats.connected.load(Ordering::Relaxed));
    let mut peer = scene.accept().await;
    assert_eq!(scene.next().await, SocketEvent::Connected);
    peer.close(None).await.expect("closed");
    assert_eq!(scene.lost().await, LostWhy::Closed);
    let _peer = scene.accept().await;
    assert_eq!(scene.next().await, SocketEvent::Connected);
    assert_eq!((read(&scene.stats.connects), read(&scene.stats.losses)), (3, 2));
}

#[tokio::test]
async fn a_huge_message_ends_the_connection() {
    let (mut scene, mut peer) = Scene::connected().await;
    peer.send(Message::text("x".repeat(MAX_MESSAGE + 1))).await.ok();
    assert_eq!(scene.lost().await, LostWhy::TooLarge);
    let _peer = scene.accept().await;
    assert_eq!(scene.next().await, SocketEvent::Connected);
}

#[tokio::test]
async fn what_is_no_text_or_no_frame_ends_the_connection() {
    use tokio::io::AsyncWriteExt;
    let invalid_utf8: &[u8] = &[0x81, 2, 0xc3, 0x28];
    let reserved_opcode: &[u8] = &[0x83, 0];
    for bytes in [invalid_utf8, reserved_opcode] {
        let (mut scene, mut peer) = Scene::connected().await;
        peer.get_mut().write_all(bytes).await.expect("written");
        assert_eq!(scene.lost().await, LostWhy::Protocol);
        let _peer = scene.accept().await;
        assert_eq!(scene.next().await, SocketEvent::Connected);
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_dead() {
    let (mut scene, peer) = Scene::connected().await;
    // Nobody reads at the peer, so nobody answers.
    tokio::time::pause();
    let began = Instant::now();
    assert_eq!(scene.lost().await, LostWhy::Silent);
    assert!(began.elapsed() <= Duration::from_millis(2500), "{:?}", began.elapsed());
    drop(peer);
}

#[tokio::test]
async fn a_peer_that_answers_pings_lives() {
    let (mut scene, mut peer) = Scene::connected().await;
    tokio::time::pause();
    for _ in 0..20 {
        assert!(matches!(peer.next().await, Some(Ok(Message::Ping(_)))));
        peer.flush().await.expect("the pong");
    }
    peer.send(canary(1)).await.expect("sent");
    assert_eq!(scene.next().await, heard(1));
}

/// A server that takes test events.
async fn with_canaries() -> (Scene, Peer) {
    let server = Server::start(|seen| match &*seen.line {
        line if line.starts_with("POST events/user/") => Reaction::Answer(204, ""),
        _ => Reaction::Answer(200, "{}"),
    })
    .await;
    let mut scene = Scene::on(server, CAPACITY);
    let peer = scene.accept().await;
    assert_eq!(scene.next().await, SocketEvent::Connected);
    (scene, peer)
}

#[tokio::test]
async fn a_peer_that_answers_pings_and_brings_no_events_is_replaced_before_it_is_given_up() {
    let (mut scene, mut old) = with_canaries().await;
    let began = Instant::now();
    let (close, closed) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        // Answers pings, until the other end closes.
        while old.next().await.is_some_and(|message| message.is_ok()) {}
        close.send(()).ok();
    });
    assert_eq!(scene.lost().await, LostWhy::Deaf);
    println!("deaf after {:?}", began.elapsed());
    // The old connection stands until the new one does.
    let raw = scene.raw().await;
    let mut closed = closed;
    assert!(closed.try_recv().is_err(), "the old connection was given up first");
    let _new = accept_async(raw).await.expect("a handshake");
    assert_eq!(scene.next().await, SocketEvent::Connected);
    closed.await.expect("the old one is closed");
}

/// The control: a peer that brings the test events back lives.
#[tokio::test]
async fn a_peer_that_brings_the_test_events_lives_and_they_are_not_told() {
    let (mut scene, mut peer) = with_canaries().await;
    let mut brought = 0;
    while brought < 6 {
        scene.server.arrivals.recv().await.expect("the server runs");
        let sent: Vec<String> = scene.server.seen().iter().filter_map(|seen| name_of(&seen.line)).collect();
        for name in &sent[brought..] {
            let event = format!(r#"{{"type":"ChannelUserevent","eventname":"{name}","application":"cordboard"}}"#);
            peer.send(Message::text(event)).await.expect("sent");
        }
        brought = sent.len();
        // Reads pings, and so answers them.
        while peer.next().now_or_never().is_some() {}
    }
    peer.send(canary(1)).await.expect("sent");
    assert_eq!(scene.next().await, heard(1));
    assert!(scene.stats.canary_age().is_some());
}

fn name_of(line: &str) -> Option<String> {
    line.strip_prefix("POST events/user/")?.split('?').next().map(str::to_owned)
}

#[tokio::test]
async fn a_queue_that_runs_over_says_so_and_goes_on_with_what_came_later() {
    let mut scene = Scene::start(Reaction::Answer(200, "{}"), 4).await;
    let mut peer = scene.accept().await;
    for n in 0..11 {
        peer.send(canary(n)).await.expect("sent");
    }
    while read(&scene.stats.events) < 11 || !scene.stats.connected.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    // The last full queue was dropped for event 9.
    while scene.events.waiting() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.next().await, SocketEvent::Connected);
    assert_eq!(scene.next().await, SocketEvent::Overflowed);
    assert_eq!(scene.next().await, heard(10));
    assert_eq!(read(&scene.stats.overflows), 3);
}

#[tokio::test]
async fn replaced_is_the_last_word() {
    let (mut scene, mut peer) = Scene::connected().await;
    let replaced = r#"{"type":"ApplicationReplaced","application":"cordboard"}"#;
    peer.send(Message::text(replaced)).await.expect("sent");
    assert_eq!(scene.next().await, SocketEvent::Replaced);
    assert_eq!(scene.events.recv().await, None);
    scene.task.await.expect("it ended by itself");
    assert!(scene.server.sockets.try_recv().is_err(), "it does not connect again");
}

#[tokio::test]
async fn an_outage_is_told_once() {
    use tokio::io::AsyncWriteExt;
    let mut scene = Scene::start(Reaction::Answer(200, "{}"), CAPACITY).await;
    for _ in 0..3 {
        let mut stream = scene.raw().await;
        let answer = b"HTTP/1.1 503 Asterisk not booted\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.expect("written");
    }
    let _peer = scene.accept().await;
    assert_eq!(scene.lost().await, LostWhy::Refused { status: 503 });
    assert_eq!(scene.next().await, SocketEvent::Connected);
}

#[tokio::test]
async fn a_refused_filter_does_not_stop_the_floor() {
    let mut scene = Scene::start(Reaction::Answer(404, "{}"), CAPACITY).await;
    let _peer = scene.accept().await;
    assert_eq!(scene.next().await, SocketEvent::Connected);
    assert_eq!(scene.server.seen().len(), FILTER_ATTEMPTS as usize);
}

#[tokio::test]
async fn without_rest_it_is_not_connected() {
    let mut scene = Scene::start(Reaction::Close, CAPACITY).await;
    let _peer = scene.accept().await;
    assert_eq!(scene.lost().await, LostWhy::NoRest);
}

#[test]
fn pauses_grow_and_have_a_limit() {
    for (failures, low, high) in [(0, 50, 200), (1, 50, 200), (2, 100, 400), (4, 400, 1600), (40, 2500, 5000)] {
        assert_eq!(pause(failures, 0.0), Duration::from_millis(low), "{failures}");
        assert_eq!(pause(failures, 1.0), Duration::from_millis(high), "{failures}");
    }
}
