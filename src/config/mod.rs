//! The settings: one TOML file, overridden by the environment, checked as a whole.
//!
//! ```text
//! cordboard.toml ─┐                       one struct per section,
//!                 ├─ merged tree ─ Raw ─► typed and cross-checked ─► Config + warnings
//! CORDBOARD__… ───┘  (who said what)                        └──────► ConfigErrors, all of them
//! ```
//!
//! * **One file a section.** `Raw…` is what may be written (`deny_unknown_fields`); the type without the prefix is
//!   what the rest of the daemon sees. A [`Config`] that exists is valid.
//! * **All errors at once.** Every error has its place (line of the file, or the variable) and its key.
//! * **Warnings** are for what is allowed, but dangerous or probably forgotten.
//!
//! # Environment
//!
//! `CORDBOARD__SECTION__KEY`, two underscores everywhere, capitals only. A variable stands above the file. The type
//! of the setting decides how the text is read, never its look: `8080` is a password where a password is wanted.
//!
//! * numbers `45`, switches `true` or `false`;
//! * a list of words is given whole and replaces the file's: `CORDBOARD__CALLS__ALLOW_CLASSES=premium,satellite`
//!   (an empty variable is an empty list; for any other kind of setting it is an error);
//! * a member of a list of tables is named by its position from 0, and only the key named is changed:
//!   `CORDBOARD__NODE__0__PASSWORD`. The position after the last adds a member.
//!
//! A variable with the prefix that names no setting is an error. `CORDBOARD_CONFIG` and the like, with one underscore,
//! belong to the command line.
//!
//! # Secrets
//!
//! A secret `x` may be given in place, as a file (`x_file`, an absolute path), or as a systemd credential; the
//! first that is there wins, and giving both `x` and `x_file` in one layer is an error. A variable for either
//! replaces whichever the file has. One newline at the end of a secret file is dropped.
//!
//! | setting | credential |
//! |---|---|
//! | `postgres.url` | `database-url` |
//! | `node.password` | `ari-password-` and the node's name, else `ari-password` |
//! | `carrier.secret` | `carrier-secret-` and the carrier's name |

mod calls;
mod carrier;
mod emergency;
mod errors;
mod http;
mod journal;
mod log;
mod node;
mod postgres;
mod report;
mod schema;
mod secret;
mod show;
mod shutdown;
mod source;
mod webhooks;

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

pub use calls::{Calls, ExtraPrefix};
pub use carrier::Carrier;
pub use errors::{ConfigErrors, Notice, Place, Warning};
pub use http::Http;
pub use journal::Journal;
pub use log::{Log, LogFormat};
pub use node::Node;
pub use postgres::Postgres;
pub use schema::keys;
pub use shutdown::Shutdown;
pub use webhooks::Webhooks;

use crate::core::settings::{EmergencyRoute, Settings};
use report::Report;

/// All settings, valid and complete. Secrets are hidden from `Debug`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the records are kept.
    pub postgres: Postgres,
    /// Where facts wait while the database is away.
    pub journal: Journal,
    /// The Asterisk servers; at least one, of different names.
    pub nodes: Vec<Node>,
    /// How calls are made.
    pub calls: Calls,
    /// Where emergency calls go; without it they are refused.
    pub emergency: Option<EmergencyRoute>,
    /// Who may be asked for our numbers, of different names.
    pub carriers: Vec<Carrier>,
    /// The HTTP interface.
    pub http: Http,
    /// Where events may be sent.
    pub webhooks: Webhooks,
    /// What is logged, and how.
    pub log: Log,
    /// How the daemon ends.
    pub shutdown: Shutdown,
}

/// Settings that may be used, with what their owner should know about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What is dangerous or probably forgotten, in the order of the file.
    pub warnings: Vec<Warning>,
}

/// Reads the file, the environment of this process and `$CREDENTIALS_DIRECTORY`.
///
/// # Errors
///
/// When the file cannot be read, or any setting is wrong: all that is wrong is told at once.
pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    let name = path.display().to_string();
    let (text, readable_by_all) = source::read(path).map_err(|message| ConfigErrors::unreadable(&name, message))?;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    let mut report = Report::new(&name, credentials.as_ref().map(Path::new));
    let variables = source::own_variables(&mut report);
    let config = build(&text, variables, &mut report);
    if readable_by_all && let Ok(config) = &config {
        secret::warn_of_secrets_in(&text, config, &mut report);
    }
    report.finish(config)
}

/// Reads settings from a text and from the given variables, touching nothing global; the file is called
/// `cordboard.toml` in what is reported. Secret files that the settings name are read.
///
/// # Errors
///
/// When any setting is wrong: all that is wrong is told at once.
pub fn load_from(
    text: &str,
    env: impl Iterator<Item = (String, String)>,
    credentials_dir: Option<&Path>,
) -> Result<Loaded, ConfigErrors> {
    let mut report = Report::new("cordboard.toml", credentials_dir);
    let config = build(text, env.collect(), &mut report);
    report.finish(config)
}

/// Tells which settings differ and only take effect after a restart, in the order of the sample. All others
/// (`calls`, `emergency`, `log.level`, `shutdown`, `http.behind_proxy`) are live.
///
/// Secrets are compared by value, so that a changed password file counts.
pub fn diff_needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut keys = old.postgres.restart_keys(&new.postgres);
    keys.extend(old.journal.restart_keys(&new.journal));
    keys.extend(Node::restart_keys(&old.nodes, &new.nodes));
    keys.extend(Carrier::restart_keys(&old.carriers, &new.carriers));
    keys.extend(old.http.restart_keys(&new.http));
    keys.extend(old.webhooks.restart_keys(&new.webhooks));
    keys.extend(old.log.restart_keys(&new.log));
    keys
}

impl Config {
    /// The part that the engine needs.
    pub fn engine_settings(&self) -> Settings {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        Settings {
            ring_timeout_s: seconds(self.calls.ring_timeout),
            agent_ring_timeout_s: seconds(self.calls.agent_ring_timeout),
            max_call_s: seconds(self.calls.max_call),
            auto_answer: self.calls.auto_answer_header,
            emergency: self.emergency.clone(),
        }
    }

    /// Writes all settings in force, defaults included, as TOML with the secrets masked.
    pub fn redacted_toml(&self) -> String {
        show::redacted_toml(self)
    }
}

/// What the file may say. Every part may be absent here; what must be there is asked for later, so that what is
/// missing and what is wrong are told together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    postgres: Option<postgres::RawPostgres>,
    journal: Option<journal::RawJournal>,
    node: Option<Vec<node::RawNode>>,
    calls: Option<calls::RawCalls>,
    emergency: Option<emergency::RawEmergency>,
    carrier: Option<Vec<carrier::RawCarrier>>,
    http: Option<http::RawHttp>,
    webhooks: Option<webhooks::RawWebhooks>,
    log: Option<log::RawLog>,
    shutdown: Option<shutdown::RawShutdown>,
}

/// Marks a value that is wrong and whose error is in the [`Report`] already.
#[derive(Debug)]
struct Reported;

fn build(text: &str, env: Vec<(String, String)>, report: &mut Report) -> Result<Config, Reported> {
    let raw = source::merge(text, env, report)?;
    let postgres = Postgres::check(raw.postgres.unwrap_or_default(), report);
    let journal = Journal::check(raw.journal.unwrap_or_default(), report);
    let nodes = Node::check(raw.node.unwrap_or_default(), report);
    let calls = Calls::check(raw.calls.unwrap_or_default(), report);
    let emergency = emergency::check(raw.emergency, report);
    let carriers = Carrier::check(raw.carrier.unwrap_or_default(), report);
    let http = Http::check(raw.http.unwrap_or_default(), report);
    let webhooks = Webhooks::check(raw.webhooks.unwrap_or_default(), report);
    let log = Log::check(raw.log.unwrap_or_default(), report);
    let shutdown = Shutdown::check(raw.shutdown.unwrap_or_default(), report);
    Ok(Config {
        postgres: postgres?,
        journal: journal?,
        nodes: nodes?,
        calls: calls?,
        emergency: emergency?,
        carriers: carriers?,
        http: http?,
        webhooks: webhooks?,
        log: log?,
        shutdown: shutdown?,
    })
}

/// Keeps the keys whose values differ.
fn changed<const N: usize>(pairs: [(&'static str, bool); N]) -> Vec<&'static str> {
    let changed = pairs.into_iter().filter(|(_, differs)| *differs);
    changed.map(|(key, _)| key).collect()
}
