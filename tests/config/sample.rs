use std::collections::BTreeSet;

use cordboard::config::{Place, keys, load_from};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{Directory, SAMPLE};

/// The sample with every commented-out setting in force.
fn uncommented() -> String {
    let is_setting = |rest: &str| !rest.starts_with(' ') && (rest.starts_with('[') || rest.contains(" = "));
    let lines = SAMPLE.lines().map(|line| line.strip_prefix('#').filter(|rest| is_setting(rest)).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn collect(value: &toml::Value, around: &str, keys: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = if around.is_empty() { name.clone() } else { format!("{around}.{name}") };
                collect(value, &key, keys);
            }
        }
        toml::Value::Array(members) if members.iter().any(toml::Value::is_table) => {
            for member in members {
                collect(member, around, keys);
            }
        }
        toml::Value::Array(_)
        | toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => assert!(keys.insert(around.to_owned()), "{around} twice"),
    }
}

#[test]
fn the_sample_is_valid_once_the_password_is_there() {
    let credentials = Directory::new();
    credentials.file("ari-password", "correct-horse-battery\n", 0o400);
    let loaded = load_from(SAMPLE, std::iter::empty(), Some(credentials.path()));
    let warnings = crate::warnings(&crate::good(loaded));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("cordboard.toml: emergency: no emergency route configured: "));
}

#[test]
fn the_sample_alone_lacks_the_password_only() {
    let errors = crate::read(SAMPLE).expect_err("there is no password").to_string();
    let line = SAMPLE.lines().position(|line| line == "[[node]]").expect("a node") + 1;
    let missing = "is missing; give node[0].password, node[0].password_file or the systemd credential ari-password";
    assert_eq!(errors, format!("cordboard.toml:{line}: node[0].password: {missing}"));
}

#[test]
fn the_sample_shows_every_setting_and_no_other() {
    let table: toml::Table = uncommented().parse().expect("TOML");
    let mut shown = BTreeSet::new();
    collect(&toml::Value::Table(table), "", &mut shown);
    let known: BTreeSet<String> = keys().into_iter().collect();
    assert_eq!(shown, known);
}

#[test]
fn what_the_sample_comments_out_is_the_default_or_a_valid_example() {
    let text = uncommented();
    let keep = |line: &&str| {
        !line.starts_with("url_file") && !line.starts_with("password_file") && !line.starts_with("secret_file")
    };
    let text = text.lines().filter(keep).collect::<Vec<_>>().join("\n");
    let shown = crate::good(crate::read(&text)).config;
    let mut defaults = crate::good(crate::read(crate::LEAST)).config;
    assert_eq!(shown.calls.extra_prefixes.len(), 1);
    assert_eq!(shown.carriers.len(), 1);
    defaults.carriers.clone_from(&shown.carriers);
    assert!(shown.http.metrics_listen.is_some());
    defaults.calls.extra_prefixes.clone_from(&shown.calls.extra_prefixes);
    defaults.http.metrics_listen = shown.http.metrics_listen;
    assert_eq!(shown.redacted_toml(), defaults.redacted_toml());
}

#[test]
fn no_damaged_byte_makes_it_panic_or_leaves_an_error_without_a_place() {
    let seed = 7;
    let mut random = StdRng::seed_from_u64(seed);
    let credentials = Directory::new();
    credentials.file("ari-password", "correct-horse-battery", 0o400);
    let texts = [SAMPLE.to_owned(), uncommented()];
    let mut refused = 0;
    for round in 0..5000 {
        let mut bytes = texts[round % 2].clone().into_bytes();
        let at = random.random_range(0..bytes.len());
        bytes[at] = random.random();
        let text = String::from_utf8_lossy(&bytes);
        if let Err(errors) = load_from(&text, std::iter::empty(), Some(credentials.path())) {
            refused += 1;
            assert!(!errors.notices().is_empty());
            for notice in errors.notices() {
                let has_key = notice.key().is_some_and(|key| !key.is_empty());
                let has_line = matches!(notice.place(), Place::Line { .. });
                assert!(has_key || has_line, "seed {seed}, round {round}, byte {at}: {notice}");
            }
        }
    }
    assert!(refused > 100, "the damage was never seen: {refused}");
}
