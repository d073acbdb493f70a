//! The command line can what the API can, and says it in JSON too; manual pages and the document come out of the same program.

use crate::floor::Floor;
use cordboard::http::openapi;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Each act of the API, and the command that does it; empty: it has no sense without a browser or a program that asks, and why.
const ACTS: &[(&str, &str, &str)] = &[
    ("signIn", "", "an operator has the database"),
    ("signOut", "", "the same"),
    ("getMe", "", "an operator is nobody of an organization"),
    ("changeMyPassword", "users password", ""),
    ("listCalls", "calls list", ""),
    ("startCall", "dial", ""),
    ("getCall", "calls show", ""),
    ("endCall", "calls hangup", ""),
    ("listNumbers", "numbers list", ""),
    ("addNumber", "numbers add", ""),
    ("getNumber", "numbers show", ""),
    ("changeNumber", "numbers edit", ""),
    ("putNumber", "numbers edit", ""),
    ("deleteNumber", "numbers delete", ""),
    ("getNumbersDropdown", "numbers list", ""),
    ("groupNumbers", "numbers groups", ""),
    ("countNumbers", "numbers summary", ""),
    ("getPrimaryNumber", "numbers list", ""),
    ("activateNumber", "numbers set", ""),
    ("deactivateNumber", "numbers set", ""),
    ("restNumber", "numbers set", ""),
    ("retireNumber", "numbers set", ""),
    ("makeNumberPrimary", "numbers edit", ""),
    ("changeNumbers", "apply", ""),
    ("uploadNumbers", "numbers import", ""),
    ("getUpload", "numbers import", ""),
    ("exportNumbers", "numbers export", ""),
    ("assignNumber", "assign", ""),
    ("unassignNumber", "unassign", ""),
    ("getNumbersOfAgent", "usage", ""),
    ("getNumberHistory", "numbers history", ""),
    ("getAgentHistory", "agents history", ""),
    ("listAvailableNumbers", "numbers pool list", ""),
    ("chooseNumber", "numbers pool claim", ""),
    ("getCurrentNumber", "numbers list", ""),
    ("swapNumber", "numbers pool swap", ""),
    ("restCurrentNumber", "numbers set", ""),
    ("releaseNumber", "numbers pool release", ""),
    ("provisionNumber", "numbers pool provision", ""),
    ("listAgents", "agents list", ""),
    ("getAgent", "agents list", ""),
    ("listUsers", "users list", ""),
    ("addUser", "users add", ""),
    ("getUser", "users list", ""),
    ("changeUser", "users role", ""),
    ("listTokens", "tokens list", ""),
    ("addToken", "tokens add", ""),
    ("revokeToken", "tokens revoke", ""),
    ("listAudit", "audit list", ""),
    ("listCarriers", "check-config", ""),
    ("importFromCarrier", "numbers import-carrier", ""),
    ("importFromOnlyCarrier", "numbers import-carrier", ""),
    ("compareWithCarrier", "numbers drift", ""),
    ("listCampaigns", "campaigns list", ""),
    ("addCampaign", "campaigns add", ""),
    ("getCampaign", "campaigns show", ""),
    ("changeCampaign", "campaigns edit", ""),
    ("listCampaignNumbers", "campaigns show", ""),
    ("linkNumbers", "campaigns link", ""),
    ("unlinkNumber", "campaigns unlink", ""),
    ("listContacts", "campaigns contacts", ""),
    ("addContact", "campaigns add-contact", ""),
    ("removeContact", "campaigns remove-contact", ""),
    ("uploadContacts", "campaigns import-contacts", ""),
    ("getDashboard", "analytics dashboard", ""),
    ("compareNumbers", "analytics compare", ""),
    ("discoverNumbers", "analytics discover", ""),
    ("discoverNumbersAgain", "analytics discover", ""),
    ("addDiscoveredNumbers", "analytics discover", ""),
    ("listWebhooks", "webhooks list", ""),
    ("addWebhook", "webhooks add", ""),
    ("getWebhook", "webhooks list", ""),
    ("changeWebhook", "webhooks change", ""),
    ("deleteWebhook", "webhooks remove", ""),
    ("renewWebhookSecret", "webhooks rotate", ""),
    ("listWebhookDeliveries", "webhooks deliveries", ""),
    ("sendDeliveryAgain", "webhooks resend", ""),
    ("streamEvents", "", "what it tells is in the records: calls list"),
    ("getAlive", "doctor", ""),
    ("getReady", "doctor", ""),
    ("getMetrics", "", "it is for Prometheus"),
    ("getOpenApi", "openapi", ""),
    ("getDocs", "man", ""),
    ("getDocsStyle", "", "a part of the page"),
];

fn built() -> clap::Command {
    let mut command = cordboard::cli::command();
    command.build();
    command
}

#[test]
fn every_act_of_the_api_has_a_command() {
    let document = openapi::document();
    let paths = document["paths"].as_object().expect("paths");
    let ids = paths.values().flat_map(|methods| methods.as_object().expect("methods").values());
    let ids: BTreeSet<&str> = ids.map(|operation| operation["operationId"].as_str().expect("an id")).collect();
    let known: BTreeMap<&str, (&str, &str)> = ACTS.iter().map(|(id, words, why)| (*id, (*words, *why))).collect();
    let silent: Vec<_> = ids.iter().filter(|id| !known.contains_key(**id)).collect();
    assert!(silent.is_empty(), "which command does this? say it in ACTS: {silent:?}");
    let dead: Vec<_> = known.keys().filter(|id| !ids.contains(**id)).collect();
    assert!(dead.is_empty(), "no such act: {dead:?}");
    let command = built();
    for (id, (words, why)) in known {
        assert_eq!(words.is_empty(), !why.is_empty(), "{id}");
        let end = words.split_whitespace().try_fold(&command, |command, word| command.find_subcommand(word));
        assert!(end.is_some(), "{id}: there is no `cordboard {words}`");
        assert!(
            words.is_empty() || end.is_some_and(|end| !end.has_subcommands()),
            "{id}: `{words}` does nothing itself"
        );
    }
}

fn leaves<'a>(command: &'a clap::Command, path: &str, all: &mut Vec<(String, &'a clap::Command)>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        if sub.has_subcommands() {
            leaves(sub, &path, all);
        } else {
            all.push((path, sub));
        }
    }
}

#[test]
fn every_command_has_json() {
    let command = built();
    let mut all = Vec::new();
    leaves(&command, "", &mut all);
    assert!(all.len() > 40, "{}", all.len());
    for (path, leaf) in all {
        assert!(leaf.get_arguments().any(|arg| arg.get_long() == Some("json")), "cordboard{path}");
    }
}

#[test]
fn the_document_comes_out_of_the_program() {
    let printed = Floor::bare().ok("openapi");
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(printed, openapi::document());
}

#[test]
fn every_command_has_a_manual_page() {
    let floor = Floor::bare();
    let page = floor.ok("man");
    assert!(page.starts_with(".ie") || page.contains(".TH"), "{}", &page[..page.len().min(200)]);
    assert!(page.contains("Exit codes: 0 done"), "what the codes mean is said in the page");
    let dir = std::env::temp_dir().join(format!("cordboard-man-{}", std::process::id()));
    let written = floor.json(&format!("man --dir {}", dir.display()));
    let command = built();
    let mut all = Vec::new();
    leaves(&command, "cordboard", &mut all);
    for (path, _) in &all {
        let name = path.replace(' ', "-");
        let text =
            std::fs::read_to_string(dir.join(format!("{name}.1"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains(".SH SYNOPSIS") && text.contains(".TH"), "{name}");
    }
    assert!(written["written"].as_array().is_some_and(|pages| pages.len() > all.len()), "{written}");
    std::fs::remove_dir_all(&dir).expect("removed");
}
