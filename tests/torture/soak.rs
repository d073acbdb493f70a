//! Many calls, and what stays behind in the daemon.

use crate::figures;
use crate::floor::{Floor, run};
use crate::judge::{evidence, judge};
use crate::size::{dice, is_short, seed, size};
use crate::traffic::Traffic;
use std::fs;
use std::time::{Duration, Instant};

/// What the daemon holds after so many calls.
struct Sample {
    calls: f64,
    memory_kib: f64,
    descriptors: f64,
    tasks: f64,
}

impl Sample {
    async fn of(floor: &Floor, calls: u64) -> Self {
        let pid = floor.process.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let field = |name: &str| -> f64 {
            let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
        };
        let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (calls, descriptors) = (calls as f64, open as f64);
        let metrics = crate::traffic::get(floor.http, "/metrics").await;
        let tasks = metrics.lines().find_map(|line| line.strip_prefix("cordboard_tasks ")).expect("a gauge");
        Self { calls, memory_kib: field("VmRSS:"), descriptors, tasks: tasks.parse().expect("a number") }
    }
}

/// By how much it grows a thousand calls, by least squares.
fn slope(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let count = samples.len() as f64;
    let mean = |f: &dyn Fn(&Sample) -> f64| samples.iter().map(f).sum::<f64>() / count;
    let (x, y) = (mean(&|s| s.calls), mean(&of));
    let above: f64 = samples.iter().map(|s| (s.calls - x) * (of(s) - y)).sum();
    let below: f64 = samples.iter().map(|s| (s.calls - x).powi(2)).sum();
    1000.0 * above / below.max(1.0)
}

#[test]
fn calls_leave_nothing_behind() {
    run(async {
        let mut floor = Floor::open().await;
        let wanted = u64::try_from(size() * 10).expect("a size");
        let rate = 40;
        let traffic = Traffic::start(&floor, rate, dice("soak"));
        let mut samples = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(60 + 3 * wanted / u64::from(rate));
        while traffic.placed() < wanted {
            tokio::time::sleep(Duration::from_millis(500)).await;
            samples.push(Sample::of(&floor, traffic.placed()).await);
            assert!(Instant::now() < deadline, "only {} calls", traffic.placed());
        }
        let asked = traffic.stop().await;
        let left = floor.rest().await;
        let mut verdict = judge(&evidence(&floor, &asked).await);
        verdict.broken.extend(left);
        floor.close().await;
        // The first fifth is the warming up of pools and caches.
        let warm = &samples[samples.len() / 5..];
        let (memory, descriptors) = (slope(warm, |s| s.memory_kib), slope(warm, |s| s.descriptors));
        let last = warm.last().expect("a sample");
        figures::row(
            "soak, model Asterisk",
            format!("{} calls", asked.placed),
            format!(
                "memory {memory:+.1} KiB a 1000 calls (at the end {:.1} MiB), descriptors {descriptors:+.2} ({}), tasks {:+.2} ({})",
                last.memory_kib / 1024.0,
                last.descriptors,
                slope(warm, |s| s.tasks),
                last.tasks,
            ),
        );
        let complaints = verdict.complaints();
        assert!(complaints.is_empty(), "seed {}: {} complaints:\n{}", seed(), complaints.len(), complaints.join("\n"));
        // A short run cannot tell a leak from warming up.
        assert!(is_short() || (memory < 200.0 && descriptors.abs() < 1.0), "{memory} KiB, {descriptors} a 1000 calls");
    });
}
