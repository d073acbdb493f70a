//! When a delivery that failed is tried again. Chance comes from outside.

use std::time::Duration;

/// How patient we are with those who receive webhooks.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// How long to wait after the first attempt that failed, the second, and so on. After the last the delivery has failed.
    pub waits: Vec<Duration>,
    /// A receiver is left alone for so long after its first failure, twice as long after the second, and so on.
    pub rest: Duration,
    /// It is never left alone for longer, unless it asks for it.
    pub longest_rest: Duration,
    /// However long it asks for, by `Retry-After`, no more than this counts.
    pub longest_asked: Duration,
    /// Who has not taken anything for so long is switched off.
    pub give_up_after: Duration,
    /// Whoever tries has so long, or another may try.
    pub lease: Duration,
}

impl Default for Schedule {
    /// Eleven attempts in some three days.
    fn default() -> Self {
        let waits_s = [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 72_000];
        Self {
            waits: waits_s.map(Duration::from_secs).into(),
            rest: Duration::from_secs(1),
            longest_rest: Duration::from_mins(1),
            longest_asked: Duration::from_hours(1),
            give_up_after: Duration::from_hours(72),
            lease: Duration::from_mins(1),
        }
    }
}

impl Schedule {
    /// How long to wait after so many attempts; none: it has failed. `chance` is from 0 to 1.
    pub fn after(&self, attempts: u32, chance: f64) -> Option<Duration> {
        let index = usize::try_from(attempts.checked_sub(1)?).ok()?;
        self.waits.get(index).map(|usual| wait(*usual, chance))
    }

    /// How long a receiver is left alone after so many failures in a row.
    pub fn rest_after(&self, failures: u32, chance: f64) -> Duration {
        let doubled = self.rest.saturating_mul(1 << failures.saturating_sub(1).min(16));
        wait(doubled.min(self.longest_rest), chance)
    }

    /// How long a receiver is left alone that asks for so long: not less, unless it is too much, and up to a fifth more, so that
    /// those who were sent away together do not come back together.
    pub fn rest_asked(&self, asked: Duration, chance: f64) -> Duration {
        asked.min(self.longest_asked).mul_f64(1.0 + 0.2 * chance.clamp(0.0, 1.0))
    }
}

/// A fifth less to a fifth more, so that those who failed together do not come back together.
pub fn wait(usual: Duration, chance: f64) -> Duration {
    usual.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_last_for_days_and_come_to_an_end() {
        let schedule = Schedule::default();
        let waits: Vec<Duration> = (1..).map_while(|attempts| schedule.after(attempts, 0.5)).collect();
        assert_eq!(waits.len(), 10);
        assert!(waits.is_sorted(), "{waits:?}");
        let all: Duration = waits.iter().sum();
        assert!((Duration::from_hours(70)..Duration::from_hours(74)).contains(&all), "{all:?}");
        assert_eq!(schedule.after(0, 0.5), None);
        assert_eq!(schedule.after(u32::MAX, 0.5), None);
    }

    #[test]
    fn chance_moves_a_wait_by_a_fifth_at_most() {
        let of = |chance| wait(Duration::from_secs(100), chance).as_millis();
        assert_eq!([0.0, 0.5, 1.0, 7.0, -1.0].map(of), [80_000, 100_000, 120_000, 120_000, 80_000]);
    }

    #[test]
    fn a_receiver_that_fails_is_left_alone_for_longer_and_longer_up_to_a_bound() {
        let schedule = Schedule::default();
        let rests: Vec<Duration> = (0..40).map(|failures| schedule.rest_after(failures, 0.5)).collect();
        assert!(rests.is_sorted() && rests[1] == schedule.rest && rests[39] == schedule.longest_rest, "{rests:?}");
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_what_it_asks_for_and_no_more_than_an_hour() {
        let schedule = Schedule::default();
        let of = |asked_s, chance| schedule.rest_asked(Duration::from_secs(asked_s), chance).as_secs();
        assert_eq!(
            [(0, 1.0), (30, 0.0), (30, 1.0), (30, 7.0)].map(|(asked_s, chance)| of(asked_s, chance)),
            [0, 30, 36, 36]
        );
        assert_eq!([of(86_400, 0.0), of(86_400, 1.0), of(u64::MAX, 0.0)], [3_600, 4_320, 3_600]);
    }
}
