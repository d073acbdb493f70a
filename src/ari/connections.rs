//! A few kept-alive connections to the HTTP server of one Asterisk, one request at a time on each.
//!
//! Nothing here is ever sent twice. A kept connection may have been closed by the server in the moment we use it; hyper
//! hands the request back if not a byte of it was written, and only then does it go out on another one.

use super::config::AriConfig;
use super::http::AriError;
use futures::FutureExt;
use futures::future::{BoxFuture, Either, pending, select};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Requests under way at the same time, and so the most connections: each is a thread and a session in Asterisk.
const CONCURRENT: usize = 8;
/// From the first byte out to the last byte in.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a request waits for its turn before it is given up unsent.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
/// Below Asterisk's `session_keep_alive` of 60 s, so that it is we who close.
const IDLE: Duration = Duration::from_secs(30);
/// A channel in a listing is under 1 KB.
const MAX_ANSWER: usize = 32 << 20;

type Body = Full<Bytes>;

/// The certificates of this machine, by which a server is known, cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the system's certificates cannot be read, and the ARI URL begins with https")]
pub struct AriSetupError;

/// Where to, and what is open.
pub(super) struct Connections {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    idle: Mutex<Vec<Idle>>,
    turns: Semaphore,
}

/// One connection. It moves only while a request is under way; that it was closed meanwhile, the next request finds out.
struct Open {
    sender: SendRequest<Body>,
    driver: BoxFuture<'static, hyper::Result<()>>,
}

struct Idle {
    open: Open,
    since: Instant,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Connections {
    /// Nothing is connected yet.
    pub fn new(config: &AriConfig) -> Result<Self, AriSetupError> {
        let url = config.base();
        let tls = if url.scheme() == "https" { Some(trust()?) } else { None };
        Ok(Self {
            host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().unwrap_or(80),
            tls,
            idle: Mutex::default(),
            turns: Semaphore::new(CONCURRENT),
        })
    }

    /// Sends one request and reads the answer: its status, and its body if all of it came. `allows` is asked in the last moment
    /// at which the request can be held back.
    pub async fn send(
        &self,
        request: Request<Body>,
        allows: impl Fn() -> bool,
    ) -> Result<(u16, Option<Bytes>), AriError> {
        let Ok(Ok(_turn)) = timeout(TURN_TIMEOUT, self.turns.acquire()).await else { return Err(AriError::NotSent) };
        let mut request = request;
        loop {
            let (mut open, fresh) = match self.idle() {
                Some(kept) => (kept, false),
                None => (self.connect().await?, true),
            };
            if !allows() {
                return Err(AriError::NotSent);
            }
            match timeout(REQUEST_TIMEOUT, open.send(request)).await {
                Ok(Ok((status, body))) => {
                    // Of one that is cut off, the rest would come first.
                    if body.is_some() && !open.sender.is_closed() {
                        self.kept().push(Idle { open, since: Instant::now() });
                    }
                    return Ok((status, body));
                }
                Ok(Err(mut error)) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) => return Err(AriError::NotSent),
                    None => return Err(AriError::NoAnswer),
                },
                // Dropped, and closed with it.
                Err(_) => return Err(AriError::NoAnswer),
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, so that the others grow old and are closed.
    fn idle(&self) -> Option<Open> {
        let mut kept = self.kept();
        kept.retain(|idle| idle.since.elapsed() < IDLE);
        kept.pop().map(|idle| idle.open)
    }

    async fn connect(&self) -> Result<Open, AriError> {
        match timeout(CONNECT_TIMEOUT, self.try_connect()).await {
            Ok(Some(open)) => Ok(open),
            Ok(None) | Err(_) => Err(AriError::NotSent),
        }
    }

    async fn try_connect(&self) -> Option<Open> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.ok()?;
        stream.set_nodelay(true).ok()?;
        match &self.tls {
            None => speak(stream).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).ok()?;
                speak(tls.connect(name, stream).await.ok()?).await
            }
        }
    }
}

impl Open {
    /// Sends a request, and moves the connection until the answer is there.
    async fn send(&mut self, request: Request<Body>) -> Result<(u16, Option<Bytes>), TrySendError<Request<Body>>> {
        let Self { sender, driver } = self;
        let answer = pin!(async {
            let answer = sender.try_send_request(request).await?;
            Ok(read(answer).await)
        });
        match select(answer, &mut *driver).await {
            Either::Left((answer, _)) => answer,
            Either::Right((_, answer)) => {
                // It is closed. What has come before counts, and only when the driver is gone, what was not sent is given back.
                *driver = pending().boxed();
                answer.await
            }
        }
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Option<Open> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    Some(Open { sender, driver: connection.boxed() })
}

/// The status is the answer, whatever becomes of the body.
async fn read(answer: Response<Incoming>) -> (u16, Option<Bytes>) {
    let status = answer.status().as_u16();
    let body = http_body_util::Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    (status, body.ok().map(http_body_util::Collected::to_bytes))
}

/// Servers are known by the certificates that this machine trusts.
fn trust() -> Result<TlsConnector, AriSetupError> {
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if known == 0 {
        return Err(AriSetupError);
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
