//! Stories: golden scripts of what happens to a call and of everything that follows from it. One behaviour a file, in
//! `tests/scripts/*.call`. A line at the margin is an input, the indented lines below it are all its outputs.
//!
//! `UPDATE_STORIES=1 cargo test --test stories` writes what the engine does into the files, for a person to read in the diff.

use cordboard::core::command::{Command, CommandKind, Target};
use cordboard::core::engine::{Engine, Outbox};
use cordboard::core::fact::{Fact, Leg, Origin};
use cordboard::core::ids::{CallId, ChannelId, RequestId};
use cordboard::core::input::{Admission, Carried, ChannelEvent, Dialled, Input, ListedChannel, ListedState, Verdict};
use cordboard::core::outcome::RefusalReason;
use cordboard::core::record::Record;
use cordboard::core::settings::{EmergencyRoute, Settings};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::PathBuf;

const CALL: &str = "01998f2a-7c00-7000-8000-000000000001";
/// Stories begin here; their times are seconds after it.
const BEGIN_S: i64 = 1_800_000_000;

#[test]
fn every_story_is_told_as_it_is_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the scripts")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "call"))
        .collect();
    files.sort();
    assert!(files.len() >= 20, "only {} stories", files.len());
    let mut wrong = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a story");
        let told = tell(&text);
        if told == text {
            continue;
        }
        if std::env::var_os("UPDATE_STORIES").is_some() {
            std::fs::write(&file, told).expect("written");
        } else {
            let _ = writeln!(wrong, "{}\n{}", file.display(), difference(&text, &told));
        }
    }
    assert!(wrong.is_empty(), "stories differ (UPDATE_STORIES=1 rewrites them):\n{wrong}");
}

/// The check above is worth something only if a wrong story fails.
#[test]
fn a_story_with_a_wrong_line_is_told_otherwise() {
    let story = "0 phone dials\n    do admit alice\n    do hang up agent with 16\n";
    assert_ne!(tell(story), story);
}

fn tell(text: &str) -> String {
    let mut world = World::new();
    let mut told = String::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            told.push_str(line);
            told.push('\n');
        } else if !line.starts_with(' ') {
            told.push_str(line);
            told.push('\n');
            let (at, input) = line.split_once(' ').expect("a time and an input");
            let at = instant(at.parse().expect("seconds"));
            let out = world.take(input.trim(), at);
            told.push_str(&world.show(&out));
        }
    }
    told
}

struct World {
    engine: Engine,
    settings: Settings,
    facts: Vec<Fact>,
    record: Record,
    /// The customer's channel, the last that was made.
    customer: ChannelId,
}

impl World {
    fn new() -> Self {
        let settings = Settings {
            ring_timeout_s: 45,
            agent_ring_timeout_s: 25,
            max_call_s: 14_400,
            auto_answer: false,
            emergency: Some(EmergencyRoute {
                trunk: "emergency".parse().expect("a trunk"),
                caller_id: "+12025550199".parse().expect("a number"),
            }),
        };
        let mut engine = Engine::new(settings.clone(), Some(instant(-1000.0)));
        let listed =
            Input::Listed { node_started_at: instant(-1000.0), channels: vec![], bridges: vec![], at: instant(-1.0) };
        engine.step(listed, instant(-1.0));
        Self { engine, settings, facts: vec![], record: Record::default(), customer: call().customer_channel(1) }
    }

    fn take(&mut self, input: &str, at: Timestamp) -> Outbox {
        let words: Vec<&str> = input.split_whitespace().collect();
        let call = call();
        let input = match words.as_slice() {
            ["phone", "dials", rest @ ..] => Input::AgentDialled {
                call,
                channel: agent_phone(),
                name: "PJSIP/alice-00000001".parse().expect("a name"),
                dialled: dialled(rest),
                at,
            },
            ["stranger", "dials"] => Input::AgentDialled {
                call,
                channel: agent_phone(),
                name: "Local/x@y-00000001;2".parse().expect("a name"),
                dialled: dialled(&[]),
                at,
            },
            ["api", "asks", rest @ ..] => Input::CallAsked {
                call,
                request: RequestId(7),
                endpoint: "alice".parse().expect("an endpoint"),
                dialled: dialled(rest),
            },
            ["api", "hangs", "up"] => Input::HangupAsked { call, request: RequestId(8) },
            ["admitted"] => {
                self.stored(Fact::Admitted { at, emergency: false });
                Input::Decided { call, verdict: Verdict::Admitted(Box::new(admission())), at }
            }
            ["chosen"] => Input::Chosen { call, admission: Box::new(admission()) },
            ["chosen", "another"] => {
                let present = "+12025550177".parse().expect("a number");
                Input::Chosen { call, admission: Box::new(Admission { present, ..admission() }) }
            }
            ["refused", reason] => {
                let reason = RefusalReason::ALL.into_iter().find(|r| r.as_str() == *reason).expect("a reason");
                self.stored(Fact::Refused { at, reason });
                Input::Decided { call, verdict: Verdict::Refused(reason), at }
            }
            ["store", "unavailable"] => Input::Decided { call, verdict: Verdict::Unavailable, at },
            ["is", "emergency"] => Input::Decided { call, verdict: Verdict::Emergency, at },
            ["drain"] => Input::Drain,
            ["node", "is", "unfit"] => Input::Refuse { reason: Some(RefusalReason::NodeUnavailable) },
            ["node", "is", "fit"] => Input::Refuse { reason: None },
            ["disconnected"] => Input::Disconnected,
            ["deadline"] => Input::DeadlinePassed,
            ["no", "emergency", "route"] => {
                self.settings.emergency = None;
                self.engine.set_settings(self.settings.clone());
                return Outbox::default();
            }
            ["daemon", "restarts", written @ ..] => {
                // Facts are written behind: those of the last moments may be lost with the daemon.
                if let ["with", count, "facts"] = written {
                    self.facts.truncate(count.parse().expect("a number"));
                }
                // As the daemon does: which Asterisk it was, the database says when it is asked.
                self.engine = Engine::new(self.settings.clone(), None);
                self.engine.node_was_started(Some(instant(-1000.0)));
                let record = Record::of(&self.facts);
                Input::Restored { call, record: Box::new(record), admission: Some(Box::new(admission())) }
            }
            ["another", "daemon", "begins"] => {
                self.engine = Engine::new(self.settings.clone(), Some(instant(-1000.0)));
                return Outbox::default();
            }
            ["listed", legs @ ..] => self.listed(legs, instant(-1000.0), at),
            ["node", "restarted"] => self.listed(&[], at, at),
            ["done", kind] => carried(kind, Carried::Done),
            ["not-sent", kind] => carried(kind, Carried::NotSent),
            ["unknown", kind] => carried(kind, Carried::Unknown),
            ["refused", status, kind] => carried(kind, Carried::Refused { status: status.parse().expect("a status") }),
            [leg @ ("agent" | "customer"), event @ ..] => {
                Input::Channel { channel: self.channel(leg), event: channel_event(event), at }
            }
            ["first-customer", event @ ..] => {
                Input::Channel { channel: call.customer_channel(1), event: channel_event(event), at }
            }
            _ => panic!("unknown input {input:?}"),
        };
        let out = self.engine.step(input, at);
        for (_, command) in &out.commands {
            if let Command::CreateChannel(spec) = command
                && spec.channel.leg() == Some(Leg::Customer)
            {
                self.customer = spec.channel.clone();
            }
        }
        out
    }

    /// The store writes the request and its own verdict itself, in the transaction that reserves.
    fn stored(&mut self, verdict: Fact) {
        let record = self.engine.call(call()).expect("a call that is being decided").record();
        self.facts = vec![
            Fact::Requested {
                at: record.requested_at.expect("requested"),
                origin: record.origin.expect("an origin"),
                agent_channel: record.agent_channel.clone(),
            },
            verdict,
        ];
        self.record = Record::of(&self.facts);
    }

    /// The agent's channel is the phone's own, unless we made it.
    fn channel(&self, leg: &str) -> ChannelId {
        if leg == "customer" || leg == "help" {
            return self.customer.clone();
        }
        match self.record.agent_channel.clone() {
            Some(channel) => channel,
            None if self.facts.iter().any(|fact| matches!(fact, Fact::Requested { origin: Origin::Api, .. })) => {
                call().agent_channel(1)
            }
            None => agent_phone(),
        }
    }

    fn listed(&self, legs: &[&str], node_started_at: Timestamp, at: Timestamp) -> Input {
        let mut bridges = vec![];
        let mut channels = vec![];
        for leg in legs {
            if *leg == "bridge" {
                bridges.push(call());
                continue;
            }
            let (leg, state) = leg.split_once('=').expect("leg=state");
            // In the bridge, if it is said.
            let (state, bridge) = state.split_once('@').map_or((state, None), |(state, _)| (state, Some(call())));
            channels.push(ListedChannel { id: self.channel(leg), name: name(leg), state: listed_state(state), bridge });
        }
        Input::Listed { node_started_at, channels, bridges, at }
    }

    /// Cause and SIP status with which a leg ended, if it did.
    fn end_of(&self, which: Leg) -> Option<(Option<u16>, Option<u16>)> {
        self.facts.iter().find_map(|fact| {
            let Fact::LegEnded { leg, cause, sip_code, .. } = fact else { return None };
            (*leg == which).then_some((*cause, *sip_code))
        })
    }

    fn show(&mut self, out: &Outbox) -> String {
        let mut text = String::new();
        for write in &out.writes {
            for fact in &write.facts {
                let mut body = serde_json::to_value(fact).expect("a fact is JSON");
                let fields = body.as_object_mut().expect("an object");
                fields.remove("at");
                fields.remove("kind");
                let mut line = format!("    fact {}", fact.kind());
                for (key, value) in fields {
                    let value = value.to_string().replace(CALL, "CALL");
                    let _ = write!(line, " {key}={}", value.trim_matches('"'));
                }
                let _ = writeln!(text, "{line}");
                self.facts.push(fact.clone());
            }
            self.record = write.record.clone();
            let stored = u32::try_from(write.facts.len()).expect("few") + write.first_seq;
            assert_eq!(stored, write.record.facts, "facts are numbered without gaps");
            let dialled = self.record.customer_dialled_at.map(|_| self.customer.clone());
            assert_eq!(self.record.customer_channel, dialled, "the row names the customer's channel");
        }
        for (_, command) in &out.commands {
            let _ = writeln!(text, "    do {}", show(command));
        }
        for _ in &out.over {
            let record = &self.record;
            assert!(record.is_settled() && record.ended_at.is_some(), "the row says when it was over");
            let cause = if record.customer_dialled_at.is_some() { None } else { self.end_of(Leg::Agent) };
            let cause = self.end_of(Leg::Customer).or(cause).unwrap_or_default();
            assert_eq!((record.cause, record.sip_code), cause, "the row has the cause of the leg that decides");
            let _ = writeln!(
                text,
                "    over: {} by {} quota {} ring {:?} talk {:?}{}",
                record.disposition.map_or("-", |d| d.as_str()),
                record.hung_up_by.map_or("-", |p| p.as_str()),
                record.quota.as_str(),
                record.ring_ms(),
                record.talk_ms(),
                if record.estimated { " estimated" } else { "" },
            );
        }
        text
    }
}

fn show(command: &Command) -> String {
    let short = |channel: &ChannelId| match channel.leg() {
        Some(Leg::Agent) => "agent (ours)".to_owned(),
        Some(Leg::Customer) => "customer".to_owned(),
        None => "agent".to_owned(),
    };
    match command {
        Command::Admit { endpoint, .. } => format!("admit {endpoint}"),
        Command::Enter { endpoint, dialled } => {
            let help = if dialled.emergency { " who calls for help" } else { "" };
            format!("enter {}{help}", endpoint.as_ref().map_or("nobody".to_owned(), ToString::to_string))
        }
        Command::CreateBridge { .. } => "make bridge".to_owned(),
        Command::CreateChannel(spec) => {
            let target = match &spec.target {
                Target::Number { number, trunk, .. } => format!("{number} by {trunk}"),
                Target::Emergency { digits, trunk } => format!("{} by {trunk}", digits.as_str()),
                Target::Agent { endpoint, .. } => endpoint.to_string(),
            };
            format!(
                "make {} for {target} as {} peer {} at most {}",
                short(&spec.channel),
                spec.present.map_or("-".to_owned(), |n| n.to_string()),
                spec.peer.as_ref().map_or("-".to_owned(), short),
                spec.max_call_s.map_or("-".to_owned(), |s| format!("{s} s")),
            )
        }
        Command::AddToBridge { channels, .. } => {
            format!("bridge {}", channels.iter().map(short).collect::<Vec<_>>().join(" and "))
        }
        Command::Dial { channel, timeout_s } => {
            format!("dial {} for {}", short(channel), timeout_s.map_or("ever".to_owned(), |s| format!("{s} s")))
        }
        Command::Play { channel, prompt } => format!("play {prompt} to {}", short(channel)),
        Command::HangUp { channel, cause } => format!("hang up {} with {}", short(channel), cause.0),
        Command::DestroyBridge { .. } => "remove bridge".to_owned(),
        Command::Probe { channel } => format!("probe {}", short(channel)),
        Command::Reply { request, answer } => format!("reply {} {answer:?}", request.0),
    }
}

fn call() -> CallId {
    CALL.parse().expect("a uuid")
}

fn agent_phone() -> ChannelId {
    "pbx1-1795256619.46".parse().expect("a channel id")
}

fn name(leg: &str) -> cordboard::core::ids::ChannelName {
    let name = match leg {
        "agent" => "PJSIP/alice-00000001",
        "help" => "PJSIP/emergency-00000003",
        _ => "PJSIP/carrier-00000002",
    };
    name.parse().expect("a name")
}

fn dialled(words: &[&str]) -> Dialled {
    let emergency = words == ["911"];
    Dialled {
        raw: words.first().copied().unwrap_or("2025550123").to_owned(),
        emergency,
        call_back: None,
        campaign: None,
    }
}

fn admission() -> Admission {
    let id = |n: u128| uuid::Uuid::from_u128(n);
    Admission {
        organization: cordboard::core::ids::OrganizationId(id(1)),
        agent: cordboard::core::ids::AgentId(id(2)),
        endpoint: "alice".parse().expect("an endpoint"),
        number: Some(cordboard::core::ids::NumberId(id(3))),
        present: "+12025550100".parse().expect("a number"),
        destination: "+12025550123".parse().expect("a number"),
        trunk: "carrier".parse().expect("a trunk"),
        plus: true,
    }
}

fn channel_event(words: &[&str]) -> ChannelEvent {
    let number = |word: &str| word.parse().expect("a number");
    match words {
        ["started"] => ChannelEvent::Started,
        ["dial", "began"] => ChannelEvent::DialBegan,
        ["early", "media"] => ChannelEvent::EarlyMedia,
        ["ringing"] => ChannelEvent::Ringing,
        ["up"] => ChannelEvent::Up,
        ["hangs", "up"] => ChannelEvent::HangupRequested { by_party: true },
        ["is", "hung", "up"] => ChannelEvent::HangupRequested { by_party: false },
        ["left"] => ChannelEvent::Left,
        ["destroyed"] => ChannelEvent::Destroyed { cause: None, sip_code: None },
        ["destroyed", cause] => ChannelEvent::Destroyed { cause: Some(number(cause)), sip_code: None },
        ["destroyed", cause, sip] => {
            ChannelEvent::Destroyed { cause: Some(number(cause)), sip_code: Some(number(sip)) }
        }
        ["played"] => ChannelEvent::Played,
        ["probed", state] => ChannelEvent::Probed(listed_state(state)),
        _ => panic!("unknown event {words:?}"),
    }
}

fn listed_state(word: &str) -> ListedState {
    match word {
        "down" => ListedState::Down,
        "ringing" => ListedState::Ringing,
        "up" => ListedState::Up,
        "gone" => ListedState::Gone,
        _ => panic!("unknown state {word}"),
    }
}

fn carried(kind: &str, outcome: Carried) -> Input {
    let command = match kind {
        "create-bridge" => CommandKind::CreateBridge,
        "create-agent" => CommandKind::CreateAgent,
        "create-customer" => CommandKind::CreateCustomer,
        "join" => CommandKind::Join,
        "dial-agent" => CommandKind::DialAgent,
        "dial-customer" => CommandKind::DialCustomer,
        "play" => CommandKind::Play,
        _ => panic!("unknown command {kind}"),
    };
    Input::Carried { call: call(), command, outcome }
}

fn instant(seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "stories last minutes")]
    let ms = (seconds * 1000.0).round() as i64;
    Timestamp::from_millisecond(BEGIN_S * 1000 + ms).expect("a time")
}

fn difference(written: &str, told: &str) -> String {
    let mut text = String::new();
    for (i, (a, b)) in written.lines().zip(told.lines()).enumerate() {
        if a != b {
            let _ = writeln!(text, "  line {}: written {a:?}\n          told    {b:?}", i + 1);
            return text;
        }
    }
    let _ = writeln!(text, "  one is longer: {} lines written, {} told", written.lines().count(), told.lines().count());
    text
}
