//! `[postgres]`: where the records are kept.

use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::report::{Given, Report};
use super::secret::Secret;
use super::{Reported, changed};

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
/// Parameters of the URL that may be shown.
const HARMLESS: [&str; 6] = ["sslmode", "host", "port", "dbname", "user", "application_name"];

/// How to reach Postgres.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// A `postgres://` URL; may hold a password.
    pub url: SecretString,
    /// Connections in the pool at most.
    pub max_connections: u32,
    /// How long a request waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long an agent waits for the decision, all in all, before the call is refused.
    pub admission_timeout: Duration,
    /// Whether the daemon brings the schema up to date when it starts.
    pub migrate_at_start: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPostgres {
    url: Option<Given<String>>,
    url_file: Option<Given<String>>,
    max_connections: Option<Given<u64>>,
    acquire_timeout_ms: Option<Given<u64>>,
    admission_timeout_ms: Option<Given<u64>>,
    migrate_at_start: Option<Given<bool>>,
}

impl Postgres {
    pub(super) fn check(raw: RawPostgres, report: &mut Report) -> Result<Self, Reported> {
        let key = |k: &str| format!("postgres.{k}");
        let url = Secret { key: "postgres.url", inline: raw.url, file: raw.url_file, credential: "database-url" };
        let url = url.check(report).and_then(|url| checked(url, report));
        let max_connections = report.number(&key("max_connections"), raw.max_connections, 10, &(2..=500));
        let acquire_timeout =
            report.milliseconds(&key("acquire_timeout_ms"), raw.acquire_timeout_ms, 2000, &(50..=60_000));
        let admission_timeout =
            report.milliseconds(&key("admission_timeout_ms"), raw.admission_timeout_ms, 250, &(50..=10_000));
        let migrate_at_start = report.value(&key("migrate_at_start"), raw.migrate_at_start);
        Ok(Self {
            url: url?,
            max_connections: max_connections?,
            acquire_timeout: acquire_timeout?,
            admission_timeout: admission_timeout?,
            migrate_at_start: migrate_at_start?.unwrap_or(false),
        })
    }

    pub(super) fn restart_keys(&self, new: &Self) -> Vec<&'static str> {
        let Self { url, max_connections, acquire_timeout, admission_timeout, migrate_at_start } = self;
        changed([
            ("postgres.url", url.expose_secret() != new.url.expose_secret()),
            ("postgres.max_connections", *max_connections != new.max_connections),
            ("postgres.acquire_timeout_ms", *acquire_timeout != new.acquire_timeout),
            ("postgres.admission_timeout_ms", *admission_timeout != new.admission_timeout),
            ("postgres.migrate_at_start", *migrate_at_start != new.migrate_at_start),
        ])
    }

    pub(super) fn has_password(&self) -> bool {
        Url::parse(self.url.expose_secret())
            .is_ok_and(|url| url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password"))
    }

    /// The URL without its password and without parameters that might be one.
    pub(super) fn redacted_url(&self) -> String {
        let Ok(mut url) = Url::parse(self.url.expose_secret()) else {
            return super::show::MASK.to_owned();
        };
        if url.password().is_some() {
            // Fails only for a URL without a host, and such a URL has no password.
            let _ = url.set_password(Some(super::show::MASK));
        }
        url.set_fragment(None);
        let shown: Vec<String> = url.query_pairs().map(|(name, value)| shown_pair(&name, &value)).collect();
        url.set_query((!shown.is_empty()).then(|| shown.join("&")).as_deref());
        url.into()
    }
}

fn shown_pair(name: &str, value: &str) -> String {
    let value = if HARMLESS.contains(&name) { value } else { super::show::MASK };
    format!("{name}={value}")
}

/// Checks the form of the URL, never repeating any of it.
fn checked(secret: SecretString, report: &mut Report) -> Result<SecretString, Reported> {
    let key = "postgres.url";
    let form = "write postgres://user@host/database";
    let Ok(url) = Url::parse(secret.expose_secret()) else {
        return Err(report.error(key, format!("is not a URL; {form}")));
    };
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(report.error(key, format!("does not begin with postgres://; {form}")));
    }
    let parameter = |name: &str| url.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned());
    if url.path().trim_start_matches('/').is_empty() && parameter("dbname").is_none() {
        return Err(report.error(key, format!("names no database; {form}")));
    }
    let mode = parameter("sslmode").unwrap_or_else(|| "prefer".to_owned());
    if !SSL_MODES.contains(&mode.as_str()) {
        let message = format!("its sslmode is unknown; use one of {}", SSL_MODES.join(", "));
        return Err(report.error(key, message));
    }
    let host = parameter("host").or_else(|| url.host_str().map(str::to_owned)).unwrap_or_default();
    if !is_near(&host) && !matches!(mode.as_str(), "require" | "verify-ca" | "verify-full") {
        let message = "the connection to another host may be unencrypted; add ?sslmode=verify-full, or at least \
                       ?sslmode=require";
        report.warn(key, message);
    }
    Ok(secret)
}

/// Tells whether a host is this machine: loopback or a socket's directory.
fn is_near(host: &str) -> bool {
    let is_socket = host.is_empty() || host.starts_with('/') || host.starts_with("%2F") || host.starts_with("%2f");
    is_socket || super::node::is_loopback(host)
}
