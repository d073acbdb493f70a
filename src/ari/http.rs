//! One request at a time to Asterisk, and what became of it.
//!
//! The question a dialler must always be able to answer is "did it happen?". So nothing here is ever sent twice:
//! reqwest's own retries are off, and what stays, hyper-util's retry on a pooled connection that the server had closed,
//! concerns only requests of which not a byte was written (it gets the request itself back from the connection's queue).
//! A connect error is [`NotSent`](Carried::NotSent); any other end without a status line is [`Unknown`](Carried::Unknown).

use super::config::AriConfig;
use super::leave::{Free, Leave, Purpose};
use crate::core::input::Carried;
use reqwest::{Method, Url, redirect, retry};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests under way at the same time, and so the most connections: each is a thread and a session in Asterisk.
const CONCURRENT: usize = 8;
/// From the first byte out to the last byte in.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a request waits for its turn before it is given up unsent.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
/// Below Asterisk's `session_keep_alive` of 60 s, so that it is we who close.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// A channel in a listing is under 1 KB.
const MAX_ANSWER: usize = 32 << 20;

/// The client for the REST side of one Asterisk. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AriClient {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub config: AriConfig,
    pub leave: Arc<dyn Leave>,
    http: reqwest::Client,
    turns: Semaphore,
}

/// The HTTP client could not be made, for example because the system's certificates cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the HTTP client")]
pub struct AriSetupError(#[from] reqwest::Error);

/// Why a question to Asterisk has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AriError {
    /// Asterisk refused.
    #[error("Asterisk answered with status {status}")]
    Refused {
        /// The HTTP status. 503 while it boots.
        status: u16,
    },
    /// No connection.
    #[error("Asterisk cannot be reached")]
    NotSent,
    /// Connected, and no answer in time.
    #[error("Asterisk did not answer")]
    NoAnswer,
    /// An answer that cannot be read.
    #[error("Asterisk's answer about {about} cannot be read")]
    Unreadable {
        /// What was asked for.
        about: &'static str,
    },
}

impl From<AriError> for Carried {
    /// For a request that changes something: an unreadable answer is an answer.
    fn from(error: AriError) -> Self {
        match error {
            AriError::Refused { status } => Self::Refused { status },
            AriError::NotSent => Self::NotSent,
            AriError::NoAnswer => Self::Unknown,
            AriError::Unreadable { .. } => Self::Done,
        }
    }
}

/// One request. All parts of the path come from checked types or are constants.
pub(super) struct Request<'a> {
    pub method: Method,
    pub purpose: Purpose,
    pub path: &'a [&'a str],
    pub query: &'a [(&'static str, &'a str)],
    pub body: Option<Value>,
}

impl AriClient {
    /// Makes the client; nothing is sent yet. Installs ring as the process's TLS provider if it has none.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(config: AriConfig) -> Result<Self, AriSetupError> {
        Self::with_leave(config, Arc::new(Free))
    }

    /// The same, for an owner whose time may come to its end: what it may not send any more ends as
    /// [`NotSent`](Carried::NotSent).
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn with_leave(config: AriConfig, leave: Arc<dyn Leave>) -> Result<Self, AriSetupError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only if another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let headers = [(reqwest::header::AUTHORIZATION, config.authorization())];
        let http = reqwest::Client::builder()
            .default_headers(headers.into_iter().collect())
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(CONCURRENT)
            .tcp_nodelay(true)
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .build()?;
        Ok(Self { shared: Arc::new(Shared { config, leave, http, turns: Semaphore::new(CONCURRENT) }) })
    }

    /// The name of our application in Asterisk.
    pub fn app(&self) -> &str {
        self.shared.config.app()
    }

    /// Sends one request and reads the whole answer, if it is a success.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Vec<u8>, AriError> {
        let url = self.url(request.path, request.query)?;
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.shared.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(AriError::NotSent) };
        let mut builder = self.shared.http.request(request.method, url);
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        // The last moment at which it can be held back.
        if !self.shared.leave.allows(request.purpose) {
            return Err(AriError::NotSent);
        }
        // Errors are not logged as they come: they hold the URL, and the URL may hold a number.
        let mut answer = builder.send().await.map_err(|error| match error {
            error if error.is_connect() || error.is_builder() => AriError::NotSent,
            _ => AriError::NoAnswer,
        })?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        let mut whole = true;
        while whole {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_ANSWER => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Ok(Some(_)) | Err(_) => whole = false,
            }
        }
        // The status line is the answer, whatever became of the body.
        match status {
            200..=299 if whole => Ok(body),
            200..=299 => Err(AriError::Unreadable { about: "anything" }),
            status => Err(AriError::Refused { status }),
        }
    }

    /// Asks for something and reads the answer.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        about: &'static str,
        path: &[&str],
        query: &[(&'static str, &str)],
    ) -> Result<T, AriError> {
        let body = self.send(Request { method: Method::GET, purpose: Purpose::Look, path, query, body: None }).await?;
        serde_json::from_slice(&body).map_err(|_| AriError::Unreadable { about })
    }

    fn url(&self, path: &[&str], query: &[(&'static str, &str)]) -> Result<Url, AriError> {
        // A URL would resolve these two away; nothing of ours is named so.
        if path.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(AriError::Refused { status: 400 });
        }
        let mut url = self.shared.config.base().clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.extend(path);
            }
            Err(()) => return Err(AriError::NotSent),
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}
