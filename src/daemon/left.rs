//! What an earlier daemon left in the journal.

use super::status::Status;
use super::writer::Job;
use crate::config;
use crate::core::ids::NodeName;
use crate::journal::{Journal, Left};
use std::sync::atomic::Ordering;

/// The journal and the bytes that it may take.
pub(super) type Bounded = (Journal, u64);

/// Opens the journal. A daemon that has none runs all the same: a floor must not stand still because of a directory. But it
/// says so, loudly and at every look.
pub(super) async fn open(config: &config::Journal, node: &NodeName, status: &Status) -> (Option<Bounded>, Vec<Job>) {
    let (directory, max_bytes) = (config.directory.join(node.as_ref()), config.max_bytes);
    let opened = tokio::task::spawn_blocking(move || Journal::open(&directory, max_bytes)).await;
    match opened {
        Ok(Ok((journal, left))) => (Some((journal, max_bytes)), jobs(left, status)),
        Ok(Err(error)) => {
            status.journal_failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "there is no journal: if the database goes away and this daemon dies, facts are lost");
            (None, Vec::new())
        }
        Err(error) => {
            tracing::error!(%error, "the journal could not be opened");
            (None, Vec::new())
        }
    }
}

fn jobs(left: Left, status: &Status) -> Vec<Job> {
    let Left { records, torn_bytes, damaged_bytes } = left;
    if torn_bytes > 0 {
        tracing::warn!(
            torn_bytes,
            "the journal ends in a record that was never finished; nobody was told that it is safe"
        );
    }
    if damaged_bytes > 0 {
        status.journal_failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!(damaged_bytes, "the journal is damaged, and what stood there is lost; look after the disk");
    }
    if !records.is_empty() {
        tracing::info!(records = records.len(), "an earlier daemon left facts in the journal");
    }
    records.iter().filter_map(|record| job(record)).collect()
}

fn job(record: &[u8]) -> Option<Job> {
    match serde_json::from_slice(record) {
        Ok(job) => Some(job),
        Err(error) => {
            // Where, not what: what agents dialled stands there.
            let (line, column) = (error.line(), error.column());
            tracing::error!(line, column, "a record of the journal makes no sense to this version and is left out");
            None
        }
    }
}
