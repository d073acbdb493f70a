//! A call for a campaign is made from one of the campaign's numbers.

use crate::policy::decision::Reason;
use crate::policy::snapshot::{Campaign, Candidate};

pub(super) fn check(candidate: &Candidate, campaign: Option<&Campaign>) -> Option<Reason> {
    campaign.is_some_and(|campaign| !campaign.numbers.contains(&candidate.number)).then_some(Reason::NotOfCampaign)
}
