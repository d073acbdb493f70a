//! What the socket task and the call tasks of one peer share.

use crate::call::{Core, Progress};
use crate::clock::now_ns;
use crate::config::PeerConfig;
use crate::dialog::reply;
use crate::leg::{Input, Leg};
use crate::log::{Direction, Entry, Log};
use crate::message::Message;
use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc, watch};

/// Incoming calls kept for `next_incoming`; beyond it the oldest is forgotten.
const INCOMING: usize = 1024;

/// The lock, also after a panic elsewhere: the data are counters and logs.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A dialog, named by whose tag is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// By the tag this peer chose.
    Local(String, String),
    /// By the tag of the caller, for requests without To tag.
    Remote(String, String),
}

/// A live leg, as the socket task sees it.
pub(crate) struct Route {
    pub(crate) inbox: mpsc::UnboundedSender<Input>,
    pub(crate) progress: watch::Receiver<Progress>,
}

pub(crate) struct Shared {
    pub(crate) config: PeerConfig,
    pub(crate) addr: SocketAddr,
    pub(crate) log: Log,
    socket: UdpSocket,
    /// Serves the SDP of all calls when RTP is off; never read.
    sink: Option<UdpSocket>,
    pub(crate) legs: Mutex<HashMap<Key, Route>>,
    pub(crate) transactions: Mutex<HashMap<String, mpsc::UnboundedSender<Arc<Entry>>>>,
    pub(crate) incoming: Mutex<VecDeque<Core>>,
    pub(crate) arrived: Notify,
    pub(crate) closed: watch::Receiver<()>,
}

/// Keeps the peer's tasks alive; the last one dropped ends them.
pub(crate) struct Guard {
    pub(crate) shared: Arc<Shared>,
    pub(crate) _open: watch::Sender<()>,
}

impl Shared {
    pub(crate) fn new(config: PeerConfig, socket: UdpSocket, closed: watch::Receiver<()>) -> std::io::Result<Self> {
        let addr = socket.local_addr()?;
        let sink = if config.rtp { None } else { Some(UdpSocket::bind((addr.ip(), 0))?) };
        Ok(Self {
            log: Log::new(config.log_capacity.max(1)),
            config,
            addr,
            socket,
            sink,
            legs: Mutex::default(),
            transactions: Mutex::default(),
            incoming: Mutex::default(),
            arrived: Notify::new(),
            closed,
        })
    }

    pub(crate) fn sink_addr(&self) -> Option<SocketAddr> {
        self.sink.as_ref().and_then(|s| s.local_addr().ok())
    }

    /// Sends and logs. A datagram the kernel refuses is lost, like any other; SIP repeats it.
    pub(crate) fn send(&self, message: Message, remote: SocketAddr) -> Arc<Entry> {
        let text: Arc<str> = message.to_text().into();
        self.put(text, Arc::new(message), remote)
    }

    /// Sends the same bytes again.
    pub(crate) fn resend(&self, entry: &Entry) {
        self.put(entry.text.clone(), entry.message.clone(), entry.remote);
    }

    fn put(&self, text: Arc<str>, message: Arc<Message>, remote: SocketAddr) -> Arc<Entry> {
        let at = now_ns();
        let _ = self.socket.send_to(text.as_bytes(), remote);
        self.log.add(at, Direction::Sent, remote, text, message)
    }

    /// One datagram received.
    pub(crate) fn received(self: &Arc<Self>, at: u64, bytes: &[u8], remote: SocketAddr) {
        let text = String::from_utf8_lossy(bytes);
        if text.trim().is_empty() {
            return; // keep-alive
        }
        let Ok(message) = Message::parse(&text) else {
            return self.log.add_malformed();
        };
        let entry = self.log.add(at, Direction::Received, remote, text.into(), Arc::new(message));
        if entry.status().is_some() {
            self.response(entry);
        } else {
            self.request(&entry);
        }
    }

    fn response(&self, entry: Arc<Entry>) {
        let key = Key::Local(entry.call_id().to_owned(), entry.from_tag().unwrap_or_default().to_owned());
        if let Some(leg) = locked(&self.legs).get(&key) {
            let _ = leg.inbox.send(Input::Message(entry));
        } else if let Some(waiting) = entry.branch().and_then(|b| locked(&self.transactions).get(b).cloned()) {
            let _ = waiting.send(entry);
        }
    }

    fn request(self: &Arc<Self>, entry: &Arc<Entry>) {
        let call_id = entry.call_id().to_owned();
        let inside = entry.to_tag().is_some();
        let key = match (entry.to_tag(), entry.from_tag()) {
            (Some(tag), _) => Key::Local(call_id, tag.to_owned()),
            (None, tag) => Key::Remote(call_id, tag.unwrap_or_default().to_owned()),
        };
        if let Some(leg) = locked(&self.legs).get(&key) {
            let _ = leg.inbox.send(Input::Message(entry.clone()));
            return;
        }
        let status = match entry.method().unwrap_or_default() {
            "INVITE" if !inside => return Leg::answering(self, entry),
            "ACK" => return,
            "OPTIONS" | "NOTIFY" => 200,
            "INVITE" | "CANCEL" | "BYE" | "UPDATE" | "INFO" | "PRACK" => 481,
            _ if inside => 481,
            _ => 405,
        };
        self.send(reply(entry, status, Some("stateless")), entry.remote);
    }

    pub(crate) fn offer_incoming(&self, core: Core) {
        let mut queue = locked(&self.incoming);
        if queue.len() >= INCOMING {
            queue.pop_front();
        }
        queue.push_back(core);
        self.arrived.notify_one();
    }
}
