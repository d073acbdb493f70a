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

mod deciding;
mod ending;
mod events;

/// One outbound call.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent of each other")]
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
    /// Since when the agent's and the customer's channel are known to exist. A listing that began before
    /// says nothing about them.
    agent_made_at: Option<Timestamp>,
    customer_made_at: Option<Timestamp>,
    /// Events may have been missed since the customer's channel was ordered, so that nothing follows from silence.
    deaf: bool,
    /// The same, and no listing has shown since how things stand.
    blind: bool,
    /// Something was learned from a listing instead of an event, so its time is a guess.
    guessed: bool,
    /// The agent of a refused call is gone, or was given up; nothing is recorded of it any more.
    announced: bool,
}

/// How far the orders about the customer's channel went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CustomerOrder {
    /// No channel was ordered: there is nothing to hang up.
    None,
    /// A channel was ordered, and not dialled for all we know.
    Channel,
    /// The order to dial it was given, and has no answer yet.
    Ordered,
    /// Asterisk said that it did dial.
    Dialled,
    /// Nobody knows whether the order to dial arrived, and Asterisk is asked.
    InDoubt,
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
        let mut call = Self::empty(id, Dialled { raw: String::new(), emergency: record.emergency }, endpoint);
        call.customer = match (record.decided_at, record.customer_dialled_at, record.invite_sent_at) {
            (None, _, _) => CustomerOrder::None,
            (Some(_), Some(_), None) => CustomerOrder::InDoubt,
            (Some(_), None, _) | (Some(_), _, Some(_)) => CustomerOrder::Channel,
        };
        (call.deaf, call.blind) = (true, true);
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
            agent_made_at: None,
            customer_made_at: None,
            deaf: false,
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
        let agent =
            record.agent_channel.clone().filter(|_| record.agent_ended_at.is_none() && before(self.agent_made_at));
        let customer = (self.customer_may_live() && before(self.customer_made_at)).then(|| self.id.customer_channel(1));
        [(Leg::Agent, agent), (Leg::Customer, customer)]
            .into_iter()
            .filter_map(|(leg, channel)| Some((leg, channel?)))
            .collect()
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
        let state = found.map_or(ListedState::Gone, |listed| listed.state);
        self.on_probed(leg, state, moment.now, moment, out);
    }

    pub(super) fn customer_may_live(&self) -> bool {
        self.customer != CustomerOrder::None && self.record.customer_ended_at.is_none()
    }

    /// When [`Call::on_deadline`] must next be called. Derived, never started or cancelled.
    pub(in crate::core) fn deadline(&self, settings: &Settings) -> Option<Timestamp> {
        self.phase().deadline(settings, self.record.emergency)
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

    /// The event socket is lost.
    pub(in crate::core) fn on_disconnected(&mut self) {
        (self.deaf, self.blind) = (true, true);
    }

    /// A listing has shown how things stand.
    pub(in crate::core) fn on_seen(&mut self) {
        self.blind = false;
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
