//! What the process tells its nodes.

use crate::config::Config;
use std::sync::Arc;

/// The newest of each; a node that was busy misses none.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    /// The settings in force.
    pub config: Arc<Config>,
    /// Whether to stop.
    pub stop: Stop,
}

/// Whether to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// Not.
    No,
    /// Hand over; without another replica, take no new calls and stop when the last has ended.
    WhenDone,
    /// At once.
    Now,
}
