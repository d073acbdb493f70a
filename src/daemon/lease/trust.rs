//! How long an owner may believe that it is the owner. Pure: the time is told from outside, as time since the system booted,
//! which goes on while a process is frozen or the machine sleeps.

use crate::ari::{Leave, Purpose};
use crate::daemon::clock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a lease is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// After this time without a renewal anybody may take it, by the clock of the database.
    pub ttl: Duration,
    /// Its holder stops to trust it so much earlier: the longest way that an order takes to Asterisk.
    pub margin: Duration,
    /// How often it is renewed.
    pub renew_every: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(4), margin: Duration::from_secs(1), renew_every: Duration::from_secs(1) }
    }
}

impl Terms {
    /// Until when a lease may be trusted that was taken or renewed by an attempt which *began* then. The database counts
    /// from a later moment, so its time is over later, whatever its clock says and however long the answer was under way.
    pub fn trusted_until(&self, began: Duration) -> Duration {
        began + self.ttl.saturating_sub(self.margin)
    }
}

/// A test event that came back proves for so long that the application is ours: Asterisk has but one holder of it.
const PROOF: Duration = Duration::from_millis(2500);
/// The database's silence is believed for so long: somebody who was frozen must ask it again first.
const SILENCE: Duration = Duration::from_millis(2500);

/// What one ownership of one node may still do. Written by whoever renews the lease and by the event socket, read before
/// each order to Asterisk. Its end is for good.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Trust {
    /// All in nanoseconds since boot.
    lease_until: AtomicU64,
    application_until: AtomicU64,
    silence_until: AtomicU64,
    over: AtomicBool,
    told: CancellationToken,
    /// The control of the tests: everything is allowed, always.
    is_off: bool,
}

/// Whether leases are switched off, so that a test can see what they are good for. Never in a release build.
pub(in crate::daemon) fn is_off() -> bool {
    cfg!(debug_assertions) && std::env::var_os("CORDBOARD_LEASE").is_some_and(|lease| lease == "off")
}

impl Trust {
    /// As tests may have set it.
    pub fn new() -> Self {
        Self { is_off: is_off(), ..Self::default() }
    }

    /// The lease is good until then.
    pub fn renewed(&self, until: Duration) {
        self.lease_until.fetch_max(nanos(until), Ordering::Relaxed);
    }

    /// The database was asked then and has not answered until now. Who slept meanwhile has not asked.
    pub fn asked_in_vain(&self, began: Duration, now: Duration) {
        if now.saturating_sub(began) < SILENCE {
            self.silence_until.fetch_max(nanos(now + SILENCE), Ordering::Relaxed);
        }
    }

    /// A test event that was sent then came back on our connection.
    pub fn application_held(&self, sent: Duration) {
        self.application_until.fetch_max(nanos(sent + PROOF), Ordering::Relaxed);
    }

    /// Another replica owns the node, or somebody took our application: nothing more, whatever the clocks say.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        if !self.is_off {
            self.told.cancel();
        }
    }

    /// Waits until it is ended.
    pub async fn ended(&self) {
        self.told.cancelled().await;
    }

    /// Whether it was ended.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether the lease can be trusted.
    pub fn has_lease(&self, now: Duration) -> bool {
        !self.is_over() && nanos(now) < self.lease_until.load(Ordering::Relaxed)
    }

    /// Whether our application is proven to be ours.
    pub fn has_application(&self, now: Duration) -> bool {
        !self.is_over() && nanos(now) < self.application_until.load(Ordering::Relaxed)
    }

    /// Whether something may be asked of Asterisk for this purpose.
    ///
    /// While the database is away the lease cannot be renewed, and nobody else can take it by that database. But the way to it
    /// may be cut for us alone. Then the next owner's first act is to take our application, and until that happens the
    /// calls under way are ours to end and to connect, and emergency calls ours to make.
    pub fn allows(&self, purpose: Purpose, now: Duration) -> bool {
        if self.is_off {
            return true;
        }
        if self.is_over() {
            return false;
        }
        let before = |until: &AtomicU64| nanos(now) < until.load(Ordering::Relaxed);
        let (lease, application) = (before(&self.lease_until), before(&self.application_until));
        match purpose {
            Purpose::Look => true,
            Purpose::Ring | Purpose::Connect => lease,
            Purpose::Act => lease || application,
            Purpose::Prove | Purpose::ConnectIfFree => lease || application || before(&self.silence_until),
        }
    }
}

impl Leave for Trust {
    fn allows(&self, purpose: Purpose) -> bool {
        self.allows(purpose, clock::uptime())
    }

    fn application_held(&self, sent_ago: Duration) {
        self.application_held(clock::uptime().saturating_sub(sent_ago));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms =
        Terms { ttl: Duration::from_secs(4), margin: Duration::from_secs(1), renew_every: Duration::from_secs(1) };
    const ALL: [Purpose; 6] =
        [Purpose::Look, Purpose::Prove, Purpose::Act, Purpose::Ring, Purpose::Connect, Purpose::ConnectIfFree];

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn allowed(trust: &Trust, now: f64) -> Vec<Purpose> {
        ALL.into_iter().filter(|purpose| trust.allows(*purpose, at(now))).collect()
    }

    #[test]
    fn trust_counts_from_before_the_question_and_ends_before_the_lease() {
        // Asked at 10, written by the database at 10 + x, told at 10 + y: whatever x and y, the lease lasts to 14 at least.
        assert_eq!(TERMS.trusted_until(at(10.0)), at(13.0));
        let hasty = Terms { margin: at(9.0), ..TERMS };
        assert_eq!(hasty.trusted_until(at(10.0)), at(10.0), "never before the question");
    }

    #[test]
    fn an_answer_that_took_longer_than_the_lease_is_worth_nothing() {
        let trust = Trust::default();
        trust.renewed(TERMS.trusted_until(at(10.0)));
        assert!(trust.has_lease(at(12.9)));
        assert!(!trust.has_lease(at(13.0)));
        assert!(!trust.has_lease(at(15.5)), "the answer is here, and too late");
    }

    #[test]
    fn an_answer_that_comes_after_a_later_one_takes_nothing_back() {
        let trust = Trust::default();
        trust.renewed(TERMS.trusted_until(at(11.0)));
        trust.renewed(TERMS.trusted_until(at(10.0)));
        assert!(trust.has_lease(at(13.5)));
    }

    #[test]
    fn an_owner_may_do_all_and_one_that_never_was_may_only_look() {
        let trust = Trust::default();
        assert_eq!(allowed(&trust, 0.0), [Purpose::Look]);
        trust.renewed(at(3.0));
        assert_eq!(allowed(&trust, 2.0), ALL);
    }

    #[test]
    fn whoever_was_frozen_may_only_look_until_the_database_was_asked() {
        let trust = Trust::default();
        trust.renewed(at(3.0));
        trust.application_held(at(1.0));
        // The attempt of before ends when the process wakes up.
        trust.asked_in_vain(at(2.0), at(30.0));
        assert_eq!(allowed(&trust, 30.0), [Purpose::Look]);
    }

    #[test]
    fn while_the_database_is_away_the_holder_of_the_application_rings_nobody_and_does_the_rest() {
        let trust = Trust::default();
        trust.renewed(at(3.0));
        trust.asked_in_vain(at(3.1), at(4.0));
        assert_eq!(allowed(&trust, 4.5), [Purpose::Look, Purpose::Prove, Purpose::ConnectIfFree]);
        trust.application_held(at(4.5));
        assert_eq!(allowed(&trust, 5.0), [Purpose::Look, Purpose::Prove, Purpose::Act, Purpose::ConnectIfFree]);
        // The events do not come any more: perhaps somebody else gets them.
        assert_eq!(allowed(&trust, 7.1), [Purpose::Look]);
        // The database is back, and nobody took the lease meanwhile.
        trust.renewed(TERMS.trusted_until(at(8.0)));
        assert_eq!(allowed(&trust, 8.1), ALL);
    }

    #[test]
    fn the_end_is_for_good() {
        let trust = Trust::default();
        trust.renewed(at(100.0));
        trust.application_held(at(100.0));
        trust.asked_in_vain(at(99.0), at(100.0));
        trust.end();
        trust.renewed(at(200.0));
        assert_eq!(allowed(&trust, 50.0), []);
    }
}
