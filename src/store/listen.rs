//! Hearing at once that somebody edited agents, in whatever way.

use super::Store;
use crate::core::ids::EndpointName;
use sqlx::postgres::PgListener;
use std::time::Duration;

const CHANNEL: &str = "cordboard_agents";
const PATIENCE: Duration = Duration::from_secs(1);

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentsChanged {
    /// The agent of this endpoint.
    One(EndpointName),
    /// Nobody knows: look at all of them. This is the first thing heard, and is heard again after each lost connection.
    All,
}

/// Hears changes of agents for as long as it lives.
#[derive(Debug)]
pub struct AgentChanges {
    store: Store,
    listener: Option<PgListener>,
}

impl Store {
    /// Begins to listen at the first [`next`](AgentChanges::next).
    pub fn agent_changes(&self) -> AgentChanges {
        AgentChanges { store: self.clone(), listener: None }
    }
}

impl AgentChanges {
    /// Waits for the next change. A lost connection is made anew, for as long as that takes. May be cancelled at any time
    /// without missing anything.
    pub async fn next(&mut self) -> AgentsChanged {
        loop {
            let Some(listener) = &mut self.listener else {
                match self.connect().await {
                    Ok(listener) => self.listener = Some(listener),
                    Err(error) => {
                        tracing::debug!(%error, "cannot listen for changed agents yet");
                        tokio::time::sleep(PATIENCE).await;
                        continue;
                    }
                }
                return AgentsChanged::All;
            };
            // Err and None both mean that the connection was lost, and with it who knows what
            let Ok(Some(notification)) = listener.try_recv().await else {
                self.listener = None;
                continue;
            };
            return notification.payload().parse().map_or(AgentsChanged::All, AgentsChanged::One);
        }
    }

    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.store.pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}
