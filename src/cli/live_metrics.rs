//! What is counted of streams and webhooks.

use crate::daemon::{CourierStats, Feed};
use crate::http::metrics::{counter, gauge};
use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Adds them to the metrics.
pub fn live_metrics(text: &mut String, feed: &Feed, courier: &CourierStats) {
    gauge(text, "cordboard_event_streams", "Streams of events that are open", feed.streams());
    counter(
        text,
        "cordboard_event_streams_cut_off",
        "Streams that were cut off because they read too slowly",
        feed.cut_off(),
    );
    let pending = courier.pending.load(Relaxed);
    gauge(text, "cordboard_webhook_outbox", "Deliveries that wait, of all replicas, 100000 at most", pending);
    let seconds = |ms: &AtomicU64| {
        let ms = ms.load(Relaxed);
        format!("{}.{:03}", ms / 1_000, ms % 1_000)
    };
    let oldest = seconds(&courier.oldest_ms);
    gauge(text, "cordboard_webhook_oldest_seconds", "Age of the oldest delivery that waits", oldest);
    let held_back = seconds(&courier.held_back_ms);
    let help = "Time that events wait behind a transaction that does not end";
    gauge(text, "cordboard_events_held_back_seconds", help, held_back);
    let name = "cordboard_webhook_attempts";
    // Writing to memory does not fail.
    let _ = writeln!(text, "# HELP {name} Attempts to deliver, by what came of them.\n# TYPE {name} counter");
    for (outcome, count) in
        [("delivered", &courier.delivered), ("retried", &courier.retried), ("failed", &courier.failed)]
    {
        let _ = writeln!(text, "{name}_total{{outcome=\"{outcome}\"}} {}", count.load(Relaxed));
    }
    let put = courier.put_aside.load(Relaxed);
    counter(text, "cordboard_webhook_put_aside", "Deliveries put into the outbox by this replica", put);
    let off = courier.switched_off.load(Relaxed);
    counter(text, "cordboard_webhooks_switched_off", "Webhooks that this replica switched off", off);
}
