//! The model: what exists, what is due, who listens.

use crate::channel::{Channel, InApp, State};
use crate::dice::Dice;
use crate::event::{Event, Kind};
use crate::far_end::{FarEnd, FarLeg, PhoneCall};
use crate::life::Due;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Microseconds, of a span or since 1970.
pub type Micros = i64;
/// One millisecond.
pub const MILLI: Micros = 1000;
/// One second.
pub const SECOND: Micros = 1_000_000;

/// What can be set about the model.
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    /// Hangup handlers run. Off: the control experiment.
    pub handlers: bool,
    /// `TIMEOUT(absolute)` that the dialplan puts on an agent's leg, in seconds.
    pub absolute_s: i64,
    /// How long an announcement lasts.
    pub prompt: Micros,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { handlers: true, absolute_s: 14_400, prompt: 3 * SECOND }
    }
}

/// One Asterisk with `asterisk-conf/`.
pub struct Asterisk {
    pub(crate) knobs: Knobs,
    pub(crate) now: Micros,
    pub(crate) started_at: Micros,
    pub(crate) channels: BTreeMap<String, Channel>,
    /// The channels in each bridge.
    pub(crate) bridges: BTreeMap<String, BTreeSet<String>>,
    /// A socket holds the application, dead or alive.
    active: bool,
    pub(crate) disallowed: Vec<String>,
    events: Vec<Event>,
    pub(crate) agenda: BTreeMap<(Micros, u64), Due>,
    scheduled: u64,
    pub(crate) serial: u32,
    pub(crate) dice: Dice,
    far_ends: BTreeMap<String, FarEnd>,
    pub(crate) far_legs: BTreeMap<String, FarLeg>,
    pub(crate) phones: BTreeMap<String, PhoneCall>,
}

impl Asterisk {
    /// One that started a moment before `now`.
    pub fn new(now: Micros, seed: u64, knobs: Knobs) -> Self {
        Self {
            knobs,
            now,
            started_at: now - SECOND,
            channels: BTreeMap::new(),
            bridges: BTreeMap::new(),
            active: false,
            disallowed: Vec::new(),
            events: Vec::new(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            serial: 0,
            dice: Dice::new(seed),
            far_ends: BTreeMap::new(),
            far_legs: BTreeMap::new(),
            phones: BTreeMap::new(),
        }
    }

    /// What meets whoever is called by this number or endpoint. The default is [`FarEnd::Unknown`].
    pub fn set_far_end(&mut self, user: &str, far_end: FarEnd) {
        self.far_ends.insert(user.to_owned(), far_end);
    }

    pub(crate) fn far_end(&self, user: &str) -> FarEnd {
        self.far_ends.get(user).copied().unwrap_or(FarEnd::Unknown)
    }

    /// When something will happen by itself.
    pub fn next_due(&self) -> Option<Micros> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// Lets the time pass up to `now`.
    pub fn advance(&mut self, now: Micros) {
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= now
        {
            self.now = self.now.max(entry.key().0);
            let due = entry.remove();
            self.happen(due);
        }
        self.now = self.now.max(now);
    }

    /// What was told since the last time it was asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// A socket takes the application, from another one if there is one. What happened without one is not told.
    pub fn connect(&mut self) {
        if self.active {
            let at = self.now;
            self.events.push(Event { at, kind: Kind::Replaced, channel: None });
        }
        self.active = true;
        // An idle application is forgotten at the end of its socket, and its filter with it.
        self.disallowed.clear();
    }

    /// The socket is closed.
    pub fn disconnect(&mut self) {
        self.active = false;
    }

    /// Whether a socket holds the application.
    pub fn is_connected(&self) -> bool {
        self.active
    }

    /// `kill -9` and a new start: nothing is left and nobody is told.
    pub fn restart(&mut self) {
        self.active = false;
        self.channels.clear();
        self.bridges.clear();
        self.agenda.clear();
        self.events.clear();
        self.started_at = self.now;
        let now = self.now;
        for leg in self.far_legs.values_mut() {
            leg.ended_at.get_or_insert(now);
            leg.ringing_since = None;
        }
        for phone in self.phones.values_mut() {
            phone.ended_at.get_or_insert(now);
        }
    }

    /// When it was started.
    pub fn started_at(&self) -> Micros {
        self.started_at
    }

    /// Every channel.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values()
    }

    /// One channel.
    pub fn channel(&self, id: &str) -> Option<&Channel> {
        self.channels.get(id)
    }

    /// Every bridge with its channels.
    pub fn bridges(&self) -> impl Iterator<Item = (&String, &BTreeSet<String>)> {
        self.bridges.iter()
    }

    /// What the far ends of dialled channels saw, by channel.
    pub fn far_legs(&self) -> &BTreeMap<String, FarLeg> {
        &self.far_legs
    }

    /// What a phone that called in saw.
    pub fn phone(&self, channel: &str) -> Option<&PhoneCall> {
        self.phones.get(channel)
    }

    /// An agent's phone dials. Gives back the id of its channel.
    pub fn phone_dials(&mut self, endpoint: &str, exten: &str) -> String {
        self.serial += 1;
        let id = format!("model-{}.{}", self.started_at / SECOND, self.serial);
        let channel = Channel {
            id: id.clone(),
            name: format!("PJSIP/{endpoint}-{:08x}", self.serial),
            state: State::Ring,
            in_app: InApp::Entering,
            incoming: true,
            bridge: None,
            created: self.now,
            exten: exten.to_owned(),
            args: vec!["outbound".to_owned()],
            variables: BTreeMap::new(),
            user: endpoint.to_owned(),
            subscribed: false,
            handler: true,
            dialled: false,
            ending: None,
            serial: self.serial,
        };
        self.phones.insert(id.clone(), PhoneCall::default());
        self.later(self.knobs.absolute_s * SECOND, Due::absolute(&channel));
        let wait = self.thread();
        self.later(wait, Due::enter(&channel));
        self.channels.insert(id.clone(), channel);
        id
    }

    /// The phone that called in hangs up: CANCEL before the answer, BYE after it.
    pub fn phone_hangs_up(&mut self, id: &str) {
        let Some(channel) = self.channels.get(id).filter(|channel| channel.ending.is_none()) else { return };
        if channel.state == State::Up {
            self.end(id, (None, None, false), (16, None));
        } else {
            self.end(id, (Some(127), Some(487), false), (127, Some(487)));
        }
    }

    /// The far end of a channel that we dialled hangs up, if it has answered.
    pub fn far_end_hangs_up(&mut self, id: &str) {
        if self.channels.get(id).is_some_and(|channel| channel.state == State::Up) {
            self.end(id, (None, None, false), (16, None));
        }
    }

    pub(crate) fn later(&mut self, wait: Micros, due: Due) {
        self.scheduled += 1;
        self.agenda.insert((self.now + wait, self.scheduled), due);
    }

    /// How long a channel's own thread takes to do what it was told.
    pub(crate) fn thread(&mut self) -> Micros {
        self.dice.between(100, 1500)
    }

    /// Tells the application about a channel, if anybody listens.
    pub(crate) fn tell(&mut self, id: &str, kind: Kind) {
        let Some(channel) = self.channels.get(id) else { return };
        let about_entry = matches!(kind, Kind::StasisStart | Kind::StasisEnd);
        if self.active && (about_entry || channel.subscribed || channel.in_app == InApp::Yes) {
            self.events.push(Event { at: self.now, kind, channel: Some(Box::new(channel.clone())) });
        }
    }

    pub(crate) fn tell_all(&mut self, kind: Kind) {
        if self.active {
            self.events.push(Event { at: self.now, kind, channel: None });
        }
    }
}

/// As the crate writes times.
pub(crate) fn timestamp(micros: Micros) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}
