//! One batch of what is to be written, as it goes into the database.

use super::Job;
use crate::core::engine::Write;
use crate::core::ids::CallId;
use crate::store::writes::CallWrite;
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Facts of an earlier daemon, each of which is looked up first, are written after so many at the latest.
const LOOKED_UP: usize = 16;

/// Writes jobs in their order, and counts into `written` how many of them the database has, those included that are left out.
/// All of it can be done again. Fails only if the database is away; what it refuses is left out, because no second attempt
/// would change that.
///
/// `left` of the batch are an earlier daemon's, the first ones. Left out are those of its facts in whose places the database has
/// others: somebody else followed those calls since, and what stands there stays. What comes after them is left out too.
/// Gives back all calls of which that is so.
pub(super) async fn write(
    store: &Store,
    batch: &[Arc<Job>],
    left: usize,
    mut disputed: BTreeSet<CallId>,
    written: &AtomicUsize,
) -> Result<BTreeSet<CallId>, StoreError> {
    // Runs of facts in one transaction; a row that must stand before its facts in one of its own.
    let mut facts: Vec<CallWrite> = Vec::new();
    for (place, job) in batch.iter().enumerate() {
        if place < left && is_disputed(store, job, &mut disputed).await? {
            continue;
        }
        match &**job {
            Job::Facts(Write { call, first_seq, facts: new, record }) => {
                let (facts_of_call, record) = (new.clone(), record.clone());
                facts.push(CallWrite { call: *call, first_seq: *first_seq, facts: facts_of_call, record });
                if place < left && facts.len() == LOOKED_UP {
                    append(store, &std::mem::take(&mut facts)).await?;
                    written.store(place + 1, Ordering::Relaxed);
                }
            }
            Job::Enter(request) => {
                append(store, &std::mem::take(&mut facts)).await?;
                written.store(place, Ordering::Relaxed);
                if let Err(error) = store.enter(request).await {
                    refused(error)?;
                }
                written.store(place + 1, Ordering::Relaxed);
            }
        }
    }
    append(store, &facts).await?;
    written.store(batch.len(), Ordering::Relaxed);
    Ok(disputed)
}

async fn is_disputed(store: &Store, job: &Job, disputed: &mut BTreeSet<CallId>) -> Result<bool, StoreError> {
    let Job::Facts(Write { call, first_seq, facts, record }) = job else { return Ok(false) };
    if disputed.contains(call) {
        return Ok(true);
    }
    // The store itself knows what to do with a reservation of a call that we believe to be refused.
    if record.refusal.is_some() {
        return Ok(false);
    }
    let stored = store.facts(*call).await?;
    let places = usize::try_from(*first_seq).unwrap_or(usize::MAX);
    let is_other = stored.iter().skip(places).zip(facts).any(|(stored, left)| stored != left);
    if is_other {
        disputed.insert(*call);
        tracing::error!(%call, "somebody else recorded this call meanwhile; what is left of it in the journal is not used");
    }
    Ok(is_other)
}

async fn append(store: &Store, facts: &[CallWrite]) -> Result<(), StoreError> {
    let Err(error) = append_all(store, facts).await else { return Ok(()) };
    if error.is_away() || matches!(error, StoreError::NotOwner) || facts.len() == 1 {
        return refused(error);
    }
    // One of them is refused by the database itself: the others must not suffer.
    for write in facts {
        if let Err(error) = append_all(store, std::slice::from_ref(write)).await {
            refused(error)?;
        }
    }
    Ok(())
}

async fn append_all(store: &Store, facts: &[CallWrite]) -> Result<(), StoreError> {
    if facts.is_empty() {
        return Ok(());
    }
    crash_point!(writing(facts));
    let unknown = store.append(facts).await?;
    crash_point!(written(facts));
    for call in unknown {
        tracing::error!(%call, "facts of a call that has no row");
    }
    Ok(())
}

/// A refusal is told and done with; a database that is away is not, and neither is a node that is not ours.
fn refused(error: StoreError) -> Result<(), StoreError> {
    if error.is_away() || matches!(error, StoreError::NotOwner) {
        return Err(error);
    }
    tracing::error!(%error, "the database refuses facts of a call");
    Ok(())
}
