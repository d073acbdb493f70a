//! The backlog on a real disk: what was said to be there is there after a crash, until the database has it.

use super::*;
use crate::core::engine::Write;
use crate::core::fact::Fact;
use crate::core::ids::CallId;
use crate::core::outcome::RefusalReason;
use crate::core::record::Record;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use uuid::Uuid;

const MAX: u64 = 1 << 20;

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cordboard-backlog-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self, max_bytes: u64) -> Backlog {
        let (journal, left) = Journal::open(&self.0, max_bytes).expect("a journal");
        Backlog::new(Some((journal, max_bytes)), jobs(&left.records), Arc::default())
    }

    /// What a new process would find.
    fn found(&self) -> Vec<Job> {
        let copy = Self::new();
        std::fs::create_dir_all(&copy.0).expect("a directory");
        for entry in std::fs::read_dir(&self.0).expect("the directory") {
            let path = entry.expect("a file").path();
            std::fs::copy(&path, copy.0.join(path.file_name().expect("a name"))).expect("a copy");
        }
        jobs(&Journal::open(&copy.0, MAX).expect("a journal").1.records)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn jobs(records: &[Vec<u8>]) -> Vec<Job> {
    records.iter().map(|record| serde_json::from_slice(record).expect("a job")).collect()
}

fn facts(number: u128, fact: Fact) -> Job {
    let facts = vec![fact];
    let record = Record::of(&facts);
    Job::Facts(Write { call: CallId(Uuid::from_u128(number)), first_seq: 0, facts, record })
}

fn job(number: u128) -> Job {
    facts(number, Fact::Ringing { at: Timestamp::UNIX_EPOCH })
}

fn refusal(number: u128) -> Job {
    facts(number, Fact::Refused { at: Timestamp::UNIX_EPOCH, reason: RefusalReason::StoreUnavailable })
}

/// The status counts what was given to the writer, which these tests leave out.
fn push(backlog: &mut Backlog, job: Job) {
    backlog.status.unwritten.fetch_add(1, Ordering::Relaxed);
    backlog.push(job);
}

async fn save(backlog: &mut Backlog) {
    backlog.save();
    let appended = backlog.saved().await;
    backlog.on_saved(appended);
}

#[tokio::test]
async fn what_waits_is_found_again_until_the_database_has_it() {
    let scratch = Scratch::new();
    let mut backlog = scratch.open(MAX);
    (0..5).for_each(|number| push(&mut backlog, job(number)));
    assert!(!backlog.is_on_disk());
    save(&mut backlog).await;
    assert!(backlog.is_on_disk());
    assert_eq!(scratch.found(), (0..5).map(job).collect::<Vec<_>>());
    backlog.done(2);
    push(&mut backlog, job(5));
    save(&mut backlog).await;
    let found = scratch.found();
    assert!(found.ends_with(&(2..6).map(job).collect::<Vec<_>>()), "{found:?}");
    backlog.done(4);
    assert!(backlog.is_empty() && scratch.found().is_empty());
    assert_eq!(backlog.status.unwritten.load(Ordering::Relaxed), 0);
    assert_eq!(backlog.status.journal_drained.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn what_comes_into_the_database_while_it_is_on_its_way_to_the_disk_is_not_kept_for_ever() {
    let scratch = Scratch::new();
    let mut backlog = scratch.open(MAX);
    (0..3).for_each(|number| push(&mut backlog, job(number)));
    backlog.save();
    backlog.done(2);
    push(&mut backlog, job(3));
    let appended = backlog.saved().await;
    backlog.on_saved(appended);
    assert!(!backlog.is_on_disk(), "the last is not");
    save(&mut backlog).await;
    assert!(backlog.is_on_disk());
    backlog.done(2);
    assert!(scratch.found().is_empty());
}

#[tokio::test]
async fn the_last_quarter_of_the_room_is_for_calls() {
    let scratch = Scratch::new();
    let mut backlog = scratch.open(64 * 1024);
    let mut number = 0;
    while backlog.status.refusals_unrecorded.load(Ordering::Relaxed) == 0 {
        push(&mut backlog, refusal(number));
        save_if_needed(&mut backlog).await;
        number += 1;
    }
    assert!(backlog.status.journal.load(Ordering::Relaxed), "there is room still");
    push(&mut backlog, job(number));
    save(&mut backlog).await;
    assert!(backlog.is_on_disk());
    assert_eq!(scratch.found().last(), Some(&job(number)));
}

async fn save_if_needed(backlog: &mut Backlog) {
    if !backlog.is_on_disk() {
        save(backlog).await;
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_room_calls_go_on_in_memory_and_it_is_told() {
    let scratch = Scratch::new();
    let mut backlog = scratch.open(16 * 1024);
    (0..100).for_each(|number| push(&mut backlog, job(number)));
    save(&mut backlog).await;
    assert!(!backlog.is_on_disk());
    assert!(!backlog.status.journal.load(Ordering::Relaxed), "it is told");
    assert_eq!(backlog.status.journal_failures.load(Ordering::Relaxed), 1);
    let on_disk = scratch.found().len();
    assert!((1..100).contains(&on_disk), "as much as there is room for: {on_disk}");
    assert_eq!(backlog.len(), 100);
    // Room comes back as the database takes what is oldest.
    backlog.done(90);
    tokio::time::advance(AGAIN).await;
    save(&mut backlog).await;
    assert!(backlog.is_on_disk() && backlog.status.journal.load(Ordering::Relaxed));
    assert!(scratch.found().ends_with(&(90..100).map(job).collect::<Vec<_>>()));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_is_tried_again() {
    let scratch = Scratch::new();
    let mut backlog = scratch.open(MAX);
    std::fs::remove_dir_all(&scratch.0).expect("the directory goes");
    push(&mut backlog, job(1));
    save(&mut backlog).await;
    assert!(!backlog.is_on_disk() && !backlog.status.journal.load(Ordering::Relaxed));
    std::fs::create_dir(&scratch.0).expect("the directory is back");
    assert!(backlog.save_at().is_some_and(|at| at > Instant::now()), "not at once");
    tokio::time::advance(AGAIN).await;
    save(&mut backlog).await;
    assert!(backlog.is_on_disk() && backlog.status.journal.load(Ordering::Relaxed));
    assert_eq!(scratch.found(), [job(1)]);
}

#[tokio::test]
async fn without_a_journal_everything_waits_in_memory() {
    let mut backlog = Backlog::new(None, Vec::new(), Arc::default());
    push(&mut backlog, job(1));
    backlog.save();
    assert!(!backlog.is_on_disk() && backlog.save_at().is_none());
    assert_eq!(backlog.first(9), [Arc::new(job(1))]);
    assert!(!Path::new("facts-00000001.v1").exists());
}
