//! The loop.

use super::Lane;
use super::accounts::Accounts;
use super::admit::Admitter;
use super::breaker::Breaker;
use super::clock::Clock;
use super::directory::Directory;
use super::dispatch::Dispatch;
use super::early::Dialling;
use super::handle::{self, Ask, Handle};
use super::inspector::{Inspector, unless_fit};
use super::lease::{self, Lease, Trust};
use super::left;
use super::lifecycle::PULSE;
use super::orders::Orders;
use super::restore::{self, Waiting};
use super::resync::{Unheard, resync};
use super::status::Status;
use super::task::Task;
use super::writer::{self, Writer};
use crate::ari::{AriClient, AriConfig, EventSocket, LostWhy, SocketEvent, SocketEvents, SocketStats, Translated};
use crate::config::{Config, Node};
use crate::core::command::Answer;
use crate::core::engine::Engine;
use crate::core::ids::{CallId, NodeName, RequestId};
use crate::core::input::{Dialled, Input};
use crate::core::outcome::RefusalReason;
use crate::core::settings::EmergencyRoute;
use crate::store::Store;
use crate::telemetry::Metrics;
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Even while all seems well, what is really there is looked at this often.
const RESYNC_EVERY: Duration = Duration::from_secs(10);
/// After a failed resync.
const RESYNC_AGAIN: Duration = Duration::from_millis(500);

/// The loop of one node, for the time of one ownership.
pub(super) struct Daemon {
    pub(super) engine: Engine,
    clock: Clock,
    pub(super) directory: Directory,
    /// What was unfinished is not known yet.
    pub(super) waiting_for: Option<Waiting>,
    pub(super) dispatch: Dispatch,
    pub(super) admitter: Admitter,
    pub(super) writer: Writer,
    accounts: Accounts,
    pub(super) inspector: Inspector,
    client: AriClient,
    pub(super) events: SocketEvents,
    pub(super) node: NodeName,
    pub(super) emergency: Option<EmergencyRoute>,
    lane: Lane,
    pub(super) results: mpsc::UnboundedReceiver<Input>,
    asks: mpsc::Receiver<Ask>,
    pub(super) waiting: HashMap<RequestId, oneshot::Sender<(CallId, Answer)>>,
    next_request: u64,
    pub(super) status: Arc<Status>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) config: Arc<Config>,
    pub(super) trust: Arc<Trust>,
    pub(super) standby: Arc<AtomicBool>,
    store: Store,
    pub(super) hand_over_at: Option<Instant>,
    resync_at: Option<Instant>,
    /// Since when events are heard, until the listing that follows has come: what happened before was not heard.
    heard_since: Option<Timestamp>,
    found: mpsc::UnboundedReceiver<Translated>,
    tell_found: mpsc::UnboundedSender<Translated>,
    /// Who dialled before it was known whether this Asterisk may be used, and until when they wait.
    pub(super) early: VecDeque<(Instant, Dialling)>,
    /// When the daemon stops although calls are under way.
    pub(super) stop_at: Option<Instant>,
    pub(super) announced: bool,
    pub(super) node_started_at: Option<Timestamp>,
    pub(super) socket: Task,
}

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The configuration of the node cannot be used.
    #[error("node: {0}")]
    Node(#[from] crate::ari::InvalidAriConfig),
    /// The HTTP client cannot be made.
    #[error("node: {0}")]
    Client(#[from] crate::ari::AriSetupError),
}

/// How the loop came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As asked; no call is under way.
    Drained,
    /// As asked; calls go on in Asterisk without us, until the next start adopts them.
    LeftCalls(usize),
    /// As asked; another replica takes up what is under way.
    HandedOver(usize),
    /// Somebody connected to our node under our name.
    Replaced,
    /// Another replica owns the node.
    LeaseLost,
}

impl Daemon {
    /// Loads what is unfinished and starts the workers. Nothing is connected yet. A database that is away is no reason not to
    /// start.
    ///
    /// # Errors
    /// The node's part of the configuration is unusable.
    pub async fn start(
        config: Arc<Config>,
        place: &Node,
        lease: &Lease,
        store: Store,
        metrics: Arc<Metrics>,
        status: Arc<Status>,
    ) -> Result<(Self, Handle, AriClient, Arc<SocketStats>), Trouble> {
        let node = place.name.clone();
        let store = if lease::is_off() { store } else { store.fenced_when_granted(&node, lease.epoch.clone()) };
        let trust = Arc::clone(&lease.trust);
        let client = AriClient::with_leave(ari_config(place)?, Arc::clone(&trust) as _)?;
        let (socket, events, counters) = EventSocket::new(client.clone());

        let (journal, left) = left::open(&config.journal, &node, &status).await;
        let breaker = Breaker::new(Arc::clone(&status));
        let writer = writer::spawn(
            store.clone(),
            breaker.clone(),
            Arc::clone(&status),
            Arc::clone(&metrics),
            Arc::clone(&trust),
            journal,
            left,
        );
        let mut source = restore::Source::new(node.clone(), store.clone(), writer.caught_up());
        let restored = source.at_start().await;
        if restored.is_none() {
            breaker.open();
        }

        let (sender, results) = mpsc::unbounded_channel();
        let lane = Lane(sender);
        let (handle, asks) = handle::channel();
        let (tell_found, found) = mpsc::unbounded_channel();
        let mut daemon = Self {
            dispatch: Dispatch::new(client.clone(), lane.clone(), Arc::clone(&metrics)),
            admitter: Admitter::new(store.clone(), breaker, &config, node.clone(), lane.clone(), Arc::clone(&metrics)),
            writer,
            accounts: Accounts::spawn(store.clone(), client.clone(), node.clone(), place.url.to_string()),
            inspector: Inspector::spawn(client.clone(), place.clone(), Arc::clone(&status)),
            node,
            emergency: config.emergency.clone(),
            engine: Engine::new(config.engine_settings(), None),
            clock: Clock::default(),
            directory: Directory::default(),
            waiting_for: restored.is_none().then(|| Waiting::spawn(source)),
            client: client.clone(),
            events,
            lane,
            results,
            asks,
            waiting: HashMap::new(),
            next_request: 0,
            config,
            trust,
            standby: Arc::clone(&lease.standby),
            store,
            hand_over_at: None,
            resync_at: None,
            heard_since: None,
            found,
            tell_found,
            early: VecDeque::new(),
            stop_at: None,
            announced: false,
            node_started_at: None,
            socket: Task::spawn(socket.run()),
            status,
            metrics,
        };
        match restored {
            Some(restored) => {
                daemon.status.postgres.store(true, Ordering::Relaxed);
                daemon.restore(restored);
            }
            None => daemon.step(Input::Refuse { reason: Some(RefusalReason::StoreUnavailable) }),
        }
        daemon.status.emergency_route.store(daemon.emergency.is_some(), Ordering::Relaxed);
        Ok((daemon, handle, client, counters))
    }

    /// Runs until it is told to stop, or until the node is not ours any more. Then [`Daemon::end`] it, or
    /// [`Daemon::abandon`] it.
    pub async fn run(&mut self, orders: &mut watch::Receiver<Orders>) -> Ended {
        let mut pulse = tokio::time::interval(PULSE);
        let trust = Arc::clone(&self.trust);
        loop {
            self.obey(orders);
            if self.stop_at.is_some() && self.engine.open_calls() == 0 {
                return Ended::Drained;
            }
            if self.hand_over_at.is_some() && self.is_idle() {
                return Ended::HandedOver(self.engine.open_calls());
            }
            let deadline = self.engine.deadline().map(|at| self.instant(at));
            let early = self.early_until();
            tokio::select! {
                () = trust.ended() => return Ended::LeaseLost,
                Some(event) = self.events.recv() => {
                    if !self.on_socket(event) {
                        return Ended::Replaced;
                    }
                }
                Some(input) = self.results.recv() => self.step(input),
                Some(found) = self.found.recv() => self.on_event(found),
                () = until(early) => self.dial_early(),
                Some(ask) = self.asks.recv() => self.on_ask(ask),
                Some(restored) = restore::restored(&mut self.waiting_for) => self.restore_late(restored),
                Some(agents) = self.accounts.changed() => self.directory.replace(agents),
                Some(verdict) = self.inspector.looked() => self.on_looked(verdict),
                () = until(deadline) => self.step(Input::DeadlinePassed),
                () = until(self.resync_at) => self.resync(),
                () = until(self.hand_over_at) => return Ended::HandedOver(self.engine.open_calls()),
                () = until(self.stop_at) => return Ended::LeftCalls(self.engine.open_calls()),
                Ok(()) = orders.changed() => {}
                _ = pulse.tick() => {}
            }
            // After the work, by the loop itself: a stuck engine must not look alive.
            self.status.last_turn_ms.store(self.clock.now().as_millisecond(), Ordering::Relaxed);
        }
    }

    /// False if the daemon must stop at once.
    fn on_socket(&mut self, event: SocketEvent) -> bool {
        match event {
            SocketEvent::Connected => {
                self.heard_since = Some(self.clock.now());
                self.resync();
            }
            SocketEvent::Overflowed => self.resync(),
            SocketEvent::Event(translated) => self.on_event(translated),
            SocketEvent::Lost { why } => self.on_lost(why),
            SocketEvent::Replaced => {
                self.trust.end();
                tracing::warn!(node = %self.node, "somebody else took our application in asterisk; this replica steps back");
                return false;
            }
        }
        true
    }

    fn on_event(&mut self, translated: Translated) {
        match translated {
            // `Replaced` is told before the socket's own last word, which follows.
            Translated::Ignored(_) | Translated::Canary(_) | Translated::Replaced => {}
            Translated::Input(input) => {
                crash_point!(heard(&input));
                self.step(input);
            }
            Translated::AgentDialled { channel, name, raw, at } => {
                crash_point!(K01);
                self.on_dialled(Dialling { channel, name, raw, at });
            }
            Translated::ForeignChannel { channel, .. } => {
                tracing::warn!(
                    channel = channel.as_str(),
                    "a channel entered our application by a way that we do not know"
                );
            }
        }
    }

    fn on_lost(&mut self, why: LostWhy) {
        tracing::warn!(node = %self.node, %why, "the event socket is lost; calls under way go on in Asterisk");
        self.status.asterisk.store(false, Ordering::Relaxed);
        self.resync_at = None;
        self.step(Input::Disconnected);
        self.inspector.lost();
    }

    pub(super) fn resync(&mut self) {
        if self.waiting_for.is_some() {
            // What is there cannot be told from what should not be.
            self.resync_at = None;
            return;
        }
        // If the listing fails, the next one comes soon; if it succeeds, it sets the time of the next itself.
        self.resync_at = Some(Instant::now() + RESYNC_AGAIN);
        let (client, lane) = (self.client.clone(), self.lane.clone());
        let (accounts, inspector) = (self.accounts.poke(), self.inspector.poke());
        let (status, metrics) = (Arc::clone(&self.status), Arc::clone(&self.metrics));
        let unheard = self.heard_since.map(|before| Unheard {
            store: self.store.clone(),
            node: self.node.clone(),
            before,
            tell: self.tell_found.clone(),
        });
        tokio::spawn(async move {
            let listed = resync(&client, &lane, unheard).await;
            metrics.resynced(listed.is_ok());
            match listed {
                Ok(node) => {
                    inspector.node_seen(node.startup_time);
                    accounts.node_seen(node);
                }
                Err(error) => {
                    status.asterisk.store(false, Ordering::Relaxed);
                    tracing::warn!(%error, "the node cannot be listed");
                }
            }
        });
    }

    fn on_ask(&mut self, ask: Ask) {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        match ask {
            Ask::Start { call, endpoint, raw, campaign, answer } => {
                crash_point!(K01);
                let dialled = Dialled { campaign, ..self.directory.judge(Some(&endpoint), raw) };
                tracing::info!(%call, %endpoint, emergency = dialled.emergency, "a call was asked for");
                self.waiting.insert(request, answer);
                self.step(Input::CallAsked { call, request, endpoint, dialled });
            }
            Ask::HangUp { call, answer } => {
                self.waiting.insert(request, answer);
                self.step(Input::HangupAsked { call, request });
            }
        }
    }

    pub(super) fn step(&mut self, input: Input) {
        let held = self.waiting_for.as_mut().map(|waiting| waiting.hold(&self.engine, input.clone()));
        let Some(input) = held.unwrap_or(Some(input)) else { return };
        let listed = matches!(input, Input::Listed { .. });
        if let Input::Listed { node_started_at, .. } = &input {
            self.node_started_at = Some(*node_started_at);
            // One that was started anew may be set up anew.
            let fit = self.inspector.fitness(*node_started_at).unwrap_or(false);
            self.engine.step(unless_fit(fit), self.clock.now());
        }
        let out = self.engine.step(input, self.clock.now());
        self.status.steps.fetch_add(1, Ordering::Relaxed);
        if listed {
            self.metrics.listed(&out, |call| self.engine.call(call).is_some());
        }
        self.hand_out(out);
        if listed {
            self.on_listed();
        }
        self.status.open_calls.store(self.engine.open_calls(), Ordering::Relaxed);
    }

    fn on_listed(&mut self) {
        self.resync_at = Some(Instant::now() + RESYNC_EVERY);
        self.heard_since = None;
        self.status.asterisk.store(true, Ordering::Relaxed);
        self.announce();
    }

    /// Deadlines are wall time, sleeping is not.
    fn instant(&mut self, at: Timestamp) -> Instant {
        let left = at.duration_since(self.clock.now());
        Instant::now() + Duration::try_from(left).unwrap_or(Duration::ZERO)
    }
}

/// How to reach a node.
pub(super) fn ari_config(node: &Node) -> Result<AriConfig, crate::ari::InvalidAriConfig> {
    let url = format!("{}/ari", node.url.as_str().trim_end_matches('/'));
    AriConfig::new(&url, &node.app, &node.username, node.password.clone())
}

/// Sleeps until then; for ever, if there is no then.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
