//! The shell around the engine, as `src/daemon` has it: lanes, queues of commands, the writer, the socket, resync; and
//! everything that can go wrong with them.

use crate::store::{Ask, admission};
use crate::world::{Choice, Job, Next, Queue, World, time};
use cordboard::core::call::Call;
use cordboard::core::command::{Command, CommandKind};
use cordboard::core::engine::{Engine, Outbox};
use cordboard::core::fact::Origin;
use cordboard::core::ids::{CallId, RequestId};
use cordboard::core::input::{Carried, ChannelEvent, Input, Verdict};
use cordboard::core::orders::Ticket;
use model_asterisk::{MILLI, SECOND};

/// The ARI client gives up waiting.
const REQUEST_TIMEOUT: i64 = 2 * SECOND;

impl World {
    pub fn happen(&mut self, next: Next) {
        self.asterisk.advance(self.now);
        match next {
            Next::Arrive(index) => self.arrive(index),
            Next::AgentLeaves(index) => self.agent_leaves(index),
            Next::ApiHangsUp(index) => {
                if let (Some(call), true) = (self.calls[index], self.engine.is_some()) {
                    self.fault("API hang-up", Some(call));
                    self.step(Input::HangupAsked { call, request: RequestId(1_000_000) });
                }
            }
            Next::Input { daemon, input } => {
                if daemon == self.daemon && self.engine.is_some() {
                    self.step(*input);
                }
            }
            Next::Event { socket, event } => self.event(socket, &event),
            Next::Send { daemon, queue, ticket, command } => self.send(daemon, queue, ticket, command),
            Next::Late(command) => {
                if !self.boots {
                    self.asterisk.carry_out(&command);
                }
            }
            Next::Answered { daemon, queue, ticket, command, outcome } => {
                self.answered(daemon, queue, ticket, &command, outcome);
            }
            Next::Commit { daemon, ask, choice } => self.commit(daemon, &ask, choice),
            Next::Written { daemon } => self.written(daemon),
            Next::CutSocket => self.cut_socket(),
            Next::Lost { daemon, socket } => {
                if daemon == self.daemon && socket == self.socket && self.engine.is_some() {
                    self.step(Input::Disconnected);
                }
            }
            Next::Connect { daemon } => self.connect(daemon),
            Next::Resync { daemon, turn } => {
                if turn.is_none_or(|turn| turn == self.resync) {
                    self.resync(daemon);
                }
            }
            Next::List { daemon, at } => {
                if !self.boots {
                    let started = time(self.asterisk.started_at());
                    let channels = self.asterisk.listed_channels(at);
                    let wait = self.dice.between(200, 3 * MILLI);
                    self.after(wait, Next::ListBridges { daemon, at, started, channels });
                }
            }
            Next::ListBridges { daemon, at, started: node_started_at, channels } => {
                let bridges = self.asterisk.listed_bridges();
                let input = Input::Listed { node_started_at, channels, bridges, at };
                let wait = self.dice.between(200, 2 * MILLI);
                self.after(wait, Next::Input { daemon, input: Box::new(input) });
            }
            Next::KillAsterisk => self.kill_asterisk(),
            Next::BootAsterisk => {
                self.boots = false;
                self.asterisk.restart();
            }
            Next::KillDaemon => self.kill_daemon(),
            Next::StartDaemon => self.start_daemon(),
        }
    }

    pub fn step(&mut self, input: Input) {
        let known: Vec<CallId> = self.engine.iter().flat_map(Engine::calls).map(|call| call.id).collect();
        self.note(|| format!("{input:?}"));
        if let Input::Listed { node_started_at, .. } = &input {
            self.store.node_started_at = Some(*node_started_at);
        }
        let now = time(self.now);
        let Some(engine) = &mut self.engine else { return };
        let out = engine.step(input, now);
        self.hand_out(out, &known);
    }

    fn hand_out(&mut self, out: Outbox, known: &[CallId]) {
        for (call, command) in &out.commands {
            if let Command::Enter { .. } = command {
                self.jobs.push_back(Job::Enter(*call));
            }
        }
        for write in out.writes {
            self.note(|| format!("    {} {:?}", write.call, write.facts));
            self.jobs.push_back(Job::Facts(Box::new(write)));
        }
        self.write();
        let mut batches: Vec<(CallId, Vec<Command>)> = Vec::new();
        for (call, command) in out.commands {
            self.note(|| format!("    do {command:?}"));
            if let Command::Admit { endpoint, dialled } = command {
                let record = self.engine.as_ref().and_then(|engine| engine.call(call)).map(Call::record);
                let Some(record) = record else { continue };
                let ask = Ask {
                    call,
                    endpoint,
                    destination: dialled.raw.parse().expect("a number"),
                    origin: record.origin.unwrap_or(Origin::Phone),
                    agent_channel: record.agent_channel.clone(),
                    requested_at: record.requested_at.expect("requested"),
                };
                self.admit(ask);
                continue;
            }
            // The control without strays: what belongs to no open call is left alone.
            let left_alone = !self.options.strays && !known.contains(&call);
            if left_alone || matches!(command, Command::Enter { .. } | Command::Reply { .. }) {
                continue;
            }
            if batches.last().is_none_or(|(last, _)| *last != call) {
                batches.push((call, Vec::new()));
            }
            if let Some((_, batch)) = batches.last_mut() {
                batch.push(command);
            }
        }
        for (call, batch) in batches {
            self.dispatch(call, batch);
        }
        for call in out.over {
            *self.over.entry((self.daemon, call)).or_default() += 1;
            // The queue lives on until it is empty; what comes later gets a new one.
            self.queue_of.remove(&call);
        }
    }

    fn admit(&mut self, ask: Ask) {
        let slow = self.chance(self.options.store_slow);
        let mut wait = self.dice.between(MILLI, 6 * MILLI);
        if slow {
            self.fault("store slow", Some(ask.call));
            wait += self.dice.between(300 * MILLI, 3 * SECOND);
        }
        let away = self.chance(self.options.store_away);
        if away {
            self.fault("store away", Some(ask.call));
            self.store_away_until = self.store_away_until.max(self.now + self.dice.between(0, 4 * SECOND));
        }
        let daemon = self.daemon;
        if self.now < self.store_away_until {
            let (call, at) = (ask.call, time(self.now + wait));
            let input = Input::Decided { call, verdict: Verdict::Unavailable, at };
            return self.after(wait, Next::Input { daemon, input: Box::new(input) });
        }
        // What the rules choose is told while the reservation is under way; another call may be faster.
        let seen = self.store.free();
        if let Some(number) = seen
            && self.dice.between(0, 8) > 0
        {
            let input = Input::Chosen { call: ask.call, admission: Box::new(admission(&ask, number)) };
            let sooner = self.dice.between(0, wait);
            self.after(sooner, Next::Input { daemon, input: Box::new(input) });
        }
        let choice = if self.options.naive_store { Choice::AsSeen(seen) } else { Choice::Now };
        self.after(wait, Next::Commit { daemon, ask: Box::new(ask), choice });
    }

    fn commit(&mut self, daemon: u32, ask: &Ask, choice: Choice) {
        // A transaction of a dead daemon ends with its connection, unless its commit was under way already.
        if daemon != self.daemon || self.engine.is_none() {
            return;
        }
        let choice = match choice {
            Choice::Now => self.store.free(),
            Choice::AsSeen(choice) => choice,
        };
        let at = time(self.now);
        let verdict = self.store.admit(ask, choice, at);
        let input = Input::Decided { call: ask.call, verdict, at };
        let wait = self.dice.between(100, 3 * MILLI);
        self.after(wait, Next::Input { daemon, input: Box::new(input) });
    }

    fn dispatch(&mut self, call: CallId, step: Vec<Command>) {
        if !self.options.in_order {
            for command in step {
                self.ordinal += 1;
                let queue = self.ordinal;
                let entry = self.queues.entry(queue).or_default();
                entry.call = Some(call);
                entry.orders.add([command]);
                self.proceed(queue);
            }
            return;
        }
        let ordinal = self.ordinal + 1;
        let queue = *self.queue_of.entry(call).or_insert(ordinal);
        self.ordinal = ordinal;
        let entry = self.queues.entry(queue).or_insert_with(|| Queue { call: Some(call), ..Queue::default() });
        entry.orders.add(step);
        self.proceed(queue);
    }

    /// Sends what may go out, as `src/daemon/dispatch.rs` does.
    fn proceed(&mut self, queue: u64) {
        let Some(entry) = self.queues.get_mut(&queue) else { return };
        let ready: Vec<_> = std::iter::from_fn(|| entry.orders.start()).collect();
        if entry.orders.is_idle() {
            self.queues.remove(&queue);
            // A call that is still open makes a new one when it needs one.
            self.queue_of.retain(|_, known| *known != queue);
        }
        // Without order each command takes its time.
        let longest = if self.options.in_order { MILLI } else { 20 * MILLI };
        for (ticket, command) in ready {
            let (daemon, command) = (self.daemon, Box::new(command));
            let wait = self.dice.between(100, longest);
            self.after(wait, Next::Send { daemon, queue, ticket, command });
        }
    }

    fn send(&mut self, daemon: u32, queue: u64, ticket: Ticket, command: Box<Command>) {
        if daemon != self.daemon {
            return;
        }
        let call = self.queues.get(&queue).and_then(|entry| entry.call);
        let (outcome, wait) = self.on_the_way(&command, call);
        self.after(wait, Next::Answered { daemon, queue, ticket, command, outcome });
    }

    /// Carries out one command, or what goes wrong instead.
    fn on_the_way(&mut self, command: &Command, call: Option<CallId>) -> (Carried, i64) {
        let quick = self.dice.between(100, 2 * MILLI);
        if self.boots {
            return (Carried::NotSent, quick);
        }
        if self.chance(self.options.not_sent) {
            self.fault("request not sent", call);
            return (Carried::NotSent, quick);
        }
        if self.chance(self.options.refused) {
            self.fault("request refused", call);
            return (Carried::Refused { status: 500 }, quick);
        }
        if self.chance(self.options.lost) {
            match self.dice.between(0, 3) {
                0 => self.fault("request lost", call),
                1 => {
                    self.fault("answer lost", call);
                    self.asterisk.carry_out(command);
                }
                _ => {
                    self.fault("request late", call);
                    let late = self.dice.between(0, 4 * SECOND);
                    self.after(late, Next::Late(Box::new(command.clone())));
                }
            }
            return (Carried::Unknown, REQUEST_TIMEOUT);
        }
        if let Command::Probe { .. } = command {
            return (Carried::Done, quick);
        }
        (self.asterisk.carry_out(command), quick)
    }

    fn answered(&mut self, daemon: u32, queue: u64, ticket: Ticket, command: &Command, outcome: Carried) {
        if daemon != self.daemon || self.engine.is_none() {
            return;
        }
        self.note(|| format!("  {:?} -> {outcome:?}", command.kind()));
        let Some(entry) = self.queues.get_mut(&queue) else { return };
        entry.orders.done(ticket, outcome);
        let call = entry.call;
        let input = match (command, outcome, call) {
            (Command::Probe { channel }, Carried::Done, _) => {
                let event = ChannelEvent::Probed(self.asterisk.probe(channel));
                Some(Input::Channel { channel: channel.clone(), event, at: time(self.now) })
            }
            (Command::Probe { .. }, _, _) | (_, _, None) => None,
            (_, _, Some(call)) => Some(Input::Carried { call, command: command.kind(), outcome }),
        };
        if self.options.redial && command.kind() == CommandKind::DialCustomer && outcome == Carried::Unknown {
            self.redial(command);
        }
        self.proceed(queue);
        if let Some(input) = input {
            self.step(input);
        }
    }

    /// The control that repeats what it does not know: create and dial once more.
    fn redial(&mut self, dial: &Command) {
        let Command::Dial { channel, .. } = dial else { return };
        let Some(call) = channel.owner() else { return };
        let Some(row) = self.store.rows.get(&call) else { return };
        let Some(admission) = row.admission.clone() else { return };
        let create = Command::CreateChannel(cordboard::core::command::ChannelSpec {
            channel: channel.clone(),
            target: cordboard::core::command::Target::Number {
                number: admission.destination,
                trunk: admission.trunk,
                plus: admission.plus,
            },
            present: Some(admission.present),
            originator: row.record.agent_channel.clone(),
            peer: None,
            max_call_s: Some(15),
        });
        self.asterisk.carry_out(&create);
        self.after(5 * MILLI, Next::Late(Box::new(dial.clone())));
    }

    fn write(&mut self) {
        if self.writing || self.jobs.is_empty() {
            return;
        }
        self.writing = true;
        // The writer waits for company, and a daemon may die meanwhile.
        let wait = self.dice.between(MILLI, 60 * MILLI);
        let at = (self.now + wait).max(self.store_away_until);
        self.at(at, Next::Written { daemon: self.daemon });
    }

    fn written(&mut self, daemon: u32) {
        if daemon != self.daemon {
            return;
        }
        for job in std::mem::take(&mut self.jobs) {
            match job {
                Job::Enter(call) => self.store.enter(call),
                Job::Facts(mut write) => {
                    if self.options.forgets_invites {
                        self.store.forget_invites(&mut write);
                    }
                    self.store.append(&write);
                }
            }
        }
        self.writing = false;
        self.write();
    }
}
