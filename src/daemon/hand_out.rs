//! What one step produced goes its ways: facts to the writer, decisions to the store, orders to Asterisk, answers to the API.

use super::driver::Daemon;
use super::writer::Job;
use crate::core::command::Command;
use crate::core::engine::Outbox;
use crate::core::fact::Fact;
use crate::core::ids::{CallId, EndpointName};
use crate::core::input::Dialled;
use crate::store::writes::EnterRequest;

impl Daemon {
    pub(super) fn hand_out(&mut self, out: Outbox) {
        for (call, command) in &out.commands {
            if let Command::Enter { endpoint, dialled } = command {
                // Before the facts, so that their row stands when they come; and with the first of them, or a row without any
                // would be all that is left of the call if we died in between.
                let mut begun = out.writes.iter().filter(|write| write.call == *call && write.first_seq == 0);
                let facts = begun.next().map_or(&[][..], |write| &write.facts);
                let first = facts.iter().take_while(|fact| is_of_the_beginning(fact)).cloned().collect();
                self.enter(*call, endpoint.clone(), dialled, first);
            }
        }
        for write in out.writes {
            self.metrics.facts(&write);
            self.writer.write(Job::Facts(write));
        }
        let mut batch: Vec<Command> = Vec::new();
        let mut current = None;
        for (call, command) in out.commands {
            if current != Some(call) {
                self.send(current, &mut batch);
                current = Some(call);
            }
            match command {
                Command::Admit { endpoint, dialled } => {
                    if let Some(call) = self.engine.call(call) {
                        self.admitter.admit(call, endpoint, dialled);
                    }
                }
                Command::Enter { .. } => {}
                Command::Reply { request, answer } => {
                    if let Some(waiting) = self.waiting.remove(&request) {
                        // Whoever asked may have gone away.
                        let _ = waiting.send((call, answer));
                    }
                }
                command @ (Command::CreateBridge { .. }
                | Command::CreateChannel(_)
                | Command::AddToBridge { .. }
                | Command::Dial { .. }
                | Command::Play { .. }
                | Command::HangUp { .. }
                | Command::DestroyBridge { .. }
                | Command::Probe { .. }) => batch.push(command),
            }
        }
        self.send(current, &mut batch);
        for call in out.over {
            self.dispatch.forget(call);
        }
    }

    fn enter(&self, call: CallId, endpoint: Option<EndpointName>, dialled: &Dialled, facts: Vec<Fact>) {
        let route = self.emergency.as_ref().filter(|_| dialled.emergency);
        self.writer.write(Job::Enter(EnterRequest {
            call,
            endpoint,
            dialled_raw: dialled.raw.clone(),
            node: self.node.clone(),
            trunk: route.map(|route| route.trunk.clone()),
            presented: route.map(|route| dialled.call_back.unwrap_or(route.caller_id)),
            facts,
        }));
    }

    fn send(&mut self, call: Option<CallId>, batch: &mut Vec<Command>) {
        if let (Some(call), false) = (call, batch.is_empty()) {
            self.dispatch.send(call, std::mem::take(batch));
        }
    }
}

/// What a row is entered with.
fn is_of_the_beginning(fact: &Fact) -> bool {
    matches!(fact, Fact::Requested { .. } | Fact::Refused { .. } | Fact::Admitted { .. })
}
