//! The journal: what it promised to keep is there after any crash, what it did not is never mistaken for it.

use cordboard::journal::{Journal, JournalError, Left};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const PLENTY: u64 = 64 << 20;

/// A directory of its own, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("journal-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn open(&self) -> (Journal, Left) {
        self.open_with(PLENTY)
    }

    fn open_with(&self, max_bytes: u64) -> (Journal, Left) {
        Journal::open(&self.0, max_bytes).expect("a journal")
    }

    /// The files with records, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).expect("the directory").map(|entry| entry.expect("an entry").path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
        files.sort();
        files
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn record(number: usize) -> Vec<u8> {
    // Of many lengths, also longer than a byte can tell.
    format!("{{\"number\":{number},\"more\":\"{}\"}}", "x".repeat(number * 37 % 600)).into_bytes()
}

fn append(journal: &mut Journal, records: &[Vec<u8>]) {
    journal.append(records.iter().map(Vec::as_slice)).expect("room and a disk");
}

#[test]
fn what_was_appended_is_there_after_a_crash_in_its_order() {
    let scratch = Scratch::new();
    let (mut journal, left) = scratch.open();
    assert!(left.records.is_empty());
    let records: Vec<_> = (0..50).map(record).collect();
    append(&mut journal, &records[..20]);
    append(&mut journal, &records[20..]);
    assert_eq!(journal.records(), 50);
    drop(journal);
    let (_, left) = scratch.open();
    assert_eq!(left.records, records);
    assert_eq!((left.torn_bytes, left.damaged_bytes), (0, 0));
}

#[test]
fn nobody_else_may_read_it_and_nothing_is_left_when_all_is_forgotten() {
    let scratch = Scratch::new();
    let (mut journal, _) = scratch.open();
    append(&mut journal, &[record(1), record(2)]);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&scratch.0), 0o700);
    assert_eq!(scratch.files().iter().map(|path| mode(path)).collect::<Vec<_>>(), [0o600]);
    journal.forget(1).expect("a disk");
    assert_eq!(scratch.files().len(), 1, "one record is still needed");
    journal.forget(1).expect("a disk");
    assert_eq!((scratch.files().len(), journal.bytes(), journal.records()), (0, 0, 0));
    append(&mut journal, &[record(3)]);
    drop(journal);
    assert_eq!(scratch.open().1.records, [record(3)]);
}

#[test]
fn a_torn_tail_at_every_byte_loses_only_what_was_never_promised() {
    let scratch = Scratch::new();
    let (mut journal, _) = scratch.open();
    let records: Vec<_> = (0..8).map(record).collect();
    append(&mut journal, &records[..5]);
    let promised = usize::try_from(journal.bytes()).expect("few");
    append(&mut journal, &records[5..]);
    drop(journal);
    let file = scratch.files().remove(0);
    let whole = fs::read(&file).expect("the file");
    for cut in promised..whole.len() {
        fs::write(&file, &whole[..cut]).expect("a torn file");
        let (journal, left) = scratch.open();
        assert_eq!(left.records[..5], records[..5], "cut at {cut}");
        assert_eq!(left.records, records[..left.records.len()], "cut at {cut}");
        let kept: u64 = left.records.iter().map(|record| Journal::size(record)).sum();
        assert_eq!((left.torn_bytes, left.damaged_bytes), (cut as u64 - kept, 0), "cut at {cut}");
        drop(journal);
    }
}

#[test]
fn what_comes_after_a_torn_tail_is_kept_too() {
    let scratch = Scratch::new();
    let (mut journal, _) = scratch.open();
    append(&mut journal, &[record(1), record(2)]);
    drop(journal);
    let file = scratch.files().remove(0);
    let whole = fs::read(&file).expect("the file");
    fs::write(&file, &whole[..whole.len() - 3]).expect("a torn file");
    let (mut journal, left) = scratch.open();
    assert_eq!(left.records, [record(1)]);
    append(&mut journal, &[record(3)]);
    drop(journal);
    let (mut journal, left) = scratch.open();
    assert_eq!(left.records, [record(1), record(3)]);
    journal.forget(2).expect("a disk");
    assert_eq!(scratch.files().len(), 0);
}

/// Flips every bit of a file in turn and gives what a reader makes of it to `judge`, with the records that were written.
fn with_each_bit_flipped(
    read: impl Fn(&Scratch, &[u8]) -> Vec<Vec<u8>>,
    judge: impl Fn(&[Vec<u8>], &[Vec<u8>]) -> bool,
) -> usize {
    let scratch = Scratch::new();
    let (mut journal, _) = scratch.open();
    let records: Vec<_> = (0..4).map(record).collect();
    append(&mut journal, &records);
    drop(journal);
    let file = scratch.files().remove(0);
    let whole = fs::read(&file).expect("the file");
    let mut bad = 0;
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &flipped).expect("a damaged file");
        bad += usize::from(!judge(&records, &read(&scratch, &flipped)));
    }
    bad
}

/// One record is lost, and no other; nothing is made up.
fn only_one_lost(written: &[Vec<u8>], read: &[Vec<u8>]) -> bool {
    read.len() == written.len() - 1
        && read.iter().all(|record| written.contains(record))
        && read.is_sorted_by_key(|r| written.iter().position(|w| w == r))
}

#[test]
fn a_flipped_bit_costs_one_record_and_no_other() {
    let read = |scratch: &Scratch, _: &[u8]| {
        let (_, left) = scratch.open();
        assert!(left.torn_bytes + left.damaged_bytes > 0, "damage is told");
        left.records
    };
    assert_eq!(with_each_bit_flipped(read, only_one_lost), 0);
}

/// The control: a reader that believes the lengths and has no checksums takes damage for a record.
#[test]
fn without_checksums_damage_would_be_believed() {
    let read = |_: &Scratch, bytes: &[u8]| {
        let (mut records, mut rest) = (Vec::new(), bytes);
        while let Some((head, behind)) = rest.split_at_checked(8) {
            let length = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
            let Some((record, behind)) = behind.split_at_checked(length) else { break };
            records.push(record.to_vec());
            rest = behind;
        }
        records
    };
    assert!(with_each_bit_flipped(read, only_one_lost) > 0, "the test above cannot fail");
}

#[test]
fn the_bound_holds_and_space_comes_back() {
    let scratch = Scratch::new();
    let max = 16 * 1024;
    let (mut journal, _) = scratch.open_with(max);
    let mut kept = 0;
    let error = loop {
        match journal.append([record(kept).as_slice()]) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(journal.bytes() <= max);
    };
    assert!(matches!(error, JournalError::Full(_)), "{error}");
    assert!(scratch.files().len() > 1);
    journal.forget(kept / 2).expect("a disk");
    append(&mut journal, &[record(kept)]);
    drop(journal);
    let (_, left) = scratch.open_with(max);
    assert_eq!(left.records.last(), Some(&record(kept)));
}

#[test]
fn two_daemons_do_not_share_a_directory() {
    let scratch = Scratch::new();
    let first = scratch.open();
    let second = Journal::open(&scratch.0, PLENTY);
    assert!(matches!(second, Err(JournalError::Taken(_))));
    drop(first);
    scratch.open();
}

#[test]
fn records_of_another_version_are_not_thrown_away() {
    let scratch = Scratch::new();
    drop(scratch.open());
    fs::write(scratch.0.join("facts-00000001.v2"), "who knows").expect("a file");
    assert!(matches!(Journal::open(&scratch.0, PLENTY), Err(JournalError::Foreign(_))));
}

#[test]
fn a_disk_that_fails_is_told_and_used_again_when_it_works() {
    let scratch = Scratch::new();
    let (mut journal, _) = scratch.open();
    fs::remove_dir_all(&scratch.0).expect("the directory goes");
    let error = journal.append([record(1).as_slice()]).expect_err("there is no directory");
    assert!(matches!(error, JournalError::Disk { .. }), "{error}");
    fs::create_dir(&scratch.0).expect("the directory is back");
    append(&mut journal, &[record(1), record(2)]);
    assert_eq!((journal.records(), scratch.files().len()), (2, 1));
}

#[derive(Clone, Debug)]
enum Act {
    Append(usize),
    Forget(usize),
    /// The process dies, and so many bytes of what it was writing reached the disk.
    Crash {
        torn: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_usize..6).prop_map(Act::Append),
        3 => (1_usize..8).prop_map(Act::Forget),
        1 => (0_usize..700).prop_map(|torn| Act::Crash { torn }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// After any sequence of steps and crashes, everything appended and not forgotten is there, in its order. What was
    /// forgotten may come again, but only from the front: a drain that repeats itself sees a longer past, never a gap.
    #[test]
    fn nothing_promised_is_ever_missing(acts in prop::collection::vec(act(), 1..40)) {
        let scratch = Scratch::new();
        let (mut journal, _) = scratch.open_with(8 * 1024);
        let mut due: VecDeque<Vec<u8>> = VecDeque::new();
        let mut next = 0;
        for act in acts {
            match act {
                Act::Append(count) => {
                    let records: Vec<_> = (next..next + count).map(record).collect();
                    if journal.append(records.iter().map(Vec::as_slice)).is_ok() {
                        due.extend(records);
                    }
                    next += count;
                }
                Act::Forget(count) => {
                    let count = count.min(due.len());
                    due.drain(..count);
                    journal.forget(count).expect("a disk");
                }
                Act::Crash { torn } => {
                    drop(journal);
                    let mut unfinished = record(next);
                    unfinished.truncate(torn);
                    if let (Some(file), true) = (scratch.files().pop(), torn > 0) {
                        let mut bytes = fs::read(&file).expect("the file");
                        bytes.extend([200, 1, 0, 0, 1, 2, 3, 4]);
                        bytes.extend(unfinished);
                        fs::write(&file, bytes).expect("a torn file");
                    }
                    let (reopened, left) = scratch.open_with(8 * 1024);
                    journal = reopened;
                    let missing = left.records.len().checked_sub(due.len());
                    prop_assert!(missing.is_some(), "records are missing");
                    let again = missing.unwrap_or_default();
                    prop_assert!(left.records[again..].iter().eq(due.iter()));
                    // The drain begins again with those.
                    due = left.records.into();
                }
            }
            prop_assert_eq!(journal.records(), due.len());
        }
    }
}
