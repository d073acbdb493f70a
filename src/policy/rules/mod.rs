//! The rules a number must pass, one a file. Each looks at one candidate and one request and says at most one reason.

mod campaign;
mod class;
mod country;
mod limits;
mod state;
mod trunk;

use super::decision::Reason;
use super::snapshot::{Campaign, Candidate, Request};

/// One rule.
type Rule = fn(&Candidate, &Request) -> Option<Reason>;

/// In the order in which people want to read them.
const RULES: [Rule; 6] = [state::check, country::check, class::check, limits::assignment, limits::number, trunk::check];

/// Every reason that speaks against a candidate; none if it may be used.
pub fn against(candidate: &Candidate, request: &Request, campaign: Option<&Campaign>) -> Vec<Reason> {
    let reasons = RULES.iter().filter_map(|rule| rule(candidate, request));
    campaign::check(candidate, campaign).into_iter().chain(reasons).collect()
}
