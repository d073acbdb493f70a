//! What the database does not have yet, oldest first: in memory, and while the database is away on the disk of this machine
//! too, so that a daemon that is killed meanwhile loses none of it.
//!
//! The part on the disk is always the older one. What is appended is written and synced together, off the writer's task:
//! while one sync runs, the next group gathers.

use super::status::Status;
use super::writer::Job;
use crate::journal::{Journal, JournalError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// More jobs than this are never synced together.
const GROUP: usize = 1024;
/// After the disk did not take something.
const AGAIN: Duration = Duration::from_secs(1);
/// So many jobs wait in memory without a journal before attempts that were refused are no longer recorded.
const CROWD: usize = 20_000;

pub(super) struct Backlog {
    jobs: VecDeque<Arc<Job>>,
    /// So many of the first are on the disk.
    on_disk: usize,
    /// So many of the first are an earlier daemon's.
    left: usize,
    /// So many that were on the disk are in the database, and the disk does not know it yet.
    gone: usize,
    /// So many came into the database while they were on their way to the disk.
    overtaken: usize,
    disk: Disk,
    max_bytes: u64,
    /// Not before then is the disk tried again.
    again_at: Instant,
    status: Arc<Status>,
}

enum Disk {
    /// There is no journal.
    Off,
    Idle(Box<Journal>),
    /// Some jobs are being appended.
    Busy(JoinHandle<Appended>),
}

pub(super) struct Appended {
    journal: Box<Journal>,
    count: usize,
    result: Result<(), JournalError>,
}

impl Backlog {
    /// What an earlier daemon left comes first.
    pub fn new(journal: Option<(Journal, u64)>, left: Vec<Job>, status: Arc<Status>) -> Self {
        let (disk, max_bytes) = match journal {
            Some((journal, max_bytes)) => (Disk::Idle(Box::new(journal)), max_bytes),
            None => (Disk::Off, 0),
        };
        let count = left.len();
        let jobs = left.into_iter().map(Arc::new).collect();
        let (on_disk, left) = (count, count);
        let backlog =
            Self { jobs, on_disk, left, gone: 0, overtaken: 0, disk, max_bytes, again_at: Instant::now(), status };
        backlog.status.unwritten.store(count, Ordering::Relaxed);
        backlog.status.journal.store(matches!(backlog.disk, Disk::Idle(_)), Ordering::Relaxed);
        backlog.report();
        backlog
    }

    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub fn push(&mut self, job: Job) {
        if job.is_dispensable() && self.is_crowded() {
            self.status.refusals_unrecorded.fetch_add(1, Ordering::Relaxed);
            self.status.unwritten.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.jobs.push_back(Arc::new(job));
    }

    /// A quarter of the room is kept for calls that are up: attempts that were refused anyway must not take it.
    fn is_crowded(&self) -> bool {
        match &self.disk {
            Disk::Off => self.jobs.len() > CROWD,
            Disk::Idle(_) | Disk::Busy(_) => {
                self.status.journal_bytes.load(Ordering::Relaxed) >= self.max_bytes / 4 * 3
            }
        }
    }

    pub fn first(&self, count: usize) -> Vec<Arc<Job>> {
        self.jobs.iter().take(count).cloned().collect()
    }

    /// How many of the first are an earlier daemon's.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The database has the first so many.
    pub fn done(&mut self, count: usize) {
        self.jobs.drain(..count.min(self.jobs.len()));
        let gone = count.min(self.on_disk);
        self.on_disk -= gone;
        self.left -= count.min(self.left);
        self.gone += gone;
        self.overtaken += count - gone;
        self.status.unwritten.fetch_sub(count, Ordering::Relaxed);
        self.status.journal_drained.fetch_add(gone as u64, Ordering::Relaxed);
        self.forget();
    }

    pub fn is_on_disk(&self) -> bool {
        self.on_disk == self.jobs.len()
    }

    /// Begins to put on the disk what is not there yet. Does nothing while that is under way.
    pub fn save(&mut self) {
        if self.is_on_disk() || Instant::now() < self.again_at {
            return;
        }
        let mut journal = match std::mem::replace(&mut self.disk, Disk::Off) {
            Disk::Idle(journal) => journal,
            other @ (Disk::Busy(_) | Disk::Off) => {
                self.disk = other;
                return;
            }
        };
        let group: Vec<Arc<Job>> = self.jobs.iter().skip(self.on_disk).take(GROUP).cloned().collect();
        self.overtaken = 0;
        self.disk = Disk::Busy(tokio::task::spawn_blocking(move || {
            let records: Vec<Vec<u8>> = group.iter().map(|job| job.to_record()).collect();
            let (count, result) = append_what_fits(&mut journal, &records);
            Appended { journal, count, result }
        }));
    }

    /// When [`save`](Self::save) has something to do again; none while it works, or if all is done.
    pub fn save_at(&self) -> Option<Instant> {
        (matches!(self.disk, Disk::Idle(_)) && !self.is_on_disk()).then_some(self.again_at)
    }

    /// Waits for what [`save`](Self::save) began; for ever, if it did not.
    pub async fn saved(&mut self) -> Option<Appended> {
        match &mut self.disk {
            Disk::Busy(append) => append.await.ok(),
            Disk::Idle(_) | Disk::Off => std::future::pending().await,
        }
    }

    pub fn on_saved(&mut self, appended: Option<Appended>) {
        let Some(Appended { journal, count, result }) = appended else {
            // It panicked, and took the journal with it.
            tracing::error!("the journal is lost; facts wait in memory");
            self.disk = Disk::Off;
            self.status.journal.store(false, Ordering::Relaxed);
            return;
        };
        self.disk = Disk::Idle(journal);
        let overtaken = self.overtaken.min(count);
        self.on_disk += count - overtaken;
        self.gone += overtaken;
        self.status.journal_appended.fetch_add(count as u64, Ordering::Relaxed);
        let took = self.status.journal.swap(result.is_ok(), Ordering::Relaxed);
        match result {
            Ok(()) if took => {}
            Ok(()) => tracing::info!("the journal takes facts again"),
            Err(error) => {
                self.again_at = Instant::now() + AGAIN;
                self.status.journal_failures.fetch_add(1, Ordering::Relaxed);
                if took {
                    tracing::error!(%error, "the journal takes no more; calls go on and their facts wait in memory only");
                }
            }
        }
        self.forget();
    }

    fn forget(&mut self) {
        if let Disk::Idle(journal) = &mut self.disk {
            let gone = std::mem::take(&mut self.gone);
            // Also records that made no sense, when nothing else is left.
            let gone = if self.on_disk == 0 { journal.records() } else { gone };
            if let Err(error) = journal.forget(gone) {
                tracing::warn!(%error, "a file of the journal cannot be removed; what it holds is in the database");
            }
        }
        self.report();
    }

    fn report(&self) {
        if let Disk::Idle(journal) = &self.disk {
            self.status.journal_bytes.store(journal.bytes(), Ordering::Relaxed);
        }
        self.status.journaled.store(self.on_disk, Ordering::Relaxed);
    }
}

/// All of them; or, when they are too many for the room that is left, as many of the first as there is room for.
fn append_what_fits(journal: &mut Journal, records: &[Vec<u8>]) -> (usize, Result<(), JournalError>) {
    let (mut count, mut full) = (records.len(), None);
    loop {
        match journal.append(records[..count].iter().map(Vec::as_slice)) {
            Ok(()) => return (count, full.map_or(Ok(()), Err)),
            Err(error @ JournalError::Full(_)) if count > 1 => {
                full = Some(error);
                count /= 2;
            }
            Err(error) => return (0, Err(error)),
        }
    }
}

#[cfg(test)]
mod tests;
