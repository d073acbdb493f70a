//! One connection: two sockets, and a thread each way that writes what is due.

use crate::Shared;
use crate::faults::mixed;
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Connection {
    pub number: u64,
    pub near: TcpStream,
    pub far: TcpStream,
    pub shared: Arc<Shared>,
    closed: AtomicBool,
    /// Nothing passes any more, and nobody is told.
    abandoned: AtomicBool,
    pieces: AtomicU64,
}

impl Connection {
    pub fn new(number: u64, near: TcpStream, far: TcpStream, shared: Arc<Shared>) -> io::Result<Self> {
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (closed, abandoned) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { number, near, far, shared, closed, abandoned, pieces: AtomicU64::new(0) })
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let _ = (self.near.shutdown(Shutdown::Both), self.far.shutdown(Shutdown::Both));
        self.shared.changed.notify_all();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Waits while nothing may pass. False if nothing ever will.
    fn may_pass(&self) -> bool {
        let mut state = self.shared.lock();
        loop {
            if self.is_closed() || self.abandoned.load(Ordering::Relaxed) {
                return false;
            }
            if !state.is_frozen {
                return true;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// When a piece that came now is to go on.
    fn due(&self) -> Instant {
        let state = self.shared.lock();
        let (latency, jitter) = (state.faults.latency, state.faults.jitter);
        drop(state);
        let turn = self.pieces.fetch_add(1, Ordering::Relaxed);
        let chance = mixed(self.shared.seed ^ (self.number << 32) ^ turn) % 1000;
        Instant::now() + latency + jitter.mul_f64(f64::from(u32::try_from(chance).unwrap_or(0)) / 1000.0)
    }
}

/// One way's end: what is put in comes out in order, when it is due.
pub(crate) struct Outlet {
    connection: Arc<Connection>,
    pieces: mpsc::Sender<(Instant, Vec<u8>)>,
    writer: thread::JoinHandle<()>,
}

impl Outlet {
    /// To the near end.
    pub fn near(connection: &Arc<Connection>) -> io::Result<Self> {
        Ok(Self::new(connection, connection.near.try_clone()?))
    }

    /// To the far end.
    pub fn far(connection: &Arc<Connection>) -> io::Result<Self> {
        Ok(Self::new(connection, connection.far.try_clone()?))
    }

    fn new(connection: &Arc<Connection>, to: TcpStream) -> Self {
        let (pieces, waiting) = mpsc::channel();
        let ours = Arc::clone(connection);
        let writer = thread::spawn(move || write_all(&ours, to, &waiting));
        Self { connection: Arc::clone(connection), pieces, writer }
    }

    pub fn send(&self, bytes: Vec<u8>) {
        // The writer ends with its connection only.
        let _ = self.pieces.send((self.connection.due(), bytes));
    }

    /// Waits until all is written.
    pub fn finish(self) {
        drop(self.pieces);
        let _ = self.writer.join();
    }
}

fn write_all(connection: &Connection, mut to: TcpStream, pieces: &mpsc::Receiver<(Instant, Vec<u8>)>) {
    for (due, bytes) in pieces {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if !connection.may_pass() {
            if connection.is_closed() {
                return;
            }
            continue;
        }
        let slice = connection.shared.lock().faults.slice.unwrap_or(usize::MAX).max(1);
        for part in bytes.chunks(slice) {
            if to.write_all(part).is_err() {
                return connection.close();
            }
            if slice < bytes.len() {
                // So that the other end reads it as a piece of its own.
                thread::sleep(Duration::from_micros(200));
            }
        }
    }
}
