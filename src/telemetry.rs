//! What operators see: logs and metrics. Never a phone number in either.

use crate::core::command::Command as Order;
use crate::core::engine::{Outbox, Write};
use crate::core::fact::Fact;
use crate::core::ids::CallId;
use crate::core::input::Carried;
use crate::core::outcome::RefusalReason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Sends log lines to standard error.
///
/// `level` is a filter such as `info` or `cordboard=debug`; one that cannot be read counts as `info`.
pub fn init_logs(format: LogFormat, level: &str) {
    // sqlx passes on what Postgres merely notes, unless it is asked to.
    let level = if level.contains("sqlx") { level.to_owned() } else { format!("{level},sqlx=warn") };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only the first call of a process counts.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_target(false).try_init(),
    };
}

/// Counters and histograms of the daemon.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<Disposition, Counter>,
    refusals: Family<Reason, Counter>,
    commands: Family<Outcome, Counter>,
    facts: Counter,
    admission: Histogram,
    resyncs: Family<Outcome, Counter>,
    strays: Counter,
    bridges: Counter,
    adopted: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Disposition {
    disposition: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Seconds; from a warm reservation to one that waited for a lock.
const ADMISSION_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cordboard");
        let (calls, refusals, commands) = (Family::default(), Family::default(), Family::default());
        let (facts, admission) = (Counter::default(), Histogram::new(ADMISSION_BUCKETS));
        registry.register("calls", "Calls that ended, by disposition", calls.clone());
        registry.register("refusals", "Calls that were refused, by reason", refusals.clone());
        registry.register("ari_commands", "Commands to Asterisk, by how they ended", commands.clone());
        registry.register("facts_written", "Facts and rows written to the database", facts.clone());
        registry.register_with_unit(
            "admission",
            "Time to decide, reserve and store a call",
            Unit::Seconds,
            admission.clone(),
        );
        let (resyncs, strays) = (Family::default(), Counter::default());
        let (bridges, adopted) = (Counter::default(), Counter::default());
        registry.register("resyncs", "Times that Asterisk was listed, by outcome", Family::clone(&resyncs));
        registry.register("strays_hung_up", "Channels without a call that were hung up", strays.clone());
        registry.register("bridges_removed", "Bridges without a call that were removed", bridges.clone());
        registry.register("adopted_calls", "Calls of an earlier daemon that were taken up", adopted.clone());
        let metrics = Self { registry, calls, refusals, commands, facts, admission, resyncs, strays, bridges, adopted };
        metrics.begin();
        metrics
    }
}

impl Metrics {
    /// Counts what facts say.
    pub fn facts(&self, write: &Write) {
        for fact in &write.facts {
            match fact {
                Fact::Settled { disposition, .. } => {
                    self.calls.get_or_create(&Disposition { disposition: disposition.as_str() }).inc();
                }
                Fact::Refused { reason, .. } => self.refused(reason.as_str()),
                Fact::Requested { .. }
                | Fact::Admitted { .. }
                | Fact::AgentDialled { .. }
                | Fact::AgentRinging { .. }
                | Fact::AgentAnswered { .. }
                | Fact::CustomerDialled { .. }
                | Fact::InviteSent { .. }
                | Fact::EarlyMedia { .. }
                | Fact::Ringing { .. }
                | Fact::Answered { .. }
                | Fact::HangupAsked { .. }
                | Fact::LegEnded { .. } => {}
            }
        }
    }

    /// Every series is there from the start, at zero, so that its first rise is seen as one.
    fn begin(&self) {
        for outcome in ["done", "refused", "not_sent", "unknown"] {
            self.commands.get_or_create(&Outcome { outcome }).inc_by(0);
        }
        for outcome in ["done", "failed"] {
            self.resyncs.get_or_create(&Outcome { outcome }).inc_by(0);
        }
        for reason in RefusalReason::ALL {
            self.refusals.get_or_create(&Reason { reason: reason.as_str() }).inc_by(0);
        }
        for disposition in crate::core::outcome::Disposition::ALL {
            self.calls.get_or_create(&Disposition { disposition: disposition.as_str() }).inc_by(0);
        }
    }

    /// Asterisk was listed, or could not be.
    pub fn resynced(&self, done: bool) {
        self.resyncs.get_or_create(&Outcome { outcome: if done { "done" } else { "failed" } }).inc();
    }

    /// Counts what a listing led to: what belongs to no open call is ended. The orders of a call that the listing ended are
    /// its own.
    pub fn listed(&self, out: &Outbox, is_open: impl Fn(CallId) -> bool) {
        for (_, order) in out.commands.iter().filter(|(call, _)| !is_open(*call) && !out.over.contains(call)) {
            match order {
                Order::HangUp { .. } => {
                    self.strays.inc();
                }
                Order::DestroyBridge { .. } => {
                    self.bridges.inc();
                }
                Order::Admit { .. }
                | Order::Enter { .. }
                | Order::Reply { .. }
                | Order::CreateBridge { .. }
                | Order::CreateChannel(_)
                | Order::AddToBridge { .. }
                | Order::Dial { .. }
                | Order::Play { .. }
                | Order::Probe { .. } => {}
            }
        }
    }

    /// So many calls of an earlier daemon were taken up.
    pub fn adopted(&self, calls: usize) {
        self.adopted.inc_by(calls as u64);
    }

    /// A call was refused.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&Reason { reason }).inc();
        self.calls.get_or_create(&Disposition { disposition: "refused" }).inc();
    }

    /// A command to Asterisk came to its end.
    pub fn command(&self, outcome: Carried) {
        let outcome = match outcome {
            Carried::Done => "done",
            Carried::Refused { .. } => "refused",
            Carried::NotSent => "not_sent",
            Carried::Unknown => "unknown",
        };
        self.commands.get_or_create(&Outcome { outcome }).inc();
    }

    /// So many jobs were written.
    pub fn written(&self, jobs: usize) {
        self.facts.inc_by(jobs as u64);
    }

    /// The database decided, after this long.
    pub fn admission(&self, took: Duration) {
        self.admission.observe(took.as_secs_f64());
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// None that can happen: the text is written into memory.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
