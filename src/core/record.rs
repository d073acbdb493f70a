//! The call's row: the fold of its facts.

use super::fact::{Fact, Leg, Origin, Party};
use super::ids::ChannelId;
use super::outcome::{Disposition, RefusalReason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known of a call, changed by [`Record::fold`] and by nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// How many facts were folded in; the next one's sequence number.
    pub facts: u32,
    /// By which door it was asked for.
    pub origin: Option<Origin>,
    /// An emergency call: no rule, no count.
    pub emergency: bool,
    /// When the agent asked.
    pub requested_at: Option<Timestamp>,
    /// When the rules had their say.
    pub decided_at: Option<Timestamp>,
    /// The agent's channel.
    pub agent_channel: Option<ChannelId>,
    /// The customer's channel.
    pub customer_channel: Option<ChannelId>,
    /// When the agent's phone was told to ring (click-to-call).
    pub agent_dialled_at: Option<Timestamp>,
    /// When the agent's phone began to ring (click-to-call).
    pub agent_ringing_at: Option<Timestamp>,
    /// When the agent picked up (click-to-call).
    pub agent_answered_at: Option<Timestamp>,
    /// When the order to dial the customer was given.
    pub customer_dialled_at: Option<Timestamp>,
    /// When the INVITE left for the carrier.
    pub invite_sent_at: Option<Timestamp>,
    /// When the carrier first sent audio before the answer.
    pub early_media_at: Option<Timestamp>,
    /// When the customer's phone began to ring.
    pub ringing_at: Option<Timestamp>,
    /// When the customer picked up.
    pub answered_at: Option<Timestamp>,
    /// When the first of the two legs ended, or the call was refused.
    pub ended_at: Option<Timestamp>,
    /// Which leg ended first.
    pub first_end: Option<Leg>,
    /// When the agent's channel was gone.
    pub agent_ended_at: Option<Timestamp>,
    /// When the customer's channel was gone.
    pub customer_ended_at: Option<Timestamp>,
    /// When somebody first wanted it to end.
    pub hangup_asked_at: Option<Timestamp>,
    /// Who wanted it to end.
    pub hung_up_by: Option<Party>,
    /// Q.850 cause of the leg that decides: the customer's, or the agent's if the customer was never called.
    pub cause: Option<u16>,
    /// SIP status behind the cause.
    pub sip_code: Option<u16>,
    /// The quota this call holds.
    pub quota: Quota,
    /// Why it was refused, if it was.
    pub refusal: Option<RefusalReason>,
    /// How it ended; set once, at the end.
    pub disposition: Option<Disposition>,
    /// When nothing of it was left in Asterisk.
    pub settled_at: Option<Timestamp>,
    /// Times are a best guess.
    pub estimated: bool,
}

/// What became of the quota that a call holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// Nothing is counted for it: not decided yet, refused, or an emergency call.
    #[default]
    None,
    /// Counted, and may still be given back.
    Reserved,
    /// An INVITE left, or may have left: used for good.
    Committed,
    /// No INVITE ever left: given back.
    Refunded,
}

impl Quota {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Reserved => "reserved",
            Self::Committed => "committed",
            Self::Refunded => "refunded",
        }
    }
}

impl Record {
    /// The record of a call with these facts.
    pub fn of<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        let mut record = Self::default();
        for fact in facts {
            record.fold(fact);
        }
        record
    }

    /// Takes in one fact. Total and infallible: it has already happened.
    pub fn fold(&mut self, fact: &Fact) {
        self.facts += 1;
        match *fact {
            Fact::Requested { at, origin, ref agent_channel } => {
                self.requested_at = Some(at);
                self.origin = Some(origin);
                self.agent_channel.clone_from(agent_channel);
            }
            Fact::Refused { at, reason } => {
                self.decided_at = Some(at);
                self.ended_at = Some(at);
                self.settled_at = Some(at);
                self.refusal = Some(reason);
                self.disposition = Some(Disposition::Refused);
            }
            Fact::Admitted { at, emergency } => {
                self.decided_at = Some(at);
                self.emergency = emergency;
                self.quota = if emergency { Quota::None } else { Quota::Reserved };
            }
            Fact::AgentDialled { at, ref channel } => {
                self.agent_dialled_at = Some(at);
                self.agent_channel = Some(channel.clone());
            }
            Fact::AgentRinging { at } => first(&mut self.agent_ringing_at, at),
            Fact::AgentAnswered { at } => first(&mut self.agent_answered_at, at),
            Fact::CustomerDialled { at, ref channel } => {
                self.customer_dialled_at = Some(at);
                self.customer_channel = Some(channel.clone());
            }
            Fact::InviteSent { at } => {
                first(&mut self.invite_sent_at, at);
                if self.quota == Quota::Reserved {
                    self.quota = Quota::Committed;
                }
            }
            Fact::EarlyMedia { at } => first(&mut self.early_media_at, at),
            Fact::Ringing { at } => first(&mut self.ringing_at, at),
            Fact::Answered { at } => first(&mut self.answered_at, at),
            Fact::HangupAsked { at, by } => {
                first(&mut self.hangup_asked_at, at);
                self.hung_up_by.get_or_insert(by);
            }
            Fact::LegEnded { at, leg, cause, sip_code } => {
                first(&mut self.ended_at, at);
                self.first_end.get_or_insert(leg);
                match leg {
                    Leg::Agent => first(&mut self.agent_ended_at, at),
                    Leg::Customer => first(&mut self.customer_ended_at, at),
                }
                let decides =
                    leg == Leg::Customer || (self.customer_dialled_at.is_none() && self.customer_ended_at.is_none());
                if decides {
                    self.cause = cause;
                    self.sip_code = sip_code;
                }
            }
            Fact::Settled { at, disposition, estimated } => {
                first(&mut self.ended_at, at);
                self.settled_at = Some(at);
                self.disposition = Some(disposition);
                self.estimated = estimated;
                if self.quota == Quota::Reserved {
                    let may_have_left = disposition == Disposition::UnknownOutcome
                        || (disposition == Disposition::NodeLost && self.customer_dialled_at.is_some());
                    self.quota = if may_have_left { Quota::Committed } else { Quota::Refunded };
                }
            }
        }
    }

    /// Whether the agent's own phone was called first (click-to-call).
    pub fn agent_was_called(&self) -> bool {
        self.agent_dialled_at.is_some()
    }

    /// Whether the record is final.
    pub fn is_settled(&self) -> bool {
        self.settled_at.is_some()
    }

    /// How long the customer's phone rang, in milliseconds: from the first ringing to the answer or the end.
    pub fn ring_ms(&self) -> Option<i64> {
        between_ms(self.ringing_at, self.answered_at.or(self.ended_at))
    }

    /// How long the two talked, in milliseconds: from the answer to the end of the first leg.
    pub fn talk_ms(&self) -> Option<i64> {
        between_ms(self.answered_at, self.ended_at)
    }
}

fn first(slot: &mut Option<Timestamp>, at: Timestamp) {
    slot.get_or_insert(at);
}

/// Never negative: Asterisk's clock may be set back between two events.
fn between_ms(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<i64> {
    Some((to?.as_millisecond() - from?.as_millisecond()).max(0))
}
