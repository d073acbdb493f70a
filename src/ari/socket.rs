//! The event socket: one WebSocket that is only read.

use super::beat::Beat;
use super::canary::{Canary, Heard};
use super::config::AriConfig;
use super::http::{AriClient, AriError};
use super::leave::Purpose;
use super::queue::{CAPACITY, Feeder, SocketEvents, queue};
use super::stats::{SocketStats, count};
use super::translate::{Translated, translate};
use crate::core::input::Carried;
use futures::future::BoxFuture;
use futures::{FutureExt as _, SinkExt, StreamExt};
use std::fmt;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The largest message: an event is under 2 KB.
const MAX_MESSAGE: usize = 1 << 20;
/// The buffer is filled with zeros before each read, so one for many events costs more than the reads that it saves.
const READ_BUFFER: usize = 8 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A ping and a test event. With the limits below, a path that is dead in either way is known to be so within 2.5 s.
const PING_EVERY: Duration = Duration::from_millis(600);
/// A ping that cannot even be written within this time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// So many pings without a sign of life, and the peer is dead.
const MISSED_PONGS: u32 = 3;
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// After we were not allowed to connect.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A connection that lived so long was a good one: the next attempt comes at once.
const STABLE: Duration = Duration::from_secs(5);
/// Asterisk may need a moment between the handshake and the application.
const FILTER_ATTEMPTS: u32 = 5;
const FILTER_PAUSE: Duration = Duration::from_millis(50);

/// What the socket has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum SocketEvent {
    /// It stands. What happened before is not told: ask for a listing.
    Connected,
    /// Something happened in Asterisk.
    Event(Translated),
    /// It stands, but events were dropped because nobody took them: ask for a listing.
    Overflowed,
    /// It does not stand, and tries again by itself. Told once an outage.
    Lost {
        /// Why.
        why: LostWhy,
    },
    /// Another client took our application: the last word, it does not try again. Stop writing at once.
    Replaced,
}

/// Why there is no socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LostWhy {
    /// No connection.
    #[error("Asterisk cannot be reached")]
    Unreachable,
    /// Asterisk refused the handshake: 401 wrong password, 503 while it boots.
    #[error("Asterisk refused the event socket with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// Connected, but the REST side does not answer.
    #[error("Asterisk does not answer requests")]
    NoRest,
    /// The connection ended.
    #[error("the connection ended")]
    Closed,
    /// The peer gives no sign of life.
    #[error("no answer to pings")]
    Silent,
    /// The peer lives, and what is sent to our application does not come back.
    #[error("the events of our application do not come")]
    Deaf,
    /// Somebody else may own the node.
    #[error("the application may be another owner's")]
    NotOurs,
    /// A message above the limit.
    #[error("a message was too large")]
    TooLarge,
    /// Something else than WebSocket frames came.
    #[error("the peer broke the protocol")]
    Protocol,
}

/// The socket, before it [runs](EventSocket::run).
pub struct EventSocket {
    config: AriConfig,
    client: AriClient,
    feeder: Feeder,
    stats: Arc<SocketStats>,
    beat: Mutex<Beat>,
}

impl fmt::Debug for EventSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSocket").field("config", &self.config).finish_non_exhaustive()
    }
}

impl EventSocket {
    /// Makes one for the client's node; nothing is sent yet.
    pub fn new(client: AriClient) -> (Self, SocketEvents, Arc<SocketStats>) {
        Self::with_capacity(client, CAPACITY)
    }

    pub(super) fn with_capacity(client: AriClient, capacity: usize) -> (Self, SocketEvents, Arc<SocketStats>) {
        let (feeder, events) = queue(capacity);
        let stats = Arc::new(SocketStats::default());
        let config = client.shared.config.clone();
        (Self { config, client, feeder, stats: Arc::clone(&stats), beat: Mutex::default() }, events, stats)
    }

    /// Connects, reads and reconnects until another client takes the application. A task of its own, which does nothing
    /// else. To stop it, drop it.
    pub async fn run(self) {
        let mut told = false;
        let mut failures = 0_u32;
        let mut replacement = None;
        loop {
            let began = Instant::now();
            let stream = match replacement.take() {
                Some(stream) => Ok(stream),
                None => self.connect().await,
            };
            let (end, was_up) = match stream {
                Ok(stream) => self.serve(stream).await,
                Err(why) => (End::Lost(why), false),
            };
            let (why, old) = match end {
                End::Replaced => {
                    self.feeder.push(SocketEvent::Replaced);
                    return;
                }
                End::Lost(why) => (why, None),
                End::Doubtful(why, old) => (why, Some(old)),
            };
            if why == LostWhy::NotOurs && !was_up {
                // It may be ours at any moment. Nothing is lost, and nobody is knocked at until then.
                sleep(LOOK_AGAIN).await;
                continue;
            }
            if was_up || !told {
                tracing::warn!(%why, "event socket lost");
                self.feeder.push(SocketEvent::Lost { why });
            }
            told = true;
            if let Some(old) = old {
                // A new connection takes the application from the old one in one step. Giving that up first would leave
                // Asterisk without anybody to hand calls to.
                replacement = self.connect().await.ok();
                drop(old);
                if replacement.is_some() {
                    continue;
                }
            }
            failures = if was_up && began.elapsed() >= STABLE { 0 } else { failures.saturating_add(1) };
            sleep(pause(failures, rand::random_range(0.0..1.0))).await;
        }
    }

    /// Whether we may take the application. It would be taken from whoever has it.
    async fn may_connect(&self) -> bool {
        let leave = &self.client.shared.leave;
        leave.allows(Purpose::Connect)
            || (leave.allows(Purpose::ConnectIfFree) && self.client.is_free(&self.beat).await)
    }

    async fn connect(&self) -> Result<Stream, LostWhy> {
        if !self.may_connect().await {
            return Err(LostWhy::NotOurs);
        }
        let mut request = self.config.events_url().into_client_request().map_err(|_| LostWhy::Unreachable)?;
        request.headers_mut().insert(AUTHORIZATION, self.config.authorization());
        // The last argument is TCP_NODELAY.
        let connecting = connect_async_with_config(request, Some(limits()), true);
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok((stream, _))) => Ok(stream),
            Ok(Err(tungstenite::Error::Http(answer))) => Err(LostWhy::Refused { status: answer.status().as_u16() }),
            Ok(Err(_)) | Err(_) => Err(LostWhy::Unreachable),
        }
    }

    /// Serves one connection to its end: why it ended, and whether it was reported as connected.
    async fn serve(&self, mut stream: Stream) -> (End, bool) {
        // Reads on while the filter is set; what comes meanwhile belongs after `Connected`.
        let mut early = Vec::new();
        let mut unanswered = 0;
        {
            let mut filter = pin!(self.set_filter());
            loop {
                tokio::select! {
                    set = &mut filter => match set {
                        Ok(()) => break,
                        Err(why) => return (End::Lost(why), false),
                    },
                    message = stream.next() => match self.take(message, &mut unanswered) {
                        Ok(event) if early.len() < CAPACITY => early.extend(event),
                        Ok(_) => {}
                        Err(why) => return (End::Lost(why), false),
                    },
                }
            }
        }
        count(&self.stats.connects);
        self.stats.connected.store(true, Ordering::Relaxed);
        self.feeder.push(SocketEvent::Connected);
        let end = self.read(stream, early, unanswered).await;
        self.stats.connected.store(false, Ordering::Relaxed);
        count(&self.stats.losses);
        (end, true)
    }

    async fn read(&self, mut stream: Stream, early: Vec<Translated>, mut unanswered: u32) -> End {
        for event in early {
            if event == Translated::Replaced {
                return End::Replaced;
            }
            self.push(event);
        }
        let mut canary = Canary::new(rand::random());
        let mut sending: Option<BoxFuture<'_, (u64, Carried)>> = None;
        let mut ticks = interval(PING_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                message = stream.next() => match self.take(message, &mut unanswered) {
                    Ok(Some(Translated::Replaced)) => return End::Replaced,
                    Ok(Some(Translated::Canary(name))) => match canary.heard(&name) {
                        Heard::Ours { sent } => self.came_back(sent),
                        Heard::Nothing => {}
                        Heard::Foreign => self.push(Translated::Canary(name)),
                    },
                    Ok(Some(event)) => self.push(event),
                    Ok(None) => {}
                    Err(why) => return End::Lost(why),
                },
                (number, outcome) = async {
                    match &mut sending {
                        Some(sending) => sending.await,
                        None => std::future::pending().await,
                    }
                } => {
                    sending = None;
                    match outcome {
                        Carried::Done => canary.taken(number, Instant::now()),
                        Carried::Refused { .. } => canary.refused(),
                        // Pings tell whether anybody is there.
                        Carried::NotSent | Carried::Unknown => {}
                    }
                },
                _ = ticks.tick() => {
                    if unanswered >= MISSED_PONGS {
                        return End::Doubtful(LostWhy::Silent, Box::new(stream));
                    }
                    if canary.is_deaf(Instant::now()) {
                        return End::Doubtful(LostWhy::Deaf, Box::new(stream));
                    }
                    unanswered += 1;
                    match timeout(WRITE_TIMEOUT, stream.send(Message::Ping(tungstenite::Bytes::new()))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return End::Lost(LostWhy::Closed),
                        Err(_) => return End::Doubtful(LostWhy::Silent, Box::new(stream)),
                    }
                    if sending.is_none() {
                        let (number, name) = canary.next(Instant::now());
                        sending = Some(async move { (number, self.client.show_life(&name).await) }.boxed());
                    }
                }
            }
        }
    }

    /// A test event of this connection came back.
    fn came_back(&self, sent: Instant) {
        self.stats.canary_came_back();
        self.client.shared.leave.application_held(sent.elapsed());
    }

    /// What one message says. Every message is a sign of life.
    fn take(
        &self,
        message: Option<Result<Message, tungstenite::Error>>,
        unanswered: &mut u32,
    ) -> Result<Option<Translated>, LostWhy> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(tungstenite::Error::Capacity(_))) => return Err(LostWhy::TooLarge),
            Some(Err(tungstenite::Error::Utf8(_))) => {
                count(&self.stats.malformed);
                return Err(LostWhy::Protocol);
            }
            Some(Err(tungstenite::Error::Protocol(fault))) if fault != ResetWithoutClosingHandshake => {
                return Err(LostWhy::Protocol);
            }
            None | Some(Err(_)) => return Err(LostWhy::Closed),
        };
        *unanswered = 0;
        Ok(match message {
            Message::Text(text) => self.understand(&text),
            Message::Binary(_) => {
                count(&self.stats.malformed);
                None
            }
            Message::Close(_) => return Err(LostWhy::Closed),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
        })
    }

    fn understand(&self, text: &str) -> Option<Translated> {
        count(&self.stats.events);
        match translate(text) {
            Ok(event) => {
                if event == Translated::Ignored("unknown") {
                    count(&self.stats.unknown);
                }
                Some(event)
            }
            Err(malformed) => {
                count(&self.stats.malformed);
                tracing::warn!(%malformed, "event skipped");
                None
            }
        }
    }

    fn push(&self, event: Translated) {
        if !self.feeder.push(SocketEvent::Event(event)) {
            count(&self.stats.overflows);
        }
    }

    async fn set_filter(&self) -> Result<(), LostWhy> {
        for attempt in 1.. {
            match self.client.set_event_filter(None).await {
                Ok(()) => break,
                Err(AriError::Refused { status }) if attempt >= FILTER_ATTEMPTS => {
                    // Not worth a floor that stands still: what is not filtered is ignored.
                    tracing::warn!(status, "Asterisk refuses the event filter");
                    break;
                }
                Err(AriError::Refused { .. }) => sleep(FILTER_PAUSE).await,
                Err(AriError::NotSent | AriError::NoAnswer | AriError::Unreadable { .. }) => {
                    return Err(LostWhy::NoRest);
                }
            }
        }
        Ok(())
    }
}

/// How a connection ended.
enum End {
    /// Another client took our application.
    Replaced,
    /// It is gone.
    Lost(LostWhy),
    /// It may stand, and is no good.
    Doubtful(LostWhy, Box<Stream>),
}

fn limits() -> WebSocketConfig {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    config.max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE))
}

/// How long to wait after so many failures in a row; `chance` from 0 to 1 keeps many daemons apart.
fn pause(failures: u32, chance: f64) -> Duration {
    let first = Duration::from_millis(50) + Duration::from_millis(150).mul_f64(chance);
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(BACKOFF_MAX.mul_f64(0.5 + chance / 2.0))
}

#[cfg(test)]
mod tests;
