//! What can go wrong between us and the database, by what the caller can do about it.

use sqlx::migrate::MigrateError;
use std::time::Duration;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is overloaded, read-only, full or shutting down. Nothing was written.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused what was to be written, because it breaks a rule.
    #[error("{message} [{name}]")]
    Constraint {
        /// The name of the rule.
        name: String,
        /// What is wrong, for people.
        message: String,
        /// Another has what there can be only one of.
        taken: bool,
    },
    /// There is no such thing.
    #[error("there is no {what} {key}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// How it was asked for.
        key: String,
    },
    /// Something in the database makes no sense to this program.
    #[error("cannot read {column} of {table} {row}")]
    Inconsistent {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: String,
        /// Which row.
        row: String,
    },
    /// The connection was lost when the work was already on its way to be committed, and the database could not be asked
    /// what became of it.
    #[error("the connection to the database was lost during a commit, and nobody knows whether it took place")]
    OutcomeUnknown,
    /// The database did not answer in the time that there was. Whether it does the work all the same, nobody knows.
    #[error("the database did not answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// The database URL cannot be read.
    #[error("the database URL cannot be read; it should look like postgres://user:password@host/database")]
    Url,
    /// The tables could not be brought up to date.
    #[error("the database tables cannot be brought up to date: {0}")]
    Migration(#[source] MigrateError),
    /// The tables are older than this program.
    #[error("the database lacks {0}; run `cordboard migrate`, or set postgres.migrate_at_start")]
    Behind(String),
    /// The node has another owner by now: whoever wrote is to stop.
    #[error("another replica has taken the node over; nothing was written")]
    NotOwner,
    /// Anything else: most likely the tables are not those of this version of the program.
    #[error("the database and this program do not fit together: {0}")]
    Unexpected(#[source] sqlx::Error),
}

/// What is the matter with a failed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matter {
    /// The connection, or the whole server.
    Server,
    /// Waited too long, or in a circle.
    Contention,
    /// A rule was broken.
    Rule,
    /// The lease is somebody else's.
    Lease,
    /// None of these.
    Other,
}

fn matter(error: &sqlx::Error) -> Matter {
    if let sqlx::Error::Database(database) = error {
        return match database.code().as_deref().unwrap_or_default() {
            // read-only, statement time-out, idle in transaction
            "25006" | "57014" | "25P03" => Matter::Server,
            "40001" | "40P01" | "55P03" => Matter::Contention,
            code if ["08", "28", "3D", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Matter::Server,
            "CB002" => Matter::Lease,
            code if code.starts_with("23") || code.starts_with("22") => Matter::Rule,
            _ => Matter::Other,
        };
    }
    let server = matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
    );
    if server { Matter::Server } else { Matter::Other }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match matter(&error) {
            Matter::Server | Matter::Contention => Self::Unavailable(error),
            Matter::Rule => match error.as_database_error() {
                Some(database) => {
                    let name = database.constraint().unwrap_or_default().to_owned();
                    let message = sentence(&name).map_or_else(|| database.message().to_owned(), str::to_owned);
                    // unique, and exclusion
                    let taken = matches!(database.code().as_deref(), Some("23505" | "23P01"));
                    Self::Constraint { name, message, taken }
                }
                None => Self::Unexpected(error),
            },
            Matter::Lease => Self::NotOwner,
            Matter::Other => Self::Unexpected(error),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        if let MigrateError::Execute(source) = error {
            return source.into();
        }
        Self::Migration(error)
    }
}

impl StoreError {
    /// Whether it says nothing about what was to be written, but only about the database: the same may succeed later.
    ///
    /// Tables that this program does not know are counted here too: somebody is about to upgrade one or the other, and a
    /// fact that is dropped meanwhile is lost.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::OutcomeUnknown
            | Self::TooSlow(_)
            | Self::Unexpected(_)
            | Self::Migration(_)
            | Self::Behind(_)
            | Self::Url => true,
            Self::Constraint { .. } | Self::NotFound { .. } | Self::Inconsistent { .. } | Self::NotOwner => false,
        }
    }

    /// Names table and row of an error that was met while reading.
    pub(super) fn reading(table: &'static str, row: impl ToString) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| {
            if let sqlx::Error::ColumnDecode { index, .. } = error {
                return Self::Inconsistent { table, column: index.trim_matches('"').to_owned(), row: row.to_string() };
            }
            error.into()
        }
    }

    /// Whether the same may be tried again at once, with a good chance: a connection that went stale, or two transactions
    /// that got in each other's way. Not if somebody waited for long already.
    pub(super) fn is_passing(&self) -> bool {
        let Self::Unavailable(error) = self else { return false };
        if let sqlx::Error::Database(database) = error {
            return matches!(
                database.code().as_deref(),
                Some("40001" | "40P01" | "57P01" | "57P02" | "57P03" | "08006" | "08003")
            );
        }
        matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed
        )
    }

    /// Whether the database took back what it was asked to commit, for certain.
    pub(super) fn was_rolled_back(error: &sqlx::Error) -> bool {
        let Some(code) = error.as_database_error().and_then(sqlx::error::DatabaseError::code) else { return false };
        code.starts_with("23") || code.starts_with("40")
    }

    /// Whether a statement that is a transaction of its own has certainly not taken place: the server said so, and not that it
    /// ends the connection (57P), which it may say after the commit.
    pub(super) fn was_not_done(error: &sqlx::Error) -> bool {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.is_some_and(|code| !code.starts_with("57P"))
    }
}

/// What the rules that people meet most often mean. The others' names speak for themselves.
fn sentence(constraint: &str) -> Option<&'static str> {
    Some(match constraint {
        "organizations_slug_key" => "there is an organization of that name already",
        "agents_endpoint_key" => "there is an agent with that endpoint already",
        "agents_extension_is_unique_in_organization" => "another agent of the organization has that extension",
        "numbers_e164_is_unique" => "that number is in the inventory already",
        "organization_claims_one_number" => "the organization chose a number already",
        "number_is_claimed_once" => "another organization has that number",
        "organization_has_one_ai_agent" => "the organization has an AI agent already, and may have one",
        "history_is_only_added" => "the history of assignments is only ever added to",
        "trunks_name_key" => "there is a trunk of that name already",
        "agent_has_a_number_once" => "the agent has that number already",
        "assignment_times_do_not_overlap" => "the agent has that number already in that time",
        "assignment_agent_is_of_the_same_organization" | "token_agent_is_of_the_same_organization" => {
            "there is no such agent in the organization"
        }
        "assignment_number_is_of_the_same_organization" | "linked_number_is_of_the_same_organization" => {
            "the number is not the organization's"
        }
        "assignment_daily_limit_is_1_to_1000" => "the daily limit of an assignment is 1 to 1000",
        "agent_daily_limit_is_1_to_100000" | "number_daily_limit_is_1_to_100000" => "the daily limit is 1 to 100000",
        "allowed_countries_are_two_capital_letters_each" => {
            "allowed countries are at least one, of two capital letters each"
        }
        "endpoint_is_not_a_trunk" => "a trunk has that name; an agent must not",
        "trunk_is_not_an_endpoint" => "an agent has that endpoint; a trunk must not",
        "time_zone_is_an_iana_name" => "the time zone must be an IANA name such as America/New_York",
        "organization_has_one_primary_number" => "the organization has a primary number already",
        "campaign_name_is_unique_in_organization" => "the organization has a campaign of that name already",
        "contact_is_once_in_a_campaign" => "the campaign has this contact already",
        "users_email_is_unique" => "there is a user with that address already",
        "email_has_an_at_sign" => "an address looks like alice@example.org",
        "agent_token_has_an_agent" => "an agent's token needs the agent it is for",
        "token_name_is_unique_in_organization" => "the organization has a token of that name already",
        "slug_is_lower_case_letters_digits_hyphens" => {
            "the name must be a lower-case letter, then up to 39 of a-z 0-9 -"
        }
        _ => return None,
    })
}
