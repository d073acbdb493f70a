//! Times as people at the tenant's place read them.

use crate::store::organizations::Organization;
use jiff::tz::TimeZone;
use jiff::{RoundMode, SpanRound, Timestamp, Unit, Zoned};

/// A tenant's clock.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
    name: String,
}

impl Clock {
    /// Coordinated time, where nobody's time is known.
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC, name: "UTC".to_owned() }
    }

    /// The tenant's; coordinated time if this machine has no time zones.
    pub fn of(organization: Option<&Organization>) -> Self {
        let Some(organization) = organization else { return Self::utc() };
        TimeZone::get(&organization.time_zone)
            .map_or_else(|_| Self::utc(), |zone| Self { zone, name: organization.time_zone.clone() })
    }

    /// Where it hangs.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }

    /// `2026-11-21 12:03:10`
    pub fn second(&self, at: Timestamp) -> String {
        self.read(at).strftime("%F %T").to_string()
    }

    /// `12:03:10.123`
    pub fn millisecond(&self, at: Timestamp) -> String {
        self.read(at).strftime("%T%.3f").to_string()
    }

    /// `12:03`, with the date if that is not `day`.
    pub fn minute(&self, at: Timestamp, day: Timestamp) -> String {
        let (at, day) = (self.read(at), self.read(day));
        at.strftime(if at.date() == day.date() { "%R" } else { "%F %R" }).to_string()
    }

    /// What day it is.
    pub fn day(&self, at: Timestamp) -> jiff::civil::Date {
        self.read(at).date()
    }

    /// When limits begin anew, and how long that is from now.
    pub fn midnight(&self, now: Timestamp) -> String {
        let now = self.read(now);
        let Ok(midnight) = now.tomorrow().and_then(|day| day.start_of_day()) else { return "at midnight".to_owned() };
        let round = SpanRound::new().smallest(Unit::Minute).largest(Unit::Hour).mode(RoundMode::Ceil);
        let wait = now.until(&midnight).and_then(|wait| wait.round(round)).unwrap_or_default();
        let when = midnight.strftime("%F %R");
        format!("at {when} ({}), in {} h {} min", self.name, wait.get_hours(), wait.get_minutes())
    }
}

/// `1:05` of milliseconds.
pub fn duration(ms: Option<i64>) -> String {
    ms.map(|ms| format!("{}:{:02}", ms / 60_000, ms / 1000 % 60)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_is_the_tenants_also_when_clocks_change() {
        let clock = |name: &str| Clock { zone: TimeZone::get(name).expect("a zone"), name: name.to_owned() };
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let new_york = clock("America/New_York");
        assert_eq!(
            new_york.midnight(at("2026-11-21T12:03:10Z")),
            "at 2026-11-22 00:00 (America/New_York), in 16 h 57 min"
        );
        // the day on which summer time ends has 25 hours
        assert_eq!(
            new_york.midnight(at("2026-11-01T04:00:00Z")),
            "at 2026-11-02 00:00 (America/New_York), in 25 h 0 min"
        );
        let santiago = clock("America/Santiago");
        // there the first hour of this day does not exist
        assert_eq!(
            santiago.midnight(at("2026-09-05T12:00:00Z")),
            "at 2026-09-06 01:00 (America/Santiago), in 16 h 0 min"
        );
        let (morning, before) = (at("2026-11-21T12:03:10Z"), at("2026-11-21T03:00:00Z"));
        assert_eq!(new_york.minute(morning, morning), "07:03");
        assert_eq!(new_york.minute(before, morning), "2026-11-20 22:00");
    }

    #[test]
    fn durations() {
        assert_eq!([None, Some(0), Some(65_999), Some(3_600_000)].map(duration), ["", "0:00", "1:05", "60:00"]);
    }
}
