//! From the request to the first channel: decision, refusal, the order to call somebody.

use super::{Ahead, BridgeOrder, Call, CustomerOrder, Moment, Outbox, Stage};
use crate::core::command::{Answer, ChannelSpec, Command, EmergencyDigits, Target};
use crate::core::fact::{Fact, Leg, Origin};
use crate::core::ids::ChannelId;
use crate::core::input::{Admission, Verdict};
use crate::core::number::E164;
use crate::core::outcome::{HangupCause, RefusalReason};
use crate::core::phase::Phase;
use jiff::Timestamp;

impl Call {
    /// Asks for the decision.
    pub(in crate::core) fn begin(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        if self.dialled.emergency {
            return self.emergency(moment, out);
        }
        let Some(endpoint) = self.endpoint.clone() else {
            return self.refuse(RefusalReason::NotAnAgent, moment, out);
        };
        out.commands.push(Command::Admit { endpoint, dialled: self.dialled.clone() });
    }

    /// Refuses without asking the store; the row is entered all the same.
    pub(in crate::core) fn refuse(&mut self, reason: RefusalReason, moment: Moment<'_>, out: &mut Outbox) {
        self.enter(out);
        self.note(Fact::Refused { at: moment.now, reason }, out);
        self.tell_refusal(reason, out);
    }

    /// No rule applies, nothing is counted, and nothing waits for the database.
    pub(super) fn emergency(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        if moment.settings.emergency.is_none() || EmergencyDigits::of(&self.dialled.raw).is_none() {
            return self.refuse(RefusalReason::EmergencyNotPossible, moment, out);
        }
        self.enter(out);
        self.note(Fact::Admitted { at: moment.now, emergency: true }, out);
        self.proceed(moment, out);
    }

    pub(super) fn enter(&mut self, out: &mut Outbox) {
        out.commands.push(Command::Enter { endpoint: self.endpoint.clone(), dialled: self.dialled.clone() });
        // The request was folded in when the call began, and is stored only now.
        if let Some(at) = self.record.requested_at {
            let origin = self.record.origin.unwrap_or(Origin::Phone);
            out.facts.push(Fact::Requested { at, origin, agent_channel: self.record.agent_channel.clone() });
        }
    }

    /// The customer's channel is made while the database writes: it rings nobody, and saves the agent some milliseconds. A
    /// click-to-call has time until the agent picks up.
    pub(in crate::core) fn on_chosen(&mut self, admission: Box<Admission>, moment: Moment<'_>, out: &mut Outbox) {
        let deciding = matches!(self.phase(), Phase::Deciding { .. }) && self.early.is_none();
        if !deciding || self.customer != CustomerOrder::None || self.record.origin == Some(Origin::Api) {
            return;
        }
        let Some(agent) = self.record.agent_channel.clone() else { return };
        let (target, present) = target_of(&admission);
        self.ahead = Some(Ahead { admission, stage: Stage::Ordered });
        self.create_customer(target, present, agent, moment, out);
    }

    /// The channel that was made ahead is gone, or was never made: nothing was dialled, and the decision goes its way.
    pub(super) fn ahead_is_gone(&mut self) {
        self.ahead = None;
        self.customer = CustomerOrder::None;
        self.customer_attempt += 1;
        self.customer_made_at = None;
        self.missing.remove(&Leg::Customer);
    }

    pub(super) fn ahead_is_unwanted(&self) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.stage == Stage::Unwanted)
    }

    pub(in crate::core) fn on_decided(
        &mut self,
        verdict: Verdict,
        at: Timestamp,
        moment: Moment<'_>,
        out: &mut Outbox,
    ) {
        if !matches!(self.phase(), Phase::Deciding { .. }) {
            return;
        }
        match verdict {
            Verdict::Admitted(admission) => {
                self.admission = Some(admission);
                // Stored by the transaction that reserved: folded, not recorded again.
                self.record.fold(&Fact::Admitted { at, emergency: false });
                self.proceed(moment, out);
            }
            Verdict::Refused(reason) => {
                self.record.fold(&Fact::Refused { at, reason });
                self.tell_refusal(reason, out);
            }
            Verdict::Emergency => {
                self.dialled.emergency = true;
                self.emergency(moment, out);
            }
            Verdict::Unavailable => self.refuse(RefusalReason::StoreUnavailable, moment, out),
        }
    }

    /// The call may be made: call the customer, or the agent's own phone first.
    pub(super) fn proceed(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        if let Some(request) = self.request.take() {
            out.commands.push(Command::Reply { request, answer: Answer::Admitted });
        }
        if let Some(early) = self.early.take() {
            self.note(Fact::HangupAsked { at: early.at, by: early.by }, out);
            if early.agent_gone {
                self.note(Fact::LegEnded { at: early.at, leg: Leg::Agent, cause: None, sip_code: None }, out);
            }
            return self.end_what_is_left(HangupCause::NORMAL, moment, out);
        }
        match self.record.origin {
            Some(Origin::Phone) | None => self.order_customer(moment, out),
            Some(Origin::Api) => self.order_agent(moment, out),
        }
    }

    pub(super) fn order_agent(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        let (Some(endpoint), Some((target, _))) = (self.endpoint.clone(), self.customer_target(moment)) else {
            return self.give_up(moment, out);
        };
        // The agent's phone shows whom it will be connected with.
        let present = match target {
            Target::Number { number, .. } => Some(number),
            Target::Emergency { .. } | Target::Agent { .. } => None,
        };
        let channel = self.id.agent_channel(1);
        self.note(Fact::AgentDialled { at: moment.now, channel: channel.clone() }, out);
        out.commands.push(Command::CreateChannel(ChannelSpec {
            channel,
            target: Target::Agent { endpoint, auto_answer: moment.settings.auto_answer },
            present,
            originator: None,
            peer: Some(self.customer_channel()),
            max_call_s: (!self.record.emergency).then_some(moment.settings.max_call_s),
        }));
    }

    pub(super) fn order_customer(&mut self, moment: Moment<'_>, out: &mut Outbox) {
        let (Some((target, present)), Some(agent)) = (self.customer_target(moment), self.record.agent_channel.clone())
        else {
            return self.give_up(moment, out);
        };
        let channel = self.customer_channel();
        let reserved = self.admission.as_ref().filter(|_| !self.record.emergency);
        match &mut self.ahead {
            None => self.create_customer(target, present, agent, moment, out),
            Some(ahead) if Some(&ahead.admission) == reserved => {
                // If it has not come yet, it is dialled when it has.
                if ahead.stage == Stage::Joining {
                    self.dial_customer(channel, moment, out);
                }
            }
            Some(ahead) => {
                // It would call somebody else, or from another number. Another is made when it has ended.
                ahead.stage = Stage::Unwanted;
                out.commands.push(Command::HangUp { channel, cause: HangupCause::NORMAL });
            }
        }
    }

    fn create_customer(
        &mut self,
        target: Target,
        present: E164,
        agent: ChannelId,
        moment: Moment<'_>,
        out: &mut Outbox,
    ) {
        self.customer = CustomerOrder::Channel;
        out.commands.push(Command::CreateChannel(ChannelSpec {
            channel: self.customer_channel(),
            target,
            present: Some(present),
            originator: Some(agent.clone()),
            peer: Some(agent),
            max_call_s: (!self.record.emergency).then_some(moment.settings.max_call_s),
        }));
        if self.bridge == BridgeOrder::None {
            self.bridge = BridgeOrder::Ordered;
            out.commands.push(Command::CreateBridge { bridge: self.id.bridge() });
        }
    }

    /// Sends the INVITE, when all that was ordered before has been done. The order to put the channel into the bridge must be
    /// among that.
    pub(super) fn dial_customer(&mut self, channel: ChannelId, moment: Moment<'_>, out: &mut Outbox) {
        self.ahead = None;
        self.note(Fact::CustomerDialled { at: moment.now, channel: channel.clone() }, out);
        let timeout_s = (!self.record.emergency).then_some(moment.settings.ring_timeout_s);
        out.commands.push(Command::Dial { channel, timeout_s });
    }

    pub(super) fn customer_target(&self, moment: Moment<'_>) -> Option<(Target, E164)> {
        if self.record.emergency {
            let route = moment.settings.emergency.as_ref()?;
            let digits = EmergencyDigits::of(&self.dialled.raw)?;
            let caller_id = self.dialled.call_back.unwrap_or(route.caller_id);
            return Some((Target::Emergency { digits, trunk: route.trunk.clone() }, caller_id));
        }
        self.admission.as_deref().map(target_of)
    }

    pub(super) fn tell_refusal(&mut self, reason: RefusalReason, out: &mut Outbox) {
        if self.ahead.take().is_some() {
            let channel = self.customer_channel();
            out.commands.push(Command::HangUp { channel, cause: HangupCause::NORMAL });
        }
        if self.bridge == BridgeOrder::Ordered {
            out.commands.push(Command::DestroyBridge { bridge: self.id.bridge() });
        }
        if let Some(request) = self.request.take() {
            out.commands.push(Command::Reply { request, answer: Answer::Refused(reason) });
        }
        let gone = self.early.take().is_some_and(|early| early.agent_gone);
        self.announced |= gone;
        if let (false, Some(channel)) = (gone, self.record.agent_channel.clone()) {
            out.commands.push(Command::Play { channel, prompt: reason.prompt() });
        }
    }
}

/// Whom an admitted call calls, and as whom.
fn target_of(admission: &Admission) -> (Target, E164) {
    let target = Target::Number { number: admission.destination, trunk: admission.trunk.clone(), plus: admission.plus };
    (target, admission.present)
}
