//! The number must be in use: not resting, retired or switched off.

use crate::policy::decision::Reason;
use crate::policy::snapshot::{Candidate, NumberState, Request};

pub(super) fn check(candidate: &Candidate, _: &Request) -> Option<Reason> {
    match candidate.state {
        NumberState::Assigned => None,
        NumberState::Available | NumberState::Inactive | NumberState::Resting | NumberState::Retired => {
            Some(Reason::NumberState { state: candidate.state })
        }
    }
}
