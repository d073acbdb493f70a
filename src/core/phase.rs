//! Where a call stands, read off its record.

use super::fact::Origin;
use super::record::Record;
use super::settings::Settings;
use jiff::{SignedDuration, Timestamp};

/// Where a call stands. Each phase carries the moment it began, from which its deadline follows.
///
/// ```text
///              ┌─► Refused ─────────────────────────────────────────┐
/// Deciding ────┤                                                    ▼
///              └─► (CallingAgent) ─► Preparing ─► Dialling ─► Talking ─► Ending ─► Over
///                        │               │            │                    ▲
///                        └───────────────┴────────────┴────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The store decides and reserves.
    Deciding {
        /// When the agent asked.
        since: Timestamp,
    },
    /// The agent hears why not.
    Refused {
        /// When it was refused.
        since: Timestamp,
    },
    /// Click-to-call: the agent's phone is called.
    CallingAgent {
        /// When it was ordered.
        since: Timestamp,
    },
    /// The customer's channel is being made; nobody has been called.
    Preparing {
        /// When that began.
        since: Timestamp,
    },
    /// The customer is called.
    Dialling {
        /// When it was ordered.
        since: Timestamp,
    },
    /// The two talk.
    Talking {
        /// When the customer picked up.
        since: Timestamp,
    },
    /// What is left is being ended.
    Ending {
        /// When somebody first wanted the end.
        since: Timestamp,
    },
    /// The record is final.
    Over,
}

/// Asterisk needs a few milliseconds to make a channel. After this long something is wrong.
const PREPARING: SignedDuration = SignedDuration::from_secs(5);
/// Asterisk keeps the ring time itself; ours only catches what it forgot.
const GRACE: SignedDuration = SignedDuration::from_secs(10);
/// The longest announcement is half as long.
const ANNOUNCEMENT: SignedDuration = SignedDuration::from_secs(20);
/// How long Asterisk may take to end two channels.
const ENDING: SignedDuration = SignedDuration::from_secs(10);

impl Phase {
    /// The phase of a call with this record.
    pub fn of(record: &Record) -> Self {
        if record.refusal.is_some() {
            return record.decided_at.map_or(Self::Over, |since| Self::Refused { since });
        }
        if record.is_settled() {
            return Self::Over;
        }
        if let Some(since) = record.hangup_asked_at.or(record.ended_at) {
            return Self::Ending { since };
        }
        if let Some(since) = record.answered_at {
            return Self::Talking { since };
        }
        if let Some(since) = record.customer_dialled_at {
            return Self::Dialling { since };
        }
        match (record.origin, record.decided_at) {
            (_, None) => record.requested_at.map_or(Self::Over, |since| Self::Deciding { since }),
            (Some(Origin::Api), Some(decided)) => match record.agent_answered_at {
                Some(since) => Self::Preparing { since },
                None => Self::CallingAgent { since: record.agent_dialled_at.unwrap_or(decided) },
            },
            (Some(Origin::Phone) | None, Some(since)) => Self::Preparing { since },
        }
    }

    /// When the phase has lasted too long.
    pub fn deadline(self, settings: &Settings, emergency: bool) -> Option<Timestamp> {
        let (since, limit) = match self {
            // The store always answers; and an answer that came after we gave up would leave its reservation hanging.
            Self::Deciding { .. } | Self::Over => return None,
            // Nobody is hung up in an emergency because of a clock.
            Self::Dialling { .. } | Self::Talking { .. } if emergency => return None,
            Self::Refused { since } => (since, ANNOUNCEMENT),
            Self::CallingAgent { since } => (since, seconds(settings.agent_ring_timeout_s) + GRACE),
            Self::Preparing { since } => (since, PREPARING),
            Self::Dialling { since } => (since, seconds(settings.ring_timeout_s) + GRACE),
            Self::Talking { since } => (since, seconds(settings.max_call_s) + GRACE),
            Self::Ending { since } => (since, ENDING),
        };
        since.checked_add(limit).ok()
    }
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}
