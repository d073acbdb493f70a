//! What channels do, and what became of commands.

use super::{Call, CustomerOrder, Early, Moment, Outbox, Stage};
use crate::core::command::{Command, CommandKind};
use crate::core::fact::{Fact, Leg, Party};
use crate::core::ids::ChannelId;
use crate::core::input::{Carried, ChannelEvent, ListedState};
use crate::core::outcome::HangupCause;
use crate::core::phase::Phase;
use jiff::Timestamp;

impl Call {
    pub(in crate::core) fn on_channel(
        &mut self,
        leg: Leg,
        channel: &ChannelId,
        event: ChannelEvent,
        at: Timestamp,
        moment: Moment<'_>,
        out: &mut Outbox,
    ) {
        if leg == Leg::Customer && !self.is_customer(channel) {
            return;
        }
        self.is_there(leg, moment.now);
        match event {
            ChannelEvent::Started => self.on_started(leg, channel, moment, out),
            ChannelEvent::DialBegan => self.on_invite_sent(leg, at, out),
            ChannelEvent::EarlyMedia => {
                self.on_invite_sent(leg, at, out);
                if leg == Leg::Customer && self.record.early_media_at.is_none() && self.is_being_dialled() {
                    self.note(Fact::EarlyMedia { at }, out);
                }
            }
            ChannelEvent::Ringing => self.on_ringing(leg, at, out),
            ChannelEvent::Up => self.on_up(leg, at, moment, out),
            ChannelEvent::HangupRequested { by_party } => self.on_hangup_requested(leg, by_party, at, out),
            // A channel that we made is followed to its end, which brings the cause; one that only visited us leaves.
            ChannelEvent::Left if channel.owner().is_none() => self.on_gone(leg, at, None, None, moment, out),
            ChannelEvent::Left => {}
            ChannelEvent::Destroyed { cause, sip_code } => {
                if leg == Leg::Customer && self.customer == CustomerOrder::InDoubt {
                    // A channel's events come in order: had an INVITE left, it would have been told before the end.
                    self.customer = CustomerOrder::Channel;
                }
                self.on_gone(leg, at, cause, sip_code, moment, out);
            }
            ChannelEvent::Played => self.on_played(channel, out),
            ChannelEvent::Probed(state) => self.on_probed(leg, state, at, moment, out),
        }
    }

    pub(super) fn on_started(&mut self, leg: Leg, channel: &ChannelId, moment: Moment<'_>, out: &mut Outbox) {
        match (self.phase(), leg) {
            (Phase::CallingAgent { .. }, Leg::Agent) => {
                let timeout_s = Some(moment.settings.agent_ring_timeout_s);
                out.commands.push(Command::Dial { channel: channel.clone(), timeout_s });
            }
            (Phase::Deciding { .. } | Phase::Preparing { .. }, Leg::Customer) => {
                self.on_customer_ready(channel, moment, out);
            }
            // Nobody wants it any more: hung up on sight.
            (Phase::Ending { .. } | Phase::Refused { .. } | Phase::Over, Leg::Agent | Leg::Customer) => {
                out.commands.push(Command::HangUp { channel: channel.clone(), cause: HangupCause::NORMAL });
            }
            // Heard twice.
            (
                Phase::Deciding { .. }
                | Phase::CallingAgent { .. }
                | Phase::Preparing { .. }
                | Phase::Dialling { .. }
                | Phase::Talking { .. },
                Leg::Agent | Leg::Customer,
            ) => {}
        }
    }

    /// The customer's channel is there: into the bridge with it, and if the reservation stands, dial.
    fn on_customer_ready(&mut self, channel: &ChannelId, moment: Moment<'_>, out: &mut Outbox) {
        let decided = matches!(self.phase(), Phase::Preparing { .. });
        match self.ahead.as_mut().map(|ahead| &mut ahead.stage) {
            Some(stage @ Stage::Ordered) if !decided => *stage = Stage::Joining,
            Some(Stage::Ordered) | None if decided => {}
            // Heard twice, or not wanted any more.
            Some(_) | None => return,
        }
        let Some(agent) = self.record.agent_channel.clone() else {
            return self.give_up(moment, out);
        };
        out.commands.push(Command::AddToBridge { bridge: self.id.bridge(), channels: vec![agent, channel.clone()] });
        if decided {
            self.dial_customer(channel.clone(), moment, out);
        }
    }

    pub(super) fn is_being_dialled(&self) -> bool {
        matches!(self.phase(), Phase::Dialling { .. })
    }

    pub(super) fn on_invite_sent(&mut self, leg: Leg, at: Timestamp, out: &mut Outbox) {
        if leg == Leg::Customer && self.may_have_been_dialled() && !self.record.is_settled() {
            self.assume_dialled(at, out);
        }
        if leg == Leg::Customer
            && self.record.customer_dialled_at.is_some()
            && self.record.invite_sent_at.is_none()
            && !self.record.is_settled()
        {
            self.note(Fact::InviteSent { at }, out);
        }
    }

    pub(super) fn on_ringing(&mut self, leg: Leg, at: Timestamp, out: &mut Outbox) {
        match leg {
            Leg::Customer => {
                self.on_invite_sent(leg, at, out);
                if self.record.ringing_at.is_none() && self.is_being_dialled() {
                    self.note(Fact::Ringing { at }, out);
                }
            }
            Leg::Agent => {
                if matches!(self.phase(), Phase::CallingAgent { .. }) && self.record.agent_ringing_at.is_none() {
                    self.note(Fact::AgentRinging { at }, out);
                }
            }
        }
    }

    pub(super) fn on_up(&mut self, leg: Leg, at: Timestamp, moment: Moment<'_>, out: &mut Outbox) {
        match leg {
            Leg::Agent => {
                if matches!(self.phase(), Phase::CallingAgent { .. }) {
                    self.note(Fact::AgentAnswered { at }, out);
                    self.order_customer(moment, out);
                }
            }
            Leg::Customer => {
                self.on_invite_sent(leg, at, out);
                // An answer that meets a hang-up is still an answer: the two may have heard each other.
                let unanswered = self.record.answered_at.is_none() && self.record.customer_ended_at.is_none();
                if unanswered && self.record.invite_sent_at.is_some() && !self.record.is_settled() {
                    self.note(Fact::Answered { at }, out);
                }
            }
        }
    }

    pub(super) fn on_hangup_requested(&mut self, leg: Leg, by_party: bool, at: Timestamp, out: &mut Outbox) {
        let by = match leg {
            Leg::Agent => Party::Agent,
            Leg::Customer => Party::Customer,
        };
        match self.phase() {
            Phase::Deciding { .. } => {
                if by_party && leg == Leg::Agent {
                    self.early.get_or_insert(Early { at, by, agent_gone: false });
                }
            }
            // A customer who was not dialled hangs nothing up: it is a channel that was made ahead, and that we end.
            Phase::Preparing { .. } if leg == Leg::Customer => {}
            Phase::CallingAgent { .. } | Phase::Preparing { .. } | Phase::Dialling { .. } | Phase::Talking { .. } => {
                if by_party {
                    self.note(Fact::HangupAsked { at, by }, out);
                }
            }
            Phase::Ending { .. } | Phase::Refused { .. } | Phase::Over => {}
        }
    }

    pub(super) fn on_gone(
        &mut self,
        leg: Leg,
        at: Timestamp,
        cause: Option<u16>,
        sip_code: Option<u16>,
        moment: Moment<'_>,
        out: &mut Outbox,
    ) {
        match self.phase() {
            Phase::Deciding { .. } => match leg {
                Leg::Agent => {
                    let early = self.early.get_or_insert(Early { at, by: Party::Agent, agent_gone: true });
                    early.agent_gone = true;
                }
                Leg::Customer => self.ahead_is_gone(),
            },
            Phase::Preparing { .. } if leg == Leg::Customer && self.ahead_is_unwanted() => {
                self.ahead_is_gone();
                self.order_customer(moment, out);
            }
            Phase::Refused { .. } | Phase::Over => {
                self.announced |= leg == Leg::Agent;
            }
            Phase::CallingAgent { .. }
            | Phase::Preparing { .. }
            | Phase::Dialling { .. }
            | Phase::Talking { .. }
            | Phase::Ending { .. } => {
                if self.has_ended(leg) {
                    return;
                }
                // The word of the end came before the first listing.
                if self.may_have_been_dialled() {
                    self.assume_dialled(at, out);
                }
                if leg == Leg::Customer
                    && self.customer == CustomerOrder::Dialled
                    && self.record.invite_sent_at.is_none()
                {
                    // Asterisk said that it dialled, and the event that says when was lost.
                    let at = self.record.customer_dialled_at.unwrap_or(at);
                    self.guessed = true;
                    self.note(Fact::InviteSent { at }, out);
                }
                let sip_code =
                    sip_code.filter(|_| self.record.hung_up_by.is_some() || !is_local_timeout(cause, sip_code));
                if self.record.hung_up_by.is_none() {
                    self.note(Fact::HangupAsked { at, by: Party::System }, out);
                }
                let lost = leg == Leg::Customer
                    && self.customer == CustomerOrder::Unheard
                    && self.record.invite_sent_at.is_none();
                // A cause would say that nothing was dialled, and that is not known.
                let (cause, sip_code) = if lost { (None, None) } else { (cause, sip_code) };
                // An answer may have been missed.
                self.guessed |= lost || self.blind;
                self.note(Fact::LegEnded { at, leg, cause, sip_code }, out);
                let cause = match leg {
                    Leg::Customer => HangupCause::passed_on(cause),
                    Leg::Agent => HangupCause::NORMAL,
                };
                self.end_what_is_left(cause, moment, out);
            }
        }
    }

    pub(super) fn on_played(&mut self, channel: &ChannelId, out: &mut Outbox) {
        if let (Phase::Refused { .. }, Some(reason)) = (self.phase(), self.record.refusal) {
            out.commands.push(Command::HangUp { channel: channel.clone(), cause: reason.cause() });
        }
    }

    /// What a probe or a listing says of a channel.
    pub(in crate::core) fn on_probed(
        &mut self,
        leg: Leg,
        state: ListedState,
        at: Timestamp,
        moment: Moment<'_>,
        out: &mut Outbox,
    ) {
        match (state, leg) {
            (ListedState::Gone, Leg::Agent | Leg::Customer) => {
                self.guessed = true;
                self.on_gone(leg, at, None, None, moment, out);
            }
            (ListedState::Ringing, Leg::Agent | Leg::Customer) => self.on_ringing(leg, at, out),
            (ListedState::Up, Leg::Agent | Leg::Customer) => self.on_up(leg, at, moment, out),
            (ListedState::Down, Leg::Customer)
                if matches!(self.customer, CustomerOrder::InDoubt | CustomerOrder::Unheard) =>
            {
                // Ended, never dialled again. Who heard every event and nothing of an INVITE knows that none left; who did not
                // knows nothing, because until the first 180 a dialled channel is down too.
                if self.customer == CustomerOrder::InDoubt {
                    self.customer = CustomerOrder::Channel;
                }
                self.give_up(moment, out);
            }
            (ListedState::Down, Leg::Agent | Leg::Customer) => {}
        }
    }

    /// Asterisk knows already that the agent's channel ends, and the word of it is on its way to us.
    fn agent_is_leaving(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        let Some(channel) = self.record.agent_channel.clone() else { return self.give_up(moment, out) };
        // Should it be there all the same, it must not stay.
        out.commands.push(Command::HangUp { channel, cause: HangupCause::NORMAL });
        self.on_hangup_requested(Leg::Agent, true, moment.now, out);
        self.on_gone(Leg::Agent, moment.now, None, None, moment, out);
    }

    /// The order to dial was refused, or was dropped because the one before it failed.
    fn not_dialled(&mut self) {
        if self.record.customer_dialled_at.is_some() {
            self.customer = CustomerOrder::NotDialled;
        }
    }

    pub(in crate::core) fn on_carried(
        &mut self,
        command: CommandKind,
        outcome: Carried,
        moment: Moment<'_>,
        out: &mut Outbox,
    ) {
        let failed = match outcome {
            Carried::Done => {
                match command {
                    CommandKind::CreateAgent => self.is_there(Leg::Agent, moment.now),
                    CommandKind::CreateCustomer => self.is_there(Leg::Customer, moment.now),
                    CommandKind::DialCustomer => self.customer = CustomerOrder::Dialled,
                    CommandKind::CreateBridge
                    | CommandKind::Join
                    | CommandKind::DialAgent
                    | CommandKind::Play
                    | CommandKind::Other => {}
                }
                return;
            }
            Carried::Refused { .. } | Carried::NotSent => true,
            Carried::Unknown => false,
        };
        match command {
            CommandKind::CreateBridge | CommandKind::DialAgent => {
                if failed {
                    self.give_up(moment, out);
                }
                // else: the next order needs it, or the deadline comes
            }
            CommandKind::CreateAgent => {
                if failed && matches!(self.phase(), Phase::CallingAgent { .. }) {
                    // 20: no phone is registered there (Q.850 "subscriber absent")
                    self.on_gone(Leg::Agent, moment.now, Some(20), None, moment, out);
                }
            }
            CommandKind::CreateCustomer => {
                if failed && matches!(self.phase(), Phase::Deciding { .. }) {
                    self.ahead_is_gone();
                } else if failed && matches!(self.phase(), Phase::Preparing { .. }) {
                    // 27: the trunk cannot be reached (Q.850 "destination out of order")
                    self.on_gone(Leg::Customer, moment.now, Some(27), None, moment, out);
                }
            }
            CommandKind::Join => {
                self.not_dialled();
                match outcome {
                    // A channel is gone or leaves just now: the agent's, for the customer's was heard to come.
                    Carried::Refused { status: 400 | 422 } => self.agent_is_leaving(moment, out),
                    // Half joined is not joined: a leg outside the bridge must never be answered.
                    Carried::Refused { .. } | Carried::NotSent | Carried::Unknown | Carried::Done => {
                        self.give_up(moment, out);
                    }
                }
            }
            CommandKind::DialCustomer => {
                if failed {
                    self.not_dialled();
                    self.give_up(moment, out);
                } else if self.is_being_dialled() {
                    self.customer = CustomerOrder::InDoubt;
                    out.commands.push(Command::Probe { channel: self.customer_channel() });
                }
            }
            CommandKind::Play => {
                if let (Some(channel), Some(reason)) = (self.record.agent_channel.clone(), self.record.refusal) {
                    out.commands.push(Command::HangUp { channel, cause: reason.cause() });
                }
            }
            CommandKind::Other => {}
        }
    }
}

/// Asterisk's own ring time-out names a SIP status (480) that nobody sent; measured on 22.10.
fn is_local_timeout(cause: Option<u16>, sip_code: Option<u16>) -> bool {
    (cause, sip_code) == (Some(19), Some(480))
}
