//! What happens by itself: channels enter, phones ring and answer, clocks run out, legs end.

use crate::asterisk::{Asterisk, MILLI, Micros, SECOND};
use crate::causes;
use crate::channel::{Channel, Ending, InApp, State};
use crate::event::Kind;
use crate::far_end::FarEnd;

/// Something that will happen to a channel, if it is still the same one.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    id: String,
    serial: u32,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// It comes to `Stasis()`.
    Enter,
    /// The dialplan has said that there is no service.
    TurnedAway,
    /// Its INVITE leaves.
    Dial {
        timeout_s: Option<i64>,
    },
    Rings {
        early_media: bool,
    },
    Answers {
        hang_up_after: Option<Micros>,
    },
    Refuses {
        status: u16,
    },
    HangsUp,
    DialTimeout,
    Absolute,
    Played,
    /// Its thread takes notice that it shall end.
    End,
}

impl Due {
    fn new(channel: &Channel, what: What) -> Self {
        Self { id: channel.id.clone(), serial: channel.serial, what }
    }
    pub fn enter(channel: &Channel) -> Self {
        Self::new(channel, What::Enter)
    }
    pub fn absolute(channel: &Channel) -> Self {
        Self::new(channel, What::Absolute)
    }
    pub fn dial(channel: &Channel, timeout_s: Option<i64>) -> Self {
        Self::new(channel, What::Dial { timeout_s })
    }
    pub fn played(channel: &Channel) -> Self {
        Self::new(channel, What::Played)
    }
}

impl Asterisk {
    pub(crate) fn happen(&mut self, due: Due) {
        let Due { id, serial, what } = due;
        let Some(channel) = self.channels.get(&id).filter(|channel| channel.serial == serial) else { return };
        let (ending, state) = (channel.ending.is_some(), channel.state);
        match what {
            What::End => self.over(&id),
            _ if ending => {}
            What::Enter => self.enter(&id),
            What::TurnedAway => self.end(&id, (Some(16), None, true), (42, None)),
            What::Dial { timeout_s } => self.invite(&id, timeout_s),
            What::Rings { early_media } => self.rings(&id, early_media),
            What::Answers { hang_up_after } => self.answers(&id, hang_up_after),
            What::Refuses { status } => {
                let cause = causes::of_status(status);
                self.end(&id, (Some(cause), Some(status), false), (cause, Some(status)));
            }
            What::HangsUp => self.end(&id, (None, None, false), (16, None)),
            What::DialTimeout if state != State::Up => self.end(&id, (Some(32), None, true), (19, Some(480))),
            What::DialTimeout => {}
            What::Absolute => self.end(&id, (Some(64), None, true), (16, None)),
            What::Played => self.tell(&id, Kind::PlaybackFinished),
        }
    }

    fn enter(&mut self, id: &str) {
        let active = self.is_connected();
        let wait = self.thread();
        let prompt = self.knobs.prompt;
        let Some(channel) = self.channels.get_mut(id) else { return };
        match (active, channel.incoming) {
            (true, _) => {
                channel.in_app = InApp::Yes;
                self.tell(id, Kind::StasisStart);
            }
            (false, true) => {
                channel.in_app = InApp::No;
                let due = Due::new(channel, What::TurnedAway);
                self.later(prompt, due);
            }
            (false, false) => {
                channel.in_app = InApp::No;
                channel.ending = Some(Ending { cause: 0, tech_cause: None, second: false });
                let due = Due::new(channel, What::End);
                self.later(wait, due);
            }
        }
    }

    fn invite(&mut self, id: &str, timeout_s: Option<i64>) {
        let Some(channel) = self.channels.get(id) else { return };
        let channel = channel.clone();
        let leg = self.far_legs.entry(id.to_owned()).or_default();
        leg.invites += 1;
        leg.ended_at = None;
        leg.user.clone_from(&channel.user);
        self.tell(id, Kind::Dial(""));
        if let Some(seconds) = timeout_s {
            self.later(seconds * SECOND, Due::new(&channel, What::DialTimeout));
        }
        let network = self.dice.between(MILLI, 3 * MILLI);
        self.follow(&channel, network);
    }

    /// The far end does what it does.
    fn follow(&mut self, channel: &Channel, network: Micros) {
        let far_end = self.far_end(&channel.user);
        let mut plan = |wait: Micros, what| self.later(network + wait, Due::new(channel, what));
        match far_end {
            FarEnd::Answer { ring, early_media, hang_up_after } => {
                plan(0, What::Rings { early_media });
                plan(ring, What::Answers { hang_up_after });
            }
            FarEnd::Reject { status, ring } => {
                if ring > 0 {
                    plan(0, What::Rings { early_media: false });
                }
                plan(ring, What::Refuses { status });
            }
            FarEnd::RingForever => plan(0, What::Rings { early_media: false }),
            FarEnd::Silent | FarEnd::Unknown => {}
        }
    }

    fn rings(&mut self, id: &str, early_media: bool) {
        let now = self.now;
        if let Some(leg) = self.far_legs.get_mut(id) {
            leg.ringing_since.get_or_insert(now);
        }
        if early_media {
            return self.tell(id, Kind::Dial("PROGRESS"));
        }
        if let Some(channel) = self.channels.get_mut(id) {
            channel.state = State::Ringing;
        }
        self.tell(id, Kind::StateChange);
        self.tell(id, Kind::Dial("RINGING"));
    }

    fn answers(&mut self, id: &str, hang_up_after: Option<Micros>) {
        let now = self.now;
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.state = State::Up;
        let (bridge, channel) = (channel.bridge.clone(), channel.clone());
        if let Some(leg) = self.far_legs.get_mut(id) {
            leg.ringing_since = None;
            leg.answered_at.get_or_insert(now);
        }
        self.tell(id, Kind::StateChange);
        self.tell(id, Kind::Dial("ANSWER"));
        if let Some(after) = hang_up_after {
            self.later(after, Due::new(&channel, What::HangsUp));
        }
        // The answer goes through the bridge and answers the phone that waits there.
        let others = bridge.and_then(|bridge| self.bridges.get(&bridge)).cloned().unwrap_or_default();
        for other in others {
            let Some(waiting) = self.channels.get_mut(&other).filter(|other| other.state == State::Ring) else {
                continue;
            };
            waiting.state = State::Up;
            if let Some(phone) = self.phones.get_mut(&other) {
                phone.answered = true;
            }
            self.tell(&other, Kind::StateChange);
        }
    }

    /// Something asks a channel to end: told at once, done by its own thread a moment later.
    pub(crate) fn end(
        &mut self,
        id: &str,
        (cause, tech_cause, soft): (Option<u16>, Option<u16>, bool),
        of: (u16, Option<u16>),
    ) {
        let wait = self.thread();
        let Some(channel) = self.channels.get_mut(id) else { return };
        if channel.ending.is_none() {
            let second = channel.incoming;
            channel.ending = Some(Ending { cause: of.0, tech_cause: of.1, second });
            let due = Due::new(channel, What::End);
            self.later(wait, due);
        }
        self.tell(id, Kind::HangupRequest { cause, tech_cause, soft });
    }

    /// The end of a channel, in Asterisk's order: out of the bridge, out of the application, its handler, gone.
    fn over(&mut self, id: &str) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        let ending = channel.ending.unwrap_or(Ending { cause: 16, tech_cause: None, second: false });
        if let Some(bridge) = channel.bridge.take() {
            if let Some(members) = self.bridges.get_mut(&bridge) {
                members.remove(id);
            }
            self.tell(id, Kind::LeftBridge(bridge));
        }
        if self.channels.get(id).is_some_and(|channel| channel.in_app == InApp::Yes) {
            self.tell(id, Kind::StasisEnd);
        }
        if let Some(channel) = self.channels.get_mut(id) {
            channel.in_app = InApp::No;
        }
        self.run_handler(id);
        if ending.second {
            self.tell(id, Kind::HangupRequest { cause: Some(16), tech_cause: ending.tech_cause, soft: true });
        }
        self.tell(id, Kind::Destroyed { cause: ending.cause, tech_cause: ending.tech_cause });
        self.channels.remove(id);
        let now = self.now;
        if let Some(leg) = self.far_legs.get_mut(id) {
            leg.ringing_since = None;
            leg.ended_at.get_or_insert(now);
        }
        if let Some(phone) = self.phones.get_mut(id) {
            phone.ended_at = Some(now);
            if phone.answered {
                phone.cause = Some(ending.cause);
            } else {
                phone.status = Some(ending.tech_cause.unwrap_or_else(|| causes::to_status(ending.cause)));
            }
        }
    }

    /// `cordboard-hangup` of `asterisk-conf/extensions.conf`, line by line.
    fn run_handler(&mut self, id: &str) {
        let Some(channel) = self.channels.get(id).filter(|channel| channel.handler && self.knobs.handlers) else {
            return;
        };
        let mut peer = channel.variable("CORDBOARD_PEER");
        if peer.is_empty() {
            peer = channel.variable("SHARED(CORDBOARD_PEER)");
        }
        if channel.state == State::Up && !channel.variable("CORDBOARD_PEER_IF_UP").is_empty() {
            peer = channel.variable("CORDBOARD_PEER_IF_UP");
        }
        let found = self.channels.values().find(|other| !peer.is_empty() && (other.id == peer || other.name == peer));
        if let Some(found) = found.map(|found| found.id.clone()) {
            self.end(&found, (Some(32), None, true), (0, None));
        }
    }
}
