//! The few parts of Asterisk's messages that we read. `type` first, then only what that event needs, without copying;
//! unknown events and unknown fields are no errors.

use crate::core::ids::{ChannelId, ChannelName};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// Why a message could not be read. It never repeats the message, which holds phone numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is no JSON object with a `type`.
    #[error("not an event: {0}")]
    NotAnEvent(Fault),
    /// An event that we know, without the parts that we need.
    #[error("{event}: {fault}")]
    Event {
        /// Its type.
        event: &'static str,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No JSON.
    #[error("not JSON at byte {column}")]
    Syntax {
        /// Where.
        column: usize,
    },
    /// It ends too early.
    #[error("cut off")]
    Cut,
    /// JSON, but a field is missing or of another kind.
    #[error("a field is missing or of the wrong kind, before byte {column}")]
    Shape {
        /// Where the fault was noticed.
        column: usize,
    },
    /// Not UTF-8 text.
    #[error("not text")]
    NotText,
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Eof => Self::Cut,
            serde_json::error::Category::Syntax => Self::Syntax { column: error.column() },
            serde_json::error::Category::Data | serde_json::error::Category::Io => {
                Self::Shape { column: error.column() }
            }
        }
    }
}

/// An event that we know.
#[derive(Debug)]
pub(super) enum Event<'a> {
    StasisStart(StasisStart<'a>),
    StasisEnd(ChannelOnly),
    Dial(Dial<'a>),
    StateChange(StateChange),
    HangupRequest(HangupRequest),
    Destroyed(Destroyed),
    PlaybackFinished(PlaybackFinished<'a>),
    Userevent(Userevent<'a>),
    Replaced,
    /// Known and not needed.
    Unneeded(&'static str),
    /// Not known at all.
    Unknown,
}

#[derive(Debug, Deserialize)]
pub(super) struct StasisStart<'a> {
    #[serde(deserialize_with = "timestamp")]
    pub timestamp: Timestamp,
    #[serde(borrow, default)]
    pub args: Vec<Text<'a>>,
    #[serde(borrow)]
    pub channel: Entering<'a>,
}

/// The channel of a [`StasisStart`].
#[derive(Debug, Deserialize)]
pub(super) struct Entering<'a> {
    pub id: ChannelId,
    /// None if it has characters that none of our own channels can have.
    #[serde(deserialize_with = "lenient_name")]
    pub name: Option<ChannelName>,
    #[serde(borrow)]
    pub dialplan: Dialplan<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dialplan<'a> {
    #[serde(borrow)]
    pub exten: Text<'a>,
}

/// Borrowed where the JSON has no escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

#[derive(Debug, Deserialize)]
pub(super) struct ChannelOnly {
    #[serde(deserialize_with = "timestamp")]
    pub timestamp: Timestamp,
    pub channel: Subject,
}

/// A channel of which only the id matters.
#[derive(Debug, Deserialize)]
pub(super) struct Subject {
    pub id: ChannelId,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dial<'a> {
    #[serde(deserialize_with = "timestamp")]
    pub timestamp: Timestamp,
    #[serde(borrow)]
    pub dialstatus: Text<'a>,
    pub peer: Subject,
}

#[derive(Debug, Deserialize)]
pub(super) struct StateChange {
    #[serde(deserialize_with = "timestamp")]
    pub timestamp: Timestamp,
    pub channel: Stated,
}

#[derive(Debug, Deserialize)]
pub(super) struct Stated {
    pub id: ChannelId,
    pub state: State,
}

/// The channel states, of which three matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum State {
    Down,
    #[serde(rename = "Rsrvd")]
    Reserved,
    Ringing,
    Up,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct HangupRequest {
    #[serde(deserialize_with = "timestamp")]
    pub timestamp: Timestamp,
    pub channel: Subject,
    /// The application or a time limit asks, not the party. The `cause` beside it is no hangup cause.
    #[serde(default)]
    pub soft: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Destroyed {
    #[serde(deserialize_with = "timestamp")]
    pub timestamp: Timestamp,
    pub channel: Subject,
    #[serde(default)]
    pub cause: u16,
    #[serde(default)]
    pub tech_cause: Option<u16>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PlaybackFinished<'a> {
    #[serde(deserialize_with = "timestamp")]
    pub timestamp: Timestamp,
    #[serde(borrow)]
    pub playback: Playback<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Playback<'a> {
    #[serde(borrow)]
    pub target_uri: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Userevent<'a> {
    #[serde(borrow)]
    pub eventname: Text<'a>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
}

/// Events that Asterisk may send and we do not need. All of them are filtered at the source, see [`UNWANTED`].
const UNNEEDED: &[&str] = &[
    "ApplicationMoveFailed",
    "ApplicationRegistered",
    "ApplicationUnregistered",
    "BridgeAttendedTransfer",
    "BridgeBlindTransfer",
    "BridgeCreated",
    "BridgeDestroyed",
    "BridgeMerged",
    "BridgeVideoSourceChanged",
    "CallBroadcast",
    "ChannelCallerId",
    "ChannelConnectedLine",
    "ChannelCreated",
    "ChannelDialplan",
    "ChannelDtmfReceived",
    "ChannelEnteredBridge",
    "ChannelHold",
    "ChannelLeftBridge",
    "ChannelTalkingFinished",
    "ChannelTalkingStarted",
    "ChannelToneDetected",
    "ChannelTransfer",
    "ChannelUnhold",
    "ChannelVarset",
    "ContactStatusChange",
    "DeviceStateChanged",
    "EndpointStateChange",
    "PeerStatusChange",
    "PlaybackContinuing",
    "PlaybackStarted",
    "RESTResponse",
    "RecordingFailed",
    "RecordingFinished",
    "RecordingStarted",
    "TextMessageReceived",
];

/// What Asterisk is asked not to send: two thirds of a call's messages, and the digits that people type.
pub(super) const UNWANTED: &[&str] = &[
    "BridgeDestroyed",
    "ChannelCallerId",
    "ChannelConnectedLine",
    "ChannelDialplan",
    "ChannelDtmfReceived",
    "ChannelEnteredBridge",
    "ChannelHold",
    "ChannelLeftBridge",
    "ChannelUnhold",
    "ChannelVarset",
    "PlaybackStarted",
];

/// Reads one message.
pub(super) fn parse(text: &str) -> Result<Event<'_>, Malformed> {
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|e| Malformed::NotAnEvent(e.into()))?;
    let kind: &str = &envelope.kind.0;
    Ok(match kind {
        "StasisStart" => Event::StasisStart(body("StasisStart", text)?),
        "StasisEnd" => Event::StasisEnd(body("StasisEnd", text)?),
        "Dial" => Event::Dial(body("Dial", text)?),
        "ChannelStateChange" => Event::StateChange(body("ChannelStateChange", text)?),
        "ChannelHangupRequest" => Event::HangupRequest(body("ChannelHangupRequest", text)?),
        "ChannelDestroyed" => Event::Destroyed(body("ChannelDestroyed", text)?),
        "PlaybackFinished" => Event::PlaybackFinished(body("PlaybackFinished", text)?),
        "ChannelUserevent" => Event::Userevent(body("ChannelUserevent", text)?),
        "ApplicationReplaced" => Event::Replaced,
        other => UNNEEDED.iter().find(|known| **known == other).map_or(Event::Unknown, |known| Event::Unneeded(known)),
    })
}

fn body<'a, T: Deserialize<'a>>(event: &'static str, text: &'a str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|e| Malformed::Event { event, fault: e.into() })
}

/// Asterisk's `2026-11-21T10:23:39.479+0000`.
pub(super) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = Text::deserialize(deserializer)?;
    text.0.parse().map_err(|_| serde::de::Error::custom("not a time"))
}

fn lenient_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ChannelName>, D::Error> {
    Ok(Text::deserialize(deserializer)?.0.parse().ok())
}
