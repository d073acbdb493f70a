//! One request at a time to Asterisk, and what became of it.
//!
//! The question a dialler must always be able to answer is "did it happen?". So nothing here is ever sent twice. What could
//! not be sent is [`NotSent`](Carried::NotSent); any other end without a status line is [`Unknown`](Carried::Unknown).

use super::config::AriConfig;
use super::connections::{AriSetupError, Connections};
use super::leave::{Free, Leave, Purpose};
use crate::core::input::Carried;
use http_body_util::Full;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// What must not stand as it is between two slashes (RFC 3986, 3.3), and `:`, `@` and `;` to be safe.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The client for the REST side of one Asterisk. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AriClient {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub config: AriConfig,
    pub leave: Arc<dyn Leave>,
    connections: Connections,
    host: HeaderValue,
    authorization: HeaderValue,
}

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
    /// Only with https: the system's certificates cannot be read.
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
        let base = config.base();
        let host = base.host_str().unwrap_or_default();
        let host = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let host = HeaderValue::from_str(&host).unwrap_or(HeaderValue::from_static("localhost"));
        let connections = Connections::new(&config)?;
        let authorization = config.authorization();
        Ok(Self { shared: Arc::new(Shared { config, leave, connections, host, authorization }) })
    }

    /// The name of our application in Asterisk.
    pub fn app(&self) -> &str {
        self.shared.config.app()
    }

    /// Sends one request and reads the whole answer, if it is a success.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Bytes, AriError> {
        let purpose = request.purpose;
        let allows = || self.shared.leave.allows(purpose);
        let (status, body) = Box::pin(self.shared.connections.send(self.prepare(request)?, allows)).await?;
        match (status, body) {
            (200..=299, Some(body)) => Ok(body),
            (200..=299, None) => Err(AriError::Unreadable { about: "anything" }),
            (status, _) => Err(AriError::Refused { status }),
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

    fn prepare(&self, request: Request<'_>) -> Result<hyper::Request<Full<Bytes>>, AriError> {
        let mut uri = self.shared.config.base().path().to_owned();
        for part in request.path {
            // A server may resolve these away; nothing of ours is named so.
            if matches!(*part, "" | "." | "..") {
                return Err(AriError::Refused { status: 400 });
            }
            uri.push('/');
            uri.extend(utf8_percent_encode(part, IN_PATH));
        }
        if !request.query.is_empty() {
            uri.push('?');
            let start = uri.len();
            uri = form_urlencoded::Serializer::for_suffix(uri, start).extend_pairs(request.query).finish();
        }
        let mut builder = hyper::Request::builder()
            .method(request.method)
            .uri(uri)
            .header(HOST, &self.shared.host)
            .header(AUTHORIZATION, &self.shared.authorization);
        let mut body = Full::default();
        if let Some(json) = &request.body {
            builder = builder.header(CONTENT_TYPE, "application/json");
            body = Full::from(serde_json::to_vec(json).unwrap_or_default());
        }
        // Not told as it comes: the URI may hold a number.
        builder.body(body).map_err(|_| AriError::NotSent)
    }
}
