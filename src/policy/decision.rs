//! What was decided, with every candidate and every reason. Kept with the call, so that an agent or an admin can read why.

use super::snapshot::{Agent, Candidate, NumberState};
use crate::core::ids::{AssignmentId, NumberId};
use crate::core::number::{E164, NumberClass, RegionCode};
use crate::core::outcome::RefusalReason;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was decided and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Why the call may not be made; none if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalReason>,
    /// The agent's calls of the day before this one.
    pub agent_used_today: u32,
    /// The agent's own daily limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_daily_limit: Option<u32>,
    /// The numbers that may be used, best first.
    pub ranked: Vec<Considered>,
    /// The numbers that may not, each with all its reasons.
    pub discarded: Vec<Considered>,
}

/// One candidate as it was weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Considered {
    /// The assignment.
    pub assignment: AssignmentId,
    /// The number's id.
    pub number: NumberId,
    /// The number. Ours, not a person's.
    pub e164: E164,
    /// Calls of this agent from this number on the day, before this one.
    pub used_today: u32,
    /// The assignment's daily limit.
    pub daily_limit: u32,
    /// When anybody last called from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Why it may not be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

impl Considered {
    pub(super) fn of(candidate: &Candidate, reasons: Vec<Reason>) -> Self {
        Self {
            assignment: candidate.assignment,
            number: candidate.number,
            e164: candidate.e164,
            used_today: candidate.used_today,
            daily_limit: candidate.daily_limit,
            last_used_at: candidate.last_used_at,
            reasons,
        }
    }
}

/// Why a number may not be used for a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Reason {
    /// This agent has used it often enough today.
    AssignmentLimit {
        /// Calls today.
        used: u32,
        /// Calls allowed.
        limit: u32,
    },
    /// The kind of number called is dear and not allowed by name.
    ClassNotAllowed {
        /// The kind.
        class: NumberClass,
    },
    /// The country called is not among the allowed ones.
    CountryNotAllowed {
        /// The country.
        region: RegionCode,
    },
    /// All agents together have used it often enough today.
    NumberLimit {
        /// Calls today.
        used: u32,
        /// Calls allowed.
        limit: u32,
    },
    /// It is not in use.
    NumberState {
        /// The state it is in.
        state: NumberState,
    },
    /// The call is for a campaign, and this is none of its numbers.
    NotOfCampaign,
    /// No active trunk can present it.
    NoTrunk,
}

impl Reason {
    /// Whether it is only a matter of how often, and so gone tomorrow.
    pub fn is_limit(&self) -> bool {
        match self {
            Self::AssignmentLimit { .. } | Self::NumberLimit { .. } => true,
            Self::ClassNotAllowed { .. }
            | Self::CountryNotAllowed { .. }
            | Self::NotOfCampaign
            | Self::NumberState { .. }
            | Self::NoTrunk => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AssignmentLimit { used, limit } => write!(f, "used {used} of {limit} calls today by this agent"),
            Self::ClassNotAllowed { class } => write!(f, "{class} numbers are not allowed by name"),
            Self::CountryNotAllowed { region } => write!(f, "country {region} is not allowed"),
            Self::NumberLimit { used, limit } => write!(f, "used {used} of {limit} calls today by all agents"),
            Self::NumberState { state } => write!(f, "the number is {}", state.as_str()),
            Self::NotOfCampaign => f.write_str("it is none of the campaign's numbers, or the campaign is not active"),
            Self::NoTrunk => f.write_str("no active trunk can present it"),
        }
    }
}

impl Decision {
    /// A decision in which no number was weighed.
    pub fn empty(agent: &Agent) -> Self {
        Self {
            refusal: None,
            agent_used_today: agent.used_today,
            agent_daily_limit: agent.daily_limit,
            ranked: Vec::new(),
            discarded: Vec::new(),
        }
    }

    /// What the agent is told if the call is refused, with the limit that was reached.
    pub fn sentence(&self) -> Option<String> {
        let refusal = self.refusal?;
        let limit = match refusal {
            RefusalReason::AgentDailyLimit => self.agent_daily_limit,
            RefusalReason::DailyLimit => self
                .discarded
                .iter()
                .filter(|number| number.reasons.iter().all(Reason::is_limit))
                .map(|number| number.daily_limit)
                .reduce(u32::saturating_add),
            RefusalReason::AgentInactive
            | RefusalReason::CampaignHasNoNumber
            | RefusalReason::ClassNotAllowed
            | RefusalReason::CountryNotAllowed
            | RefusalReason::Draining
            | RefusalReason::EmergencyNotPossible
            | RefusalReason::InvalidNumber
            | RefusalReason::NodeUnavailable
            | RefusalReason::NoNumberAssigned
            | RefusalReason::NoNumberAvailable
            | RefusalReason::NotAnAgent
            | RefusalReason::StoreUnavailable => None,
        };
        Some(match limit {
            Some(calls) => format!("Daily call limit reached ({calls} calls). Please contact your administrator."),
            None => refusal.sentence().to_owned(),
        })
    }
}
