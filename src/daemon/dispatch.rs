//! Carries out commands: those of one call in the order that they [need](Orders), those of different calls side by side.

use super::{Lane, clock};
use crate::ari::AriClient;
use crate::core::command::Command;
use crate::core::ids::CallId;
use crate::core::input::{Carried, ChannelEvent, Input};
use crate::core::orders::Orders;
use crate::telemetry::Metrics;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
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
    pub fn send(&mut self, call: CallId, step: Vec<Command>) {
        let queue = self.queues.entry(call).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            let (client, results) = (self.client.clone(), self.results.clone());
            tokio::spawn(carry_out_all(client, results, Arc::clone(&self.metrics), call, receiver));
            sender
        });
        // The other end lives as long as this one.
        let _ = queue.send(step);
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
    mut steps: mpsc::UnboundedReceiver<Vec<Command>>,
) {
    let carrier = Carrier { client, results, metrics, call };
    let (mut orders, mut under_way) = (Orders::default(), FuturesUnordered::new());
    let mut more = true;
    while more || !orders.is_idle() {
        tokio::select! {
            step = steps.recv(), if more => match step {
                Some(step) => orders.add(step),
                None => more = false,
            },
            Some((ticket, outcome)) = under_way.next() => orders.done(ticket, outcome),
        }
        while let Some((ticket, command)) = orders.next() {
            let carrier = &carrier;
            under_way.push(async move { (ticket, carrier.carry_out(command).await) });
        }
    }
}

struct Carrier {
    client: AriClient,
    results: Lane,
    metrics: Arc<Metrics>,
    call: CallId,
}

impl Carrier {
    async fn carry_out(&self, command: Command) -> Carried {
        if let Command::Probe { channel } = command {
            if let Ok(state) = self.client.probe(&channel).await {
                let event = ChannelEvent::Probed(state);
                self.results.tell(Input::Channel { channel, event, at: clock::now() });
            }
            return Carried::Done;
        }
        let (call, began) = (self.call, Instant::now());
        crash_point!(sending(&command));
        let outcome = self.client.carry_out(&command).await;
        crash_point!(sent(&command));
        tracing::debug!(%call, command = ?command.kind(), took_us = began.elapsed().as_micros(), "carried out");
        self.metrics.command(outcome);
        self.results.tell(Input::Carried { call, command: command.kind(), outcome });
        if outcome != Carried::Done {
            tracing::warn!(%call, command = ?command.kind(), ?outcome, "asterisk did not do it");
        }
        outcome
    }
}
