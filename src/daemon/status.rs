//! What the loop lets others see, without asking it.

use crate::checks::Finding;
use crate::core::ids::NodeName;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Looked {
    /// An Asterisk.
    Node(NodeName),
    /// The database's clock and time zones.
    Postgres,
}

/// Written by the loop and its workers, read by health checks and metrics.
#[derive(Debug, Default)]
pub struct Status {
    /// Events are heard and the node was listed since the last connect.
    pub asterisk: AtomicBool,
    /// The last answer of the database was an answer.
    pub postgres: AtomicBool,
    /// The database is not asked about new calls: it is away, or does not have all that is known.
    pub store_away: AtomicBool,
    /// Facts find room on the disk of this machine while the database is away.
    pub journal: AtomicBool,
    /// Facts and rows in the journal.
    pub journaled: AtomicUsize,
    /// The bytes that the journal takes.
    pub journal_bytes: AtomicU64,
    /// Facts and rows that went into the journal, since the start.
    pub journal_appended: AtomicU64,
    /// Facts and rows that came out of it into the database, since the start.
    pub journal_drained: AtomicU64,
    /// Times that the journal did not take what it should, since the start.
    pub journal_failures: AtomicU64,
    /// Refused attempts that were not recorded, because there was no room; since the start.
    pub refusals_unrecorded: AtomicU64,
    /// No new calls are taken.
    pub draining: AtomicBool,
    /// An emergency route is configured.
    pub emergency_route: AtomicBool,
    /// Calls under way.
    pub open_calls: AtomicUsize,
    /// Facts that wait for the database.
    pub unwritten: AtomicUsize,
    /// Milliseconds since 1970 of the loop's last turn.
    pub last_turn_ms: AtomicI64,
    /// Inputs the engine took.
    pub steps: AtomicU64,
    /// What was found when things were last looked at, by what was looked at.
    checks: Mutex<BTreeMap<Looked, Vec<Finding>>>,
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a lamp on the operator's board")]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// New calls can be made.
    pub ready: bool,
    /// Asterisk's events are heard.
    pub asterisk: bool,
    /// The database answers.
    pub postgres: bool,
    /// Facts would be safe on this machine's disk if the database went away.
    pub journal: bool,
    /// The daemon is about to stop.
    pub draining: bool,
    /// Emergency calls have a route.
    pub emergency_route: bool,
    /// Calls under way.
    pub open_calls: usize,
    /// Facts that wait for the database.
    pub unwritten_facts: usize,
    /// So many of them are in the journal.
    pub journaled_facts: usize,
    /// Asterisk was looked at and may be used.
    pub fit: bool,
    /// Why it may not be used: emergency calls alone are made.
    pub blocked: Vec<Finding>,
}

impl Status {
    /// The state of things now.
    pub fn health(&self) -> Health {
        let (asterisk, postgres) = (self.asterisk.load(Ordering::Relaxed), self.postgres.load(Ordering::Relaxed));
        let draining = self.draining.load(Ordering::Relaxed);
        let store_away = self.store_away.load(Ordering::Relaxed);
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let blocked: Vec<Finding> = checks.values().flatten().filter(|finding| finding.blocks).cloned().collect();
        let fit = checks.keys().any(|looked| matches!(looked, Looked::Node(_))) && blocked.is_empty();
        drop(checks);
        Health {
            ready: asterisk && postgres && !store_away && !draining && fit,
            asterisk,
            postgres,
            journal: self.journal.load(Ordering::Relaxed),
            draining,
            emergency_route: self.emergency_route.load(Ordering::Relaxed),
            open_calls: self.open_calls.load(Ordering::Relaxed),
            unwritten_facts: self.unwritten.load(Ordering::Relaxed),
            journaled_facts: self.journaled.load(Ordering::Relaxed),
            fit,
            blocked,
        }
    }

    /// What was found when things were last looked at.
    pub fn checks(&self) -> Vec<Finding> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.values().flatten().cloned().collect()
    }

    /// Something was looked at.
    pub fn set_checks(&self, looked: Looked, found: Vec<Finding>) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).insert(looked, found);
    }
}
