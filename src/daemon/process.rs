//! The whole daemon: one loop a node, and what they share.

use super::clock;
use super::driver::{Ended, Trouble, ari_config};
use super::lease::{Alive, Keeper, Replica, Terms, releases};
use super::lifecycle::{Notifier, Signal};
use super::line::Line;
use super::node::Place;
use super::orders::{Orders, Stop};
use super::status::Status;
use super::switchboard::Switchboard;
use crate::config::Config;
use crate::store::Store;
use crate::telemetry::Metrics;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A loop that has not turned for so long is stuck.
const STUCK_MS: i64 = 10_000;

/// What the daemon is made of.
#[derive(Debug)]
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// The records.
    pub store: Store,
    /// The same database, with connections of its own for the leases: a busy floor must not cost a node.
    pub leases: Store,
    /// Becomes true when the tables are those of this program; nothing is asked of them before.
    pub fit: watch::Receiver<bool>,
    /// Who we are.
    pub replica: Replica,
    /// The sign that we live.
    pub alive: Alive,
    /// How long a lease is good for.
    pub terms: Terms,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How we are.
    pub status: Arc<Status>,
}

/// The daemon, running.
#[derive(Debug)]
pub struct Process {
    places: Vec<JoinHandle<Ended>>,
    orders: watch::Sender<Orders>,
    lines: Arc<[Arc<Line>]>,
    status: Arc<Status>,
    notifier: Notifier,
    _alive: Alive,
}

impl Process {
    /// Starts one task a node. Each waits until the node is ours; nothing is connected yet.
    ///
    /// # Errors
    /// A node's part of the configuration is unusable.
    pub fn start(parts: Parts) -> Result<(Self, Switchboard), Trouble> {
        let Parts { config, store, leases, fit, replica, alive, terms, metrics, status } = parts;
        for node in &config.nodes {
            ari_config(node)?;
        }
        let lines: Vec<Arc<Line>> =
            config.nodes.iter().map(|node| Arc::new(Line::new(node.name.clone(), node.weight))).collect();
        let lines: Arc<[Arc<Line>]> = lines.into();
        status.of_nodes(Arc::clone(&lines));
        status.emergency_route.store(config.emergency.is_some(), Ordering::Relaxed);
        let config = Arc::new(config);
        let (orders, heard) = watch::channel(Orders { config: Arc::clone(&config), stop: Stop::No });
        let (replica, released) = (Arc::new(replica), releases(leases.clone()));
        let places = config.nodes.iter().zip(lines.iter()).map(|(node, line)| {
            let keeper = Keeper {
                store: leases.clone(),
                replica: Arc::clone(&replica),
                node: node.name.clone(),
                terms,
                stats: Arc::clone(&line.lease),
                released: released.clone(),
                fit: fit.clone(),
            };
            let place = Place {
                node: node.clone(),
                keeper,
                store: store.clone(),
                metrics: Arc::clone(&metrics),
                line: Arc::clone(line),
                orders: heard.clone(),
            };
            tokio::spawn(place.run())
        });
        let switchboard = Switchboard::new(Arc::clone(&lines));
        let places = places.collect();
        Ok((Self { places, orders, lines, status, notifier: Notifier::default(), _alive: alive }, switchboard))
    }

    /// Runs until it is told to stop. `reload` gives the new configuration, or none if it is bad and the old one stays.
    pub async fn run(
        mut self,
        mut signals: impl Stream<Item = Signal> + Unpin,
        mut reload: impl FnMut() -> Option<Config>,
    ) -> Ended {
        let mut pulse = tokio::time::interval(self.notifier.interval());
        // The process serves from here on. Whether calls can be made is another question, which `/readyz` answers: a start
        // must not fail because Asterisk comes up later than we do, or because another replica is the owner.
        self.notifier.ready();
        let mut places: FuturesUnordered<_> = std::mem::take(&mut self.places).into_iter().collect();
        let mut ends = Vec::new();
        loop {
            tokio::select! {
                end = places.next() => match end {
                    Some(Ok(end)) => ends.push(end),
                    // A loop that panicked takes the process with it: the next one finds everything in the database.
                    Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                    None => return summary(ends),
                },
                Some(signal) = signals.next() => match signal {
                    Signal::Reload => self.reload(&mut reload),
                    Signal::Stop => self.stop(),
                },
                _ = pulse.tick() => self.pulse(),
            }
        }
    }

    fn pulse(&self) {
        let now = clock::now().as_millisecond();
        let turns = |line: &Arc<Line>| now - line.status.last_turn_ms.load(Ordering::Relaxed) < STUCK_MS;
        self.status.last_turn_ms.store(now, Ordering::Relaxed);
        if self.lines.iter().all(|line| !line.is_ours() || turns(line)) {
            self.notifier.alive();
        }
        let told: Vec<String> = self.lines.iter().map(|line| describe(line)).collect();
        self.notifier.status(&told.join("; "));
    }

    fn reload(&self, reload: &mut impl FnMut() -> Option<Config>) {
        self.notifier.reloading();
        if let Some(config) = reload() {
            self.status.emergency_route.store(config.emergency.is_some(), Ordering::Relaxed);
            self.orders.send_modify(|orders| orders.config = Arc::new(config));
        }
        self.notifier.ready();
    }

    fn stop(&self) {
        self.notifier.stopping();
        self.status.draining.store(true, Ordering::Relaxed);
        self.orders.send_modify(|orders| {
            if orders.stop == Stop::No {
                orders.stop = Stop::WhenDone;
            } else {
                tracing::warn!("told a second time: stopping now");
                orders.stop = Stop::Now;
            }
        });
    }
}

fn describe(line: &Line) -> String {
    let calls = line.status.open_calls.load(Ordering::Relaxed);
    match (line.is_ours(), line.status.asterisk.load(Ordering::Relaxed), line.owner()) {
        (true, true, _) if line.status.is_blocked() => {
            format!("{}: not fit for calls, emergency calls only, see the log; {calls} calls", line.name)
        }
        (true, true, _) => format!("{}: ready, {calls} calls", line.name),
        (true, false, _) => format!("{}: waiting for asterisk, {calls} calls", line.name),
        (false, _, Some(owner)) => format!("{}: owned by {owner}", line.name),
        (false, _, None) => format!("{}: waiting for its lease", line.name),
    }
}

/// How the process ended, from how its nodes did.
fn summary(ends: Vec<Ended>) -> Ended {
    ends.into_iter().fold(Ended::Drained, |all, one| match (all, one) {
        (Ended::LeftCalls(a), Ended::LeftCalls(b) | Ended::HandedOver(b))
        | (Ended::HandedOver(a), Ended::LeftCalls(b)) => Ended::LeftCalls(a + b),
        (Ended::HandedOver(a), Ended::HandedOver(b)) => Ended::HandedOver(a + b),
        (Ended::Drained, one) => one,
        (all, _) => all,
    })
}
