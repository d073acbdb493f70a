//! A part of a transaction that can be undone by itself. One at a time.

use super::{Scope, Store, StoreError, Transaction};
use sqlx::{Executor, PgConnection};

/// From here on it can be undone.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn set(connection: &mut PgConnection) -> Result<(), StoreError> {
    connection.execute("SAVEPOINT part").await?;
    Ok(())
}

/// It was good.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn keep(connection: &mut PgConnection) -> Result<(), StoreError> {
    connection.execute("RELEASE SAVEPOINT part").await?;
    Ok(())
}

/// As if it had not been done.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn undo(connection: &mut PgConnection) -> Result<(), StoreError> {
    connection.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part").await?;
    Ok(())
}

impl Store {
    /// Begins a transaction that sees everything, in the name of whom the store is.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        self.begin_as(Scope::Everything, &self.actor).await
    }
}
