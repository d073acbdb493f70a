//! Carries out commands: those of one call strictly in order, those of different calls side by side.

use super::{Lane, clock};
use crate::ari::AriClient;
use crate::core::command::Command;
use crate::core::ids::CallId;
use crate::core::input::{Carried, ChannelEvent, Input};
use crate::telemetry::Metrics;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// One queue a call.
pub(super) struct Dispatch {
    client: AriClient,
    results: Lane,
    metrics: Arc<Metrics>,
    queues: HashMap<CallId, mpsc::UnboundedSender<Vec<Command>>>,
}

impl Dispatch {
    pub fn new(client: AriClient, results: Lane, metrics: Arc<Metrics>) -> Self {
        Self { client, results, metrics, queues: HashMap::new() }
    }

    /// Queues what one step of a call ordered. It never waits: the queues are bounded by what a call can order in its life.
    pub fn send(&mut self, call: CallId, batch: Vec<Command>) {
        let queue = self.queues.entry(call).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            let (client, results) = (self.client.clone(), self.results.clone());
            tokio::spawn(carry_out_all(client, results, Arc::clone(&self.metrics), call, receiver));
            sender
        });
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
    call: CallId,
    mut batches: mpsc::UnboundedReceiver<Vec<Command>>,
) {
    while let Some(batch) = batches.recv().await {
        let mut broken = false;
        for command in batch {
            if broken && !command.ends() {
                continue;
            }
            if let Command::Probe { channel } = command {
                if let Ok(state) = client.probe(&channel).await {
                    let event = ChannelEvent::Probed(state);
                    results.tell(Input::Channel { channel, event, at: clock::now() });
                }
                continue;
            }
            let began = Instant::now();
            crash_point!(sending(&command));
            let outcome = client.carry_out(&command).await;
            crash_point!(sent(&command));
            tracing::debug!(%call, command = ?command.kind(), took_us = began.elapsed().as_micros(), "carried out");
            metrics.command(outcome);
            if outcome != Carried::Done {
                broken |= command.must();
                tracing::warn!(%call, command = ?command.kind(), ?outcome, "asterisk did not do it");
            }
            results.tell(Input::Carried { call, command: command.kind(), outcome });
        }
    }
}
