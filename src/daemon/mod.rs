//! The shell: the only place that spawns, sleeps or asks the time. One task owns the [`Engine`](crate::core::engine::Engine)
//! and everything else feeds it or works for it.
//!
//! ```text
//! events of Asterisk ──┐                                                    ┌─► journal, while Postgres is away
//! ends of commands ────┼─► driver: engine.step(input, now) ─► facts    ─► writer   ─► Postgres
//! requests of the API ─┘                                   └► commands ─► dispatch ─► Asterisk
//!                                                                       └► admit    ─► Postgres
//! ```
//!
//! Each of the three has its own lane, so that none can block another: the ends of commands are bounded by the commands
//! under way, the API lane is short and answers "busy" when it is full, and the events have a queue whose overflow is a
//! resync.

mod accounts;
mod admit;
mod backlog;
mod breaker;
mod clock;
mod courier;
mod directory;
mod dispatch;
mod driver;
mod early;
mod feed;
mod hand_out;
mod hand_over;
mod handle;
mod inspector;
mod lease;
mod left;
mod lifecycle;
mod line;
mod node;
mod orders;
mod process;
mod restore;
mod resync;
mod spread;
mod status;
mod switchboard;
mod task;
mod writer;

pub use admit::{Rules, decide};
pub use courier::{Courier, CourierStats, CourierThread};
pub use driver::{Ended, Trouble};
pub use feed::{Batch, Feed, FeedTerms, Full, Seat};
pub use handle::Busy;
pub use inspector::watch_clocks;
pub use lease::{Alive, LeaseStats, Replica, Terms, this_process};
pub use lifecycle::{Notifier, Signal, signals};
pub use line::Line;
pub use process::{Parts, Process};
pub use status::{Health, JournalCounts, Looked, NodeHealth, Status};
pub use switchboard::{Switchboard, Unserved};

use crate::core::input::Input;
use tokio::sync::mpsc;

/// The lane on which the ends of commands come back.
#[derive(Clone, Debug)]
pub(crate) struct Lane(mpsc::UnboundedSender<Input>);

impl Lane {
    /// Tells the loop something. When the loop is gone nobody needs to hear it.
    pub fn tell(&self, input: Input) {
        let _ = self.0.send(input);
    }
}
