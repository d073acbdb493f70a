//! The loop.

use super::Lane;
use super::accounts::Accounts;
use super::admit::{Admitter, Rules};
use super::breaker::Breaker;
use super::clock::Clock;
use super::directory::Directory;
use super::dispatch::Dispatch;
use super::handle::{self, Ask, Handle};
use super::inspector::{Inspector, unless_fit};
use super::left;
use super::lifecycle::{Notifier, Signal};
use super::restore::{self, Waiting};
use super::resync::resync;
use super::status::Status;
use super::writer::{self, Writer};
use crate::ari::{AriClient, AriConfig, EventSocket, LostWhy, SocketEvent, SocketEvents, SocketStats, Translated};
use crate::config::Config;
use crate::core::command::Answer;
use crate::core::engine::Engine;
use crate::core::ids::{CallId, NodeName, RequestId};
use crate::core::input::Input;
use crate::core::outcome::RefusalReason;
use crate::core::settings::EmergencyRoute;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

/// Even while all seems well, what is really there is looked at this often.
const RESYNC_EVERY: Duration = Duration::from_secs(10);
/// After a failed resync.
const RESYNC_AGAIN: Duration = Duration::from_millis(500);

/// The daemon, ready to run.
pub struct Daemon {
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
    events: SocketEvents,
    pub(super) node: NodeName,
    pub(super) emergency: Option<EmergencyRoute>,
    lane: Lane,
    results: mpsc::UnboundedReceiver<Input>,
    asks: mpsc::Receiver<Ask>,
    pub(super) waiting: HashMap<RequestId, oneshot::Sender<(CallId, Answer)>>,
    next_request: u64,
    pub(super) status: Arc<Status>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) notifier: Notifier,
    drain_timeout: Duration,
    resync_at: Option<Instant>,
    /// When the daemon stops although calls are under way.
    stop_at: Option<Instant>,
    pub(super) announced: bool,
    pub(super) node_started_at: Option<Timestamp>,
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
    /// The database cannot be used.
    #[error("postgres: {0}")]
    Store(#[from] StoreError),
}

/// How the loop came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As asked; no call is under way.
    Drained,
    /// As asked; calls go on in Asterisk without us, until the next start adopts them.
    LeftCalls(usize),
    /// Another daemon connected to our node under our name.
    Replaced,
}

impl Daemon {
    /// Loads what is unfinished and starts the workers. Nothing is connected yet. A database that is away is no reason not to
    /// start.
    ///
    /// # Errors
    /// The node's part of the configuration is unusable.
    pub async fn start(
        config: &Config,
        store: Store,
        metrics: Arc<Metrics>,
        status: Arc<Status>,
    ) -> Result<(Self, Handle, Arc<SocketStats>), Trouble> {
        let node = config.node.name.clone();
        let ari = AriConfig::new(
            &format!("{}/ari", config.node.url.as_str().trim_end_matches('/')),
            &config.node.app,
            &config.node.username,
            config.node.password.clone(),
        )?;
        let client = AriClient::new(ari)?;
        let (socket, events, counters) = EventSocket::new(client.clone());

        let (journal, left) = left::open(&config.journal, &node, &status).await;
        let breaker = Breaker::new(Arc::clone(&status));
        let writer =
            writer::spawn(store.clone(), breaker.clone(), Arc::clone(&status), Arc::clone(&metrics), journal, left);
        let mut source = restore::Source::new(config, store.clone(), writer.caught_up());
        let restored = source.at_start().await;
        if restored.is_none() {
            breaker.open();
        }

        let (sender, results) = mpsc::unbounded_channel();
        let lane = Lane(sender);
        let (handle, asks) = handle::channel();
        let mut daemon = Self {
            dispatch: Dispatch::new(client.clone(), lane.clone(), Arc::clone(&metrics)),
            admitter: Admitter::new(store.clone(), breaker, config, lane.clone(), Arc::clone(&metrics)),
            writer,
            accounts: Accounts::spawn(store, client.clone(), node.clone(), config.node.url.to_string()),
            inspector: Inspector::spawn(client.clone(), config.node.clone(), Arc::clone(&status)),
            node,
            emergency: config.emergency.clone(),
            engine: Engine::new(config.engine_settings(), None),
            clock: Clock::default(),
            directory: Directory::default(),
            waiting_for: restored.is_none().then(|| Waiting::spawn(source)),
            client,
            events,
            lane,
            results,
            asks,
            waiting: HashMap::new(),
            next_request: 0,
            notifier: Notifier::default(),
            drain_timeout: config.shutdown.drain_timeout,
            resync_at: None,
            stop_at: None,
            announced: false,
            node_started_at: None,
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
        daemon.status.emergency_route.store(config.emergency.is_some(), Ordering::Relaxed);
        tokio::spawn(socket.run());
        Ok((daemon, handle, counters))
    }

    /// Runs until it is told to stop. `reload` gives the new configuration, or none if it is bad and the old one stays.
    pub async fn run(
        mut self,
        mut signals: impl Stream<Item = Signal> + Unpin,
        mut reload: impl FnMut() -> Option<Config>,
    ) -> Ended {
        let mut pulse = tokio::time::interval(self.notifier.interval());
        // The process serves from here on. Whether calls can be made is another question, which `/readyz` answers: a start
        // must not fail because Asterisk comes up later than we do.
        self.notifier.ready();
        self.notifier.status("waiting for asterisk");
        loop {
            if self.stop_at.is_some() && self.engine.open_calls() == 0 {
                return self.end(Ended::Drained).await;
            }
            let deadline = self.engine.deadline().map(|at| self.instant(at));
            tokio::select! {
                Some(event) = self.events.recv() => {
                    if !self.on_socket(event) {
                        return self.end(Ended::Replaced).await;
                    }
                }
                Some(input) = self.results.recv() => self.step(input),
                Some(ask) = self.asks.recv() => self.on_ask(ask),
                Some(restored) = restore::restored(&mut self.waiting_for) => self.restore_late(restored),
                Some(agents) = self.accounts.changed() => self.directory.replace(agents),
                Some(verdict) = self.inspector.looked() => self.on_looked(verdict),
                () = until(deadline) => self.step(Input::DeadlinePassed),
                () = until(self.resync_at) => self.resync(),
                () = until(self.stop_at) => {
                    let left = self.engine.open_calls();
                    return self.end(Ended::LeftCalls(left)).await;
                }
                Some(signal) = signals.next() => match signal {
                    Signal::Reload => self.reload(&mut reload),
                    Signal::Stop => self.stop(),
                },
                _ = pulse.tick() => {}
            }
            // After the work, by the loop itself: a stuck engine must not look alive.
            self.notifier.alive();
            self.status.last_turn_ms.store(self.clock.now().as_millisecond(), Ordering::Relaxed);
        }
    }

    /// False if the daemon must stop at once.
    fn on_socket(&mut self, event: SocketEvent) -> bool {
        match event {
            SocketEvent::Connected | SocketEvent::Overflowed => self.resync(),
            SocketEvent::Event(translated) => self.on_event(translated),
            SocketEvent::Lost { why } => self.on_lost(why),
            SocketEvent::Replaced => {
                tracing::error!("another daemon connected to this node under our name; this one stops");
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
                let endpoint = name.endpoint();
                let (call, dialled) = (CallId(Uuid::now_v7()), self.directory.judge(endpoint.as_ref(), raw));
                let endpoint = endpoint.map_or_else(|| "nobody".to_owned(), String::from);
                tracing::info!(%call, channel = channel.as_str(), endpoint, emergency = dialled.emergency, "an agent dialled");
                self.step(Input::AgentDialled { call, channel, name, dialled, at });
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
        tracing::warn!(%why, "the event socket is lost; calls under way go on in Asterisk");
        self.status.asterisk.store(false, Ordering::Relaxed);
        self.resync_at = None;
        self.step(Input::Disconnected);
        self.inspector.lost();
        self.notifier.status("asterisk is not reachable; calls under way go on");
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
        tokio::spawn(async move {
            let listed = resync(&client, &lane).await;
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
            Ask::Start { endpoint, raw, answer } => {
                crash_point!(K01);
                let (call, dialled) = (CallId(Uuid::now_v7()), self.directory.judge(Some(&endpoint), raw));
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
        self.status.asterisk.store(true, Ordering::Relaxed);
        self.announce();
    }

    fn reload(&mut self, reload: &mut impl FnMut() -> Option<Config>) {
        self.notifier.reloading();
        if let Some(config) = reload() {
            self.engine.set_settings(config.engine_settings());
            self.admitter.set_rules(Rules::of(&config));
            self.drain_timeout = config.shutdown.drain_timeout;
            self.status.emergency_route.store(config.emergency.is_some(), Ordering::Relaxed);
            self.emergency = config.emergency;
        }
        self.notifier.ready();
    }

    fn stop(&mut self) {
        let now = Instant::now();
        if self.stop_at.is_some() {
            tracing::warn!("told a second time: stopping now");
            self.stop_at = Some(now);
            return;
        }
        let open_calls = self.engine.open_calls();
        tracing::info!(open_calls, "no new calls; stopping when the last has ended");
        self.notifier.stopping();
        self.status.draining.store(true, Ordering::Relaxed);
        self.stop_at = Some(now + self.drain_timeout);
        self.step(Input::Drain);
    }

    async fn end(self, ended: Ended) -> Ended {
        self.writer.close().await;
        ended
    }

    /// Deadlines are wall time, sleeping is not.
    fn instant(&mut self, at: Timestamp) -> Instant {
        let left = at.duration_since(self.clock.now());
        Instant::now() + Duration::try_from(left).unwrap_or(Duration::ZERO)
    }
}

/// Sleeps until then; for ever, if there is no then.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
