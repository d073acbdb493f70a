//! Brings events to webhooks: puts aside what is new, takes what is due, sends it, and notes what came of it. Each replica has one;
//! the database sees to it that no two have the same delivery at a time.

use crate::live::{Event, EventType, Message, Schedule, Secret, Sender, Sent};
use crate::store::events::Happening;
use crate::store::outbox::{Aside, Claimed, Depth, Filling, Setback, Tried};
use crate::store::{Store, StoreError};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rand::RngExt as _;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Between looks, when there are webhooks.
const BUSY: Duration = Duration::from_millis(500);
/// Between looks, when there are none. One that is made meanwhile loses nothing: it is told what was written since.
const IDLE: Duration = Duration::from_secs(2);
const COUNT: Duration = Duration::from_secs(10);
/// What is under way at the end has so long.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
const SWEEP: Duration = Duration::from_hours(1);
/// Deliveries under way to one webhook, and to all.
const EACH: u32 = 8;
const MOST: u32 = 64;

/// What is counted.
#[derive(Debug, Default)]
pub struct CourierStats {
    /// Attempts that were taken.
    pub delivered: AtomicU64,
    /// Attempts that were not, and are made again.
    pub retried: AtomicU64,
    /// Deliveries that were given up.
    pub failed: AtomicU64,
    /// Webhooks that were switched off.
    pub switched_off: AtomicU64,
    /// Deliveries put aside.
    pub put_aside: AtomicU64,
    /// Deliveries that wait, as last counted.
    pub pending: AtomicI64,
    /// For how long the oldest has, in milliseconds.
    pub oldest_ms: AtomicU64,
    /// For how long facts wait behind a transaction that does not end, in milliseconds.
    pub held_back_ms: AtomicU64,
}

/// Brings events to webhooks.
#[derive(Clone, Debug)]
pub struct Courier {
    store: Store,
    sender: Sender,
    schedule: Arc<Schedule>,
    stats: Arc<CourierStats>,
    busy: Arc<Mutex<BTreeMap<Uuid, u32>>>,
}

impl Courier {
    /// Not at work yet.
    pub fn new(store: Store, sender: Sender, schedule: Schedule, stats: Arc<CourierStats>) -> Self {
        Self { store, sender, schedule: Arc::new(schedule), stats, busy: Arc::default() }
    }

    /// At work until it is told to stop. What is under way then has a moment; the rest is done by another, after its lease.
    pub async fn run(self, stop: CancellationToken) {
        let (mut counted, mut swept): (Option<Instant>, Option<Instant>) = (None, None);
        let (mut under_way, mut is_well) = (FuturesUnordered::new(), true);
        loop {
            let is_idle = match self.turn().await {
                Ok(Turn { any, claimed }) => {
                    is_well = true;
                    under_way.extend(claimed.into_iter().map(|bundle| self.bring(bundle)));
                    !any && under_way.is_empty()
                }
                Err(error) => {
                    // Once, and not each time: the next turn is soon.
                    if std::mem::take(&mut is_well) {
                        tracing::warn!(%error, "the outbox cannot be reached, and webhooks wait");
                    }
                    true
                }
            };
            if counted.is_none_or(|at| at.elapsed() >= COUNT) {
                counted = Some(Instant::now());
                self.count().await;
            }
            if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
                swept = Some(Instant::now());
                self.sweep().await;
            }
            let pause = tokio::time::sleep(if is_idle { IDLE } else { BUSY });
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = stop.cancelled() => {
                        let rest = async { while under_way.next().await.is_some() {} };
                        let _ = tokio::time::timeout(LAST_ANSWERS, rest).await;
                        return;
                    }
                    () = &mut pause => break,
                    // One webhook has been seen to: there may be more for it at once.
                    Some(full) = under_way.next() => if full { break },
                }
            }
        }
    }

    /// Puts aside what is new, and takes what is due.
    async fn turn(&self) -> Result<Turn, StoreError> {
        let mut any = false;
        while let Some((more, _)) = self.put_aside().await? {
            any = true;
            if !more {
                break;
            }
        }
        Ok(Turn { any, claimed: self.claim().await? })
    }

    /// Puts aside what is new. None if there is no webhook, or another does it; else whether there is more, and how many were new.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn put_aside(&self) -> Result<Option<(bool, u64)>, StoreError> {
        let Some(filling) = self.store.begin_filling(Event::told()).await? else { return Ok(None) };
        let more = filling.news.more;
        let asides = asides(&filling);
        let put = filling.put_aside(&asides).await?;
        self.stats.put_aside.fetch_add(put, Ordering::Relaxed);
        Ok(Some((more, put)))
    }

    /// Takes what is due, and brings it. Says how many there were.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn bring_what_is_due(&self) -> Result<usize, StoreError> {
        let bundles = self.claim().await?;
        let count = bundles.iter().map(|bundle| bundle.parcels.len()).sum();
        let mut under_way: FuturesUnordered<_> = bundles.into_iter().map(|bundle| self.bring(bundle)).collect();
        while under_way.next().await.is_some() {}
        Ok(count)
    }

    async fn claim(&self) -> Result<Vec<Bundle>, StoreError> {
        let busy: Vec<Uuid> = self.busy().keys().copied().collect();
        let under_way: u32 = self.busy().values().sum();
        let room = MOST.saturating_sub(under_way);
        if room == 0 {
            return Ok(Vec::new());
        }
        let claimed = self.store.claim_deliveries(&busy, EACH, room, self.schedule.lease).await?;
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let facts: Vec<(Uuid, i32)> = claimed.iter().map(|one| (one.call.0, one.seq)).collect();
        let happenings = self.store.these_facts(&facts).await?;
        let mut bundles: BTreeMap<Uuid, Bundle> = BTreeMap::new();
        for one in claimed {
            let bundle = bundles.entry(one.webhook).or_insert_with(|| Bundle::of(one.webhook));
            bundle.parcels.push((body(&one, &happenings), one));
        }
        let ids: Vec<Uuid> = bundles.keys().copied().collect();
        let mut secrets = self.store.webhook_secrets(&ids).await?;
        for bundle in bundles.values_mut() {
            let texts: Vec<SecretString> = secrets.remove(&bundle.webhook).unwrap_or_default();
            bundle.secrets = texts.iter().filter_map(|text| Secret::read(text).ok()).collect();
            let count = u32::try_from(bundle.parcels.len()).unwrap_or(u32::MAX);
            self.busy().insert(bundle.webhook, count);
        }
        Ok(bundles.into_values().collect())
    }

    /// Brings what one webhook gets, side by side: of one call there is only one. Says whether there may be more at once.
    async fn bring(&self, bundle: Bundle) -> bool {
        let Bundle { webhook, secrets, parcels } = bundle;
        let full = parcels.len() >= EACH as usize;
        let each = parcels.into_iter().map(|(body, claimed)| self.bring_one(body, claimed, &secrets));
        let all_taken = futures::future::join_all(each).await.into_iter().all(|taken| taken);
        self.busy().remove(&webhook);
        full && all_taken
    }

    async fn bring_one(&self, body: Option<(String, String)>, claimed: Claimed, secrets: &[Secret]) -> bool {
        let sent = match (body, secrets) {
            (None, _) => Sent::NoAnswer("no_record"),
            (_, []) => Sent::NoAnswer("no_secret"),
            (Some((id, body)), _) => {
                let timestamp_s = super::clock::now().as_second();
                self.sender.send(Message { url: &claimed.url, id: &id, timestamp_s, body, secrets }).await
            }
        };
        let noted = self.note(&claimed, sent).await;
        if let Err(error) = &noted {
            // It is sent again after its lease, under the same id.
            tracing::debug!(%error, "what came of a delivery could not be noted");
        }
        matches!(sent, Sent::Taken { .. }) && noted.is_ok()
    }

    async fn note(&self, claimed: &Claimed, sent: Sent) -> Result<(), StoreError> {
        let tried = Tried { status: sent.status(), error: sent.error() };
        if let Sent::Taken { .. } = sent {
            self.store.delivered(claimed, tried).await?;
            self.stats.delivered.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let chance = || rand::rng().random_range(0.0..1.0);
        let asked = sent.asked().map_or(Duration::ZERO, |asked| self.schedule.rest_asked(asked, chance()));
        let setback = Setback {
            again_after: self.schedule.after(claimed.attempts, chance()).map(|after| after.max(asked)),
            rest: self.schedule.rest_after(claimed.failures + 1, chance()).max(asked),
            give_up_after: self.schedule.give_up_after,
            is_gone: sent.is_gone(),
        };
        if self.store.not_delivered(claimed, tried, setback).await? {
            tracing::warn!(webhook = %claimed.webhook, "a webhook was switched off, because nothing could be delivered");
            self.stats.switched_off.fetch_add(1, Ordering::Relaxed);
        }
        let counted = if setback.again_after.is_some() { &self.stats.retried } else { &self.stats.failed };
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn count(&self) {
        let Ok(depth) = self.store.outbox_depth().await else { return };
        let Depth { pending, oldest_s, held_back_s } = depth;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no age is negative or endless")]
        let ms = |seconds: f64| (seconds.max(0.0) * 1_000.0) as u64;
        self.stats.pending.store(pending, Ordering::Relaxed);
        self.stats.oldest_ms.store(ms(oldest_s), Ordering::Relaxed);
        self.stats.held_back_ms.store(ms(held_back_s), Ordering::Relaxed);
    }

    async fn sweep(&self) {
        while let Ok(5_000) = self.store.sweep_outbox().await {}
    }

    fn busy(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uuid, u32>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Turn {
    /// There are webhooks.
    any: bool,
    claimed: Vec<Bundle>,
}

/// What one webhook gets.
struct Bundle {
    webhook: Uuid,
    secrets: Vec<Secret>,
    /// Id and body; none if the record is gone.
    parcels: Vec<(Option<(String, String)>, Claimed)>,
}

impl Bundle {
    fn of(webhook: Uuid) -> Self {
        Self { webhook, secrets: Vec::new(), parcels: Vec::new() }
    }
}

/// Who wants what of it.
fn asides(filling: &Filling) -> Vec<Aside> {
    let mut asides = Vec::new();
    for event in Event::of_all(&filling.news.happenings) {
        for wanted in &filling.wanted {
            let named = wanted.events.as_ref().is_none_or(|names| names.iter().any(|name| name == event.kind.as_str()));
            if named && wanted.organization == event.organization && wanted.since <= event.place.transaction {
                asides.push(Aside {
                    webhook: wanted.webhook,
                    organization: event.organization,
                    event: event.kind.as_str(),
                    call: crate::core::ids::CallId(event.place.call),
                    seq: event.place.seq,
                });
            }
        }
    }
    asides
}

/// What is sent: as the call is now, so that a number that was erased is not sent any more.
fn body(claimed: &Claimed, happenings: &[Happening]) -> Option<(String, String)> {
    let kind: EventType = claimed.event.parse().ok()?;
    let found = happenings.iter().find(|one| one.call.id == claimed.call && one.seq == claimed.seq)?;
    let event = Event::of(found).into_iter().find(|event| event.kind == kind)?;
    Some((Event::id(claimed.call, claimed.seq, kind), event.json))
}

/// A thread of its own for the courier: TLS and signatures take a processor's time, and the loop of calls does not wait for them.
#[derive(Debug)]
pub struct CourierThread {
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl CourierThread {
    /// Starts it. The store is made there: connections belong to the thread that opened them.
    ///
    /// # Errors
    ///
    /// If there is no thread, or no client can be made.
    pub fn start(
        store: impl FnOnce() -> Result<Store, StoreError> + Send + 'static,
        sender: Sender,
        stats: Arc<CourierStats>,
    ) -> std::io::Result<Self> {
        let stop = CancellationToken::new();
        let until = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = async move {
            match store() {
                Ok(store) => {
                    Courier::new(store.clone(), sender, Schedule::default(), stats).run(until).await;
                    store.close().await;
                }
                Err(error) => tracing::error!(%error, "webhooks are not sent"),
            }
        };
        let thread = std::thread::Builder::new().name("webhooks".to_owned()).spawn(move || {
            runtime.block_on(work);
            // A look-up of a name may take long, and nobody waits for it.
            runtime.shutdown_background();
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Stops it, and waits a moment.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let Some(thread) = self.thread.take() else { return };
        let ended = tokio::task::spawn_blocking(move || thread.join());
        let _ = tokio::time::timeout(Duration::from_secs(5), ended).await;
    }
}
