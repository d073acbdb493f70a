//! Connections that are kept ready for what each call needs: its admission and its facts.
//!
//! The pool asks every connection that is given back whether it still lives, which is a round trip a statement and a good
//! part of what a call costs. So after work that went well, a few connections stay here instead. One that may have died
//! meanwhile, or on which anything went wrong or was given up, goes back to the pool, which looks after it.

use super::{TRUSTED_IDLE, Trust};
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The most that are kept. The rest of the pool is for everybody.
const MOST: u32 = 2;

/// Connections, and since when each is not in use.
#[derive(Debug, Default)]
struct Kept(Vec<(PoolConnection<Postgres>, Instant)>);

impl Drop for Kept {
    fn drop(&mut self) {
        // The runtime, without which nothing can be given back to the pool, may have ended before.
        for (connection, _) in self.0.drain(..) {
            drop(connection.detach());
        }
    }
}

/// What is kept.
#[derive(Clone, Debug)]
pub(super) struct AtHand {
    kept: Arc<Mutex<Kept>>,
    trust: Trust,
    most: usize,
}

impl AtHand {
    /// For a pool of `max` connections.
    pub fn new(max: u32, trust: Trust) -> Self {
        let most = usize::try_from(MOST.min(max / 2)).unwrap_or_default();
        Self { kept: Arc::default(), trust, most }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that was used a moment ago, or one of the pool's.
    pub async fn take(&self, pool: &PgPool) -> Result<Lent<'_>, sqlx::Error> {
        let trusted = self.trust.since();
        let fresh = |since: Instant| since > trusted && since.elapsed() < TRUSTED_IDLE;
        let kept = {
            let mut kept = self.lock();
            kept.0.retain(|(_, since)| fresh(*since));
            kept.0.pop()
        };
        let connection = match kept {
            Some((connection, _)) => connection,
            None => pool.acquire().await?,
        };
        Ok(Lent { hand: self, connection })
    }

    /// Gives all of them back.
    pub fn clear(&self) {
        self.lock().0.clear();
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.lock().0.len()
    }
}

/// A connection in use. If it is dropped, it goes back to the pool.
pub(super) struct Lent<'a> {
    hand: &'a AtHand,
    connection: PoolConnection<Postgres>,
}

impl Lent<'_> {
    /// All went well, and no transaction is open.
    pub fn keep(self) {
        let mut kept = self.hand.lock();
        if kept.0.len() < self.hand.most {
            kept.0.push((self.connection, Instant::now()));
        }
    }
}

impl Deref for Lent<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
