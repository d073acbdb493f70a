//! The only place that speaks SQL. What is here knows [`core`](crate::core) and [`policy`](crate::policy), and neither
//! Asterisk nor HTTP.
//!
//! The rule for locks, everywhere: **agent → call → agent of the day → assignment of the day → number of the day**, and
//! within one of these by id. Whoever waits for a row holds only rows before it, so nobody waits in a circle. [`admit`]
//! explains the one place where that is not obvious.

pub mod admit;
pub mod agents;
pub mod assignments;
pub mod calls;
mod columns;
mod error;
pub mod fsck;
pub mod inspect;
pub mod listen;
pub mod nodes;
pub mod numbers;
pub mod organizations;
mod reserve;
mod snapshot;
pub mod tokens;
pub mod trunks;
pub mod writes;

pub use error::StoreError;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};
use std::str::FromStr;
use std::time::Duration;

static MIGRATOR: Migrator = sqlx::migrate!();

/// A connection unused for longer than this is tried before it is trusted. One that died sooner costs a call a second attempt.
const TRUSTED_IDLE: Duration = Duration::from_secs(30);

/// The database. Cheap to clone: all clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
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
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(max)
            .acquire_timeout(acquire_timeout)
            .min_connections(if warm { 2.min(max) } else { 0 })
            .after_connect(move |connection, _| {
                Box::pin(async move { if warm { admit::plan(connection).await } else { Ok(()) } })
            })
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
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

    /// Closes all connections, after the work in progress.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// How many connections are open, and how many of them are idle.
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Brings the tables up to date.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or its tables are newer than this program or were changed.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.patient_connection().await?;
        MIGRATOR.run(&mut connection).await?;
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
        Ok(options.connect().await?)
    }
}
