//! One node for the life of the process: waits until it is ours, runs its loop while it is, and waits again.

use super::driver::{Daemon, Ended};
use super::lease::{Keeper, Lease};
use super::line::{Line, Open};
use super::orders::{Orders, Stop};
use crate::config::Node;
use crate::store::Store;
use crate::store::leases::Renewed;
use crate::telemetry::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// After somebody took our application although the node is ours, and after a start that failed: two who do not know of
/// each other must not take it from each other for ever.
const STEP_BACK: Duration = Duration::from_secs(5);

pub(super) struct Place {
    pub node: Node,
    pub keeper: Keeper,
    pub store: Store,
    pub metrics: Arc<Metrics>,
    pub line: Arc<Line>,
    pub orders: watch::Receiver<Orders>,
}

impl Place {
    /// Runs until the process is told to stop.
    pub async fn run(mut self) -> Ended {
        loop {
            let mut orders = self.orders.clone();
            let lease = tokio::select! {
                lease = self.keeper.acquire(&self.line) => lease,
                () = told_to_stop(&mut orders) => {
                    self.keeper.release().await;
                    return Ended::Drained;
                }
            };
            if let Some(ended) = self.own(lease).await {
                return ended;
            }
        }
    }

    /// One ownership. None if it was taken from us.
    async fn own(&mut self, lease: Lease) -> Option<Ended> {
        let config = Arc::clone(&self.orders.borrow().config);
        let (store, metrics, status) = (self.store.clone(), Arc::clone(&self.metrics), Arc::clone(&self.line.status));
        let started = Daemon::start(config, &self.node, &lease, store, metrics, status).await;
        let (mut daemon, handle, client, socket) = match started {
            Ok(started) => started,
            Err(error) => {
                tracing::error!(node = %self.node.name, %error, "the node cannot be taken over");
                drop(lease);
                self.keeper.release().await;
                return self.step_back().await;
            }
        };
        self.line.open(Open { handle, client }, socket);
        let ended = daemon.run(&mut self.orders).await;
        self.line.close();
        let epoch = lease.number();
        match ended {
            Ended::Drained | Ended::LeftCalls(_) => {
                drop(daemon.end().await);
                drop(lease);
                self.keeper.release().await;
                Some(ended)
            }
            Ended::HandedOver(_) => {
                let application = daemon.end().await;
                drop(lease);
                self.keeper.release().await;
                application.hold().await;
                Some(ended)
            }
            Ended::LeaseLost => {
                tracing::warn!(node = %self.node.name, epoch, "another replica owns the node; nothing more is done");
                daemon.abandon().await;
                self.keeper.lost();
                None
            }
            Ended::Replaced if self.is_lost(&lease).await => {
                tracing::warn!(node = %self.node.name, epoch, "another replica took the node over");
                daemon.abandon().await;
                self.keeper.lost();
                None
            }
            Ended::Replaced => {
                tracing::error!(
                    node = %self.node.name,
                    "the node is ours, and yet somebody took our application in asterisk: is there a daemon that does not \
                     share our database, or a test client?"
                );
                drop(daemon.end().await);
                drop(lease);
                self.keeper.release().await;
                self.step_back().await
            }
        }
    }

    async fn is_lost(&self, lease: &Lease) -> bool {
        let epoch = *lease.epoch.borrow();
        match epoch {
            Some(epoch) => matches!(self.keeper.ask(epoch).await, Ok(Renewed::Over)),
            // It never was ours.
            None => true,
        }
    }

    async fn step_back(&mut self) -> Option<Ended> {
        tokio::select! {
            () = sleep(STEP_BACK) => None,
            () = told_to_stop(&mut self.orders) => Some(Ended::Drained),
        }
    }
}

async fn told_to_stop(orders: &mut watch::Receiver<Orders>) {
    // Without a process nobody gives orders, and nobody hears this.
    let _ = orders.wait_for(|orders| orders.stop != Stop::No).await;
}
