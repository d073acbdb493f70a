//! What happens, told to streams. One task reads it for all streams of the process, a few times a second, and only while there
//! are any. It also looks whether those who listen still may. Nobody is waited for: who reads too slowly misses something, learns
//! that, and is cut off.

use super::status::Status;
use crate::core::ids::OrganizationId;
use crate::live::Event;
use crate::store::events::{Of, Standing};
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How much is kept for those who are a little slow, in batches.
const BATCHES: usize = 256;
/// Facts that are looked at in one go.
const PAGE: u16 = 2_000;

/// How streams are kept.
#[derive(Clone, Debug)]
pub struct FeedTerms {
    /// How often is looked.
    pub every: Duration,
    /// How often is said that nothing happened.
    pub beat: Duration,
    /// How often those who listen are looked at.
    pub look_at_listeners: Duration,
    /// When they could not be looked at for so long, they are cut off.
    pub trust: Duration,
    /// Streams of one organization.
    pub of_organization: usize,
    /// Streams in all.
    pub in_all: usize,
}

impl Default for FeedTerms {
    fn default() -> Self {
        Self {
            every: Duration::from_millis(300),
            beat: Duration::from_secs(5),
            look_at_listeners: Duration::from_secs(2),
            trust: Duration::from_secs(30),
            of_organization: 64,
            in_all: 512,
        }
    }
}

/// What happened from one transaction to another. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The first transaction that was looked at.
    pub from: u64,
    /// The first that was not.
    pub until: u64,
    /// In order; everybody's.
    pub events: Arc<[Event]>,
}

/// There are too many streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Tells what happens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    terms: FeedTerms,
    seats: Mutex<Seats>,
    batches: broadcast::Sender<Batch>,
    wake: Notify,
    lagged: AtomicU64,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: BTreeMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    organization: OrganizationId,
    standing: Standing,
    end: CancellationToken,
}

/// A stream's place. It is given back when dropped.
#[derive(Debug)]
pub struct Seat {
    id: u64,
    feed: Arc<Inner>,
    /// What happens from now on.
    pub batches: broadcast::Receiver<Batch>,
    /// Whoever listens may not any more, or the daemon is about to stop.
    pub end: CancellationToken,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.feed.seats().taken.remove(&self.id);
    }
}

impl Inner {
    fn seats(&self) -> std::sync::MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// Starts the task that reads. It does nothing while nobody listens.
    pub fn start(store: Store, status: Arc<Status>, terms: FeedTerms) -> Self {
        let feed = Arc::new(Inner {
            store,
            terms,
            seats: Mutex::default(),
            batches: broadcast::Sender::new(BATCHES),
            wake: Notify::new(),
            lagged: AtomicU64::new(0),
        });
        // It ends with the process.
        tokio::spawn(run(Arc::clone(&feed), status));
        Self(feed)
    }

    /// Takes a place for a stream.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn join(&self, organization: OrganizationId, standing: Standing) -> Result<Seat, Full> {
        let mut seats = self.0.seats();
        let own = seats.taken.values().filter(|taken| taken.organization == organization).count();
        if seats.taken.len() >= self.0.terms.in_all || own >= self.0.terms.of_organization {
            return Err(Full);
        }
        let (id, end) = (seats.next, CancellationToken::new());
        seats.next += 1;
        seats.taken.insert(id, Taken { organization, standing, end: end.clone() });
        let batches = self.0.batches.subscribe();
        drop(seats);
        self.0.wake.notify_one();
        Ok(Seat { id, feed: Arc::clone(&self.0), batches, end })
    }

    /// Where streams are read from that want what was before.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.0.seats().taken.len()
    }

    /// How many were cut off because they read too slowly, since the start.
    pub fn cut_off(&self) -> u64 {
        self.0.lagged.load(Ordering::Relaxed)
    }

    /// One read too slowly.
    pub fn is_too_slow(&self) {
        self.0.lagged.fetch_add(1, Ordering::Relaxed);
    }
}

async fn run(feed: Arc<Inner>, status: Arc<Status>) {
    loop {
        // A permit that is left from before is one look too many, and no more.
        while feed.seats().taken.is_empty() {
            feed.wake.notified().await;
        }
        listen(&feed, &status).await;
    }
}

/// As long as somebody listens.
async fn listen(feed: &Inner, status: &Status) {
    let mut turn = tokio::time::interval(feed.terms.every);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut progress, mut looked, mut known) = (None, None, Instant::now());
    let mut is_well = true;
    loop {
        turn.tick().await;
        if status.draining.load(Ordering::Relaxed) {
            end(feed, |_| true);
        }
        if feed.seats().taken.is_empty() {
            return;
        }
        if looked.is_none_or(|at: Instant| at.elapsed() >= feed.terms.look_at_listeners) {
            looked = Some(Instant::now());
            match look_at_listeners(feed).await {
                Ok(()) => known = Instant::now(),
                Err(error) => tracing::debug!(%error, "nobody knows who may listen"),
            }
        }
        if known.elapsed() >= feed.terms.trust {
            end(feed, |_| true);
        }
        match tell(feed, &mut progress).await {
            Ok(()) => is_well = true,
            // Once, and not each time: the next turn is soon.
            Err(error) => {
                if std::mem::take(&mut is_well) {
                    tracing::warn!(%error, "what happens cannot be read, and streams are silent");
                }
            }
        }
    }
}

/// How far the task is.
struct Progress {
    /// The first transaction that is not looked at yet.
    next: u64,
    /// The first of which nobody was told whether there is anything.
    untold: u64,
    told: Instant,
}

/// Reads on, and tells.
async fn tell(feed: &Inner, progress: &mut Option<Progress>) -> Result<(), StoreError> {
    let progress = if let Some(progress) = progress {
        progress
    } else {
        let next = feed.store.horizon().await?;
        progress.insert(Progress { next, untold: next, told: Instant::now() })
    };
    loop {
        let news = feed.store.news(progress.next, Of::default(), Event::told(), PAGE).await?;
        progress.next = news.next;
        let events: Arc<[Event]> = Event::of_all(&news.happenings).into();
        // Now and then also that nothing happened, so that a stream that is cut knows from where to go on. Not each time: that
        // would wake them all for nothing.
        if !events.is_empty() || progress.told.elapsed() >= feed.terms.beat {
            // Nobody who hears it is no error.
            let _ = feed.batches.send(Batch { from: progress.untold, until: news.next, events });
            progress.untold = news.next;
            progress.told = Instant::now();
        }
        if !news.more {
            return Ok(());
        }
    }
}

/// Whoever may not any more, or may something else, is told to end.
async fn look_at_listeners(feed: &Inner) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = feed.seats().taken.values().map(|taken| taken.standing.id).collect();
    let valid = feed.store.standings(&ids).await?;
    // Who came meanwhile was looked at on the way in.
    end(feed, |taken| ids.contains(&taken.standing.id) && !valid.contains(&taken.standing));
    Ok(())
}

fn end(feed: &Inner, whom: impl Fn(&Taken) -> bool) {
    for taken in feed.seats().taken.values().filter(|taken| whom(taken)) {
        taken.end.cancel();
    }
}
