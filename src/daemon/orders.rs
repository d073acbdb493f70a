//! What the process tells its nodes.

use super::admit::Rules;
use super::driver::Daemon;
use crate::config::Config;
use crate::core::input::Input;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A handover waits so long for what is being decided or sent; the next owner copes with the rest as after a crash.
const HAND_OVER: Duration = Duration::from_millis(500);

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

impl Daemon {
    pub(super) fn obey(&mut self, orders: &mut watch::Receiver<Orders>) {
        let Orders { config, stop } = orders.borrow_and_update().clone();
        if !Arc::ptr_eq(&config, &self.config) {
            self.engine.set_settings(config.engine_settings());
            self.admitter.set_rules(Rules::of(&config));
            self.status.emergency_route.store(config.emergency.is_some(), Ordering::Relaxed);
            self.emergency.clone_from(&config.emergency);
            self.config = config;
        }
        match stop {
            Stop::No => {}
            Stop::WhenDone if self.stop_at.is_some() || self.hand_over_at.is_some() => {}
            Stop::WhenDone if self.standby.load(Ordering::Relaxed) => {
                tracing::info!(node = %self.node, open_calls = self.engine.open_calls(), "handing over to another replica");
                self.hand_over_at = Some(Instant::now() + HAND_OVER);
            }
            Stop::WhenDone => {
                let open_calls = self.engine.open_calls();
                tracing::info!(node = %self.node, open_calls, "no new calls; stopping when the last has ended");
                self.status.draining.store(true, Ordering::Relaxed);
                self.stop_at = Some(Instant::now() + self.config.shutdown.drain_timeout);
                self.step(Input::Drain);
            }
            Stop::Now => self.stop_at = Some(Instant::now()),
        }
    }
}
