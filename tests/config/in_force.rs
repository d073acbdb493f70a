use cordboard::config::{Config, diff_needs_restart, keys};

use crate::{LEAST, good, read, read_with, warnings};

fn config(variables: &[(&str, &str)]) -> Config {
    good(read_with(LEAST, variables)).config
}

fn restarts(name: &str, value: &str) -> Vec<&'static str> {
    diff_needs_restart(&config(&[]), &config(&[(name, value)]))
}

#[test]
fn the_least_file_gives_the_documented_defaults() {
    let expected = r#"[postgres]
acquire_timeout_ms = 2000
admission_timeout_ms = 250
max_connections = 10
migrate_at_start = false
url = "postgres://cordboard@localhost/cordboard"

[journal]
directory = "/var/lib/cordboard"
max_mib = 64

[[node]]
allow_live_dangerously = false
allow_missing_safety_net = false
allow_vulnerable_asterisk = false
app = "cordboard"
max_http_connections = 8
name = "floor-1"
password = "***"
request_timeout_ms = 2000
url = "http://127.0.0.1:8088/"
username = "cordboard"
weight = 1

[calls]
agent_ring_timeout_s = 25
allow_classes = []
auto_answer_header = false
extra_prefixes = []
max_call_s = 14400
ring_timeout_s = 45

[http]
behind_proxy = false
listen = "127.0.0.1:8080"
max_body_bytes = 65536

[webhooks]
private_networks = []

[log]
format = "auto"
level = "info"

[shutdown]
drain_timeout_s = 60

[emergency]
caller_id = "+12125550100"
trunk = "carrier-a"
"#;
    assert_eq!(config(&[]).redacted_toml(), expected);
}

#[test]
fn what_is_shown_can_be_read_again_and_is_complete() {
    let shown = config(&[("CORDBOARD__HTTP__METRICS_LISTEN", "127.0.0.1:9180")]).redacted_toml();
    assert_eq!(good(read(&shown)).config.redacted_toml(), shown);
    for key in keys()
        .iter()
        .filter(|key| !key.ends_with("_file") && !key.contains("extra_prefixes.") && !key.starts_with("carrier."))
    {
        let (_, name) = key.rsplit_once('.').expect("a section");
        assert!(shown.contains(&format!("{name} = ")), "{key} is not shown");
    }
}

#[test]
fn only_what_is_bound_at_the_start_needs_a_restart() {
    assert_eq!(restarts("CORDBOARD__POSTGRES__URL", "postgres://localhost/other"), ["postgres.url"]);
    assert_eq!(restarts("CORDBOARD__JOURNAL__MAX_MIB", "5"), ["journal.max_mib"]);
    assert_eq!(restarts("CORDBOARD__NODE__0__PASSWORD", "another-password"), ["node.password"]);
    assert_eq!(restarts("CORDBOARD__HTTP__LISTEN", "127.0.0.1:9"), ["http.listen"]);
    assert_eq!(restarts("CORDBOARD__LOG__FORMAT", "json"), ["log.format"]);
    for (name, value) in [
        ("CORDBOARD__CALLS__RING_TIMEOUT_S", "60"),
        ("CORDBOARD__EMERGENCY__TRUNK", "b"),
        ("CORDBOARD__LOG__LEVEL", "debug"),
        ("CORDBOARD__SHUTDOWN__DRAIN_TIMEOUT_S", "1"),
        ("CORDBOARD__HTTP__BEHIND_PROXY", "true"),
    ] {
        assert_eq!(restarts(name, value), [""; 0], "{name}");
    }
    let new = config(&[("CORDBOARD__NODE__0__APP", "x"), ("CORDBOARD__POSTGRES__MAX_CONNECTIONS", "20")]);
    assert_eq!(diff_needs_restart(&config(&[]), &new), ["postgres.max_connections", "node.app"]);
}

#[test]
fn the_engine_gets_its_part() {
    let settings = config(&[("CORDBOARD__CALLS__MAX_CALL_S", "600")]).engine_settings();
    assert_eq!((settings.ring_timeout_s, settings.agent_ring_timeout_s, settings.max_call_s), (45, 25, 600));
    assert!(!settings.auto_answer);
    assert_eq!(settings.emergency.map(|route| route.trunk.to_string()).as_deref(), Some("carrier-a"));
}

#[test]
fn what_is_dangerous_is_allowed_with_a_warning() {
    for (name, value, warning) in [
        ("CORDBOARD__HTTP__LISTEN", "0.0.0.0:80", "http.listen: 0.0.0.0:80 can be reached from other machines"),
        ("CORDBOARD__HTTP__METRICS_LISTEN", "0.0.0.0:81", "http.metrics_listen: 0.0.0.0:81 shows the metrics"),
        ("CORDBOARD__NODE__0__URL", "http://10.0.0.5:8088", "node[0].url: the password and all calls' data go"),
        ("CORDBOARD__NODE__0__PASSWORD", "asterisk", "node[0].password: the password can be guessed"),
        ("CORDBOARD__NODE__0__ALLOW_VULNERABLE_ASTERISK", "true", "node[0].allow_vulnerable_asterisk: an Asterisk"),
        ("CORDBOARD__NODE__0__ALLOW_LIVE_DANGEROUSLY", "true", "node[0].allow_live_dangerously: whoever has"),
        ("CORDBOARD__NODE__0__ALLOW_MISSING_SAFETY_NET", "true", "node[0].allow_missing_safety_net: a leg"),
        ("CORDBOARD__POSTGRES__URL", "postgres://db/x", "postgres.url: the connection to another host"),
        ("CORDBOARD__CALLS__ALLOW_CLASSES", "premium", "calls.allow_classes: calls to premium numbers may be dear"),
        ("CORDBOARD__CALLS__ALLOW_CLASSES", "mobile", "calls.allow_classes: mobile need not be named"),
        ("CORDBOARD__LOG__LEVEL", "off", "log.level: nothing is logged"),
    ] {
        let told = warnings(&good(read_with(LEAST, &[(name, value)])));
        assert_eq!(told.len(), 1, "{name}: {told:?}");
        assert!(told[0].starts_with(&format!("${name}: {warning}")), "{told:?}");
    }
}

#[test]
fn what_is_not_dangerous_is_not_warned_of() {
    let behind = [("CORDBOARD__HTTP__LISTEN", "0.0.0.0:80"), ("CORDBOARD__HTTP__BEHIND_PROXY", "true")];
    assert_eq!(warnings(&good(read_with(LEAST, &behind))), [""; 0]);
    for url in [
        "postgres:///x",
        "postgres:///x?host=/run/postgresql",
        "postgres://%2Frun%2Fpostgresql/x",
        "postgres://[::1]/x",
        "postgres://db/x?sslmode=verify-full",
    ] {
        assert_eq!(warnings(&good(read_with(LEAST, &[("CORDBOARD__POSTGRES__URL", url)]))), [""; 0], "{url}");
    }
    for url in ["http://localhost:8088", "http://[::1]:8088", "https://pbx.example.net:8089"] {
        assert_eq!(warnings(&good(read_with(LEAST, &[("CORDBOARD__NODE__0__URL", url)]))), [""; 0], "{url}");
    }
}
