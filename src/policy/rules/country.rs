//! Default deny: the destination's region must be among the assignment's countries. The region is that of the number
//! itself, so +1 is told apart by area code and no prefix is guessed.

use crate::policy::decision::Reason;
use crate::policy::snapshot::{Candidate, Request};

pub(super) fn check(candidate: &Candidate, request: &Request) -> Option<Reason> {
    // A number of no country (satellite, +979 …) is a matter of its class, which must be allowed by name.
    if request.region.is_world() || candidate.countries.contains(&request.region) {
        return None;
    }
    Some(Reason::CountryNotAllowed { region: request.region })
}
