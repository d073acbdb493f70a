//! The ways to carriers.

use super::{Store, StoreError};
use crate::core::ids::TrunkName;
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeSet;

/// A way to a carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct Trunk {
    /// The name of its endpoint in `pjsip.conf`.
    pub name: TrunkName,
    /// The carrier wants `+` before numbers.
    pub plus: bool,
    /// It may be used.
    pub active: bool,
}

impl Store {
    /// Adds a trunk, or sets what it is like if it is there already.
    ///
    /// # Errors
    ///
    /// If an agent has that endpoint, or the database cannot be asked.
    pub async fn put_trunk(&self, trunk: &Trunk) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO trunks (name, plus, active) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET plus = excluded.plus, active = excluded.active",
        )
        .bind(trunk.name.as_ref())
        .bind(trunk.plus)
        .bind(trunk.active)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// All trunks, by their names.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn trunks(&self) -> Result<Vec<Trunk>, StoreError> {
        sqlx::query_as("SELECT name, plus, active FROM trunks ORDER BY name")
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::reading("trunks", ""))
    }

    /// Removes a trunk that no number uses.
    ///
    /// # Errors
    ///
    /// If there is none of that name, a number uses it, or the database cannot be asked.
    pub async fn remove_trunk(&self, name: &TrunkName) -> Result<(), StoreError> {
        let done = sqlx::query("DELETE FROM trunks WHERE name = $1").bind(name.as_ref()).execute(&self.pool).await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "trunk", key: name.to_string() });
        }
        Ok(())
    }
}

/// The names of all trunks.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn names(connection: &mut PgConnection) -> Result<BTreeSet<TrunkName>, StoreError> {
    let names: Vec<TrunkName> = sqlx::query_scalar("SELECT name FROM trunks").fetch_all(connection).await?;
    Ok(names.into_iter().collect())
}
