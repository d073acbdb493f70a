//! Between the socket's reader and the daemon: a queue that never makes the reader wait.

use super::socket::SocketEvent;
use super::translate::Translated;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Some 12 seconds of the most that one Asterisk was ever measured to send.
pub(super) const CAPACITY: usize = 16 * 1024;

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<SocketEvent>,
    /// The reader is gone.
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reader's end.
#[derive(Debug)]
pub(super) struct Feeder {
    shared: Arc<Shared>,
    capacity: usize,
}

/// The daemon's end: everything that the [`EventSocket`](super::EventSocket) has to say, in order.
#[derive(Debug)]
pub struct SocketEvents {
    shared: Arc<Shared>,
}

/// A queue for so many events.
pub(super) fn queue(capacity: usize) -> (Feeder, SocketEvents) {
    let shared = Arc::new(Shared::default());
    (Feeder { shared: Arc::clone(&shared), capacity }, SocketEvents { shared })
}

impl Feeder {
    /// Puts one event into the queue. If that is full, all events in it are dropped for one
    /// [`SocketEvent::Overflowed`], which stands before all that comes later; what was said about the connection itself
    /// stays. False if so.
    pub fn push(&self, event: SocketEvent) -> bool {
        let mut state = self.shared.lock();
        let is_event = matches!(event, SocketEvent::Event(_));
        let fits = !is_event || state.waiting.len() < self.capacity;
        if !fits {
            state.waiting.retain(|e| !matches!(e, SocketEvent::Event(_) | SocketEvent::Overflowed));
            state.waiting.push_back(SocketEvent::Overflowed);
        } else if !matches!(event, SocketEvent::Event(Translated::Ignored(_))) {
            state.waiting.push_back(event);
        }
        drop(state);
        self.shared.news.notify_one();
        fits
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.news.notify_one();
    }
}

impl SocketEvents {
    /// The next one; none when the socket's task has ended. May be dropped halfway without a loss.
    pub async fn recv(&mut self) -> Option<SocketEvent> {
        loop {
            {
                let mut state = self.shared.lock();
                if let Some(event) = state.waiting.pop_front() {
                    return Some(event);
                }
                if state.closed {
                    return None;
                }
            }
            self.shared.news.notified().await;
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }
}
