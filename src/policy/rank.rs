//! The order among numbers that may be used.

use super::snapshot::Candidate;

/// Least used today by this agent, then longest unused by anybody (never used first), then by id, so that the order is
/// total and two runs agree.
pub fn sort(candidates: &mut [&Candidate]) {
    // `None < Some`, so a number that was never used comes first
    candidates.sort_by_key(|candidate| (candidate.used_today, candidate.last_used_at, candidate.number));
}
