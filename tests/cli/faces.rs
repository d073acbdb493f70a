//! What every command has in common.

use crate::floor::{Floor, csv};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

/// Every command with the words that lead to it.
fn commands(command: &clap::Command, path: &[String], all: &mut Vec<Vec<String>>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let mut path = path.to_vec();
        path.push(sub.get_name().to_owned());
        all.push(path.clone());
        commands(sub, &path, all);
    }
}

#[test]
fn the_help_of_every_command_has_an_example_of_it() {
    let floor = Floor::bare();
    let mut all = vec![Vec::new()];
    commands(&cordboard::cli::command(), &[], &mut all);
    assert!(all.len() > 30, "{all:?}");
    for path in all {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let ran = floor.run_words(&words);
        let example = ran.out.split("\nExample:\n").nth(1).unwrap_or_else(|| panic!("no example: {words:?}"));
        assert!(example.contains(&format!("cordboard {}", path.join(" "))), "{words:?}: {example}");
        assert_eq!(ran.code, 0);
    }
    cordboard::cli::command().debug_assert();
}

#[test]
fn alone_it_prints_its_help() {
    let ran = Floor::bare().run("");
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("Usage: cordboard [OPTIONS] <COMMAND>"), "{} {}", ran.out, ran.err);
    let version = Floor::bare().run("--version");
    assert_eq!((version.code, version.out), (0, format!("cordboard {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn completions_for_every_shell() {
    let floor = Floor::bare();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = floor.ok(&format!("completions {shell}"));
        assert!(script.contains("organizations") && script.contains("skip-bad"), "{shell}");
    }
}

#[test]
fn every_list_is_json_and_empty_ones_are_empty_lists() {
    let floor = Floor::acme();
    for command in ["agents list", "numbers list", "usage", "calls list", "tokens list acme"] {
        assert_eq!(floor.json(command), serde_json::json!([]), "{command}");
        let words = floor.run(command);
        assert_eq!((words.code, words.out.as_str()), (0, ""), "{command}");
        assert!(words.err.lines().count() == 1, "{command}: {}", words.err);
    }
    assert_eq!(floor.json("organizations list")[0]["timeZone"], "America/New_York");
    assert_eq!(floor.json("trunks list")[0]["plus"], true);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let floor = Floor::acme();
    let csv = csv(3_000);
    assert_eq!(floor.run_with_input("numbers import acme -", csv.as_bytes()).code, 0);
    let mut child = floor
        .program()
        .args(["numbers", "list", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut first = String::new();
    BufReader::with_capacity(16, child.stdout.take().expect("its output")).read_line(&mut first).expect("a line");
    assert_eq!(first, "[\n");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn settings_are_checked_and_shown() {
    let floor = Floor::bare();
    let good = floor.run("check-config");
    assert_eq!((good.code, good.out.as_str(), good.err.as_str()), (0, "cordboard.toml: ok\n", ""));
    let shown = floor.ok("check-config --show");
    assert!(shown.contains("name = \"floor-1\"") && !shown.contains("correct-horse"), "{shown}");
    assert_eq!(floor.json("check-config --show")["settings"]["http"]["listen"], "127.0.0.1:8080");

    floor.settings("[postgres]\nurl = \"{url}\"\n[[node]]\nname = \"floor-1\"\npassword = \"correct-horse-battery\"\n");
    let warned = floor.run("check-config");
    assert_eq!((warned.code, warned.out.as_str()), (0, "cordboard.toml: ok\n"));
    assert!(warned.err.starts_with("warning: ") && warned.err.contains("emergency"), "{}", warned.err);
    assert_eq!(floor.json("check-config")["warnings"][0]["key"], "emergency");

    floor.settings("[postgres]\nurl = \"mysql://x\"\n[calls]\nring_timeout_s = 1\n[[node]]\nname = \"floor-1\"\n");
    let bad = floor.run("check-config");
    assert_eq!((bad.code, bad.err.lines().count(), bad.out.as_str()), (78, 3, ""), "{}", bad.err);
    let json = floor.run("check-config --json");
    assert_eq!((json.code, &json.json()["ok"]), (78, &false.into()));
    let errors = json.json()["errors"].clone();
    let keys: Vec<_> = errors.as_array().expect("errors").iter().map(|error| error["key"].as_str()).collect();
    assert_eq!(keys, [Some("postgres.url"), Some("calls.ring_timeout_s"), Some("node[0].password")]);
    assert!(errors[0]["place"].as_str().is_some_and(|place| place.ends_with("cordboard.toml:2")));
}

#[test]
fn commands_do_without_the_password_of_asterisk() {
    let floor = Floor::acme();
    floor.settings(
        "[postgres]\nurl = \"{url}\"\n[[node]]\nname = \"floor-1\"\npassword_file = \"/nobody/reads/this\"\n",
    );
    assert_eq!(floor.run("check-config").code, 78);
    floor.ok("organizations list");
    floor.settings("[postgres]\nurl = \"{url}\"\n[calls]\nring_timeout_s = 1\n[[node]]\nname = \"floor-1\"\n");
    assert_eq!(floor.run("organizations list").code, 78);
}

#[test]
fn a_name_cannot_command_the_terminal() {
    let floor = Floor::acme();
    let ran = floor.run_words(&["agents", "add", "acme", "A\u{1b}[2Jl\nice", "--endpoint", "alice"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let list = floor.ok("agents list");
    assert!(!list.contains('\u{1b}') && list.lines().count() == 2, "{list:?}");
}
