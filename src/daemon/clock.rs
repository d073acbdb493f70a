//! The one place that asks the time.

use jiff::Timestamp;

/// Wall time that never runs backwards, for facts and deadlines alike: a monotonic clock does not survive a restart, and
/// a wall clock may be set back.
#[derive(Debug)]
pub struct Clock {
    latest: Timestamp,
}

impl Default for Clock {
    fn default() -> Self {
        Self { latest: Timestamp::now() }
    }
}

impl Clock {
    /// The time, or the latest time that was ever told if the wall clock was set back since.
    pub fn now(&mut self) -> Timestamp {
        self.latest = self.latest.max(Timestamp::now());
        self.latest
    }
}
