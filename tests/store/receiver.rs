//! Who receives webhooks: a real server that answers as it is told, and checks signatures with code of its own.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use cordboard::http;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What it answers.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    /// With `Retry-After`.
    Later(u16, String),
    Redirect(String),
    /// It has it, and says nothing.
    Never,
}

/// What it got.
#[derive(Clone, Debug)]
pub struct Got {
    pub id: String,
    pub timestamp_s: i64,
    pub signatures: Vec<String>,
    pub body: String,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    /// Whether one of its signatures is made with this secret.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let wanted = signature(secret, &self.id, self.timestamp_s, &self.body);
        self.signatures.contains(&wanted)
    }
}

#[derive(Clone)]
struct Shared {
    got: Arc<watch::Sender<Vec<Got>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    usual: Answer,
}

pub struct Receiver {
    pub address: SocketAddr,
    shared: Shared,
    _stop: DropGuard,
}

impl Receiver {
    /// Answers with these, one after the other, and then with 204.
    pub async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start(answers, Answer::Status(204)).await
    }

    /// Always answers with this.
    pub async fn always(usual: Answer) -> Self {
        Self::start([], usual).await
    }

    async fn start(answers: impl IntoIterator<Item = Answer>, usual: Answer) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let shared = Shared { got: Arc::new(watch::Sender::default()), answers, usual };
        let router = Router::new().fallback(any(receive)).with_state(shared.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        tokio::spawn(http::serve(listener, router, stop.clone()));
        Self { address, shared, _stop: stop.drop_guard() }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.got.borrow().clone()
    }

    /// What it got, as soon as it is so much.
    pub async fn gets(&self, count: usize) -> Vec<Got> {
        let mut watch = self.shared.got.subscribe();
        let all = tokio::time::timeout(Duration::from_mins(1), watch.wait_for(|got| got.len() >= count)).await;
        all.unwrap_or_else(|_| panic!("only {} of {count}", self.got().len())).expect("a receiver").clone()
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    assert_eq!(header("content-type"), "application/json");
    let got = Got {
        id: header("webhook-id"),
        timestamp_s: header("webhook-timestamp").parse().unwrap_or_default(),
        signatures: header("webhook-signature").split(' ').map(str::to_owned).collect(),
        body: String::from_utf8(body.to_vec()).expect("text"),
    };
    let answer = shared.answers.lock().expect("lock").pop_front().unwrap_or(shared.usual);
    shared.got.send_modify(|all| all.push(got));
    match answer {
        Answer::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Answer::Later(status, when) => {
            (StatusCode::from_u16(status).expect("a status"), [(header::RETRY_AFTER, when)]).into_response()
        }
        Answer::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Answer::Never => std::future::pending().await,
    }
}

/// As the specification has it, written from RFC 2104 and RFC 4648, with nothing of the program under test.
pub fn signature(secret: &str, id: &str, timestamp_s: i64, body: &str) -> String {
    let mut key = from_base64(secret.strip_prefix("whsec_").expect("a secret"));
    if key.len() > 64 {
        key = Sha256::digest(&key).to_vec();
    }
    key.resize(64, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(format!("{id}.{timestamp_s}.{body}")).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    format!("v1,{}", to_base64(&outer))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn from_base64(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.bytes().filter(|byte| *byte != b'=') {
        let value = DIGITS.iter().position(|one| *one == digit).expect("base64");
        bits = bits << 6 | u32::try_from(value).expect("six bits");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("a byte"));
        }
    }
    bytes
}

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().chain(&[0, 0]).take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[test]
fn the_example_of_the_specification_comes_out_here_too() {
    let body = r#"{"test": 2432232314}"#;
    let made = signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
    assert_eq!(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}
