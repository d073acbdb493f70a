//! What the engine asks of the shell.

use super::ids::{BridgeId, ChannelId, EndpointName, RequestId, TrunkName};
use super::input::Dialled;
use super::number::E164;
use super::outcome::{HangupCause, RefusalReason};

/// One order. The shell carries out the orders of one call as [`Orders`](super::orders::Orders) says.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Decide, reserve and write the row, in one transaction.
    Admit {
        /// The agent's phone.
        endpoint: EndpointName,
        /// What was dialled.
        dialled: Dialled,
    },
    /// Write the row of a call that is not decided by the database: an emergency call, or one refused without asking it.
    Enter {
        /// The agent's phone, if the channel named one.
        endpoint: Option<EndpointName>,
        /// What was dialled.
        dialled: Dialled,
    },
    /// Make the bridge.
    CreateBridge {
        /// Its id.
        bridge: BridgeId,
    },
    /// Make a channel. Nothing is sent to anybody yet.
    CreateChannel(ChannelSpec),
    /// Put channels into the bridge.
    AddToBridge {
        /// Which bridge.
        bridge: BridgeId,
        /// Which channels.
        channels: Vec<ChannelId>,
    },
    /// Send the INVITE.
    Dial {
        /// The channel to dial.
        channel: ChannelId,
        /// Asterisk gives up after this many seconds; none for emergency calls.
        timeout_s: Option<u32>,
    },
    /// Play an announcement.
    Play {
        /// To whom.
        channel: ChannelId,
        /// Its name in `asterisk-conf/sounds/cordboard`.
        prompt: &'static str,
    },
    /// End a channel.
    HangUp {
        /// Which.
        channel: ChannelId,
        /// With which Q.850 cause.
        cause: HangupCause,
    },
    /// Remove the bridge.
    DestroyBridge {
        /// Which.
        bridge: BridgeId,
    },
    /// Ask what became of a channel.
    Probe {
        /// Which.
        channel: ChannelId,
    },
    /// Answer an API request.
    Reply {
        /// Which.
        request: RequestId,
        /// What.
        answer: Answer,
    },
}

/// A channel to make, with all that Asterisk needs to end it without us.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelSpec {
    /// Its id, made from the call's.
    pub channel: ChannelId,
    /// Whom it will call.
    pub target: Target,
    /// What the called party sees as caller; never empty towards a carrier.
    pub present: Option<E164>,
    /// The agent's channel: gives the codecs, and subscribes us to that channel's end. If the agent's phone made it, its end
    /// ends this one from now on, even without us.
    pub originator: Option<ChannelId>,
    /// The leg that ends when this one does, even without us; it need not exist yet.
    pub peer: Option<ChannelId>,
    /// Asterisk ends it after this many seconds, whatever happens; none for emergency calls.
    pub max_call_s: Option<u32>,
}

/// Whom a channel calls. The only thing a dial string is ever built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A phone number by a trunk.
    Number {
        /// The number.
        number: E164,
        /// The trunk.
        trunk: TrunkName,
        /// Whether the trunk wants `+` before numbers.
        plus: bool,
    },
    /// An emergency number by a trunk, as it was dialled.
    Emergency {
        /// The digits.
        digits: EmergencyDigits,
        /// The trunk.
        trunk: TrunkName,
    },
    /// An agent's phone.
    Agent {
        /// Its endpoint.
        endpoint: EndpointName,
        /// Ask the phone to answer by itself.
        auto_answer: bool,
    },
}

/// An emergency number: two to eight digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencyDigits(String);

impl EmergencyDigits {
    /// The digits of what was dialled, without separators, if there are two to eight of them.
    pub fn of(raw: &str) -> Option<Self> {
        let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
        (2..=8).contains(&digits.len()).then_some(Self(digits))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The answer to an API request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The call is admitted; the agent's phone is about to ring.
    Admitted,
    /// The call is refused.
    Refused(RefusalReason),
    /// It will end, or has ended already.
    HangingUp,
    /// There is no such call any more.
    NoSuchCall,
}

/// Which command an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// [`Command::CreateBridge`]
    CreateBridge,
    /// [`Command::CreateChannel`] towards the agent.
    CreateAgent,
    /// [`Command::CreateChannel`] towards the customer.
    CreateCustomer,
    /// [`Command::AddToBridge`]
    Join,
    /// [`Command::Dial`] of the agent's phone.
    DialAgent,
    /// [`Command::Dial`] of the customer.
    DialCustomer,
    /// [`Command::Play`]
    Play,
    /// A command that needs no answer.
    Other,
}

impl Command {
    /// Whether the orders after it make no sense without it: a leg without its safety net or outside the bridge must
    /// never be dialled.
    pub fn must(&self) -> bool {
        match self {
            Self::CreateBridge { .. }
            | Self::CreateChannel(_)
            | Self::AddToBridge { .. }
            | Self::Dial { .. }
            | Self::Play { .. } => true,
            Self::Admit { .. }
            | Self::Enter { .. }
            | Self::HangUp { .. }
            | Self::DestroyBridge { .. }
            | Self::Probe { .. }
            | Self::Reply { .. } => false,
        }
    }

    /// Whether it ends something, and so is carried out whatever went wrong before it.
    pub fn ends(&self) -> bool {
        matches!(self, Self::HangUp { .. } | Self::DestroyBridge { .. })
    }

    /// Which answer belongs to it.
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::CreateBridge { .. } => CommandKind::CreateBridge,
            Self::CreateChannel(spec) => match spec.target {
                Target::Agent { .. } => CommandKind::CreateAgent,
                Target::Number { .. } | Target::Emergency { .. } => CommandKind::CreateCustomer,
            },
            Self::AddToBridge { .. } => CommandKind::Join,
            Self::Dial { channel, .. } => match channel.leg() {
                Some(super::fact::Leg::Agent) => CommandKind::DialAgent,
                Some(super::fact::Leg::Customer) | None => CommandKind::DialCustomer,
            },
            Self::Play { .. } => CommandKind::Play,
            Self::Admit { .. }
            | Self::Enter { .. }
            | Self::HangUp { .. }
            | Self::DestroyBridge { .. }
            | Self::Probe { .. }
            | Self::Reply { .. } => CommandKind::Other,
        }
    }
}
