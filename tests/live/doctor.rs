//! `cordboard doctor` on a floor in order, and with each thing it looks at broken in turn.

use crate::daemon::Daemon;
use crate::floor::{Floor, SOON, live, live_with};
use crate::http::{self, ask};
use crate::servers::{ARI_PASSWORD, signal};
use cordboard::core::ids::{CallId, EndpointName};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use uuid::Uuid;

const CALLER_ID: &str = "+12125550199";
/// Not a measure of speed: it must not hang.
const PATIENCE: Duration = Duration::from_secs(30);

struct Told {
    code: i32,
    text: String,
    /// State and finding, by check.
    checks: BTreeMap<String, (String, String)>,
}

impl Told {
    /// Every check that is not ok.
    fn wrong(&self) -> Vec<&str> {
        self.checks.iter().filter(|(_, (state, _))| state != "ok").map(|(check, _)| check.as_str()).collect()
    }

    fn is(&self, check: &str, state: &str, found: &str) {
        let (is, text) = self.checks.get(check).unwrap_or_else(|| panic!("no check {check}:\n{}", self.text));
        assert!(is == state && text.contains(found), "{check} is {is}, wanted {state} {found:?}:\n{}", self.text);
    }
}

fn run(floor: &Floor, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let began = Instant::now();
    let output = Command::new(&floor.servers.program)
        .args(arguments)
        .env("CORDBOARD_CONFIG", Daemon::config(floor.servers, &floor.database))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program");
    assert!(began.elapsed() < PATIENCE, "it hung");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().expect("an exit code"), text)
}

fn doctor_with(floor: &Floor, variables: &[(&str, &str)]) -> Told {
    let (code, text) = run(floor, &["doctor", "--json"], variables);
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut checks: BTreeMap<String, (String, String)> = BTreeMap::new();
    for finding in json["checks"].as_array().expect("checks") {
        let word = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let check = if finding["node"].is_null() { word("check") } else { format!("node {}", word("check")) };
        // What is said of the settings has its advice in it.
        let silent = word("level") == "ok" || word("check") == "configuration";
        assert_eq!(silent, word("advice").is_empty(), "{finding}");
        let (state, found) = checks.entry(check).or_default();
        if state.is_empty() || word("level") != "ok" {
            (*state, *found) = (word("level"), format!("{found} {}", word("found")));
        }
    }
    assert_eq!(json["ok"], code == 0, "{text}");
    Told { code, text, checks }
}

fn doctor(floor: &Floor) -> Told {
    doctor_with(floor, &[])
}

/// The daemon pushes what is new in its own time.
fn until_all_is_well(floor: &Floor) {
    let began = Instant::now();
    loop {
        let told = doctor(floor);
        if told.wrong().is_empty() {
            assert_eq!(told.code, 0);
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{}", told.text);
    }
}

#[test]
fn a_floor_in_order_is_told_line_by_line() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            floor.phone("ann", &["+12025550150"]).await;
            until_all_is_well(floor);
            let (code, text) = run(floor, &["doctor"], &[]);
            assert_eq!(code, 0, "{text}");
            for check in [
                "configuration",
                "postgres",
                "migrations",
                "clock",
                "time_zones",
                "live: version",
                "live: live_dangerously",
                "live: safety_net",
                "live: modules",
                "live: clock",
                "live: ari_exposure",
                "live: event_socket",
                "emergency",
                "live: trunk",
                "live: accounts",
                "daemon",
            ] {
                let line = text.lines().find(|line| line.starts_with(&format!("ok     {check} ")));
                assert!(line.is_some(), "no line ok {check}:\n{text}");
            }
        },
    );
}

#[test]
fn what_is_away_is_told_and_the_rest_is_still_looked_at() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            floor.phone("ann", &["+12025550150"]).await;
            until_all_is_well(floor);

            floor.servers.stop_postgres();
            let told = doctor(floor);
            assert_eq!(told.code, 1);
            told.is("postgres", "failed", "not available");
            told.is("node live_dangerously", "ok", "off");
            floor.servers.start_postgres();

            // Frozen: it takes connections and never answers.
            signal("STOP", floor.servers.asterisk_pid());
            let told = doctor(floor);
            signal("CONT", floor.servers.asterisk_pid());
            assert_eq!(told.code, 1);
            told.is("node asterisk", "failed", "did not answer");
            told.is("time_zones", "ok", "agree");

            let told = doctor_with(floor, &[("CORDBOARD__NODE__0__PASSWORD", "not-the-password")]);
            told.is("node asterisk", "failed", "does not let user cordboard in");
            let told = doctor_with(floor, &[("CORDBOARD__NODE__0__URL", "http://127.0.0.1:1")]);
            told.is("node asterisk", "failed", "nobody answers");
            until_all_is_well(floor);

            floor.daemon.kill();
            let told = doctor(floor);
            assert_eq!((told.code, told.wrong()), (1, vec!["daemon", "node event_socket"]), "{}", told.text);
            floor.restart_daemon().await;
            until_all_is_well(floor);
        },
    );
}

#[test]
fn what_the_database_wants_and_asterisk_lacks_is_told() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            floor.phone("ann", &["+12025550150"]).await;
            floor.sql("INSERT INTO trunks (name) VALUES ('ghost'), ('dead')").await;
            let began = Instant::now();
            let told = loop {
                let told = doctor(floor);
                if told.checks["node trunk"].1.contains("dead does not answer") || began.elapsed() > PATIENCE {
                    break told;
                }
            };
            told.is("node trunk", "failed", "trunk ghost is no endpoint");
            told.is("node trunk", "failed", "trunk dead does not answer");
            floor.sql("DELETE FROM trunks WHERE name IN ('ghost', 'dead')").await;

            floor.daemon.kill();
            let (_, endpoint) = floor.agent("newcomer").await;
            let endpoint: EndpointName = endpoint.parse().expect("an endpoint");
            doctor(floor).is(
                "node accounts",
                "failed",
                &format!("1 of 2 SIP accounts are not in Asterisk: {endpoint}"),
            );
            floor.restart_daemon().await;
            until_all_is_well(floor);
        },
    );
}

#[test]
fn an_asterisk_that_is_open_or_has_no_net_is_told() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            floor.servers.stop_asterisk();
            let open = "[general](+)\nbindaddr = 0.0.0.0\n[/ari](+)\npermit = 0.0.0.0/0\n";
            let edits = [
                ("asterisk.conf", "live_dangerously = no", "live_dangerously = yes"),
                ("extensions.conf", "n(net)", "n(other)"),
                ("modules.conf", "load = app_playback.so\n", ""),
            ];
            floor.servers.start_asterisk_otherwise(&edits, open);
            let told = doctor(floor);
            assert_eq!(told.code, 1, "{}", told.text);
            told.is("node live_dangerously", "failed", "is on");
            told.is("node safety_net", "failed", "lacks net of cordboard-agents");
            told.is("node modules", "failed", "app_playback.so not loaded");
            if has_an_address_outside() {
                told.is("node ari_exposure", "warning", "where only a password keeps others out");
            }
            let allowed = [
                ("CORDBOARD__NODE__0__ALLOW_LIVE_DANGEROUSLY", "true"),
                ("CORDBOARD__NODE__0__ALLOW_MISSING_SAFETY_NET", "true"),
            ];
            let told = doctor_with(floor, &allowed);
            told.is("node live_dangerously", "warning", "allowed by node.allow_live_dangerously");
            told.is("node safety_net", "warning", "allowed by node.allow_missing_safety_net");
            floor.servers.stop_asterisk();
            // What cannot be tried is not taken for safe.
            floor.servers.start_asterisk_otherwise(&[("modules.conf", "load = func_lock.so", ";")], "");
            doctor(floor).is("node live_dangerously", "warning", "cannot be tried without func_lock.so");
            floor.servers.stop_asterisk();
            floor.servers.start_asterisk();
            until_all_is_well(floor);
        },
    );
}

/// Without one nobody could come from outside.
fn has_an_address_outside() -> bool {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    routes.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some("00000000"))
}

#[test]
fn fsck_holds_open_calls_against_asterisk() {
    live(async |floor| {
        let ann = floor.phone("ann", &["+12025550150"]).await;
        let call = ann.call("+14155550101").await;
        call.answered(SOON).await.expect("an answer");
        let fsck = |floor: &Floor| run(floor, &["fsck"], &[]);
        let (code, text) = fsck(floor);
        assert_eq!(code, 0, "a call under way is no finding: {text}");
        floor.daemon.kill();
        let (code, text) = fsck(floor);
        assert_eq!(code, 0, "without a daemon either: {text}");

        call.hang_up();
        call.ended(SOON).await.expect("an end");
        let unknown = CallId(Uuid::now_v7());
        let bridge = unknown.bridge();
        let path = format!("/ari/bridges/{bridge}?type=mixing&api_key=cordboard:{ARI_PASSWORD}");
        assert_eq!(ask(floor.servers.ari, "POST", &path, None, None).await.0, 200);
        let (code, text) = fsck(floor);
        let id = floor.calls().await[0].id;
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(&format!("call {id}: open in the records, and live has none of its channels")), "{text}");
        assert!(text.contains(&format!("bridge {bridge}: on live, of call {unknown}, which is not open")), "{text}");

        floor.restart_daemon().await;
        floor.settled(1).await;
        let began = Instant::now();
        while fsck(floor).0 != 0 {
            assert!(began.elapsed() < PATIENCE, "{}", fsck(floor).1);
        }
        let (_, metrics) = http::page(floor.servers.http, "GET", "/metrics", None, None).await;
        for line in ["cordboard_bridges_removed_total 1", "cordboard_adopted_calls_total 1", "cordboard_fit 1"] {
            assert!(metrics.lines().any(|told| told == line), "no {line} in {metrics}");
        }
        assert!(metrics.contains("cordboard_check{node=\"live\",check=\"live_dangerously\"} 0\n"), "{metrics}");
    });
}
