//! Daily limits. They are looked at here to filter and to explain; they are *held* by the store, on the locked row.

use crate::policy::decision::Reason;
use crate::policy::snapshot::{Candidate, Request};

pub(super) fn assignment(candidate: &Candidate, _: &Request) -> Option<Reason> {
    let (used, limit) = (candidate.used_today, candidate.daily_limit);
    (used >= limit).then_some(Reason::AssignmentLimit { used, limit })
}

pub(super) fn number(candidate: &Candidate, _: &Request) -> Option<Reason> {
    let (used, limit) = (candidate.number_used_today, candidate.number_daily_limit?);
    (used >= limit).then_some(Reason::NumberLimit { used, limit })
}
