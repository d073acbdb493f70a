//! Webhooks on the command line, and through a daemon that is killed in the middle.

use crate::floor::Floor;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

#[test]
fn webhooks_are_made_listed_changed_and_removed() {
    let floor = Floor::acme();
    assert_eq!(floor.json("webhooks list acme"), serde_json::json!([]));
    let made = floor.json("webhooks add acme https://example.org/hooks --events call.ended,call.answered");
    assert_eq!(made["events"], serde_json::json!(["call.answered", "call.ended"]));
    let (id, secret) = (made["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    assert!(secret.starts_with("whsec_"), "{secret}");
    let listed = floor.ok("webhooks list acme");
    assert!(listed.contains("https://example.org/hooks") && !listed.contains(secret), "{listed}");
    let second = floor.run("webhooks add acme https://example.org/more");
    assert_eq!((second.code, second.out.trim().len()), (0, 50), "the secret alone is on standard output");

    assert_eq!(floor.json(&format!("webhooks change acme {id} --events all"))["events"], Value::Null);
    assert_eq!(floor.json(&format!("webhooks disable acme {id}"))["enabled"], false);
    assert_eq!(floor.json(&format!("webhooks enable acme {id}"))["enabled"], true);
    assert_ne!(floor.json(&format!("webhooks rotate acme {id}"))["secret"], secret);
    assert_eq!(floor.json(&format!("webhooks deliveries acme {id}")), serde_json::json!([]));
    floor.ok(&format!("webhooks remove acme {id}"));

    for (command, code, says) in [
        (format!("webhooks remove acme {id}"), 1, "there is no webhook"),
        ("webhooks add acme http://example.org/".to_owned(), 1, "https://"),
        ("webhooks add acme https://127.0.0.1/".to_owned(), 1, "public internet"),
        ("webhooks add acme https://example.org/ --events call.sung".to_owned(), 2, "call.answered"),
        ("webhooks add nobody https://example.org/".to_owned(), 1, "there is no organization nobody"),
    ] {
        let ran = floor.run(&command);
        assert_eq!(ran.code, code, "{command}: {}", ran.err);
        assert!(ran.err.contains(says), "{command}: {}", ran.err);
    }
}

#[test]
fn a_private_network_is_let_in_with_a_warning() {
    let floor = Floor::bare();
    floor.settings(SETTINGS);
    let ran = floor.run("check-config");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("webhooks.private_networks") && ran.err.contains("127.0.0.0/8"), "{}", ran.err);
    floor.settings(&SETTINGS.replace("127.0.0.0/8", "127.0.0.1"));
    assert_eq!(floor.run("check-config").code, 78);
}

const SETTINGS: &str = r#"[postgres]
url = "{url}"
[journal]
directory = "{journal}"
[[node]]
name = "floor-1"
url = "http://127.0.0.1:1"
password = "correct-horse-battery"
[emergency]
trunk = "carrier"
caller_id = "+12125550100"
[http]
listen = "127.0.0.1:0"
[webhooks]
private_networks = ["127.0.0.0/8"]
"#;

struct Serving(Child);

impl Serving {
    fn start(floor: &Floor) -> Self {
        Self(floor.program().arg("serve").stderr(Stdio::null()).spawn().expect("it runs"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // SIGKILL: nothing is finished, closed or said.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One request, whole: its `webhook-id`. Nothing is answered yet.
fn request(listener: &TcpListener) -> (String, TcpStream) {
    let (mut stream, _) = listener.accept().expect("a connection");
    let (mut text, mut some) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut some).expect("bytes");
        text.extend_from_slice(&some[..read]);
        let all = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = all.split_once("\r\n\r\n") else { continue };
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.to_lowercase().strip_prefix(name).map(str::to_owned));
            line.map(|value| value.trim().to_owned())
        };
        let length: usize = field("content-length:").and_then(|value| value.parse().ok()).expect("a length");
        if body.len() >= length {
            return (field("webhook-id:").expect("an id"), stream);
        }
        assert!(read > 0, "{all}");
    }
}

/// What happens, as another replica would write it.
fn ringing(floor: &Floor) {
    floor.sql(
        "WITH call AS (INSERT INTO calls (id, organization_id, agent_id, node, facts)
            SELECT cordboard_uuid_v7(), organization_id, id, 'floor-9', 1 FROM agents RETURNING id)
         INSERT INTO call_facts (call_id, seq, at, kind, body)
         SELECT id, 0, now(), 'ringing', '{\"kind\": \"ringing\", \"at\": \"2026-11-21T20:00:00Z\"}' FROM call",
    );
}

#[test]
fn a_daemon_that_is_killed_while_it_sends_loses_nothing() {
    let floor = Floor::alice();
    floor.settings(SETTINGS);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
    let made = floor.json(&format!("webhooks add acme {url}"));
    let webhook = made["id"].as_str().expect("an id");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // The first is never answered.
        let (id, held) = request(&listener);
        let _ = tell.send(id);
        loop {
            let (id, mut stream) = request(&listener);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
            if tell.send(id).is_err() {
                drop(held);
                return;
            }
        }
    });
    let next = || told.recv_timeout(Duration::from_mins(1)).expect("a delivery");
    let first = Serving::start(&floor);
    ringing(&floor);
    let of_first = next();
    drop(first);
    // While nobody runs, more happens, and the dead one's minute passes.
    ringing(&floor);
    floor.sql("UPDATE webhook_deliveries SET due_at = now()");
    let _second = Serving::start(&floor);
    let after = [next(), next()];
    assert!(after.contains(&of_first), "sent again under its id: {of_first} {after:?}");
    assert_ne!(after[0], after[1], "and what happened meanwhile");
    let began = std::time::Instant::now();
    let delivered = format!("webhooks deliveries acme {webhook} --state delivered");
    while floor.json(&delivered).as_array().map_or(0, Vec::len) < 2 {
        assert!(began.elapsed() < Duration::from_mins(1), "it was not noted");
    }
}
