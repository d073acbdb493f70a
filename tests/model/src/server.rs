//! The other door: ARI over HTTP and WebSocket on loopback, in real time.

use crate::asterisk::{Asterisk, Knobs, Micros};
use crate::requests::Request;
use futures::SinkExt;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

struct Shared {
    asterisk: Mutex<Inner>,
    /// Something new may be due.
    changed: Notify,
}

struct Inner {
    model: Asterisk,
    /// The socket that holds the application, and its number.
    socket: Option<(u64, mpsc::UnboundedSender<String>)>,
    sockets: u64,
}

/// A model Asterisk that can be reached over ARI. It ends when it is dropped.
pub struct Server {
    /// Where.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

fn now() -> Micros {
    Timestamp::now().as_microsecond()
}

impl Server {
    /// Starts one on a free port.
    pub async fn start(knobs: Knobs) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Inner { model: Asterisk::new(now(), 1, knobs), socket: None, sockets: 0 };
        let shared = Arc::new(Shared { asterisk: Mutex::new(inner), changed: Notify::new() });
        let (ours, theirs) = (Arc::clone(&shared), Arc::clone(&shared));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&ours)));
            }
        });
        let ticking = tokio::spawn(async move {
            loop {
                let due = theirs.with(|model| model.next_due());
                let wait = due.map_or(1_000_000, |due| (due - now()).clamp(0, 1_000_000));
                let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(0));
                let _ = tokio::time::timeout(wait, theirs.changed.notified()).await;
            }
        });
        Ok(Self { address, shared, tasks: vec![accepting, ticking] })
    }

    /// Does something with the model, now.
    pub fn with<T>(&self, act: impl FnOnce(&mut Asterisk) -> T) -> T {
        let result = self.shared.with(act);
        self.shared.changed.notify_one();
        result
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.asterisk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the time pass, acts, and sends what there is to tell.
    fn with<T>(&self, act: impl FnOnce(&mut Asterisk) -> T) -> T {
        let mut inner = self.lock();
        inner.model.advance(now());
        let result = act(&mut inner.model);
        inner.send();
        result
    }
}

impl Inner {
    fn send(&mut self) {
        let disallowed = self.model.disallowed.clone();
        for event in self.model.take_events() {
            if let Some((_, socket)) = &self.socket
                && !disallowed.iter().any(|kind| kind == event.kind.name())
            {
                // A reader that is gone hears nothing.
                let _ = socket.send(event.json().to_string());
            }
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut first = [0; 15];
    while stream.peek(&mut first).await.is_ok_and(|n| (1..first.len()).contains(&n)) {
        tokio::task::yield_now().await;
    }
    if first.starts_with(b"GET /ari/events") {
        events(stream, &shared).await;
    } else {
        let mut stream = BufReader::new(stream);
        while let Some((line, body)) = read(&mut stream).await {
            let answer = answer(&shared, &line, &body);
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn events(stream: TcpStream, shared: &Shared) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let number = {
        let mut inner = shared.lock();
        inner.model.advance(now());
        inner.model.connect();
        // The socket of before hears that it was replaced, and nothing after it.
        inner.send();
        inner.sockets += 1;
        inner.socket = Some((inner.sockets, sender));
        inner.sockets
    };
    loop {
        tokio::select! {
            Some(text) = receiver.recv() => if socket.send(Message::text(text)).await.is_err() { break },
            message = futures::StreamExt::next(&mut socket) => match message {
                // Pings are answered by the library when it next writes.
                Some(Ok(_)) => if socket.flush().await.is_err() { break },
                Some(Err(_)) | None => break,
            },
        }
    }
    let mut inner = shared.lock();
    if inner.socket.as_ref().is_some_and(|(holder, _)| *holder == number) {
        inner.model.disconnect();
        inner.socket = None;
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
        if line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let length =
        head.iter().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.and_then(|(_, length)| length.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some((head.first()?.strip_suffix(" HTTP/1.1")?.to_owned(), String::from_utf8(body).ok()?))
}

fn answer(shared: &Shared, line: &str, body: &str) -> String {
    let (status, body) = match parse(line, body) {
        Some(request) => {
            let answer = shared.with(|model| {
                let reply = model.request(&request);
                (reply.status, model.json(&reply))
            });
            shared.changed.notify_one();
            answer
        }
        None => (404, Value::Null),
    };
    let body = if status == 204 { String::new() } else { body.to_string() };
    format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The request behind method, path, query and body.
fn parse(line: &str, body: &str) -> Option<Request> {
    let (method, url) = line.split_once(" /ari/")?;
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let parts: Vec<String> = path.split('/').map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let id = |i: usize| (*parts.get(i).unwrap_or(&"")).to_owned();
    let from_query = |name: &str| query.get(name).cloned();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned).or_else(|| from_query(name));
    Some(match (method, parts.as_slice()) {
        ("POST", ["bridges"]) => Request::CreateBridge { bridge: text("bridgeId")? },
        ("DELETE", ["bridges", _]) => Request::DestroyBridge { bridge: id(1) },
        ("POST", ["bridges", _, "addChannel"]) => {
            Request::AddChannel { bridge: id(1), channels: text("channel")?.split(',').map(str::to_owned).collect() }
        }
        ("POST", ["channels", "create"]) => Request::Create {
            channel: text("channelId")?,
            endpoint: text("endpoint")?,
            args: text("appArgs").map_or_else(Vec::new, |args| args.split(',').map(str::to_owned).collect()),
            originator: text("originator"),
            variables: body.get("variables").and_then(Value::as_object).map_or_else(BTreeMap::new, |all| {
                all.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
            }),
        },
        ("POST", ["channels", _, "dial"]) => {
            Request::Dial { channel: id(1), timeout_s: text("timeout").and_then(|s| s.parse().ok()) }
        }
        ("POST", ["channels", _, "play"]) => Request::Play { channel: id(1) },
        ("POST", ["channels", _, "variable"]) => {
            Request::SetVariable { channel: id(1), name: text("variable")?, value: text("value")? }
        }
        ("DELETE", ["channels", _]) => Request::HangUp {
            channel: id(1),
            cause: text("reason_code").and_then(|code| code.parse().ok()).unwrap_or(16),
        },
        ("GET", ["channels"]) => Request::Channels,
        ("GET", ["channels", _]) => Request::Channel { channel: id(1) },
        ("GET", ["bridges"]) => Request::Bridges,
        ("GET", ["asterisk", "info"]) => Request::Info,
        ("GET", ["asterisk", "ping"]) => Request::Ping,
        ("GET", ["applications", "cordboard"]) => Request::Application,
        ("PUT", ["applications", "cordboard", "eventFilter"]) => {
            let types = body.get("disallowed").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let kinds = types.iter().filter_map(|entry| Some(entry.get("type")?.as_str()?.to_owned()));
            Request::Filter { disallowed: kinds.collect() }
        }
        ("POST", ["applications", "cordboard", "subscription"]) => {
            Request::Subscribe { channel: text("eventSource")?.strip_prefix("channel:")?.to_owned() }
        }
        ("POST", ["events", "user", _]) => Request::Userevent { name: id(2) },
        _ => return None,
    })
}

/// Without percent signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let hex = (byte == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            None => bytes.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
