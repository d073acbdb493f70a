//! The events, made from facts. An event is the same each time it is told: its id is made from the call's, so a reader knows
//! what it has already.

use crate::core::fact::{Fact, Origin, Party};
use crate::core::ids::{AgentId, AssignmentId, CallId, EndpointName, NumberId, OrganizationId};
use crate::core::number::{E164, RegionCode};
use crate::core::outcome::{Disposition, RefusalReason};
use crate::core::record::Quota;
use crate::store::calls::CallRow;
use crate::store::events::Happening;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// What kind of event it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl EventType {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

types! {
    /// Click-to-call: the agent's phone rings.
    AgentRinging = "call.agent_ringing",
    /// Click-to-call: the agent picked up.
    AgentAnswered = "call.agent_answered",
    /// The customer picked up.
    CallAnswered = "call.answered",
    /// The call left for the carrier.
    CallDialled = "call.dialled",
    /// It is over and its record final.
    CallEnded = "call.ended",
    /// It may not be made.
    CallRefused = "call.refused",
    /// The customer's phone rings.
    CallRinging = "call.ringing",
    /// It may be made, and begins.
    CallStarted = "call.started",
    /// What is left of a day's calls has changed.
    UsageChanged = "usage.changed",
}

/// A text that is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be the name of an event, such as call.answered or usage.changed")]
pub struct UnknownEvent;

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EventType {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        Self::ALL.iter().copied().find(|event| event.as_str() == text).ok_or(UnknownEvent)
    }
}

/// Where an event stands among all others. A stream goes on behind the place of the last event that was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The transaction in which its fact was written.
    pub transaction: u64,
    /// The call; nil: before all of that transaction.
    pub call: Uuid,
    /// The fact's place among the call's.
    pub seq: i32,
    /// The event's place among those of the fact.
    pub nth: u8,
}

/// A text that is no place of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be the id of an event of the stream")]
pub struct UnknownPlace;

impl Place {
    /// Before everything that was written in this transaction, or later.
    pub fn before(transaction: u64) -> Self {
        Self { transaction, ..Self::default() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transaction, call, seq, nth } = self;
        if call.is_nil() {
            write!(f, "{transaction}")
        } else {
            write!(f, "{transaction}-{}-{seq}-{nth}", call.simple())
        }
    }
}

impl FromStr for Place {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, UnknownPlace> {
        let parts: Vec<&str> = text.split('-').collect();
        let wrong = |_| UnknownPlace;
        // No transaction has a number that Postgres could not give back.
        let transaction = parts[0].parse::<u64>().ok().filter(|n| i64::try_from(*n).is_ok()).ok_or(UnknownPlace)?;
        match parts.as_slice() {
            [_] => Ok(Self::before(transaction)),
            [_, call, seq, nth] => Ok(Self {
                transaction,
                call: Uuid::try_parse(call).map_err(|_| UnknownPlace)?,
                seq: seq.parse().map_err(wrong)?,
                nth: nth.parse().map_err(wrong)?,
            }),
            _ => Err(UnknownPlace),
        }
    }
}

/// Something that happened, for those who may know.
#[derive(Clone, Debug)]
pub struct Event {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub kind: EventType,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Whose call it was.
    pub agent: Option<AgentId>,
    /// What it says, as JSON: `id`, `type`, `timestamp` and `data`.
    pub json: String,
}

#[derive(Serialize)]
struct Body<'a, T> {
    id: &'a str,
    r#type: EventType,
    timestamp: Timestamp,
    data: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallData<'a> {
    call_id: CallId,
    agent_id: Option<AgentId>,
    agent: Option<&'a EndpointName>,
    agent_name: Option<&'a str>,
    from: Option<E164>,
    to: Option<E164>,
    number_id: Option<NumberId>,
    region: Option<RegionCode>,
    origin: Option<Origin>,
    emergency: bool,
    #[serde(flatten)]
    more: More<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum More<'a> {
    Nothing {},
    #[serde(rename_all = "camelCase")]
    Refused {
        reason: RefusalReason,
        sentence: Option<&'a str>,
    },
    #[serde(rename_all = "camelCase")]
    Ended {
        disposition: Disposition,
        answered_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
        hung_up_by: Option<Party>,
        cause: Option<u16>,
        sip_code: Option<u16>,
        ring_ms: Option<i64>,
        talk_ms: Option<i64>,
        estimated: bool,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageData<'a> {
    call_id: CallId,
    agent_id: Option<AgentId>,
    agent: Option<&'a EndpointName>,
    assignment_id: Option<AssignmentId>,
    number_id: Option<NumberId>,
    from: Option<E164>,
    day: Option<jiff::civil::Date>,
    /// As it is when this is told, which may be later than when it happened.
    calls_made_today: i32,
    daily_limit: Option<i32>,
    remaining: Option<i32>,
    agent_calls_today: i32,
    agent_daily_limit: Option<i32>,
}

/// The kinds of facts that are told. Of the others nobody hears.
const TOLD: [&str; 8] =
    ["admitted", "agent_answered", "agent_ringing", "answered", "invite_sent", "refused", "ringing", "settled"];

/// What is told of a fact, in order.
fn types_of(fact: &Fact, call: &CallRow) -> Vec<EventType> {
    use EventType::{
        AgentAnswered, AgentRinging, CallAnswered, CallDialled, CallEnded, CallRefused, CallRinging, CallStarted,
        UsageChanged,
    };
    match fact {
        Fact::Admitted { emergency: true, .. } => vec![CallStarted],
        Fact::Admitted { emergency: false, .. } => vec![CallStarted, UsageChanged],
        Fact::Refused { .. } => vec![CallRefused],
        Fact::AgentRinging { .. } => vec![AgentRinging],
        Fact::AgentAnswered { .. } => vec![AgentAnswered],
        Fact::InviteSent { .. } => vec![CallDialled],
        Fact::Ringing { .. } => vec![CallRinging],
        Fact::Answered { .. } => vec![CallAnswered],
        // That it was refused is told already.
        Fact::Settled { .. } if call.refusal.is_some() => Vec::new(),
        Fact::Settled { .. } if call.quota == Quota::Refunded => vec![CallEnded, UsageChanged],
        Fact::Settled { .. } => vec![CallEnded],
        Fact::Requested { .. }
        | Fact::AgentDialled { .. }
        | Fact::CustomerDialled { .. }
        | Fact::EarlyMedia { .. }
        | Fact::HangupAsked { .. }
        | Fact::LegEnded { .. } => Vec::new(),
    }
}

impl Event {
    /// The events of one thing that happened, in order. None if it is nobody's.
    pub fn of(happening: &Happening) -> Vec<Self> {
        let Some(organization) = happening.call.organization_id else { return Vec::new() };
        let kinds = types_of(&happening.fact, &happening.call).into_iter();
        let event = |(nth, kind)| Self {
            place: Place { transaction: happening.transaction, call: happening.call.id.0, seq: happening.seq, nth },
            kind,
            organization,
            agent: happening.call.agent_id,
            json: json(happening, kind),
        };
        (0..).zip(kinds).map(event).collect()
    }

    /// Of many things, in the order of their places.
    pub fn of_all(happenings: &[Happening]) -> Vec<Self> {
        let mut events: Vec<Self> = happenings.iter().flat_map(Self::of).collect();
        events.sort_by_key(|event| event.place);
        events
    }

    /// The kinds of facts that are told, as they are stored.
    pub fn told() -> &'static [&'static str] {
        &TOLD
    }

    /// Its id: the same wherever and however often it is told.
    pub fn id(call: CallId, seq: i32, kind: EventType) -> String {
        let family = if kind == EventType::UsageChanged { "_usage" } else { "" };
        format!("evt_{}_{seq}{family}", call.0.simple())
    }
}

fn json(happening: &Happening, kind: EventType) -> String {
    let Happening { seq, fact, call, usage, .. } = happening;
    let id = Event::id(call.id, *seq, kind);
    let (id, timestamp) = (id.as_str(), fact.at());
    let text = if kind == EventType::UsageChanged {
        let data = UsageData {
            call_id: call.id,
            agent_id: call.agent_id,
            agent: call.endpoint.as_ref(),
            assignment_id: call.assignment_id,
            number_id: call.number_id,
            from: call.presented,
            day: call.day,
            calls_made_today: usage.used.unwrap_or_default(),
            daily_limit: usage.limit,
            remaining: usage.limit.map(|limit| (limit - usage.used.unwrap_or_default()).max(0)),
            agent_calls_today: usage.agent_used.unwrap_or_default(),
            agent_daily_limit: usage.agent_limit,
        };
        serde_json::to_string(&Body { id, r#type: kind, timestamp, data })
    } else {
        serde_json::to_string(&Body { id, r#type: kind, timestamp, data: call_data(fact, call) })
    };
    // Texts and numbers always have a form in JSON.
    text.unwrap_or_default()
}

fn call_data<'a>(fact: &Fact, call: &'a CallRow) -> CallData<'a> {
    let more = match *fact {
        Fact::Refused { reason, .. } => More::Refused { reason, sentence: call.refusal_sentence.as_deref() },
        Fact::Settled { disposition, estimated, .. } => More::Ended {
            disposition,
            answered_at: call.answered_at,
            ended_at: call.ended_at,
            hung_up_by: call.hung_up_by,
            cause: call.cause,
            sip_code: call.sip_code,
            ring_ms: call.ring_ms,
            talk_ms: call.talk_ms,
            estimated,
        },
        Fact::Requested { .. }
        | Fact::Admitted { .. }
        | Fact::AgentDialled { .. }
        | Fact::AgentRinging { .. }
        | Fact::AgentAnswered { .. }
        | Fact::CustomerDialled { .. }
        | Fact::InviteSent { .. }
        | Fact::EarlyMedia { .. }
        | Fact::Ringing { .. }
        | Fact::Answered { .. }
        | Fact::HangupAsked { .. }
        | Fact::LegEnded { .. } => More::Nothing {},
    };
    CallData {
        call_id: call.id,
        agent_id: call.agent_id,
        agent: call.endpoint.as_ref(),
        agent_name: call.agent.as_deref(),
        from: call.presented,
        to: call.destination,
        number_id: call.number_id,
        region: call.region,
        origin: call.origin,
        emergency: call.emergency,
        more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written_and_stand_in_order() {
        let call = Uuid::now_v7();
        let place = Place { transaction: 812, call, seq: 3, nth: 1 };
        for one in [Place::before(812), place, Place { nth: 0, ..place }] {
            assert_eq!(one.to_string().parse(), Ok(one));
        }
        assert!(Place::before(812) < Place { nth: 0, ..place } && place < Place::before(813));
        for wrong in
            ["", "x", "1-2", "-1", "1-x-0-0", "18446744073709551615", "1-00000000000000000000000000000000-0-0-0"]
        {
            assert_eq!(wrong.parse::<Place>(), Err(UnknownPlace), "{wrong}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for kind in EventType::ALL {
            assert_eq!(kind.to_string().parse(), Ok(*kind));
            assert_eq!(serde_json::to_value(kind).expect("json"), kind.as_str());
        }
        assert_eq!("call.sung".parse::<EventType>(), Err(UnknownEvent));
    }
}
