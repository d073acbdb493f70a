//! What is asked of the running daemon, and what is made of its answers.

use crate::floor::{Floor, Ran};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

const CALL: &str = "01a1fe2a-a0fd-7083-b497-fb8672e548e1";

/// Answers one request, and tells what it was.
fn asked(floor: &Floor, command: &str, status: &str, body: &str) -> (Ran, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a request");
        let mut request = Vec::new();
        let mut byte = [0];
        let whole = |request: &[u8]| {
            let text = String::from_utf8_lossy(request).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.map_or(0, |length| length.parse().expect("a length"))
        };
        while !whole(&request) && socket.read(&mut byte).expect("bytes") == 1 {
            request.push(byte[0]);
        }
        socket.write_all(answer.as_bytes()).expect("an answer");
        String::from_utf8(request).expect("text")
    });
    let ran = floor.run(&format!("{command} --token cbt_secret --url {url}"));
    (ran, server.join().expect("a request"))
}

#[test]
fn dial_starts_a_call() {
    let floor = Floor::bare();
    let body = format!(r#"{{"id":"{CALL}","state":"calling_agent","from":"+12025550123","to":"+12025550199"}}"#);
    let (ran, request) = asked(&floor, "dial alice 2025550199", "201 Created", &body);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with(&format!(
        "call {CALL}: the phone of alice rings; then +12025550199 is called from +12025550123\n"
    )));
    assert!(request.starts_with("POST /api/v1/calls HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer cbt_secret\r\n"), "{request}");
    assert!(request.ends_with(r#"{"agent":"alice","to":"2025550199"}"#), "{request}");
}

#[test]
fn a_refusal_is_3_and_names_the_call() {
    let floor = Floor::bare();
    let body = format!(
        r#"{{"status":403,"code":"daily_limit","detail":"Daily call limit reached (100 calls).","callId":"{CALL}"}}"#
    );
    let (ran, _) = asked(&floor, "dial alice 2025550199", "403 Forbidden", &body);
    let line = format!(
        "cordboard: the call is refused (daily_limit): Daily call limit reached (100 calls). Why: cordboard explain {CALL}\n"
    );
    assert_eq!((ran.code, ran.err), (3, line));
}

#[test]
fn other_answers() {
    let floor = Floor::bare();
    let problem = |code: &str| format!(r#"{{"code":"{code}","detail":"Do this."}}"#);
    let table = [
        ("401 Unauthorized", problem("unauthorized"), 1, "the daemon says unauthorized: Do this."),
        ("503 Service Unavailable", problem("draining"), 69, "the daemon says draining: Do this."),
        ("404 Not Found", "<html>".to_owned(), 1, "answered 404 Not Found, which is not Cordboard's way; see --url"),
        ("200 OK", "<html>".to_owned(), 1, "is no Cordboard, or another version of it; see --url"),
        ("302 Found", String::new(), 1, "answered 302 Found, which is not Cordboard's way; see --url"),
    ];
    for (status, body, code, line) in table {
        let (ran, _) = asked(&floor, "dial alice 2025550199", status, &body);
        assert_eq!(ran.code, code, "{status}: {}", ran.err);
        assert!(ran.err.starts_with("cordboard: ") && ran.err.ends_with(&format!("{line}\n")), "{}", ran.err);
    }
    let (ran, request) = asked(
        &floor,
        &format!("calls hangup {CALL}"),
        "202 Accepted",
        &format!(r#"{{"id":"{CALL}","state":"ending"}}"#),
    );
    assert_eq!((ran.code, ran.out), (0, format!("call {CALL} is ending\n")));
    assert!(request.starts_with(&format!("DELETE /api/v1/calls/{CALL} HTTP/1.1\r\n")), "{request}");

    let away = floor.run("dial alice 2025550199 --token t --url http://127.0.0.1:1");
    assert_eq!(away.code, 69);
    let line = "cordboard: the daemon at http://127.0.0.1:1 cannot be reached: Connection refused (os error 111); check that `cordboard serve` runs, and --url\n";
    assert_eq!(away.err, line);
}
