//! What happened to a call, in the past tense. The only thing stored of a call's life, and the only thing that changes a
//! [`Call`](super::call::Call). No phone number stands in a fact: people's numbers live apart, so that erasing somebody
//! does not rewrite the log.

use super::ids::ChannelId;
use super::outcome::{Disposition, RefusalReason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that happened. `at` is Asterisk's own time where Asterisk told us, else the daemon's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// An agent asked for a call.
    Requested {
        /// When.
        at: Timestamp,
        /// By which door.
        origin: Origin,
        /// The agent's channel, if the agent's phone made the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_channel: Option<ChannelId>,
    },
    /// The call may not be made.
    Refused {
        /// When.
        at: Timestamp,
        /// The reason that weighs most; all of them are in the decision.
        reason: RefusalReason,
    },
    /// The call may be made. Unless it is an emergency call, its quota is now reserved.
    Admitted {
        /// When.
        at: Timestamp,
        /// No rule was applied and nothing is counted.
        #[serde(default)]
        emergency: bool,
    },
    /// Click-to-call: the agent's own phone is told to ring.
    AgentDialled {
        /// When.
        at: Timestamp,
        /// The channel towards the agent's phone.
        channel: ChannelId,
    },
    /// The agent's phone rings.
    AgentRinging {
        /// When.
        at: Timestamp,
    },
    /// The agent picked up (click-to-call).
    AgentAnswered {
        /// When.
        at: Timestamp,
    },
    /// The customer's channel stands ready in the bridge and the order to dial is given.
    CustomerDialled {
        /// When.
        at: Timestamp,
        /// The channel towards the customer.
        channel: ChannelId,
    },
    /// Asterisk says that the INVITE left for the carrier: the quota is used.
    InviteSent {
        /// When.
        at: Timestamp,
    },
    /// The carrier sends audio before the answer.
    EarlyMedia {
        /// When.
        at: Timestamp,
    },
    /// The customer's phone rings.
    Ringing {
        /// When.
        at: Timestamp,
    },
    /// The customer picked up.
    Answered {
        /// When.
        at: Timestamp,
    },
    /// Somebody wants the call to end.
    HangupAsked {
        /// When.
        at: Timestamp,
        /// Who.
        by: Party,
    },
    /// One of the two channels is gone.
    LegEnded {
        /// When.
        at: Timestamp,
        /// Which.
        leg: Leg,
        /// The Q.850 cause, if Asterisk gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<u16>,
        /// The SIP status behind it, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sip_code: Option<u16>,
    },
    /// Nothing of the call is left in Asterisk; its record is final.
    Settled {
        /// When.
        at: Timestamp,
        /// How it ended.
        disposition: Disposition,
        /// Times are a best guess, because nobody can know.
        #[serde(default)]
        estimated: bool,
    },
}

impl Fact {
    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Requested { at, .. }
            | Self::Refused { at, .. }
            | Self::Admitted { at, .. }
            | Self::AgentDialled { at, .. }
            | Self::AgentRinging { at }
            | Self::AgentAnswered { at }
            | Self::CustomerDialled { at, .. }
            | Self::InviteSent { at }
            | Self::EarlyMedia { at }
            | Self::Ringing { at }
            | Self::Answered { at }
            | Self::HangupAsked { at, .. }
            | Self::LegEnded { at, .. }
            | Self::Settled { at, .. } => *at,
        }
    }

    /// The name under which the fact is stored: the `kind` of its JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::Refused { .. } => "refused",
            Self::Admitted { .. } => "admitted",
            Self::AgentDialled { .. } => "agent_dialled",
            Self::AgentRinging { .. } => "agent_ringing",
            Self::AgentAnswered { .. } => "agent_answered",
            Self::CustomerDialled { .. } => "customer_dialled",
            Self::InviteSent { .. } => "invite_sent",
            Self::EarlyMedia { .. } => "early_media",
            Self::Ringing { .. } => "ringing",
            Self::Answered { .. } => "answered",
            Self::HangupAsked { .. } => "hangup_asked",
            Self::LegEnded { .. } => "leg_ended",
            Self::Settled { .. } => "settled",
        }
    }
}

/// By which door a call was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The agent dialled on a phone: a softphone or a browser.
    Phone,
    /// Click-to-call: asked for over HTTP, so the agent's own phone is called first.
    Api,
}

impl Origin {
    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Api => "api",
        }
    }
}

/// One of a call's two channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// Towards the agent.
    Agent,
    /// Towards the customer.
    Customer,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The agent's phone.
    Agent,
    /// The customer, or the carrier for them.
    Customer,
    /// Someone by the API or the command line.
    Api,
    /// A time limit, Asterisk or the daemon itself.
    System,
}

impl Party {
    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Customer => "customer",
            Self::Api => "api",
            Self::System => "system",
        }
    }
}
