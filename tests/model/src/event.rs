//! What Asterisk tells the application.

use crate::asterisk::{Micros, timestamp};
use crate::channel::{Channel, State};
use cordboard::ari::Translated;
use cordboard::core::ids::ChannelId;
use cordboard::core::input::{ChannelEvent, Input};

/// One message of the event socket.
#[derive(Clone, Debug)]
pub struct Event {
    /// When Asterisk made it.
    pub at: Micros,
    /// What.
    pub kind: Kind,
    /// The channel, as it was then. None for what concerns no channel.
    pub channel: Option<Box<Channel>>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It entered the application.
    StasisStart,
    /// It left the application.
    StasisEnd,
    /// A dial began (empty) or went on.
    Dial(&'static str),
    /// Its state changed.
    StateChange,
    /// Somebody wants it to end.
    HangupRequest {
        /// As it is in the message; no hangup cause.
        cause: Option<u16>,
        /// SIP status.
        tech_cause: Option<u16>,
        /// Not its far end wants it.
        soft: bool,
    },
    /// It is gone.
    Destroyed {
        /// Q.850 cause.
        cause: u16,
        /// SIP status.
        tech_cause: Option<u16>,
    },
    /// It joined a bridge.
    EnteredBridge(String),
    /// It left a bridge.
    LeftBridge(String),
    /// An announcement on it ended.
    PlaybackFinished,
    /// A test message came back.
    Userevent(String),
    /// Another socket took the application. The last message of a socket.
    Replaced,
}

impl Kind {
    /// The `type` of the message.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StasisStart => "StasisStart",
            Self::StasisEnd => "StasisEnd",
            Self::Dial(_) => "Dial",
            Self::StateChange => "ChannelStateChange",
            Self::HangupRequest { .. } => "ChannelHangupRequest",
            Self::Destroyed { .. } => "ChannelDestroyed",
            Self::EnteredBridge(_) => "ChannelEnteredBridge",
            Self::LeftBridge(_) => "ChannelLeftBridge",
            Self::PlaybackFinished => "PlaybackFinished",
            Self::Userevent(_) => "ChannelUserevent",
            Self::Replaced => "ApplicationReplaced",
        }
    }
}

impl Event {
    /// What the ARI client makes of it, without the way over JSON; none for what it ignores. `tests/ari.rs` holds the two
    /// against each other.
    pub fn translated(&self) -> Option<Translated> {
        let channel = match (&self.kind, &self.channel) {
            (Kind::Userevent(name), _) => return Some(Translated::Canary(name.clone())),
            (Kind::Replaced, _) => return Some(Translated::Replaced),
            (_, channel) => channel.as_ref()?,
        };
        let (id, at): (ChannelId, _) = (channel.id.parse().ok()?, timestamp(self.at / 1000 * 1000));
        let event = match self.kind {
            Kind::StasisStart if channel.incoming => {
                let (name, raw) = (channel.name.parse().ok()?, channel.exten.clone());
                return Some(Translated::AgentDialled { channel: id, name, raw, at });
            }
            Kind::StasisStart => ChannelEvent::Started,
            Kind::StasisEnd => ChannelEvent::Left,
            Kind::Dial("") => ChannelEvent::DialBegan,
            Kind::Dial("PROGRESS") => ChannelEvent::EarlyMedia,
            Kind::Dial("RINGING") => ChannelEvent::Ringing,
            Kind::Dial("ANSWER") => ChannelEvent::Up,
            Kind::StateChange => match channel.state {
                State::Ringing => ChannelEvent::Ringing,
                State::Up => ChannelEvent::Up,
                State::Down | State::Ring => return None,
            },
            Kind::HangupRequest { soft, .. } => ChannelEvent::HangupRequested { by_party: !soft },
            Kind::Destroyed { cause, tech_cause } => {
                ChannelEvent::Destroyed { cause: (cause != 0).then_some(cause), sip_code: tech_cause }
            }
            Kind::PlaybackFinished => ChannelEvent::Played,
            Kind::Dial(_) | Kind::EnteredBridge(_) | Kind::LeftBridge(_) | Kind::Userevent(_) | Kind::Replaced => {
                return None;
            }
        };
        Some(Translated::Input(Input::Channel { channel: id, event, at }))
    }
}
