//! What dies and comes back: the event socket, Asterisk, the daemon.

use crate::world::{Next, RESYNC_EVERY, World, settings, time};
use cordboard::core::engine::Engine;
use cordboard::core::ids::CallId;
use cordboard::core::input::Input;
use model_asterisk::{MILLI, SECOND};

impl World {
    pub fn cut_socket(&mut self) {
        if !self.hearing {
            return;
        }
        // Half of the outages are black holes: Asterisk goes on as if somebody listened.
        let hole = self.dice.permille(500);
        self.fault_for_all(if hole { "socket silent" } else { "socket cut" });
        self.hearing = false;
        if !hole {
            self.asterisk.disconnect();
        }
        let (daemon, socket) = (self.daemon, self.socket);
        let noticed = if hole { self.dice.between(SECOND, 3 * SECOND) } else { self.dice.between(0, 5 * MILLI) };
        self.after(noticed, Next::Lost { daemon, socket });
        let outage = match self.dice.between(0, 3) {
            0 => self.dice.between(50 * MILLI, 200 * MILLI),
            1 => self.dice.between(50 * MILLI, 3 * SECOND),
            _ => self.dice.between(SECOND, 30 * SECOND),
        };
        self.after(noticed + outage, Next::Connect { daemon });
    }

    pub fn connect(&mut self, daemon: u32) {
        if daemon != self.daemon || self.engine.is_none() || self.hearing {
            return;
        }
        if self.boots {
            let wait = self.dice.between(50 * MILLI, 300 * MILLI);
            return self.after(wait, Next::Connect { daemon });
        }
        self.asterisk.connect();
        self.socket += 1;
        self.hearing = true;
        self.last_event.clear();
        let wait = self.dice.between(0, 5 * MILLI);
        self.after(wait, Next::Resync { daemon, turn: None });
    }

    pub fn resync(&mut self, daemon: u32) {
        if daemon != self.daemon || self.engine.is_none() || !self.hearing {
            return;
        }
        let at = time(self.now);
        let wait = self.dice.between(200, 5 * MILLI);
        self.after(wait, Next::List { daemon, at });
        self.resync += 1;
        self.after(RESYNC_EVERY, Next::Resync { daemon, turn: Some(self.resync) });
    }

    pub fn kill_asterisk(&mut self) {
        if self.boots {
            return;
        }
        self.fault_for_all("Asterisk killed");
        self.boots = true;
        self.asterisk.restart();
        self.hearing = false;
        let (daemon, socket) = (self.daemon, self.socket);
        let noticed = self.dice.between(0, 5 * MILLI);
        self.after(noticed, Next::Lost { daemon, socket });
        let boot = self.dice.between(500 * MILLI, 4 * SECOND);
        self.after(boot, Next::BootAsterisk);
        let retry = self.dice.between(50 * MILLI, 300 * MILLI);
        self.after(boot + retry, Next::Connect { daemon });
    }

    pub fn kill_daemon(&mut self) {
        if self.engine.is_none() {
            return;
        }
        self.fault_for_all("daemon killed");
        let open: Vec<CallId> = self.engine.iter().flat_map(Engine::calls).map(|call| call.id).collect();
        self.note(|| format!("open: {open:?}"));
        self.engine = None;
        self.daemon += 1;
        self.hearing = false;
        self.asterisk.disconnect();
        self.queues.clear();
        self.queue_of.clear();
        self.jobs.clear();
        self.writing = false;
        let away = self.dice.between(200 * MILLI, 5 * SECOND);
        self.after(away, Next::StartDaemon);
    }

    pub fn start_daemon(&mut self) {
        let mut engine = Engine::new(settings(self.options.max_call_s), self.store.node_started_at);
        for (call, record, admission) in self.store.open_calls() {
            self.note(|| format!("restored {call} {record:?}"));
            let (record, admission) = (Box::new(record), admission.map(Box::new));
            engine.step(Input::Restored { call, record, admission }, time(self.now));
        }
        self.engine = Some(engine);
        let daemon = self.daemon;
        let wait = self.dice.between(10 * MILLI, 100 * MILLI);
        self.after(wait, Next::Connect { daemon });
    }
}
