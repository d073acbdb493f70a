//! Premium, satellite and other dear kinds of numbers are denied unless allowed by name: the destinations of toll fraud.

use crate::policy::decision::Reason;
use crate::policy::snapshot::{Candidate, Request};

pub(super) fn check(candidate: &Candidate, request: &Request) -> Option<Reason> {
    let class = request.class;
    (!class.is_ordinary() && !candidate.classes.contains(&class)).then_some(Reason::ClassNotAllowed { class })
}
