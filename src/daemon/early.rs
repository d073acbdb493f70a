//! Agents who dial. A new owner does not know for the first 100 ms whether its Asterisk may be used, and who dials then
//! waits for it; refusing them would make each takeover heard.

use super::driver::Daemon;
use crate::core::ids::{CallId, ChannelId, ChannelName};
use crate::core::input::Input;
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Nobody waits longer in silence.
const PATIENCE: Duration = Duration::from_secs(2);

/// An agent's phone that dialled.
pub(super) struct Dialling {
    pub channel: ChannelId,
    pub name: ChannelName,
    pub raw: String,
    pub at: Timestamp,
}

impl Daemon {
    pub(super) fn on_dialled(&mut self, dialling: Dialling) {
        let is_known = self.node_started_at.is_some_and(|started| self.inspector.fitness(started).is_some());
        let emergency = self.directory.judge(dialling.name.endpoint().as_ref(), dialling.raw.clone()).emergency;
        if is_known || emergency || self.waiting_for.is_some() {
            self.dial(dialling);
        } else {
            self.early.push_back((Instant::now() + PATIENCE, dialling));
        }
    }

    /// When those who wait are told, whatever is known then.
    pub(super) fn early_until(&self) -> Option<Instant> {
        self.early.front().map(|(until, _)| *until)
    }

    /// It is known, or takes too long.
    pub(super) fn dial_early(&mut self) {
        for (_, dialling) in std::mem::take(&mut self.early) {
            self.dial(dialling);
        }
    }

    fn dial(&mut self, dialling: Dialling) {
        let Dialling { channel, name, raw, at } = dialling;
        let endpoint = name.endpoint();
        let (call, dialled) = (CallId(Uuid::now_v7()), self.directory.judge(endpoint.as_ref(), raw));
        let endpoint = endpoint.map_or_else(|| "nobody".to_owned(), String::from);
        tracing::info!(%call, channel = channel.as_str(), endpoint, emergency = dialled.emergency, "an agent dialled");
        self.step(Input::AgentDialled { call, channel, name, dialled, at });
    }
}
