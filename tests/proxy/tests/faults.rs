//! Each fault as the two ends see it.

use fault_proxy::{Faults, On, Proxy, Rule, Speaks, What};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes here, shorter than anybody waits.
const QUIET: Duration = Duration::from_millis(150);

/// Sends back what it gets.
fn echo() -> SocketAddr {
    serve(|mut stream| {
        let mut bytes = [0; 1024];
        while let Ok(count) = stream.read(&mut bytes)
            && count > 0
            && stream.write_all(&bytes[..count]).is_ok()
        {}
    })
}

fn serve(each: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
    addr
}

/// Answers every request with `200` and its own number, and tells what it was asked.
fn web() -> (SocketAddr, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let addr = serve(move |stream| {
        let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
        let mut stream = stream;
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
            if let Some(given) = line.strip_prefix("Content-Length: ") {
                length = given.trim().parse().expect("a length");
            }
            if line.ends_with("HTTP/1.1\r\n") {
                let _ = tell.send(line.split(" HTTP").next().unwrap_or("").to_owned());
            }
            if line == "\r\n" {
                std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).expect("a body");
                length = 0;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("written");
            }
            line.clear();
        }
    });
    (addr, told)
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    stream
}

/// Sends and reads as much again.
fn exchange(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back)?;
    Ok(String::from_utf8(back).expect("text"))
}

/// Nothing comes, and the connection stands.
fn is_quiet(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(QUIET)).expect("a timeout");
    let nothing = stream.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    nothing
}

/// One request; what came until nothing more did, or the end.
fn ask(stream: &mut TcpStream, method: &str, path: &str) -> String {
    write!(stream, "{method} {path} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").expect("sent");
    let mut all = Vec::new();
    stream.set_read_timeout(Some(QUIET)).expect("a timeout");
    let _ = stream.read_to_end(&mut all);
    String::from_utf8(all).expect("text")
}

#[test]
fn a_network_that_is_slow_and_slices() {
    let proxy = Proxy::before(echo());
    let latency = Duration::from_millis(40);
    proxy.set(Faults { latency, slice: Some(3), ..Faults::default() });
    let mut stream = connect(proxy.addr);
    let began = Instant::now();
    assert_eq!(exchange(&mut stream, "hello, world").expect("an echo"), "hello, world");
    assert!(began.elapsed() >= latency * 2, "{:?}", began.elapsed());
}

#[test]
fn a_cut_ends_what_is_and_refuses_what_comes() {
    let proxy = Proxy::before(echo());
    let mut stream = connect(proxy.addr);
    exchange(&mut stream, "hello").expect("an echo");
    proxy.cut();
    assert!(exchange(&mut stream, "hello").is_err());
    assert!(exchange(&mut connect(proxy.addr), "hello").is_err());
    proxy.mend();
    exchange(&mut connect(proxy.addr), "hello").expect("an echo");
}

#[test]
fn a_black_hole_gives_everything_back() {
    let proxy = Proxy::before(echo());
    let mut stream = connect(proxy.addr);
    exchange(&mut stream, "hello").expect("an echo");
    proxy.freeze();
    stream.write_all(b"later").expect("sent");
    assert!(is_quiet(&mut stream));
    proxy.mend();
    let mut back = [0; 5];
    stream.read_exact(&mut back).expect("an echo");
    assert_eq!(&back, b"later");
}

#[test]
fn a_half_open_connection_is_never_heard_of_again_and_others_are_not_concerned() {
    let proxy = Proxy::before(echo());
    let mut stream = connect(proxy.addr);
    exchange(&mut stream, "hello").expect("an echo");
    proxy.half_open();
    stream.write_all(b"hello").expect("sent");
    assert!(is_quiet(&mut stream));
    exchange(&mut connect(proxy.addr), "hello").expect("an echo");
    assert!(is_quiet(&mut stream));
}

#[test]
fn a_request_meets_the_fate_of_its_rule() {
    let table = [
        (What::DropReply, "", true),
        (What::HoldReply, "", true),
        (
            What::DoubleReply,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            true,
        ),
        (What::DropRequest, "", false),
        (What::Status(503), "HTTP/1.1 503 Invented\r\nContent-Length: 0\r\n\r\n", false),
    ];
    for (what, answer, arrives) in table {
        let (web, told) = web();
        let proxy = Proxy::new(web, Speaks::Ari, 1);
        proxy.set(Faults { rules: vec![Rule::new(On::Request("POST", "/dial"), what)], ..Faults::default() });
        let mut stream = connect(proxy.addr);
        assert_eq!(ask(&mut stream, "GET", "/a/dial"), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "{what:?}");
        assert_eq!(ask(&mut stream, "POST", "/a/dial?timeout=3"), answer, "{what:?}");
        assert_eq!(told.recv().expect("a request"), "GET /a/dial");
        let second = told.recv_timeout(QUIET).ok();
        assert_eq!(second.as_deref(), arrives.then_some("POST /a/dial?timeout=3"), "{what:?}");
        assert_eq!(proxy.struck(), [1]);
        assert!(proxy.log().iter().any(|entry| entry.what.ends_with("POST /a/dial")), "{:?}", proxy.log());
    }
}

#[test]
fn events_are_lost_and_doubled_one_by_one() {
    // Three events of a server, behind an upgrade.
    let server = serve(|mut stream| {
        let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a line");
        }
        stream.write_all(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n").expect("written");
        for kind in ["A", "B", "C"] {
            let event = format!(r#"{{"type":"{kind}"}}"#);
            let length = u8::try_from(event.len()).expect("short");
            stream.write_all(&[&[0x81, length], event.as_bytes()].concat()).expect("written");
        }
        let _ = stream.read(&mut [0]);
    });
    let proxy = Proxy::new(server, Speaks::Ari, 1);
    let rules = vec![Rule::new(On::Event("A"), What::DoubleEvent), Rule::new(On::Event("B"), What::DropEvent)];
    proxy.set(Faults { rules, ..Faults::default() });
    let mut stream = connect(proxy.addr);
    write!(stream, "GET /ari/events HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").expect("sent");
    let mut all = Vec::new();
    stream.set_read_timeout(Some(QUIET)).expect("a timeout");
    let _ = stream.read_to_end(&mut all);
    let text = String::from_utf8_lossy(&all);
    let kinds: Vec<&str> = text.split("\"type\":\"").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!(kinds, ["A", "A", "C"]);
}

#[test]
fn a_commit_arrives_and_its_answer_does_not() {
    for (what, arrives) in [(What::CutAfter, true), (What::CutBefore, false)] {
        let (tell, told) = mpsc::channel();
        let server = serve(move |mut stream| {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all);
            let _ = tell.send(all);
        });
        let proxy = Proxy::new(server, Speaks::Postgres, 1);
        proxy.set(Faults { rules: vec![Rule::new(On::Commit, what)], ..Faults::default() });
        let mut stream = connect(proxy.addr);
        // SSLRequest, the start-up, and two queries.
        let start = [&[0, 0, 0, 8, 4, 210, 22, 47][..], &[0, 0, 0, 9, 0, 3, 0, 0, 0], b"Q\0\0\0\x0aBEGIN\0"].concat();
        stream.write_all(&start).expect("sent");
        stream.write_all(b"Q\0\0\0\x0bCOMMIT\0").expect("sent");
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "an answer came");
        let got = told.recv_timeout(Duration::from_secs(5)).expect("an end");
        assert_eq!(got.windows(6).any(|window| window == b"COMMIT"), arrives, "{what:?}");
    }
}

#[test]
fn the_same_seed_strikes_the_same_requests() {
    let run = |seed: u64| {
        let proxy = Proxy::new(web().0, Speaks::Ari, seed);
        let rule = Rule::new(On::Request("", ""), What::Status(500)).permille(300);
        proxy.set(Faults { rules: vec![rule.at_most(5)], ..Faults::default() });
        let mut stream = BufReader::new(connect(proxy.addr));
        let answers: Vec<bool> = (0..40)
            .map(|_| {
                write!(stream.get_mut(), "GET /x HTTP/1.1\r\n\r\n").expect("sent");
                let mut line = String::new();
                stream.read_line(&mut line).expect("an answer");
                let struck = line.contains("500");
                while !matches!(line.as_str(), "\r\n") {
                    line.clear();
                    stream.read_line(&mut line).expect("a header");
                }
                if !struck {
                    stream.read_exact(&mut [0; 2]).expect("a body");
                }
                struck
            })
            .collect();
        assert_eq!(answers.iter().filter(|struck| **struck).count(), 5);
        answers
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
