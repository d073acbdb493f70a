//! What a scenario sees: an Asterisk over ARI, a phone and a carrier; modelled or real.

use crate::asterisk::{self, PASSWORD};
use cordboard::ari::{
    AccountKind, AriClient, AriConfig, EventSocket, SipAccount, SocketEvent, SocketEvents, Translated,
};
use cordboard::core::command::{ChannelSpec, Command, Target};
use cordboard::core::ids::{BridgeId, CallId, ChannelId};
use cordboard::core::input::{Carried, ChannelEvent, Input, ListedState};
use cordboard::core::outcome::HangupCause;
use md5::{Digest as _, Md5};
use model_asterisk::{FarEnd, Knobs, MILLI, Server};
use sip_peer::{Behaviour, Ending, OutCall, Peer, PeerConfig};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio::task::JoinHandle;

pub const SOON: Duration = Duration::from_secs(10);
pub const CUSTOMER: &str = "+12025550123";
const AGENT: &str = "alice";

pub struct World {
    pub client: AriClient,
    pub call: CallId,
    pub agent: Option<ChannelId>,
    pub canaries: Vec<String>,
    events: Option<SocketEvents>,
    socket: Option<JoinHandle<()>>,
    told: Vec<(ChannelId, String)>,
    ends: Ends,
}

enum Ends {
    Model { server: Server, phone: Option<String> },
    Real { phone: Peer, carrier: Option<Peer>, trunk: SocketAddr, out: Option<OutCall>, _turn: MutexGuard<'static, ()> },
}

impl World {
    pub async fn model() -> Self {
        let knobs = Knobs { prompt: 300 * MILLI, ..Knobs::default() };
        let server = Server::start(knobs).await.expect("a model");
        let client = client(server.address);
        let mut world = Self::with(client, Ends::Model { server, phone: None }).await;
        world.customer_will(FarEnd::RingForever).await;
        world
    }

    pub async fn real() -> Self {
        let (turn, real) = asterisk::turn().await;
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let client = client(local(real.ari));
        let hash = Md5::digest(format!("{AGENT}:asterisk:{PASSWORD}"));
        let ha1 = hash.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let account = SipAccount {
            endpoint: AGENT.parse().expect("an endpoint"),
            username: AGENT.parse().expect("a name"),
            ha1: ha1.into(),
            kind: AccountKind::Phone,
        };
        assert_eq!(client.put_sip_account(&account).await, Carried::Done);
        let phone = PeerConfig::new(AGENT).password(PASSWORD).proxy(local(real.sip)).without_rtp();
        let phone = Peer::bind(phone).await.expect("a phone");
        phone.register(120).await.expect("registered");
        let trunk = local(real.trunk);
        let ends = Ends::Real { phone, carrier: None, trunk, out: None, _turn: turn };
        let mut world = Self::with(client, ends).await;
        world.customer_will(FarEnd::RingForever).await;
        world
    }

    async fn with(client: AriClient, ends: Ends) -> Self {
        let call = CallId(uuid::Uuid::now_v7());
        let (events, socket, told, canaries) = (None, None, Vec::new(), Vec::new());
        let mut world = Self { client, call, agent: None, canaries, events, socket, told, ends };
        world.connect().await;
        world.agent_will(FarEnd::Answer { ring: 0, early_media: false, hang_up_after: None });
        world
    }

    pub async fn connect(&mut self) {
        let (socket, mut events, _) = EventSocket::new(self.client.clone());
        self.socket = Some(tokio::spawn(socket.run()));
        let first = tokio::time::timeout(SOON, events.recv()).await.expect("in time");
        assert_eq!(first, Some(SocketEvent::Connected));
        self.events = Some(events);
    }

    /// From here on nobody holds the application.
    pub async fn disconnect(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.abort();
            let _ = socket.await;
        }
        self.events = None;
        // Asterisk takes a moment to notice.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    /// What meets the customer's number.
    pub async fn customer_will(&mut self, end: FarEnd) {
        match &mut self.ends {
            Ends::Model { server, .. } => server.with(|model| model.set_far_end(CUSTOMER, end)),
            Ends::Real { carrier, trunk, .. } => {
                if let Some(before) = carrier.take() {
                    drop(before);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                let config = PeerConfig::new("carrier").listen(*trunk).rules(behaviour(end)).without_rtp();
                *carrier = Some(Peer::bind(config).await.expect("a carrier"));
            }
        }
    }

    /// What the agent's phone does when it is called; the real one answers.
    pub fn agent_will(&mut self, end: FarEnd) {
        if let Ends::Model { server, .. } = &self.ends {
            server.with(|model| model.set_far_end(AGENT, end));
        }
    }

    pub async fn phone_dials(&mut self) -> ChannelId {
        match &mut self.ends {
            Ends::Model { server, phone } => *phone = Some(server.with(|model| model.phone_dials(AGENT, "2025550123"))),
            Ends::Real { phone, out, .. } => *out = Some(phone.call("2025550123").await.expect("a call")),
        }
        while self.agent.is_none() {
            self.hear().await;
        }
        self.agent.clone().expect("heard")
    }

    pub fn phone_hangs_up(&mut self) {
        match &mut self.ends {
            Ends::Model { server, phone } => {
                let phone = phone.clone().expect("a call");
                server.with(|model| model.phone_hangs_up(&phone));
            }
            Ends::Real { out, .. } => out.as_ref().expect("a call").hang_up(),
        }
    }

    /// How the phone's call ended: the SIP status before the answer, or `bye` and the cause.
    pub async fn phone_sees(&mut self) -> String {
        match &mut self.ends {
            Ends::Model { server, phone } => {
                let phone = phone.clone().expect("a call");
                for _ in 0..1000 {
                    let seen = server.with(|model| model.phone(&phone).cloned()).expect("a call");
                    if seen.ended_at.is_some() {
                        return seen.status.map_or("bye".to_owned(), |status| status.to_string());
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                panic!("the phone's call does not end");
            }
            Ends::Real { out, .. } => match out.as_ref().expect("a call").ended(SOON).await.expect("an end").how {
                Ending::Refused(status) => status.to_string(),
                Ending::Cancelled => "487".to_owned(),
                Ending::TheyHungUp | Ending::WeHungUp => "bye".to_owned(),
                Ending::TimedOut => "timed out".to_owned(),
            },
        }
    }

    /// How many INVITEs the carrier saw, repetitions on the wire not counted.
    pub fn invites(&self) -> usize {
        match &self.ends {
            Ends::Model { server, .. } => server.with(|model| {
                model.far_legs().values().filter(|leg| leg.user == CUSTOMER).map(|l| l.invites as usize).sum()
            }),
            Ends::Real { carrier, .. } => carrier.as_ref().map_or(0, |carrier| carrier.log().invites().len()),
        }
    }

    pub async fn run(&self, command: &Command) -> Carried {
        self.client.carry_out(command).await
    }

    pub async fn must(&self, command: &Command) {
        assert_eq!(self.run(command).await, Carried::Done, "{command:?}");
    }

    pub fn customer(&self) -> ChannelId {
        self.call.customer_channel(1)
    }

    pub fn bridge(&self) -> BridgeId {
        self.call.bridge()
    }

    pub fn create(&self) -> Command {
        let agent = self.agent.clone();
        Command::CreateChannel(ChannelSpec {
            channel: self.customer(),
            target: Target::Number {
                number: CUSTOMER.parse().expect("a number"),
                trunk: "carrier".parse().expect("a trunk"),
                plus: true,
            },
            present: "+12025550199".parse().ok(),
            originator: agent.clone(),
            peer: agent,
            max_call_s: Some(60),
        })
    }

    pub fn hang_up(channel: &ChannelId, cause: u16) -> Command {
        Command::HangUp { channel: channel.clone(), cause: HangupCause(cause) }
    }

    /// Everything up to the order to dial, as the engine does it, with the customer's phone called at the end.
    pub async fn dial(&mut self, timeout_s: u32) {
        let agent = match self.agent.clone() {
            Some(agent) => agent,
            None => self.phone_dials().await,
        };
        let (customer, bridge) = (self.customer(), self.bridge());
        self.must(&Command::CreateBridge { bridge: bridge.clone() }).await;
        self.must(&self.create()).await;
        self.until(&customer, "started").await;
        self.must(&Command::AddToBridge { bridge, channels: vec![agent, customer.clone()] }).await;
        self.must(&Command::Dial { channel: customer, timeout_s: Some(timeout_s) }).await;
    }

    /// Hears one thing.
    pub async fn hear(&mut self) {
        let events = self.events.as_mut().expect("a socket");
        let event = tokio::time::timeout(SOON, events.recv()).await;
        let event = event.unwrap_or_else(|_| panic!("nothing more is told after {:?}", self.told)).expect("a socket");
        match event {
            SocketEvent::Event(Translated::Input(Input::Channel { channel, event, .. })) => {
                let word = word(event);
                let last = self.told.iter().rev().find(|(known, _)| *known == channel).map(|(_, word)| word);
                // Two messages say the same of one moment.
                if last != Some(&word) {
                    self.told.push((channel, word));
                }
            }
            SocketEvent::Event(Translated::AgentDialled { channel, .. }) => self.agent = Some(channel),
            SocketEvent::Event(Translated::Canary(name)) => self.canaries.push(name),
            SocketEvent::Event(_) => {}
            other @ (SocketEvent::Connected
            | SocketEvent::Overflowed
            | SocketEvent::Lost { .. }
            | SocketEvent::Replaced) => panic!("{other:?}"),
        }
    }

    pub async fn until(&mut self, channel: &ChannelId, wanted: &str) {
        while !self.told.iter().any(|(known, word)| known == channel && word == wanted) {
            self.hear().await;
        }
    }

    /// All that was told of a channel. Between channels no order is promised, nor between the beginning of a dial and the
    /// ringing: the real one has told of them in either order.
    pub fn told(&self, channel: &ChannelId) -> Vec<&str> {
        let told = self.told.iter().filter(|(known, _)| known == channel);
        let mut told: Vec<&str> = told.map(|(_, word)| word.as_str()).collect();
        if let Some(at) = told.windows(2).position(|pair| pair == ["ringing", "dial began"]) {
            told.swap(at, at + 1);
            // It is told twice, and the beginning of the dial may have come in between.
            told.dedup();
        }
        told
    }

    /// Waits until the agent's channel has left us.
    pub async fn until_left(&mut self, channel: &ChannelId) {
        self.until(channel, "left").await;
    }

    /// Waits until the bridge is gone, by asking: Asterisk answers before the last leg has left it.
    pub async fn until_no_bridge(&self) {
        for _ in 0..500 {
            if !self.client.list_bridges().await.expect("bridges").contains(&self.bridge()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the bridge is not gone");
    }

    /// Waits until a channel is gone, by asking.
    pub async fn until_gone(&self, channel: &ChannelId) {
        for _ in 0..500 {
            if self.client.probe(channel).await == Ok(ListedState::Gone) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{channel} is not gone");
    }
}

fn client(address: SocketAddr) -> AriClient {
    let config = AriConfig::new(&format!("http://{address}/ari"), "cordboard", "cordboard", PASSWORD.into());
    AriClient::new(config.expect("a configuration")).expect("a client")
}

fn behaviour(end: FarEnd) -> Behaviour {
    let span = |micros: i64| Duration::from_micros(u64::try_from(micros).expect("a span"));
    match end {
        FarEnd::Answer { ring, early_media, hang_up_after } => {
            Behaviour::Answer { ring: span(ring), early_media, hang_up_after: hang_up_after.map(span) }
        }
        FarEnd::Reject { status, ring } => Behaviour::Reject { status, ring: span(ring) },
        FarEnd::RingForever => Behaviour::RingForever,
        FarEnd::Silent | FarEnd::Unknown => Behaviour::Silent,
    }
}

fn word(event: ChannelEvent) -> String {
    match event {
        ChannelEvent::Started => "started".to_owned(),
        ChannelEvent::DialBegan => "dial began".to_owned(),
        ChannelEvent::EarlyMedia => "early media".to_owned(),
        ChannelEvent::Ringing => "ringing".to_owned(),
        ChannelEvent::Up => "up".to_owned(),
        ChannelEvent::HangupRequested { by_party: true } => "hangs up".to_owned(),
        ChannelEvent::HangupRequested { by_party: false } => "is hung up".to_owned(),
        ChannelEvent::Left => "left".to_owned(),
        ChannelEvent::Destroyed { cause, sip_code } => {
            let number = |n: Option<u16>| n.map_or("-".to_owned(), |n| n.to_string());
            format!("destroyed {} {}", number(cause), number(sip_code))
        }
        ChannelEvent::Played => "played".to_owned(),
        ChannelEvent::Probed(_) => "probed".to_owned(),
    }
}
