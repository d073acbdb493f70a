use std::time::Duration;

use secrecy::ExposeSecret;

use crate::{LEAST, good, read_with};

fn check(name: &str, value: &str, expected: &str) {
    let errors = read_with(LEAST, &[(name, value)]).map(|loaded| loaded.config.redacted_toml());
    let errors = errors.expect_err(&format!("{name} should be wrong")).to_string();
    assert_eq!(errors, format!("${name}: {expected}"));
}

#[test]
fn variables_stand_above_the_file_and_are_read_by_the_type_of_the_setting() {
    let text = format!("{LEAST}[calls]\nring_timeout_s = 30\nallow_classes = [\"satellite\"]\n");
    let variables = [
        ("CORDBOARD__CALLS__RING_TIMEOUT_S", "50"),
        ("CORDBOARD__CALLS__AUTO_ANSWER_HEADER", "true"),
        ("CORDBOARD__CALLS__ALLOW_CLASSES", "premium, shared_cost"),
        ("CORDBOARD__HTTP__LISTEN", "[::1]:9000"),
        ("CORDBOARD__NODE__0__PASSWORD", "123456789012"),
        ("CORDBOARD__NODE__0__USERNAME", "true"),
        ("PATH", "/bin"),
        ("CORDBOARD_CONFIG", "/x"),
    ];
    let config = good(read_with(&text, &variables)).config;
    assert_eq!(config.calls.ring_timeout, Duration::from_secs(50));
    assert!(config.calls.auto_answer_header);
    let classes: Vec<&str> = config.calls.allow_classes.iter().map(|class| class.as_str()).collect();
    assert_eq!(classes, ["premium", "shared_cost"]);
    assert_eq!(config.http.listen.to_string(), "[::1]:9000");
    assert_eq!(config.nodes[0].password.expose_secret(), "123456789012");
    assert_eq!(config.nodes[0].username, "true");
    assert_eq!(config.nodes[0].name.to_string(), "floor-1", "the other keys of the member stay");
}

#[test]
fn the_whole_configuration_can_come_from_variables() {
    let variables = [
        ("CORDBOARD__POSTGRES__URL", "postgres://localhost/x"),
        ("CORDBOARD__NODE__0__NAME", "a"),
        ("CORDBOARD__NODE__0__PASSWORD", "correct-horse-battery"),
        ("CORDBOARD__CALLS__EXTRA_PREFIXES__1__PREFIX", "+1358"),
        ("CORDBOARD__CALLS__EXTRA_PREFIXES__1__REGION", "US"),
        ("CORDBOARD__CALLS__EXTRA_PREFIXES__1__CLASS", "mobile"),
        ("CORDBOARD__CALLS__EXTRA_PREFIXES__0__PREFIX", "+13577"),
        ("CORDBOARD__CALLS__EXTRA_PREFIXES__0__REGION", "CA"),
        ("CORDBOARD__CALLS__EXTRA_PREFIXES__0__CLASS", "geographic"),
    ];
    let config = good(read_with("", &variables)).config;
    let prefixes: Vec<&str> = config.calls.extra_prefixes.iter().map(|extra| extra.prefix.as_str()).collect();
    assert_eq!(prefixes, ["+13577", "+1358"], "the longest first");
}

#[test]
fn an_empty_variable_empties_a_list_and_nothing_else() {
    let text = format!("{LEAST}[calls]\nallow_classes = [\"satellite\"]\n");
    let config = good(read_with(&text, &[("CORDBOARD__CALLS__ALLOW_CLASSES", "")])).config;
    assert!(config.calls.allow_classes.is_empty());
    check("CORDBOARD__LOG__LEVEL", "", "log.level: is empty; give a value or leave the setting out");
    check("CORDBOARD__CALLS__MAX_CALL_S", "", "calls.max_call_s: \"\" is not a whole number");
}

#[test]
fn a_wrong_variable_is_told_by_its_name() {
    check("CORDBOARD__CALLS__RING_TIMEOUT_S", "5", "calls.ring_timeout_s: 5 is too short; use 15 to 120");
    check("CORDBOARD__CALLS__RING_TIMEOUT_S", "45s", "calls.ring_timeout_s: \"45s\" is not a whole number");
    check("CORDBOARD__HTTP__BEHIND_PROXY", "yes", "http.behind_proxy: \"yes\" is neither true nor false");
}

#[test]
fn a_variable_that_names_no_setting_is_an_error() {
    let inside = "valid here: drain_timeout_s";
    check("CORDBOARD__SHUTDOWN__TIME", "5", &format!("shutdown: there is no \"time\"; {inside}"));
    check("CORDBOARD__SHUTDOWN", "5", &format!("shutdown: names a section, not a setting; {inside}"));
    let deeper = "shutdown.drain_timeout_s: is a plain value; the variable must end there";
    check("CORDBOARD__SHUTDOWN__DRAIN_TIMEOUT_S__0", "5", deeper);
    check("CORDBOARD__Log__LEVEL", "info", "use capitals: CORDBOARD__LOG__LEVEL");
    let top = "valid here: postgres, journal, node, calls, emergency, carrier, http, webhooks, log, shutdown";
    check("CORDBOARD__DATABASE__URL", "x", &format!("there is no \"database\"; {top}"));
    check("CORDBOARD__", "x", &format!("there is no \"\"; {top}"));
}

#[test]
fn a_member_of_a_list_is_named_by_its_position() {
    let way = "node: is a list; name the member by its position from 0: CORDBOARD__NODE__0__…";
    check("CORDBOARD__NODE__PASSWORD", "x", way);
    check("CORDBOARD__NODE__999999999__NAME", "x", way);
    let errors = read_with(LEAST, &[("CORDBOARD__CALLS__EXTRA_PREFIXES__2__PREFIX", "+1357")]);
    let errors = errors.expect_err("a gap").to_string();
    let gap = "calls.extra_prefixes[0]: is missing; number the members from 0 without a gap";
    assert!(errors.contains(gap), "{errors}");
}
