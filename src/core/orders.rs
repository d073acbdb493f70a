//! The orders of one call on their way to Asterisk: which may go out now, and which must wait for another.
//!
//! An agent waits with the phone at the ear, so nothing waits without need: the bridge and the customer's channel are made
//! side by side. But nobody is dialled, and nothing is ended, before everything that was ordered
//! earlier has its answer.

use super::command::Command;
use super::input::Carried;
use std::collections::VecDeque;

/// The orders of one call.
#[derive(Debug, Default)]
pub struct Orders {
    waiting: VecDeque<Order>,
    under_way: Vec<Order>,
    tickets: u64,
    steps: u64,
    /// A leg is outside the bridge: nobody is dialled any more.
    must_not_dial: bool,
}

/// Which order an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

#[derive(Clone, Debug)]
struct Order {
    ticket: u64,
    step: u64,
    command: Command,
}

impl Orders {
    /// Takes what one step of the call ordered.
    pub fn add(&mut self, step: impl IntoIterator<Item = Command>) {
        self.steps += 1;
        for command in step {
            self.tickets += 1;
            self.waiting.push_back(Order { ticket: self.tickets, step: self.steps, command });
        }
        self.drop_dials();
    }

    /// An order that may go out now, if there is one. It is under way until it is [`done`](Self::done).
    pub fn start(&mut self) -> Option<(Ticket, Command)> {
        let place = (0..self.waiting.len()).find(|place| {
            let earlier = self.under_way.iter().chain(self.waiting.range(..place));
            let command = &self.waiting[*place].command;
            earlier.into_iter().all(|earlier| !command.waits_for(&earlier.command))
        })?;
        let order = self.waiting.remove(place)?;
        self.under_way.push(order.clone());
        Some((Ticket(order.ticket), order.command))
    }

    /// How an order ended. If one fails that [must](Command::must) succeed, the rest of the same step's orders are dropped,
    /// save those that [end](Command::ends) something.
    pub fn done(&mut self, Ticket(ticket): Ticket, outcome: Carried) {
        let Some(place) = self.under_way.iter().position(|order| order.ticket == ticket) else { return };
        let done = self.under_way.swap_remove(place);
        if outcome == Carried::Done || !done.command.must() {
            return;
        }
        self.waiting.retain(|order| order.step != done.step || order.command.ends());
        self.must_not_dial |= match done.command {
            Command::AddToBridge { .. } => true,
            // Whether it is there, the next order shows.
            Command::CreateBridge { .. } => outcome != Carried::Unknown,
            Command::CreateChannel(_)
            | Command::Dial { .. }
            | Command::Play { .. }
            | Command::HangUp { .. }
            | Command::DestroyBridge { .. }
            | Command::Probe { .. }
            | Command::Admit { .. }
            | Command::Enter { .. }
            | Command::Reply { .. } => false,
        };
        self.drop_dials();
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    fn drop_dials(&mut self) {
        if self.must_not_dial {
            self.waiting.retain(|order| !matches!(order.command, Command::Dial { .. }));
        }
    }
}

impl Command {
    /// Whether this order makes sense only when the answer to an earlier one of the same call is known.
    fn waits_for(&self, earlier: &Self) -> bool {
        let is_end_or_dial = earlier.ends() || matches!(earlier, Self::Dial { .. });
        match self {
            // What it is made in the place of must be gone.
            Self::CreateBridge { .. } | Self::CreateChannel(_) => is_end_or_dial,
            // A channel is put into the bridge when it was heard to be there.
            Self::AddToBridge { .. } => is_end_or_dial || matches!(earlier, Self::CreateBridge { .. }),
            Self::Dial { .. }
            | Self::Play { .. }
            | Self::HangUp { .. }
            | Self::DestroyBridge { .. }
            | Self::Probe { .. }
            | Self::Admit { .. }
            | Self::Enter { .. }
            | Self::Reply { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests;
