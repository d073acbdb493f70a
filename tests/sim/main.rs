//! The simulation: the pure engine and a model Asterisk in simulated time, with everything that can go wrong, from one seed.
//!
//! `CORDBOARD_SIM_CALLS=100000 cargo test --release --test sim -- --nocapture` for many calls;
//! `CORDBOARD_SIM_SEED=123 cargo test --test sim -- --nocapture` for one history, told step by step.

mod check;
mod coverage;
mod daemon;
#[path = "../torture/figures.rs"]
#[expect(dead_code, reason = "shared")]
mod figures;
mod outages;
mod people;
mod plan;
mod store;
mod world;

use coverage::Coverage;
use plan::Options;
use std::time::{Duration, Instant};
use world::World;

struct Found {
    histories: u64,
    calls: usize,
    /// How long all calls together lasted, in hours.
    call_hours: f64,
    took: Duration,
    /// The first violations of each kind, with their seeds.
    wrong: Vec<(u64, String)>,
    coverage: Coverage,
}

fn calls() -> usize {
    std::env::var("CORDBOARD_SIM_CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(6_000)
}

/// Lives histories until so many calls have been made.
fn search(calls: usize, options: impl Fn(u64) -> Options) -> Found {
    let one: Option<u64> = std::env::var("CORDBOARD_SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut found = Found {
        histories: 0,
        calls: 0,
        call_hours: 0.0,
        took: Duration::ZERO,
        wrong: Vec::new(),
        coverage: Coverage::default(),
    };
    let began = Instant::now();
    let mut seed = one.unwrap_or(1);
    while found.calls < calls {
        let mut world = World::new(options(seed));
        if one.is_some() {
            world.log = Some(Vec::new());
        }
        world.run();
        found.histories += 1;
        found.calls += world.plans.len();
        found.call_hours += world.store.call_hours();
        found.coverage.add(&world.coverage);
        found.wrong.extend(world.checker.wrong.iter().map(|wrong| (seed, wrong.clone())));
        if one.is_some() {
            println!("{}", world.log.take().unwrap_or_default().join("\n"));
            break;
        }
        seed += 1;
    }
    found.took = began.elapsed();
    let took = found.took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = found.histories as f64 / took;
    println!("{} histories, {} calls, {took:.1} s, {rate:.0} histories/s", found.histories, found.calls);
    found
}

fn assert_clean(found: &Found) {
    let shown: Vec<String> =
        found.wrong.iter().take(20).map(|(seed, wrong)| format!("  seed {seed}: {wrong}")).collect();
    assert!(
        found.wrong.is_empty(),
        "{} violations; CORDBOARD_SIM_SEED=<seed> tells one history:\n{}",
        found.wrong.len(),
        shown.join("\n")
    );
}

#[test]
fn calls_end_as_planned_when_nothing_goes_wrong() {
    assert_clean(&search(calls(), Options::calm));
}

#[test]
fn nothing_that_must_never_be_ever_is() {
    let found = search(calls(), Options::stormy);
    println!("{}", found.coverage);
    figures::row(
        "simulation, one thread",
        format!("{} histories, {} calls", found.histories, found.calls),
        format!(
            "violations **{}**; {:.0} call-hours a minute; {} pairs of fault and phase met",
            found.wrong.len(),
            found.call_hours * 60.0 / found.took.as_secs_f64(),
            found.coverage.pairs(),
        ),
    );
    assert_clean(&found);
}

/// Lives histories until one goes wrong in the way that a control must.
fn must_find(what: &str, options: impl Fn(u64) -> Options) {
    for seed in 1..=3000 {
        let mut world = World::new(options(seed));
        world.run();
        if let Some(wrong) = world.checker.wrong.iter().find(|wrong| wrong.contains(what)) {
            println!("found in history {seed}: {wrong}");
            return;
        }
    }
    panic!("the checker is blind: \"{what}\" was never found");
}

#[test]
fn control_commands_out_of_order_and_strays_left_alone() {
    must_find("left alive", |seed| Options {
        in_order: false,
        strays: false,
        max_call_s: 14_400,
        ..Options::stormy(seed)
    });
}

#[test]
fn control_without_hangup_handlers_phones_ring_for_nobody() {
    must_find("rings for nobody", |seed| Options { handlers: false, ..Options::stormy(seed) });
}

#[test]
fn control_without_hangup_handlers_customers_are_left_alone() {
    must_find("left alone", |seed| Options { handlers: false, ..Options::stormy(seed) });
}

#[test]
fn control_a_store_that_counts_first_and_writes_later_exceeds_its_limits() {
    must_find(" calls of ", |seed| Options { naive_store: true, calls: 60, ..Options::calm(seed) });
}

#[test]
fn control_a_dial_that_is_repeated_rings_twice() {
    must_find("2 INVITEs", |seed| Options { redial: true, lost: 200, ..Options::stormy(seed) });
}

#[test]
fn control_a_store_that_loses_a_fact_gives_back_what_was_used() {
    must_find("refunded although an INVITE left", |seed| Options { forgets_invites: true, ..Options::stormy(seed) });
}

/// Decision 0008: the order to dial does not wait for the facts before it. A daemon that dies while the store is away finds an
/// admission and nothing else, and must neither dial again, nor hang up people who talk, nor give back what was used.
#[test]
fn a_dial_need_not_wait_for_the_store() {
    assert_clean(&search(calls() / 2, |seed| Options { store_away: 200, daemon_kills: 6, ..Options::stormy(seed) }));
}
