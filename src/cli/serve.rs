//! `cordboard serve`: the daemon.

use crate::ari::SocketStats;
use crate::config::{self, Config, LogFormat};
use crate::daemon::{self, Daemon, Ended, Status};
use crate::http::metrics::{counter, gauge};
use crate::http::{self, AppState, Limits, Reach};
use crate::store::{Store, StoreError};
use crate::telemetry::{self, Metrics};
use anyhow::Context as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    let postgres = &config.postgres;
    let store = Store::connect_for_calls(&postgres.url, postgres.max_connections, postgres.acquire_timeout)?;
    match fit(&store, config.postgres.migrate_at_start).await {
        Err(error @ (StoreError::Unavailable(_) | StoreError::TooSlow(_))) => {
            tracing::error!(%error, "starting without the database: emergency calls only, until it is there");
        }
        result => result?,
    }
    let (metrics, status) = (Arc::new(Metrics::default()), Arc::new(Status::default()));
    let signals = daemon::signals()?;
    let listeners = Listeners::bind(&config.http).await?;
    let (daemon, handle, socket) =
        Daemon::start(&config, store.clone(), Arc::clone(&metrics), Arc::clone(&status)).await?;
    // It ends with the process.
    tokio::spawn(daemon::watch_clocks(store.clone(), Arc::clone(&status)));
    let extra_prefixes = daemon::Rules::of(&config).extra_prefixes.into();
    let web = listeners.serve(AppState {
        store: store.clone(),
        calls: Arc::new(handle),
        status,
        metrics,
        extra: Arc::new(move |text| socket_metrics(text, &socket)),
        now: jiff::Timestamp::now,
        extra_prefixes,
        limits: Limits { body_bytes: config.http.max_body_bytes, ..Limits::default() },
    });
    let mut current = config;
    let ended = daemon
        .run(signals, move || {
            let new = reload(path, &current)?;
            current = new.clone();
            Some(new)
        })
        .await;
    web.stop().await;
    store.close().await;
    Ok(ended)
}

/// Whether the tables are those of this program.
async fn fit(store: &Store, migrate: bool) -> Result<(), StoreError> {
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

fn socket_metrics(text: &mut String, socket: &SocketStats) {
    let counters = [
        ("events", "Events read from Asterisk", &socket.events),
        ("malformed_events", "Events that could not be read", &socket.malformed),
        ("unknown_events", "Events of a type that we do not know", &socket.unknown),
        ("overflows", "Times the queue of events ran over", &socket.overflows),
        ("connects", "Connections made to the events", &socket.connects),
        ("losses", "Connections to the events that were lost", &socket.losses),
    ];
    for (name, help, value) in counters {
        counter(text, &format!("cordboard_ari_{name}"), help, value.load(Ordering::Relaxed));
    }
    // A task that nobody ends shows here first.
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    gauge(text, "cordboard_tasks", "Tasks alive in the daemon", tasks);
    let connected = u8::from(socket.connected.load(Ordering::Relaxed));
    gauge(text, "cordboard_ari_connected", "The connection to the events stands", connected);
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
