//! How long lists of calls and their sums take when there are millions of calls, and by which plans. The calls are made by
//! `bench/sql/floor.sql`: one tenant with nearly all of them, ten small ones beside it. What is measured is all that the store does for a
//! request, from the beginning of its transaction on: the role of the tenant, the statements, and reading their rows.

mod floor;
mod plans;

use crate::report::{self, Report, say};
use crate::settings::Settings;
use anyhow::Context as _;
use cordboard::analytics::{NumberName, Span};
use cordboard::core::ids::{AgentId, CallId, NumberId, OrganizationId};
use cordboard::core::outcome::Disposition;
use cordboard::store::analytics::{self, Answer, Question};
use cordboard::store::calls::{self, CallFilter};
use cordboard::store::{Actor, Scope, Store};
use floor::Past;
use jiff::civil::Date;
use rand::RngExt as _;
use serde_json::json;
use std::time::{Duration, Instant};

/// Each is asked so often, but not for longer than this.
const ASKED: usize = 200;
const LONGEST: Duration = Duration::from_secs(8);

/// What is asked.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Page { small: bool, deep: bool, agent: bool, end: Option<Disposition> },
    Dashboard { small: bool, whose: Whose, days: i32 },
    Compare { whose: Whose, days: i32 },
}

#[derive(Clone, Copy, Debug)]
enum Whose {
    All,
    Numbers(usize),
    Agent,
}

const fn page(small: bool, deep: bool, agent: bool, end: Option<Disposition>) -> Ask {
    Ask::Page { small, deep, agent, end }
}

const CASES: [(&str, Ask); 20] = [
    ("list: first page", page(false, false, false, None)),
    ("list: page from the middle", page(false, true, false, None)),
    ("list: an agent's, first page", page(false, false, true, None)),
    ("list: an agent's, from the middle", page(false, true, true, None)),
    ("list: answered", page(false, false, false, Some(Disposition::Answered))),
    ("list: unknown_outcome, 1 of 100,000 calls", page(false, false, false, Some(Disposition::UnknownOutcome))),
    ("list: node_lost, which there is none of", page(false, false, false, Some(Disposition::NodeLost))),
    ("list: an agent's that failed", page(false, false, true, Some(Disposition::Failed))),
    ("list: small tenant, first page", page(true, false, false, None)),
    ("list: small tenant's agent, from the middle", page(true, true, true, None)),
    ("dashboard: a number, today", Ask::Dashboard { small: false, whose: Whose::Numbers(1), days: 1 }),
    ("dashboard: 75 numbers, today", Ask::Dashboard { small: false, whose: Whose::Numbers(75), days: 1 }),
    ("dashboard: an agent, today", Ask::Dashboard { small: false, whose: Whose::Agent, days: 1 }),
    ("dashboard: all, today", Ask::Dashboard { small: false, whose: Whose::All, days: 1 }),
    ("dashboard: a number, 90 days", Ask::Dashboard { small: false, whose: Whose::Numbers(1), days: 90 }),
    ("dashboard: all, 30 days", Ask::Dashboard { small: false, whose: Whose::All, days: 30 }),
    ("dashboard: all, 90 days", Ask::Dashboard { small: false, whose: Whose::All, days: 90 }),
    ("dashboard: small tenant, today", Ask::Dashboard { small: true, whose: Whose::All, days: 1 }),
    ("compare: 10 numbers, 90 days", Ask::Compare { whose: Whose::Numbers(10), days: 90 }),
    ("compare: all numbers, 90 days", Ask::Compare { whose: Whose::All, days: 90 }),
];

pub async fn measure(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    report.heading(settings, "Lists and metrics", "metrics");
    let past = Past::of(&settings.database_url, settings.sizes.past_calls).await?;
    let store = past.store(false)?;
    let summed = sum_all(&store, &past).await?;
    println!("{} calls of {} days; {summed}\n", past.calls, past.days);
    let mut rows = Vec::new();
    let mut kept = Vec::new();
    for (name, ask) in CASES {
        // Once, for what is read from disk then.
        let began = Instant::now();
        let asked = answer(&store, &past, ask).await;
        let first = began.elapsed();
        if let Err(error) = asked {
            say(&format!("{name}: {error:#}, after {first:.1?}"));
        }
        let mut times = Vec::new();
        let began = Instant::now();
        while times.len() < ASKED && began.elapsed() < LONGEST {
            let asked = Instant::now();
            answer(&store, &past, ask).await.with_context(|| name.to_owned())?;
            times.push(asked.elapsed().as_nanos() as u64);
        }
        let (asked, [p50, _, p99]) = (times.len(), report::quantiles(&mut times));
        let first = first.as_secs_f64() * 1e3;
        rows.push(vec![
            name.to_owned(),
            asked.to_string(),
            format!("{p50:.2}"),
            format!("{p99:.2}"),
            format!("{first:.1}"),
        ]);
        kept.push(json!({ "query": name, "asked": asked, "p50_ms": p50, "p99_ms": p99, "first_ms": first }));
        say(&format!("{name}: {p50:.2} / {p99:.2} ms"));
    }
    report::table(&["query", "asked", "p50 ms", "p99 ms", "the first ms"], &rows);
    report.keep("metrics", json!({ "calls": past.calls, "queries": kept }));
    let text = plans::explain(&past, &CASES).await?;
    let file = settings.plans();
    std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    println!("Plans: {}\n", file.display());
    let counted: i64 = past.ask("SELECT coalesce(sum(calls), 0)::bigint FROM metric_days").await?;
    let over: i64 = past
        .ask("SELECT count(*) FROM calls c JOIN metric_days m ON m.organization_id = c.organization_id AND m.day = c.day")
        .await?;
    report.must(counted == over, &format!("the sums of days that are over count each of their {over} calls"));
    past.close(settings.keeps_past()).await
}

/// Sums up all days that are over.
async fn sum_all(store: &Store, past: &Past) -> anyhow::Result<String> {
    let (mut days, mut slowest, mut all) = (0, Duration::ZERO, Duration::ZERO);
    for organization in past.organizations.iter().copied() {
        loop {
            let began = Instant::now();
            let mut transaction = store.begin_as(Scope::Organization(organization), &Actor::daemon()).await?;
            let left = analytics::sum_days(&mut transaction, organization, past.span(past.days), 0).await?;
            transaction.commit().await?;
            days += 1;
            slowest = slowest.max(began.elapsed());
            all += began.elapsed();
            if left == 0 {
                break;
            }
        }
    }
    let mean = all.as_secs_f64() * 1e3 / f64::from(days);
    Ok(format!(
        "{days} pieces were summed up in {mean:.0} ms each, the slowest in {:.0} ms",
        slowest.as_secs_f64() * 1e3
    ))
}

/// Asks once, about somebody drawn by lot.
async fn answer(store: &Store, past: &Past, ask: Ask) -> anyhow::Result<()> {
    let draw = |all: &[uuid::Uuid]| all[rand::rng().random_range(0..all.len())];
    let of = |small: bool| if small { past.small() } else { past.large() };
    match ask {
        Ask::Page { small, deep, agent, end } => {
            let (organization, agents) = of(small);
            let mut transaction = store.begin_as(Scope::Organization(organization), &Actor::daemon()).await?;
            let agent = agent.then(|| AgentId(draw(agents)));
            let filter =
                CallFilter { organization: Some(organization), agent, disposition: end, ..CallFilter::default() };
            let before = deep.then(|| CallId(draw(&past.middle)));
            calls::list(&mut transaction, &filter, before, 51).await?;
        }
        Ask::Dashboard { small, whose, days } => {
            let (organization, agents) = of(small);
            let mut transaction = store.begin_as(Scope::Organization(organization), &Actor::daemon()).await?;
            let place = analytics::place(&mut transaction, organization).await?;
            let (question, labels) = question(&mut transaction, past, organization, agents, whose, days).await?;
            let answer = analytics::dashboard(&mut transaction, &question, &place, labels).await?;
            anyhow::ensure!(matches!(answer, Answer::Known(_)), "days are not summed up");
        }
        Ask::Compare { whose, days } => {
            let (organization, agents) = past.large();
            let mut transaction = store.begin_as(Scope::Organization(organization), &Actor::daemon()).await?;
            let place = analytics::place(&mut transaction, organization).await?;
            let (question, labels) = question(&mut transaction, past, organization, agents, whose, days).await?;
            let answer = analytics::comparison(&mut transaction, &question, &place, labels).await?;
            anyhow::ensure!(matches!(answer, Answer::Known(_)), "days are not summed up");
        }
    }
    Ok(())
}

async fn question(
    transaction: &mut cordboard::store::Transaction,
    past: &Past,
    organization: OrganizationId,
    agents: &[uuid::Uuid],
    whose: Whose,
    days: i32,
) -> anyhow::Result<(Question, Option<Vec<cordboard::analytics::NumberLabel>>)> {
    let mut question = Question { organization, numbers: None, agent: None, span: past.span(days) };
    let mut labels = None;
    match whose {
        Whose::All => {}
        Whose::Agent => question.agent = Some(AgentId(agents[rand::rng().random_range(0..agents.len())])),
        Whose::Numbers(count) => {
            let first = rand::rng().random_range(0..=past.numbers.len().saturating_sub(count));
            let names: Vec<_> =
                past.numbers.iter().skip(first).take(count).map(|id| NumberName::Id(NumberId(*id))).collect();
            labels = analytics::named(transaction, organization, None, &names).await?;
            let found = labels.as_ref().context("the numbers are there")?;
            question.numbers = Some(found.iter().map(|number| number.id).collect());
        }
    }
    Ok((question, labels))
}

/// So many days until today.
fn last(today: Date, days: i32) -> Span {
    let first = today.checked_sub(jiff::Span::new().days(days - 1)).unwrap_or(today);
    Span { first, last: today }
}
