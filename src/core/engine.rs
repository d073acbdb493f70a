//! All calls, and what is between calls and the world: who is told what, strays, drain, resync.

use super::call::{Call, Moment, Outbox as CallOutbox};
use super::command::{Answer, Command};
use super::fact::{Fact, Leg};
use super::ids::{CallId, ChannelId, RequestId};
use super::input::{ChannelEvent, Input, ListedChannel};
use super::outcome::{HangupCause, RefusalReason};
use super::record::Record;
use super::settings::Settings;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The daemon's mind: every open call. One task owns it; nothing in it waits.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    calls: BTreeMap<CallId, Call>,
    /// Agents' channels, whose ids Asterisk made. Channels that we made name their call themselves.
    agents: BTreeMap<ChannelId, CallId>,
    /// Phones that the last listing showed and nobody knew.
    unknown: BTreeSet<ChannelId>,
    /// Calls for help that somebody else began and could not tell us of: the record of such a call may come after the call.
    spared: BTreeSet<CallId>,
    /// Asterisk was listed.
    has_listed: bool,
    /// The calls' deadlines, earliest first. Derived from the calls after each of their steps.
    deadlines: BTreeSet<(Timestamp, CallId)>,
    connected: bool,
    draining: bool,
    /// Why new calls are refused, if they are.
    refuses: Option<RefusalReason>,
    /// The start of the Asterisk that our channels live in; another start means they are gone.
    node_started_at: Option<Timestamp>,
}

/// What one step produced.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What to store, in order.
    pub writes: Vec<Write>,
    /// What to do, in order per call.
    pub commands: Vec<(CallId, Command)>,
    /// Calls for which nothing is left to do.
    pub over: Vec<CallId>,
}

/// Facts of one call to append, and the row that they make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// Which call.
    pub call: CallId,
    /// The sequence number of the first fact.
    pub first_seq: u32,
    /// The new facts.
    pub facts: Vec<Fact>,
    /// The fold of all facts, these included.
    pub record: Record,
}

impl Engine {
    /// An engine without calls. `node_started_at` is the start of Asterisk as it was last known, so that a restart while
    /// we were away is noticed.
    pub fn new(settings: Settings, node_started_at: Option<Timestamp>) -> Self {
        Self {
            settings,
            calls: BTreeMap::new(),
            agents: BTreeMap::new(),
            unknown: BTreeSet::new(),
            spared: BTreeSet::new(),
            has_listed: false,
            deadlines: BTreeSet::new(),
            connected: false,
            draining: false,
            refuses: None,
            node_started_at,
        }
    }

    /// Takes one input at one moment and says what follows from it.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Outbox {
        let mut out = Outbox::default();
        match input {
            // Heard twice: a channel makes one call.
            Input::AgentDialled { channel, .. } if self.agents.contains_key(&channel) => {}
            Input::AgentDialled { call, channel, name, dialled, at } => {
                let refused = self.refuses().filter(|_| !dialled.emergency);
                self.unknown.remove(&channel);
                self.agents.insert(channel.clone(), call);
                self.calls.insert(call, Call::by_phone(call, channel, &name, dialled, at, now));
                self.with(call, now, &mut out, |call, moment, out| match refused {
                    Some(reason) => call.refuse(reason, moment, out),
                    None => call.begin(moment, out),
                });
            }
            Input::CallAsked { call, request, endpoint, dialled } => {
                let away = (!self.connected).then_some(RefusalReason::NodeUnavailable);
                // A daemon that stops excepts no emergency call by this door: somebody sits there who can be told at once.
                let excepted = !self.draining && dialled.emergency;
                let refused = self.refuses().filter(|_| !excepted).or(away);
                self.calls.insert(call, Call::by_api(call, endpoint, dialled, request, now));
                self.with(call, now, &mut out, |call, moment, out| match refused {
                    Some(reason) => call.refuse(reason, moment, out),
                    None => call.begin(moment, out),
                });
            }
            Input::HangupAsked { call, request } => self.on_hangup_asked(call, request, now, &mut out),
            Input::Chosen { call, admission } => {
                self.with(call, now, &mut out, |call, moment, out| call.on_chosen(admission, moment, out));
            }
            Input::Decided { call, verdict, at } => {
                self.with(call, now, &mut out, |call, moment, out| call.on_decided(verdict, at, moment, out));
            }
            Input::Channel { channel, event, at } => self.on_channel(&channel, event, at, now, &mut out),
            Input::Carried { call, command, outcome } => {
                self.with(call, now, &mut out, |call, moment, out| call.on_carried(command, outcome, moment, out));
            }
            Input::Listed { node_started_at, channels, bridges, at } => {
                self.on_listed(node_started_at, &channels, &bridges, at, now, &mut out);
            }
            Input::Disconnected => {
                self.connected = false;
                self.calls.values_mut().for_each(Call::on_deaf);
                self.derive_deadlines();
            }
            Input::Restored { call, record, admission } => {
                let restored = Call::restored(call, *record, admission);
                if let Some(channel) = &restored.record().agent_channel {
                    self.agents.insert(channel.clone(), call);
                }
                self.deadlines.extend(restored.deadline(&self.settings).map(|at| (at, call)));
                self.calls.insert(call, restored);
            }
            Input::Drain => self.draining = true,
            Input::Refuse { reason } => self.refuses = reason,
            Input::DeadlinePassed => {
                let due: Vec<CallId> =
                    self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, call)| *call).collect();
                for call in due {
                    self.with(call, now, &mut out, Call::on_deadline);
                }
            }
        }
        out
    }

    /// When [`Input::DeadlinePassed`] must next come. Asked again after every step; nothing is started or cancelled.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The configuration was reloaded. Calls under way go on as they began.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
        self.derive_deadlines();
    }

    fn derive_deadlines(&mut self) {
        let deadlines = self.calls.values().filter_map(|call| Some((call.deadline(&self.settings)?, call.id)));
        self.deadlines = deadlines.collect();
    }

    /// Whether a channel belongs to an open call.
    pub fn knows(&self, channel: &ChannelId) -> bool {
        self.owner(channel).is_some_and(|(call, _)| self.calls.contains_key(&call))
    }

    /// The start of Asterisk as it was last known, if that could not be told at the beginning.
    pub fn node_was_started(&mut self, at: Option<Timestamp>) {
        self.node_started_at = at.or(self.node_started_at);
    }

    /// How many calls are open.
    pub fn open_calls(&self) -> usize {
        self.calls.len()
    }

    /// An open call.
    pub fn call(&self, call: CallId) -> Option<&Call> {
        self.calls.get(&call)
    }

    /// Every open call.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// Whether Asterisk's events are heard.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Why new calls are refused, if they all are.
    fn refuses(&self) -> Option<RefusalReason> {
        if self.draining { Some(RefusalReason::Draining) } else { self.refuses }
    }

    fn on_hangup_asked(&mut self, call: CallId, request: RequestId, now: Timestamp, out: &mut Outbox) {
        let answer = if self.calls.contains_key(&call) { Answer::HangingUp } else { Answer::NoSuchCall };
        self.with(call, now, out, Call::on_hangup_asked);
        out.commands.push((call, Command::Reply { request, answer }));
    }

    fn on_channel(
        &mut self,
        channel: &ChannelId,
        event: ChannelEvent,
        at: Timestamp,
        now: Timestamp,
        out: &mut Outbox,
    ) {
        match self.owner(channel) {
            Some((call, leg)) if self.calls.contains_key(&call) => {
                self.with(call, now, out, |call, moment, out| call.on_channel(leg, channel, event, at, moment, out));
            }
            // A channel of ours whose call is over: hung up on sight.
            Some((call, _)) if matches!(event, ChannelEvent::Started) => {
                out.commands.push((call, stray(channel)));
            }
            Some(_) | None => {}
        }
    }

    fn owner(&self, channel: &ChannelId) -> Option<(CallId, Leg)> {
        match (channel.owner(), channel.leg()) {
            (Some(call), Some(leg)) => Some((call, leg)),
            (None, _) | (_, None) => self.agents.get(channel).map(|call| (*call, Leg::Agent)),
        }
    }

    /// Holds what we believe against what Asterisk lists, and lets each call hear the difference.
    fn on_listed(
        &mut self,
        node_started_at: Timestamp,
        channels: &[ListedChannel],
        bridges: &[CallId],
        at: Timestamp,
        now: Timestamp,
        out: &mut Outbox,
    ) {
        let restarted = self.node_started_at.is_some_and(|known| known != node_started_at);
        self.node_started_at = Some(node_started_at);
        self.connected = true;
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for id in calls {
            if restarted {
                self.with(id, now, out, Call::on_node_lost);
                continue;
            }
            self.with(id, now, out, |call, moment, out| {
                let of_call =
                    |channel: &&ChannelId| channel.owner() == Some(id) && channel.leg() == Some(Leg::Customer);
                for channel in channels.iter().map(|listed| &listed.id).filter(of_call) {
                    call.is_customer(channel);
                }
                for (leg, channel) in call.channels_known_at(at) {
                    let found = channels.iter().find(|listed| listed.id == channel);
                    call.on_listed(leg, found, moment, out);
                }
                call.on_seen();
            });
        }
        self.spare(channels);
        for listed in channels {
            if self.is_spared(listed) {
                continue;
            }
            match self.owner(&listed.id) {
                Some((call, _)) if self.calls.contains_key(&call) => {}
                Some((call, _)) => out.commands.push((call, stray(&listed.id))),
                // A phone that waits for a call which nobody knows any more; or one that has just called, and the word of it
                // is still on its way. The order needs a call only for its place in a queue.
                None if self.unknown.contains(&listed.id) => {
                    out.commands.push((CallId(uuid::Uuid::nil()), stray(&listed.id)));
                }
                None => {}
            }
        }
        let unknown = |listed: &&ListedChannel| self.owner(&listed.id).is_none() && !self.is_spared(listed);
        self.unknown = channels.iter().filter(unknown).map(|listed| listed.id.clone()).collect();
        for call in bridges {
            if !self.calls.contains_key(call) && !self.spared.contains(call) {
                out.commands.push((*call, Command::DestroyBridge { bridge: call.bridge() }));
            }
        }
    }

    /// All that may ring without a record is a call for help. Whoever begins here does not know what another daemon began
    /// while the database was away: such a call is not ended, by its trunk it is told.
    fn spare(&mut self, channels: &[ListedChannel]) {
        let strangers: BTreeSet<CallId> = channels
            .iter()
            .filter(|listed| self.settings.emergency.as_ref().is_some_and(|route| listed.name.is_of(&route.trunk)))
            .filter_map(|listed| listed.id.owner())
            .filter(|call| !self.calls.contains_key(call))
            .collect();
        if std::mem::replace(&mut self.has_listed, true) {
            self.spared.retain(|call| strangers.contains(call));
        } else {
            self.spared = strangers;
        }
    }

    fn is_spared(&self, listed: &ListedChannel) -> bool {
        [listed.id.owner(), listed.bridge].into_iter().flatten().any(|call| self.spared.contains(&call))
    }

    /// Lets one call take a step, hands out what followed, and forgets the call when it is over.
    fn with(
        &mut self,
        id: CallId,
        now: Timestamp,
        out: &mut Outbox,
        step: impl FnOnce(&mut Call, Moment<'_>, &mut CallOutbox),
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let before = call.deadline(&self.settings);
        let mut produced = CallOutbox::default();
        step(call, Moment { now, settings: &self.settings }, &mut produced);
        if !produced.facts.is_empty() {
            let record = call.record().clone();
            let new = u32::try_from(produced.facts.len()).unwrap_or(u32::MAX);
            out.writes.push(Write {
                call: id,
                first_seq: record.facts.saturating_sub(new),
                facts: produced.facts,
                record,
            });
        }
        out.commands.extend(produced.commands.into_iter().map(|command| (id, command)));
        let after = call.deadline(&self.settings).filter(|_| !call.is_over());
        if before != after || call.is_over() {
            self.deadlines.extend(after.map(|at| (at, id)));
            if let Some(before) = before {
                self.deadlines.remove(&(before, id));
            }
        }
        if call.is_over() {
            if let Some(channel) = &call.record().agent_channel {
                self.agents.remove(channel);
            }
            self.calls.remove(&id);
            out.over.push(id);
        }
    }
}

fn stray(channel: &ChannelId) -> Command {
    Command::HangUp { channel: channel.clone(), cause: HangupCause(42) }
}
