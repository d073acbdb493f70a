//! Signs of life in Asterisk: whether somebody has our application cannot be asked. It stays while calls are in it, also
//! when its owner is gone. So who has it writes the name of each test event into the application's event filter, where
//! others can read it: a name that stays the same is nobody's.

use super::http::{AriClient, AriError};
use crate::core::input::Carried;
use std::sync::{Mutex, PoisonError};
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

impl AriClient {
    /// Whether nobody has our application, as far as that can be told.
    pub(super) async fn is_free(&self, beat: &Mutex<Beat>) -> bool {
        match self.application().await {
            Err(AriError::Refused { status: 404 }) => true,
            Ok(there) => {
                let mut beat = beat.lock().unwrap_or_else(PoisonError::into_inner);
                beat.is_nobodys(there.beat(), Instant::now())
            }
            Err(_) => false,
        }
    }

    /// Sends a test event, and leaves its name where others look for a sign of life.
    pub(super) async fn show_life(&self, name: &str) -> Carried {
        let (sent, left) = futures::join!(self.send_canary(name), self.set_event_filter(Some(name)));
        if let Err(error) = left {
            tracing::debug!(%error, "no sign of life could be left");
        }
        sent
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
