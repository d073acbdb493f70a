//! `[[node]]`: the Asterisk servers.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::report::{Given, Report};
use super::secret::Secret;
use super::{Reported, changed};
use crate::core::ids::NodeName;

/// A password that is shorter can be tried out.
const PASSWORD_CHARACTERS_MIN: usize = 12;

/// How to reach one Asterisk server over ARI.
#[derive(Clone, Debug)]
pub struct Node {
    /// What the records call it.
    pub name: NodeName,
    /// Scheme, host and port of its HTTP server; the path is `/`.
    pub url: Url,
    /// The user of `ari.conf`.
    pub username: String,
    /// That user's password.
    pub password: SecretString,
    /// The Stasis application that its dialplan names.
    pub app: String,
    /// Parallel HTTP connections for commands at most.
    pub max_http_connections: usize,
    /// How long a command may take before its outcome counts as unknown.
    pub request_timeout: Duration,
    /// Its share of the calls that are asked for, beside the other nodes' shares; 0: none.
    pub weight: u32,
    /// Whether a version with known holes is accepted.
    pub allow_vulnerable_asterisk: bool,
    /// Whether an Asterisk is accepted that runs dangerous functions for ARI.
    pub allow_live_dangerously: bool,
    /// Whether a dialplan is accepted that is not seen to end each leg with the other.
    pub allow_missing_safety_net: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNode {
    name: Option<Given<String>>,
    url: Option<Given<String>>,
    username: Option<Given<String>>,
    password: Option<Given<String>>,
    password_file: Option<Given<String>>,
    app: Option<Given<String>>,
    max_http_connections: Option<Given<u64>>,
    request_timeout_ms: Option<Given<u64>>,
    weight: Option<Given<u64>>,
    allow_vulnerable_asterisk: Option<Given<bool>>,
    allow_live_dangerously: Option<Given<bool>>,
    allow_missing_safety_net: Option<Given<bool>>,
}

impl Node {
    pub(super) fn check(raw: Vec<RawNode>, report: &mut Report) -> Result<Vec<Self>, Reported> {
        if raw.is_empty() {
            if report.is_wrong("node") {
                return Err(Reported);
            }
            return Err(report.error("node", "is missing; add a [[node]] section for your Asterisk server"));
        }
        // All of them, so that all errors are told.
        let nodes: Vec<_> = raw.into_iter().enumerate().map(|(i, raw)| Self::check_one(i, raw, report)).collect();
        let nodes = nodes.into_iter().collect::<Result<Vec<Self>, Reported>>()?;
        for (i, node) in nodes.iter().enumerate() {
            for (same, what, advice) in [
                (nodes[..i].iter().position(|other| other.name == node.name), "name", "give each server its own"),
                (
                    nodes[..i].iter().position(|other| other.url == node.url && other.app == node.app),
                    "url",
                    "an application of an Asterisk can have but one owner",
                ),
            ] {
                if let Some(same) = same {
                    let message = format!("is that of node[{same}] too; {advice}");
                    return Err(report.error(&format!("node[{i}].{what}"), message));
                }
            }
        }
        Ok(nodes)
    }

    fn check_one(index: usize, raw: RawNode, report: &mut Report) -> Result<Self, Reported> {
        let key = |k: &str| format!("node[{index}].{k}");
        let name = match report.parsed(&key("name"), raw.name) {
            Ok(None) => Err(report.error(&key("name"), "is missing; name the server, for example \"floor-1\"")),
            Ok(Some(name)) => Ok(name),
            Err(Reported) => Err(Reported),
        };
        let url = report.value(&key("url"), raw.url);
        let url = url.and_then(|url| checked_url(&key("url"), &url.unwrap_or_else(|| DEFAULT_URL.to_owned()), report));
        let username = report.value(&key("username"), raw.username);
        let username = username.and_then(|name| checked_username(&key("username"), name, report));
        let app = report.value(&key("app"), raw.app).and_then(|app| checked_app(&key("app"), app, report));
        // Of its own, or one for all nodes.
        let own = name.as_ref().map(|name| format!("ari-password-{name}")).unwrap_or_default();
        let has_own = !own.is_empty() && report.credentials_dir().is_some_and(|dir| dir.join(&own).exists());
        let password = Secret {
            key: &key("password"),
            inline: raw.password,
            file: raw.password_file,
            credential: if has_own { &own } else { "ari-password" },
        };
        let password = password.check(report);
        if let (Ok(username), Ok(password)) = (&username, &password) {
            warn_of_weak(&key("password"), password, username, report);
        }
        let max_http_connections = report.number(&key("max_http_connections"), raw.max_http_connections, 8, &(1..=32));
        let request_timeout =
            report.milliseconds(&key("request_timeout_ms"), raw.request_timeout_ms, 2000, &(100..=30_000));
        let weight = report.number(&key("weight"), raw.weight, 1, &(0..=100));
        let mut danger = |name: &str, given, message: &str| {
            let allowed = report.value(&key(name), given);
            if matches!(allowed, Ok(Some(true))) {
                report.warn(&key(name), message);
            }
            allowed
        };
        let vulnerable = danger(
            "allow_vulnerable_asterisk",
            raw.allow_vulnerable_asterisk,
            "an Asterisk with known holes is accepted; set it back to false after the upgrade",
        );
        let dangerously = danger(
            "allow_live_dangerously",
            raw.allow_live_dangerously,
            "whoever has the password of ARI may run commands on the server of Asterisk",
        );
        let no_net = danger(
            "allow_missing_safety_net",
            raw.allow_missing_safety_net,
            "a leg of a call may live on alone when the daemon is away",
        );
        Ok(Self {
            name: name?,
            url: url?,
            username: username?,
            password: password?,
            app: app?,
            max_http_connections: max_http_connections?,
            request_timeout: request_timeout?,
            weight: weight?,
            allow_vulnerable_asterisk: vulnerable?.unwrap_or(false),
            allow_live_dangerously: dangerously?.unwrap_or(false),
            allow_missing_safety_net: no_net?.unwrap_or(false),
        })
    }

    /// What differs between some of the old and the new nodes; all, if there are more or fewer.
    pub(super) fn restart_keys(old: &[Self], new: &[Self]) -> Vec<&'static str> {
        let mut keys: Vec<_> = old.iter().zip(new).flat_map(|(old, new)| old.changed_keys(new)).collect();
        if old.len() != new.len() {
            keys.push("node");
        }
        let mut told = std::collections::BTreeSet::new();
        keys.retain(|key| told.insert(*key));
        keys
    }

    fn changed_keys(&self, new: &Self) -> Vec<&'static str> {
        let Self {
            name,
            url,
            username,
            password,
            app,
            max_http_connections,
            request_timeout,
            weight,
            allow_vulnerable_asterisk,
            allow_live_dangerously,
            allow_missing_safety_net,
        } = self;
        changed([
            ("node.name", *name != new.name),
            ("node.url", *url != new.url),
            ("node.username", *username != new.username),
            ("node.password", password.expose_secret() != new.password.expose_secret()),
            ("node.app", *app != new.app),
            ("node.max_http_connections", *max_http_connections != new.max_http_connections),
            ("node.request_timeout_ms", *request_timeout != new.request_timeout),
            ("node.weight", *weight != new.weight),
            ("node.allow_vulnerable_asterisk", *allow_vulnerable_asterisk != new.allow_vulnerable_asterisk),
            ("node.allow_live_dangerously", *allow_live_dangerously != new.allow_live_dangerously),
            ("node.allow_missing_safety_net", *allow_missing_safety_net != new.allow_missing_safety_net),
        ])
    }
}

/// Tells whether a host, as a URL writes it, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn checked_url(key: &str, text: &str, report: &mut Report) -> Result<Url, Reported> {
    let form = "write http://127.0.0.1:8088";
    // The text is not repeated: it might hold a password.
    let Ok(url) = Url::parse(text) else {
        return Err(report.error(key, format!("is not a URL; {form}")));
    };
    let fault = if !matches!(url.scheme(), "http" | "https") {
        "begins with neither http:// nor https://"
    } else if !url.username().is_empty() || url.password().is_some() {
        "holds a user or password; use the settings username and password"
    } else if url.path() != "/" {
        "has a path"
    } else if url.query().is_some() || url.fragment().is_some() {
        "has a query or fragment"
    } else {
        if url.scheme() == "http" && !url.host_str().is_some_and(is_loopback) {
            let message = "the password and all calls' data go to another host unencrypted; use https";
            report.warn(key, message);
        }
        return Ok(url);
    };
    Err(report.error(key, format!("{fault}; {form}")))
}

fn checked_username(key: &str, given: Option<String>, report: &mut Report) -> Result<String, Reported> {
    let name = given.unwrap_or_else(|| "cordboard".to_owned());
    if name.contains(|c: char| c == ':' || c.is_control()) {
        return Err(report.error(key, "may hold neither ':' nor control characters"));
    }
    Ok(name)
}

fn checked_app(key: &str, given: Option<String>, report: &mut Report) -> Result<String, Reported> {
    let app = given.unwrap_or_else(|| "cordboard".to_owned());
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if app.len() > 40 || !app.chars().all(is_word) {
        let message = format!("{app:?} is not an application's name; use up to 40 of letters, digits, '_' and '-'");
        return Err(report.error(key, message));
    }
    Ok(app)
}

fn warn_of_weak(key: &str, password: &SecretString, username: &str, report: &mut Report) {
    let password = password.expose_secret();
    if password == username || password.chars().count() < PASSWORD_CHARACTERS_MIN {
        let message = format!(
            "the password can be guessed, and ARI can place calls at your cost; use {PASSWORD_CHARACTERS_MIN} random \
             characters or more"
        );
        report.warn(key, message);
    }
}

const DEFAULT_URL: &str = "http://127.0.0.1:8088";
