//! `cordboard doctor`: everything that calls depend on, one line each, and what to do.

use super::context::Context;
use super::failure::{ERROR, Failure, Outcome};
use super::output;
use crate::ari::{AriClient, AriConfig};
use crate::checks::{self, Finding, Level};
use crate::config::{Config, Loaded, Node};
use crate::store::Store;
use clap::Args;
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

/// One node takes no longer.
const LIMIT: Duration = Duration::from_secs(10);

/// Look at everything that calls depend on: settings, database, Asterisk, trunks, accounts, daemon
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard doctor
  cordboard doctor --json

Run it as the user of the daemon or as root, so that it can read the passwords.
Exit codes: 0 nothing failed (warnings may be there), 1 something failed, 78 wrong configuration")]
pub struct Doctor {}

impl Doctor {
    pub async fn run(&self, context: &Context) -> Outcome {
        let (loaded, knows_password) = context.loaded()?;
        let mut findings = settings(context, &loaded);
        let config = &loaded.config;
        let store = Context::unchecked_store(config)?;
        let nodes = config.nodes.iter().map(|node| look_at_node(config, node, &store, knows_password));
        let (postgres, nodes, daemon) =
            tokio::join!(checks::postgres(&store, Timestamp::now), join_all(nodes), checks::daemon(&config.http),);
        findings.push(checks::emergency(config));
        findings.extend(postgres);
        findings.extend(nodes.into_iter().flatten());
        findings.push(daemon);
        show(context, &findings)
    }
}

fn settings(context: &Context, loaded: &Loaded) -> Vec<Finding> {
    const CHECK: &str = "configuration";
    let name = context.path().display();
    if loaded.warnings.is_empty() {
        return vec![Finding::ok(CHECK, name.to_string())];
    }
    let warnings = loaded.warnings.iter().map(|warning| Finding::warning(CHECK, warning.to_string(), ""));
    // Told by a check of its own.
    let warnings = warnings.filter(|finding| !finding.found.contains("no emergency route configured"));
    let warnings: Vec<_> = warnings.collect();
    if warnings.is_empty() { vec![Finding::ok(CHECK, name.to_string())] } else { warnings }
}

async fn look_at_node(config: &Config, node: &Node, store: &Store, knows_password: bool) -> Vec<Finding> {
    if !knows_password {
        let found = "its password cannot be read by this user";
        let advice = "run this as the user of the daemon or as root, or set CORDBOARD__NODE__0__PASSWORD";
        return vec![Finding::warning(checks::REACHABLE, found, advice).on(&node.name)];
    }
    let client = match client(node) {
        Ok(client) => client,
        Err(why) => {
            return vec![Finding::failed(checks::REACHABLE, why, "correct the section [[node]]").on(&node.name)];
        }
    };
    let everything = async {
        let mut findings = checks::node(&client, node, Timestamp::now).await;
        if findings.iter().any(|finding| finding.check == checks::REACHABLE) {
            return findings;
        }
        let (exposure, socket, trunks, accounts) = tokio::join!(
            checks::exposure(&node.url),
            checks::event_socket(&client),
            checks::trunks(&client, Some(store), config, node),
            checks::accounts(&client, store, node),
        );
        findings.extend([exposure.on(&node.name), socket.on(&node.name)]);
        findings.extend(trunks);
        findings.extend(accounts);
        findings
    };
    tokio::time::timeout(LIMIT, everything).await.unwrap_or_else(|_| {
        let found = format!("did not answer everything within {} s", LIMIT.as_secs());
        vec![
            Finding::failed(checks::REACHABLE, found, "see its log; if it does not recover, restart it").on(&node.name),
        ]
    })
}

/// The way to a node's Asterisk.
pub fn client(node: &Node) -> Result<AriClient, String> {
    let url = format!("{}/ari", node.url.as_str().trim_end_matches('/'));
    let config = AriConfig::new(&url, &node.app, &node.username, node.password.clone()).map_err(|e| e.to_string())?;
    AriClient::new(config).map_err(|error| error.to_string())
}

fn show(context: &Context, findings: &[Finding]) -> Outcome {
    let worst = checks::worst(findings);
    if context.json {
        output::print_json(&json!({"ok": worst != Level::Failed, "checks": findings}))?;
    } else {
        let rows: Vec<_> = findings
            .iter()
            .map(|finding| {
                let Finding { level, found, advice, .. } = finding;
                [level.as_str().to_owned(), finding.subject(), found.clone(), advice.clone()]
            })
            .collect();
        output::print(&output::table(["state", "check", "found", "what to do"], &rows))?;
    }
    if worst == Level::Failed { Err(Failure::silent(ERROR)) } else { Ok(()) }
}
