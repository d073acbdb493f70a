//! The only place that speaks SQL. What is here knows [`core`](crate::core) and [`policy`](crate::policy), and neither
//! Asterisk nor HTTP.
//!
//! The rule for locks, everywhere: **agent → call → agent of the day → assignment of the day → number of the day**, and
//! within one of these by id. Whoever waits for a row holds only rows before it, so nobody waits in a circle. [`admit`]
//! explains the one place where that is not obvious.

pub mod admit;
pub mod agents;
pub mod analytics;
pub mod assignments;
mod at_hand;
pub mod audit;
pub mod calls;
pub mod campaigns;
pub mod carriers;
pub mod claims;
mod columns;
pub mod contacts;
mod doubt;
mod error;
pub mod events;
mod everything;
pub mod fsck;
pub mod history;
pub mod inspect;
pub mod inventory;
pub mod keys;
pub mod leases;
pub mod listen;
mod memory;
pub mod nodes;
pub mod numbers;
pub mod organizations;
pub mod outbox;
pub mod overview;
mod reserve;
pub mod savepoint;
mod scope;
pub mod sessions;
mod settle;
mod snapshot;
pub mod tokens;
pub mod trunks;
pub mod uploads;
pub mod users;
pub mod webhooks;
pub mod writes;

pub use error::StoreError;
pub use scope::{Actor, Scope, Transaction};

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, Row};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

static MIGRATOR: Migrator = sqlx::migrate!();

/// A connection unused for longer than this is tried before it is trusted. One that died sooner costs a call a second attempt.
const TRUSTED_IDLE: Duration = Duration::from_secs(30);
/// A connection that was given back while the database was in doubt has so long to show that it lives.
const FAREWELL: Duration = Duration::from_secs(3);
/// Connecting takes milliseconds, or it hangs.
const CONNECT: Duration = Duration::from_secs(5);

/// The database. Cheap to clone: all clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    at_hand: at_hand::AtHand,
    trust: Trust,
    /// In whose name it changes things, for the audit trail.
    actor: Arc<Actor>,
    memory: memory::Memory,
    /// Under which ownership of a node it is written; none: nobody asks for one.
    fence: Option<leases::Fence>,
}

/// Since when connections may be used untried. Those that were idle while the database was away may be dead.
#[derive(Clone, Debug)]
struct Trust(Arc<Mutex<Instant>>);

impl Trust {
    fn since(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Whether a connection on which work may have been given up can be used by others. The work may hang on it for as long as TCP
/// has hope, and the pool would run dry. Or it was given up while a transaction was about to begin: then sqlx does not know of
/// it and does not end it, and what others write would be part of it and never be committed.
async fn is_clean(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // In one simple query, a transaction is as old as its only statement.
    let question = sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection);
    let answer = tokio::time::timeout(FAREWELL, question).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
    if answer?.try_get(0)? { Ok(true) } else { Err(sqlx::Error::BeginFailed) }
}

impl Store {
    /// A store of at most `max` connections. None is opened yet, so that the daemon starts without its database; whoever
    /// needs one waits at most `acquire_timeout` for it. Must be called within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// If the URL cannot be read. The error does not repeat it, because there may be a password in it.
    pub fn connect(url: &SecretString, max: u32, acquire_timeout: Duration) -> Result<Self, StoreError> {
        Self::open(url, max, acquire_timeout, false)
    }

    /// The same, for the daemon: each new connection first plans the statements of an admission, which takes it some ten
    /// milliseconds that would otherwise be a caller's.
    ///
    /// # Errors
    ///
    /// If the URL cannot be read.
    pub fn connect_for_calls(url: &SecretString, max: u32, acquire_timeout: Duration) -> Result<Self, StoreError> {
        Self::open(url, max, acquire_timeout, true)
    }

    fn open(url: &SecretString, max: u32, acquire_timeout: Duration, warm: bool) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| StoreError::Url)?;
        let options = options.application_name("cordboard").options([
            ("lock_timeout", "1s"),
            ("statement_timeout", "2s"),
            // a daemon that froze in mid-transaction must not hold an agent's row for ever
            ("idle_in_transaction_session_timeout", "5s"),
            // one plan a statement and connection: planning anew costs more than a better plan could save
            ("plan_cache_mode", "force_generic_plan"),
            // planned while the tables are new and empty, when reading them whole seems cheapest
            ("enable_seqscan", "off"),
            // a page of a long list is read in a millisecond, and compiling its statement takes three hundred
            ("jit", "off"),
            // the processors are for the calls, and starting a worker takes longer than most statements
            ("max_parallel_workers_per_gather", "0"),
        ]);
        let now = Instant::now();
        let trust = Trust(Arc::new(Mutex::new(now.checked_sub(TRUSTED_IDLE).unwrap_or(now))));
        let at_hand = at_hand::AtHand::new(max, trust.clone());
        let (before, after) = (trust.clone(), trust.clone());
        let pool = PgPoolOptions::new()
            .max_connections(max)
            .acquire_timeout(acquire_timeout)
            .min_connections(if warm { 2.min(max) } else { 0 })
            .after_connect(move |connection, _| {
                Box::pin(async move { if warm { admit::plan(connection).await } else { Ok(()) } })
            })
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let suspect = meta.idle_for > TRUSTED_IDLE.min(before.since().elapsed());
                Box::pin(async move {
                    if suspect {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_release(move |connection, _| {
                let suspect = after.since().elapsed() < TRUSTED_IDLE;
                Box::pin(async move { if suspect { is_clean(connection).await } else { Ok(true) } })
            })
            .connect_lazy_with(options);
        let (actor, memory) = (Arc::new(Actor::daemon()), memory::Memory::default());
        Ok(Self { pool, at_hand, trust, actor, memory, fence: None })
    }

    /// The same, in somebody else's name.
    #[must_use]
    pub fn in_the_name_of(self, actor: Actor) -> Self {
        Self { actor: Arc::new(actor), ..self }
    }

    /// In whose name it changes things.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Lets work on the database take so long at most. What takes longer is given up: work that was not committed is
    /// rolled back, and of work that was about to be, nobody knows.
    ///
    /// # Errors
    ///
    /// What the work says, or [`StoreError::TooSlow`].
    pub async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let mut work = std::pin::pin!(work);
        let done = tokio::time::timeout(limit, work.as_mut()).await;
        if done.as_ref().is_ok_and(|done| done.as_ref().err().is_none_or(|error| !error.is_away())) {
            return done.unwrap_or(Err(StoreError::TooSlow(limit)));
        }
        // Before the work lets go of its connection.
        self.trust.lose();
        done.unwrap_or(Err(StoreError::TooSlow(limit)))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.pool.execute("SELECT 1").await?;
        Ok(())
    }

    /// Closes all connections, after the work in progress; those of a database that does not answer are left as they are.
    pub async fn close(&self) {
        self.at_hand.clear();
        let _ = tokio::time::timeout(FAREWELL, self.pool.close()).await;
    }

    /// How many connections are open, and how many of them are idle.
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle() + self.at_hand.count())
    }

    /// Brings the tables up to date.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or its tables are newer than this program or were changed.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.patient_connection().await?;
        // Not `run`: its future cannot be handed to another task.
        MIGRATOR.run_direct(None, &mut connection, false).await?;
        connection.close().await?;
        Ok(())
    }

    /// The migrations that [`migrate`](Self::migrate) would run: `0002 calls`. Changes nothing.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let mut connection = self.patient_connection().await?;
        let known: bool =
            sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut connection).await?;
        let applied = if known { connection.list_applied_migrations("_sqlx_migrations").await? } else { Vec::new() };
        connection.close().await?;
        let pending = MIGRATOR.iter().filter(|migration| !applied.iter().any(|a| a.version == migration.version));
        Ok(pending.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect())
    }

    /// A connection of its own, without time limits.
    async fn patient_connection(&self) -> Result<sqlx::PgConnection, StoreError> {
        let options = self.pool.connect_options();
        let options = options.as_ref().clone().options([
            ("lock_timeout", "0"),
            ("statement_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
        ]);
        let connected = tokio::time::timeout(CONNECT, options.connect()).await;
        Ok(connected.map_err(|_| StoreError::TooSlow(CONNECT))??)
    }
}
