//! A TCP proxy that breaks what passes through it, on purpose and from a seed.
//!
//! Of the network: latency, jitter, slices, cuts, black holes and half-open connections. Of what is said: a reply that is
//! lost, held back or doubled, a request that never arrives, an invented status, an event that is lost or doubled, a
//! connection that ends right after COMMIT was sent. It understands of HTTP/1.1, WebSocket and Postgres just what that
//! takes. It has threads of its own and needs no runtime; everything it did is in its [log](Proxy::log).

#![forbid(unsafe_code)]

mod connection;
mod faults;
mod http;
mod pipe;
mod postgres;
mod websocket;

pub use faults::{Faults, On, Rule, What};

use connection::Connection;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// What the two ends speak, as far as the proxy cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Anything: bytes pass as they come.
    Bytes,
    /// HTTP/1.1, and WebSocket after an upgrade.
    Ari,
    /// Postgres, its frontend side.
    Postgres,
}

/// Passes TCP connections on to one address. It lives as long as the process.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

/// Something that the proxy did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Since the proxy began.
    pub at: Duration,
    /// Which connection, from 1; 0 is all.
    pub connection: u64,
    /// What.
    pub what: String,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    seed: u64,
    state: Mutex<State>,
    /// Thawed, cut or closed.
    changed: Condvar,
    connections: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    /// How often each rule was asked, and how often it struck.
    asked: Vec<(u64, u64)>,
    is_cut: bool,
    is_frozen: bool,
    open: Vec<Weak<Connection>>,
    log: Vec<Entry>,
    orders: Vec<String>,
}

impl Proxy {
    /// One that passes bytes as they come.
    pub fn before(target: SocketAddr) -> Self {
        Self::new(target, Speaks::Bytes, 0)
    }

    /// One that understands what is spoken, and decides by this seed.
    pub fn new(target: SocketAddr, speaks: Speaks, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            began: Instant::now(),
            seed,
            state: Mutex::default(),
            changed: Condvar::new(),
            connections: AtomicU64::new(0),
        });
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let shared = Arc::clone(&ours);
                // Connecting may wait, and the next one must not wait with it.
                thread::spawn(move || shared.accept(near, target, speaks));
            }
        });
        Self { addr, shared }
    }

    /// From now on this goes wrong. Rules begin to count anew.
    pub fn set(&self, faults: Faults) {
        let mut state = self.shared.lock();
        state.asked = vec![(0, 0); faults.rules.len()];
        state.faults = faults;
    }

    /// How often each rule struck since [`Proxy::set`].
    pub fn struck(&self) -> Vec<u64> {
        self.shared.lock().asked.iter().map(|(_, struck)| *struck).collect()
    }

    /// Closes every connection, and every new one at once until [`Proxy::mend`].
    pub fn cut(&self) {
        self.shared.lock().is_cut = true;
        self.shared.say(0, "cut");
        self.close_all();
    }

    /// Closes every connection once; new ones are welcome.
    pub fn reset(&self) {
        self.shared.say(0, "reset");
        self.close_all();
    }

    /// A black hole: connections stay and nothing passes, either way, until [`Proxy::mend`]. Then all of it does.
    pub fn freeze(&self) {
        self.shared.lock().is_frozen = true;
        self.shared.say(0, "frozen");
    }

    /// Nothing passes on the connections of now any more, ever, and neither end is told. New ones are not concerned.
    pub fn half_open(&self) {
        self.shared.say(0, "half open");
        for connection in self.shared.open() {
            connection.abandon();
        }
        self.shared.changed.notify_all();
    }

    /// Ends what [`Proxy::cut`] and [`Proxy::freeze`] began.
    pub fn mend(&self) {
        let mut state = self.shared.lock();
        (state.is_cut, state.is_frozen) = (false, false);
        drop(state);
        self.shared.say(0, "mended");
        self.shared.changed.notify_all();
    }

    /// Everything that it did, in order.
    pub fn log(&self) -> Vec<Entry> {
        self.shared.lock().log.clone()
    }

    /// Method and path of every request so far that was to change something in Asterisk, test events aside, in order. Told
    /// by one that speaks [`Speaks::Ari`].
    pub fn orders(&self) -> Vec<String> {
        self.shared.lock().orders.clone()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.open().len()
    }

    fn close_all(&self) {
        for connection in self.shared.open() {
            connection.close();
        }
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Vec<Arc<Connection>> {
        let mut state = self.lock();
        state.open.retain(|connection| connection.upgrade().is_some_and(|connection| !connection.is_closed()));
        state.open.iter().filter_map(Weak::upgrade).collect()
    }

    fn ordered(&self, order: String) {
        self.lock().orders.push(order);
    }

    fn say(&self, connection: u64, what: impl Into<String>) {
        let entry = Entry { at: self.began.elapsed(), connection, what: what.into() };
        self.lock().log.push(entry);
    }

    fn accept(self: &Arc<Self>, near: TcpStream, target: SocketAddr, speaks: Speaks) {
        // While it is frozen nobody is let through to the other end either.
        let mut state = self.lock();
        while state.is_frozen && !state.is_cut {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let refused = state.is_cut;
        drop(state);
        if refused {
            return;
        }
        let Ok(far) = TcpStream::connect(target) else { return };
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok(connection) = Connection::new(number, near, far, Arc::clone(self)) else { return };
        let connection = Arc::new(connection);
        self.lock().open.push(Arc::downgrade(&connection));
        match speaks {
            Speaks::Bytes => pipe::run(&connection),
            Speaks::Ari => http::run(&connection),
            Speaks::Postgres => postgres::run(&connection),
        }
    }

    /// Whether one of the rules for this strikes, and what it does.
    fn fate(&self, connection: u64, on: &dyn Fn(&On) -> bool, about: &str) -> Option<What> {
        let mut state = self.lock();
        let State { faults, asked, .. } = &mut *state;
        let mut fate = None;
        for (index, (rule, (times, struck))) in faults.rules.iter().zip(asked).enumerate() {
            if !on(&rule.on) {
                continue;
            }
            *times += 1;
            let left = rule.at_most.is_none_or(|most| *struck < most);
            if fate.is_none() && left && faults::chance(self.seed, index, *times, rule.permille) {
                *struck += 1;
                fate = Some(rule.what);
            }
        }
        drop(state);
        if let Some(what) = fate {
            self.say(connection, format!("{what:?}: {about}"));
        }
        fate
    }
}
