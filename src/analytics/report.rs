//! Figures with names, for programs and people.

use super::Span;
use super::figures::{Figures, Sums};
use crate::core::ids::{AgentId, EndpointName, NumberId};
use crate::core::number::{E164, RegionCode};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where the organization is, and which day it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// IANA name.
    pub time_zone: String,
    /// Its day, by the database's clock.
    pub today: Date,
}

/// A number of ours with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberLabel {
    /// Its id.
    pub id: NumberId,
    /// Itself.
    pub number: E164,
    /// Its name, or itself if it has none.
    pub label: String,
}

/// An agent's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentName {
    /// The phone.
    pub endpoint: EndpointName,
    /// For people.
    pub name: String,
}

/// An hour of the day, or of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourOfDay {
    /// When it began.
    pub at: Timestamp,
    /// What the clock shows then, 0 to 23.
    pub hour: u8,
}

/// What is said of a heap of calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rates {
    /// What the rules let out.
    pub calls: i64,
    /// An INVITE left for the carrier.
    pub attempts: i64,
    /// The customer picked up.
    pub answered: i64,
    /// Answered of attempts, 0 to 1; none without attempts.
    pub success_rate: Option<f64>,
    /// Seconds, over answered calls that are over; none without such.
    pub avg_call_duration: Option<f64>,
    /// Seconds in all.
    pub talk_seconds: i64,
}

impl From<&Sums> for Rates {
    fn from(sums: &Sums) -> Self {
        Self {
            calls: sums.calls,
            attempts: sums.attempts,
            answered: sums.answered,
            success_rate: sums.success_rate(),
            avg_call_duration: sums.average_s(),
            talk_seconds: sums.talk_ms / 1000,
        }
    }
}

/// The figures of some numbers, or all, on some days.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The organization's.
    pub time_zone: String,
    /// The numbers that were asked for; none: all there are, and calls without a number.
    pub numbers: Option<Vec<NumberLabel>>,
    /// Calls of today; none if today was not asked for.
    pub calls_today: Option<i64>,
    /// In all.
    #[serde(flatten)]
    pub all: Rates,
    /// What the rules did not let out; none if numbers were asked for: a refused call has none.
    pub refused: Option<i64>,
    /// Of one day all its hours, of several the hours of the day.
    pub by_hour: Vec<HourRow>,
    /// Busiest first.
    pub by_agent: Vec<AgentRow>,
    /// Most called first.
    pub by_country: Vec<CountryRow>,
    /// All days that were asked for.
    pub by_day: Vec<DayRow>,
}

/// An hour.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HourRow {
    /// What the clock shows, 0 to 23.
    pub hour: u8,
    /// When it began; none: it is of several days.
    pub starts_at: Option<Timestamp>,
    /// Its figures.
    #[serde(flatten)]
    pub rates: Rates,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentRow {
    /// Who.
    pub agent_id: Option<AgentId>,
    /// The phone.
    pub agent: Option<EndpointName>,
    /// For people.
    pub name: Option<String>,
    /// Their figures.
    #[serde(flatten)]
    pub rates: Rates,
}

/// A country.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CountryRow {
    /// Where was called; none: what was dialled is no number.
    pub country: Option<RegionCode>,
    /// Its figures.
    #[serde(flatten)]
    pub rates: Rates,
}

/// A day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DayRow {
    /// Which.
    pub day: Date,
    /// Its figures.
    #[serde(flatten)]
    pub rates: Rates,
}

impl Dashboard {
    /// The figures with names. `hours` are those that the only day has.
    pub fn of(
        place: &Place,
        span: Span,
        numbers: Option<Vec<NumberLabel>>,
        figures: &Figures,
        hours: &[HourOfDay],
        agents: &BTreeMap<AgentId, AgentName>,
    ) -> Self {
        let calls_today = || figures.days.get(&place.today).map_or(0, |sums| sums.calls);
        let refused = numbers.is_none().then_some(figures.all.refused);
        // Who only had calls refused has made none, and is there all the same.
        let mut by_agent: Vec<AgentRow> =
            figures.agents.iter().map(|(id, sums)| agent_row(*id, sums, agents)).collect();
        by_agent.sort_by(|a, b| (-a.rates.calls, &a.agent).cmp(&(-b.rates.calls, &b.agent)));
        let country =
            |(country, sums): (&Option<RegionCode>, &Sums)| CountryRow { country: *country, rates: sums.into() };
        let mut by_country: Vec<CountryRow> =
            figures.countries.iter().filter(|(_, sums)| sums.calls > 0).map(country).collect();
        by_country.sort_by_key(|row| (-row.rates.calls, row.country));
        let none = Sums::default();
        let day = |day: Date| DayRow { day, rates: figures.days.get(&day).unwrap_or(&none).into() };
        Self {
            from: span.first,
            to: span.last,
            time_zone: place.time_zone.clone(),
            numbers,
            calls_today: span.contains(place.today).then(calls_today),
            all: (&figures.all).into(),
            refused,
            by_hour: by_hour(span, figures, hours),
            by_agent,
            by_country,
            by_day: span.days().map(day).collect(),
        }
    }
}

fn agent_row(id: Option<AgentId>, sums: &Sums, agents: &BTreeMap<AgentId, AgentName>) -> AgentRow {
    let known = id.and_then(|id| agents.get(&id));
    AgentRow {
        agent_id: id,
        agent: known.map(|agent| agent.endpoint.clone()),
        name: known.map(|agent| agent.name.clone()),
        rates: sums.into(),
    }
}

/// Of one day, all hours that it has: 23, 24 or 25. Of several, the 24 that clocks show.
fn by_hour(span: Span, figures: &Figures, hours: &[HourOfDay]) -> Vec<HourRow> {
    if span.is_day() {
        let mut rows: BTreeMap<Timestamp, (u8, Sums)> =
            hours.iter().map(|hour| (hour.at, (hour.hour, Sums::default()))).collect();
        rows.extend(figures.hours.iter().map(|(at, row)| (*at, *row)));
        let row =
            |(at, (hour, sums)): (Timestamp, (u8, Sums))| HourRow { hour, starts_at: Some(at), rates: (&sums).into() };
        return rows.into_iter().map(row).collect();
    }
    let mut rows: BTreeMap<u8, Sums> = (0..24).map(|hour| (hour, Sums::default())).collect();
    for (hour, sums) in figures.hours.values() {
        *rows.entry(*hour).or_default() += *sums;
    }
    rows.into_iter().map(|(hour, sums)| HourRow { hour, starts_at: None, rates: (&sums).into() }).collect()
}

/// Numbers side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The organization's.
    pub time_zone: String,
    /// All of them together.
    pub total: Rates,
    /// Each, the busiest first.
    pub numbers: Vec<Compared>,
}

/// A number beside others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Which.
    #[serde(flatten)]
    pub label: NumberLabel,
    /// Its figures.
    #[serde(flatten)]
    pub rates: Rates,
}

impl Comparison {
    /// The figures of these numbers, those without calls too.
    pub fn of(place: &Place, span: Span, numbers: Vec<NumberLabel>, figures: &Figures) -> Self {
        let mut total = Sums::default();
        let mut rows: Vec<Compared> = Vec::new();
        for label in numbers {
            let sums = figures.numbers.get(&Some(label.id)).copied().unwrap_or_default();
            total += sums;
            rows.push(Compared { rates: (&sums).into(), label });
        }
        rows.sort_by_key(|row| (-row.rates.calls, row.label.number));
        let time_zone = place.time_zone.clone();
        Self { from: span.first, to: span.last, time_zone, total: (&total).into(), numbers: rows }
    }
}

/// A number that may be ours, and that nobody has said so of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The number.
    pub number: E164,
    /// On how many calls it was on our side.
    pub calls: i64,
    /// The first of them.
    pub first_seen: Option<Timestamp>,
    /// The last of them.
    pub last_seen: Option<Timestamp>,
    /// On how many calls it was on the other side: then it may be somebody else's.
    pub other_side: i64,
}
