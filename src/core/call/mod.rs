//! One call: what follows from each thing that happens to it.
//!
//! A call has no state of its own beside its [`Record`], which is the fold of its facts: the [`Phase`] is read off the
//! record, so recovery after a crash is the same code as normal running.

use crate::core::command::Command;
use crate::core::fact::{Fact, Leg, Origin, Party};
use crate::core::ids::{CallId, ChannelId, ChannelName, EndpointName, RequestId};
use crate::core::input::{Admission, Dialled, ListedChannel, ListedState};
use crate::core::phase::Phase;
use crate::core::record::Record;
use crate::core::settings::Settings;
use jiff::Timestamp;
use std::collections::BTreeSet;

mod deciding;
mod ending;
mod events;

/// One outbound call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    record: Record,
    /// What the store admitted; known again after a restart.
    admission: Option<Box<Admission>>,
    dialled: Dialled,
    endpoint: Option<EndpointName>,
    /// The API request that waits to hear whether the call may be made.
    request: Option<RequestId>,
    /// What happened before the store had spoken, and so cannot be recorded yet.
    early: Option<Early>,
    /// What Asterisk was told about the customer's channel.
    customer: CustomerOrder,
    /// Which channel it is, from 1. An id is used once: when a second channel gets the id of one that has just ended, Asterisk
    /// may forget to tell us of it what it then has forgotten of the first.
    customer_attempt: u16,
    /// The customer's channel that is made while the reservation is under way.
    ahead: Option<Ahead>,
    /// Whether this process ordered the bridge.
    bridge: BridgeOrder,
    /// Since when the agent's and the customer's channel are known to exist, by our clock. A listing that began before
    /// says nothing about them.
    agent_made_at: Option<Timestamp>,
    customer_made_at: Option<Timestamp>,
    /// Legs that the last listing did not show although every event was heard: the word of their end, with its cause, may
    /// still be on its way.
    missing: BTreeSet<Leg>,
    /// Events were missed, and no listing has shown since how things stand.
    blind: bool,
    /// Something was learned from a listing instead of an event, so its time is a guess.
    guessed: bool,
    /// The agent of a refused call is gone, or was given up; nothing is recorded of it any more.
    announced: bool,
}

/// Whether the bridge was ordered since this process follows the call. It is made when there is somebody to put into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BridgeOrder {
    /// Not yet.
    None,
    /// Ordered.
    Ordered,
}

/// How far the orders about the customer's channel went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CustomerOrder {
    /// No channel was ordered: there is nothing to hang up.
    None,
    /// A channel was ordered.
    Channel,
    /// The order to dial was not carried out: no INVITE can have left.
    NotDialled,
    /// Asterisk said that it did dial.
    Dialled,
    /// Nobody knows whether the order to dial arrived, and Asterisk is asked. Its events would tell.
    InDoubt,
    /// The same, and events may have been missed: nothing that was not heard can be excluded.
    Unheard,
}

/// The customer's channel, made ahead of the decision, while the reservation is on its way to the database. It is dialled only
/// when the reservation stands, and only if it is the one that was reserved.
#[derive(Clone, Debug)]
struct Ahead {
    admission: Box<Admission>,
    stage: Stage,
}

/// How far a channel made ahead of the decision is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Ordered.
    Ordered,
    /// Ordered into the bridge.
    Joining,
    /// Something else was decided. Its end is awaited, and then another is made.
    Unwanted,
}

/// Why a call that is still being decided will not be made.
#[derive(Clone, Copy, Debug)]
struct Early {
    at: Timestamp,
    by: Party,
    agent_gone: bool,
}

/// What one step of one call produced, with the facts already folded in.
#[derive(Debug, Default)]
pub(in crate::core) struct Outbox {
    pub facts: Vec<Fact>,
    pub commands: Vec<Command>,
}

/// What a step may look at beside the call itself.
#[derive(Clone, Copy)]
pub(in crate::core) struct Moment<'a> {
    pub now: Timestamp,
    pub settings: &'a Settings,
}

impl Call {
    /// A call that an agent's phone made.
    pub(in crate::core) fn by_phone(
        id: CallId,
        channel: ChannelId,
        name: &ChannelName,
        dialled: Dialled,
        at: Timestamp,
        now: Timestamp,
    ) -> Self {
        let endpoint = name.endpoint();
        let mut call = Self::empty(id, dialled, endpoint);
        // By our clock, as the listings: Asterisk's may be another.
        call.agent_made_at = Some(now);
        call.record.fold(&Fact::Requested { at, origin: Origin::Phone, agent_channel: Some(channel) });
        call
    }

    /// A call that somebody asked for over the API.
    pub(in crate::core) fn by_api(
        id: CallId,
        endpoint: EndpointName,
        dialled: Dialled,
        request: RequestId,
        at: Timestamp,
    ) -> Self {
        let mut call = Self::empty(id, dialled, Some(endpoint));
        call.request = Some(request);
        call.record.fold(&Fact::Requested { at, origin: Origin::Api, agent_channel: None });
        call
    }

    /// A call of before a restart of the daemon.
    pub(in crate::core) fn restored(id: CallId, record: Record, admission: Option<Box<Admission>>) -> Self {
        let endpoint = admission.as_ref().map(|admission| admission.endpoint.clone());
        let mut call = Self::empty(
            id,
            Dialled { raw: String::new(), emergency: record.emergency, call_back: None, campaign: None },
            endpoint,
        );
        call.customer = match (record.decided_at, record.customer_dialled_at, record.invite_sent_at) {
            (None, _, _) => CustomerOrder::None,
            // Its end was heard, and brought a cause.
            (Some(_), Some(_), None) if record.customer_ended_at.is_some() && record.cause.is_some() => {
                CustomerOrder::Channel
            }
            // Also when no order is recorded: the facts of the last moments may not have reached the database.
            (Some(_), _, None) => CustomerOrder::Unheard,
            (Some(_), _, Some(_)) => CustomerOrder::Channel,
        };
        call.customer_attempt = record.customer_channel.as_ref().and_then(ChannelId::attempt).unwrap_or(1);
        call.blind = true;
        call.agent_made_at = Some(Timestamp::MIN);
        call.customer_made_at = Some(Timestamp::MIN);
        call.record = record;
        call.admission = admission;
        call
    }

    fn empty(id: CallId, dialled: Dialled, endpoint: Option<EndpointName>) -> Self {
        Self {
            id,
            record: Record::default(),
            admission: None,
            dialled,
            endpoint,
            request: None,
            early: None,
            customer: CustomerOrder::None,
            customer_attempt: 1,
            ahead: None,
            bridge: BridgeOrder::None,
            agent_made_at: None,
            customer_made_at: None,
            missing: BTreeSet::new(),
            blind: false,
            guessed: false,
            announced: false,
        }
    }

    /// The call's row.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Where the call stands.
    pub fn phase(&self) -> Phase {
        Phase::of(&self.record)
    }

    /// The channels that a listing begun at `at` must contain, if they live: those known to exist before it.
    pub(in crate::core) fn channels_known_at(&self, at: Timestamp) -> Vec<(Leg, ChannelId)> {
        let record = &self.record;
        let before = |since: Option<Timestamp>| since.is_some_and(|since| since < at);
        let agent = record.agent_channel.clone().or_else(|| self.agent_channel_unwritten());
        let agent = agent.filter(|_| record.agent_ended_at.is_none() && before(self.agent_made_at));
        let customer = (self.customer_may_live() && before(self.customer_made_at)).then(|| self.customer_channel());
        [(Leg::Agent, agent), (Leg::Customer, customer)]
            .into_iter()
            .filter_map(|(leg, channel)| Some((leg, channel?)))
            .collect()
    }

    fn customer_channel(&self) -> ChannelId {
        self.id.customer_channel(self.customer_attempt)
    }

    /// Whether it is the customer's channel, and not one that was made before it. Who comes after a restart may not know
    /// that there is another than the first.
    pub(in crate::core) fn is_customer(&mut self, channel: &ChannelId) -> bool {
        let attempt = channel.attempt().unwrap_or(1);
        self.customer_attempt = self.customer_attempt.max(attempt);
        self.customer_attempt == attempt
    }

    /// A listing shows one of the call's channels, or that it is gone. What it shows became so at some time before now; the
    /// moment the listing began would be earlier than things that were heard since.
    pub(in crate::core) fn on_listed(
        &mut self,
        leg: Leg,
        found: Option<&ListedChannel>,
        moment: Moment<'_>,
        out: &mut Outbox,
    ) {
        if leg == Leg::Agent
            && found.is_some()
            && let Some(channel) = self.agent_channel_unwritten()
        {
            self.guessed = true;
            self.note(Fact::AgentDialled { at: moment.now, channel }, out);
        }
        if self.may_have_been_dialled() {
            match (self.phase(), leg, found) {
                (Phase::CallingAgent { .. }, Leg::Agent, Some(agent)) if agent.state == ListedState::Up => {
                    self.note(Fact::AgentAnswered { at: moment.now }, out);
                    self.assume_dialled(moment.now, out);
                }
                (Phase::CallingAgent { .. }, Leg::Agent, Some(_)) => {}
                // The agent has not picked up, so nobody has been dialled.
                (Phase::CallingAgent { .. }, Leg::Customer, None) => {
                    self.customer = CustomerOrder::None;
                    return;
                }
                (Phase::CallingAgent { .. } | Phase::Preparing { .. }, Leg::Agent | Leg::Customer, _) => {
                    self.assume_dialled(moment.now, out);
                }
                (_, Leg::Agent | Leg::Customer, _) => {}
            }
        }
        let state = match found {
            Some(listed) => listed.state,
            None if self.blind || self.missing.contains(&leg) => ListedState::Gone,
            None => {
                self.missing.insert(leg);
                return;
            }
        };
        self.on_probed(leg, state, moment.now, moment, out);
    }

    /// Click-to-call: the agent's channel, of which no order is recorded. Before a restart it may have been ordered, and the
    /// order not written. Nothing is ordered before a call is admitted.
    fn agent_channel_unwritten(&self) -> Option<ChannelId> {
        let admitted = self.record.decided_at.is_some() && self.record.refusal.is_none();
        let unwritten = admitted && self.record.agent_channel.is_none() && self.record.origin == Some(Origin::Api);
        unwritten.then(|| self.id.agent_channel(1))
    }

    /// The daemon died between the admission and the first facts behind it, so the customer may have been dialled: what is
    /// there lives on, what is not there is not dialled a second time.
    pub(super) fn assume_dialled(&mut self, at: Timestamp, out: &mut Outbox) {
        self.guessed = true;
        self.note(Fact::CustomerDialled { at, channel: self.customer_channel() }, out);
    }

    /// No order to dial is recorded, and there may have been one.
    pub(super) fn may_have_been_dialled(&self) -> bool {
        self.customer == CustomerOrder::Unheard && self.record.customer_dialled_at.is_none()
    }

    /// A listing has shown how things stand.
    pub(in crate::core) fn on_seen(&mut self) {
        self.blind = false;
    }

    /// Events are missed from now on.
    pub(in crate::core) fn on_deaf(&mut self) {
        self.blind = true;
        let open = self.record.customer_dialled_at.is_some() && self.record.customer_ended_at.is_none();
        if open && self.record.invite_sent_at.is_none() {
            self.customer = match self.customer {
                CustomerOrder::None => CustomerOrder::None,
                CustomerOrder::NotDialled => CustomerOrder::NotDialled,
                CustomerOrder::Dialled => CustomerOrder::Dialled,
                CustomerOrder::Channel | CustomerOrder::InDoubt | CustomerOrder::Unheard => CustomerOrder::Unheard,
            };
        }
    }

    pub(super) fn customer_may_live(&self) -> bool {
        self.customer != CustomerOrder::None && self.record.customer_ended_at.is_none()
    }

    /// When [`Call::on_deadline`] must next be called. Derived, never started or cancelled.
    pub(in crate::core) fn deadline(&self, settings: &Settings) -> Option<Timestamp> {
        // Who does not see does not act: after a restart or an outage, the two may long be talking. Asterisk keeps its own
        // time-outs meanwhile.
        (!self.blind).then(|| self.phase().deadline(settings, self.record.emergency))?
    }

    /// Whether nothing is left to do for it.
    pub(in crate::core) fn is_over(&self) -> bool {
        match self.phase() {
            Phase::Over => true,
            // the announcement still plays
            Phase::Refused { .. } => self.announced || self.record.origin == Some(Origin::Api),
            Phase::Deciding { .. }
            | Phase::CallingAgent { .. }
            | Phase::Preparing { .. }
            | Phase::Dialling { .. }
            | Phase::Talking { .. }
            | Phase::Ending { .. } => false,
        }
    }

    /// Asterisk shows that a channel of ours exists.
    pub(super) fn is_there(&mut self, leg: Leg, now: Timestamp) {
        match leg {
            Leg::Agent => self.agent_made_at.get_or_insert(now),
            Leg::Customer => self.customer_made_at.get_or_insert(now),
        };
    }

    pub(super) fn has_ended(&self, leg: Leg) -> bool {
        match leg {
            Leg::Agent => self.record.agent_ended_at.is_some(),
            Leg::Customer => self.record.customer_ended_at.is_some(),
        }
    }

    /// The only way a fact comes about: folded in and handed out to be stored.
    fn note(&mut self, fact: Fact, out: &mut Outbox) {
        self.record.fold(&fact);
        out.facts.push(fact);
    }
}
