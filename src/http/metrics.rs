//! `GET /metrics`, in the text format of `OpenMetrics`.

use super::{AppState, Problem, health};
use crate::checks::Level;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const END: &str = "# EOF\n";

/// Adds something that only grows; `name` without `_total`.
pub fn counter(text: &mut String, name: &str, help: &str, value: u64) {
    // Writing to memory does not fail.
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} counter\n{name}_total {value}");
}

/// Adds something that goes up and down.
pub fn gauge(text: &mut String, name: &str, help: &str, value: impl Display) {
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}");
}

/// Everything.
pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    let Ok(mut text) = state.metrics.render() else { return Problem::internal().into_response() };
    text.truncate(text.strip_suffix(END).map_or(text.len(), str::len));
    of_status(&mut text, &state);
    (state.extra)(&mut text);
    text.push_str(END);
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}

/// The worst finding of each check.
fn of_checks(text: &mut String, state: &AppState) {
    let mut worst: BTreeMap<(String, &str), Level> = BTreeMap::new();
    for finding in state.status.checks() {
        let key = (finding.node.as_ref().map(ToString::to_string).unwrap_or_default(), finding.check);
        let level = worst.entry(key).or_insert(Level::Ok);
        *level = finding.level.max(*level);
    }
    let name = "cordboard_check";
    let _ = writeln!(text, "# HELP {name} What was found: 0 ok, 1 warning, 2 failed.\n# TYPE {name} gauge");
    for ((node, check), level) in worst {
        let _ = writeln!(text, "{name}{{node=\"{node}\",check=\"{check}\"}} {}", level as u8);
    }
}

fn of_status(text: &mut String, state: &AppState) {
    let health = state.status.health();
    gauge(text, "cordboard_open_calls", "Calls under way", health.open_calls);
    gauge(text, "cordboard_unwritten_facts", "Facts that wait for the database", health.unwritten_facts);
    gauge(text, "cordboard_journaled_facts", "Facts in the journal", health.journaled_facts);
    let journal = state.status.journal_counts();
    gauge(text, "cordboard_journal_bytes", "Bytes that the journal takes", journal.bytes);
    gauge(text, "cordboard_journal_up", "The journal takes facts", u8::from(health.journal));
    let counters = [
        ("appended", "Facts and rows put into the journal", journal.appended),
        ("drained", "Facts and rows of the journal that the database has", journal.drained),
        ("failures", "Times that the journal did not take what it should", journal.failures),
    ];
    for (name, help, value) in counters {
        counter(text, &format!("cordboard_journal_{name}"), help, value);
    }
    let unrecorded = journal.refusals_unrecorded;
    counter(text, "cordboard_refusals_unrecorded", "Refused attempts for whose record there was no room", unrecorded);
    gauge(text, "cordboard_ready", "New calls can be made", u8::from(health.ready));
    gauge(text, "cordboard_asterisk_up", "Events of Asterisk are heard", u8::from(health.asterisk));
    gauge(text, "cordboard_postgres_up", "The database answers", u8::from(health.postgres));
    gauge(text, "cordboard_draining", "The daemon is about to stop", u8::from(health.draining));
    let route = u8::from(health.emergency_route);
    gauge(text, "cordboard_emergency_route", "Emergency calls have a route", route);
    let steps = state.status.steps();
    counter(text, "cordboard_engine_steps", "Inputs the engine took", steps);
    if let Some(age) = health::turn_age_ms(state) {
        let seconds = format_args!("{}.{:03}", age / 1000, age % 1000);
        gauge(text, "cordboard_loop_turn_age_seconds", "Time since the loop last turned", seconds);
    }
    gauge(text, "cordboard_fit", "Asterisk was looked at and may be used for all calls", u8::from(health.fit));
    of_checks(text, state);
    let (open, idle) = state.store.connections();
    gauge(text, "cordboard_postgres_connections", "Connections to the database", open);
    gauge(text, "cordboard_postgres_connections_idle", "Connections to the database without work", idle);
}
