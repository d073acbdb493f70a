//! Asks a carrier for its list, page after page. It only reads, so what failed in passing is asked again; never for long, never
//! more than it can hold, and never at another address than the settings name.

use super::{Unreadable, telnyx, twilio};
use crate::config::Carrier;
use crate::inventory::listed::{CarrierKind, Page};
use crate::numbering::ExtraPrefix;
use crate::retry_after::retry_after;
use reqwest::header::ACCEPT;
use reqwest::{Response, StatusCode, Url, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// The largest answer: a thousand numbers, each with all that can be said about it.
const BODY_BYTES_MAX: usize = 8 << 20;

/// How long we wait for a carrier.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, from the connection to its last byte.
    pub answer: Duration,
    /// How often a page is asked for at most.
    pub attempts: u32,
    /// Before the second attempt, if the carrier names no time; each further one waits twice as long.
    pub pause: Duration,
    /// Before any attempt, whatever the carrier says. If it wants more, the page is given up.
    pub pause_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_millis(500),
            pause_max: Duration::from_secs(30),
        }
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The settings have no password for it.
    #[error(
        "the settings have no secret for it; give carrier.secret_file, or the systemd credential carrier-secret-{0}"
    )]
    NoSecret(String),
    /// The password is not theirs.
    #[error("it does not take our credentials (status {status}); check account, username and secret in the settings")]
    Unauthorized {
        /// The HTTP status.
        status: u16,
    },
    /// It does not give us the page, and asking again would not help.
    #[error("it answers with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// It was too busy, or out of order, each time.
    #[error("it is busy or out of order (status {status}, asked {attempts} times); what was read stands, go on later")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// How often it was asked.
        attempts: u32,
    },
    /// Nobody answers.
    #[error("it cannot be reached ({why}, asked {attempts} times); what was read stands, go on later")]
    Unreachable {
        /// The cause.
        why: String,
        /// How often it was asked.
        attempts: u32,
    },
    /// The answer is longer than any page.
    #[error("its answer is longer than {} MiB; ask for smaller pages: carrier.page_size", BODY_BYTES_MAX >> 20)]
    TooLarge,
    /// The answer makes no sense.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The HTTP client cannot be made.
    #[error("no HTTP client can be made: {0}")]
    Setup(String),
}

impl CarrierError {
    /// Whether a page that was named by the carrier itself is not there any more, so that only the beginning helps.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 404 | 410 | 422 })
    }
}

/// How one attempt ended that may be repeated.
enum Passing {
    Status(u16, Option<Duration>),
    Network(String),
}

/// Asks one carrier.
pub struct Client {
    http: reqwest::Client,
    kind: CarrierKind,
    base: Url,
    account: String,
    username: String,
    secret: SecretString,
    patience: Patience,
}

impl Client {
    /// Makes the client; nothing is asked yet. Installs ring as the process's TLS provider if it has none.
    ///
    /// # Errors
    ///
    /// If the settings have no secret for it, or the HTTP client cannot be made.
    pub fn new(carrier: &Carrier, patience: Patience) -> Result<Self, CarrierError> {
        let secret = carrier.secret.clone().ok_or_else(|| CarrierError::NoSecret(carrier.name.clone()))?;
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only if another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let http = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .timeout(patience.answer)
            .user_agent(concat!("cordboard/", env!("CARGO_PKG_VERSION")))
            // the password goes nowhere else, and what is repeated is counted here
            .redirect(redirect::Policy::none())
            .retry(retry::never());
        let http = if carrier.is_here() { http.no_proxy() } else { http };
        Ok(Self {
            http: http.build().map_err(|error| CarrierError::Setup(error.to_string()))?,
            kind: carrier.kind,
            base: carrier.url.clone(),
            account: carrier.account.clone().unwrap_or_default(),
            username: carrier.username.clone().or_else(|| carrier.account.clone()).unwrap_or_default(),
            secret,
            patience,
        })
    }

    /// Which carrier it asks.
    pub fn kind(&self) -> CarrierKind {
        self.kind
    }

    /// A page of the list: the one of this cursor, or the first.
    ///
    /// # Errors
    ///
    /// If the carrier does not give it, after as many attempts as there is patience for.
    pub async fn page(
        &self,
        cursor: Option<&str>,
        page_size: u16,
        extra: &[ExtraPrefix],
    ) -> Result<Page, CarrierError> {
        match self.kind {
            CarrierKind::Twilio => {
                let first = twilio::first(&self.base, &self.account, page_size);
                let url = cursor.map_or_else(|| Ok(first.clone()), |cursor| twilio::next(&first, cursor))?;
                Ok(twilio::page(&self.read(&url).await?, &first, extra)?)
            }
            CarrierKind::Telnyx => {
                let number = telnyx::number(cursor)?;
                let url = telnyx::at(&self.base, number, page_size);
                Ok(telnyx::page(&self.read(&url).await?, number, extra)?)
            }
        }
    }

    async fn read(&self, url: &Url) -> Result<Vec<u8>, CarrierError> {
        let mut attempts = 1;
        let mut pause = self.patience.pause;
        loop {
            let passing = match self.attempt(url).await? {
                Ok(body) => return Ok(body),
                Err(passing) => passing,
            };
            let asked_for = match &passing {
                Passing::Status(_, after) => *after,
                Passing::Network(_) => None,
            };
            let wait = asked_for.unwrap_or(pause);
            if attempts >= self.patience.attempts || wait > self.patience.pause_max {
                return Err(match passing {
                    Passing::Status(status, _) => CarrierError::Busy { status, attempts },
                    Passing::Network(why) => CarrierError::Unreachable { why, attempts },
                });
            }
            tokio::time::sleep(wait).await;
            attempts += 1;
            pause = (pause * 2).min(self.patience.pause_max);
        }
    }

    async fn attempt(&self, url: &Url) -> Result<Result<Vec<u8>, Passing>, CarrierError> {
        let request = self.http.get(url.clone()).header(ACCEPT, "application/json");
        let secret = self.secret.expose_secret();
        let request = match self.kind {
            CarrierKind::Twilio => request.basic_auth(&self.username, Some(secret)),
            CarrierKind::Telnyx => request.bearer_auth(secret),
        };
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(Passing::Network(cause(&error)))),
        };
        let status = answer.status();
        match status {
            StatusCode::OK => body(answer).await,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(CarrierError::Unauthorized { status: status.as_u16() })
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Ok(Err(Passing::Status(status.as_u16(), retry_after(answer.headers()))))
            }
            _ if status.is_server_error() => Ok(Err(Passing::Status(status.as_u16(), retry_after(answer.headers())))),
            _ => Err(CarrierError::Refused { status: status.as_u16() }),
        }
    }
}

async fn body(mut answer: Response) -> Result<Result<Vec<u8>, Passing>, CarrierError> {
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(piece)) if bytes.len() + piece.len() > BODY_BYTES_MAX => return Err(CarrierError::TooLarge),
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return Ok(Ok(bytes)),
            Err(error) => return Ok(Err(Passing::Network(cause(&error)))),
        }
    }
}

/// The innermost cause. The outer ones repeat the address.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}
