//! `cordboard analytics`: what became of the calls of numbers.

mod discover;

use super::context::{self, Context};
use super::failure::{Failure, Outcome};
use super::output;
use crate::analytics::{Comparison, Dashboard, Days, MOST_DAYS, NumberLabel, NumberName, Place, Rates};
use crate::core::ids::EndpointName;
use crate::store::analytics::{self, Answer, Question};
use crate::store::{Store, Transaction};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// So long is summed up before it is told how far it is.
const SUM_MS: i32 = 3_000;

/// What became of the calls of numbers
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  cordboard analytics dashboard acme --number +12025550101
  cordboard analytics compare acme --group department=sales --from 2026-11-01")]
pub enum Analytics {
    Dashboard(Dash),
    Compare(Compare),
    Discover(discover::Discover),
    Sum(Sum),
}

/// Count the calls of numbers, or of all: by hour, agent and country
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard analytics dashboard acme                                   all numbers, today
  cordboard analytics dashboard acme --number +12025550101 --date 2026-11-20
  cordboard analytics dashboard acme --agent alice --from 2026-11-01 --json")]
pub struct Dash {
    #[command(flatten)]
    ask: Ask,
}

/// Put numbers side by side
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard analytics compare acme                                     all numbers, the last seven days
  cordboard analytics compare acme --number +12025550101 --number +12025550102 --from 2026-11-01 --to 2026-11-15")]
pub struct Compare {
    #[command(flatten)]
    ask: Ask,
}

/// Sum up all days that are over, so that nobody has to wait for it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cordboard analytics sum acme --from 2026-01-01")]
pub struct Sum {
    /// The tenant's short name
    organization: String,
    /// From this day on, a year at most
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
}

#[derive(Debug, Args)]
struct Ask {
    /// The tenant's short name
    organization: String,
    /// From this number, by itself or its id; several times for several
    #[arg(long = "number", value_name = "NUMBER", allow_hyphen_values = true)]
    numbers: Vec<String>,
    /// From the numbers with this value of this key in the metadata
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "numbers", value_parser = group)]
    group: Option<(String, String)>,
    /// Of this agent only
    #[arg(long, value_name = "ENDPOINT")]
    agent: Option<EndpointName>,
    /// On this day of the tenant
    #[arg(long, value_name = "DAY", conflicts_with_all = ["from", "to"])]
    date: Option<Date>,
    /// From this day on
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// To this day, and with it
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
}

fn group(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "a group is KEY=VALUE, such as department=sales".to_owned())
}

impl Analytics {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Dashboard(dash) => dash.run(context).await,
            Self::Compare(compare) => compare.run(context).await,
            Self::Discover(discover) => discover.run(context).await,
            Self::Sum(sum) => sum.run(context).await,
        }
    }
}

/// A question, understood.
struct Understood {
    transaction: Transaction,
    place: Place,
    question: Question,
    numbers: Option<Vec<NumberLabel>>,
}

impl Ask {
    async fn understand(self, context: &Context, usual_days: i32) -> Outcome<Understood> {
        let store = context.store().await?;
        let organization = context::organization(&store, &self.organization).await?.id;
        let agent = match &self.agent {
            Some(endpoint) => Some(context::agent(&store, endpoint).await?),
            None => None,
        };
        if agent.as_ref().is_some_and(|agent| agent.organization_id != organization) {
            return Err(Failure::new(format!("the agent is not {}'s", self.organization)));
        }
        let mut transaction = store.begin().await?;
        let place = analytics::place(&mut transaction, organization).await?;
        let days = Days { from: self.date.or(self.from), to: self.date.or(self.to) };
        let span = days.span(place.today, usual_days).map_err(|_| {
            Failure::with_code(2, format!("there must be 1 to {MOST_DAYS} days; it is {} there", place.today))
        })?;
        let numbers = if let Some(group) = &self.group {
            let numbers = analytics::group(&mut transaction, organization, None, group).await?;
            if numbers.is_empty() {
                return Err(Failure::new(format!(
                    "no number has {}={} in its metadata; see: cordboard numbers groups {} {}",
                    group.0, group.1, self.organization, group.0
                )));
            }
            Some(numbers)
        } else if self.numbers.is_empty() {
            None
        } else {
            let mut names: Vec<NumberName> = self.numbers.iter().map(|name| NumberName::read(name)).collect();
            names.sort_unstable();
            names.dedup();
            let found = analytics::named(&mut transaction, organization, None, &names).await?;
            let list = format!("cordboard numbers list --organization {}", self.organization);
            Some(found.ok_or_else(|| Failure::new(format!("one of these is no number of theirs; see: {list}")))?)
        };
        let ids = numbers.as_ref().map(|numbers| numbers.iter().map(|number| number.id).collect());
        let question = Question { organization, numbers: ids, agent: agent.map(|agent| agent.id), span };
        if question.wants_sums(&place) {
            drop(transaction);
            sum_up(&store, &question).await?;
            transaction = store.begin().await?;
        }
        Ok(Understood { transaction, place, question, numbers })
    }
}

/// Sums up what is over, piece by piece, each of which stays. Tells how many days cannot be.
async fn sum_up(store: &Store, question: &Question) -> Outcome<usize> {
    let mut before = usize::MAX;
    loop {
        let mut transaction = store.begin().await?;
        let left = analytics::sum_days(&mut transaction, question.organization, question.span, SUM_MS).await?;
        transaction.commit().await?;
        if left == 0 || left >= before {
            return Ok(left);
        }
        before = left;
        if std::io::stderr().is_terminal() {
            eprint!("\rsumming up: {left} days left  ");
        }
    }
}

fn known<T>(answer: Answer<T>) -> Outcome<T> {
    match answer {
        Answer::Known(known) => Ok(known),
        Answer::Later { days } => Err(Failure::new(format!(
            "{days} days cannot be summed up now: calls of them are open, or somebody else sums them up; try again"
        ))),
    }
}

impl Dash {
    async fn run(self, context: &Context) -> Outcome {
        let mut it = self.ask.understand(context, 1).await?;
        let answer = analytics::dashboard(&mut it.transaction, &it.question, &it.place, it.numbers).await?;
        let dashboard = known(answer)?;
        if context.json {
            return output::print_json(&dashboard);
        }
        output::print(&shown(&dashboard))
    }
}

impl Compare {
    async fn run(self, context: &Context) -> Outcome {
        let mut it = self.ask.understand(context, 7).await?;
        let answer = analytics::comparison(&mut it.transaction, &it.question, &it.place, it.numbers).await?;
        let comparison = known(answer)?;
        if context.json {
            return output::print_json(&comparison);
        }
        let Comparison { from, to, time_zone, total, numbers } = &comparison;
        let mut rows: Vec<_> =
            numbers.iter().map(|row| with([row.label.number.to_string(), name(&row.label)], &row.rates)).collect();
        rows.push(with(["total".to_owned(), String::new()], total));
        let table =
            output::table(["number", "name", "calls", "attempts", "answered", "rate", "average", "talk"], &rows);
        output::print(&format!("{from} to {to} ({time_zone})\n\n{table}"))
    }
}

impl Sum {
    async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let organization = context::organization(&store, &self.organization).await?.id;
        let mut transaction = store.begin().await?;
        let place = analytics::place(&mut transaction, organization).await?;
        drop(transaction);
        let days = Days { from: self.from, to: None };
        let span = days.span(place.today, MOST_DAYS);
        let span =
            span.map_err(|_| Failure::with_code(2, format!("there must be 1 to {MOST_DAYS} days until today")))?;
        let left = sum_up(&store, &Question { organization, numbers: None, agent: None, span }).await?;
        if context.json {
            return output::print_json(&serde_json::json!({ "from": span.first, "to": span.last, "left": left }));
        }
        output::print(&match left {
            0 => format!("all days that are over since {} are summed up", span.first),
            left => format!("{left} days are left: somebody else is at it"),
        })
    }
}

/// What stands before the figures is the label's own name, if it has one.
fn name(label: &NumberLabel) -> String {
    if label.label == label.number.to_string() { String::new() } else { label.label.clone() }
}

fn seconds(s: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a call of a hundred million years is cut")]
    super::local::duration(Some((s * 1000.0) as i64))
}

fn cells(rates: &Rates) -> [String; 6] {
    [
        rates.calls.to_string(),
        rates.attempts.to_string(),
        rates.answered.to_string(),
        rates.success_rate.map(|rate| format!("{:.1}%", rate * 100.0)).unwrap_or_default(),
        rates.avg_call_duration.map(seconds).unwrap_or_default(),
        super::local::duration(Some(rates.talk_seconds * 1000)),
    ]
}

fn with(names: [String; 2], rates: &Rates) -> [String; 8] {
    let [one, two] = names;
    let [calls, attempts, answered, rate, average, talk] = cells(rates);
    [one, two, calls, attempts, answered, rate, average, talk]
}

fn shown(dashboard: &Dashboard) -> String {
    let Dashboard { from, to, time_zone, numbers, all, refused, by_hour, by_agent, by_country, by_day, .. } = dashboard;
    let days = if from == to { from.to_string() } else { format!("{from} to {to}") };
    let numbers = numbers.as_ref().map_or_else(
        || "all".to_owned(),
        |numbers| numbers.iter().map(|number| number.number.to_string()).collect::<Vec<_>>().join(", "),
    );
    let [calls, attempts, answered, rate, average, talk] = cells(all);
    let head = output::pairs(&[
        ("days", format!("{days} ({time_zone})")),
        ("numbers", numbers),
        ("calls", calls),
        ("attempts", attempts),
        ("answered", answered),
        ("success rate", rate),
        ("average duration", average),
        ("talked", talk),
        ("refused", output::maybe(refused.as_ref())),
    ]);
    let mut text = head;
    let mut table = |title: [&str; 2], rows: Vec<[String; 8]>| {
        if !rows.is_empty() {
            let [one, two] = title;
            let head = [one, two, "calls", "attempts", "answered", "rate", "average", "talk"];
            let _ = write!(text, "\n{}\n", output::table(head, &rows));
        }
    };
    let hours = by_hour.iter().filter(|row| row.rates.calls > 0);
    let hour = |at: u8| format!("{at:02}:00");
    table(["hour", "until"], hours.map(|row| with([hour(row.hour), hour((row.hour + 1) % 24)], &row.rates)).collect());
    table(
        ["agent", "name"],
        by_agent
            .iter()
            .map(|row| with([output::maybe(row.agent.as_ref()), output::maybe(row.name.as_ref())], &row.rates))
            .collect(),
    );
    table(
        ["country", ""],
        by_country.iter().map(|row| with([output::maybe(row.country.as_ref()), String::new()], &row.rates)).collect(),
    );
    if by_day.len() > 1 {
        table(
            ["day", ""],
            by_day
                .iter()
                .map(|row| with([row.day.to_string(), row.day.strftime("%a").to_string()], &row.rates))
                .collect(),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_once() {
        let number: crate::core::number::E164 = "+12025550101".parse().expect("a number");
        let label = |label: &str| NumberLabel {
            id: crate::core::ids::NumberId(uuid::Uuid::nil()),
            number,
            label: label.to_owned(),
        };
        assert_eq!(name(&label("+12025550101")), "");
        assert_eq!(name(&label("Sales")), "Sales");
        assert_eq!(seconds(65.9), "1:05");
    }
}
