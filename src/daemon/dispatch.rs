//! Carries out commands: those of one call strictly in order, those of different calls side by side.

use super::{Lane, clock};
use crate::ari::AriClient;
use crate::core::command::Command;
use crate::core::ids::CallId;
use crate::core::input::{Carried, ChannelEvent, Input};
use crate::telemetry::Metrics;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::mpsc;

/// One queue a call.
pub(super) struct Dispatch {
    client: AriClient,
    results: Lane,
    metrics: Arc<Metrics>,
    queues: HashMap<CallId, mpsc::UnboundedSender<Vec<Command>>>,
    /// Batches that are not carried out yet.
    under_way: Arc<AtomicUsize>,
}

impl Dispatch {
    pub fn new(client: AriClient, results: Lane, metrics: Arc<Metrics>) -> Self {
        Self { client, results, metrics, queues: HashMap::new(), under_way: Arc::default() }
    }

    /// Whether every command has come to its end.
    pub fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    /// Queues what one step of a call ordered. It never waits: the queues are bounded by what a call can order in its life.
    pub fn send(&mut self, call: CallId, batch: Vec<Command>) {
        let queue = self.queues.entry(call).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            let (client, results) = (self.client.clone(), self.results.clone());
            let (metrics, under_way) = (Arc::clone(&self.metrics), Arc::clone(&self.under_way));
            tokio::spawn(carry_out_all(client, results, metrics, under_way, call, receiver));
            sender
        });
        self.under_way.fetch_add(1, Ordering::AcqRel);
        // The other end lives as long as this one.
        let _ = queue.send(batch);
    }

    /// A call is over: its task ends when its queue is empty.
    pub fn forget(&mut self, call: CallId) {
        self.queues.remove(&call);
    }
}

async fn carry_out_all(
    client: AriClient,
    results: Lane,
    metrics: Arc<Metrics>,
    under_way: Arc<AtomicUsize>,
    call: CallId,
    mut batches: mpsc::UnboundedReceiver<Vec<Command>>,
) {
    let carrier = Carrier { client, results, metrics, call };
    while let Some(batch) = batches.recv().await {
        let mut broken = false;
        let mut batch = batch.into_iter().peekable();
        while let Some(command) = batch.next() {
            if broken && !command.ends() {
                continue;
            }
            match batch.next_if(|next| is_beside(&command, next)) {
                Some(beside) => {
                    let (first, second) = futures::join!(carrier.carry_out(command), carrier.carry_out(beside));
                    broken |= first || second;
                }
                None => broken |= carrier.carry_out(command).await,
            }
        }
        under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether two orders of a call have nothing to do with each other, so that neither waits for the other: the agent waits for both.
fn is_beside(first: &Command, second: &Command) -> bool {
    matches!((first, second), (Command::SetPeer { .. }, Command::CreateBridge { .. }))
}

struct Carrier {
    client: AriClient,
    results: Lane,
    metrics: Arc<Metrics>,
    call: CallId,
}

impl Carrier {
    /// True if the orders after it make no sense any more.
    async fn carry_out(&self, command: Command) -> bool {
        if let Command::Probe { channel } = command {
            if let Ok(state) = self.client.probe(&channel).await {
                let event = ChannelEvent::Probed(state);
                self.results.tell(Input::Channel { channel, event, at: clock::now() });
            }
            return false;
        }
        let (call, began) = (self.call, Instant::now());
        crash_point!(sending(&command));
        let outcome = self.client.carry_out(&command).await;
        crash_point!(sent(&command));
        tracing::debug!(%call, command = ?command.kind(), took_us = began.elapsed().as_micros(), "carried out");
        self.metrics.command(outcome);
        self.results.tell(Input::Carried { call, command: command.kind(), outcome });
        if outcome == Carried::Done {
            return false;
        }
        tracing::warn!(%call, command = ?command.kind(), ?outcome, "asterisk did not do it");
        command.must()
    }
}
