//! The REST side, without HTTP around it.

use crate::asterisk::{Asterisk, SECOND};
use crate::channel::{Channel, InApp, State};
use crate::event::Kind;
use crate::far_end::{FarEnd, FarLeg};
use crate::life::Due;
use std::collections::{BTreeMap, BTreeSet};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `POST /bridges`
    CreateBridge {
        /// Its id.
        bridge: String,
    },
    /// `DELETE /bridges/{id}`
    DestroyBridge {
        /// Which.
        bridge: String,
    },
    /// `POST /bridges/{id}/addChannel`
    AddChannel {
        /// To which bridge.
        bridge: String,
        /// Which channels.
        channels: Vec<String>,
    },
    /// `POST /channels/create`
    Create {
        /// Its id.
        channel: String,
        /// As in `PJSIP/+12025550123@carrier`.
        endpoint: String,
        /// The arguments of `Stasis()`.
        args: Vec<String>,
        /// Whose call it belongs to.
        originator: Option<String>,
        /// With what it is born.
        variables: BTreeMap<String, String>,
    },
    /// `POST /channels/{id}/dial`
    Dial {
        /// Which.
        channel: String,
        /// In seconds.
        timeout_s: Option<i64>,
    },
    /// `DELETE /channels/{id}`
    HangUp {
        /// Which.
        channel: String,
        /// Q.850 cause.
        cause: u16,
    },
    /// `POST /channels/{id}/play`
    Play {
        /// Which.
        channel: String,
    },
    /// `POST /channels/{id}/variable`
    SetVariable {
        /// Which.
        channel: String,
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// `GET /channels/{id}`
    Channel {
        /// Which.
        channel: String,
    },
    /// `GET /channels`
    Channels,
    /// `GET /bridges`
    Bridges,
    /// `GET /asterisk/info`
    Info,
    /// `GET /asterisk/ping`
    Ping,
    /// `GET /applications/cordboard`
    Application,
    /// `PUT /applications/cordboard/eventFilter`
    Filter {
        /// What not to send.
        disallowed: Vec<String>,
    },
    /// `POST /applications/cordboard/subscription`
    Subscribe {
        /// Which channel.
        channel: String,
    },
    /// `POST /events/user/{name}`
    Userevent {
        /// Its name.
        name: String,
    },
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// What is in it.
    pub body: Body,
}

/// What is in an answer.
#[derive(Clone, Debug)]
pub enum Body {
    /// Nothing, or nothing that matters.
    None,
    /// One channel.
    Channel(Box<Channel>),
    /// All channels.
    Channels(Vec<Channel>),
    /// All bridges.
    Bridges(Vec<String>),
    /// The node.
    Info,
    /// The application.
    Application,
}

impl Reply {
    fn status(status: u16) -> Self {
        Self { status, body: Body::None }
    }

    fn ok(body: Body) -> Self {
        Self { status: 200, body }
    }
}

impl Asterisk {
    /// Answers one request and does what it asks.
    pub fn request(&mut self, request: &Request) -> Reply {
        match request {
            Request::CreateBridge { bridge } => {
                if self.bridges.contains_key(bridge) {
                    return Reply::status(409);
                }
                self.bridges.insert(bridge.clone(), BTreeSet::new());
                Reply::status(200)
            }
            Request::DestroyBridge { bridge } => self.destroy_bridge(bridge),
            Request::AddChannel { bridge, channels } => self.add_channels(bridge, channels),
            Request::Create { channel, endpoint, args, originator, variables } => {
                self.create(channel, endpoint, args, originator.as_deref(), variables)
            }
            Request::Dial { channel, timeout_s } => self.dial(channel, *timeout_s),
            Request::HangUp { channel, cause } => {
                if !self.channels.contains_key(channel) {
                    return Reply::status(404);
                }
                self.end(channel, (Some(32), None, true), (*cause, None));
                Reply::status(204)
            }
            Request::Play { channel } => self.play(channel),
            Request::SetVariable { channel, name, value } => match self.in_app(channel) {
                Ok(channel) => {
                    channel.variables.insert(name.clone(), value.clone());
                    Reply::status(204)
                }
                Err(status) => Reply::status(status),
            },
            Request::Channel { channel } => match self.channels.get(channel) {
                Some(channel) => Reply::ok(Body::Channel(Box::new(channel.clone()))),
                None => Reply::status(404),
            },
            Request::Channels => Reply::ok(Body::Channels(self.channels.values().cloned().collect())),
            Request::Bridges => Reply::ok(Body::Bridges(self.bridges.keys().cloned().collect())),
            Request::Info => Reply::ok(Body::Info),
            Request::Ping => Reply::status(200),
            Request::Application if self.is_connected() => Reply::ok(Body::Application),
            Request::Application => Reply::status(404),
            Request::Filter { disallowed } => {
                self.disallowed.clone_from(disallowed);
                if self.is_connected() { Reply::ok(Body::Application) } else { Reply::status(404) }
            }
            Request::Subscribe { channel } => match self.channels.get_mut(channel) {
                Some(channel) => {
                    channel.subscribed = true;
                    Reply::ok(Body::Application)
                }
                None => Reply::status(422),
            },
            Request::Userevent { name } => {
                self.tell_all(Kind::Userevent(name.clone()));
                Reply::status(204)
            }
        }
    }

    /// A channel that can be told something, or with which status it cannot.
    fn in_app(&mut self, id: &str) -> Result<&mut Channel, u16> {
        match self.channels.get_mut(id) {
            Some(channel) if channel.in_app == InApp::Yes => Ok(channel),
            Some(_) => Err(409),
            None => Err(404),
        }
    }

    fn create(
        &mut self,
        id: &str,
        endpoint: &str,
        args: &[String],
        originator: Option<&str>,
        variables: &BTreeMap<String, String>,
    ) -> Reply {
        if self.channels.contains_key(id) {
            return Reply::status(409);
        }
        let Some(target) = endpoint.strip_prefix("PJSIP/") else { return Reply::status(500) };
        let (user, peer) = target.split_once('@').unwrap_or((target, target));
        if self.far_end(peer) == FarEnd::Unknown && self.far_end(user) == FarEnd::Unknown {
            return Reply::status(500);
        }
        self.serial += 1;
        let channel = Channel {
            id: id.to_owned(),
            name: format!("PJSIP/{peer}-{:08x}", self.serial),
            state: State::Down,
            in_app: InApp::Entering,
            incoming: false,
            bridge: None,
            created: self.now,
            exten: "s".to_owned(),
            args: args.to_vec(),
            variables: variables.clone(),
            user: user.to_owned(),
            subscribed: true,
            handler: variables.get("CHANNEL(hangup_handler_push)").is_some_and(|v| v == "cordboard-hangup,s,1"),
            dialled: false,
            ending: None,
            serial: self.serial,
        };
        if let Some(Ok(seconds)) = variables.get("TIMEOUT(absolute)").map(|s| s.parse::<i64>()) {
            self.later(seconds * SECOND, Due::absolute(&channel));
        }
        // What is shared with another channel is set there, if it lives.
        for (name, value) in variables {
            let shared = name.strip_prefix("SHARED(").and_then(|name| name.strip_suffix(')')?.split_once(','));
            let Some((name, other)) = shared else { continue };
            if let Some(other) = self.channels.get_mut(other) {
                other.variables.insert(format!("SHARED({name})"), value.clone());
            }
        }
        // Whoever called for it is heard of to the end.
        if let Some(originator) = originator.and_then(|id| self.channels.get_mut(id)) {
            originator.subscribed = true;
        }
        let leg = self.far_legs.entry(id.to_owned()).or_default();
        *leg = FarLeg { originator: originator.map(str::to_owned), invites: leg.invites, ..FarLeg::default() };
        let wait = self.thread();
        self.later(wait, Due::enter(&channel));
        let reply = Reply::ok(Body::Channel(Box::new(channel.clone())));
        self.channels.insert(id.to_owned(), channel);
        reply
    }

    fn dial(&mut self, id: &str, timeout_s: Option<i64>) -> Reply {
        let wait = self.thread();
        match self.in_app(id) {
            Ok(channel) if channel.state != State::Down || channel.dialled => Reply::status(409),
            Ok(channel) => {
                channel.dialled = true;
                let due = Due::dial(channel, timeout_s);
                self.later(wait, due);
                self.far_legs.entry(id.to_owned()).or_default().ordered = true;
                Reply::status(204)
            }
            Err(status) => Reply::status(status),
        }
    }

    fn play(&mut self, id: &str) -> Reply {
        let prompt = self.knobs.prompt;
        match self.in_app(id) {
            Ok(channel) => {
                let due = Due::played(channel);
                self.later(prompt, due);
                Reply::status(201)
            }
            Err(status) => Reply::status(status),
        }
    }

    fn add_channels(&mut self, bridge: &str, ids: &[String]) -> Reply {
        if !self.bridges.contains_key(bridge) {
            return Reply::status(404);
        }
        for id in ids {
            match self.in_app(id) {
                Ok(_) => {}
                Err(404) => return Reply::status(400),
                Err(_) => return Reply::status(422),
            }
        }
        for id in ids {
            let Some(channel) = self.channels.get_mut(id) else { continue };
            if channel.bridge.as_deref() == Some(bridge) {
                continue;
            }
            let before = channel.bridge.replace(bridge.to_owned());
            if let Some(members) = before.and_then(|before| self.bridges.get_mut(&before)) {
                members.remove(id);
            }
            self.bridges.entry(bridge.to_owned()).or_default().insert(id.clone());
            self.tell(id, Kind::EnteredBridge(bridge.to_owned()));
        }
        Reply::status(204)
    }

    fn destroy_bridge(&mut self, bridge: &str) -> Reply {
        let Some(members) = self.bridges.remove(bridge) else { return Reply::status(404) };
        for id in members {
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.bridge = None;
                self.tell(&id, Kind::LeftBridge(bridge.to_owned()));
            }
        }
        Reply::status(204)
    }
}
