//! One owner a node. A replica that wants a node waits until nobody has it, takes it, and renews its lease for as long as
//! it lives; the lease's epoch stands in everything it writes about calls.
//!
//! ```text
//! Keeper::acquire ─► Lease ─► renewals (a task of their own) ─► over: another replica owns the node
//!                      └───► Trust: asked before each order to Asterisk
//! ```
//!
//! While the database is away nobody can be made the owner. Whoever waits then gets a lease without an epoch: nothing can
//! be written with it, and it is good for Asterisk only where nobody has our application. So there is somebody who makes
//! emergency calls. It becomes a true one, or ends, when the database is back.

mod host;
mod trust;

pub use host::{Alive, this_process};
pub use trust::Terms;
pub(super) use trust::{Trust, is_off};

pub use crate::store::leases::Replica;

use super::clock;
use super::line::Line;
use crate::core::ids::NodeName;
use crate::store::leases::{Epoch, Renewed};
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// One attempt at the database. Shorter than the time between renewals, or a slow answer would cost two.
const ATTEMPT: Duration = Duration::from_millis(900);
/// After an attempt that failed.
const AGAIN: Duration = Duration::from_millis(200);
/// A standby looks at least so often, so that the owner knows of it.
const LOOK: Duration = Duration::from_secs(1);
/// A database that answers nobody for so long is away.
const AWAY: Duration = Duration::from_secs(1);
/// Behind the end of a lease, so that it is over when the database looks.
const BEHIND: Duration = Duration::from_millis(5);

/// How the leases of one node are, for operators.
#[derive(Debug, Default)]
pub struct LeaseStats {
    /// Whether this replica owns the node.
    pub owner: AtomicBool,
    /// The number of the last ownership by this replica; 0 if there was none.
    pub epoch: AtomicI64,
    /// Times this replica took the node.
    pub takeovers: AtomicU64,
    /// Renewals without an answer.
    pub failed_renewals: AtomicU64,
    /// Times this replica lost the node to another.
    pub losses: AtomicU64,
}

/// Gets and keeps the lease of one node.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    /// With connections of its own: a busy floor must not cost the lease.
    pub store: Store,
    pub replica: Arc<Replica>,
    pub node: NodeName,
    pub terms: Terms,
    pub stats: Arc<LeaseStats>,
    /// Changes when somebody somewhere gave a lease back.
    pub released: watch::Receiver<()>,
    /// The tables are those of this program.
    pub fit: watch::Receiver<bool>,
}

/// An ownership, or the hope for one. When it is dropped it is not renewed any more.
#[derive(Debug)]
pub(super) struct Lease {
    /// None as long as the database has not granted it.
    pub epoch: watch::Receiver<Option<Epoch>>,
    pub trust: Arc<Trust>,
    /// Another replica waits for the node.
    pub standby: Arc<AtomicBool>,
    renewals: JoinHandle<()>,
}

impl Lease {
    /// Its number, for logs; 0: none yet.
    pub fn number(&self) -> i64 {
        self.epoch.borrow().map_or(0, |epoch| epoch.0)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.trust.end();
        self.renewals.abort();
    }
}

impl Keeper {
    /// Waits until the node is ours, or until nobody can say whose it is. May be dropped halfway; [`Keeper::release`] then
    /// gives back what was just taken.
    pub async fn acquire(&mut self, line: &Line) -> Lease {
        let mut waits_for = None;
        let mut away_since = None;
        loop {
            self.released.mark_unchanged();
            let attempt = self.attempt().await;
            let answered = matches!(attempt, Ok(Attempt::Taken { .. } | Attempt::Held { .. }));
            line.status.postgres.store(answered, Ordering::Relaxed);
            line.status.store_away.store(!answered, Ordering::Relaxed);
            let pause = match attempt {
                Ok(Attempt::Taken { epoch, began }) => return self.begin(Some((epoch, began))),
                Ok(Attempt::Held { by, pause }) => {
                    away_since = None;
                    if waits_for.as_ref() != Some(&by) {
                        line.owned_by(&by);
                        tracing::info!(node = %self.node, owner = by, "another replica owns the node; waiting for it");
                        waits_for = Some(by);
                    }
                    pause
                }
                Ok(Attempt::Nobody) | Err(_) => {
                    if away_since.is_none()
                        && let Err(error) = &attempt
                    {
                        tracing::warn!(node = %self.node, %error, "nobody can say who owns the node");
                    }
                    let since: Instant = *away_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= AWAY {
                        return self.begin(None);
                    }
                    AGAIN
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                Ok(()) = self.released.changed() => {}
            }
        }
    }

    async fn attempt(&self) -> Result<Attempt, StoreError> {
        if *self.fit.borrow() { self.store.within(ATTEMPT, self.ask_for_it()).await } else { Ok(Attempt::Nobody) }
    }

    async fn ask_for_it(&self) -> Result<Attempt, StoreError> {
        let held = self.store.wait_for_lease(&self.node, &self.replica).await?;
        let mut dead = None;
        if let Some(held) = held.filter(|held| !held.is_free()) {
            // Our own is one whose answer was lost.
            let here = self.replica.host.as_deref();
            dead = held.owner.filter(|o| *o == self.replica.id || host::is_dead(*o, held.host.as_deref(), here));
            if dead.is_none() {
                return Ok(Attempt::Held { by: held.owner_name, pause: LOOK.min(held.left + BEHIND) });
            }
            tracing::info!(node = %self.node, owner = held.owner_name, "the owner of the node has ended without a word");
        }
        let began = clock::uptime();
        let taken = self.store.take_lease(&self.node, &self.replica, self.terms.ttl, dead).await?;
        Ok(match taken {
            Some(epoch) => Attempt::Taken { epoch, began },
            None => Attempt::Held { by: "another replica, just now".to_owned(), pause: AGAIN },
        })
    }

    fn begin(&self, granted: Option<(Epoch, Duration)>) -> Lease {
        let trust = Arc::new(Trust::new());
        let (grant, epoch) = watch::channel(None);
        let hold = Hold { keeper: self.clone(), trust: Arc::clone(&trust), standby: Arc::default(), grant };
        let standby = Arc::clone(&hold.standby);
        if let Some((epoch, began)) = granted {
            hold.granted(epoch, began);
        } else {
            trust.asked_in_vain(clock::uptime(), clock::uptime());
            tracing::error!(
                node = %self.node,
                "the database is away, and nobody can say who owns the node: emergency calls only, if nobody else makes them"
            );
        }
        Lease { epoch, trust, standby, renewals: tokio::spawn(hold.keep()) }
    }

    /// Asks whose the node is. If it is ours, the lease is good for its whole time again.
    pub async fn ask(&self, epoch: Epoch) -> Result<Renewed, StoreError> {
        self.store.renew_lease(&self.node, &self.replica, epoch, self.terms.ttl).await
    }

    /// The node is not ours any more.
    pub fn lost(&self) {
        self.stats.owner.store(false, Ordering::Relaxed);
    }

    /// Gives the node back, if it is ours, and waits for it no more.
    pub async fn release(&self) {
        self.stats.owner.store(false, Ordering::Relaxed);
        let release = async {
            self.store.release_lease(&self.node, &self.replica).await?;
            self.store.wait_no_more(&self.node, &self.replica).await
        };
        if let Err(error) = self.store.within(ATTEMPT, release).await {
            tracing::warn!(node = %self.node, %error, "the lease is not given back; it ends by itself");
        }
    }
}

enum Attempt {
    Taken {
        epoch: Epoch,
        /// When it was asked for, since boot.
        began: Duration,
    },
    Held {
        by: String,
        pause: Duration,
    },
    /// The tables are not there yet.
    Nobody,
}

/// The task that keeps one lease good.
struct Hold {
    keeper: Keeper,
    trust: Arc<Trust>,
    standby: Arc<AtomicBool>,
    grant: watch::Sender<Option<Epoch>>,
}

impl Hold {
    fn granted(&self, epoch: Epoch, began: Duration) {
        let Keeper { node, stats, terms, .. } = &self.keeper;
        tracing::info!(%node, epoch = epoch.0, "this replica owns the node");
        stats.owner.store(true, Ordering::Relaxed);
        stats.epoch.store(epoch.0, Ordering::Relaxed);
        stats.takeovers.fetch_add(1, Ordering::Relaxed);
        self.trust.renewed(terms.trusted_until(began));
        self.grant.send_replace(Some(epoch));
    }

    async fn keep(self) {
        let granted = *self.grant.borrow();
        let epoch = match granted {
            Some(epoch) => Some(epoch),
            None => self.wait().await,
        };
        if let Some(epoch) = epoch {
            self.renew(epoch).await;
            self.keeper.stats.losses.fetch_add(1, Ordering::Relaxed);
        }
        self.trust.end();
    }

    /// Waits until the database says whose the node is. None: another's.
    async fn wait(&self) -> Option<Epoch> {
        loop {
            let began = clock::uptime();
            let pause = match self.keeper.attempt().await {
                Ok(Attempt::Taken { epoch, began }) => {
                    self.granted(epoch, began);
                    return Some(epoch);
                }
                // Its owner may be dead and its time not over. Should it live, it takes the application from us.
                Ok(Attempt::Held { pause, .. }) if self.trust.has_application(clock::uptime()) => pause,
                Ok(Attempt::Held { .. }) => return None,
                Ok(Attempt::Nobody) | Err(_) => {
                    self.trust.asked_in_vain(began, clock::uptime());
                    AGAIN
                }
            };
            sleep(pause).await;
        }
    }

    /// Renews until another replica owns the node.
    async fn renew(&self, epoch: Epoch) {
        let Self { keeper, trust, standby, .. } = self;
        let mut pause = keeper.terms.renew_every;
        let mut has_run_out = false;
        loop {
            sleep(pause).await;
            let began = clock::uptime();
            match keeper.store.within(ATTEMPT, keeper.ask(epoch)).await {
                Ok(Renewed::Yes { standby: waits }) => {
                    if std::mem::take(&mut has_run_out) {
                        tracing::info!(node = %keeper.node, "the lease had run out, and nobody took it: it is renewed");
                    }
                    trust.renewed(keeper.terms.trusted_until(began));
                    if !standby.swap(waits, Ordering::Relaxed) && waits {
                        tracing::info!(node = %keeper.node, "another replica waits for the node");
                    }
                    pause = keeper.terms.renew_every;
                }
                Ok(Renewed::Over) => return,
                Err(_) => {
                    trust.asked_in_vain(began, clock::uptime());
                    keeper.stats.failed_renewals.fetch_add(1, Ordering::Relaxed);
                    if !has_run_out && !trust.has_lease(clock::uptime()) {
                        has_run_out = true;
                        tracing::error!(
                            node = %keeper.node,
                            "the lease cannot be renewed; calls under way go on, and nobody is called, save for help"
                        );
                    }
                    pause = AGAIN;
                }
            }
        }
    }
}

/// Hears of leases given back, for all keepers of this process.
pub(super) fn releases(store: Store) -> watch::Receiver<()> {
    let (tell, heard) = watch::channel(());
    tokio::spawn(async move {
        while !tell.is_closed() {
            if let Ok(mut releases) = store.released_leases().await {
                // One may have been missed.
                tell.send_replace(());
                while releases.next().await.is_ok() {
                    tell.send_replace(());
                }
            }
            sleep(AGAIN).await;
        }
    });
    heard
}
