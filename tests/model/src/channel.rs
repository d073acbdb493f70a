//! One channel.

use crate::asterisk::Micros;
use std::collections::BTreeMap;

/// Asterisk's channel states, as far as they occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made; until the first 180 also after the INVITE.
    Down,
    /// A phone called in and waits.
    Ring,
    /// The phone that it calls rings.
    Ringing,
    /// Answered.
    Up,
}

impl State {
    /// Asterisk's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Ring => "Ring",
            Self::Ringing => "Ringing",
            Self::Up => "Up",
        }
    }
}

/// Where a channel stands with the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InApp {
    /// On its way into it: nothing can be asked of it yet.
    Entering,
    /// In it.
    Yes,
    /// It left, or never came.
    No,
}

/// One channel.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent of each other")]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Whether it is in the application.
    pub in_app: InApp,
    /// The far end called us; else we call it.
    pub incoming: bool,
    /// The bridge that it is in.
    pub bridge: Option<String>,
    /// When it was made.
    pub created: Micros,
    /// What was dialled on an incoming one, `s` on others.
    pub exten: String,
    /// The arguments of `Stasis()`.
    pub args: Vec<String>,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// Whom an outgoing one calls: number or endpoint.
    pub user: String,
    /// The application hears of it also outside of `Stasis()`.
    pub subscribed: bool,
    /// `cordboard-hangup` runs at its end.
    pub handler: bool,
    /// It was told to dial.
    pub dialled: bool,
    /// What it ends of, once that is sure.
    pub ending: Option<Ending>,
    /// Ids may come back, this does not.
    pub serial: u32,
}

/// Of what a channel ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Q.850 cause; 0 is none.
    pub cause: u16,
    /// SIP status.
    pub tech_cause: Option<u16>,
    /// An incoming channel goes back to the dialplan, which hangs up once more.
    pub second: bool,
}

impl Channel {
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// What the app argument of the dialplan shows.
    pub(crate) fn app_data(&self) -> String {
        std::iter::once("cordboard").chain(self.args.iter().map(String::as_str)).collect::<Vec<_>>().join(",")
    }
}
