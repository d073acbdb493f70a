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
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::mpsc;

/// One queue a call.
pub(super) struct Dispatch {
    client: AriClient,
    results: Lane,
    metrics: Arc<Metrics>,
    queues: HashMap<CallId, mpsc::UnboundedSender<Vec<Command>>>,
    /// Steps of which not every order has come to its end.
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
    pub fn send(&mut self, call: CallId, step: Vec<Command>) {
        let queue = self.queues.entry(call).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            let (client, results) = (self.client.clone(), self.results.clone());
            let (metrics, under_way) = (Arc::clone(&self.metrics), Arc::clone(&self.under_way));
            tokio::spawn(carry_out_all(client, results, metrics, under_way, call, receiver));
            sender
        });
        self.under_way.fetch_add(1, Ordering::AcqRel);
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
    under_way: Arc<AtomicUsize>,
    call: CallId,
    mut steps: mpsc::UnboundedReceiver<Vec<Command>>,
) {
    let carrier = Carrier { client, results, metrics, call };
    let (mut orders, mut requests) = (Orders::default(), FuturesUnordered::new());
    let (mut more, mut steps_taken) = (true, 0);
    while more || !orders.is_idle() {
        tokio::select! {
            step = steps.recv(), if more => match step {
                Some(step) => {
                    steps_taken += 1;
                    orders.add(step);
                }
                None => more = false,
            },
            Some((ticket, outcome)) = requests.next() => orders.done(ticket, outcome),
        }
        while let Some((ticket, command)) = orders.start() {
            let carrier = &carrier;
            requests.push(async move { (ticket, carrier.carry_out(command).await) });
        }
        if orders.is_idle() {
            under_way.fetch_sub(std::mem::take(&mut steps_taken), Ordering::AcqRel);
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
