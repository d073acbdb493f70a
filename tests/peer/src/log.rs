//! The witness: every message that crossed the socket.

use crate::error::PeerError;
use crate::message::Message;
use crate::shared::locked;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};

/// Which way a message went, seen from the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer sent it.
    Sent,
    /// The peer received it.
    Received,
}

/// One message on the wire. Its SIP fields are those of [`Message`], by dereference:
/// `entry.from_user()`, `entry.pai_user()`, `entry.uri_user()`, `entry.header("X-Call-Id")`, `entry.reason_cause()`.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Monotonic time, ns of [`crate::now_ns`].
    pub at_ns: u64,
    /// Wall-clock time.
    pub wall: SystemTime,
    /// Which way.
    pub direction: Direction,
    /// The other end.
    pub remote: SocketAddr,
    /// Byte for byte the same as an earlier one in this direction: a retransmission.
    pub repeat: bool,
    /// The datagram.
    pub text: Arc<str>,
    /// The datagram, parsed.
    pub message: Arc<Message>,
}

impl Entry {
    /// Whether the peer received it.
    pub fn received(&self) -> bool {
        self.direction == Direction::Received
    }

    /// Whether it is a request of this method.
    pub fn is(&self, method: &str) -> bool {
        self.method() == Some(method)
    }
}

impl Deref for Entry {
    type Target = Message;
    fn deref(&self) -> &Message {
        &self.message
    }
}

/// One human line: `→ INVITE sip:1555@127.0.0.1:25060`, `← 180 Ringing (INVITE)`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.received() { "← " } else { "→ " })?;
        if let (Some(method), Some(uri)) = (self.method(), self.uri()) {
            write!(f, "{method} {uri}")?;
            if method == "INVITE" {
                write!(f, " from {}", self.from_user().unwrap_or("?"))?;
            }
        } else {
            let line = self.text.lines().next().unwrap_or_default();
            let method = self.cseq().map_or("?", |(_, method)| method);
            write!(f, "{} ({method})", line.trim_start_matches("SIP/2.0 "))?;
        }
        if let Some(cause) = self.reason_cause() {
            write!(f, " cause {cause}")?;
        }
        if self.repeat { f.write_str(" (again)") } else { Ok(()) }
    }
}

#[derive(Default)]
struct Store {
    entries: VecDeque<Arc<Entry>>,
    seen: HashSet<u64>,
    malformed: u64,
    taps: Vec<mpsc::UnboundedSender<Arc<Entry>>>,
}

struct Inner {
    store: Mutex<Store>,
    capacity: usize,
    hasher: RandomState,
    changed: watch::Sender<u64>,
}

/// Live view of a peer's messages; clones see the same log.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

impl Log {
    pub(crate) fn new(capacity: usize) -> Self {
        let changed = watch::Sender::new(0);
        Self(Arc::new(Inner { store: Mutex::default(), capacity, hasher: RandomState::new(), changed }))
    }

    pub(crate) fn add(
        &self,
        at_ns: u64,
        direction: Direction,
        remote: SocketAddr,
        text: Arc<str>,
        message: Arc<Message>,
    ) -> Arc<Entry> {
        let wall = SystemTime::now();
        let hash = self.0.hasher.hash_one((direction, remote, &text));
        let mut store = locked(&self.0.store);
        let repeat = !store.seen.insert(hash);
        let entry = Arc::new(Entry { at_ns, wall, direction, remote, repeat, text, message });
        store.taps.retain(|tap| tap.send(entry.clone()).is_ok());
        if store.entries.len() >= self.0.capacity {
            store.entries.pop_front();
        }
        store.entries.push_back(entry.clone());
        drop(store);
        self.0.changed.send_modify(|n| *n += 1);
        entry
    }

    /// All messages held, oldest first.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        locked(&self.0.store).entries.iter().cloned().collect()
    }

    /// The messages that satisfy `test`, oldest first.
    pub fn filter(&self, test: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        locked(&self.0.store).entries.iter().filter(|e| test(e)).cloned().collect()
    }

    /// Initial INVITEs received, retransmissions left out: the calls that reached this peer.
    pub fn invites(&self) -> Vec<Arc<Entry>> {
        self.filter(|e| e.received() && !e.repeat && e.is("INVITE") && e.to_tag().is_none())
    }

    /// Initial INVITEs received for this dialled user.
    pub fn invites_to(&self, user: &str) -> Vec<Arc<Entry>> {
        let mut invites = self.invites();
        invites.retain(|e| e.uri_user() == Some(user));
        invites
    }

    /// The messages of one call.
    pub fn by_call_id(&self, call_id: &str) -> Vec<Arc<Entry>> {
        self.filter(|e| e.call_id() == call_id)
    }

    /// Requests of this method in this direction, retransmissions left out.
    pub fn count(&self, direction: Direction, method: &str) -> usize {
        locked(&self.0.store).entries.iter().filter(|e| e.direction == direction && !e.repeat && e.is(method)).count()
    }

    /// Last final status of the call's INVITE, 401 and 407 included if nothing followed.
    pub fn final_status(&self, call_id: &str) -> Option<u16> {
        let store = locked(&self.0.store);
        let mut finals = store
            .entries
            .iter()
            .filter(|e| e.call_id() == call_id && e.cseq().is_some_and(|(_, method)| method == "INVITE"));
        finals.rfind(|e| e.status().is_some_and(|s| s >= 200)).and_then(|e| e.status())
    }

    /// Datagrams received that are not SIP; they are counted and nothing else.
    pub fn malformed(&self) -> u64 {
        locked(&self.0.store).malformed
    }

    pub(crate) fn add_malformed(&self) {
        locked(&self.0.store).malformed += 1;
        self.0.changed.send_modify(|n| *n += 1);
    }

    /// A stream of every message from now on.
    pub fn tap(&self) -> mpsc::UnboundedReceiver<Arc<Entry>> {
        let (tap, stream) = mpsc::unbounded_channel();
        locked(&self.0.store).taps.push(tap);
        stream
    }

    /// Waits until `look` finds something, looking again after every message; `what` names it in the error.
    pub async fn wait_for<T>(
        &self,
        what: &'static str,
        within: Duration,
        look: impl Fn(&Self) -> Option<T>,
    ) -> Result<T, PeerError> {
        let mut changed = self.0.changed.subscribe();
        let search = async {
            loop {
                if let Some(found) = look(self) {
                    return Ok(found);
                }
                changed.changed().await.map_err(|_| PeerError::Closed)?;
            }
        };
        tokio::time::timeout(within, search).await.map_err(|_| PeerError::Timeout(what))?
    }

    /// Writes everything held as plain text: one line of facts per message, then the message, indented.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PeerError> {
        use std::io::Write as _;
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for entry in self.entries() {
            let wall = entry.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            writeln!(file, "{} {}.{:06} {} {entry}", entry.at_ns, wall.as_secs(), wall.subsec_micros(), entry.remote)?;
            for line in entry.text.lines() {
                writeln!(file, "    {line}")?;
            }
        }
        file.flush()?;
        Ok(())
    }

    /// Empties the log; for long runs between two measurements.
    pub fn clear(&self) {
        let mut store = locked(&self.0.store);
        store.entries.clear();
        store.seen.clear();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries().iter().map(ToString::to_string)).finish()
    }
}
