//! A number without an active trunk cannot be presented to anybody.

use crate::policy::decision::Reason;
use crate::policy::snapshot::{Candidate, Request};

pub(super) fn check(candidate: &Candidate, _: &Request) -> Option<Reason> {
    candidate.trunk.is_none().then_some(Reason::NoTrunk)
}
