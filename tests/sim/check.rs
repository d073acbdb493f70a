//! What must never be, held against what really happened in the model, not against what the engine believes.

use crate::plan::{Options, Plan};
use crate::store::Store;
use cordboard::core::fact::Leg;
use cordboard::core::ids::{CallId, ChannelId};
use cordboard::core::outcome::Disposition;
use cordboard::core::record::Quota;
use model_asterisk::{Asterisk, Channel, FarLeg, InApp, MILLI, Micros, SECOND, State};
use std::collections::{BTreeMap, BTreeSet};

/// An answered customer may be without an agent so long.
const ALONE: Micros = SECOND;
/// A customer's phone may ring so long after the agent's end.
const RINGING: Micros = 500 * MILLI;

#[derive(Debug, Default)]
pub struct Checker {
    pub wrong: BTreeSet<String>,
    alone: BTreeMap<String, Micros>,
    ringing: BTreeMap<String, Micros>,
}

impl Checker {
    pub fn say(&mut self, text: String) {
        self.wrong.insert(text);
    }

    /// Looks at the model at a moment before anything changes: what it sees has been so until now.
    pub fn look(&mut self, asterisk: &Asterisk, now: Micros) {
        let mut alone = BTreeMap::new();
        let mut ringing = BTreeMap::new();
        for channel in asterisk.channels().filter(|channel| is_customer(channel)) {
            let Some(leg) = asterisk.far_legs().get(&channel.id) else { continue };
            if leg.invites > 1 {
                self.wrong.insert(format!("{}: {} INVITEs", channel.id, leg.invites));
            }
            let agent = leg.originator.as_deref().and_then(|agent| asterisk.channel(agent));
            let together = agent.is_some_and(|agent| agent.bridge.is_some() && agent.bridge == channel.bridge);
            if channel.state == State::Up && !together {
                let since = *self.alone.get(&channel.id).unwrap_or(&now);
                if now - since > ALONE {
                    self.wrong.insert(format!("{}: an answered customer was left alone", channel.id));
                }
                alone.insert(channel.id.clone(), since);
            }
            if leg.ringing_since.is_some() && agent.is_none() {
                let since = *self.ringing.get(&channel.id).unwrap_or(&now);
                if now - since > RINGING {
                    self.wrong.insert(format!("{}: a customer's phone rings for nobody", channel.id));
                }
                ringing.insert(channel.id.clone(), since);
            }
        }
        (self.alone, self.ringing) = (alone, ringing);
    }

    /// What must be true when all is over.
    pub fn finish(&mut self, asterisk: &Asterisk, store: &Store, open: &[CallId]) {
        self.wrong.extend(store.wrong.iter().cloned());
        for call in open {
            self.say(format!("{call}: it never ends"));
        }
        for channel in asterisk.channels() {
            let owner = channel.id.parse::<ChannelId>().ok().and_then(|id| id.owner());
            let stray = owner.map_or(channel.in_app == InApp::Yes, |owner| !open.contains(&owner));
            if stray {
                self.say(format!("{}: a channel is left alive", channel.id));
            }
        }
        for (bridge, _) in asterisk.bridges().filter(|_| open.is_empty()) {
            self.say(format!("{bridge}: a bridge is left"));
        }
        for (channel, leg) in asterisk.far_legs() {
            if leg.invites > 1 && is_customer_id(channel) {
                self.say(format!("{channel}: {} INVITEs", leg.invites));
            }
        }
        for (call, row) in &store.rows {
            if !row.facts.is_empty() {
                self.settled(asterisk, *call, row);
            }
        }
    }

    fn settled(&mut self, asterisk: &Asterisk, call: CallId, row: &crate::store::Row) {
        let record = &row.record;
        let Some(disposition) = record.disposition else {
            return self.say(format!("{call}: never settled"));
        };
        let leg = customer_of(asterisk, call);
        let channels =
            (1..=CHANNELS).filter_map(|attempt| asterisk.far_legs().get(call.customer_channel(attempt).as_str()));
        let all: u32 = channels.map(|leg| leg.invites).sum();
        if all > leg.map_or(0, |leg| leg.invites) {
            self.say(format!("{call}: an INVITE left on a channel in whose place another was made"));
        }
        let invited = leg.is_some_and(|leg| leg.invites > 0);
        let ordered = leg.is_some_and(|leg| leg.ordered);
        let guess = record.estimated || disposition == Disposition::UnknownOutcome;
        match record.quota {
            Quota::Reserved => self.say(format!("{call}: its reservation is never settled")),
            Quota::Refunded if invited => {
                self.say(format!("{call}: refunded although an INVITE left ({disposition})"));
            }
            Quota::Committed if !ordered && !guess => {
                self.say(format!("{call}: used up although no INVITE can have left ({disposition})"));
            }
            Quota::None if row.admission.is_some() => self.say(format!("{call}: admitted without a reservation")),
            Quota::None | Quota::Refunded | Quota::Committed => {}
        }
        let answered = leg.is_some_and(|leg| leg.answered_at.is_some());
        if answered && disposition != Disposition::Answered && !guess {
            self.say(format!("{call}: answered, and recorded as {disposition}"));
        }
        if !answered && disposition == Disposition::Answered {
            self.say(format!("{call}: recorded as answered, and was not"));
        }
        let order = [record.invite_sent_at, record.ringing_at, record.answered_at];
        let times: Vec<_> = order.into_iter().flatten().collect();
        if !guess && !times.is_sorted_by(|a, b| a.as_millisecond() <= b.as_millisecond() + 1) {
            self.say(format!("{call}: its times do not follow each other"));
        }
    }

    /// In a history in which nothing goes wrong every call ends as the people in it planned it.
    /// A listing may tell of a channel's end before the event does that has the cause; then it is a guess, and told so.
    pub fn as_planned(
        &mut self,
        plan: &Plan,
        call: Option<CallId>,
        asterisk: &Asterisk,
        store: &Store,
        options: &Options,
    ) {
        let untouched = options.cancels == 0 && options.api_hang_ups == 0;
        let Some(row) = call.and_then(|call| store.rows.get(&call)) else {
            return self.say(format!("{}: no row", plan.endpoint));
        };
        let told = row.record.disposition.map_or("-", Disposition::as_str);
        let leg = call.and_then(|call| customer_of(asterisk, call));
        let overtaken = row.record.estimated
            && leg
                .and_then(|leg| leg.ended_at)
                .zip(row.record.ended_at)
                .is_some_and(|(ended, told)| ended <= told.as_microsecond());
        if untouched && !overtaken && told != "refused" && told != plan.expected() {
            let text = format!("{}: {} was expected, {told} came of it", plan.endpoint, plan.expected());
            self.say(format!("{text} ({:?})", row.facts));
        }
    }
}

/// More channels than are ever made for one customer, one in the place of the other.
const CHANNELS: u16 = 9;

/// The last that was made.
fn customer_of(asterisk: &Asterisk, call: CallId) -> Option<&FarLeg> {
    (1..=CHANNELS).rev().find_map(|attempt| asterisk.far_legs().get(call.customer_channel(attempt).as_str()))
}

fn is_customer(channel: &Channel) -> bool {
    is_customer_id(&channel.id)
}

fn is_customer_id(id: &str) -> bool {
    id.parse::<ChannelId>().is_ok_and(|id| id.leg() == Some(Leg::Customer))
}
