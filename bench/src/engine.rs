//! The engine alone, on one thread: no clock, no network, no database.

use crate::report::{self, Report, say};
use crate::settings::Settings;
use crate::usage::Watch;
use cordboard::core::command::CommandKind;
use cordboard::core::engine::{Engine, Outbox};
use cordboard::core::fact::{Fact, Origin};
use cordboard::core::ids::{AgentId, CallId, ChannelId, NumberId, OrganizationId, RequestId};
use cordboard::core::input::{Admission, Carried, ChannelEvent, Dialled, Input, ListedChannel, ListedState, Verdict};
use cordboard::core::outcome::{Disposition, RefusalReason};
use cordboard::core::record::Record;
use cordboard::core::settings::Settings as Rules;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use std::time::Instant;
use uuid::Uuid;

/// Calls side by side, as on a full floor.
const SIDE_BY_SIDE: usize = 500;

pub fn measure(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    report.heading(settings, "Engine (one thread)", "engine");
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for open in [1, SIDE_BY_SIDE] {
        say(&format!("engine: answered calls, {open} at a time"));
        let watch = Watch::new(Vec::new());
        let (steps, calls, seconds) = answered_calls(settings, open)?;
        let used = watch.end();
        let rate = steps as f64 / seconds;
        rows.push(vec![
            format!("answered calls, {open} open"),
            format!("{rate:.0} steps/s"),
            format!("{:.2} us a call of {} inputs", seconds * 1e6 / calls as f64, steps / calls),
            calls.to_string(),
            used.noise(),
        ]);
        all.push(json!({ "open": open, "steps": steps, "calls": calls, "seconds": seconds, "usage": used.json() }));
    }
    say("engine: random histories");
    let watch = Watch::new(Vec::new());
    let (histories, inputs, wrong, seconds) = random_histories(settings);
    let used = watch.end();
    rows.push(vec![
        "random histories, each write held against the fold of its facts".to_owned(),
        format!("{:.0} histories/s", histories as f64 / seconds),
        format!("{:.0} steps/s", inputs as f64 / seconds),
        histories.to_string(),
        used.noise(),
    ]);
    report::table(&["what", "rate", "", "n", "others / steal %"], &rows);
    report.must(
        wrong == 0,
        &format!("{wrong} of {histories} random histories have a record that is not the fold of its facts"),
    );
    report.keep(
        "engine",
        json!({ "answered": all, "histories": { "n": histories, "inputs": inputs, "seconds": seconds, "wrong": wrong, "usage": used.json() } }),
    );
    Ok(())
}

/// Steps, calls and seconds. As the driver does, the deadline is asked for after every step.
fn answered_calls(settings: &Settings, open: usize) -> anyhow::Result<(usize, usize, f64)> {
    let mut engine = engine();
    let (mut steps, mut calls, mut seconds) = (0, 0, 0.0);
    let mut next = 0_u128;
    while seconds < settings.sizes.engine.as_secs_f64() {
        // Made beforehand, so that only the engine is timed.
        let waves = (2000 / open).max(1);
        let mut inputs = Vec::new();
        for _ in 0..waves {
            let mut scripts: Vec<_> = (0..open).map(|n| answered_call(next + n as u128).into_iter()).collect();
            next += open as u128;
            while let Some(first) = scripts[0].next() {
                inputs.push(first);
                inputs.extend(scripts[1..].iter_mut().filter_map(Iterator::next));
            }
        }
        steps += inputs.len();
        let mut over = 0;
        let began = Instant::now();
        for (n, input) in (0..).zip(inputs) {
            let out = engine.step(input, at(n / 100));
            over += answered(&out);
            std::hint::black_box(engine.deadline());
        }
        seconds += began.elapsed().as_secs_f64();
        anyhow::ensure!(
            over == waves * open && engine.open_calls() == 0,
            "not all calls came to their end as answered"
        );
        calls += over;
    }
    Ok((steps, calls, seconds))
}

fn answered(out: &Outbox) -> usize {
    out.writes.iter().filter(|write| write.record.disposition == Some(Disposition::Answered)).count()
}

/// All that the engine is told of a call that is answered and ended by the agent.
fn answered_call(n: u128) -> Vec<Input> {
    let call = call(n);
    let (agent, customer) = (phone(n), call.customer_channel(1));
    let carried = |command| Input::Carried { call, command, outcome: Carried::Done };
    let on = |channel: &ChannelId, event| Input::Channel { channel: channel.clone(), event, at: at(1) };
    vec![
        dials(n),
        carried(CommandKind::CreateBridge),
        Input::Chosen { call, admission: Box::new(admission()) },
        carried(CommandKind::CreateCustomer),
        on(&customer, ChannelEvent::Started),
        Input::Decided { call, verdict: Verdict::Admitted(Box::new(admission())), at: at(0) },
        carried(CommandKind::Join),
        on(&customer, ChannelEvent::DialBegan),
        carried(CommandKind::DialCustomer),
        on(&customer, ChannelEvent::Ringing),
        on(&customer, ChannelEvent::Up),
        on(&agent, ChannelEvent::HangupRequested { by_party: true }),
        on(&agent, ChannelEvent::Left),
        on(&customer, ChannelEvent::HangupRequested { by_party: false }),
        carried(CommandKind::Other),
        on(&customer, ChannelEvent::Left),
        on(&customer, ChannelEvent::Destroyed { cause: Some(16), sip_code: None }),
        carried(CommandKind::Other),
    ]
}

/// Histories, inputs, wrong ones and seconds.
fn random_histories(settings: &Settings) -> (u64, u64, u64, f64) {
    let (mut histories, mut inputs, mut wrong) = (0, 0, 0);
    let began = Instant::now();
    while began.elapsed() < settings.sizes.engine {
        for _ in 0..100 {
            let (steps, right) = history(histories);
            histories += 1;
            inputs += steps;
            wrong += u64::from(!right);
        }
    }
    (histories, inputs, wrong, began.elapsed().as_secs_f64())
}

/// One call to which anything happens, in any order. Whether every record written is the fold of the facts written.
fn history(seed: u64) -> (u64, bool) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut engine = engine();
    let id = call(u128::from(seed));
    let by_phone = rng.random_bool(0.7);
    let mut facts: Vec<Fact> = Vec::new();
    let mut decided = false;
    let mut right = true;
    let steps = 40;
    for n in 0..steps {
        let now = at(n);
        let input = match (n, by_phone) {
            (0, true) => dials(u128::from(seed)),
            (0, false) => {
                let dialled =
                    Dialled { raw: "2025550123".to_owned(), emergency: false, call_back: None, campaign: None };
                Input::CallAsked { call: id, request: RequestId(1), endpoint: endpoint(), dialled }
            }
            _ => anything(&mut rng, id, u128::from(seed), now),
        };
        if let Input::Decided { verdict, at, .. } = &input {
            if std::mem::replace(&mut decided, true) {
                // The store answers once.
                continue;
            }
            // It has stored the request and its own verdict, in the transaction that decided.
            let verdict = match verdict {
                Verdict::Admitted(_) => Some(Fact::Admitted { at: *at, emergency: false }),
                Verdict::Refused(reason) => Some(Fact::Refused { at: *at, reason: *reason }),
                Verdict::Emergency | Verdict::Unavailable => None,
            };
            if let (Some(verdict), Some(call), true) = (verdict, engine.call(id), facts.is_empty()) {
                let record = call.record();
                facts = vec![
                    Fact::Requested {
                        at: record.requested_at.unwrap_or(*at),
                        origin: record.origin.unwrap_or(Origin::Phone),
                        agent_channel: record.agent_channel.clone(),
                    },
                    verdict,
                ];
            }
        }
        for write in engine.step(input, now).writes {
            right &= write.first_seq as usize == facts.len();
            facts.extend(write.facts);
            right &= Record::of(&facts) == write.record;
        }
        std::hint::black_box(engine.deadline());
    }
    (steps as u64, right)
}

fn anything(rng: &mut StdRng, call: CallId, n: u128, now: Timestamp) -> Input {
    let channel = match rng.random_range(0..5) {
        0 | 1 => phone(n),
        2 => call.agent_channel(1),
        _ => call.customer_channel(1),
    };
    let state = [ListedState::Down, ListedState::Ringing, ListedState::Up, ListedState::Gone][rng.random_range(0..4)];
    match rng.random_range(0..20) {
        0..10 => {
            let event = match rng.random_range(0..11) {
                0 | 1 => ChannelEvent::Started,
                2 => ChannelEvent::DialBegan,
                3 => ChannelEvent::EarlyMedia,
                4 => ChannelEvent::Ringing,
                5 => ChannelEvent::Up,
                6 => ChannelEvent::HangupRequested { by_party: rng.random_bool(0.5) },
                7 => ChannelEvent::Left,
                8 => ChannelEvent::Destroyed { cause: Some(rng.random_range(1..128)), sip_code: None },
                9 => ChannelEvent::Played,
                _ => ChannelEvent::Probed(state),
            };
            Input::Channel { channel, event, at: now }
        }
        10..14 => {
            let verdict = match rng.random_range(0..8) {
                0..5 => Verdict::Admitted(Box::new(admission())),
                5 => Verdict::Refused(RefusalReason::ALL[rng.random_range(0..RefusalReason::ALL.len())]),
                6 => Verdict::Emergency,
                _ => Verdict::Unavailable,
            };
            match rng.random_range(0..4) {
                0 => Input::Chosen { call, admission: Box::new(admission()) },
                _ => Input::Decided { call, verdict, at: now },
            }
        }
        14..17 => {
            const KINDS: [CommandKind; 8] = [
                CommandKind::CreateBridge,
                CommandKind::CreateAgent,
                CommandKind::CreateCustomer,
                CommandKind::Join,
                CommandKind::DialAgent,
                CommandKind::DialCustomer,
                CommandKind::Play,
                CommandKind::Other,
            ];
            let outcome = match rng.random_range(0..10) {
                0..7 => Carried::Done,
                7 => Carried::Refused { status: 404 },
                8 => Carried::NotSent,
                _ => Carried::Unknown,
            };
            Input::Carried { call, command: KINDS[rng.random_range(0..KINDS.len())], outcome }
        }
        17 => match rng.random_range(0..4) {
            0 => Input::HangupAsked { call, request: RequestId(2) },
            1 => Input::Disconnected,
            2 => Input::Drain,
            _ => Input::DeadlinePassed,
        },
        _ => {
            let name = "PJSIP/x-00000001".parse().expect("a name");
            let node_started_at = if rng.random_bool(0.1) { now } else { at(-1000) };
            let channels = vec![ListedChannel { id: channel, name, state, bridge: None }];
            Input::Listed { node_started_at, channels, bridges: vec![call], at: now }
        }
    }
}

fn engine() -> Engine {
    let rules =
        Rules { ring_timeout_s: 45, agent_ring_timeout_s: 25, max_call_s: 14_400, auto_answer: false, emergency: None };
    let mut engine = Engine::new(rules, Some(at(-1000)));
    engine.step(Input::Listed { node_started_at: at(-1000), channels: vec![], bridges: vec![], at: at(-1) }, at(-1));
    engine
}

fn dials(n: u128) -> Input {
    let dialled = Dialled { raw: "2025550123".to_owned(), emergency: false, call_back: None, campaign: None };
    let name = "PJSIP/alice-00000001".parse().expect("a name");
    Input::AgentDialled { call: call(n), channel: phone(n), name, dialled, at: at(0) }
}

fn call(n: u128) -> CallId {
    CallId(Uuid::from_u128(0x0199_8f2a_7c00_7000_8000_0000_0000_0000 + n))
}

fn phone(n: u128) -> ChannelId {
    format!("bench-1795256619.{n}").parse().expect("a channel")
}

fn endpoint() -> cordboard::core::ids::EndpointName {
    "alice".parse().expect("an endpoint")
}

fn admission() -> Admission {
    let id = Uuid::from_u128;
    Admission {
        organization: OrganizationId(id(1)),
        agent: AgentId(id(2)),
        endpoint: endpoint(),
        number: Some(NumberId(id(3))),
        present: "+12025550100".parse().expect("a number"),
        destination: "+12025550123".parse().expect("a number"),
        trunk: "carrier".parse().expect("a trunk"),
        plus: true,
    }
}

/// Seconds after a fixed moment.
fn at(seconds: i32) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::from(seconds)).expect("a time")
}
