//! A small Asterisk for tests: HTTP that does what a test tells it, and the event socket.

use super::config::AriConfig;
use super::http::AriClient;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// One HTTP request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Counts the connections from 0.
    pub connection: usize,
    /// Method, path and query.
    pub line: String,
    pub authorization: String,
    pub body: String,
}

/// What the server does with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reaction {
    Answer(u16, &'static str),
    /// Answers as if the connection stayed, then closes it.
    AnswerAndClose(u16, &'static str),
    /// Promises more than it sends.
    CutOff(u16),
    /// Closes without a word.
    Close,
    /// Says nothing and stays.
    Hang,
    Redirect,
}

pub(super) struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Tells each request when it has been read.
    pub arrivals: mpsc::UnboundedReceiver<()>,
    /// Event sockets, before their handshake.
    pub sockets: mpsc::UnboundedReceiver<TcpStream>,
}

impl Server {
    pub async fn start(react: impl Fn(&Seen) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let (connected, sockets) = mpsc::unbounded_channel();
        let (react, log) = (Arc::new(react), Arc::clone(&seen));
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (react, log, arrived, connected) =
                    (Arc::clone(&react), Arc::clone(&log), arrived.clone(), connected.clone());
                tokio::spawn(async move {
                    let mut first = [0; 15];
                    while stream.peek(&mut first).await.is_ok_and(|n| (1..first.len()).contains(&n)) {
                        tokio::task::yield_now().await;
                    }
                    if first.starts_with(b"GET /ari/events") {
                        connected.send(stream).ok();
                    } else {
                        serve(stream, connection, &*react, &log, &arrived).await;
                    }
                });
            }
        });
        Self { address, seen, arrivals, sockets }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }

    pub fn client(&self) -> AriClient {
        client(self.address)
    }
}

pub(super) fn client(address: SocketAddr) -> AriClient {
    let url = format!("http://{address}/ari");
    let config = AriConfig::new(&url, "cordboard", "cordboard", "s3cret".into()).expect("a configuration");
    AriClient::new(config).expect("a client")
}

/// An address at which nobody listens.
pub(super) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.and_then(|l| l.local_addr()).expect("a port")
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    react: &(dyn Fn(&Seen) -> Reaction + Send + Sync),
    log: &Mutex<Vec<Seen>>,
    arrived: &mpsc::UnboundedSender<()>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read(&mut stream, connection).await {
        let reaction = react(&seen);
        log.lock().expect("not poisoned").push(seen);
        arrived.send(()).ok();
        let full = |status: u16, body: &str| {
            format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let (answer, stay) = match reaction {
            Reaction::Answer(status, body) => (full(status, body), true),
            Reaction::AnswerAndClose(status, body) => (full(status, body), false),
            Reaction::CutOff(status) => (format!("HTTP/1.1 {status} X\r\nContent-Length: 99\r\n\r\n{{"), false),
            Reaction::Redirect => {
                ("HTTP/1.1 302 X\r\nLocation: /ari/elsewhere\r\nContent-Length: 0\r\n\r\n".to_owned(), true)
            }
            Reaction::Close => return,
            Reaction::Hang => std::future::pending().await,
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || !stay {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>, connection: usize) -> Option<Seen> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
        if line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let header = |name: &str| {
        head.iter().filter_map(|l| l.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    };
    let mut body = vec![0; header("content-length").map_or(0, |v| v.parse().expect("a length"))];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen {
        connection,
        line: head.first()?.strip_suffix(" HTTP/1.1")?.replacen("/ari/", "", 1),
        authorization: header("authorization").unwrap_or_default().to_owned(),
        body: String::from_utf8(body).ok()?,
    })
}
