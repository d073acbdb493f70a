//! How a call comes to its end: asked for, timed out, lost, given up.

use super::{Call, CustomerOrder, Early, Moment, Outbox};
use crate::core::command::Command;
use crate::core::fact::{Fact, Party};
use crate::core::outcome::{Disposition, HangupCause};
use crate::core::phase::Phase;

impl Call {
    /// Somebody asks over the API that the call end.
    pub(in crate::core) fn on_hangup_asked(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        match self.phase() {
            Phase::Deciding { .. } => {
                self.early.get_or_insert(Early { at: moment.now, by: Party::Api, agent_gone: false });
            }
            Phase::CallingAgent { .. } | Phase::Preparing { .. } | Phase::Dialling { .. } | Phase::Talking { .. } => {
                self.note(Fact::HangupAsked { at: moment.now, by: Party::Api }, out);
                self.end_what_is_left(HangupCause::NORMAL, moment, out);
            }
            Phase::Ending { .. } | Phase::Refused { .. } | Phase::Over => {}
        }
    }

    pub(in crate::core) fn on_deadline(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        if self.deadline(moment.settings).is_none_or(|deadline| moment.now < deadline) {
            return;
        }
        match self.phase() {
            Phase::CallingAgent { .. } | Phase::Preparing { .. } | Phase::Dialling { .. } | Phase::Talking { .. } => {
                self.give_up(moment, out);
            }
            Phase::Ending { .. } => {
                // Asterisk was told to end them and never said that it did: told once more, then believed to be gone.
                self.end_what_is_left(HangupCause::NORMAL, moment, out);
                if self.may_have_been_dialled() {
                    self.assume_dialled(moment.now, out);
                }
                let disposition = Disposition::of(&self.record);
                self.record_settled(disposition, true, moment, out);
            }
            Phase::Refused { .. } => {
                if let (Some(channel), Some(reason)) = (self.record.agent_channel.clone(), self.record.refusal) {
                    out.commands.push(Command::HangUp { channel, cause: reason.cause() });
                }
                self.announced = true;
            }
            Phase::Deciding { .. } | Phase::Over => {}
        }
    }

    /// Asterisk restarted: no channel of before is left.
    pub(in crate::core) fn on_node_lost(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        match self.phase() {
            Phase::Deciding { .. } => {
                self.early.get_or_insert(Early { at: moment.now, by: Party::System, agent_gone: true });
                self.ahead_is_gone();
            }
            Phase::CallingAgent { .. }
            | Phase::Preparing { .. }
            | Phase::Dialling { .. }
            | Phase::Talking { .. }
            | Phase::Ending { .. } => {
                if self.may_have_been_dialled() {
                    self.assume_dialled(moment.now, out);
                }
                self.record_settled(Disposition::NodeLost, true, moment, out);
            }
            Phase::Refused { .. } | Phase::Over => self.announced = true,
        }
    }

    /// Something of ours went wrong: end everything.
    pub(super) fn give_up(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        match self.phase() {
            Phase::Deciding { .. } => {
                self.early.get_or_insert(Early { at: moment.now, by: Party::System, agent_gone: false });
            }
            Phase::CallingAgent { .. } | Phase::Preparing { .. } | Phase::Dialling { .. } | Phase::Talking { .. } => {
                self.note(Fact::HangupAsked { at: moment.now, by: Party::System }, out);
                self.end_what_is_left(HangupCause(42), moment, out);
            }
            Phase::Ending { .. } => self.end_what_is_left(HangupCause(42), moment, out),
            Phase::Refused { .. } | Phase::Over => {}
        }
    }

    /// Orders the end of each leg that may still live, and settles when none does.
    pub(super) fn end_what_is_left(&mut self, cause: HangupCause, moment: Moment<'_>, out: &mut Outbox) {
        let agent = self.record.agent_channel.clone().filter(|_| self.record.agent_ended_at.is_none());
        let customer = self.customer_may_live();
        if agent.is_none() && !customer {
            let disposition = Disposition::of(&self.record);
            return self.record_settled(disposition, self.guessed, moment, out);
        }
        if customer {
            // Whoever waits for an answer must stop ringing first.
            let channel = self.customer_channel();
            out.commands.push(Command::HangUp { channel, cause: HangupCause::NORMAL });
        }
        if let Some(channel) = agent {
            out.commands.push(Command::HangUp { channel, cause });
        }
    }

    pub(super) fn record_settled(
        &mut self,
        disposition: Disposition,
        estimated: bool,
        moment: Moment<'_>,
        out: &mut Outbox,
    ) {
        let unheard = matches!(self.customer, CustomerOrder::Dialled | CustomerOrder::InDoubt | CustomerOrder::Unheard);
        let mut estimated = estimated;
        if let (Some(at), None, true) = (self.record.customer_dialled_at, self.record.invite_sent_at, unheard)
            && disposition != Disposition::UnknownOutcome
        {
            // It may have left, and what may have left is counted.
            self.note(Fact::InviteSent { at }, out);
            estimated = true;
        }
        self.note(Fact::Settled { at: moment.now, disposition, estimated }, out);
        out.commands.push(Command::DestroyBridge { bridge: self.id.bridge() });
    }
}
