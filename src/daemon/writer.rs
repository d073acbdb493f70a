//! Facts on their way to the database, in order. The loop never waits for it: while the database is away facts wait here,
//! and calls go on.

use super::status::Status;
use crate::core::engine::Write;
use crate::store::writes::{CallWrite, EnterRequest};
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// One thing to write.
#[derive(Clone, Debug)]
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
}

/// More jobs than this are never put into one transaction.
const BATCH: usize = 256;
/// How long facts wait for company. Facts come in bursts (dialled, INVITE, ringing; hung up, ended, settled), and a
/// transaction costs the same for one as for ten. Nothing waits for them; a crash within this time is made good by what
/// Asterisk shows at the next start.
const COMPANY: Duration = Duration::from_millis(50);
/// Between attempts while the database is away.
const PAUSE: Duration = Duration::from_millis(200);
/// The end does not wait longer for a database that is away. What is not written then is recovered from Asterisk.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(super) fn spawn(store: Store, status: Arc<Status>, metrics: Arc<Metrics>) -> Writer {
    let (jobs, receiver) = mpsc::unbounded_channel();
    let task = tokio::spawn(write_all(store, Arc::clone(&status), metrics, receiver));
    Writer { jobs, task, status }
}

impl Writer {
    pub fn write(&self, job: Job) {
        self.status.unwritten.fetch_add(1, Ordering::Relaxed);
        // The task lives until this end is dropped.
        let _ = self.jobs.send(job);
    }

    /// Waits until all is written, or the database does not come back in time.
    pub async fn close(self) {
        drop(self.jobs);
        if tokio::time::timeout(LAST_WORDS, self.task).await.is_err() {
            let unwritten = self.status.unwritten.load(Ordering::Relaxed);
            tracing::error!(unwritten, "the database is away; the last facts are not written");
        }
    }
}

async fn write_all(store: Store, status: Arc<Status>, metrics: Arc<Metrics>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        if !jobs.is_closed() {
            tokio::time::sleep(COMPANY).await;
        }
        while batch.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let count = batch.len();
        write(&store, &status, std::mem::take(&mut batch)).await;
        metrics.written(count);
        status.unwritten.fetch_sub(count, Ordering::Relaxed);
    }
}

async fn write(store: &Store, status: &Status, batch: Vec<Job>) {
    // Runs of facts in one transaction; a row that must stand before its facts in one of its own.
    let mut facts: Vec<CallWrite> = Vec::new();
    for job in batch {
        match job {
            Job::Facts(Write { call, first_seq, facts: new, record }) => {
                facts.push(CallWrite { call, first_seq, facts: new, record });
            }
            Job::Enter(request) => {
                append(store, status, std::mem::take(&mut facts)).await;
                patiently(store, status, Work::Enter(&request)).await;
            }
        }
    }
    append(store, status, facts).await;
}

async fn append(store: &Store, status: &Status, facts: Vec<CallWrite>) {
    if facts.is_empty() {
        return;
    }
    crash_point!(writing(&facts));
    if patiently(store, status, Work::Append(&facts)).await || facts.len() == 1 {
        crash_point!(written(&facts));
        return;
    }
    // One of them is refused by the database itself: the others must not suffer.
    for write in facts {
        patiently(store, status, Work::Append(std::slice::from_ref(&write))).await;
    }
}

/// What is to be written by one transaction.
#[derive(Clone, Copy)]
enum Work<'a> {
    Enter(&'a EnterRequest),
    Append(&'a [CallWrite]),
}

impl Work<'_> {
    async fn attempt(self, store: &Store) -> Result<(), StoreError> {
        match self {
            Self::Enter(request) => store.enter(request).await,
            Self::Append(facts) => {
                for call in store.append(facts).await? {
                    tracing::error!(%call, "facts of a call that has no row");
                }
                Ok(())
            }
        }
    }
}

/// Tries until the database has answered. False if it refused, which no second attempt would change.
async fn patiently(store: &Store, status: &Status, work: Work<'_>) -> bool {
    loop {
        match work.attempt(store).await {
            Ok(()) => {
                status.postgres.store(true, Ordering::Relaxed);
                return true;
            }
            Err(error @ (StoreError::Unavailable(_) | StoreError::OutcomeUnknown)) => {
                if status.postgres.swap(false, Ordering::Relaxed) {
                    tracing::error!(%error, "the database is away; calls go on and their facts wait");
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                tracing::error!(%error, "the database refuses facts of a call");
                return false;
            }
        }
    }
}
