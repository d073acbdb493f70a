//! A decision in words: which number, why it, why none of the others, and what would change that. The same for a call that
//! was made and for one that might be.

use super::failure::Outcome;
use super::local::Clock;
use super::output::list;
use crate::core::ids::{EndpointName, NumberId};
use crate::core::number::{E164, NumberClass, RegionCode};
use crate::core::outcome::RefusalReason;
use crate::policy::{Considered, Decision, NumberState, Reason};
use crate::store::Store;
use crate::store::agents::AgentRow;
use crate::store::assignments::{AssignmentFilter, AssignmentUsage};
use crate::store::numbers::NumberRow;
use crate::store::organizations::Organization;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The most calls a day of one assignment.
const MOST: u32 = 1000;

/// What is known besides the decision, as it is now.
pub struct Verdict<'a> {
    pub decision: &'a Decision,
    /// When it was decided.
    pub at: Timestamp,
    pub now: Timestamp,
    pub clock: Clock,
    endpoint: Option<EndpointName>,
    agent: Option<AgentRow>,
    organization: Option<Organization>,
    open: Vec<AssignmentUsage>,
    numbers: BTreeMap<E164, NumberRow>,
}

impl<'a> Verdict<'a> {
    /// Looks up what the words need.
    pub async fn new(
        store: &Store,
        decision: &'a Decision,
        at: Timestamp,
        agent: Option<AgentRow>,
        endpoint: Option<EndpointName>,
    ) -> Outcome<Self> {
        let organization = match &agent {
            Some(agent) => Some(store.organization(&agent.organization).await?),
            None => None,
        };
        let open = match &agent {
            Some(agent) => {
                store.assignments(&AssignmentFilter { agent: Some(agent.id), ..AssignmentFilter::default() }).await?
            }
            None => Vec::new(),
        };
        let mut numbers = BTreeMap::new();
        for considered in decision.discarded.iter().filter(|number| number.reasons.contains(&Reason::NoTrunk)) {
            numbers.insert(considered.e164, store.number(considered.e164, None).await?);
        }
        let clock = Clock::of(organization.as_ref());
        Ok(Self { decision, at, now: Timestamp::now(), clock, endpoint, agent, organization, open, numbers })
    }

    /// The numbers that could be used, the chosen one with the reason first, and those that could not.
    pub fn numbers(&self, chosen: Option<NumberId>) -> String {
        let mut text = String::new();
        let first = self.decision.ranked.first();
        let best = chosen.and_then(|id| self.decision.ranked.iter().find(|number| number.number == id)).or(first);
        let refused = self.decision.refusal.is_some();
        if let Some(best) = best.filter(|_| !refused) {
            let _ = writeln!(text, "number       {} ({}: {})", best.e164, self.why(best), self.use_of(best));
        }
        for number in &self.decision.ranked {
            if refused || best.is_none_or(|best| best.assignment != number.assignment) {
                let _ = writeln!(text, "  possible   {}: {}", number.e164, self.use_of(number));
            }
        }
        for number in &self.decision.discarded {
            let _ = writeln!(text, "  not        {}: {}", number.e164, Self::reasons(number));
            for remedy in number.reasons.iter().map(|reason| self.remedy(number, reason)) {
                let _ = writeln!(text, "             → {remedy}");
            }
        }
        text
    }

    fn reasons(number: &Considered) -> String {
        number.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    fn why(&self, best: &Considered) -> &'static str {
        let others = || self.decision.ranked.iter().filter(|number| number.assignment != best.assignment);
        if others().next().is_none() {
            return if self.decision.discarded.is_empty() { "the only number" } else { "the only one possible" };
        }
        if others().all(|other| best.used_today < other.used_today) {
            "least used today"
        } else if others().any(|other| other.used_today == best.used_today && other.last_used_at == best.last_used_at) {
            "used like others, and the first of them"
        } else {
            "least used today, and longest unused"
        }
    }

    fn use_of(&self, number: &Considered) -> String {
        let last = match number.last_used_at {
            Some(last) => format!("last used {}", self.clock.minute(last, self.at)),
            None => "never used".to_owned(),
        };
        format!("{} of {} calls; {last}", number.used_today, number.daily_limit)
    }

    /// What would change a reason.
    fn remedy(&self, number: &Considered, reason: &Reason) -> String {
        let e164 = number.e164;
        match reason {
            Reason::AssignmentLimit { limit, .. } if *limit >= MOST => {
                format!("{}; no assignment has more than {MOST} calls a day: assign another number", self.free())
            }
            Reason::AssignmentLimit { limit, .. } => {
                let more = limit.saturating_mul(2).min(MOST);
                format!("{}; more: {} --daily-limit {more}", self.free(), self.assign(e164))
            }
            Reason::NumberLimit { .. } => {
                format!("{}; more: UPDATE numbers SET daily_limit = … WHERE e164 = '{e164}'", self.free())
            }
            Reason::CountryNotAllowed { region } => {
                let mut countries: Vec<RegionCode> =
                    self.assignment(e164).map(|a| a.allowed_countries.clone()).unwrap_or_default();
                if countries.contains(region) {
                    return "allowed since".to_owned();
                }
                countries.push(*region);
                format!("allow it: {} --countries {}", self.assign(e164), list(&countries))
            }
            Reason::ClassNotAllowed { class } => {
                let mut classes: Vec<NumberClass> =
                    self.assignment(e164).map(|a| a.allowed_classes.clone()).unwrap_or_default();
                if classes.contains(class) {
                    return "allowed since".to_owned();
                }
                classes.push(*class);
                let assign = self.assign(e164);
                format!("allow it: {assign} --classes {}; for everybody: calls.allow_classes", list(&classes))
            }
            Reason::NumberState { state: NumberState::Available | NumberState::Retired } => {
                "not to be changed for this agent; assign another number".to_owned()
            }
            Reason::NumberState { state: NumberState::Inactive | NumberState::Resting | NumberState::Assigned } => {
                format!("take it into use: cordboard numbers set {e164} assigned")
            }
            Reason::NotOfCampaign => {
                let slug = self.organization.as_ref().map_or("ORGANIZATION", |organization| organization.slug.as_str());
                format!("link it: cordboard campaigns link {slug} CAMPAIGN {e164}")
            }
            Reason::NoTrunk => match self.numbers.get(&e164).and_then(|row| row.trunk.as_ref()) {
                Some(trunk) => format!("switch its trunk on: cordboard trunks add {trunk}"),
                None => format!(
                    "name its trunk: UPDATE numbers SET trunk_id = (SELECT id FROM trunks WHERE name = '…') WHERE e164 = '{e164}'"
                ),
            },
        }
    }

    /// When limits begin anew.
    fn free(&self) -> String {
        if self.clock.day(self.at) == self.clock.day(self.now) {
            format!("free again {}", self.clock.midnight(self.now))
        } else {
            "free again since midnight after the call".to_owned()
        }
    }

    fn assignment(&self, e164: E164) -> Option<&AssignmentUsage> {
        self.open.iter().find(|assignment| assignment.number == e164)
    }

    fn assign(&self, e164: E164) -> String {
        let endpoint = self.endpoint.as_ref().map_or("ENDPOINT", AsRef::as_ref);
        format!("cordboard assign {endpoint} {e164}")
    }

    /// What would make the call as a whole possible; none if the numbers' own remedies say it.
    pub fn way_out(&self, refusal: RefusalReason) -> Option<String> {
        let endpoint = self.endpoint.as_ref().map_or("ENDPOINT", AsRef::as_ref);
        let slug = self.organization.as_ref().map_or("ORGANIZATION", |organization| organization.slug.as_str());
        Some(match refusal {
            RefusalReason::AgentInactive if self.organization.as_ref().is_some_and(|o| !o.active) => {
                format!("switch the organization on: cordboard organizations enable {slug}")
            }
            RefusalReason::AgentInactive if self.agent.as_ref().is_some_and(|agent| agent.active) => {
                "the agent has been switched on since".to_owned()
            }
            RefusalReason::AgentInactive => format!("switch the agent on: cordboard agents enable {endpoint}"),
            RefusalReason::AgentDailyLimit => {
                let (used, limit) =
                    (self.decision.agent_used_today, self.decision.agent_daily_limit.unwrap_or_default());
                let more = limit.saturating_mul(2);
                format!("{used} of {limit} calls made; {}; more: cordboard agents limit {endpoint} {more}", self.free())
            }
            RefusalReason::NoNumberAssigned => format!("give the agent one: cordboard assign {endpoint} NUMBER"),
            RefusalReason::NotAnAgent => {
                format!("add the agent: cordboard agents add {slug} NAME --endpoint {endpoint}")
            }
            RefusalReason::EmergencyNotPossible => "configure where such calls go: the section [emergency]".to_owned(),
            RefusalReason::NodeUnavailable => {
                "Asterisk could not be reached, or is not fit for calls: cordboard doctor".to_owned()
            }
            RefusalReason::StoreUnavailable => "the database could not be asked: see the daemon's log".to_owned(),
            RefusalReason::Draining => "the daemon was about to stop; nothing to change".to_owned(),
            RefusalReason::InvalidNumber => "dial a number of this country, or + and the country code".to_owned(),
            RefusalReason::CampaignHasNoNumber
            | RefusalReason::ClassNotAllowed
            | RefusalReason::CountryNotAllowed
            | RefusalReason::DailyLimit
            | RefusalReason::NoNumberAvailable => return None,
        })
    }
}

/// Whom a call goes to: `+12025550123 (US, mobile)`.
pub fn destination(to: Option<E164>, region: Option<RegionCode>, class: Option<NumberClass>) -> String {
    let Some(to) = to else { return "none".to_owned() };
    let about: Vec<String> =
        region.iter().map(ToString::to_string).chain(class.map(|class| class.to_string())).collect();
    if about.is_empty() { to.to_string() } else { format!("{to} ({})", about.join(", ")) }
}
