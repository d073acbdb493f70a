//! Who may call whom, from which number, now. Pure: the facts come in as a [`Snapshot`], a [`Decision`] with every reason
//! goes out. It is the same code for a call, for `cordboard dial --dry-run`, and for `cordboard explain`.
//!
//! The order of things, in prose:
//!
//! 1. An emergency number is recognised before anything else, on the raw digits (`emergency`); no rule below applies to it.
//! 2. The agent must be active, and within the agent's own daily limit.
//! 3. Each number assigned to the agent is held against every [rule](rules); none stops at the first reason. For a campaign,
//!    it must also be one of the campaign's.
//! 4. Those left are [ranked](rank): least used today, then longest unused, then by id. An exhausted number was filtered out
//!    before, so it never hides a free one.
//! 5. The store takes the first of the ranked numbers that still fits when its row is locked.

pub mod decision;
pub mod emergency;
mod emergency_table;
pub mod rank;
pub mod rules;
pub mod snapshot;

pub use decision::{Considered, Decision, Reason};
pub use snapshot::{Agent, Campaign, Candidate, NumberState, Request, Snapshot};

use crate::core::outcome::RefusalReason;

/// Decides. Total: every snapshot and every request has a decision.
pub fn choose(snapshot: &Snapshot, request: &Request) -> Decision {
    let mut usable = Vec::new();
    let mut discarded = Vec::new();
    for candidate in &snapshot.candidates {
        let reasons = rules::against(candidate, request, snapshot.campaign.as_ref());
        if reasons.is_empty() {
            usable.push(candidate);
        } else {
            discarded.push((candidate, reasons));
        }
    }
    rank::sort(&mut usable);
    discarded.sort_by_key(|(candidate, _)| candidate.assignment);

    let refusal = refusal(&snapshot.agent, usable.is_empty(), &discarded);
    Decision {
        refusal,
        agent_used_today: snapshot.agent.used_today,
        agent_daily_limit: snapshot.agent.daily_limit,
        ranked: usable.into_iter().map(|candidate| Considered::of(candidate, Vec::new())).collect(),
        discarded: discarded.into_iter().map(|(candidate, reasons)| Considered::of(candidate, reasons)).collect(),
    }
}

fn refusal(agent: &Agent, none_usable: bool, discarded: &[(&Candidate, Vec<Reason>)]) -> Option<RefusalReason> {
    if !agent.active {
        return Some(RefusalReason::AgentInactive);
    }
    if agent.daily_limit.is_some_and(|limit| agent.used_today >= limit) {
        return Some(RefusalReason::AgentDailyLimit);
    }
    if !none_usable {
        return None;
    }
    if discarded.is_empty() {
        return Some(RefusalReason::NoNumberAssigned);
    }
    // what is wrong with numbers of no concern is of no concern
    let weighed = || discarded.iter().filter(|(_, reasons)| !reasons.contains(&Reason::NotOfCampaign));
    let all = |rule: fn(&Reason) -> bool| weighed().all(|(_, reasons)| reasons.iter().any(rule));
    Some(if weighed().next().is_none() {
        RefusalReason::CampaignHasNoNumber
    } else if weighed().any(|(_, reasons)| reasons.iter().all(Reason::is_limit)) {
        // tomorrow it would be allowed: that is what the agent needs to know
        RefusalReason::DailyLimit
    } else if all(|reason| matches!(reason, Reason::ClassNotAllowed { .. })) {
        RefusalReason::ClassNotAllowed
    } else if all(|reason| matches!(reason, Reason::CountryNotAllowed { .. })) {
        RefusalReason::CountryNotAllowed
    } else {
        RefusalReason::NoNumberAvailable
    })
}
