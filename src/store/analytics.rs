//! What became of calls, in sums. A day that is over is summed up once, by whoever asks first, and read from `metric_*` from then
//! on; the others are read from the calls themselves. A call's id begins with its time, so that a piece of time is a piece of the
//! indexes that there are for the sake of lists, and a call pays nothing for being counted here.

mod discover;
mod live;
mod numbers;

pub use discover::{nobodys, unknown_callers};
pub use numbers::{group, named};

use super::{StoreError, columns};
use crate::analytics::{AgentName, Comparison, Dashboard, Figures, HourOfDay, Key, NumberLabel, Place, Span, Sums};
use crate::core::ids::{AgentId, NumberId, OrganizationId};
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// So many numbers are read call by call, if their days are not summed up yet.
const FEW_NUMBERS: usize = 10;
/// So many days of a whole floor are read call by call.
const FEW_DAYS: usize = 3;
/// So many days of a few numbers are not worth being summed up for.
const SHORT_DAYS: usize = 7;

/// Whose calls, and when.
#[derive(Clone, Debug)]
pub struct Question {
    /// The tenant.
    pub organization: OrganizationId,
    /// From these numbers; none: from all, and those without a number.
    pub numbers: Option<Vec<NumberId>>,
    /// Of this agent only.
    pub agent: Option<AgentId>,
    /// When.
    pub span: Span,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub enum Answer<T> {
    /// This.
    Known(T),
    /// Days must be summed up first; so many are left. Whoever asks again sums up some more.
    Later {
        /// Days.
        days: usize,
    },
}

impl<T> Answer<T> {
    /// What it becomes, if it is known.
    fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Known(known) => Answer::Known(f(known)),
            Self::Later { days } => Answer::Later { days },
        }
    }
}

/// Where a tenant is, and which day it is there.
///
/// # Errors
///
/// If there is no such tenant, or the database cannot be asked.
pub async fn place(connection: &mut PgConnection, organization: OrganizationId) -> Result<Place, StoreError> {
    let row = sqlx::query("SELECT time_zone, cordboard_local_day(time_zone) AS today FROM organizations WHERE id = $1")
        .bind(organization.0)
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "organization", key: organization.to_string() })?;
    Ok(Place { time_zone: row.try_get("time_zone")?, today: date(&row, "today")? })
}

/// Sums up days that are over, for so many milliseconds and the rest of a day, and tells how many are left. In a transaction of
/// its own: what is summed up stays so.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn sum_days(
    connection: &mut PgConnection,
    organization: OrganizationId,
    span: Span,
    budget_ms: i32,
) -> Result<usize, StoreError> {
    // A day more than the budget, of the largest floor and from a slow disk.
    sqlx::query("SELECT set_config('statement_timeout', ($1 + 8000)::text, true)")
        .bind(budget_ms)
        .execute(&mut *connection)
        .await?;
    let left: i32 = sqlx::query_scalar("SELECT cordboard_sum_days($1, $2, $3, $4)")
        .bind(organization.0)
        .bind(span.first.to_sqlx())
        .bind(span.last.to_sqlx())
        .bind(budget_ms)
        .fetch_one(connection)
        .await?;
    Ok(usize::try_from(left).unwrap_or(0))
}

impl Question {
    /// Whether it is about so much that it takes sums.
    fn is_wide(&self) -> bool {
        self.agent.is_none() && self.numbers.as_ref().is_none_or(|numbers| numbers.len() > FEW_NUMBERS)
    }

    /// Whether days should be summed up for it first: for a whole floor those that are over, for others if they are many.
    pub fn wants_sums(&self, place: &Place) -> bool {
        let over = self.span.days().take_while(|day| *day < place.today).count();
        over > if self.is_wide() { 0 } else { SHORT_DAYS }
    }
}

/// The figures. In a transaction, in which statements are planned for their values, and have more memory and time, from then on.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn figures(
    connection: &mut PgConnection,
    question: &Question,
    place: &Place,
) -> Result<Answer<Figures>, StoreError> {
    sqlx::raw_sql(
        "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '32MB'; SET LOCAL statement_timeout = '8s'",
    )
    .execute(&mut *connection)
    .await?;
    // What an agent did with a number is not summed up.
    let both = question.agent.is_some() && question.numbers.is_some();
    let summed = if both { BTreeSet::new() } else { summed(connection, question).await? };
    let days: Vec<Date> = question.span.days().filter(|day| !summed.contains(day) && *day <= place.today).collect();
    let over = days.iter().filter(|day| **day < place.today).count();
    if question.is_wide() && over > FEW_DAYS {
        return Ok(Answer::Later { days: over });
    }
    let mut figures = Figures::default();
    if !summed.is_empty() {
        let summed: Vec<_> = summed.into_iter().map(ToSqlx::to_sqlx).collect();
        stored(connection, question, place, &summed, &mut figures).await?;
    }
    for run in runs(&days) {
        live::read(connection, question, place, run, &mut figures).await?;
    }
    Ok(Answer::Known(figures))
}

/// The dashboard of a question. The labels are those of its numbers.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn dashboard(
    connection: &mut PgConnection,
    question: &Question,
    place: &Place,
    numbers: Option<Vec<NumberLabel>>,
) -> Result<Answer<Dashboard>, StoreError> {
    let answer = figures(connection, question, place).await?;
    let (mut agents, mut hours) = (BTreeMap::new(), Vec::new());
    if let Answer::Known(figures) = &answer {
        agents = agent_names(connection, question.organization, figures).await?;
        if question.span.is_day() {
            hours = hours_of(connection, question.span.first, place).await?;
        }
    }
    Ok(answer.map(|figures| Dashboard::of(place, question.span, numbers, &figures, &hours, &agents)))
}

/// The numbers of a question side by side; if none was named, those from which calls were made.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn comparison(
    connection: &mut PgConnection,
    question: &Question,
    place: &Place,
    numbers: Option<Vec<NumberLabel>>,
) -> Result<Answer<Comparison>, StoreError> {
    let answer = figures(connection, question, place).await?;
    let numbers = match (numbers, &answer) {
        (Some(numbers), _) => numbers,
        (None, Answer::Known(figures)) => {
            let ids: Vec<NumberId> = figures.numbers.keys().copied().flatten().collect();
            numbers::labels(connection, question.organization, &ids).await?
        }
        (None, Answer::Later { .. }) => Vec::new(),
    };
    Ok(answer.map(|figures| Comparison::of(place, question.span, numbers, &figures)))
}

/// Days of the span that are summed up.
async fn summed(connection: &mut PgConnection, question: &Question) -> Result<BTreeSet<Date>, StoreError> {
    let rows =
        sqlx::query("SELECT day FROM metric_days WHERE organization_id = $1 AND day >= $2 AND day <= $3 ORDER BY day")
            .bind(question.organization.0)
            .bind(question.span.first.to_sqlx())
            .bind(question.span.last.to_sqlx())
            .fetch_all(connection)
            .await?;
    Ok(rows.iter().map(|row| date(row, "day")).collect::<Result<_, _>>()?)
}

/// Neighbours stand together: what is read call by call is read in pieces without holes.
fn runs(days: &[Date]) -> impl Iterator<Item = Span> {
    let follows = |a: &Date, b: &Date| a.tomorrow().is_ok_and(|next| next == *b);
    days.chunk_by(follows).filter_map(|run| Some(Span { first: *run.first()?, last: *run.last()? }))
}

macro_rules! sums {
    () => {
        "sum(calls)::bigint AS calls, sum(attempts)::bigint AS attempts, sum(answered)::bigint AS answered,
         sum(refused)::bigint AS refused, sum(talked)::bigint AS talked, sum(talk_ms)::bigint AS talk_ms"
    };
}
use sums;

macro_rules! stored_sums {
    ($whose:literal) => {
        concat!(
            "SELECT CASE WHEN grouping(day) = 0 THEN 'day' WHEN grouping(number_id) = 0 THEN 'number'
                WHEN grouping(agent_id) = 0 THEN 'agent' WHEN grouping(region) = 0 THEN 'country' ELSE 'all' END AS kind,
                day, number_id, agent_id, region, NULL::timestamptz AS hour,
                extract(hour FROM NULL::timestamptz AT TIME ZONE $3)::integer AS clock, ",
            sums!(),
            " FROM metric_sums WHERE organization_id = $1 AND day = ANY($2) ",
            $whose,
            " GROUP BY GROUPING SETS ((), (day), (number_id), (agent_id), (region)) HAVING count(*) > 0"
        )
    };
}

macro_rules! stored_hours {
    ($whose:literal) => {
        concat!(
            "SELECT 'hour' AS kind, NULL::date AS day, NULL::uuid AS number_id, NULL::uuid AS agent_id, NULL::text AS region,
                hour, extract(hour FROM hour AT TIME ZONE $3)::integer AS clock, ",
            sums!(),
            " FROM metric_hours WHERE organization_id = $1 AND day = ANY($2) AND hour IS NOT NULL AND ",
            $whose,
            " GROUP BY hour"
        )
    };
}

/// What was summed up of these days.
async fn stored(
    connection: &mut PgConnection,
    question: &Question,
    place: &Place,
    days: &[jiff_sqlx::Date],
    figures: &mut Figures,
) -> Result<(), StoreError> {
    let numbers = question.numbers.as_ref().map(|numbers| numbers.iter().map(|number| number.0).collect::<Vec<_>>());
    let statements = match (&numbers, question.agent) {
        (Some(_), _) => {
            [stored_sums!("AND number_id = ANY($4)"), stored_hours!("whose = 'number' AND number_id = ANY($4)")]
        }
        (None, Some(_)) => [stored_sums!("AND agent_id = $4"), stored_hours!("whose = 'agent' AND agent_id = $4")],
        (None, None) => [stored_sums!(""), stored_hours!("whose = 'all'")],
    };
    for statement in statements {
        let mut query = sqlx::query(statement).bind(question.organization.0).bind(days).bind(&place.time_zone);
        query = match (&numbers, question.agent) {
            (Some(numbers), _) => query.bind(numbers),
            (None, Some(agent)) => query.bind(agent.0),
            (None, None) => query,
        };
        add(&query.fetch_all(&mut *connection).await?, figures)?;
    }
    Ok(())
}

/// Adds what was read.
fn add(rows: &[PgRow], figures: &mut Figures) -> Result<(), StoreError> {
    let read = |row: &PgRow| -> Result<(Key, Sums), sqlx::Error> {
        let kind: &str = row.try_get("kind")?;
        let key = match kind {
            "day" => Key::Day(date(row, "day")?),
            "number" => Key::Number(row.try_get("number_id")?),
            "agent" => Key::Agent(row.try_get("agent_id")?),
            "country" => Key::Country(row.try_get("region")?),
            "hour" => {
                let clock: i32 = row.try_get("clock")?;
                let clock = u8::try_from(clock).map_err(|source| columns::decode_error("clock", source))?;
                Key::Hour(columns::time(row, "hour")?, clock)
            }
            _ => Key::All,
        };
        let sums = Sums {
            calls: row.try_get("calls")?,
            attempts: row.try_get("attempts")?,
            answered: row.try_get("answered")?,
            refused: row.try_get("refused")?,
            talked: row.try_get("talked")?,
            talk_ms: row.try_get("talk_ms")?,
        };
        Ok((key, sums))
    };
    for row in rows {
        let (key, sums) = read(row).map_err(StoreError::reading("calls", "that were counted"))?;
        figures.add(key, sums);
    }
    Ok(())
}

async fn agent_names(
    connection: &mut PgConnection,
    organization: OrganizationId,
    figures: &Figures,
) -> Result<BTreeMap<AgentId, AgentName>, StoreError> {
    let ids: Vec<_> = figures.agents.keys().flatten().map(|agent| agent.0).collect();
    let rows = sqlx::query("SELECT id, endpoint, name FROM agents WHERE organization_id = $1 AND id = ANY($2)")
        .bind(organization.0)
        .bind(ids)
        .fetch_all(connection)
        .await?;
    let name = |row: &PgRow| -> Result<_, sqlx::Error> {
        Ok((row.try_get("id")?, AgentName { endpoint: row.try_get("endpoint")?, name: row.try_get("name")? }))
    };
    rows.iter().map(name).collect::<Result<_, _>>().map_err(StoreError::reading("agents", ""))
}

/// The hours that a day has there.
async fn hours_of(connection: &mut PgConnection, day: Date, place: &Place) -> Result<Vec<HourOfDay>, StoreError> {
    let rows = sqlx::query(
        "SELECT h AS hour, extract(hour FROM h AT TIME ZONE $2)::integer AS clock
         FROM generate_series($1::date::timestamp AT TIME ZONE $2,
            ($1::date + 1)::timestamp AT TIME ZONE $2 - interval '1 second', interval '1 hour') h",
    )
    .bind(day.to_sqlx())
    .bind(&place.time_zone)
    .fetch_all(connection)
    .await?;
    let hour = |row: &PgRow| -> Result<_, sqlx::Error> {
        let clock: i32 = row.try_get("clock")?;
        let hour = u8::try_from(clock).map_err(|source| columns::decode_error("clock", source))?;
        Ok(HourOfDay { at: columns::time(row, "hour")?, hour })
    };
    Ok(rows.iter().map(hour).collect::<Result<_, _>>()?)
}

fn date(row: &PgRow, column: &str) -> Result<Date, sqlx::Error> {
    row.try_get::<jiff_sqlx::Date, _>(column).map(jiff_sqlx::Date::to_jiff)
}
