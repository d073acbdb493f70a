//! What is counted on an event socket.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

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
    canary_at: Mutex<Option<Instant>>,
}

impl SocketStats {
    pub(super) fn canary_came_back(&self) {
        *self.canary_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// How long ago a test event came back; none if none ever did.
    pub fn canary_age(&self) -> Option<Duration> {
        self.canary_at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
