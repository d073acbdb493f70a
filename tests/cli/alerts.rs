//! The alert rules: every metric and label in them is really told by the daemon, and every alert has its page.

use crate::floor::Floor;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What the rules ask for: `cordboard_ready`, `cordboard_resyncs_total{outcome="failed"}`.
fn wanted(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some(at) = rest.find("cordboard_") {
        rest = &rest[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let end = match rest[end..].strip_prefix('{').and_then(|labels| labels.find('}')) {
            Some(labels) => end + labels + 2,
            None => end,
        };
        found.insert(rest[..end].to_owned());
        rest = &rest[end..];
    }
    found
}

fn is_told(metrics: &str, wanted: &str) -> bool {
    metrics.lines().any(|line| line.strip_prefix(wanted).is_some_and(|rest| rest.starts_with([' ', '{'])))
}

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn metrics(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.contains("# EOF").then_some(answer)
}

#[test]
fn every_metric_of_an_alert_is_told_by_the_daemon() {
    let floor = Floor::acme();
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut program = floor.program();
    program.arg("serve").env("CORDBOARD__NODE__0__URL", "http://127.0.0.1:1");
    program.env("CORDBOARD__HTTP__LISTEN", address.to_string()).stderr(Stdio::null());
    let _daemon = Serving(program.spawn().expect("it runs"));

    let rules = std::fs::read_to_string(repository("ops/alerts.yml")).expect("the rules");
    let wanted: BTreeSet<String> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).flat_map(wanted).collect();
    assert!(wanted.len() >= 15, "{wanted:?}");
    let began = Instant::now();
    loop {
        let told = metrics(address).unwrap_or_default();
        let missing: Vec<&String> = wanted.iter().filter(|wanted| !is_told(&told, wanted)).collect();
        if missing.is_empty() {
            assert!(!is_told(&told, "cordboard_nonsense"), "the control is told");
            assert!(!is_told(&told, "cordboard_resyncs_total{outcome=\"sung\"}"), "the control is told");
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "not told: {missing:?} in\n{told}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_alert_has_a_page_and_every_page_an_alert() {
    let rules = std::fs::read_to_string(repository("ops/alerts.yml")).expect("the rules");
    let alerts: BTreeSet<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let links = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: "));
    let links: BTreeSet<&str> = links.collect();
    let expected: BTreeSet<String> = alerts.iter().map(|alert| format!("docs/runbook/{alert}.md")).collect();
    assert_eq!(links, expected.iter().map(String::as_str).collect());
    let index = std::fs::read_to_string(repository("docs/runbook/README.md")).expect("the index");
    for alert in &alerts {
        let page = std::fs::read_to_string(repository(&format!("docs/runbook/{alert}.md"))).expect("a page");
        assert!(page.starts_with(&format!("# {alert}\n")), "{alert}");
        for part in ["**It means**: ", "**Who notices**: ", "## Look", "## Do", "**Over when**: "] {
            assert!(page.contains(part), "{alert} has no {part:?}");
        }
        assert!(index.contains(&format!("({alert}.md)")), "{alert} is not in the index");
    }
    let files = std::fs::read_dir(repository("docs/runbook")).expect("the pages").count();
    assert_eq!(files, alerts.len() + 1, "a page without an alert");
}
