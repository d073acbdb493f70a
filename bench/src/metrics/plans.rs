//! The plans that the server really used, as its log tells them.

use super::floor::Past;
use super::{Ask, answer};
use std::fmt::Write as _;

/// Asks each question twice, so that what it reads is in memory, and writes down the second time's plans.
pub async fn explain(past: &Past, cases: &[(&str, Ask)]) -> anyhow::Result<String> {
    let store = past.store(true)?;
    let mut text = format!(
        "# Plans\n\nWhat Postgres did for each question of `scripts/bench metrics`, with {} calls. Written by it, from the server's own\n\
         log (`auto_explain`); statements that take no time are left out.\n",
        past.calls
    );
    for (name, ask) in cases {
        answer(&store, past, *ask).await?;
        let from = past.log_end().await?;
        answer(&store, past, *ask).await?;
        let (log, _) = past.log(from).await?;
        let _ = write!(text, "\n## {name}\n");
        for plan in plans(&log) {
            let _ = write!(text, "\n```text\n{}\n```\n", plan.trim_end());
        }
    }
    store.close().await;
    Ok(text)
}

/// The plans of a log, without the text of their statements. Lines of an entry begin with a tab, but for the first.
fn plans(log: &str) -> Vec<String> {
    let mut plans: Vec<String> = Vec::new();
    let (mut open, mut in_text) = (false, false);
    for line in log.lines() {
        let Some(rest) = line.strip_prefix('\t') else {
            open = false;
            if let Some((_, took)) = line.split_once("duration: ")
                && let Some(took) = took.strip_suffix("  plan:")
            {
                plans.push(format!("{took}\n"));
                (open, in_text) = (true, true);
            }
            continue;
        };
        // A plan begins with the first line that has costs; before, there is the statement.
        in_text = in_text && !rest.contains("  (cost=");
        if let Some(plan) = plans.last_mut().filter(|_| open && !in_text) {
            plan.push_str(&shortened(rest));
            plan.push('\n');
        }
    }
    plans.retain(|plan| plan.contains(" on calls") || plan.contains("metric_"));
    plans
}

/// Without the guessed costs.
fn shortened(line: &str) -> String {
    match (line.find("  (cost="), line.find(" (actual")) {
        (Some(begin), Some(end)) if begin < end => format!("{} {}", &line[..begin], &line[end..]),
        _ => line.to_owned(),
    }
}
