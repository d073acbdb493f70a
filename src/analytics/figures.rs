//! How figures add up: those of days that were summed up before, and those of calls read one by one.

use crate::core::ids::{AgentId, NumberId};
use crate::core::number::RegionCode;
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Calls that the rules let out.
    pub calls: i64,
    /// Of these, an INVITE left for the carrier.
    pub attempts: i64,
    /// Of these, the customer picked up.
    pub answered: i64,
    /// Calls that the rules did not let out.
    pub refused: i64,
    /// Answered calls of which it is known how long they took.
    pub talked: i64,
    /// How long that was, in all.
    pub talk_ms: i64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, more: Self) {
        self.calls += more.calls;
        self.attempts += more.attempts;
        self.answered += more.answered;
        self.refused += more.refused;
        self.talked += more.talked;
        self.talk_ms += more.talk_ms;
    }
}

impl Sums {
    /// Answered of attempts, from 0 to 1; none without attempts.
    pub fn success_rate(&self) -> Option<f64> {
        ratio(self.answered, self.attempts).map(|rate| (rate * 10_000.0).round() / 10_000.0)
    }

    /// How long an answered call took, in seconds; none if none is over.
    pub fn average_s(&self) -> Option<f64> {
        ratio(self.talk_ms, self.talked).map(|ms| (ms / 100.0).round() / 10.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53, which is more calls than anybody makes")]
fn ratio(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What calls have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// All of them.
    All,
    /// The day on which they are counted.
    Day(Date),
    /// The number; none: refused calls, and emergency calls.
    Number(Option<NumberId>),
    /// The agent.
    Agent(Option<AgentId>),
    /// The country called; none: what was dialled is no number.
    Country(Option<RegionCode>),
    /// The hour: when it began, and what the clock showed then.
    Hour(Timestamp, u8),
}

/// All that was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// In all.
    pub all: Sums,
    /// By day.
    pub days: BTreeMap<Date, Sums>,
    /// By number.
    pub numbers: BTreeMap<Option<NumberId>, Sums>,
    /// By agent.
    pub agents: BTreeMap<Option<AgentId>, Sums>,
    /// By country.
    pub countries: BTreeMap<Option<RegionCode>, Sums>,
    /// By hour: when it began.
    pub hours: BTreeMap<Timestamp, (u8, Sums)>,
}

impl Figures {
    /// Adds what was counted somewhere.
    pub fn add(&mut self, key: Key, sums: Sums) {
        match key {
            Key::All => self.all += sums,
            Key::Day(day) => *self.days.entry(day).or_default() += sums,
            Key::Number(number) => *self.numbers.entry(number).or_default() += sums,
            Key::Agent(agent) => *self.agents.entry(agent).or_default() += sums,
            Key::Country(region) => *self.countries.entry(region).or_default() += sums,
            Key::Hour(at, hour) => self.hours.entry(at).or_insert((hour, Sums::default())).1 += sums,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_what_left_for_the_carrier() {
        let sums = Sums { calls: 12, attempts: 9, answered: 3, refused: 5, talked: 2, talk_ms: 90_050 };
        assert_eq!(sums.success_rate(), Some(0.3333));
        assert_eq!(sums.average_s(), Some(45.0));
        assert_eq!((Sums::default().success_rate(), Sums::default().average_s()), (None, None));
    }

    #[test]
    fn figures_of_two_places_are_one() {
        let one = Sums { calls: 1, attempts: 1, answered: 1, refused: 0, talked: 1, talk_ms: 1_000 };
        let mut figures = Figures::default();
        let hour = Timestamp::UNIX_EPOCH;
        for key in [Key::All, Key::Agent(None), Key::Hour(hour, 9)] {
            figures.add(key, one);
            figures.add(key, one);
        }
        assert_eq!(figures.all.talk_ms, 2_000);
        assert_eq!(figures.agents[&None].calls, 2);
        assert_eq!(
            figures.hours[&hour],
            (9, Sums { calls: 2, attempts: 2, answered: 2, refused: 0, talked: 2, talk_ms: 2_000 })
        );
        assert!(figures.days.is_empty());
    }
}
