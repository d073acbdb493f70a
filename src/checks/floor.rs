//! What the database says must be in Asterisk, and the daemon between the two.

use super::finding::Finding;
use super::reach::{self, Reached};
use crate::ari::{AriClient, AriError};
use crate::config::{Config, Http, Node};
use crate::core::ids::TrunkName;
use crate::store::{Store, StoreError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);
/// So many names are told.
const NAMES: usize = 5;

/// Whether calls for help have a way.
pub fn emergency(config: &Config) -> Finding {
    const CHECK: &str = "emergency";
    if let Some(route) = &config.emergency {
        return Finding::ok(CHECK, format!("by trunk {}", route.trunk));
    }
    let advice = "set [emergency], or make sure that every agent has another phone";
    Finding::warning(CHECK, "calls to 911, 112 and the like are refused", advice)
}

/// Every trunk that is on, and the one for emergency calls: known to Asterisk, and reachable by it.
pub async fn trunks(client: &AriClient, store: Option<&Store>, config: &Config, node: &Node) -> Vec<Finding> {
    let mut wanted: BTreeMap<String, &'static str> = BTreeMap::new();
    if let Some(Ok(Ok(trunks))) = limited(store.map(Store::trunks)).await {
        wanted.extend(trunks.iter().filter(|trunk| trunk.active).map(|trunk| (trunk.name.to_string(), "trunk")));
    }
    let emergency = config.emergency.as_ref().map(|route| &route.trunk);
    wanted.extend(emergency.map(|trunk: &TrunkName| (trunk.to_string(), "trunk for emergency calls")));
    let mut findings = Vec::new();
    let Ok(endpoints) = client.list_endpoints().await else { return findings };
    let online: BTreeMap<String, bool> =
        endpoints.into_iter().map(|(name, online)| (name.to_string(), online)).collect();
    for (name, what) in wanted {
        let finding = match online.get(&name) {
            Some(true) => Finding::ok("trunk", format!("{what} {name} is reachable")),
            Some(false) => {
                let advice = "check its contact in local/pjsip.conf and the way to the carrier: it is not dialled now";
                Finding::failed("trunk", format!("{what} {name} does not answer Asterisk"), advice)
            }
            None => {
                let advice = "add it to local/pjsip.conf as asterisk-conf shows, and run pjsip reload in Asterisk";
                Finding::failed("trunk", format!("{what} {name} is no endpoint of Asterisk"), advice)
            }
        };
        findings.push(finding);
    }
    findings.into_iter().map(|finding| finding.on(&node.name)).collect()
}

/// Whether a daemon hears what happens in Asterisk.
pub async fn event_socket(client: &AriClient) -> Finding {
    const CHECK: &str = "event_socket";
    match client.application().await {
        Ok(_) => Finding::ok(CHECK, format!("Asterisk knows the application {}", client.app())),
        Err(AriError::Refused { status: 404 }) => {
            let found = "no daemon is connected: agents hear that the service is unavailable";
            Finding::failed(CHECK, found, "start the daemon; if it runs, see node.app and its log")
        }
        Err(error) => Finding::unclear(CHECK, error),
    }
}

/// The agents' SIP accounts: those of the database are in Asterisk, and those taken away are not.
pub async fn accounts(client: &AriClient, store: &Store, node: &Node) -> Option<Finding> {
    let Ok(Ok((accounts, gone))) = tokio::time::timeout(LIMIT, async {
        Ok::<_, StoreError>((store.sip_accounts().await?, store.gone_sip_accounts(&node.name).await?))
    })
    .await
    else {
        return None;
    };
    let endpoints = client.list_endpoints().await.ok()?;
    let there: BTreeSet<String> = endpoints.into_iter().map(|(name, _)| name.to_string()).collect();
    let missing: Vec<String> =
        accounts.iter().map(|account| account.endpoint.to_string()).filter(|name| !there.contains(name)).collect();
    let left: Vec<String> = gone.iter().map(ToString::to_string).filter(|name| there.contains(name)).collect();
    let advice = "the daemon puts this in order: see that it runs and reaches Asterisk";
    let finding = match (missing.is_empty(), left.is_empty()) {
        (true, true) => Finding::ok("accounts", format!("{} SIP accounts, all of them in Asterisk", accounts.len())),
        (false, _) => {
            let found =
                format!("{} of {} SIP accounts are not in Asterisk: {}", missing.len(), accounts.len(), some(&missing));
            Finding::failed("accounts", found, advice)
        }
        (true, false) => {
            let found = format!("{} removed SIP accounts are still in Asterisk: {}", left.len(), some(&left));
            Finding::warning("accounts", found, advice)
        }
    };
    Some(finding.on(&node.name))
}

/// Whether the daemon runs here, and what it says of itself.
pub async fn daemon(http: &Http) -> Finding {
    const CHECK: &str = "daemon";
    let listen = http.metrics_listen.unwrap_or(http.listen);
    let ip = if listen.ip().is_unspecified() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { listen.ip() };
    let address = SocketAddr::new(ip, listen.port());
    match reach::get(address, "/readyz").await {
        Reached::Answer { status: 200, .. } => Finding::ok(CHECK, format!("ready at {address}")),
        Reached::Answer { status: 503, body } => {
            let found = format!("runs and takes no calls: {}", why_not(&body));
            Finding::failed(CHECK, found, "see the other lines, and the daemon's log")
        }
        Reached::Answer { .. } | Reached::Somebody => {
            Finding::failed(CHECK, format!("what listens at {address} is no Cordboard"), "see http.listen")
        }
        Reached::Nobody => {
            let advice = "systemctl start cordboard; then journalctl -u cordboard";
            Finding::failed(CHECK, format!("nobody answers at {address}"), advice)
        }
    }
}

/// The lamps of `/readyz` that are not lit, and what blocks.
fn why_not(body: &str) -> String {
    let health: Value = serde_json::from_str(body).unwrap_or_default();
    let lamp = |name: &str, wanted: bool| health[name].as_bool().is_some_and(|lit| lit != wanted);
    let mut why: Vec<String> = [
        ("asterisk", true, "Asterisk's events are not heard"),
        ("postgres", true, "Postgres does not answer"),
        ("draining", false, "it is about to stop"),
    ]
    .into_iter()
    .filter(|(name, wanted, _)| lamp(name, *wanted))
    .map(|(_, _, text)| text.to_owned())
    .collect();
    let blocked = health["blocked"].as_array().into_iter().flatten();
    why.extend(blocked.filter_map(|finding| Some(format!("{} blocks", finding["check"].as_str()?))));
    if why.is_empty() { "it does not say why".to_owned() } else { why.join(", ") }
}

async fn limited<T>(work: Option<impl Future<Output = T>>) -> Option<Result<T, tokio::time::error::Elapsed>> {
    match work {
        Some(work) => Some(tokio::time::timeout(LIMIT, work).await),
        None => None,
    }
}

fn some(names: &[String]) -> String {
    let mut told = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMES {
        told.push_str(", …");
    }
    told
}
