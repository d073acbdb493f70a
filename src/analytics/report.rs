//! Figures with names, for programs and people.

use super::Span;
use super::figures::{Figures, Sums};
use crate::core::ids::{AgentId, EndpointName, NumberId};
use crate::core::number::{E164, RegionCode};
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NumberLabel {
    /// Its id.
    pub id: NumberId,
    /// Itself.
    pub number: E164,
    /// Its name for people, or the number itself if it has none.
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

/// What became of calls. Those that the rules did not let out are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CallFigures")]
pub struct Rates {
    /// Calls that the rules let out.
    pub calls: i64,
    /// Of these, an INVITE left for the carrier.
    pub attempts: i64,
    /// Of these, the customer picked up.
    pub answered: i64,
    /// `answered` of `attempts`, 0 to 1, to four places; null without attempts.
    #[schemars(range(min = 0, max = 1))]
    pub success_rate: Option<f64>,
    /// How long the two talked on average, in seconds, to a tenth, over answered calls that are over; null without such.
    #[schemars(range(min = 0))]
    pub avg_call_duration: Option<f64>,
    /// How long the two talked in all, in whole seconds.
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The organization's, as an IANA name: days and hours are those of its clocks.
    pub time_zone: String,
    /// The numbers that were asked for; null: all there are, and calls without a number.
    pub numbers: Option<Vec<NumberLabel>>,
    /// Calls of today that the rules let out; null if today was not asked for.
    pub calls_today: Option<i64>,
    /// In all.
    #[serde(flatten)]
    pub all: Rates,
    /// Calls that the rules did not let out; null if numbers were asked for: a refused call has none.
    pub refused: Option<i64>,
    /// Of one day all its hours, 23, 24 or 25, in their order; of several days the 24 hours that clocks show.
    pub by_hour: Vec<HourRow>,
    /// The busiest first. Whose calls were all refused is there too, with none.
    pub by_agent: Vec<AgentRow>,
    /// The most called first.
    pub by_country: Vec<CountryRow>,
    /// All days that were asked for, in their order, those without calls too.
    pub by_day: Vec<DayRow>,
}

/// What became of the calls of an hour.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FiguresOfHour")]
pub struct HourRow {
    /// What the organization's clock shows, 0 to 23.
    #[schemars(range(max = 23))]
    pub hour: u8,
    /// When it began; null: it is the hour of several days.
    pub starts_at: Option<Timestamp>,
    /// Its figures.
    #[serde(flatten)]
    pub rates: Rates,
}

/// What became of an agent's calls.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FiguresOfAgent")]
pub struct AgentRow {
    /// Whose; null: the phone was no agent's.
    pub agent_id: Option<AgentId>,
    /// Their phone; null if they are not there any more.
    pub agent: Option<EndpointName>,
    /// Their name for people; null if they are not there any more.
    pub name: Option<String>,
    /// Their figures.
    #[serde(flatten)]
    pub rates: Rates,
}

/// What became of the calls to a country.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "FiguresOfCountry")]
pub struct CountryRow {
    /// Where was called; null: what was dialled is no number.
    pub country: Option<RegionCode>,
    /// Its figures.
    #[serde(flatten)]
    pub rates: Rates,
}

/// What became of the calls of a day.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "FiguresOfDay")]
pub struct DayRow {
    /// Which, by the organization's clocks.
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberComparison")]
pub struct Comparison {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The organization's, as an IANA name: days are those of its clocks.
    pub time_zone: String,
    /// All of them together.
    pub total: Rates,
    /// Each, the busiest first, those without calls too.
    pub numbers: Vec<Compared>,
}

/// A number beside others.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ComparedNumber")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberCandidate")]
pub struct Candidate {
    /// The number.
    pub number: E164,
    /// On how many calls it was on our side.
    pub calls: i64,
    /// When the first of them was; null if nobody knows.
    pub first_seen: Option<Timestamp>,
    /// When the last of them was; null if nobody knows.
    pub last_seen: Option<Timestamp>,
    /// On how many calls it was on the other side: then it may be somebody else's.
    pub other_side: i64,
}
