//! Tables for people, JSON for programs.

use crate::machine;
use crate::settings::Settings;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What was measured so far.
pub struct Report {
    json: Map<String, Value>,
    broken: Vec<String>,
}

impl Report {
    pub fn new(settings: &Settings) -> Self {
        let (machine, commit, at) = (machine::line(), machine::commit(), jiff::Timestamp::now());
        println!("# Cordboard's figures\n");
        println!("{machine}. Commit {commit}, release build, {at:.0}.");
        println!(
            "Everything on loopback: load, Asterisk, daemon and Postgres share these processors. So read the ratios."
        );
        if settings.quick {
            println!("**Quick sizes: they prove that it works, not how fast it is.**");
        }
        println!("\"Others / steal\" is the % of the machine that other programs used and that the hypervisor kept.");
        let json = Map::from_iter([
            ("machine".to_owned(), json!(machine)),
            ("commit".to_owned(), json!(commit)),
            ("at".to_owned(), json!(at.to_string())),
            ("quick".to_owned(), json!(settings.quick)),
            ("sizes".to_owned(), json!(format!("{:?}", settings.sizes))),
        ]);
        Self { json, broken: Vec::new() }
    }

    pub fn heading(&self, settings: &Settings, title: &str, part: &str) {
        println!("\n## {title}\n\nAgain: `{}`\n", settings.again(part));
    }

    pub fn keep(&mut self, name: &str, value: Value) {
        self.json.insert(name.to_owned(), value);
    }

    /// Something that must hold, whatever the machine.
    pub fn must(&mut self, holds: bool, what: &str) {
        println!("- {} {what}", if holds { "ok:" } else { "**BROKEN:**" });
        if !holds {
            self.broken.push(what.to_owned());
        }
    }

    /// Something that should hold on a quiet machine.
    pub fn target(&mut self, name: &str, value: f64, limit: f64, unit: &str) {
        let met = value <= limit;
        println!("- {} {name}: {value:.2} {unit}, at most {limit} wanted", if met { "met:" } else { "**missed:**" });
        self.json.entry("targets").or_insert_with(|| json!({}))[name] =
            json!({ "value": value, "limit": limit, "met": met });
    }

    pub fn save(&mut self, settings: &Settings) -> anyhow::Result<PathBuf> {
        self.keep("broken", json!(self.broken));
        std::fs::create_dir_all(&settings.state)?;
        let file = settings.state.join(format!("figures-{}.json", jiff::Timestamp::now().as_second()));
        std::fs::write(&file, serde_json::to_string_pretty(&self.json)?)?;
        Ok(file)
    }

    pub fn verdict(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.broken.is_empty(), "what must hold does not: {}", self.broken.join("; "));
        Ok(())
    }
}

/// A markdown table.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    println!("| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}

/// p50, p95 and p99 in milliseconds. Sorts.
pub fn quantiles(ns: &mut [u64]) -> [f64; 3] {
    ns.sort_unstable();
    [0.5, 0.95, 0.99].map(|q| sip_peer::load::quantile(ns, q).map_or(f64::NAN, |ns| ns as f64 / 1e6))
}

/// A cell: `p50 / p95 / p99`.
pub fn cell(values: [f64; 3]) -> String {
    values.map(|ms| format!("{ms:.2}")).join(" / ")
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Progress, for whoever waits.
pub fn say(text: &str) {
    eprintln!("bench: {text}");
}
