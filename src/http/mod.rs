//! The interface for programs: `/api/v1`, health and metrics. It reads the [`store`](crate::store) and asks the
//! [loop](crate::daemon); of Asterisk it knows nothing.
//!
//! One file an endpoint: what it takes, what it gives, and the handler. Every error is a [`Problem`] (RFC 9457).

mod agents;
mod analytics;
mod audit;
mod auth;
mod calls;
mod campaigns;
mod carriers;
mod doors;
mod etag;
mod events;
mod extract;
mod guard;
mod health;
mod limit;
mod me;
pub mod metrics;
mod numbers;
pub mod openapi;
mod patience;
mod problem;
mod router;
mod server;
mod session;
mod tokens;
mod users;
mod webhooks;

pub use limit::Rate;
pub use problem::Problem;
pub use router::{api, open_paths, operations, paths};
pub use server::serve;

use crate::config::Carrier;
use crate::core::command::Answer;
use crate::core::ids::{CallId, CampaignId, EndpointName};
use crate::daemon::{Feed, Status, Switchboard, Unserved};
use crate::live::Networks;
use crate::numbering::ExtraPrefix;
use crate::store::Store;
use crate::telemetry::Metrics;
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What can be asked of the loop that makes the calls.
pub trait Calls: Send + Sync + 'static {
    /// Asks that an agent be connected with a number, as this call, for a campaign or none; answers when it is decided.
    fn start(
        &self,
        call: CallId,
        endpoint: EndpointName,
        raw: String,
        campaign: Option<CampaignId>,
    ) -> BoxFuture<'_, Result<Answer, Unserved>>;

    /// Asks that a call on a node end.
    fn hang_up<'a>(&'a self, call: CallId, node: &'a str) -> BoxFuture<'a, Result<Answer, Unserved>>;
}

impl Calls for Switchboard {
    fn start(
        &self,
        call: CallId,
        endpoint: EndpointName,
        raw: String,
        campaign: Option<CampaignId>,
    ) -> BoxFuture<'_, Result<Answer, Unserved>> {
        Box::pin(self.start(call, endpoint, raw, campaign))
    }

    fn hang_up<'a>(&'a self, call: CallId, node: &'a str) -> BoxFuture<'a, Result<Answer, Unserved>> {
        Box::pin(self.hang_up(call, node))
    }
}

/// Adds metrics of somebody else to the text, with [`metrics::counter`] and [`metrics::gauge`].
pub type Extra = Arc<dyn Fn(&mut String) + Send + Sync>;

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The records.
    pub store: Store,
    /// The loop.
    pub calls: Arc<dyn Calls>,
    /// How the loop is.
    pub status: Arc<Status>,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// What others have counted.
    pub extra: Extra,
    /// The time.
    pub now: fn() -> Timestamp,
    /// What the settings add to the numbering plans.
    pub extra_prefixes: Arc<[ExtraPrefix]>,
    /// The carriers that may be asked for numbers.
    pub carriers: Arc<[Carrier]>,
    /// How much a client may ask.
    pub limits: Limits,
    /// What happens, as it happens.
    pub feed: Feed,
    /// Where webhooks may go.
    pub networks: Arc<Networks>,
}

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// How much a client may ask.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of a request's body.
    pub body_bytes: usize,
    /// For a request, from its head to the head of the answer.
    pub time: Duration,
    /// Requests to the API that are worked on at the same time. They share the database with the calls themselves.
    pub at_once: usize,
    /// Requests of one caller.
    pub caller: Rate,
    /// Attempts to sign in from one address.
    pub sign_in_address: Rate,
    /// Attempts to sign in as one user.
    pub sign_in_account: Rate,
    /// A proxy stands in front, and its last `X-Forwarded-For` is the client's address.
    pub behind_proxy: bool,
}

/// Who can reach a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only this machine, or only operators.
    Operators,
    /// Tenants, or anybody: a tenant is not told how busy the others are.
    Anybody,
}
