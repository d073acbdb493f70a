//! Facts on their way to the database, in order. The loop never waits for it: while the database is away they go into the
//! [journal](crate::journal), and calls go on.
//!
//! The writer is also who knows whether the database is there: it writes or asks every second, closes the
//! [breaker](super::breaker) when all that waited is written, and opens it when a write fails or takes too long. So nothing
//! new is asked of a database that does not yet have what is known.

mod batch;

use super::backlog::Backlog;
use super::breaker::Breaker;
use super::clock;
use super::lease::Trust;
use super::status::Status;
use crate::core::engine::Write;
use crate::core::ids::CallId;
use crate::journal::Journal;
use crate::store::writes::EnterRequest;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;
use batch::write;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// One thing to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "nearly all jobs are facts")]
pub(super) enum Job {
    /// The row of a call that was not decided by the database.
    Enter(EnterRequest),
    /// Facts of a call.
    Facts(Write),
}

/// The way to the writing task.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::UnboundedSender<Job>,
    task: JoinHandle<()>,
    status: Arc<Status>,
    caught_up: watch::Receiver<bool>,
}

/// More jobs than this are never written in one go.
const BATCH: usize = 256;
/// How long facts wait for company. Facts come in bursts (dialled, INVITE, ringing; hung up, ended, settled), and a
/// transaction costs the same for one as for ten. Nothing waits for them; a crash within this time is made good by what
/// Asterisk shows at the next start.
const COMPANY: Duration = Duration::from_millis(50);
/// A write that takes longer counts as a database that is away: its facts go to the journal while it goes on.
const PATIENCE: Duration = Duration::from_millis(400);
/// A write that takes longer is given up and done again. Longer than any time-out of the database's own.
const GIVE_UP: Duration = Duration::from_secs(5);
/// An answer to a mere question that takes longer is none.
const ANSWER: Duration = Duration::from_millis(250);
/// Between attempts while the database is away.
const PAUSE: Duration = Duration::from_millis(200);
/// A database of which nothing is wanted is asked so often whether it is there.
const IDLE: Duration = Duration::from_secs(1);
/// The end does not wait longer for a database that is away. What is not written then and is not in the journal is
/// recovered from Asterisk.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Starts the task. What an earlier daemon left is written first, and until then the breaker is open.
pub(super) fn spawn(
    store: Store,
    breaker: Breaker,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    trust: Arc<Trust>,
    journal: Option<(Journal, u64)>,
    left: Vec<Job>,
) -> Writer {
    let (jobs, receiver) = mpsc::unbounded_channel();
    let (caught_up, watched) = watch::channel(left.is_empty());
    let now = Instant::now();
    // Without an epoch nothing can be written.
    let away = !left.is_empty() || !store.is_granted();
    let keeper = Keeper {
        store,
        breaker,
        metrics,
        trust,
        disputed: BTreeSet::new(),
        jobs: receiver,
        end_at: None,
        backlog: Backlog::new(journal, left, Arc::clone(&status)),
        away,
        attempt: None,
        next_at: now,
        patience_at: now,
        caught_up,
    };
    Writer { jobs, task: tokio::spawn(keeper.run()), status, caught_up: watched }
}

impl Job {
    /// As it stands in the journal. Every type in it can be written as JSON.
    pub fn to_record(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// An attempt that was refused: of all that is recorded, what is missed least.
    pub fn is_dispensable(&self) -> bool {
        match self {
            Self::Enter(request) => request.trunk.is_none(),
            Self::Facts(write) => write.record.refusal.is_some(),
        }
    }
}

impl Writer {
    pub fn write(&self, job: Job) {
        self.status.unwritten.fetch_add(1, Ordering::Relaxed);
        // The task lives until this end is dropped.
        let _ = self.jobs.send(job);
    }

    /// Becomes true when all that an earlier daemon left is in the database.
    pub fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.clone()
    }

    /// Ends without another write.
    pub async fn abandon(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Waits until all is written or in the journal, or neither comes about in time.
    pub async fn close(self) {
        drop(self.jobs);
        let _ = self.task.await;
        let left = self.status.unwritten.load(Ordering::Relaxed);
        let journaled = self.status.journaled.load(Ordering::Relaxed);
        if left > journaled {
            tracing::error!(lost = left - journaled, "the database is away; the last facts are not written");
        }
        if journaled > 0 {
            tracing::warn!(facts = journaled, "the database is away; the next start writes what is in the journal");
        }
    }
}

/// How many of the first jobs were written, and calls that are disputed, or why it was not all of them. What was written counts
/// although the rest was not: or a database that answers slowly, or loses its connections, would never have a long backlog.
type Attempted = (usize, Result<BTreeSet<CallId>, StoreError>);

struct Keeper {
    store: Store,
    breaker: Breaker,
    metrics: Arc<Metrics>,
    trust: Arc<Trust>,
    /// Calls of an earlier daemon that somebody else followed since.
    disputed: BTreeSet<CallId>,
    jobs: mpsc::UnboundedReceiver<Job>,
    /// Set when no more jobs come: not later than then is the end.
    end_at: Option<Instant>,
    backlog: Backlog,
    /// The last attempt failed, or takes too long, or not all of the backlog is written since.
    away: bool,
    /// The write under way, of the first jobs of the backlog, and how many.
    attempt: Option<BoxFuture<'static, Attempted>>,
    /// When the next one begins.
    next_at: Instant,
    /// Until when the one under way may take its time.
    patience_at: Instant,
    caught_up: watch::Sender<bool>,
}

impl Keeper {
    async fn run(mut self) {
        let mut new = Vec::with_capacity(BATCH);
        loop {
            if self.away {
                self.backlog.save();
            }
            if self.is_done() {
                return;
            }
            let granted = self.store.is_granted();
            if granted {
                self.begin();
            }
            let turn = self.next_turn(granted);
            tokio::select! {
                count = self.jobs.recv_many(&mut new, BATCH), if self.end_at.is_none() => {
                    if count == 0 {
                        self.end_at = Some(Instant::now() + LAST_WORDS);
                    }
                    self.take(&mut new);
                }
                (count, result) = finished(&mut self.attempt) => {
                    self.attempt = None;
                    match result {
                        Ok(disputed) => {
                            self.disputed = disputed;
                            self.on_written(count);
                        }
                        Err(StoreError::NotOwner) => {
                            // What an owner wrote that is none any more would be somebody else's record. What stands in the
                            // journal is held against that record when the node is ours again.
                            self.trust.end();
                            return;
                        }
                        Err(error) => self.on_failed(count, &error),
                    }
                }
                () = self.store.granted(), if !granted => self.next_at = Instant::now(),
                appended = self.backlog.saved() => self.backlog.on_saved(appended),
                () = self.breaker.tripped() => self.next_at = Instant::now(),
                () = tokio::time::sleep_until(turn) => {
                    if !self.away && self.attempt.is_some() && Instant::now() >= self.patience_at {
                        self.go_away(&StoreError::TooSlow(PATIENCE));
                    }
                }
            }
        }
    }

    fn take(&mut self, new: &mut Vec<Job>) {
        let now = Instant::now();
        for job in new.drain(..) {
            self.backlog.push(job);
        }
        if !self.away {
            let company = if self.end_at.is_some() { Duration::ZERO } else { COMPANY };
            self.next_at = self.next_at.min(now + company);
        }
    }

    fn is_done(&self) -> bool {
        let Some(end_at) = self.end_at else { return false };
        let safe = if self.away { self.backlog.is_on_disk() } else { self.backlog.is_empty() };
        safe || Instant::now() >= end_at
    }

    /// When something is to be done although nothing happened.
    fn next_turn(&self, granted: bool) -> Instant {
        let attempt = match &self.attempt {
            None => granted.then_some(self.next_at),
            Some(_) => (!self.away).then_some(self.patience_at),
        };
        let save = if self.away { self.backlog.save_at() } else { None };
        let far = Instant::now() + IDLE;
        [attempt, save, self.end_at].into_iter().flatten().fold(far, Instant::min)
    }

    /// Begins to write, or merely asks, if it is time for that.
    fn begin(&mut self) {
        let now = Instant::now();
        if self.attempt.is_some() || now < self.next_at {
            return;
        }
        let left = self.backlog.left();
        let (store, batch, disputed) = (self.store.clone(), self.backlog.first(BATCH), self.disputed.clone());
        self.patience_at = now + PATIENCE;
        self.attempt = Some(Box::pin(async move {
            let written = AtomicUsize::new(0);
            let result = if batch.is_empty() {
                store.within(ANSWER, store.ping()).await.map(|()| disputed)
            } else {
                store.within(GIVE_UP, write(&store, &batch, left, disputed, &written)).await
            };
            (written.into_inner(), result)
        }));
    }

    fn on_written(&mut self, count: usize) {
        self.backlog.done(count);
        self.metrics.written(count);
        let now = Instant::now();
        self.next_at = match self.backlog.len() {
            0 => now + IDLE,
            1..BATCH if !self.away && self.end_at.is_none() => now + COMPANY,
            _ => now,
        };
        if self.away && !self.backlog.is_empty() {
            return;
        }
        self.caught_up.send_replace(true);
        if !self.trust.has_lease(clock::uptime()) {
            // It answers, and the lease is not renewed yet: nobody could be called.
            self.away = true;
            self.breaker.open();
            self.next_at = self.next_at.min(now + COMPANY);
            return;
        }
        if self.away {
            tracing::info!("the database is back, and has all that waited");
        }
        self.away = false;
        self.breaker.close();
    }

    fn on_failed(&mut self, count: usize, error: &StoreError) {
        self.backlog.done(count);
        self.metrics.written(count);
        let pause = if count == 0 { PAUSE } else { Duration::ZERO };
        self.next_at = Instant::now() + pause;
        self.go_away(error);
    }

    fn go_away(&mut self, error: &StoreError) {
        self.away = true;
        if self.breaker.open() {
            tracing::error!(%error, "the database is away; calls go on and their facts wait in the journal");
        }
    }
}

async fn finished<T>(attempt: &mut Option<BoxFuture<'static, T>>) -> T {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}
