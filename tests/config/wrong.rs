use std::path::Path;

use cordboard::config::load;

use crate::{Directory, LEAST, read, read_with};

/// The least valid text with one more line, in the given section.
fn with(section: &str, line: &str) -> String {
    if LEAST.contains(section) {
        LEAST.replace(section, &format!("{section}\n{line}"))
    } else {
        format!("{section}\n{line}\n{LEAST}")
    }
}

/// The least valid text with one line replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(LEAST.contains(from), "{from}");
    LEAST.replace(from, to)
}

fn check(text: &str, expected: &str) {
    let errors = read(text).map(|loaded| loaded.config.redacted_toml());
    let errors = errors.expect_err(&format!("should be wrong: {expected}")).to_string();
    assert_eq!(errors, expected);
}

#[test]
fn each_wrong_line_is_told_with_its_place_its_key_and_a_way_out() {
    let prefix = |fields: &str| format!("extra_prefixes = [{{{fields}}}]");
    let bare = prefix("prefix = '1357', region = 'US', class = 'geographic'");
    let small = prefix("prefix = '+1357', region = 'us', class = 'geographic'");
    let short = prefix("prefix = '+1357', region = 'US'");
    let cases = [
        ("[calls]", "ring_timeout_s = 5", "2: calls.ring_timeout_s: 5 is too short; use 15 to 120"),
        ("[calls]", "ring_timeout_s = 121", "2: calls.ring_timeout_s: 121 is too long; use 15 to 120"),
        ("[calls]", "ring_timeout_s = -5", "2: calls.ring_timeout_s: -5 is negative"),
        ("[calls]", "ring_timeout_s = '45'", "2: calls.ring_timeout_s: is text here; remove the quotes"),
        ("[calls]", "max_call_s = 4.5", "2: calls.max_call_s: expected a whole number, found a decimal number"),
        (
            "[calls]",
            "max_call_s = 99999999999999999999",
            "2: calls.max_call_s: expected a whole number, found a number beyond 64 bits",
        ),
        (
            "[calls]",
            "auto_answer_header = 1",
            "2: calls.auto_answer_header: expected true or false, found a whole number",
        ),
        ("[calls]", "auto_answer_header = 'true'", "2: calls.auto_answer_header: is text here; remove the quotes"),
        ("[calls]", "allow_classes = 'premium'", "2: calls.allow_classes: expected a list of texts, found text"),
        ("[calls]", "allow_classes = [1]", "2: calls.allow_classes: expected text in quotes, found a whole number"),
        (
            "[calls]",
            "ring_timeout = 45",
            "2: calls.ring_timeout: unknown key; valid here: ring_timeout_s, agent_ring_timeout_s, max_call_s, allow_classes, extra_prefixes, auto_answer_header",
        ),
        (
            "[calls]",
            &bare,
            "2: calls.extra_prefixes[0].prefix: \"1357\" is not a prefix; use '+' and 1 to 14 digits, such as \"+1357\"",
        ),
        (
            "[calls]",
            &small,
            "2: calls.extra_prefixes[0].region: \"us\": not a country: two capital letters such as US, or 001 for numbers of no country",
        ),
        ("[calls]", &short, "2: calls.extra_prefixes[0].class: is missing; give one such as \"geographic\""),
        (
            "[calls]",
            "extra_prefixes = 5",
            "2: calls.extra_prefixes: expected a list of tables [[calls.extra_prefixes]], found a whole number",
        ),
        (
            "[http]",
            "listen = 'localhost'",
            "2: http.listen: \"localhost\" is not an address with a port; write 127.0.0.1:8080",
        ),
        (
            "[http]",
            "metrics_listen = '127.0.0.1:8080'",
            "2: http.metrics_listen: 127.0.0.1:8080 is taken by http.listen; use another port or leave it out",
        ),
        ("[http]", "max_body_bytes = 1", "2: http.max_body_bytes: 1 is too small; use 1024 to 16777216"),
        ("[log]", "format = 'xml'", "2: log.format: \"xml\" is unknown; use auto, json or text"),
        (
            "[log]",
            "level = 'verbose'",
            "2: log.level: \"verbose\" is not a level; use off, error, warn, info, debug or trace, and module=level for one module",
        ),
        (
            "[log]",
            "level = 'cordboard=verbose'",
            "2: log.level: \"cordboard=verbose\" is not a filter; write a level, or a list such as \"info,cordboard::ari=debug\"",
        ),
        ("[log]", "level = ''", "2: log.level: is empty; give a value or leave the setting out"),
        ("[shutdown]", "drain_timeout_s = 4000", "2: shutdown.drain_timeout_s: 4000 is too long; use 0 to 3600"),
        ("[postgres]", "max_connections = 1", "2: postgres.max_connections: 1 is too small; use 2 to 500"),
        (
            "[postgres]",
            "max_connections = 5000000000",
            "2: postgres.max_connections: 5000000000 is too large; use 2 to 500",
        ),
        ("[postgres]", "acquire_timeout_ms = 5", "2: postgres.acquire_timeout_ms: 5 is too short; use 50 to 60000"),
        ("[postgres]", "admission_timeout_ms = 5", "2: postgres.admission_timeout_ms: 5 is too short; use 50 to 10000"),
    ];
    for (section, line, expected) in cases {
        check(&with(section, line), &format!("cordboard.toml:{expected}"));
    }
}

#[test]
fn each_wrong_line_of_the_node_is_told() {
    let cases = [
        (
            "[[node]]",
            "url = 'ftp://x'",
            "4: node[0].url: begins with neither http:// nor https://; write http://127.0.0.1:8088",
        ),
        ("[[node]]", "url = 'http://127.0.0.1:8088/ari'", "4: node[0].url: has a path; write http://127.0.0.1:8088"),
        (
            "[[node]]",
            "url = 'http://127.0.0.1:8088?a'",
            "4: node[0].url: has a query or fragment; write http://127.0.0.1:8088",
        ),
        (
            "[[node]]",
            "url = 'http://a:b@127.0.0.1'",
            "4: node[0].url: holds a user or password; use the settings username and password; write http://127.0.0.1:8088",
        ),
        ("[[node]]", "url = 'asterisk'", "4: node[0].url: is not a URL; write http://127.0.0.1:8088"),
        (
            "[[node]]",
            "app = 'a,b'",
            "4: node[0].app: \"a,b\" is not an application's name; use up to 40 of letters, digits, '_' and '-'",
        ),
        ("[[node]]", "username = 'a:b'", "4: node[0].username: may hold neither ':' nor control characters"),
        ("[[node]]", "max_http_connections = 33", "4: node[0].max_http_connections: 33 is too large; use 1 to 32"),
        ("[[node]]", "request_timeout_ms = 5", "4: node[0].request_timeout_ms: 5 is too short; use 100 to 30000"),
    ];
    for (section, line, expected) in cases {
        check(&with(section, line), &format!("cordboard.toml:{expected}"));
    }
}

#[test]
fn each_wrong_value_of_what_must_be_there_is_told() {
    let password = "password = \"correct-horse-battery\"";
    let url = "url = \"postgres://cordboard@localhost/cordboard\"";
    let name = "name = \"floor-1\"";
    let trunk = "trunk = \"carrier-a\"";
    let cases = [
        (
            url,
            "",
            "1: postgres.url: is missing; give postgres.url, postgres.url_file or the systemd credential database-url",
        ),
        (
            url,
            "url = 'mysql://localhost/x'",
            "2: postgres.url: does not begin with postgres://; write postgres://user@host/database",
        ),
        (
            url,
            "url = 'postgres://localhost'",
            "2: postgres.url: names no database; write postgres://user@host/database",
        ),
        (url, "url = 'localhost'", "2: postgres.url: is not a URL; write postgres://user@host/database"),
        (
            url,
            "url = 'postgres://localhost/x?sslmode=on'",
            "2: postgres.url: its sslmode is unknown; use one of disable, allow, prefer, require, verify-ca, verify-full",
        ),
        (password, "password = ''", "5: node[0].password: is empty; give a value or leave the setting out"),
        (password, "password = 5", "5: node[0].password: expected text in quotes, found a whole number"),
        (
            password,
            "password = \"a\\nb\"",
            "5: node[0].password: the secret holds a line break or another control character",
        ),
        (
            password,
            "password = 'a'\npassword_file = '/b'",
            "5: node[0].password: node[0].password_file is given as well; keep one of the two",
        ),
        (password, "password_file = 'secrets/b'", "5: node[0].password_file: secrets/b is not an absolute path"),
        (
            password,
            "password_file = '/nowhere/b'",
            "5: node[0].password_file: /nowhere/b cannot be read: No such file or directory (os error 2)",
        ),
        (
            name,
            "name = 'Floor 1'",
            "4: node[0].name: \"Floor 1\": a node name must be a lower-case letter, then up to 30 of a-z 0-9 -",
        ),
        (name, "", "3: node[0].name: is missing; name the server, for example \"floor-1\""),
        (trunk, "", "6: emergency.trunk: is missing; give one that delivers emergency calls"),
        (
            trunk,
            "trunk = '1a'",
            "7: emergency.trunk: \"1a\": a trunk name must be a letter, then up to 39 of A-Z a-z 0-9 _ -",
        ),
        (
            "caller_id = \"+12125550100\"",
            "caller_id = 2125550100",
            "8: emergency.caller_id: expected text in quotes, found a whole number",
        ),
        (
            "[emergency]",
            "[emergancy]",
            "6: emergancy: unknown key; valid here: postgres, journal, node, calls, emergency, carrier, http, webhooks, log, shutdown",
        ),
        ("[[node]]", "[node]", "3: node: expected a list of tables [[node]], found a table"),
        (
            "[emergency]",
            "[[node]]\nname = 'floor-1'\nurl = 'http://127.0.0.1:8089'\npassword = 'correct-horse-battery'\n[emergency]",
            "7: node[1].name: is that of node[0] too; give each server its own",
        ),
        (
            "[emergency]",
            "[[node]]\nname = 'floor-2'\nurl = 'http://127.0.0.1:8088/'\npassword = 'correct-horse-battery'\n[emergency]",
            "8: node[1].url: is that of node[0] too; an application of an Asterisk can have but one owner",
        ),
        (
            "[emergency]",
            "[[node]]\nname = 'floor-2'\nurl = 'ftp://x'\npassword = 'correct-horse-battery'\n[emergency]",
            "8: node[1].url: begins with neither http:// nor https://; write http://127.0.0.1:8088",
        ),
    ];
    for (from, to, expected) in cases {
        check(&changed(from, to), &format!("cordboard.toml:{expected}"));
    }
}

#[test]
fn a_section_that_is_no_table_is_the_only_error_about_it() {
    let text = LEAST.replace("[postgres]\nurl = \"postgres://cordboard@localhost/cordboard\"", "postgres = 5");
    check(&text, "cordboard.toml:1: postgres: expected a table [postgres], found a whole number");
}

#[test]
fn a_prefix_given_twice_is_told() {
    let one = "[[calls.extra_prefixes]]\nprefix = \"+1357\"\nregion = \"US\"\nclass = \"geographic\"\n";
    let text = format!("{LEAST}{one}{one}");
    check(&text, "cordboard.toml:14: calls.extra_prefixes[1].prefix: +1357 is given twice");
}

#[test]
fn an_unknown_class_is_told_with_all_that_are_known() {
    let errors = read(&with("[calls]", "allow_classes = ['premum']")).expect_err("no such class").to_string();
    let start = "cordboard.toml:2: calls.allow_classes: \"premum\": not a kind of number; the kinds are geographic, ";
    assert!(errors.starts_with(start), "{errors}");
}

#[test]
fn text_that_is_no_toml_is_told_with_line_and_column() {
    let errors = read("[postgres]\nurl = hunter2\n").expect_err("no TOML").to_string();
    assert!(errors.starts_with("cordboard.toml:2:7: not valid TOML: "), "{errors}");
    assert!(!errors.contains("hunter2"), "{errors}");
    let errors = read("[a]\nx = 1\nx = 2\n").expect_err("no TOML").to_string();
    assert!(errors.starts_with("cordboard.toml:3:1: not valid TOML: "), "{errors}");
}

#[test]
fn all_errors_are_told_at_once_in_the_order_of_the_file() {
    let text = "colour = 'red'\n[postgres]\nmax_connections = 1\n[[node]]\nname = 'X'\n\
                [http]\nlisten = 80\n[calls]\nring_timeout_s = 5\n";
    let errors = read_with(text, &[("CORDBOARD__LOG__LEVEL", "loud")]).expect_err("all wrong").to_string();
    let expected = "\
cordboard.toml:1: colour: unknown key; valid here: postgres, journal, node, calls, emergency, carrier, http, webhooks, log, shutdown
cordboard.toml:2: postgres.url: is missing; give postgres.url, postgres.url_file or the systemd credential database-url
cordboard.toml:3: postgres.max_connections: 1 is too small; use 2 to 500
cordboard.toml:4: node[0].password: is missing; give node[0].password, node[0].password_file or the systemd credential ari-password
cordboard.toml:5: node[0].name: \"X\": a node name must be a lower-case letter, then up to 30 of a-z 0-9 -
cordboard.toml:7: http.listen: expected text in quotes, found a whole number
cordboard.toml:9: calls.ring_timeout_s: 5 is too short; use 15 to 120
$CORDBOARD__LOG__LEVEL: log.level: \"loud\" is not a level; use off, error, warn, info, debug or trace, and module=level for one module";
    assert_eq!(errors, expected);
}

#[test]
fn an_empty_file_lacks_the_node_and_the_database() {
    check(
        "",
        "cordboard.toml: node: is missing; add a [[node]] section for your Asterisk server\n\
         cordboard.toml: postgres.url: is missing; give postgres.url, postgres.url_file or the systemd credential \
         database-url",
    );
}

#[test]
fn a_file_that_is_not_there_is_told_with_what_to_do() {
    let errors = load(Path::new("/nowhere/cordboard.toml")).expect_err("no file").to_string();
    assert_eq!(
        errors,
        "/nowhere/cordboard.toml: there is no such file; copy the sample cordboard.toml there and edit it, or name \
         another with --config"
    );
}

#[test]
fn a_file_that_is_not_utf8_is_told_with_the_line() {
    let directory = Directory::new();
    let path = directory.file("cordboard.toml", b"[log]\nlevel = \"\xff\"\n", 0o600);
    let errors = load(Path::new(&path)).expect_err("not UTF-8").to_string();
    assert_eq!(errors, format!("{path}: line 2 is not UTF-8"));
}
