//! Signs of life in Asterisk: whether somebody has our application cannot be asked. It stays while calls are in it, also
//! when its owner is gone. So who has it writes the name of each test event into the application's event filter, where
//! others can read it: a name that stays the same is nobody's.

use std::time::Duration;
use tokio::time::Instant;

/// So long the same, and whoever wrote it is dead, frozen, or cannot reach Asterisk. More than three of its test events.
const DEAD_AFTER: Duration = Duration::from_millis(2500);

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Beat(Option<(Option<String>, Instant)>);

impl Beat {
    /// The application is there, with this name in its filter. True if it is known to be nobody's.
    pub fn is_nobodys(&mut self, name: Option<String>, now: Instant) -> bool {
        match &self.0 {
            Some((before, since)) if *before == name => now.duration_since(*since) >= DEAD_AFTER,
            Some(_) | None => {
                self.0 = Some((name, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_changes_is_somebodys_and_one_that_stays_is_nobodys() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let name = |n: u32| Some(format!("cordboard-07-{n}"));
        let mut beat = Beat::default();
        for n in 0..10 {
            assert!(!beat.is_nobodys(name(n), at(u64::from(n) * 600)));
        }
        assert!(!beat.is_nobodys(name(9), at(5400 + 2499)));
        assert!(beat.is_nobodys(name(9), at(5400 + 2500)));
        assert!(!beat.is_nobodys(name(10), at(8000)), "it was only slow");
        // Somebody who writes none may be there, or not.
        assert!(!beat.is_nobodys(None, at(9000)));
        assert!(beat.is_nobodys(None, at(11_500)));
    }
}
