//! The running daemon, by its HTTP interface.

use super::failure::{ERROR, Failure, Outcome, REFUSED, UNAVAILABLE};
use crate::core::ids::{CallId, EndpointName};
use clap::Args;
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect, retry};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::time::Duration;

/// A call is answered when it is decided, before any phone rings.
const PATIENCE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(3);

/// The running daemon.
#[derive(Debug, Args)]
pub struct Daemon {
    /// The key to its API: cordboard tokens add
    #[arg(long, env = "CORDBOARD_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Where it listens: `http.listen`
    #[arg(long, env = "CORDBOARD_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

/// A call that was started.
#[derive(Debug, Deserialize)]
pub struct Started {
    pub id: CallId,
    pub from: Option<String>,
    pub to: Option<String>,
}

#[derive(Deserialize)]
struct State {
    state: String,
}

/// RFC 9457.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    detail: String,
    #[serde(rename = "callId")]
    call: Option<CallId>,
}

impl Daemon {
    /// Asks that an agent be connected with a number; with a key, once only.
    pub async fn start(
        &self,
        agent: &EndpointName,
        to: &str,
        campaign: Option<&str>,
        key: Option<&str>,
    ) -> Outcome<Started> {
        let mut body = json!({"agent": agent, "to": to});
        if let Some(campaign) = campaign {
            body["campaign"] = campaign.into();
        }
        let mut request = self.request(Method::POST, "/api/v1/calls")?.json(&body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        self.send(request).await
    }

    /// Asks that a call end, and tells where it stands.
    pub async fn hang_up(&self, call: CallId) -> Outcome<String> {
        let answer: State = self.send(self.request(Method::DELETE, &format!("/api/v1/calls/{call}"))?).await?;
        Ok(answer.state)
    }

    fn request(&self, method: Method, path: &str) -> Outcome<RequestBuilder> {
        let token = self.token.as_deref().map(str::trim).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| {
            let how = "give --token or CORDBOARD_TOKEN; make one: cordboard tokens add ORGANIZATION NAME";
            Failure::with_code(2, format!("the daemon wants a token: {how}"))
        })?;
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let client = Client::builder().timeout(PATIENCE).connect_timeout(CONNECT);
        // nothing is ever sent twice, and the token goes to nobody else
        let client = client.redirect(redirect::Policy::none()).retry(retry::never()).no_proxy().build();
        let client = client.map_err(|error| Failure::new(format!("cannot make an HTTP client: {error}")))?;
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        Ok(client.request(method, url).bearer_auth(token))
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Outcome<T> {
        let answer = request.send().await.map_err(|error| self.not_sent(&error))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| self.not_sent(&error))?;
        if !status.is_success() {
            return Err(self.problem(status, serde_json::from_slice(&body).unwrap_or_default()));
        }
        serde_json::from_slice(&body).map_err(|_| {
            Failure::new(format!("what listens at {} is no Cordboard, or another version of it; see --url", self.url))
        })
    }

    fn not_sent(&self, error: &reqwest::Error) -> Failure {
        if error.is_builder() {
            return Failure::with_code(2, format!("{} is no address; see --url", self.url));
        }
        if error.is_timeout() && !error.is_connect() {
            let next = "what was asked may have happened all the same; see `cordboard calls list`";
            return Failure::with_code(UNAVAILABLE, format!("the daemon at {} does not answer; {next}", self.url));
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let next = "check that `cordboard serve` runs, and --url";
        Failure::with_code(UNAVAILABLE, format!("the daemon at {} cannot be reached: {cause}; {next}", self.url))
    }

    fn problem(&self, status: StatusCode, problem: Problem) -> Failure {
        if problem.code.is_empty() {
            return Failure::new(format!("{} answered {status}, which is not Cordboard's way; see --url", self.url));
        }
        let Problem { code, detail, call } = problem;
        if let Some(call) = call
            && matches!(status, StatusCode::FORBIDDEN | StatusCode::UNPROCESSABLE_ENTITY)
        {
            let why = format!("cordboard explain {call}");
            return Failure::with_code(REFUSED, format!("the call is refused ({code}): {detail} Why: {why}"));
        }
        let exit = if status.is_server_error() { UNAVAILABLE } else { ERROR };
        Failure::with_code(exit, format!("the daemon says {code}: {detail}"))
    }
}
