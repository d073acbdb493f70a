//! Test events: sent by a request, they must come back on the event socket. Pings prove that somebody is there; these prove
//! that our application's events come to us.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// So long after Asterisk took a test event it must have come back. Measured: 7 ms.
const DEAF_AFTER: Duration = Duration::from_millis(1500);
/// So many refusals in a row say that Asterisk does not know our application.
const REFUSALS: u32 = 2;
/// Further back nothing is remembered: it would prove nothing any more.
const REMEMBERED: usize = 16;

/// What a test event that came proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is none of a daemon's own.
    Foreign,
    /// It is another daemon's, of a connection before, or too old.
    Nothing,
    /// Our application was ours when this was sent.
    Ours {
        /// When.
        sent: Instant,
    },
}

/// The test events of one connection.
#[derive(Debug)]
pub(super) struct Canary {
    /// Tells them from those of other connections and other daemons.
    token: u64,
    next: u64,
    sent: VecDeque<(u64, Instant)>,
    /// The oldest that Asterisk took and that has not come back, and since when.
    awaited: Option<(u64, Instant)>,
    heard: Option<u64>,
    refusals: u32,
}

impl Canary {
    pub fn new(token: u64) -> Self {
        Self { token, next: 0, sent: VecDeque::new(), awaited: None, heard: None, refusals: 0 }
    }

    /// The next one to send; its number and its name.
    pub fn next(&mut self, now: Instant) -> (u64, String) {
        let number = self.next;
        self.next += 1;
        self.sent.push_back((number, now));
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
        (number, format!("cordboard-{:016x}-{number}", self.token))
    }

    /// Asterisk took it. It may have come back already.
    pub fn taken(&mut self, number: u64, now: Instant) {
        self.refusals = 0;
        if self.heard.is_none_or(|heard| heard < number) {
            self.awaited.get_or_insert((number, now));
        }
    }

    /// Asterisk refused it.
    pub fn refused(&mut self) {
        self.refusals += 1;
    }

    /// One of this name came.
    pub fn heard(&mut self, name: &str) -> Heard {
        let Some((token, number)) = parse(name) else { return Heard::Foreign };
        if token != self.token {
            return Heard::Nothing;
        }
        self.heard = self.heard.max(Some(number));
        self.awaited = self.awaited.filter(|(awaited, _)| *awaited > number);
        let sent = self.sent.iter().find(|(sent, _)| *sent == number);
        sent.map_or(Heard::Nothing, |(_, at)| Heard::Ours { sent: *at })
    }

    /// Whether the events of our application do not come any more.
    pub fn is_deaf(&self, now: Instant) -> bool {
        self.refusals >= REFUSALS || self.awaited.is_some_and(|(_, since)| now.duration_since(since) >= DEAF_AFTER)
    }
}

fn parse(name: &str) -> Option<(u64, u64)> {
    let (token, number) = name.strip_prefix("cordboard-")?.split_once('-')?;
    Some((u64::from_str_radix(token, 16).ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_does_not_come_back_in_time_is_deafness_and_what_does_is_none() {
        let began = Instant::now();
        let mut canary = Canary::new(7);
        let (first, name) = canary.next(began);
        canary.taken(first, began + ms(2));
        assert!(!canary.is_deaf(began + ms(1501)));
        assert!(canary.is_deaf(began + ms(1502)));
        assert_eq!(canary.heard(&name), Heard::Ours { sent: began });
        assert!(!canary.is_deaf(began + ms(9000)));
        // The event was faster than the answer to the request.
        let (second, name) = canary.next(began + ms(600));
        assert_eq!(canary.heard(&name), Heard::Ours { sent: began + ms(600) });
        canary.taken(second, began + ms(603));
        assert!(!canary.is_deaf(began + ms(9000)));
    }

    #[test]
    fn one_that_was_lost_is_forgiven_when_a_later_one_comes() {
        let began = Instant::now();
        let mut canary = Canary::new(7);
        let (first, _) = canary.next(began);
        canary.taken(first, began);
        let (second, name) = canary.next(began + ms(600));
        canary.taken(second, began + ms(601));
        canary.heard(&name);
        assert!(!canary.is_deaf(began + ms(9000)));
    }

    #[test]
    fn others_prove_nothing() {
        let began = Instant::now();
        let mut canary = Canary::new(7);
        let (first, _) = canary.next(began);
        canary.taken(first, began);
        let (_, of_another) = Canary::new(8).next(began);
        assert_eq!(canary.heard(&of_another), Heard::Nothing);
        for foreign in ["canary", "cordboard-", "cordboard-x-0", "cordboard-0000000000000007-x", "doorbell-7-0"] {
            assert_eq!(canary.heard(foreign), Heard::Foreign, "{foreign}");
        }
        assert!(canary.is_deaf(began + ms(2000)));
    }

    #[test]
    fn an_application_that_asterisk_does_not_know_is_not_ours() {
        let began = Instant::now();
        let mut canary = Canary::new(7);
        canary.refused();
        assert!(!canary.is_deaf(began));
        canary.refused();
        assert!(canary.is_deaf(began));
    }
}
