//! A store in memory: it decides, reserves, counts and keeps facts as the real one does, and notices what must never be.

use cordboard::core::engine::Write;
use cordboard::core::fact::{Fact, Origin};
use cordboard::core::ids::{AgentId, CallId, ChannelId, EndpointName, NumberId, OrganizationId};
use cordboard::core::input::{Admission, Verdict};
use cordboard::core::number::E164;
use cordboard::core::outcome::RefusalReason;
use cordboard::core::record::{Quota, Record};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Calls a day from each of our numbers.
pub const LIMIT: u32 = 4;
/// Our numbers.
pub const NUMBERS: usize = 3;

#[derive(Debug, Default)]
pub struct Store {
    pub rows: BTreeMap<CallId, Row>,
    used: [u32; NUMBERS],
    /// The start of Asterisk as it was last known.
    pub node_started_at: Option<Timestamp>,
    pub wrong: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Row {
    pub facts: Vec<Fact>,
    pub record: Record,
    pub admission: Option<Admission>,
    number: Option<usize>,
}

/// What the store is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    pub call: CallId,
    pub endpoint: EndpointName,
    pub destination: E164,
    pub origin: Origin,
    pub agent_channel: Option<ChannelId>,
    pub requested_at: Timestamp,
}

impl Store {
    /// The number that still has room, least used first, as it is seen now.
    pub fn free(&self) -> Option<usize> {
        (0..NUMBERS).filter(|number| self.used[*number] < LIMIT).min_by_key(|number| self.used[*number])
    }

    /// One transaction: choice, reservation, row and first facts.
    pub fn admit(&mut self, ask: &Ask, choice: Option<usize>, at: Timestamp) -> Verdict {
        let requested =
            Fact::Requested { at: ask.requested_at, origin: ask.origin, agent_channel: ask.agent_channel.clone() };
        let mut row = Row::default();
        let (verdict, fact) = if let Some(number) = choice {
            self.used[number] += 1;
            let admission = admission(ask, number);
            row.admission = Some(admission.clone());
            row.number = Some(number);
            (Verdict::Admitted(Box::new(admission)), Fact::Admitted { at, emergency: false })
        } else {
            let reason = RefusalReason::DailyLimit;
            (Verdict::Refused(reason), Fact::Refused { at, reason })
        };
        row.facts = vec![requested, fact];
        row.record = Record::of(&row.facts);
        if self.rows.insert(ask.call, row).is_some() {
            self.wrong.push(format!("{}: decided twice", ask.call));
        }
        self.check_limits();
        verdict
    }

    pub fn enter(&mut self, call: CallId) {
        self.rows.entry(call).or_default();
    }

    pub fn append(&mut self, write: &Write) {
        let Some(row) = self.rows.get_mut(&write.call) else {
            return self.wrong.push(format!("{}: facts of a call without a row", write.call));
        };
        if row.facts.len() != write.first_seq as usize {
            let (have, first) = (row.facts.len(), write.first_seq);
            self.wrong.push(format!("{}: fact {first} comes after {have} facts", write.call));
        }
        let before = row.record.quota;
        let was_final = row.record.is_settled();
        row.facts.extend(write.facts.iter().cloned());
        row.record = write.record.clone();
        if Record::of(&row.facts) != row.record {
            self.wrong.push(format!("{}: the row is not the fold of its facts", write.call));
        }
        if was_final {
            self.wrong.push(format!("{}: {:?} after the end", write.call, write.facts));
        }
        match (before, row.record.quota) {
            (Quota::Reserved, Quota::Refunded) => {
                if let Some(number) = row.number {
                    self.used[number] -= 1;
                }
            }
            (a, b) if a == b => {}
            (Quota::Reserved, Quota::Committed) | (Quota::None, Quota::Reserved) => {}
            (a, b) => self.wrong.push(format!("{}: quota {a:?} became {b:?}", write.call)),
        }
        self.check_limits();
    }

    /// The control: what is to be written loses the fact that an INVITE left.
    pub fn forget_invites(&self, write: &mut Write) {
        write.facts.retain(|fact| !matches!(fact, Fact::InviteSent { .. }));
        let before = self.rows.get(&write.call).map_or(&[][..], |row| row.facts.as_slice());
        write.first_seq = u32::try_from(before.len()).unwrap_or(u32::MAX);
        write.record = Record::of(before.iter().chain(&write.facts));
    }

    /// The counters against the limits, and against the rows themselves.
    fn check_limits(&mut self) {
        for number in 0..NUMBERS {
            let holds = |row: &&Row| {
                row.number == Some(number) && matches!(row.record.quota, Quota::Reserved | Quota::Committed)
            };
            let held = self.rows.values().filter(holds).count();
            if held != self.used[number] as usize {
                self.wrong.push(format!("number {number}: {held} calls hold quota, {} are counted", self.used[number]));
            }
            if self.used[number] > LIMIT {
                self.wrong.push(format!("number {number}: {} calls of {LIMIT}", self.used[number]));
            }
        }
    }

    /// How long all calls lasted, from the request to the end of the record.
    pub fn call_hours(&self) -> f64 {
        let spans = self.rows.values().filter_map(|row| row.record.requested_at.zip(row.record.settled_at));
        spans.map(|(from, to)| to.duration_since(from).as_secs_f64() / 3600.0).sum()
    }

    /// What a daemon that starts finds unfinished.
    pub fn open_calls(&self) -> Vec<(CallId, Record, Option<Admission>)> {
        let open = self.rows.iter().filter(|(_, row)| !row.record.is_settled());
        open.map(|(call, row)| (*call, Record::of(&row.facts), row.admission.clone())).collect()
    }
}

/// What is admitted if that number is reserved.
pub fn admission(ask: &Ask, number: usize) -> Admission {
    let id = |n: u128| uuid::Uuid::from_u128(n);
    Admission {
        organization: OrganizationId(id(1)),
        agent: AgentId(id(2)),
        endpoint: ask.endpoint.clone(),
        number: Some(NumberId(id(10 + number as u128))),
        present: format!("+1202556{number:04}").parse().expect("a number"),
        destination: ask.destination,
        trunk: "carrier".parse().expect("a trunk"),
        plus: true,
    }
}
