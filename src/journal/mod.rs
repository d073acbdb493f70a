//! What must outlive this process while the database is away: records in files of this machine, in order, each on the disk
//! when [`Journal::append`] comes back, all gone when the database has them. It knows no facts and no calls, only bytes.
//!
//! ```text
//! facts-00000001.v1   records: length, checksum, bytes      ◄─ forgotten from here
//! facts-00000002.v1   …                                     ◄─ appended here
//! lock                held by the daemon that writes here
//! ```
//!
//! A file is never written again by another process than the one that made it: what a crash left is read, and new records
//! go into a new file. So nothing has to be repaired before it can be trusted. A file goes away when all its records were
//! forgotten; until then a restart finds them all again, also those that the database has already, and whoever drains
//! them must be able to write one twice.

mod frame;

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The files by their age. Another layout gets another ending.
const PREFIX: &str = "facts-";
const ENDING: &str = ".v1";
const LOCK: &str = "lock";
/// A file that has so many parts of all bytes is followed by the next: space comes back in such steps.
const PARTS: u64 = 8;
const SEGMENT_MAX: u64 = 8 << 20;

/// Records on the disk of this machine.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    max_bytes: u64,
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The last of them, if it takes more.
    tail: Option<File>,
    next: u64,
    /// Held as long as this lives: two daemons in one directory would write each other's calls.
    _lock: File,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    bytes: u64,
    /// Not yet forgotten.
    records: usize,
}

/// What an earlier process left.
#[derive(Debug, Default)]
pub struct Left {
    /// In the order in which they were appended.
    pub records: Vec<Vec<u8>>,
    /// Bytes of records that were never finished, because the process died: nobody was told that they are safe.
    pub torn_bytes: u64,
    /// Bytes that were damaged by something else; what they held is lost.
    pub damaged_bytes: u64,
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another daemon writes there.
    #[error("{0} belongs to another daemon that runs; give each its own journal.directory")]
    Taken(PathBuf),
    /// A file that this version cannot read.
    #[error(
        "{0} was written by another version of Cordboard; start that version once with the database up, or move it away"
    )]
    Foreign(PathBuf),
    /// It would become larger than it may.
    #[error("the journal is full: {0} bytes is all it may hold")]
    Full(u64),
    /// A single record is beyond all measure.
    #[error("a record of {0} bytes is too long")]
    TooLong(usize),
    /// The disk is full, read-only, or broken.
    #[error("{path}: {source}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// What.
        source: io::Error,
    },
}

/// Names the file of an error.
fn at(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Disk { path, source }
}

impl Journal {
    /// Opens the journal in a directory, which is made if it is not there, and reads what is left in it.
    ///
    /// # Errors
    ///
    /// If the directory cannot be used, or another process uses it.
    pub fn open(directory: &Path, max_bytes: u64) -> Result<(Self, Left), JournalError> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at(directory))?;
        let lock = directory.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock);
        let file = file.map_err(at(&lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Taken(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(at(&lock)(error)),
        }
        let mut journal = Self {
            directory: directory.to_owned(),
            max_bytes,
            segments: VecDeque::new(),
            tail: None,
            next: 1,
            _lock: file,
        };
        let left = journal.read()?;
        Ok((journal, left))
    }

    /// Puts records behind the others. When this comes back they are on the disk; if it fails, they may be there or not.
    ///
    /// # Errors
    ///
    /// If there is no room, or the disk does not take them.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = &'a [u8]>) -> Result<(), JournalError> {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for record in records {
            if record.is_empty() || record.len() > frame::RECORD_MAX {
                return Err(JournalError::TooLong(record.len()));
            }
            frame::put(&mut bytes, record);
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        let size = bytes.len() as u64;
        if self.bytes() + size > self.max_bytes {
            return Err(JournalError::Full(self.max_bytes));
        }
        let file = self.tail()?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if let Err(error) = written {
            return Err(self.abandon(error));
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.bytes += size;
            segment.records += count;
        }
        Ok(())
    }

    /// The oldest so many records are safe elsewhere.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed. Its records are counted as gone all the same, and found again by the next start.
    pub fn forget(&mut self, records: usize) -> Result<(), JournalError> {
        let mut left = records;
        let mut result = Ok(());
        while let Some(oldest) = self.segments.front_mut() {
            let now = left.min(oldest.records);
            oldest.records -= now;
            left -= now;
            if oldest.records > 0 {
                break;
            }
            if self.segments.len() == 1 {
                self.tail = None;
            }
            if let Some(gone) = self.segments.pop_front()
                && let Err(error) = fs::remove_file(&gone.path)
            {
                result = Err(at(&gone.path)(error));
            }
        }
        result
    }

    /// The bytes on the disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The records that were not forgotten.
    pub fn records(&self) -> usize {
        self.segments.iter().map(|segment| segment.records).sum()
    }

    /// What a record needs.
    pub fn size(record: &[u8]) -> u64 {
        frame::size(record)
    }

    fn read(&mut self) -> Result<Left, JournalError> {
        let mut files: Vec<(u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(at(&self.directory))? {
            let path = entry.map_err(at(&self.directory))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            match rest.strip_suffix(ENDING).and_then(|number| number.parse().ok()) {
                Some(number) => files.push((number, path)),
                None => return Err(JournalError::Foreign(path)),
            }
        }
        files.sort();
        let mut left = Left::default();
        for (number, path) in files {
            self.next = number + 1;
            let bytes = fs::read(&path).map_err(at(&path))?;
            let scan = frame::scan(&bytes);
            left.torn_bytes += scan.torn;
            left.damaged_bytes += scan.damaged;
            if scan.records.is_empty() {
                fs::remove_file(&path).map_err(at(&path))?;
                continue;
            }
            self.segments.push_back(Segment { path, bytes: bytes.len() as u64, records: scan.records.len() });
            left.records.extend(scan.records);
        }
        Ok(left)
    }

    /// The file that takes the next records.
    fn tail(&mut self) -> Result<&mut File, JournalError> {
        let segment_bytes = (self.max_bytes / PARTS).min(SEGMENT_MAX);
        let full = self.segments.back().is_none_or(|segment| segment.bytes >= segment_bytes);
        let file = match self.tail.take() {
            Some(file) if !full => file,
            Some(_) | None => self.begin()?,
        };
        Ok(self.tail.insert(file))
    }

    fn begin(&mut self) -> Result<File, JournalError> {
        let path = self.directory.join(format!("{PREFIX}{:08}{ENDING}", self.next));
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path).map_err(at(&path))?;
        self.next += 1;
        self.segments.push_back(Segment { path, bytes: 0, records: 0 });
        // A file whose name is not on the disk is not there after a power cut.
        let named = File::open(&self.directory).and_then(|directory| directory.sync_all());
        named.map_err(|error| self.abandon(error))?;
        Ok(file)
    }

    /// After a failure nobody knows what the file holds behind its last good byte: it takes no more.
    fn abandon(&mut self, error: io::Error) -> JournalError {
        let file = self.tail.take();
        let Some(segment) = self.segments.back() else { return at(&self.directory)(error) };
        let (path, bytes, empty) = (segment.path.clone(), segment.bytes, segment.records == 0);
        if empty {
            self.segments.pop_back();
            // What cannot be removed is read, found empty or whole, and removed at the next start.
            let _ = fs::remove_file(&path);
        } else if let Some(file) = file {
            // Gives the space back. If it fails, what is there is skipped or written twice.
            let _ = file.set_len(bytes);
        }
        at(&path)(error)
    }
}
