//! The facts a decision needs, as plain data.

use crate::core::ids::{AgentId, AssignmentId, CampaignId, EndpointName, NumberId, OrganizationId, TrunkName};
use crate::core::number::{E164, NumberClass, RegionCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What was true when the agent's row was locked.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Who wants to call.
    pub agent: Agent,
    /// The numbers assigned to the agent.
    pub candidates: Vec<Candidate>,
    /// The campaign that the call is for, if it is for one.
    pub campaign: Option<Campaign>,
}

/// What a call is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// Which.
    pub id: CampaignId,
    /// Its numbers; none while no calls are made for it.
    pub numbers: BTreeSet<NumberId>,
}

/// Who wants to call.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// The agent.
    pub id: AgentId,
    /// The tenant.
    pub organization: OrganizationId,
    /// The phone.
    pub endpoint: EndpointName,
    /// The organization's country, by which national forms are read.
    pub country: RegionCode,
    /// Neither the agent nor the organization is switched off.
    pub active: bool,
    /// Calls counted today, in the organization's local day.
    pub used_today: u32,
    /// The agent's own daily limit, over all numbers.
    pub daily_limit: Option<u32>,
}

/// One number that the agent might call from.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The assignment.
    pub assignment: AssignmentId,
    /// The number's id.
    pub number: NumberId,
    /// The number.
    pub e164: E164,
    /// What state the number is in.
    pub state: NumberState,
    /// The trunk that can present it, if that trunk is active.
    pub trunk: Option<TrunkName>,
    /// Whether that trunk wants `+` before numbers.
    pub plus: bool,
    /// Calls of this agent from this number today.
    pub used_today: u32,
    /// The assignment's daily limit.
    pub daily_limit: u32,
    /// Calls from this number today by anybody.
    pub number_used_today: u32,
    /// The number's own daily limit, over all agents.
    pub number_daily_limit: Option<u32>,
    /// When anybody last called from this number.
    pub last_used_at: Option<Timestamp>,
    /// Regions it may call.
    pub countries: BTreeSet<RegionCode>,
    /// Classes of numbers that are dear and allowed by name.
    pub classes: BTreeSet<NumberClass>,
}

/// The life of a number that we own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberState {
    /// In the inventory, given to no organization.
    Available,
    /// In use.
    Assigned,
    /// Switched off for a while.
    Inactive,
    /// Not used for a while so that it recovers.
    Resting,
    /// Given back to the carrier.
    Retired,
}

impl NumberState {
    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Assigned => "assigned",
            Self::Inactive => "inactive",
            Self::Resting => "resting",
            Self::Retired => "retired",
        }
    }
}

/// What the agent wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Whom to call.
    pub destination: E164,
    /// The destination's region.
    pub region: RegionCode,
    /// The destination's kind of number.
    pub class: NumberClass,
}
