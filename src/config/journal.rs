//! `[journal]`: where facts wait while the database is away.

use std::path::PathBuf;

use serde::Deserialize;

use super::report::{Given, Report};
use super::{Reported, changed};

const DIRECTORY: &str = "/var/lib/cordboard";

/// Where facts wait while the database is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// A directory of this daemon alone.
    pub directory: PathBuf,
    /// The bytes that it may take for each node.
    pub max_bytes: u64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJournal {
    directory: Option<Given<String>>,
    max_mib: Option<Given<u64>>,
}

impl Journal {
    pub(super) fn check(raw: RawJournal, report: &mut Report) -> Result<Self, Reported> {
        let key = "journal.directory";
        let directory = report.value(key, raw.directory);
        let directory = directory.and_then(|directory| {
            let directory = PathBuf::from(directory.unwrap_or_else(|| DIRECTORY.to_owned()));
            if directory.is_absolute() {
                return Ok(directory);
            }
            let message = format!("{:?} is not an absolute path; write one such as {DIRECTORY:?}", directory.display());
            Err(report.error(key, message))
        });
        let max_mib = report.number("journal.max_mib", raw.max_mib, 64, &(1..=4096));
        Ok(Self { directory: directory?, max_bytes: max_mib? << 20 })
    }

    pub(super) fn restart_keys(&self, new: &Self) -> Vec<&'static str> {
        let Self { directory, max_bytes } = self;
        changed([("journal.directory", *directory != new.directory), ("journal.max_mib", *max_bytes != new.max_bytes)])
    }
}
