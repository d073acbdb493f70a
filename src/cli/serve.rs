//! `cordboard serve`: the daemon.

use crate::config::{self, Config, LogFormat};
use crate::daemon::{self, Daemon, Ended, Status};
use crate::store::Store;
use crate::telemetry::{self, Metrics};
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// `EX_CONFIG` of sysexits.h: systemd does not restart after it.
const EX_CONFIG: u8 = 78;
/// `EX_UNAVAILABLE`: something that we need is not there.
const EX_UNAVAILABLE: u8 = 69;
/// `EX_TEMPFAIL`: another daemon has our place.
const EX_TEMPFAIL: u8 = 75;

/// Runs the daemon until it is told to stop.
pub async fn serve(path: &Path) -> ExitCode {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    let config = loaded.config;
    telemetry::init_logs(log_format(&config), &config.log.level);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match run(path, config).await {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::LeftCalls(calls)) => {
            tracing::warn!(calls, "stopped; these calls go on in Asterisk, and the next start takes them up");
            ExitCode::SUCCESS
        }
        Ok(Ended::Replaced) => ExitCode::from(EX_TEMPFAIL),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(EX_UNAVAILABLE)
        }
    }
}

async fn run(path: &Path, config: Config) -> anyhow::Result<Ended> {
    crate::numbering::warm_up();
    let store = Store::connect(&config.postgres.url, config.postgres.max_connections, config.postgres.acquire_timeout)?;
    if config.postgres.migrate_at_start {
        store.migrate().await?;
    }
    let pending = store.pending_migrations().await?;
    anyhow::ensure!(
        pending.is_empty(),
        "the database lacks {}; run `cordboard migrate`, or set postgres.migrate_at_start",
        pending.join(", ")
    );
    let (metrics, status) = (Arc::new(Metrics::default()), Arc::new(Status::default()));
    let signals = daemon::signals()?;
    let (daemon, _handle, _socket) =
        Daemon::start(&config, store.clone(), Arc::clone(&metrics), Arc::clone(&status)).await?;
    let mut current = config;
    let ended = daemon
        .run(signals, move || {
            let new = reload(path, &current)?;
            current = new.clone();
            Some(new)
        })
        .await;
    store.close().await;
    Ok(ended)
}

/// The new configuration; none, and the old one stays, if it is bad.
fn reload(path: &Path, current: &Config) -> Option<Config> {
    match config::load(path) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            let later = config::diff_needs_restart(current, &loaded.config);
            if !later.is_empty() {
                tracing::warn!(keys = later.join(", "), "these settings take effect at the next restart");
            }
            tracing::info!("configuration reloaded");
            Some(loaded.config)
        }
        Err(errors) => {
            tracing::error!("configuration not reloaded, the old one stays:\n{errors}");
            None
        }
    }
}

fn log_format(config: &Config) -> telemetry::LogFormat {
    match config.log.format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Auto if std::io::stderr().is_terminal() => telemetry::LogFormat::Text,
        LogFormat::Json | LogFormat::Auto => telemetry::LogFormat::Json,
    }
}
