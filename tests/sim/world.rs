//! One history: the engine, a store in memory and the model Asterisk, in simulated time, with one queue of what comes next.

use crate::check::Checker;
use crate::coverage::Coverage;
use crate::plan::{Options, Plan};
use crate::store::{Ask, Store};
use cordboard::core::call::Call;
use cordboard::core::command::Command;
use cordboard::core::engine::{Engine, Write};
use cordboard::core::ids::CallId;
use cordboard::core::input::{Carried, Input, ListedChannel};
use cordboard::core::orders::{Orders, Ticket};
use cordboard::core::settings::Settings;
use jiff::Timestamp;
use model_asterisk::{Asterisk, Dice, Event, Knobs, MILLI, Micros, SECOND};
use std::collections::{BTreeMap, VecDeque};

/// Histories begin here.
pub const BEGIN: Micros = 1_800_000_000 * SECOND;
/// The daemon looks at what is really there this often.
pub const RESYNC_EVERY: Micros = 10 * SECOND;

/// What comes next.
#[derive(Debug)]
pub enum Next {
    Arrive(usize),
    AgentLeaves(usize),
    ApiHangsUp(usize),
    /// One of the daemon's lanes has something. Void if that daemon is dead.
    Input {
        daemon: u32,
        input: Box<Input>,
    },
    /// An event comes out of this socket.
    Event {
        socket: u32,
        event: Box<Event>,
    },
    /// The next command of a queue leaves.
    Send {
        daemon: u32,
        queue: u64,
        ticket: Ticket,
        command: Box<Command>,
    },
    /// A request that nobody waits for any more is carried out.
    Late(Box<Command>),
    Answered {
        daemon: u32,
        queue: u64,
        ticket: Ticket,
        command: Box<Command>,
        outcome: Carried,
    },
    /// The store commits, and answers.
    Commit {
        daemon: u32,
        ask: Box<Ask>,
        choice: Choice,
    },
    Written {
        daemon: u32,
    },
    CutSocket,
    Lost {
        daemon: u32,
        socket: u32,
    },
    Connect {
        daemon: u32,
    },
    Resync {
        daemon: u32,
        turn: Option<u64>,
    },
    /// The three requests of a listing.
    List {
        daemon: u32,
        at: Timestamp,
    },
    ListBridges {
        daemon: u32,
        at: Timestamp,
        started: Timestamp,
        channels: Vec<ListedChannel>,
    },
    KillAsterisk,
    BootAsterisk,
    KillDaemon,
    StartDaemon,
}

/// How the store chooses a number.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    /// When it commits.
    Now,
    /// As it saw the counters before: the control.
    AsSeen(Option<usize>),
}

/// What the writer has to write.
#[derive(Debug)]
pub enum Job {
    Enter(CallId),
    Facts(Box<Write>),
}

/// The commands of one call on their way.
#[derive(Debug, Default)]
pub struct Queue {
    pub call: Option<CallId>,
    pub orders: Orders,
}

pub struct World {
    pub options: Options,
    pub dice: Dice,
    pub now: Micros,
    pub next: BTreeMap<(Micros, u64), Next>,
    pub ordinal: u64,
    pub asterisk: Asterisk,
    pub boots: bool,
    pub store: Store,
    pub store_away_until: Micros,
    pub engine: Option<Engine>,
    /// Counts the daemons.
    pub daemon: u32,
    /// Counts the sockets.
    pub socket: u32,
    /// Events come out of it.
    pub hearing: bool,
    /// When the last event of each channel comes out: those of one channel stay in order.
    pub last_event: BTreeMap<String, Micros>,
    pub queues: BTreeMap<u64, Queue>,
    pub queue_of: BTreeMap<CallId, u64>,
    pub jobs: VecDeque<Job>,
    pub writing: bool,
    pub plans: Vec<Plan>,
    /// Which channel and which call became of a plan.
    pub channels: Vec<Option<String>>,
    pub calls: Vec<Option<CallId>>,
    /// After this nothing goes wrong any more.
    pub calm_at: Micros,
    pub checker: Checker,
    pub coverage: Coverage,
    /// How often each call was over, by daemon: one that lost its last facts with the one before is over again.
    pub over: BTreeMap<(u32, CallId), u32>,
    /// The next listing of the rhythm; others are void.
    pub resync: u64,
    pub log: Option<Vec<String>>,
}

pub fn settings(max_call_s: u32) -> Settings {
    Settings { ring_timeout_s: 8, agent_ring_timeout_s: 5, max_call_s, auto_answer: false, emergency: None }
}

pub fn time(at: Micros) -> Timestamp {
    Timestamp::from_microsecond(at).expect("a time")
}

impl World {
    pub fn new(options: Options) -> Self {
        let mut dice = Dice::new(options.seed);
        let knobs =
            Knobs { handlers: options.handlers, absolute_s: i64::from(options.max_call_s) + 5, prompt: 2 * SECOND };
        let mut asterisk = Asterisk::new(BEGIN, dice.bits(), knobs);
        let mut world_end = BEGIN;
        let mut plans = Vec::new();
        for index in 0..options.calls {
            let at = BEGIN + SECOND + dice.between(0, 40 * SECOND);
            let plan = Plan::new(index, at, &options, &mut dice);
            asterisk.set_far_end(&plan.endpoint, plan.agent);
            asterisk.set_far_end(&plan.customer_number, plan.customer);
            world_end = world_end.max(at);
            plans.push(plan);
        }
        let count = plans.len();
        let mut world = Self {
            dice,
            now: BEGIN,
            next: BTreeMap::new(),
            ordinal: 0,
            asterisk,
            boots: false,
            store: Store::default(),
            store_away_until: 0,
            engine: None,
            daemon: 0,
            socket: 0,
            hearing: false,
            last_event: BTreeMap::new(),
            queues: BTreeMap::new(),
            queue_of: BTreeMap::new(),
            jobs: VecDeque::new(),
            writing: false,
            plans,
            channels: vec![None; count],
            calls: vec![None; count],
            calm_at: world_end + 15 * SECOND,
            checker: Checker::default(),
            coverage: Coverage::default(),
            over: BTreeMap::new(),
            resync: 0,
            log: None,
            options,
        };
        world.schedule();
        world
    }

    fn schedule(&mut self) {
        self.at(BEGIN, Next::StartDaemon);
        for index in 0..self.plans.len() {
            let plan = self.plans[index].clone();
            self.at(plan.at, Next::Arrive(index));
            if let Some(after) = plan.agent_leaves {
                self.at(plan.at + after, Next::AgentLeaves(index));
            }
            if let Some(after) = plan.api_hangs_up {
                self.at(plan.at + after, Next::ApiHangsUp(index));
            }
        }
        for (most, which) in
            [(self.options.socket_cuts, 0), (self.options.asterisk_kills, 1), (self.options.daemon_kills, 2)]
        {
            for _ in 0..self.dice.one_of(most + 1) {
                let mut at = self.dice.between(BEGIN + 2 * SECOND, self.calm_at);
                if self.dice.permille(300) {
                    // Most of a call happens in its first moments.
                    at = self.plans[self.dice.one_of(self.plans.len())].at + self.dice.between(0, 150 * MILLI);
                }
                let fault = [Next::CutSocket, Next::KillAsterisk, Next::KillDaemon].into_iter().nth(which);
                self.next.extend(fault.map(|fault| {
                    self.ordinal += 1;
                    ((at, self.ordinal), fault)
                }));
            }
        }
    }

    pub fn at(&mut self, at: Micros, next: Next) {
        self.ordinal += 1;
        self.next.insert((at.max(self.now), self.ordinal), next);
    }

    pub fn after(&mut self, wait: Micros, next: Next) {
        self.at(self.now + wait, next);
    }

    pub fn calm(&self) -> bool {
        self.now >= self.calm_at
    }

    pub fn chance(&mut self, permille: u32) -> bool {
        let hit = self.dice.permille(permille);
        hit && !self.calm()
    }

    pub fn fault(&mut self, fault: &'static str, call: Option<CallId>) {
        let phase = call.and_then(|call| Some(self.engine.as_ref()?.call(call)?.phase()));
        self.coverage.count(fault, phase);
        self.note(|| format!("FAULT {fault} {call:?}"));
    }

    pub fn fault_for_all(&mut self, fault: &'static str) {
        self.note(|| format!("FAULT {fault}"));
        let phases: Vec<_> = self.engine.iter().flat_map(Engine::calls).map(Call::phase).collect();
        for phase in phases {
            self.coverage.count(fault, Some(phase));
        }
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let at = self.now - BEGIN;
        if let Some(log) = &mut self.log {
            log.push(format!("{:>10}.{:03} {}", at / MILLI, at % MILLI, text()));
        }
    }

    /// Lives the whole history.
    pub fn run(&mut self) {
        let end = self.calm_at + 90 * SECOND;
        loop {
            let queued = self.next.keys().next().map(|(at, _)| *at);
            let due = self.asterisk.next_due();
            let deadline = self.engine.as_ref().and_then(Engine::deadline).map(|at| at.as_microsecond().max(self.now));
            let Some(at) = [queued, due, deadline].into_iter().flatten().min().filter(|at| *at < end) else { break };
            self.now = self.now.max(at);
            self.checker.look(&self.asterisk, self.now);
            if queued == Some(at) {
                let Some((_, next)) = self.next.pop_first() else { break };
                self.happen(next);
            } else if due == Some(at) {
                self.asterisk.advance(self.now);
            } else {
                self.deadline();
            }
            self.listen();
            if self.calm() && self.is_quiet() {
                break;
            }
        }
        let open: Vec<CallId> = self.engine.iter().flat_map(Engine::calls).map(|call| call.id).collect();
        self.checker.finish(&self.asterisk, &self.store, &open);
        for ((_, call), times) in &self.over {
            if *times > 1 {
                self.checker.say(format!("{call}: over {times} times"));
            }
        }
        if self.options.refused + self.options.lost + self.options.not_sent + self.options.store_away == 0
            && self.options.socket_cuts + self.options.daemon_kills + self.options.asterisk_kills == 0
        {
            for index in 0..self.plans.len() {
                let (plan, call) = (self.plans[index].clone(), self.calls[index]);
                self.checker.as_planned(&plan, call, &self.asterisk, &self.store, &self.options);
            }
        }
    }

    /// Nothing is under way any more.
    fn is_quiet(&self) -> bool {
        self.engine.as_ref().is_some_and(|engine| engine.open_calls() == 0 && engine.is_connected())
            && self.jobs.is_empty()
            && self.asterisk.channels().next().is_none()
            && self.asterisk.bridges().next().is_none()
            && self.store.open_calls().iter().all(|(_, record, _)| record.facts == 0)
            && self.queues.values().all(|queue| queue.orders.is_idle())
    }

    fn deadline(&mut self) {
        self.step(Input::DeadlinePassed);
        let still = self.engine.as_ref().and_then(Engine::deadline).is_some_and(|at| at.as_microsecond() <= self.now);
        if still {
            self.checker.say("a deadline passed and nothing followed".to_owned());
            self.now += SECOND;
        }
    }
}
