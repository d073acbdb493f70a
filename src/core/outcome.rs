//! How a call ended, why it was refused, and what a phone is told: the tables between Q.850, SIP and our own words.

use super::fact::{Leg, Party};
use super::record::Record;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// The agent's phone was busy, away, or not answered; the customer's phone never rang.
    AgentUnavailable,
    /// The customer picked up.
    Answered,
    /// The customer was busy.
    Busy,
    /// The agent gave up before the answer.
    Cancelled,
    /// The carrier or the network could not carry the call.
    Congestion,
    /// Something else went wrong.
    Failed,
    /// Nobody picked up in time.
    NoAnswer,
    /// Asterisk went away with the call.
    NodeLost,
    /// The rules did not allow it; nothing was dialled.
    Refused,
    /// The customer or the carrier declined it.
    Rejected,
    /// No such number.
    Unallocated,
    /// An order to dial may or may not have reached Asterisk, and nothing was ever heard.
    UnknownOutcome,
}

impl Disposition {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 12] = [
        Self::AgentUnavailable,
        Self::Answered,
        Self::Busy,
        Self::Cancelled,
        Self::Congestion,
        Self::Failed,
        Self::NoAnswer,
        Self::NodeLost,
        Self::Refused,
        Self::Rejected,
        Self::Unallocated,
        Self::UnknownOutcome,
    ];

    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentUnavailable => "agent_unavailable",
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::Congestion => "congestion",
            Self::Failed => "failed",
            Self::NoAnswer => "no_answer",
            Self::NodeLost => "node_lost",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Unallocated => "unallocated",
            Self::UnknownOutcome => "unknown_outcome",
        }
    }

    /// What a customer leg that ended unanswered says. The SIP status is asked first, because several share a Q.850 cause;
    /// the pairs are Asterisk's own (`hangup_sip2cause` of `chan_pjsip`), measured one by one.
    pub fn of_unanswered(cause: Option<u16>, sip_code: Option<u16>) -> Self {
        match sip_code {
            Some(486 | 600) => return Self::Busy,
            Some(408 | 480 | 487) => return Self::NoAnswer,
            Some(403 | 603 | 607 | 608) => return Self::Rejected,
            Some(404 | 410 | 484 | 485 | 604) => return Self::Unallocated,
            Some(500 | 502..=504 | 513) => return Self::Congestion,
            Some(_) | None => {}
        }
        match cause {
            Some(17) => Self::Busy,
            Some(18 | 19) => Self::NoAnswer,
            Some(21) => Self::Rejected,
            Some(1 | 3 | 22 | 28) => Self::Unallocated,
            Some(20 | 27 | 34 | 38 | 41 | 42 | 44 | 102) => Self::Congestion,
            Some(_) | None => Self::Failed,
        }
    }

    /// How a call ended of which both legs are gone.
    pub fn of(record: &Record) -> Self {
        if record.refusal.is_some() {
            return Self::Refused;
        }
        if record.answered_at.is_some() {
            return Self::Answered;
        }
        if record.hung_up_by == Some(Party::Api) {
            return Self::Cancelled;
        }
        // Who did not hear the agent pick up may have missed it: not if the customer was dialled, or may have been.
        if record.agent_was_called() && record.agent_answered_at.is_none() && record.customer_dialled_at.is_none() {
            return Self::AgentUnavailable;
        }
        let ordered = record.customer_dialled_at.is_some();
        if ordered && record.invite_sent_at.is_none() && record.customer_ended_at.is_some() && record.cause.is_none() {
            return Self::UnknownOutcome;
        }
        match (record.first_end, record.hung_up_by) {
            (Some(Leg::Customer), _) => Self::of_unanswered(record.cause, record.sip_code),
            (Some(Leg::Agent) | None, Some(Party::System) | None) => Self::Failed,
            (Some(Leg::Agent) | None, Some(Party::Agent | Party::Customer | Party::Api)) => Self::Cancelled,
        }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call may not be made. One word for machines; [`RefusalReason::sentence`] for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The agent is switched off.
    AgentInactive,
    /// The agent's own daily limit is used up.
    AgentDailyLimit,
    /// The call is for a campaign, and none of the agent's numbers is one of its.
    CampaignHasNoNumber,
    /// The kind of number (premium, satellite …) is not allowed by name.
    ClassNotAllowed,
    /// None of the agent's numbers may call this country.
    CountryNotAllowed,
    /// Every number of the agent that may call there is used up for today.
    DailyLimit,
    /// The daemon is about to stop and takes no new calls.
    Draining,
    /// An emergency number was dialled and no emergency route is configured.
    EmergencyNotPossible,
    /// What was dialled is not a phone number.
    InvalidNumber,
    /// Asterisk cannot be reached.
    NodeUnavailable,
    /// The agent has no number.
    NoNumberAssigned,
    /// The agent has numbers, but none can be used for this call for mixed reasons.
    NoNumberAvailable,
    /// The phone belongs to no agent.
    NotAnAgent,
    /// The database cannot be asked, and nothing is dialled that cannot be counted.
    StoreUnavailable,
}

impl RefusalReason {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::AgentInactive,
        Self::AgentDailyLimit,
        Self::CampaignHasNoNumber,
        Self::ClassNotAllowed,
        Self::CountryNotAllowed,
        Self::DailyLimit,
        Self::Draining,
        Self::EmergencyNotPossible,
        Self::InvalidNumber,
        Self::NodeUnavailable,
        Self::NoNumberAssigned,
        Self::NoNumberAvailable,
        Self::NotAnAgent,
        Self::StoreUnavailable,
    ];

    /// The stable code in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentInactive => "agent_inactive",
            Self::AgentDailyLimit => "agent_daily_limit",
            Self::CampaignHasNoNumber => "campaign_has_no_number",
            Self::ClassNotAllowed => "class_not_allowed",
            Self::CountryNotAllowed => "country_not_allowed",
            Self::DailyLimit => "daily_limit",
            Self::Draining => "draining",
            Self::EmergencyNotPossible => "emergency_not_possible",
            Self::InvalidNumber => "invalid_number",
            Self::NodeUnavailable => "node_unavailable",
            Self::NoNumberAssigned => "no_number_assigned",
            Self::NoNumberAvailable => "no_number_available",
            Self::NotAnAgent => "not_an_agent",
            Self::StoreUnavailable => "store_unavailable",
        }
    }

    /// What the agent is told, and what to do.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::AgentInactive => "This agent is switched off. Please contact your administrator.",
            Self::AgentDailyLimit | Self::DailyLimit => "Daily call limit reached. Please contact your administrator.",
            Self::CampaignHasNoNumber => {
                "None of your numbers belongs to this campaign, or it is not active. Please contact your administrator."
            }
            Self::ClassNotAllowed => "Calls to this kind of number are not allowed.",
            Self::CountryNotAllowed => "Calls to this country are not allowed for your numbers.",
            Self::Draining | Self::NodeUnavailable | Self::StoreUnavailable => {
                "The call cannot be placed right now. Please try again in a moment."
            }
            Self::EmergencyNotPossible => "Emergency calls are not possible here. Use a mobile phone: 112 or 911.",
            Self::InvalidNumber => "The number you dialled is not a valid phone number.",
            Self::NoNumberAssigned => "No phone number assigned to you. Please contact your administrator.",
            Self::NoNumberAvailable => "None of your numbers can be used for this call right now.",
            Self::NotAnAgent => "This phone is not assigned to an agent. Please contact your administrator.",
        }
    }

    /// The announcement that says it, in `asterisk-conf/sounds/cordboard`.
    pub fn prompt(self) -> &'static str {
        match self {
            Self::AgentInactive | Self::NotAnAgent => "not-an-agent",
            Self::AgentDailyLimit | Self::DailyLimit => "daily-limit",
            Self::ClassNotAllowed => "class-not-allowed",
            Self::CountryNotAllowed => "country-not-allowed",
            Self::Draining | Self::NodeUnavailable | Self::StoreUnavailable => "try-later",
            Self::EmergencyNotPossible => "emergency-not-possible",
            Self::InvalidNumber => "invalid-number",
            Self::NoNumberAssigned => "no-number",
            Self::CampaignHasNoNumber | Self::NoNumberAvailable => "no-number-available",
        }
    }

    /// The Q.850 cause with which the agent's leg ends, chosen by the SIP status Asterisk makes of it.
    pub fn cause(self) -> HangupCause {
        match self {
            // 403 Forbidden
            Self::AgentInactive
            | Self::AgentDailyLimit
            | Self::CampaignHasNoNumber
            | Self::ClassNotAllowed
            | Self::CountryNotAllowed
            | Self::DailyLimit
            | Self::NoNumberAssigned
            | Self::NotAnAgent => HangupCause(21),
            // 484 Address Incomplete
            Self::InvalidNumber => HangupCause(28),
            // 503 Service Unavailable
            Self::Draining
            | Self::EmergencyNotPossible
            | Self::NodeUnavailable
            | Self::NoNumberAvailable
            | Self::StoreUnavailable => HangupCause(42),
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A Q.850 cause with which we end a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HangupCause(pub u16);

impl HangupCause {
    /// 16, normal clearing.
    pub const NORMAL: Self = Self(16);

    /// With what the agent's leg ends when the customer's leg ended with `cause`, so that the agent's phone shows busy as
    /// busy. Normal clearing of an unanswered leg would read as 603 Decline.
    pub fn passed_on(cause: Option<u16>) -> Self {
        match cause {
            Some(cause @ 1..=127) => Self(cause),
            Some(_) | None => Self::NORMAL,
        }
    }
}
