//! Transactions, by what they can see. One that speaks for an organization runs as the role `cordboard_tenant`, whom row-level
//! security shows that organization only: a statement that forgets to name it finds nothing of anybody else's. What places
//! calls, and the command line on this machine, sees everything, and pays nothing for policies.

use super::{Store, StoreError};
use crate::core::ids::{OrganizationId, TokenId, UserId};
use sqlx::{AssertSqlSafe, PgConnection, Postgres};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// What a transaction can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One organization, by row-level security.
    Organization(OrganizationId),
    /// All there is: for the daemon's own work and for people at this machine.
    Everything,
}

/// Who does it, for the audit trail: `user:<id>`, `token:<id>`, `cli:<name>`, `daemon`. With the id of the request, if there is
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    who: String,
    request: String,
}

/// Nobody has a longer name here.
const LONGEST: usize = 80;

impl Actor {
    /// Somebody who signed in.
    pub fn user(id: UserId) -> Self {
        Self { who: format!("user:{id}"), request: String::new() }
    }

    /// A program with a key.
    pub fn token(id: TokenId) -> Self {
        Self { who: format!("token:{id}"), request: String::new() }
    }

    /// Somebody at this machine, by the name that they have there.
    pub fn cli(name: &str) -> Self {
        Self { who: format!("cli:{}", harmless(name)), request: String::new() }
    }

    /// The daemon itself.
    pub fn daemon() -> Self {
        Self { who: "daemon".to_owned(), request: String::new() }
    }

    /// The same, within a request of that id.
    #[must_use]
    pub fn within(self, request: &str) -> Self {
        Self { request: harmless(request), ..self }
    }

    /// As it stands in the audit trail.
    pub fn as_str(&self) -> &str {
        &self.who
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.who)
    }
}

/// What can stand between quotes in SQL, and in anybody's terminal.
fn harmless(text: &str) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || "._-@:".contains(c) { c } else { '_' };
    text.chars().map(harmless).take(LONGEST).collect()
}

/// A transaction; what it did is lost unless it is committed. The functions of the store's rooms take it as a connection.
#[derive(Debug)]
pub struct Transaction(sqlx::Transaction<'static, Postgres>);

impl Transaction {
    /// Commits.
    ///
    /// # Errors
    ///
    /// If the database refuses, or was lost and nobody knows.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.0
            .commit()
            .await
            .map_err(|error| if StoreError::was_not_done(&error) { error.into() } else { StoreError::OutcomeUnknown })
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

impl Store {
    /// Begins a transaction that can see so much, and says who it is.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn begin_as(&self, scope: Scope, actor: &Actor) -> Result<Transaction, StoreError> {
        let mut transaction = self.pool.begin().await?;
        // Parameters are not possible here. Ids are made by us, and the rest is harmless.
        let Actor { who, request } = actor;
        let tenant = match scope {
            Scope::Organization(organization) => {
                format!("; SET LOCAL cordboard.organization = '{organization}'; SET LOCAL ROLE cordboard_tenant")
            }
            Scope::Everything => String::new(),
        };
        // People wait longer for what is much, such as an import.
        let patience = if who.starts_with("cli:") { "; SET LOCAL statement_timeout = '60s'" } else { "" };
        let settings =
            format!("SET LOCAL cordboard.actor = '{who}'; SET LOCAL cordboard.request = '{request}'{patience}{tenant}");
        // One simple query: one way there and back.
        let begun = sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *transaction).await;
        begun.map_err(|error| {
            match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
                // There is no such role, or it may not be taken: nobody's request is at fault.
                Some("22023" | "42501") => StoreError::Unexpected(error),
                _ => error.into(),
            }
        })?;
        Ok(Transaction(transaction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_gets_out_of_its_quotes() {
        assert_eq!(Actor::cli("o'brien\\; DROP TABLE calls --").as_str(), "cli:o_brien___DROP_TABLE_calls_--");
        assert_eq!(Actor::daemon().within(&"é'".repeat(100)).request.len(), LONGEST);
    }
}
