//! Questions about how an Asterisk is set up. None of them rings a phone or changes anything that stays.

use super::http::{AriClient, AriError, Request};
use super::leave::Purpose;
use super::queries::ChannelRow;
use super::wire::timestamp;
use hyper::Method;
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;

/// A place of the dialplan that has a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub context: &'static str,
    /// A string that this extension matches.
    pub extension: &'static str,
    /// Its name.
    pub label: &'static str,
}

/// No format of audio has this name. A request that names it is refused, after its label was looked for.
const NO_FORMAT: &str = "cordboard-none";
/// A function that Asterisk counts as dangerous and that does nothing here: there is no such lock.
const DANGEROUS: &str = "UNLOCK(cordboard)";
/// The module that has it.
pub const DANGEROUS_MODULE: &str = "func_lock.so";
/// What the ids of the channels begin with on which something is tried.
const TRIAL: &str = "cordboard-check-";
/// A channel on which something is tried, and older than this, was left by a daemon that died over it.
const FORGOTTEN: SignedDuration = SignedDuration::from_secs(10);
/// How long a channel takes at most to enter an application.
const ENTERS: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

#[derive(Deserialize)]
struct WirePing {
    #[serde(deserialize_with = "timestamp")]
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct WireModule {
    name: String,
    status: String,
}

impl AriClient {
    /// Asterisk's time.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn clock(&self) -> Result<Timestamp, AriError> {
        self.get::<WirePing>("a ping", &["asterisk", "ping"], &[]).await.map(|ping| ping.timestamp)
    }

    /// The modules that run, such as `chan_pjsip.so`.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn running_modules(&self) -> Result<BTreeSet<String>, AriError> {
        let found: Vec<WireModule> = self.get("modules", &["asterisk", "modules"], &[]).await?;
        Ok(found.into_iter().filter(|module| module.status == "Running").map(|module| module.name).collect())
    }

    /// Whether the dialplan has this label. Asked by a request to originate a channel that cannot be made: Asterisk looks
    /// for the label first, and then does not know the format.
    ///
    /// # Errors
    /// No answer, or another one than expected.
    pub async fn has_label(&self, at: Label) -> Result<bool, AriError> {
        let Label { context, extension, label } = at;
        let query = [
            ("endpoint", "Local/none"),
            ("formats", NO_FORMAT),
            ("context", context),
            ("extension", extension),
            ("label", label),
        ];
        match self
            .send(Request {
                method: Method::POST,
                purpose: Purpose::Act,
                path: &["channels"],
                query: &query,
                body: None,
            })
            .await
        {
            Err(AriError::Refused { status: 404 }) => Ok(false),
            Err(AriError::Refused { status: 400 }) => Ok(true),
            Err(error) => Err(error),
            Ok(_) => Err(AriError::Unreadable { about: "a label" }),
        }
    }

    /// Whether a dialplan function that Asterisk counts as dangerous runs when ARI asks for it, which is what
    /// `live_dangerously` allows. It is tried, on a channel that is dialled nowhere, in an application of its own.
    /// [`DANGEROUS_MODULE`] must run: without it the answer is always no.
    ///
    /// # Errors
    /// No answer, or another one than expected.
    pub async fn lives_dangerously(&self) -> Result<bool, AriError> {
        let nonce = format!("{:08x}", rand::random::<u32>());
        let (app, channel) = (format!("{TRIAL}{nonce}"), format!("{TRIAL}{nonce}"));
        if !self.shared.leave.allows(Purpose::Act) {
            return Err(AriError::NotSent);
        }
        let config = self.shared.config.with_app(app.clone());
        let mut request = config.events_url().into_client_request().map_err(|_| AriError::NotSent)?;
        request.headers_mut().insert(AUTHORIZATION, config.authorization());
        // The application lives as long as this socket. It is not read: next to nothing comes.
        let connected = tokio::time::timeout(ENTERS, Box::pin(connect_async(request))).await;
        let Ok(Ok((socket, _))) = connected else { return Err(AriError::NotSent) };
        let query = [("endpoint", "Local/none@none"), ("app", &*app), ("channelId", &*channel)];
        let path = ["channels", "create"];
        self.send(Request { method: Method::POST, purpose: Purpose::Act, path: &path, query: &query, body: None })
            .await?;
        let answer = self.reads(&channel, DANGEROUS).await;
        let removed = self.end_trial(&channel).await;
        drop(socket);
        if let Err(error @ (AriError::NotSent | AriError::NoAnswer | AriError::Unreadable { .. })) = removed {
            return Err(error);
        }
        answer
    }

    async fn end_trial(&self, channel: &str) -> Result<Bytes, AriError> {
        let path = ["channels", channel];
        self.send(Request { method: Method::DELETE, purpose: Purpose::Act, path: &path, query: &[], body: None }).await
    }

    /// Ends what is left of [such trials](Self::lives_dangerously) by daemons that died over them.
    pub async fn end_forgotten_trials(&self, listed: &[ChannelRow], now: Timestamp) {
        let forgotten = |row: &&ChannelRow| now.duration_since(row.created_at) > FORGOTTEN;
        for row in listed.iter().filter(forgotten) {
            let id = row.listed.id.as_str();
            if id.starts_with(TRIAL) && self.end_trial(id).await.is_ok() {
                tracing::info!(channel = id, "a channel that a dead daemon had made to try something is ended");
            }
        }
    }

    /// Whether a function can be read on a channel that is about to enter an application.
    async fn reads(&self, channel: &str, function: &str) -> Result<bool, AriError> {
        let until = Instant::now() + ENTERS;
        loop {
            let path = ["channels", channel, "variable"];
            match self.get::<IgnoredAny>("a function", &path, &[("variable", function)]).await {
                Ok(_) => return Ok(true),
                Err(AriError::Refused { status: 500 }) => return Ok(false),
                // Not in the application yet.
                Err(AriError::Refused { status: 404 | 409 }) if Instant::now() < until => sleep(POLL).await,
                Err(error) => return Err(error),
            }
        }
    }
}
