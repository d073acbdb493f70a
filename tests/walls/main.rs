//! The walls between the rooms of this house. Reads the sources and names every broken wall with file and line; for each
//! rule there is a control, a snippet that breaks it and must be caught.

mod source;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Files that may be longer, because nobody reads or writes them by hand.
const GENERATED: [&str; 1] = ["src/policy/emergency_table.rs"];
const LINES_MAX: usize = 400;

/// Crates that the pure rooms may name: types and derives, nothing that acts.
const PURE_CRATES: [&str; 4] = ["jiff", "serde", "thiserror", "uuid"];
/// What the pure rooms may not name of the standard library.
const IMPURE_STD: [&str; 10] =
    ["env", "fs", "io", "net", "os", "process", "thread", "time::Instant", "time::SystemTime", "hash::RandomState"];
/// What the pure rooms may not name at all, and why.
const IMPURE_NAMES: [(&str, &str); 14] = [
    ("HashMap", "its order is random: use BTreeMap"),
    ("HashSet", "its order is random: use BTreeSet"),
    ("Instant", "the time is told from outside"),
    ("SystemTime", "the time is told from outside"),
    ("async", "nothing here waits"),
    ("await", "nothing here waits"),
    ("dbg", "nothing here prints"),
    ("eprint", "nothing here prints"),
    ("eprintln", "nothing here prints"),
    ("print", "nothing here prints"),
    ("println", "nothing here prints"),
    ("rand", "nothing here is random"),
    ("static", "all state is in the engine"),
    ("unsafe", "nothing here needs it"),
];
/// Associated functions that the pure rooms may not call on any type.
const IMPURE_CALLS: [&str; 5] = ["new_v4", "now", "now_v4", "now_v7", "system"];

/// Who may not name whom. Only `cli`, `lib.rs` and `main.rs` know all.
const APART: [(&str, &[&str]); 17] = [
    (
        "access",
        &["ari", "checks", "cli", "config", "core", "daemon", "http", "numbering", "policy", "store", "telemetry"],
    ),
    // Figures come to it, and leave it with names.
    ("analytics", &["access", "ari", "checks", "cli", "config", "daemon", "http", "policy", "store", "telemetry"]),
    ("ari", &["checks", "cli", "daemon", "http", "policy", "store"]),
    ("carriers", &["access", "ari", "checks", "cli", "daemon", "http", "telemetry"]),
    ("checks", &["cli", "daemon", "http"]),
    ("config", &["ari", "checks", "cli", "daemon", "http", "policy", "store"]),
    ("core", &["ari", "checks", "cli", "config", "daemon", "http", "numbering", "policy", "store", "telemetry"]),
    ("daemon", &["cli", "http"]),
    // It reads from the store, and hands what is to be done to the daemon.
    ("http", &["ari", "cli"]),
    // Lists come to it as bytes, and leave it as lines.
    ("inventory", &["access", "ari", "checks", "cli", "config", "daemon", "http", "policy", "store", "telemetry"]),
    // It knows no facts and no calls, only bytes.
    (
        "journal",
        &["ari", "checks", "cli", "config", "core", "daemon", "http", "numbering", "policy", "store", "telemetry"],
    ),
    ("keys", &["access", "ari", "checks", "cli", "config", "core", "daemon", "http", "journal", "policy", "store"]),
    // What is told, and how; who tells it is in the daemon.
    ("live", &["ari", "checks", "cli", "config", "daemon", "http", "policy", "telemetry"]),
    ("numbering", &["ari", "checks", "cli", "config", "daemon", "http", "policy", "store"]),
    ("policy", &["ari", "checks", "cli", "config", "daemon", "http", "numbering", "store", "telemetry"]),
    ("store", &["ari", "carriers", "checks", "cli", "daemon", "http"]),
    ("telemetry", &["ari", "checks", "cli", "daemon", "http", "store"]),
];
/// What `policy` may know of `core`: words, not the engine.
const POLICY_MAY_KNOW: [&str; 3] = ["ids", "number", "outcome"];

/// Files outside of `daemon` and `cli` that may start tasks, and why.
const MAY_SPAWN: [(&str, &str); 2] = [
    ("src/http/doors.rs", "a password takes a core for tens of milliseconds"),
    ("src/http/server.rs", "one task a connection"),
];

#[derive(Debug)]
struct Broken {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Checks one file, named as it is in the repository.
fn check(file: &str, text: &str, crates: &BTreeSet<String>) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut say = |line: usize, what: String| broken.push(Broken { file: file.to_owned(), line, what });
    let lines = text.lines().count();
    if lines > LINES_MAX && !GENERATED.contains(&file) {
        say(LINES_MAX + 1, format!("{lines} lines, more than {LINES_MAX}: split it"));
    }
    if is_test(file) {
        return broken;
    }
    let module = module_of(file);
    let room = module.first().map_or("", String::as_str);
    for name in source::names(text) {
        let shown = name.path.join("::");
        let inside = resolve(&name.path, &module);
        let mut say = |what: String| say(name.line, what);
        if matches!(room, "access" | "core" | "policy") {
            if let Some(why) = impure(&name.path, crates) {
                say(format!("{room} names {shown}: {why}"));
            }
            if inside.first().is_some_and(|first| first == "*") {
                say(format!("{room} names {shown}: everything"));
            }
        }
        if let [first, rest @ ..] = inside.as_slice() {
            if apart(room).contains(&first.as_str()) {
                say(format!("{room} names {shown}, but {room} must not know {first}"));
            }
            let known = rest.first().is_some_and(|second| POLICY_MAY_KNOW.contains(&second.as_str()));
            if room == "policy" && first == "core" && !known {
                say(format!("policy names {shown}; of core it may know {}", POLICY_MAY_KNOW.join(", ")));
            }
        }
        if matches!(name.path.first().map(String::as_str), Some("sqlx" | "jiff_sqlx")) && room != "store" {
            say(format!("{shown}: only store speaks SQL"));
        }
        let may_spawn = matches!(room, "daemon" | "cli" | "main") || MAY_SPAWN.iter().any(|(f, _)| *f == file);
        if spawns(&name.path) && !may_spawn {
            say(format!("{shown}: only daemon and cli start tasks"));
        }
        if is_wall_clock(&name.path) && !matches!(room, "daemon" | "cli") {
            say(format!("{shown}: only daemon asks the time"));
        }
    }
    broken
}

fn apart(room: &str) -> &'static [&'static str] {
    APART.iter().find(|(name, _)| *name == room).map_or(&[], |(_, others)| others)
}

/// Why a pure room may not use this name.
fn impure(path: &[String], crates: &BTreeSet<String>) -> Option<String> {
    let first = path.first()?;
    if path.len() > 1 && crates.contains(first) && !PURE_CRATES.contains(&first.as_str()) {
        return Some(format!("of other crates it may know {}", PURE_CRATES.join(", ")));
    }
    let inner = path[1..].join("::");
    let begins = |banned: &&str| inner == **banned || inner.starts_with(&format!("{banned}::"));
    if first == "std" && (inner == "*" || IMPURE_STD.iter().any(begins)) {
        return Some("the world outside".to_owned());
    }
    if path.len() > 1 && path.last().is_some_and(|last| IMPURE_CALLS.contains(&last.as_str())) {
        return Some("time, time zones and chance come from outside".to_owned());
    }
    let (_, why) = IMPURE_NAMES.iter().find(|(name, _)| path.iter().any(|part| part == name))?;
    Some((*why).to_owned())
}

fn spawns(path: &[String]) -> bool {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(names.as_slice(), ["tokio" | "task" | "thread", .., "spawn" | "spawn_local" | "spawn_blocking"])
        || matches!(names.as_slice(), ["std", "thread", ..])
        || names.iter().any(|name| matches!(*name, "spawn_blocking" | "JoinSet" | "TaskTracker"))
}

fn is_wall_clock(path: &[String]) -> bool {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(names.as_slice(), [.., "Timestamp" | "Zoned" | "SystemTime", "now"])
}

/// What the path means within the crate: `super::ids` in `core::call` is `core::ids`. Empty for what is outside.
fn resolve(path: &[String], module: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    match path.first().map(String::as_str) {
        Some("crate" | "cordboard") if path.len() > 1 => path[1..].to_vec(),
        Some("self") if path.len() > 1 => [module, &path[1..]].concat(),
        Some("super") => [&module[..module.len().saturating_sub(supers)], &path[supers..]].concat(),
        _ => Vec::new(),
    }
}

/// `src/core/call/mod.rs` is `core::call`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_prefix("src/").unwrap_or(file);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

/// Whether the whole file is test code.
fn is_test(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    name == "tests.rs" || name.starts_with("test_") || file.contains("/tests/")
}

/// The crates of Cargo.toml, as the sources name them.
fn crates() -> BTreeSet<String> {
    let manifest: toml::Table = read(&root().join("Cargo.toml")).parse().expect("Cargo.toml");
    let tables = ["dependencies", "dev-dependencies"].iter().filter_map(|key| manifest.get(*key)?.as_table());
    let named = tables.flat_map(|table| table.keys().map(|name| name.replace('-', "_")));
    named.chain(["log", "tungstenite", "hyper"].map(str::to_owned)).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files of Rust below a directory, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_wall_stands() {
    let (root, crates) = (root(), crates());
    let files = files(&root.join("src"));
    assert!(files.len() > 50, "the sources have moved: only {} files found", files.len());
    let mut broken = Vec::new();
    for path in &files {
        let file = path.strip_prefix(&root).expect("below the root").display().to_string();
        broken.extend(check(&file, &read(path), &crates).iter().map(ToString::to_string));
    }
    assert!(broken.is_empty(), "{} broken walls:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn the_exceptions_are_needed() {
    for (file, why) in MAY_SPAWN {
        let names = source::names(&read(&root().join(file)));
        assert!(names.iter().any(|name| spawns(&name.path)), "{file} starts no task any more ({why})");
    }
    for file in GENERATED {
        assert!(root().join(file).exists(), "{file} is gone");
    }
}

mod controls {
    use super::{LINES_MAX, check, crates};

    /// The snippet, in that file, breaks exactly one wall, in its first line.
    #[track_caller]
    fn caught(file: &str, snippet: &str, because: &str) {
        let broken = check(file, snippet, &crates());
        let shown: Vec<_> = broken.iter().map(ToString::to_string).collect();
        assert_eq!(broken.len(), 1, "{snippet}: {shown:#?}");
        assert!(shown[0].starts_with(&format!("{file}:1: ")), "{shown:#?}");
        assert!(shown[0].contains(because), "{shown:#?}");
    }

    #[track_caller]
    fn passes(file: &str, snippet: &str) {
        let shown: Vec<_> = check(file, snippet, &crates()).iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{snippet}: {shown:#?}");
    }

    #[test]
    fn the_pure_rooms_name_no_acting_crate() {
        for snippet in [
            "use tokio::sync::mpsc;",
            "use sqlx_core::Row; use reqwest::Client;",
            "fn f(a: axum::Router) {}",
            "use serde_json::Value;",
            "use {tracing::info};",
        ] {
            caught("src/core/engine.rs", snippet, "of other crates");
            caught("src/policy/rank.rs", snippet, "of other crates");
        }
        passes("src/core/engine.rs", "use serde::Serialize; use uuid::Uuid; use jiff::{Timestamp, SignedDuration};");
    }

    #[test]
    fn the_pure_rooms_touch_nothing_outside() {
        for snippet in [
            "use std::{fmt, env};",
            "use std::fs;",
            "fn f() { std::process::abort() }",
            "use std::net::IpAddr;",
            "use std::thread;",
            "use std::*;",
            "use std::io::{self, Read};",
        ] {
            let broken = check("src/core/call/mod.rs", snippet, &crates());
            assert!(broken.iter().any(|b| b.what.contains("the world outside")), "{snippet}: {broken:#?}");
        }
        passes("src/core/call/mod.rs", "use std::{fmt, collections::BTreeMap, time::Duration, str::FromStr};");
    }

    #[test]
    fn the_pure_rooms_ask_no_time_and_no_chance() {
        caught("src/core/engine.rs", "fn f() -> Uuid { Uuid::now_v7() }", "from outside");
        caught("src/core/engine.rs", "fn f() -> Uuid { uuid::Uuid::new_v4() }", "from outside");
        caught("src/core/engine.rs", "fn f(t: Instant) {}", "told from outside");
        caught("src/core/engine.rs", "fn f(m: HashMap<u8, u8>) {}", "BTreeMap");
        caught("src/policy/rank.rs", "fn f(m: HashSet<u8>) {}", "BTreeSet");
        caught("src/core/engine.rs", "async fn f() {}", "waits");
        caught("src/core/engine.rs", "fn f() { println!() }", "prints");
        caught("src/core/engine.rs", "static A: u8 = 1;", "state");
        for clock in ["jiff::Timestamp::now()", "jiff::Zoned::now()", "std::time::SystemTime::now()", "Instant::now()"]
        {
            let broken = check("src/policy/rank.rs", &format!("fn f() {{ {clock}; }}"), &crates());
            assert!(!broken.is_empty(), "{clock}");
        }
    }

    #[test]
    fn the_core_knows_no_other_room() {
        caught("src/core/engine.rs", "use crate::policy::Decision;", "must not know policy");
        caught("src/core/call/mod.rs", "use super::super::policy::Decision;", "must not know policy");
        caught("src/core/mod.rs", "use super::store::Store;", "must not know store");
        caught("src/core/engine.rs", "use crate::*;", "everything");
        passes("src/core/call/mod.rs", "use super::ids::CallId; use crate::core::fact::Fact;");
    }

    #[test]
    fn the_policy_knows_the_words_of_the_core_only() {
        caught("src/policy/mod.rs", "use crate::core::engine::Engine;", "of core it may know");
        caught("src/policy/mod.rs", "use crate::core::{ids, fact};", "of core it may know");
        caught("src/policy/rules/state.rs", "use crate::numbering::parse;", "must not know numbering");
        passes(
            "src/policy/rules/state.rs",
            "use crate::core::{ids::CallId, number::E164, outcome}; use super::super::rank;",
        );
    }

    #[test]
    fn asterisk_the_database_and_http_do_not_know_each_other() {
        for (room, other) in [
            ("ari", "store"),
            ("ari", "http"),
            ("store", "ari"),
            ("store", "http"),
            ("http", "ari"),
            ("store", "daemon"),
        ] {
            let because = format!("{room} must not know {other}");
            caught(&format!("src/{room}/mod.rs"), &format!("use crate::{other}::Thing;"), &because);
            caught(&format!("src/{room}/a/b.rs"), &format!("type T = crate::{other}::a::Thing;"), &because);
            caught(&format!("src/{room}/a.rs"), &format!("use crate::{{core::ids, {other}::A}};"), &because);
        }
        passes("src/http/calls.rs", "use crate::{store::Store, daemon::Handle};");
        passes("src/daemon/driver.rs", "use crate::{store::Store, ari::AriClient, config::Config};");
    }

    #[test]
    fn only_the_store_speaks_sql() {
        caught("src/daemon/driver.rs", "fn f() { sqlx::query(\"SELECT 1\"); }", "only store");
        caught("src/cli/agents.rs", "use sqlx::PgPool;", "only store");
        passes("src/store/calls.rs", "fn f() { sqlx::query(\"SELECT 1\"); }");
    }

    #[test]
    fn only_the_daemon_starts_tasks() {
        caught("src/http/mod.rs", "fn f() { tokio::spawn(g()); }", "start tasks");
        caught("src/store/mod.rs", "fn f() { tokio::task::spawn_blocking(g); }", "start tasks");
        caught("src/ari/socket.rs", "use tokio::task::JoinSet;", "start tasks");
        caught("src/ari/socket.rs", "use std::thread;", "start tasks");
        passes("src/daemon/driver.rs", "fn f() { tokio::spawn(g()); }");
    }

    #[test]
    fn only_the_daemon_asks_the_time() {
        caught("src/store/calls.rs", "fn f() { Timestamp::now(); }", "asks the time");
        caught("src/http/calls.rs", "fn f() { jiff::Zoned::now(); }", "asks the time");
        passes("src/daemon/clock.rs", "fn f() { Timestamp::now(); }");
    }

    #[test]
    fn a_file_is_short() {
        let long = "\n".repeat(LINES_MAX + 1);
        let broken = check("src/daemon/driver.rs", &long, &crates());
        assert_eq!(broken.len(), 1);
        assert!(broken[0].to_string().starts_with("src/daemon/driver.rs:401: 401 lines"), "{}", broken[0]);
        passes("src/policy/emergency_table.rs", &long);
        passes("src/daemon/driver.rs", &"\n".repeat(LINES_MAX));
    }

    #[test]
    fn what_is_not_code_does_not_count() {
        passes("src/core/engine.rs", "// tokio::spawn\n/// [`crate::store`]\nconst A: &str = \"println!\";");
        passes("src/core/engine.rs", "#[cfg(test)]\nmod tests { use std::fs; fn f() { println!(); } }");
        passes("src/ari/requests/tests.rs", "fn f() { tokio::spawn(g()); }");
    }
}
