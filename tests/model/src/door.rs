//! The door of the simulation: the daemon's commands in, how they ended out, without HTTP between.

use crate::asterisk::{Asterisk, timestamp};
use crate::channel::{Channel, InApp, State};
use crate::requests::{Body, Request};
use cordboard::ari::dial_string;
use cordboard::core::command::{ChannelSpec, Command};
use cordboard::core::fact::Leg;
use cordboard::core::ids::{BridgeId, CallId, ChannelId};
use cordboard::core::input::{Carried, ListedChannel, ListedState};
use jiff::Timestamp;
use std::collections::BTreeMap;

impl Asterisk {
    /// Does what the ARI client would do for this command and says what it would say. Not for commands that are not for
    /// Asterisk.
    pub fn carry_out(&mut self, command: &Command) -> Carried {
        let Some((request, also)) = request_of(command) else { return Carried::Refused { status: 501 } };
        match self.request(&request).status {
            200..=299 => Carried::Done,
            status if also.contains(&status) => Carried::Done,
            status => Carried::Refused { status },
        }
    }

    /// The state of one channel, as the ARI client's probe tells it.
    pub fn probe(&mut self, channel: &ChannelId) -> ListedState {
        match self.request(&Request::Channel { channel: channel.as_str().to_owned() }).body {
            Body::Channel(channel) => listed_state(channel.state),
            Body::None | Body::Channels(_) | Body::Bridges(_) | Body::Info | Body::Application => ListedState::Gone,
        }
    }

    /// The channels of a listing that began `at`, as the daemon takes them.
    pub fn listed_channels(&self, at: Timestamp) -> Vec<ListedChannel> {
        let ours = |channel: &&Channel| {
            let id = channel.id.parse::<ChannelId>().ok();
            id.is_some_and(|id| id.owner().is_some())
                || (channel.in_app == InApp::Yes && timestamp(channel.created / 1000 * 1000) < at)
        };
        let row = |channel: &Channel| {
            let (id, name) = (channel.id.parse().ok()?, channel.name.parse().ok()?);
            Some(ListedChannel { id, name, state: listed_state(channel.state), bridge: self.bridge_of(&channel.id) })
        };
        self.channels.values().filter(ours).filter_map(row).collect()
    }

    fn bridge_of(&self, channel: &str) -> Option<CallId> {
        let (bridge, _) = self.bridges.iter().find(|(_, members)| members.contains(channel))?;
        bridge.parse::<BridgeId>().ok()?.owner()
    }

    /// The calls that have a bridge.
    pub fn listed_bridges(&self) -> Vec<CallId> {
        self.bridges.keys().filter_map(|id| id.parse::<BridgeId>().ok()?.owner()).collect()
    }
}

fn listed_state(state: State) -> ListedState {
    match state {
        State::Down => ListedState::Down,
        State::Up => ListedState::Up,
        State::Ring | State::Ringing => ListedState::Ringing,
    }
}

/// The request, and the refusals that mean that all is as wanted already.
fn request_of(command: &Command) -> Option<(Request, &'static [u16])> {
    let text = |id: &ChannelId| id.as_str().to_owned();
    Some(match command {
        Command::CreateBridge { bridge } => (Request::CreateBridge { bridge: bridge.as_str().to_owned() }, &[409]),
        Command::DestroyBridge { bridge } => {
            (Request::DestroyBridge { bridge: bridge.as_str().to_owned() }, &[404, 409])
        }
        Command::CreateChannel(spec) => (create(spec), &[409]),
        Command::AddToBridge { bridge, channels } => {
            let channels = channels.iter().map(text).collect();
            (Request::AddChannel { bridge: bridge.as_str().to_owned(), channels }, &[])
        }
        Command::Dial { channel, timeout_s } => {
            (Request::Dial { channel: text(channel), timeout_s: timeout_s.map(i64::from) }, &[])
        }
        Command::Play { channel, .. } => (Request::Play { channel: text(channel) }, &[]),
        Command::HangUp { channel, cause } => (Request::HangUp { channel: text(channel), cause: cause.0 }, &[404]),
        Command::Admit { .. } | Command::Enter { .. } | Command::Probe { .. } | Command::Reply { .. } => return None,
    })
}

fn create(spec: &ChannelSpec) -> Request {
    let mut variables = BTreeMap::new();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("CHANNEL(hangup_handler_push)", "cordboard-hangup,s,1".to_owned());
    if let Some(seconds) = spec.max_call_s {
        set("TIMEOUT(absolute)", seconds.to_string());
    }
    let (rule, arg) = match spec.channel.leg() {
        Some(Leg::Agent) => ("CORDBOARD_PEER", "agent"),
        Some(Leg::Customer) | None => ("CORDBOARD_PEER_IF_UP", "customer"),
    };
    if let Some(peer) = &spec.peer {
        set(rule, peer.as_str().to_owned());
    }
    if let (Some(agent), Some(Leg::Customer)) = (&spec.originator, spec.channel.leg())
        && agent.owner().is_none()
    {
        set(&format!("SHARED(CORDBOARD_PEER,{agent})"), spec.channel.as_str().to_owned());
    }
    Request::Create {
        channel: spec.channel.as_str().to_owned(),
        endpoint: dial_string(&spec.target),
        args: vec![arg.to_owned()],
        originator: spec.originator.as_ref().map(|id| id.as_str().to_owned()),
        variables,
    }
}
