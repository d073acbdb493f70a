//! The timers of one call.

use crate::log::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// SIP T1: the first retransmission interval.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// SIP T2: the longest retransmission interval, other than of INVITE.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// 64 T1: when a transaction is given up.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(32);
/// How long a call that is over still answers retransmissions.
pub(crate) const LINGER: Duration = Duration::from_secs(10);

/// What is repeated until the other side reacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// A request of ours, by branch and method.
    Response(String, String),
    /// A final response of ours to the INVITE of this `CSeq`.
    Ack(u32),
}

#[derive(Debug)]
pub(crate) enum Due {
    /// The other side never reacted.
    Lost(Waiting),
    /// The ringing time is over.
    Rung,
    /// The talking time is over.
    Talked,
    /// A cancelled call got no final response.
    Abandoned,
    /// Nothing more is expected.
    Forget,
}

#[derive(Debug)]
struct Resend {
    waiting: Waiting,
    entry: Arc<Entry>,
    at: Instant,
    interval: Duration,
    give_up: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    resends: Vec<Resend>,
    once: Vec<(Instant, Due)>,
}

impl Timers {
    pub(crate) fn after(&mut self, delay: Duration, due: Due) {
        self.once.push((Instant::now() + delay, due));
    }

    pub(crate) fn repeat(&mut self, waiting: Waiting, entry: Arc<Entry>) {
        let now = Instant::now();
        self.resends.push(Resend { waiting, entry, at: now + T1, interval: T1, give_up: now + GIVE_UP });
    }

    /// No more repetitions of it; whether there were any to stop.
    pub(crate) fn stop(&mut self, waiting: &Waiting) -> bool {
        let before = self.resends.len();
        self.resends.retain(|r| r.waiting != *waiting);
        self.resends.len() < before
    }

    /// The call is over: only what must still arrive is repeated, and then all is forgotten.
    pub(crate) fn wind_up(&mut self, linger: Duration) {
        self.once.clear();
        self.after(linger, Due::Forget);
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let once = self.once.iter().map(|(at, _)| *at);
        self.resends.iter().map(|r| r.at.min(r.give_up)).chain(once).min()
    }

    /// What is due now: messages to send again, and events.
    pub(crate) fn due(&mut self) -> (Vec<Arc<Entry>>, Vec<Due>) {
        let now = Instant::now();
        let mut events: Vec<Due> = self.once.extract_if(.., |(at, _)| *at <= now).map(|(_, due)| due).collect();
        events.extend(self.resends.extract_if(.., |r| r.give_up <= now).map(|r| Due::Lost(r.waiting)));
        let mut again = Vec::new();
        for resend in self.resends.iter_mut().filter(|r| r.at <= now) {
            let invite = matches!(&resend.waiting, Waiting::Response(_, method) if method == "INVITE");
            resend.interval = if invite { resend.interval * 2 } else { (resend.interval * 2).min(T2) };
            resend.at = now + resend.interval;
            again.push(resend.entry.clone());
        }
        (again, events)
    }
}
