//! What an earlier daemon left unfinished, as the database has it. A start waits a moment for it; if the database is away,
//! the daemon runs without: it takes emergency calls and refuses the others, lets calls under way alone, and remembers what
//! it hears of them. Nothing is swept up in Asterisk before it is known what belongs to whom.

use crate::core::engine::Engine;
use crate::core::ids::{CallId, NodeName};
use crate::core::input::Input;
use crate::store::calls::OpenCall;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

use super::accounts::Agents;
use super::driver::Daemon;
use super::inspector::unless_fit;
use super::task::Task;

/// What the database knows.
pub(super) struct Restored {
    /// The node's start, when it was last seen.
    pub node_started_at: Option<Timestamp>,
    /// Calls that have not come to their end.
    pub calls: Vec<OpenCall>,
    /// Who is who.
    pub agents: Agents,
}

/// A start waits so long for the database.
const AT_START: Duration = Duration::from_secs(1);
/// Between attempts.
const AGAIN: Duration = Duration::from_millis(500);
/// Reading all open calls takes milliseconds.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Where it is read from.
pub(super) struct Source {
    store: Store,
    node: NodeName,
    caught_up: watch::Receiver<bool>,
}

impl Source {
    pub fn new(node: NodeName, store: Store, caught_up: watch::Receiver<bool>) -> Self {
        Self { store, node, caught_up }
    }

    /// What a start can have without waiting long.
    pub async fn at_start(&mut self) -> Option<Restored> {
        if !self.store.is_granted() {
            return None;
        }
        let store = self.store.clone();
        store.within(AT_START, self.attempt()).await.ok()
    }

    /// Tries until it is there. What is in the journal is written first, or it would be missing here.
    async fn read(mut self) -> Restored {
        let mut told = false;
        loop {
            match self.attempt().await {
                Ok(restored) => return restored,
                Err(error) if told => tracing::debug!(%error, "the open calls cannot be read yet"),
                Err(error) => {
                    told = true;
                    tracing::warn!(%error, "the open calls cannot be read yet; no calls but emergency calls until then");
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn attempt(&mut self) -> Result<Restored, StoreError> {
        // Before the node is ours somebody else may still write.
        self.store.granted().await;
        // The writer lives as long as the loop.
        let _ = self.caught_up.wait_for(|done| *done).await;
        self.store.within(GIVE_UP, everything(self.store.clone(), self.node.clone())).await
    }
}

async fn everything(store: Store, node: NodeName) -> Result<Restored, StoreError> {
    let nodes = store.nodes().await?;
    let node_started_at = nodes.into_iter().find(|row| row.name == node).and_then(|row| row.startup_time);
    let calls = store.open_calls(node.as_ref()).await?;
    Ok(Restored { node_started_at, calls, agents: store.directory().await? })
}

/// What is heard before the calls of before are known.
pub(super) struct Waiting {
    restored: oneshot::Receiver<Restored>,
    /// Of channels that belong to none of our calls, in order.
    pub held: Vec<Input>,
    /// Calls of this process: what the database has of them is older than what we know.
    pub begun: BTreeSet<CallId>,
    _reading: Task,
}

/// More is not remembered. Times of calls of which something was missed are estimated.
const HELD: usize = 100_000;

impl Waiting {
    pub fn spawn(source: Source) -> Self {
        let (sender, restored) = oneshot::channel();
        let reading = Task::spawn(async move {
            let _ = sender.send(source.read().await);
        });
        Self { restored, held: Vec::new(), begun: BTreeSet::new(), _reading: reading }
    }

    /// Keeps back what cannot be understood yet.
    pub fn hold(&mut self, engine: &Engine, input: Input) -> Option<Input> {
        match input {
            Input::Channel { ref channel, .. } if !engine.knows(channel) => {
                if self.held.len() < HELD {
                    self.held.push(input);
                }
                return None;
            }
            Input::AgentDialled { call, .. } | Input::CallAsked { call, .. } => {
                self.begun.insert(call);
            }
            Input::Channel { .. }
            | Input::HangupAsked { .. }
            | Input::Chosen { .. }
            | Input::Decided { .. }
            | Input::Carried { .. }
            | Input::Listed { .. }
            | Input::Refuse { .. }
            | Input::Disconnected
            | Input::Restored { .. }
            | Input::Drain
            | Input::DeadlinePassed => {}
        }
        Some(input)
    }
}

/// Waits for the database; for ever, if it is not waited for.
pub(super) async fn restored(waiting: &mut Option<Waiting>) -> Option<Restored> {
    match waiting {
        // The other end lives until it has sent.
        Some(waiting) => (&mut waiting.restored).await.ok(),
        None => std::future::pending().await,
    }
}

impl Daemon {
    pub(super) fn restore(&mut self, restored: Restored) {
        // Until it is looked at: a dangerous Asterisk is not used for the time of looking.
        self.step(unless_fit(false));
        self.engine.node_was_started(restored.node_started_at);
        for open in restored.calls {
            tracing::info!(call = %open.call, facts = open.record.facts, "taken up again");
            self.metrics.adopted(1);
            let (call, record) = (open.call, Box::new(open.record));
            self.step(Input::Restored { call, record, admission: open.admission.map(Box::new) });
        }
        self.directory.replace(restored.agents);
    }

    /// The database came back after the start: what was heard since is understood now.
    pub(super) fn restore_late(&mut self, mut restored: Restored) {
        let Some(waiting) = self.waiting_for.take() else { return };
        restored.calls.retain(|open| !waiting.begun.contains(&open.call));
        self.restore(restored);
        for input in waiting.held {
            self.step(input);
        }
        tracing::info!(node = %self.node, open_calls = self.engine.open_calls(), "the database is there; calls are taken");
        self.resync();
    }
}
