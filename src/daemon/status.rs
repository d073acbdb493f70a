//! What the loop lets others see, without asking it.

use super::line::Line;
use crate::checks::Finding;
use crate::core::ids::NodeName;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Looked {
    /// An Asterisk.
    Node(NodeName),
    /// The database's clock and time zones.
    Postgres,
}

/// Written by a loop and its workers, read by health checks and metrics. There is one for each node, and one for the
/// process, which knows the others and speaks for all that this replica owns.
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
    nodes: OnceLock<Arc<[Arc<Line>]>>,
}

/// What is counted of journals.
#[derive(Clone, Copy, Debug, Default)]
pub struct JournalCounts {
    /// The bytes that they take.
    pub bytes: u64,
    /// Facts and rows that went in.
    pub appended: u64,
    /// Facts and rows that came out into the database.
    pub drained: u64,
    /// Times that one did not take what it should.
    pub failures: u64,
    /// Refused attempts for whose record there was no room.
    pub refusals_unrecorded: u64,
}

/// Whether calls can be made, and why not.
#[derive(Debug, Serialize, JsonSchema)]
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
    /// Each node of the configuration; not there before they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeHealth>,
}

/// How a node is, as this replica sees it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeHealth {
    /// Its name.
    pub name: String,
    /// This replica holds its lease.
    pub owner: bool,
    /// The replica that owns it, if it is another and known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<String>,
    /// The number of the last ownership by this replica; 0 if there was none.
    pub epoch: i64,
    /// Its events are heard.
    pub asterisk: bool,
    /// New calls can be made on it by this replica.
    pub ready: bool,
    /// Calls under way.
    pub open_calls: usize,
}

impl Status {
    /// The state of things now.
    pub fn health(&self) -> Health {
        let ours: Vec<&Self> = self.loops().collect();
        let draining = self.draining.load(Ordering::Relaxed);
        let count = |of: fn(&Self) -> &AtomicUsize| ours.iter().map(|one| of(one).load(Ordering::Relaxed)).sum();
        let any = |of: fn(&Self) -> &AtomicBool| ours.iter().any(|one| of(one).load(Ordering::Relaxed));
        // Who waits for a node asks the database too.
        let mut asked = self.nodes().iter().map(|line| &line.status.postgres).chain([&self.postgres]);
        let postgres = asked.any(|postgres| postgres.load(Ordering::Relaxed));
        Health {
            ready: ours.iter().any(|one| one.takes_calls()) && !draining,
            asterisk: any(|one| &one.asterisk),
            postgres,
            journal: ours.iter().all(|one| one.journal.load(Ordering::Relaxed)),
            draining,
            emergency_route: self.emergency_route.load(Ordering::Relaxed),
            open_calls: count(|one| &one.open_calls),
            unwritten_facts: count(|one| &one.unwritten),
            journaled_facts: count(|one| &one.journaled),
            fit: !ours.is_empty() && ours.iter().all(|one| one.is_fit()),
            blocked: ours.iter().flat_map(|one| one.own_checks()).filter(|finding| finding.blocks).collect(),
            nodes: self.nodes().iter().map(|line| NodeHealth::of(line)).collect(),
        }
    }

    /// Whether the database is not asked about something new.
    pub fn is_store_away(&self) -> bool {
        let lines = self.nodes().iter().map(|line| &*line.status);
        lines.chain([self]).any(|one| one.store_away.load(Ordering::Relaxed))
    }

    /// What is counted of the journals, since the start.
    pub fn journal_counts(&self) -> JournalCounts {
        let all = self.nodes().iter().map(|line| &*line.status).chain(self.nodes.get().is_none().then_some(self));
        let mut sum = JournalCounts::default();
        for one in all {
            let of = |value: &AtomicU64| value.load(Ordering::Relaxed);
            sum.bytes += of(&one.journal_bytes);
            sum.appended += of(&one.journal_appended);
            sum.drained += of(&one.journal_drained);
            sum.failures += of(&one.journal_failures);
            sum.refusals_unrecorded += of(&one.refusals_unrecorded);
        }
        sum
    }

    /// What was found when things were last looked at: those of this replica.
    pub fn checks(&self) -> Vec<Finding> {
        let of_nodes = self.loops().filter(|one| !std::ptr::eq(*one, self)).flat_map(Self::own_checks);
        self.own_checks().into_iter().chain(of_nodes).collect()
    }

    fn own_checks(&self) -> Vec<Finding> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.values().flatten().cloned().collect()
    }

    /// Something was looked at.
    pub fn set_checks(&self, looked: Looked, found: Vec<Finding>) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).insert(looked, found);
    }

    /// What was found of Asterisk is worth nothing any more: somebody else looks at it.
    pub(super) fn forget_checks(&self) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Milliseconds since 1970 when the loop turned, the one that is behind the others; 0 if none ever did.
    pub fn last_turn_ms(&self) -> i64 {
        let own = self.last_turn_ms.load(Ordering::Relaxed);
        self.loops().map(|one| one.last_turn_ms.load(Ordering::Relaxed)).fold(own, i64::min)
    }

    /// Inputs that the engines took.
    pub fn steps(&self) -> u64 {
        self.nodes().iter().map(|line| &*line.status).chain([self]).map(|one| one.steps.load(Ordering::Relaxed)).sum()
    }

    /// Every node of the configuration; none for the status of one loop.
    pub fn nodes(&self) -> &[Arc<Line>] {
        self.nodes.get().map_or(&[], |nodes| nodes)
    }

    pub(super) fn of_nodes(&self, nodes: Arc<[Arc<Line>]>) {
        // Told once, before anybody asks.
        let _ = self.nodes.set(nodes);
    }

    /// The loops that this one speaks for.
    fn loops(&self) -> impl Iterator<Item = &Self> {
        let ours = self.nodes().iter().filter(|line| line.is_ours()).map(|line| &*line.status);
        ours.chain(self.nodes.get().is_none().then_some(self))
    }

    fn takes_calls(&self) -> bool {
        let is = |value: &AtomicBool| value.load(Ordering::Relaxed);
        is(&self.asterisk) && is(&self.postgres) && !is(&self.store_away) && self.is_fit()
    }

    /// Its Asterisk was looked at, and must not be used for all calls.
    pub(super) fn is_blocked(&self) -> bool {
        self.own_checks().iter().any(|finding| finding.blocks)
    }

    /// Its Asterisk was looked at, and may be used.
    fn is_fit(&self) -> bool {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = checks.keys().any(|looked| matches!(looked, Looked::Node(_)));
        looked && !checks.values().flatten().any(|finding| finding.blocks)
    }
}

impl NodeHealth {
    fn of(line: &Line) -> Self {
        let is_ours = line.is_ours();
        Self {
            name: line.name.to_string(),
            owner: line.lease.owner.load(Ordering::Relaxed),
            owned_by: line.owner().filter(|_| !is_ours),
            epoch: line.lease.epoch.load(Ordering::Relaxed),
            asterisk: line.status.asterisk.load(Ordering::Relaxed),
            ready: is_ours && line.status.takes_calls(),
            open_calls: line.status.open_calls.load(Ordering::Relaxed),
        }
    }
}
