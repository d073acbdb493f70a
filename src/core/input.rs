//! What the world says to the engine. It may come late, twice, or out of order.

use super::command::CommandKind;
use super::ids::{
    AgentId, CallId, CampaignId, ChannelId, ChannelName, EndpointName, NumberId, OrganizationId, RequestId, TrunkName,
};
use super::number::E164;
use super::outcome::RefusalReason;
use super::record::Record;
use jiff::Timestamp;

/// One thing that the world says.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// An agent dialled on a phone: its channel entered our application.
    AgentDialled {
        /// A fresh id for the call.
        call: CallId,
        /// The agent's channel, whose id Asterisk made.
        channel: ChannelId,
        /// Its name; it says which endpoint calls.
        name: ChannelName,
        /// What was dialled.
        dialled: Dialled,
        /// Asterisk's time.
        at: Timestamp,
    },
    /// Someone asked over the API that an agent be connected with a number.
    CallAsked {
        /// A fresh id for the call.
        call: CallId,
        /// Who waits for the answer.
        request: RequestId,
        /// The agent's endpoint.
        endpoint: EndpointName,
        /// The number to call.
        dialled: Dialled,
    },
    /// Someone asked over the API that a call end.
    HangupAsked {
        /// Which call.
        call: CallId,
        /// Who waits for the answer.
        request: RequestId,
    },
    /// The rules chose a number, and its reservation is on its way to the database. What rings nobody can be made already;
    /// [`Input::Decided`] follows, and may say otherwise.
    Chosen {
        /// Which call.
        call: CallId,
        /// What will be admitted if nobody was faster.
        admission: Box<Admission>,
    },
    /// The rules and the counters had their say, and the database has it.
    Decided {
        /// Which call.
        call: CallId,
        /// What they said.
        verdict: Verdict,
        /// When, as it is stored.
        at: Timestamp,
    },
    /// Something happened to a channel.
    Channel {
        /// Which one.
        channel: ChannelId,
        /// What.
        event: ChannelEvent,
        /// Asterisk's time.
        at: Timestamp,
    },
    /// How a command ended.
    Carried {
        /// Which call's.
        call: CallId,
        /// Which command.
        command: CommandKind,
        /// How.
        outcome: Carried,
    },
    /// The event socket stands, and these are all channels and bridges of ours in Asterisk.
    Listed {
        /// Asterisk's start time, which changes when it restarts.
        node_started_at: Timestamp,
        /// Every channel.
        channels: Vec<ListedChannel>,
        /// Every bridge made by a call.
        bridges: Vec<CallId>,
        /// The moment of the listing: what was made after it is not in it.
        at: Timestamp,
    },
    /// The event socket is lost: nothing is heard until [`Input::Listed`] comes.
    Disconnected,
    /// A call that the database knows as unfinished, at the start of the daemon.
    Restored {
        /// Which call.
        call: CallId,
        /// The fold of its facts.
        record: Box<Record>,
        /// What was admitted.
        admission: Option<Box<Admission>>,
    },
    /// From now on no new calls.
    Drain,
    /// From now on new calls are refused for this reason, emergency calls excepted: Asterisk is not found fit for them, or what
    /// was unfinished is not known yet. None: they are taken.
    Refuse {
        /// Why.
        reason: Option<RefusalReason>,
    },
    /// The moment named by [`Engine::deadline`](super::engine::Engine::deadline) has come.
    DeadlinePassed,
}

/// What an agent dialled, before any parsing. Hostile until proven otherwise, hence no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Dialled {
    /// The raw text, as it came.
    pub raw: String,
    /// It is an emergency number where the agent is, judged on the raw digits before anything else.
    pub emergency: bool,
    /// What emergency services shall see as caller, if the organization has a number of its own for that.
    pub call_back: Option<E164>,
    /// For which campaign the call is asked for, if for one.
    pub campaign: Option<CampaignId>,
}

impl std::fmt::Debug for Dialled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialled({} bytes, emergency: {})", self.raw.len(), self.emergency)
    }
}

/// What the rules and the counters said.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The call may be made; its row, its decision and its reservation stand.
    Admitted(Box<Admission>),
    /// It may not; its row and its decision stand.
    Refused(RefusalReason),
    /// It is an emergency number after all: the agent's country was not known before the database was asked.
    Emergency,
    /// The database could not be asked, so nothing was counted and nothing may be dialled.
    Unavailable,
}

/// All that is needed to make an admitted call.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    /// The tenant.
    pub organization: OrganizationId,
    /// Who talks.
    pub agent: AgentId,
    /// The agent's phone.
    pub endpoint: EndpointName,
    /// The number chosen; none for an emergency call.
    pub number: Option<NumberId>,
    /// The caller ID to present.
    pub present: E164,
    /// Whom to call.
    pub destination: E164,
    /// By which trunk.
    pub trunk: TrunkName,
    /// Whether the trunk wants `+` before numbers.
    pub plus: bool,
}

/// Something that happened to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// It is in our application: from here on it can be told what to do.
    Started,
    /// Its INVITE leaves.
    DialBegan,
    /// Audio before the answer.
    EarlyMedia,
    /// It rings.
    Ringing,
    /// It was answered.
    Up,
    /// Somebody wants it to end.
    HangupRequested {
        /// The party at its far end did, not the application or a time limit.
        by_party: bool,
    },
    /// It left our application.
    Left,
    /// It is gone.
    Destroyed {
        /// Q.850 cause.
        cause: Option<u16>,
        /// SIP status behind it.
        sip_code: Option<u16>,
    },
    /// An announcement on it came to its end.
    Played,
    /// A probe found it in this state.
    Probed(ListedState),
}

/// One channel as a listing shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedChannel {
    /// Its id.
    pub id: ChannelId,
    /// Its name.
    pub name: ChannelName,
    /// Its state.
    pub state: ListedState,
    /// The call in whose bridge it is; none: in none of ours.
    pub bridge: Option<CallId>,
}

/// A channel's state in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedState {
    /// Made; perhaps dialled and not ringing yet.
    Down,
    /// An INVITE is under way or the phone rings.
    Ringing,
    /// Answered.
    Up,
    /// Not there.
    Gone,
}

/// How a command ended. The difference between the last two is what a dialler must not lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Asterisk did it.
    Done,
    /// Asterisk answered with a refusal; nothing happened.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The request never left this process; nothing happened.
    NotSent,
    /// The request left and no answer came: it may have happened. Never repeated if it can ring a phone.
    Unknown,
}
