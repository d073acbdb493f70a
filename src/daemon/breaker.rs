//! Whether the database is worth asking. A call that must wait to find out that it is away has waited in vain, and its
//! agent with it: after the first, all others are refused at once, until the [writer](super::writer) has heard an answer
//! and has written all that waited.

use super::status::Status;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Notify;

/// Open: nobody asks. Closed: everybody does. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    status: Arc<Status>,
    tripped: Arc<Notify>,
}

impl Breaker {
    pub fn new(status: Arc<Status>) -> Self {
        Self { status, tripped: Arc::new(Notify::new()) }
    }

    pub fn is_open(&self) -> bool {
        self.status.store_away.load(Ordering::Relaxed)
    }

    /// The database did not answer as it should. The writer looks after it at once, so a mere stumble costs milliseconds.
    pub fn trip(&self) {
        if !self.status.store_away.swap(true, Ordering::Relaxed) {
            self.tripped.notify_one();
        }
    }

    /// Waits for the next trip.
    pub async fn tripped(&self) {
        self.tripped.notified().await;
    }

    /// It answers.
    pub fn close(&self) {
        self.status.postgres.store(true, Ordering::Relaxed);
        self.status.store_away.store(false, Ordering::Relaxed);
    }

    /// It does not. True if that is news.
    pub fn open(&self) -> bool {
        self.status.store_away.store(true, Ordering::Relaxed);
        self.status.postgres.swap(false, Ordering::Relaxed)
    }
}
