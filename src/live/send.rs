//! One attempt to deliver. A name is looked up, each of its addresses is looked at, and the connection is made to one of those
//! and to no other; there is no second look-up in between that could say something else.

use super::networks::{Networks, literal};
use super::sign::Secret;
use crate::retry_after::retry_after;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, StatusCode, Url, redirect, retry};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// From the first look-up to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// More of an answer is not read.
const ANSWER_BYTES: usize = 16 * 1024;

/// Sends messages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {
    networks: Arc<Networks>,
    /// Over TLS, to public addresses and named networks.
    tls: Client,
    /// In the clear, to named networks only.
    plain: Client,
}

/// No client can be made.
#[derive(Debug, thiserror::Error)]
#[error("webhooks cannot be sent: {0}")]
pub struct SenderError(#[from] reqwest::Error);

/// What is sent.
#[derive(Debug)]
pub struct Message<'a> {
    /// Whereto.
    pub url: &'a str,
    /// The event's id: the same at each attempt.
    pub id: &'a str,
    /// Now, in seconds since 1970.
    pub timestamp_s: i64,
    /// JSON.
    pub body: String,
    /// With what it is signed, each.
    pub secrets: &'a [Secret],
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The receiver has it.
    Taken {
        /// The HTTP status.
        status: u16,
    },
    /// The receiver answered, and does not have it.
    NotTaken {
        /// The HTTP status.
        status: u16,
        /// With 429 and 503: for how long it asks to be left alone, if it does.
        asked: Option<Duration>,
    },
    /// There was no answer; one word says why.
    NoAnswer(&'static str),
}

impl Sent {
    /// The HTTP status, if there was an answer.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Taken { status } | Self::NotTaken { status, .. } => Some(status),
            Self::NoAnswer(_) => None,
        }
    }

    /// What was wrong, in one word.
    pub fn error(self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } => None,
            Self::NotTaken { status: 300..=399, .. } => Some("redirect"),
            Self::NotTaken { status: 410, .. } => Some("gone"),
            Self::NotTaken { .. } => Some("status"),
            Self::NoAnswer(error) => Some(error),
        }
    }

    /// The receiver wants nothing any more.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::NotTaken { status: 410, .. })
    }

    /// For how long the receiver asks to be left alone, if it does.
    pub fn asked(self) -> Option<Duration> {
        match self {
            Self::NotTaken { asked, .. } => asked,
            Self::Taken { .. } | Self::NoAnswer(_) => None,
        }
    }
}

/// Nothing may be sent there.
#[derive(Debug, thiserror::Error)]
#[error("an address that is not public")]
struct NotPublic;

/// The name is nobody's.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
struct NoAddress;

struct Checked {
    networks: Arc<Networks>,
    named_only: bool,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (networks, named_only) = (Arc::clone(&self.networks), self.named_only);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NoAddress)?;
            let found: Vec<SocketAddr> = found.collect();
            if found.is_empty() {
                return Err(NoAddress.into());
            }
            let good = |at: &SocketAddr| if named_only { networks.names(at.ip()) } else { networks.allow(at.ip()) };
            // One bad one among them is reason enough: nobody has such a name by accident.
            if !found.iter().all(good) {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

impl Sender {
    /// Sends to the public internet and to the networks that were named.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new(networks: Networks) -> Result<Self, SenderError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only if another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let networks = Arc::new(networks);
        let client = |named_only| {
            // Nothing stands between the address that was looked at and the one that is connected to.
            Client::builder()
                .user_agent(concat!("cordboard/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Arc::new(Checked { networks: Arc::clone(&networks), named_only }))
                .no_proxy()
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .timeout(PATIENCE)
                .connect_timeout(CONNECT)
                .pool_max_idle_per_host(8)
                .pool_idle_timeout(Duration::from_secs(20))
        };
        Ok(Self { tls: client(false).https_only(true).build()?, plain: client(true).build()?, networks })
    }

    /// Where it may send.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Sends once, and says what came of it.
    pub async fn send(&self, message: Message<'_>) -> Sent {
        // What is allowed may have changed since the address was written down.
        let Ok(url) = self.networks.url(message.url) else { return Sent::NoAnswer("address_not_allowed") };
        if literal(&url).is_some_and(|address| !self.networks.allows(&url, address)) {
            return Sent::NoAnswer("address_not_allowed");
        }
        let Message { id, timestamp_s, body, secrets, .. } = message;
        let signatures: Vec<String> =
            secrets.iter().map(|secret| secret.sign(id, timestamp_s, body.as_bytes())).collect();
        let request = self
            .client(&url)
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signatures.join(" "))
            .body(body);
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Sent::NoAnswer(word(&error)),
        };
        let status = answer.status();
        let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let asked = asks.then(|| retry_after(answer.headers())).flatten();
        // Read so that the connection can be used again. The status has said all.
        let mut read = 0;
        while let Ok(Some(chunk)) = answer.chunk().await {
            read += chunk.len();
            if read > ANSWER_BYTES {
                break;
            }
        }
        let (is_taken, status) = (status.is_success(), status.as_u16());
        if is_taken { Sent::Taken { status } } else { Sent::NotTaken { status, asked } }
    }

    fn client(&self, url: &Url) -> &Client {
        if url.scheme() == "https" { &self.tls } else { &self.plain }
    }
}

/// What was wrong, without a word of what anybody sent.
fn word(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if one.is::<NotPublic>() {
            return "address_not_allowed";
        }
        if one.is::<NoAddress>() {
            return "name_not_found";
        }
        if one.is::<rustls::Error>() {
            return "tls";
        }
        cause = one.source();
    }
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "cannot_connect"
    } else {
        "lost"
    }
}
