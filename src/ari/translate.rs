//! From Asterisk's words to ours. Pure.

use super::wire::{self, Destroyed, Event, Malformed, StasisStart, State};
use crate::core::ids::{ChannelId, ChannelName};
use crate::core::input::{ChannelEvent, Input};
use jiff::Timestamp;
use std::fmt;

/// The first argument of `Stasis()` in the agents' context of the dialplan.
const OUTBOUND: &str = "outbound";

/// What a message means to us.
#[derive(Clone, PartialEq)]
pub enum Translated {
    /// Something happened to a channel: an [`Input::Channel`].
    Input(Input),
    /// An agent dialled on a phone.
    AgentDialled {
        /// The agent's channel.
        channel: ChannelId,
        /// Its name, which says which endpoint calls.
        name: ChannelName,
        /// What was dialled, as it came.
        raw: String,
        /// Asterisk's time.
        at: Timestamp,
    },
    /// Another client took our application. Nothing more comes on this socket.
    Replaced,
    /// One of our own test messages came back.
    Canary(String),
    /// A channel entered our application that is neither ours nor an agent's call.
    ForeignChannel {
        /// Which one.
        channel: ChannelId,
        /// Its name, if it has one that we could give back to Asterisk.
        name: Option<ChannelName>,
    },
    /// Nothing we need; the type, or `unknown`.
    Ignored(&'static str),
}

/// Without what was dialled.
impl fmt::Debug for Translated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(input) => f.debug_tuple("Input").field(input).finish(),
            Self::AgentDialled { channel, name, raw, at } => f
                .debug_struct("AgentDialled")
                .field("channel", channel)
                .field("name", name)
                .field("raw", &format_args!("{} bytes", raw.len()))
                .field("at", at)
                .finish(),
            Self::Replaced => f.write_str("Replaced"),
            Self::Canary(name) => f.debug_tuple("Canary").field(name).finish(),
            Self::ForeignChannel { channel, name } => {
                f.debug_struct("ForeignChannel").field("channel", channel).field("name", name).finish()
            }
            Self::Ignored(kind) => f.debug_tuple("Ignored").field(kind).finish(),
        }
    }
}

/// What the message says to us.
///
/// # Errors
/// It is no event, or an event that we know without the parts that we need.
pub fn translate(text: &str) -> Result<Translated, Malformed> {
    Ok(match wire::parse(text)? {
        Event::StasisStart(event) => started(event),
        Event::StasisEnd(event) => channel(event.channel.id, event.timestamp, ChannelEvent::Left),
        Event::Dial(event) => match &*event.dialstatus.0 {
            "" => channel(event.peer.id, event.timestamp, ChannelEvent::DialBegan),
            "PROGRESS" => channel(event.peer.id, event.timestamp, ChannelEvent::EarlyMedia),
            "RINGING" => channel(event.peer.id, event.timestamp, ChannelEvent::Ringing),
            "ANSWER" => channel(event.peer.id, event.timestamp, ChannelEvent::Up),
            // The outcome of a failed dial is in ChannelDestroyed.
            _ => Translated::Ignored("Dial"),
        },
        Event::StateChange(event) => match event.channel.state {
            State::Ringing => channel(event.channel.id, event.timestamp, ChannelEvent::Ringing),
            State::Up => channel(event.channel.id, event.timestamp, ChannelEvent::Up),
            State::Down | State::Reserved | State::Other => Translated::Ignored("ChannelStateChange"),
        },
        Event::HangupRequest(event) => {
            channel(event.channel.id, event.timestamp, ChannelEvent::HangupRequested { by_party: !event.soft })
        }
        Event::Destroyed(event) => destroyed(event),
        Event::PlaybackFinished(event) => match event.playback.target_uri.0.strip_prefix("channel:").map(str::parse) {
            Some(Ok(id)) => channel(id, event.timestamp, ChannelEvent::Played),
            Some(Err(_)) | None => Translated::Ignored("PlaybackFinished"),
        },
        Event::Userevent(event) => {
            let name = event.eventname.0;
            let plain = (1..=80).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if plain { Translated::Canary(name.into_owned()) } else { Translated::Ignored("ChannelUserevent") }
        }
        Event::Replaced => Translated::Replaced,
        Event::Unneeded(kind) => Translated::Ignored(kind),
        Event::Unknown => Translated::Ignored("unknown"),
    })
}

fn channel(channel: ChannelId, at: Timestamp, event: ChannelEvent) -> Translated {
    Translated::Input(Input::Channel { channel, event, at })
}

fn started(event: StasisStart<'_>) -> Translated {
    let StasisStart { timestamp: at, args, channel: entering } = event;
    match entering.name {
        _ if entering.id.owner().is_some() => channel(entering.id, at, ChannelEvent::Started),
        Some(name) if args.first().is_some_and(|arg| arg.0 == OUTBOUND) => {
            Translated::AgentDialled { channel: entering.id, name, raw: entering.dialplan.exten.0.into_owned(), at }
        }
        name => Translated::ForeignChannel { channel: entering.id, name },
    }
}

fn destroyed(event: Destroyed) -> Translated {
    let cause = (event.cause != 0).then_some(event.cause);
    channel(event.channel.id, event.timestamp, ChannelEvent::Destroyed { cause, sip_code: event.tech_cause })
}

#[cfg(test)]
mod tests;
