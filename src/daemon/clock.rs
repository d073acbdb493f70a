//! The one place that asks the time.

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The time in whole milliseconds, as Asterisk tells it: finer times would only be lost on their way through the database.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Time since the system booted. Nobody sets it, and it goes on while this process is frozen or the machine sleeps.
pub(super) fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// Wall time that never runs backwards, for facts and deadlines alike: a monotonic clock does not survive a restart, and
/// a wall clock may be set back.
#[derive(Debug)]
pub(super) struct Clock {
    latest: Timestamp,
}

impl Default for Clock {
    fn default() -> Self {
        Self { latest: now() }
    }
}

impl Clock {
    /// The time, or the latest time that was ever told if the wall clock was set back since.
    pub fn now(&mut self) -> Timestamp {
        self.latest = self.latest.max(now());
        self.latest
    }
}
