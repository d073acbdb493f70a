//! Whether what the daemon needs is there and as it must be. `cordboard doctor` shows all of it; the daemon asks the part
//! about a node each time it connects, and places no calls on a node with a finding that [blocks](Finding::blocks).
//!
//! A check never hangs: every question has a time limit, and one that cannot be asked is a finding too.

mod exposure;
mod finding;
mod floor;
mod node;
mod postgres;
mod reach;

pub use exposure::exposure;
pub use finding::{Finding, Level, worst};
pub use floor::{accounts, daemon, emergency, event_socket, trunks};
pub use node::{REACHABLE, SAFETY_NET, dialplan, node};
pub use postgres::{clock_and_zones, postgres};

use jiff::{SignedDuration, Timestamp};

/// More than this between two clocks is told.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(1);

/// What a clock showed that was read between two moments of ours: how far it is from ours, if that is more than reading
/// it took.
fn apart(before: Timestamp, read: Timestamp, after: Timestamp) -> SignedDuration {
    if read < before {
        before.duration_since(read)
    } else if read > after {
        read.duration_since(after)
    } else {
        SignedDuration::ZERO
    }
}

/// `1.250 s`
fn seconds(time: SignedDuration) -> String {
    format!("{}.{:03} s", time.as_secs(), time.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_apart_only_by_what_reading_it_does_not_explain() {
        let at = |ms| Timestamp::from_millisecond(ms).expect("a time");
        assert_eq!(apart(at(1000), at(1500), at(2000)), SignedDuration::ZERO);
        assert_eq!(seconds(apart(at(1000), at(900), at(2000))), "0.100 s");
        assert_eq!(seconds(apart(at(1000), at(4250), at(2000))), "2.250 s");
    }
}
