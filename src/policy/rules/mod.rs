//! The rules a number must pass, one a file. Each looks at one candidate and one request and says at most one reason.

mod class;
mod country;
mod limits;
mod state;
mod trunk;

use super::decision::Reason;
use super::snapshot::{Candidate, Request};

/// One rule.
type Rule = fn(&Candidate, &Request) -> Option<Reason>;

/// In the order in which people want to read them.
const RULES: [Rule; 6] = [state::check, country::check, class::check, limits::assignment, limits::number, trunk::check];

/// Every reason that speaks against a candidate; none if it may be used.
pub fn against(candidate: &Candidate, request: &Request) -> Vec<Reason> {
    RULES.iter().filter_map(|rule| rule(candidate, request)).collect()
}
