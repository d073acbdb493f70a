//! One node as the rest of the process sees it, whether it is ours or not.

use super::clock;
use super::handle::Handle;
use super::lease::LeaseStats;
use super::status::Status;
use crate::ari::{AriClient, SocketStats};
use crate::core::ids::NodeName;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A node.
#[derive(Debug)]
pub struct Line {
    /// Its name.
    pub name: NodeName,
    /// Its share of the calls that are asked for.
    pub weight: u32,
    /// How its loop is.
    pub status: Arc<Status>,
    /// How its lease is.
    pub lease: Arc<LeaseStats>,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    open: Option<Open>,
    socket: Option<Arc<SocketStats>>,
    /// Another replica that owns it, as last seen.
    owner: Option<String>,
}

/// The doors to a node that is ours.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub handle: Handle,
    pub client: AriClient,
}

impl Line {
    pub(super) fn new(name: NodeName, weight: u32) -> Self {
        Self { name, weight, status: Arc::default(), lease: Arc::default(), now: Mutex::default() }
    }

    pub(super) fn open(&self, open: Open, socket: Arc<SocketStats>) {
        // It turns from now on.
        self.status.last_turn_ms.store(clock::now().as_millisecond(), Ordering::Relaxed);
        *self.lock() = Now { open: Some(open), socket: Some(socket), owner: None };
    }

    /// It is not ours any more.
    pub(super) fn close(&self) {
        self.lock().open = None;
        self.status.asterisk.store(false, Ordering::Relaxed);
        for gauge in [&self.status.open_calls, &self.status.unwritten, &self.status.journaled] {
            gauge.store(0, Ordering::Relaxed);
        }
        self.status.forget_checks();
    }

    pub(super) fn owned_by(&self, owner: &str) {
        self.lock().owner = Some(owner.to_owned());
    }

    pub(super) fn doors(&self) -> Option<Open> {
        self.lock().open.clone()
    }

    /// Whether this replica owns it.
    pub fn is_ours(&self) -> bool {
        self.lock().open.is_some()
    }

    /// The replica that owns it, if another does.
    pub fn owner(&self) -> Option<String> {
        self.lock().owner.clone()
    }

    /// What was counted on its event socket since this replica owns it.
    pub fn socket(&self) -> Option<Arc<SocketStats>> {
        self.lock().socket.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
