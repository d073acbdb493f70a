//! What the last call of an agent left behind, so that the next one can be decided without asking first.
//!
//! It is never trusted: the statement that reserves compares all of it with what is true then, and reserves nothing if
//! anything differs ([`reserve`](super::reserve)). So a memory that is out of date costs a call a round trip, and nobody a
//! wrong decision. An agent's entry is taken out while it is used: two calls of one agent at a time do not share one.

use super::snapshot::{Read, read};
use super::{Store, StoreError};
use crate::core::ids::EndpointName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Agents and their numbers that are kept in mind, all together: some 8 MB.
const MOST: usize = 20_000;

/// Snapshots by the agent's phone.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    reads: HashMap<EndpointName, Read>,
    size: usize,
}

fn size(read: &Read) -> usize {
    1 + read.snapshot.candidates.len()
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of an agent, and is forgotten with that.
    pub fn take(&self, endpoint: &EndpointName) -> Option<Read> {
        let mut kept = self.lock();
        let read = kept.reads.remove(endpoint)?;
        kept.size -= size(&read);
        Some(read)
    }

    /// Keeps it for the agent's next call. When there is no room, that of any other agents goes.
    pub fn keep(&self, endpoint: EndpointName, read: Read) {
        if size(&read) > MOST {
            return;
        }
        let mut kept = self.lock();
        kept.size += size(&read);
        if let Some(older) = kept.reads.insert(endpoint, read) {
            kept.size -= size(&older);
        }
        while kept.size > MOST {
            let Some(any) = kept.reads.keys().next().cloned() else { break };
            kept.size -= kept.reads.remove(&any).map_or(0, |read| size(&read));
        }
    }

    /// Whether something is remembered.
    pub fn has(&self, endpoint: &EndpointName) -> bool {
        self.lock().reads.contains_key(endpoint)
    }
}

impl Store {
    /// Reads what the next call of this agent will probably be decided by, so that it need not be read then.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn remember(&self, endpoint: &EndpointName) -> Result<(), StoreError> {
        if self.memory.has(endpoint) {
            return Ok(());
        }
        let mut connection = self.pool.acquire().await?;
        if let Some(read) = read(&mut connection, endpoint).await? {
            self.memory.keep(endpoint.clone(), read);
        }
        Ok(())
    }
}
