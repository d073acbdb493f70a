//! Who owns a node. One row a node; its epoch grows with every owner and never shrinks.
//!
//! Whose lease it is, is decided by one conditional statement on the newest row. When it ends is decided by the clock of the
//! database alone; how long its holder may trust it, by the holder's own clock from *before* it asked.
//! The two clocks are never compared.

use super::{Store, StoreError};
use crate::core::ids::NodeName;
use sqlx::postgres::{PgListener, PgRow};
use sqlx::{FromRow, Row};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

const CHANNEL: &str = "cordboard_leases";

/// A process that wants to own nodes.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Made anew at every start, so that no process is taken for another.
    pub id: Uuid,
    /// For people.
    pub name: String,
    /// The running system and network it lives in; none if that cannot be told.
    pub host: Option<String>,
}

/// The number of an ownership of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// Under which ownership somebody writes.
#[derive(Clone, Debug)]
pub(super) struct Fence {
    node: NodeName,
    /// None as long as it is not granted.
    epoch: watch::Receiver<Option<Epoch>>,
}

/// No ownership has it.
const NEVER: i64 = 0;

impl Fence {
    pub fn node(fence: Option<&Self>) -> Option<&str> {
        fence.map(|fence| fence.node.as_ref())
    }

    pub fn epoch(fence: Option<&Self>) -> Option<i64> {
        fence.map(|fence| fence.epoch.borrow().map_or(NEVER, |epoch| epoch.0))
    }
}

/// A lease as another replica sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose it is; none if it was released.
    pub owner: Option<Uuid>,
    /// The owner's name, for people; the last one's if it was released.
    pub owner_name: String,
    /// Where the owner lives.
    pub host: Option<String>,
    /// Its number.
    pub epoch: Epoch,
    /// How long it is good for without a renewal, by the clock of the database; zero if it is over.
    pub left: Duration,
}

impl Held {
    /// Whether anybody may take it.
    pub fn is_free(&self) -> bool {
        self.owner.is_none() || self.left.is_zero()
    }
}

impl FromRow<'_, PgRow> for Held {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let left_ms: i64 = row.try_get("left_ms")?;
        Ok(Self {
            owner: row.try_get("owner")?,
            owner_name: row.try_get("owner_name")?,
            host: row.try_get("host")?,
            epoch: Epoch(row.try_get("epoch")?),
            left: Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)),
        })
    }
}

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The lease is good for its whole time again.
    Yes {
        /// Another replica waits for the node.
        standby: bool,
    },
    /// The node has another owner, or had one since: this ownership is over for good.
    Over,
}

/// A standby that was not seen for longer than this is gone.
const STANDBY_S: i32 = 3;

impl Store {
    /// The same database, for the owner of a node: what is written about calls is refused with [`StoreError::NotOwner`] once
    /// the node has another owner.
    #[must_use]
    pub fn fenced(&self, node: &NodeName, epoch: Epoch) -> Self {
        self.fenced_when_granted(node, watch::channel(Some(epoch)).1)
    }

    /// The same, for somebody who will own the node at best: until there is an epoch, all is refused.
    #[must_use]
    pub fn fenced_when_granted(&self, node: &NodeName, epoch: watch::Receiver<Option<Epoch>>) -> Self {
        Self { fence: Some(Fence { node: node.clone(), epoch }), ..self.clone() }
    }

    /// Waits until there is an epoch to write under; not at all if nobody asks for one, and for ever if none can come.
    pub async fn granted(&self) {
        let Some(mut epoch) = self.fence.as_ref().map(|fence| fence.epoch.clone()) else { return };
        let granted = epoch.wait_for(Option::is_some).await.is_ok();
        if !granted {
            std::future::pending::<()>().await;
        }
    }

    /// Whether there is an epoch to write under, or none is asked for.
    pub fn is_granted(&self) -> bool {
        self.fence.as_ref().is_none_or(|fence| fence.epoch.borrow().is_some())
    }

    /// Takes the lease of a node if it is free, or if it is `dead`'s, a process that is known to have ended. None if it is
    /// somebody's.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked; the lease may be taken all the same, and then ends by itself.
    pub async fn take_lease(
        &self,
        node: &NodeName,
        replica: &Replica,
        ttl: Duration,
        dead: Option<Uuid>,
    ) -> Result<Option<Epoch>, StoreError> {
        // The row is locked before the clock is asked, so nobody's renewal is overlooked.
        let epoch: Option<i64> = sqlx::query_scalar(
            "WITH waits AS (DELETE FROM node_standbys WHERE node = $1 AND replica = $2)
             INSERT INTO node_leases AS l (node, epoch, owner, owner_name, host, taken_at, expires_at)
             VALUES ($1, 1, $2, $3, $4, clock_timestamp(), clock_timestamp() + $5 * interval '1 ms')
             ON CONFLICT (node) DO UPDATE SET epoch = l.epoch + 1, owner = excluded.owner, owner_name = excluded.owner_name,
                host = excluded.host, taken_at = clock_timestamp(), expires_at = clock_timestamp() + $5 * interval '1 ms'
             WHERE l.owner IS NULL OR l.expires_at <= clock_timestamp() OR l.owner = $6
             RETURNING epoch",
        )
        .bind(node.as_ref())
        .bind(replica.id)
        .bind(&replica.name)
        .bind(replica.host.as_deref())
        .bind(millis(ttl))
        .bind(dead)
        .fetch_optional(&self.pool)
        .await?;
        Ok(epoch.map(Epoch))
    }

    /// Looks whose the lease is, and lets the owner know that `replica` waits. None if nobody ever had it.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn wait_for_lease(&self, node: &NodeName, replica: &Replica) -> Result<Option<Held>, StoreError> {
        let held = sqlx::query_as(
            "WITH waits AS (
                INSERT INTO node_standbys (node, replica, seen_at) VALUES ($1, $2, clock_timestamp())
                ON CONFLICT (node, replica) DO UPDATE SET seen_at = clock_timestamp()
             )
             SELECT owner, owner_name, host, epoch,
                (extract(epoch FROM greatest(expires_at - clock_timestamp(), interval '0')) * 1000)::bigint AS left_ms
             FROM node_leases WHERE node = $1",
        )
        .bind(node.as_ref())
        .bind(replica.id)
        .fetch_optional(&self.pool)
        .await?;
        Ok(held)
    }

    /// A replica does not wait for the node any more.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn wait_no_more(&self, node: &NodeName, replica: &Replica) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM node_standbys
             WHERE (node = $1 AND replica = $2) OR seen_at < clock_timestamp() - interval '1 hour'",
        )
        .bind(node.as_ref())
        .bind(replica.id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Makes the lease good for its whole time again, also when that time is over and nobody took it.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked; nobody knows then whose the lease is.
    pub async fn renew_lease(
        &self,
        node: &NodeName,
        replica: &Replica,
        epoch: Epoch,
        ttl: Duration,
    ) -> Result<Renewed, StoreError> {
        let standby: Option<bool> = sqlx::query_scalar(
            "UPDATE node_leases SET expires_at = clock_timestamp() + $4 * interval '1 ms'
             WHERE node = $1 AND owner = $2 AND epoch = $3
             RETURNING EXISTS (
                SELECT FROM node_standbys w WHERE w.node = $1 AND w.seen_at > clock_timestamp() - $5 * interval '1 s')",
        )
        .bind(node.as_ref())
        .bind(replica.id)
        .bind(epoch.0)
        .bind(millis(ttl))
        .bind(STANDBY_S)
        .fetch_optional(&self.pool)
        .await?;
        Ok(standby.map_or(Renewed::Over, |standby| Renewed::Yes { standby }))
    }

    /// Gives the lease back, so that another replica takes it at once. If it is not ours any more, nothing happens.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked; then it ends by itself.
    pub async fn release_lease(&self, node: &NodeName, replica: &Replica) -> Result<(), StoreError> {
        sqlx::query(
            "WITH released AS (
                UPDATE node_leases SET owner = NULL, expires_at = clock_timestamp()
                WHERE node = $1 AND owner = $2 RETURNING node
             )
             SELECT pg_notify($3, node) FROM released",
        )
        .bind(node.as_ref())
        .bind(replica.id)
        .bind(CHANNEL)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Every lease, with the node it is of, by the nodes' names.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn leases(&self) -> Result<Vec<(String, Held)>, StoreError> {
        let rows = sqlx::query(
            "SELECT node, owner, owner_name, host, epoch,
                (extract(epoch FROM greatest(expires_at - clock_timestamp(), interval '0')) * 1000)::bigint AS left_ms
             FROM node_leases ORDER BY node",
        )
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &PgRow| Ok((row.try_get("node")?, Held::from_row(row)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(StoreError::reading("node_leases", ""))
    }

    /// Hears of released leases, for as long as it lives.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached.
    pub async fn released_leases(&self) -> Result<Releases, StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Releases(listener))
    }
}

/// Hears at once that a lease was given back.
#[derive(Debug)]
pub struct Releases(PgListener);

impl Releases {
    /// Waits for the next; the node's name. May be dropped halfway without missing one.
    ///
    /// # Errors
    ///
    /// The connection was lost, and with it who knows what: look at the leases, and listen anew.
    pub async fn next(&mut self) -> Result<String, StoreError> {
        match self.0.try_recv().await? {
            Some(notification) => Ok(notification.payload().to_owned()),
            None => Err(StoreError::Unavailable(sqlx::Error::WorkerCrashed)),
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
