//! What is counted of each node.

use crate::ari::SocketStats;
use crate::daemon::{LeaseStats, Line};
use crate::http::metrics::gauge;
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

type OfLease = fn(&LeaseStats) -> u64;
type OfSocket = fn(&SocketStats) -> u64;

/// Adds them to the metrics.
pub fn node_metrics(text: &mut String, lines: &[Arc<Line>]) {
    let counters: [(&str, &str, OfLease); 3] = [
        ("node_takeovers", "Times this replica took the node", |lease| lease.takeovers.load(Relaxed)),
        ("node_lease_losses", "Times this replica lost the node to another", |lease| lease.losses.load(Relaxed)),
        ("node_lease_renewals_failed", "Renewals without an answer", |lease| lease.failed_renewals.load(Relaxed)),
    ];
    for (name, help, value) in counters {
        family(text, "counter", name, help, lines, |line| Some(value(&line.lease)));
    }
    family(text, "gauge", "node_owner", "This replica owns the node", lines, |line| {
        Some(u8::from(line.lease.owner.load(Relaxed)))
    });
    let epoch = |line: &Line| Some(line.lease.epoch.load(Relaxed));
    family(text, "gauge", "node_epoch", "The number of the last ownership by this replica", lines, epoch);

    let counters: [(&str, &str, OfSocket); 6] = [
        ("ari_events", "Events read from Asterisk", |socket| socket.events.load(Relaxed)),
        ("ari_malformed_events", "Events that could not be read", |socket| socket.malformed.load(Relaxed)),
        ("ari_unknown_events", "Events of a type that we do not know", |socket| socket.unknown.load(Relaxed)),
        ("ari_overflows", "Times the queue of events ran over", |socket| socket.overflows.load(Relaxed)),
        ("ari_connects", "Connections made to the events", |socket| socket.connects.load(Relaxed)),
        ("ari_losses", "Connections to the events that were lost", |socket| socket.losses.load(Relaxed)),
    ];
    for (name, help, value) in counters {
        family(text, "counter", name, help, lines, |line| Some(value(&*line.socket()?)));
    }
    // A task that nobody ends shows here first.
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    gauge(text, "cordboard_tasks", "Tasks alive in the daemon", tasks);
    let age = |line: &Line| Some(format!("{:.3}", line.socket()?.canary_age()?.as_secs_f64()));
    let help = "Time since a test event came back from Asterisk";
    family(text, "gauge", "ari_canary_age_seconds", help, lines, age);
    family(text, "gauge", "ari_connected", "The connection to the events stands", lines, |line| {
        Some(u8::from(line.is_ours() && line.socket()?.connected.load(Relaxed)))
    });
}

/// One metric of all nodes that have it.
fn family<T: Display>(
    text: &mut String,
    kind: &str,
    name: &str,
    help: &str,
    lines: &[Arc<Line>],
    value: impl Fn(&Line) -> Option<T>,
) {
    let suffix = if kind == "counter" { "_total" } else { "" };
    // Writing to memory does not fail.
    let _ = writeln!(text, "# HELP cordboard_{name} {help}.\n# TYPE cordboard_{name} {kind}");
    for line in lines {
        if let Some(value) = value(line) {
            let _ = writeln!(text, "cordboard_{name}{suffix}{{node=\"{}\"}} {value}", line.name);
        }
    }
}
