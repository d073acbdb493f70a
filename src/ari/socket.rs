//! The event socket: one WebSocket that is only read.

use super::config::AriConfig;
use super::http::{AriClient, AriError};
use super::queue::{CAPACITY, Feeder, SocketEvents, queue};
use super::translate::{Translated, translate};
use futures::{SinkExt, StreamExt};
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The largest message: an event is under 2 KB.
const MAX_MESSAGE: usize = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const PING_EVERY: Duration = Duration::from_secs(1);
/// A ping that cannot even be written within this time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// So many pings without a sign of life, and the peer is dead.
const MISSED_PONGS: u32 = 2;
const BACKOFF_MAX: Duration = Duration::from_secs(5);
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
    /// A message above the limit.
    #[error("a message was too large")]
    TooLarge,
    /// Something else than WebSocket frames came.
    #[error("the peer broke the protocol")]
    Protocol,
}

/// Counters, for the metrics.
#[derive(Debug, Default)]
pub struct SocketStats {
    /// Messages read.
    pub events: AtomicU64,
    /// Messages that could not be read and were skipped.
    pub malformed: AtomicU64,
    /// Events of a type that we do not know.
    pub unknown: AtomicU64,
    /// Times the queue ran over.
    pub overflows: AtomicU64,
    /// Connections made.
    pub connects: AtomicU64,
    /// Connections lost.
    pub losses: AtomicU64,
    /// Whether it stands now.
    pub connected: AtomicBool,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The socket, before it [runs](EventSocket::run).
pub struct EventSocket {
    config: AriConfig,
    client: AriClient,
    feeder: Feeder,
    stats: Arc<SocketStats>,
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
        (Self { config, client, feeder, stats: Arc::clone(&stats) }, events, stats)
    }

    /// Connects, reads and reconnects until another client takes the application. A task of its own, which does nothing
    /// else. To stop it, drop it.
    pub async fn run(self) {
        let mut told = false;
        let mut failures = 0_u32;
        loop {
            let began = Instant::now();
            let (why, was_up) = match self.connect().await {
                Ok(stream) => self.serve(stream).await,
                Err(why) => (Some(why), false),
            };
            let Some(why) = why else {
                self.feeder.push(SocketEvent::Replaced);
                return;
            };
            if was_up || !told {
                tracing::warn!(%why, "event socket lost");
                self.feeder.push(SocketEvent::Lost { why });
            }
            told = true;
            failures = if was_up && began.elapsed() >= STABLE { 0 } else { failures.saturating_add(1) };
            sleep(pause(failures, rand::random_range(0.0..1.0))).await;
        }
    }

    async fn connect(&self) -> Result<Stream, LostWhy> {
        let mut request = self.config.events_url().into_client_request().map_err(|_| LostWhy::Unreachable)?;
        request.headers_mut().insert(AUTHORIZATION, self.config.authorization());
        let limits = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        // The last argument is TCP_NODELAY.
        let connecting = connect_async_with_config(request, Some(limits), true);
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok((stream, _))) => Ok(stream),
            Ok(Err(tungstenite::Error::Http(answer))) => Err(LostWhy::Refused { status: answer.status().as_u16() }),
            Ok(Err(_)) | Err(_) => Err(LostWhy::Unreachable),
        }
    }

    /// Serves one connection to its end: why it ended (none: replaced), and whether it was reported as connected.
    async fn serve(&self, mut stream: Stream) -> (Option<LostWhy>, bool) {
        // Reads on while the filter is set; what comes meanwhile belongs after `Connected`.
        let mut early = Vec::new();
        let mut unanswered = 0;
        {
            let mut filter = pin!(self.set_filter());
            loop {
                tokio::select! {
                    set = &mut filter => match set {
                        Ok(()) => break,
                        Err(why) => return (Some(why), false),
                    },
                    message = stream.next() => match self.take(message, &mut unanswered) {
                        Ok(event) if early.len() < CAPACITY => early.extend(event),
                        Ok(_) => {}
                        Err(why) => return (Some(why), false),
                    },
                }
            }
        }
        count(&self.stats.connects);
        self.stats.connected.store(true, Ordering::Relaxed);
        self.feeder.push(SocketEvent::Connected);
        let why = self.read(stream, early, unanswered).await;
        self.stats.connected.store(false, Ordering::Relaxed);
        count(&self.stats.losses);
        (why, true)
    }

    async fn read(&self, mut stream: Stream, early: Vec<Translated>, mut unanswered: u32) -> Option<LostWhy> {
        for event in early {
            if event == Translated::Replaced {
                return None;
            }
            self.push(event);
        }
        let mut ticks = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                message = stream.next() => match self.take(message, &mut unanswered) {
                    Ok(Some(Translated::Replaced)) => return None,
                    Ok(Some(event)) => self.push(event),
                    Ok(None) => {}
                    Err(why) => return Some(why),
                },
                _ = ticks.tick() => {
                    if unanswered >= MISSED_PONGS {
                        return Some(LostWhy::Silent);
                    }
                    unanswered += 1;
                    match timeout(WRITE_TIMEOUT, stream.send(Message::Ping(tungstenite::Bytes::new()))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return Some(LostWhy::Closed),
                        Err(_) => return Some(LostWhy::Silent),
                    }
                }
            }
        }
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
            match self.client.set_event_filter().await {
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

/// How long to wait after so many failures in a row; `chance` from 0 to 1 keeps many daemons apart.
fn pause(failures: u32, chance: f64) -> Duration {
    let first = Duration::from_millis(50) + Duration::from_millis(150).mul_f64(chance);
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(BACKOFF_MAX.mul_f64(0.5 + chance / 2.0))
}

#[cfg(test)]
mod tests;
