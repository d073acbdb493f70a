//! Figures, as rows of a markdown table: printed, and kept for whoever collects them.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// One row of the table: what, how many, what came of it.
pub fn row(what: &str, of: impl std::fmt::Display, result: impl std::fmt::Display) {
    let line = format!("| {what} | {of} | {result} |");
    println!("{line}");
    let path = std::env::var_os("CORDBOARD_TORTURE_FIGURES").map(PathBuf::from);
    let Some(path) = path else { return };
    let file = std::fs::File::options().create(true).append(true).open(path);
    writeln!(file.expect("the file of figures"), "{line}").expect("a figure");
}

/// p50 / p99 / worst in milliseconds.
pub fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let at = |permille: usize| {
        let index = (times.len() * permille / 1000).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, Duration::as_secs_f64) * 1000.0
    };
    format!("p50 {:.0} ms, p99 {:.0} ms, worst {:.0} ms", at(500), at(990), at(1000))
}
