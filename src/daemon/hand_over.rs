//! The end of an ownership by our own will: everything is written, and the application is held until the next owner takes it.

use super::driver::Daemon;
use super::task::Task;
use crate::ari::{SocketEvent, SocketEvents};
use crate::core::phase::Phase;
use std::time::Duration;

/// How long the application is held for the next owner.
const HOLD: Duration = Duration::from_secs(3);

impl Daemon {
    /// Whether nothing is being decided, sent or answered: the best moment to hand over.
    pub(super) fn is_idle(&self) -> bool {
        let deciding = self.engine.calls().any(|call| matches!(call.phase(), Phase::Deciding { .. }));
        !deciding && self.waiting.is_empty() && self.dispatch.is_idle() && self.results.is_empty()
    }

    /// Lets go of everything at once, because the node is somebody else's: what is not written is not written any more.
    pub(super) async fn abandon(self) {
        self.trust.end();
        self.writer.abandon().await;
    }

    /// Writes what is not written yet. Nothing more is done then, but our application in Asterisk stands.
    pub(super) async fn end(self) -> Application {
        self.writer.close().await;
        self.trust.end();
        Application { events: self.events, _socket: self.socket }
    }
}

/// Our application in Asterisk, of which nobody takes care. While it stands, calls that come in wait for the next owner
/// instead of hearing that there is no service.
pub(super) struct Application {
    events: SocketEvents,
    _socket: Task,
}

impl Application {
    /// Waits until the next owner takes it.
    pub async fn hold(mut self) {
        let taken = async {
            while let Some(event) = self.events.recv().await {
                if matches!(event, SocketEvent::Replaced | SocketEvent::Lost { .. }) {
                    return;
                }
            }
        };
        if tokio::time::timeout(HOLD, taken).await.is_err() {
            tracing::warn!("no other replica has connected to asterisk yet");
        }
    }
}
