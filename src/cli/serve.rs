//! `cordboard serve`: the daemon.

use super::live_metrics::live_metrics;
use super::node_metrics::node_metrics;
use crate::config::{self, Config, LogFormat};
use crate::daemon::{self, CourierStats, CourierThread, Ended, Feed, FeedTerms, Parts, Process, Status, Terms};
use crate::http::{self, AppState, Limits, Reach};
use crate::live::{Networks, Sender};
use crate::store::{Store, StoreError};
use crate::telemetry::{self, Metrics};
use anyhow::Context as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// `EX_CONFIG` of sysexits.h: systemd does not restart after it.
const EX_CONFIG: u8 = 78;
/// `EX_UNAVAILABLE`: something that we need is not there.
const EX_UNAVAILABLE: u8 = 69;

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
        Ok(Ended::LeftCalls(calls)) => {
            tracing::warn!(calls, "stopped; these calls go on in Asterisk, and the next start takes them up");
            ExitCode::SUCCESS
        }
        Ok(Ended::HandedOver(calls)) => {
            tracing::info!(calls, "stopped; another replica has taken over");
            ExitCode::SUCCESS
        }
        // Only one node's part can be replaced or lose its lease, and it waits for the node again.
        Ok(Ended::Drained | Ended::Replaced | Ended::LeaseLost) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(EX_UNAVAILABLE)
        }
    }
}

/// How long a renewal waits for a connection. It must not cost the lease.
const LEASE_PATIENCE: Duration = Duration::from_millis(800);
/// Between attempts to reach a database that was away when we started.
const AGAIN: Duration = Duration::from_millis(500);

async fn run(path: &Path, config: Config) -> anyhow::Result<Ended> {
    crate::numbering::warm_up();
    let postgres = &config.postgres;
    let store = Store::connect_for_calls(&postgres.url, postgres.max_connections, postgres.acquire_timeout)?;
    let (tell_fit, fit) = watch::channel(false);
    let migrate = postgres.migrate_at_start;
    match bring_up_to_date(&store, migrate).await {
        Err(error @ (StoreError::Unavailable(_) | StoreError::TooSlow(_))) => {
            tracing::error!(%error, "starting without the database: emergency calls only, until it is there");
            let store = store.clone();
            // It ends when the database is there, or with the process.
            tokio::spawn(async move {
                while let Err(error) = bring_up_to_date(&store, migrate).await {
                    tracing::debug!(%error, "the database is not there yet");
                    tokio::time::sleep(AGAIN).await;
                }
                tell_fit.send_replace(true);
            });
        }
        result => {
            result?;
            tell_fit.send_replace(true);
        }
    }
    let (metrics, status) = (Arc::new(Metrics::default()), Arc::new(Status::default()));
    let signals = daemon::signals()?;
    let listeners = Listeners::bind(&config.http).await?;
    // It ends with the process.
    tokio::spawn(daemon::watch_clocks(store.clone(), Arc::clone(&status)));
    let (replica, alive) = daemon::this_process();
    let at_once = u32::try_from(config.nodes.len()).unwrap_or(u32::MAX).saturating_add(2);
    let leases = Store::connect(&postgres.url, at_once, LEASE_PATIENCE)?;
    let (process, switchboard) = Process::start(Parts {
        config: config.clone(),
        store: store.clone(),
        leases: leases.clone(),
        fit,
        replica,
        alive,
        terms: Terms::default(),
        metrics: Arc::clone(&metrics),
        status: Arc::clone(&status),
    })?;
    // What streams and webhooks read shares no connection with calls.
    let events = Store::connect(&postgres.url, EVENT_CONNECTIONS, postgres.acquire_timeout)?;
    let feed = Feed::start(events.clone(), Arc::clone(&status), FeedTerms::default());
    let courier_stats = Arc::new(CourierStats::default());
    // No reason not to make calls.
    let courier = courier(&config, Arc::clone(&courier_stats));
    let courier = courier.inspect_err(|error| tracing::error!("webhooks are not sent: {error:#}")).ok();
    let networks = Arc::new(Networks::and(config.webhooks.private_networks.clone()));
    let lines = Arc::clone(&status);
    let heard = feed.clone();
    let extra_prefixes = daemon::Rules::of(&config).extra_prefixes.into();
    let carriers = config.carriers.clone().into();
    let web = listeners.serve(AppState {
        store: store.clone(),
        calls: Arc::new(switchboard),
        status,
        metrics,
        extra: Arc::new(move |text| {
            node_metrics(text, lines.nodes());
            live_metrics(text, &heard, &courier_stats);
        }),
        feed,
        networks,
        now: jiff::Timestamp::now,
        extra_prefixes,
        carriers,
        limits: Limits {
            body_bytes: config.http.max_body_bytes,
            behind_proxy: config.http.behind_proxy,
            ..Limits::default()
        },
    });
    let mut current = config;
    let ended = process
        .run(signals, move || {
            let new = reload(path, &current)?;
            current = new.clone();
            Some(new)
        })
        .await;
    web.stop().await;
    if let Some(courier) = courier {
        courier.stop().await;
    }
    events.close().await;
    store.close().await;
    leases.close().await;
    Ok(ended)
}

/// Streams and webhooks have so many connections each.
const EVENT_CONNECTIONS: u32 = 3;

/// Starts to send webhooks.
fn courier(config: &Config, stats: Arc<CourierStats>) -> anyhow::Result<CourierThread> {
    let sender = Sender::new(Networks::and(config.webhooks.private_networks.clone()))?;
    let (url, patience) = (config.postgres.url.clone(), config.postgres.acquire_timeout);
    Ok(CourierThread::start(move || Store::connect(&url, EVENT_CONNECTIONS, patience), sender, stats)?)
}

/// Whether the tables are those of this program.
async fn bring_up_to_date(store: &Store, migrate: bool) -> Result<(), StoreError> {
    if migrate {
        store.migrate().await?;
    }
    let pending = store.pending_migrations().await?;
    if pending.is_empty() { Ok(()) } else { Err(StoreError::Behind(pending.join(", "))) }
}

/// Where HTTP is spoken. Bound before anything is done in Asterisk, so that an address that is taken is known at once.
struct Listeners {
    api: TcpListener,
    /// Who can reach the API's.
    reach: Reach,
    operators: Option<TcpListener>,
}

impl Listeners {
    async fn bind(config: &config::Http) -> anyhow::Result<Self> {
        let bind = async |key: &str, address| {
            TcpListener::bind(address).await.with_context(|| format!("{key}: cannot listen on {address}"))
        };
        let operators = match config.metrics_listen {
            Some(address) => Some(bind("http.metrics_listen", address).await?),
            None => None,
        };
        // A proxy brings anybody to an address of this machine.
        let private = config.listen.ip().is_loopback() && !config.behind_proxy && operators.is_none();
        let reach = if private { Reach::Operators } else { Reach::Anybody };
        Ok(Self { api: bind("http.listen", config.listen).await?, reach, operators })
    }

    fn serve(self, state: AppState) -> Web {
        let web = Web { tasks: TaskTracker::new(), stop: CancellationToken::new() };
        if let Some(listener) = self.operators {
            web.tasks.spawn(http::serve(listener, http::operations(state.clone()), web.stop.clone()));
        }
        web.tasks.spawn(http::serve(self.api, http::api(state, self.reach), web.stop.clone()));
        web.tasks.close();
        web
    }
}

/// The servers under way.
struct Web {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Web {
    /// Finishes the requests under way.
    async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
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
