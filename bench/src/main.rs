//! Measures what Cordboard costs on this machine, and prints it with what it is to be compared with. Run it by
//! `scripts/bench`, which starts Asterisk and Postgres on loopback and says where they are.

#![forbid(unsafe_code)]

mod calls;
mod daemon;
mod database;
mod engine;
mod machine;
mod metrics;
mod report;
mod reservations;
mod settings;
mod usage;

use anyhow::Context as _;
use report::Report;
use settings::Settings;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<()> {
    let settings = Settings::read()?;
    // Before there are other threads: the engine is measured on one.
    let mut report = Report::new(&settings);
    if settings.wants("engine") {
        engine::measure(&settings, &mut report)?;
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let measured = runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            done = measure(&settings, &mut report) => done,
            _ = interrupt.recv() => anyhow::bail!("interrupted"),
            _ = terminate.recv() => anyhow::bail!("terminated"),
        }
    });
    // What stands is kept, also when a later part failed.
    let file = report.save(&settings).context("the JSON file")?;
    println!("\nRaw figures: {}", file.display());
    measured?;
    report.verdict()
}

async fn measure(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    if settings.wants("reservations") {
        reservations::measure(settings, report).await.context("reservations")?;
    }
    if settings.wants("metrics") {
        metrics::measure(settings, report).await.context("metrics")?;
    }
    if settings.wants("calls") {
        calls::measure(settings, report).await.context("calls")?;
    }
    Ok(())
}
