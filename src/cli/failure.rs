//! How a command fails: one line that says what to do next, and an exit code.

use crate::store::StoreError;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

/// Something went wrong that trying again will not mend.
pub const ERROR: u8 = 1;
/// The call would be refused.
pub const REFUSED: u8 = 3;
/// There is something to change, and it was not changed.
pub const PENDING: u8 = 4;
/// `EX_UNAVAILABLE` of sysexits.h: something that we need is not there.
pub const UNAVAILABLE: u8 = 69;
/// `EX_CONFIG` of sysexits.h.
pub const CONFIG: u8 = 78;

/// What a command comes to.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// Empty if all is said, or nobody listens.
    message: String,
    code: u8,
}

impl Failure {
    /// An error that trying again will not mend.
    pub fn new(message: impl Display) -> Self {
        Self::with_code(ERROR, message)
    }

    pub fn with_code(code: u8, message: impl Display) -> Self {
        Self { message: message.to_string(), code }
    }

    /// All is said already; only the exit code is left.
    pub fn silent(code: u8) -> Self {
        Self { message: String::new(), code }
    }

    /// Tells the person at the terminal.
    pub fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("cordboard: {}", self.message.lines().map(str::trim).collect::<Vec<_>>().join(" "));
        }
        ExitCode::from(self.code)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::TooSlow(_) => {
                Self::with_code(UNAVAILABLE, format!("{error}; check that Postgres runs, and the key postgres.url"))
            }
            StoreError::OutcomeUnknown => Self::with_code(UNAVAILABLE, format!("{error}; look before you do it again")),
            StoreError::Url => Self::with_code(CONFIG, format!("{error}: see the key postgres.url")),
            // the name of the constraint is of use to those who write SQL
            StoreError::Constraint { name, message, .. } if name.is_empty() => Self::new(message),
            StoreError::Constraint { .. }
            | StoreError::NotFound { .. }
            | StoreError::Inconsistent { .. }
            | StoreError::Migration(_)
            | StoreError::Behind(_)
            | StoreError::NotOwner
            | StoreError::Unexpected(_) => Self::new(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // `cordboard calls list | head -1` has seen enough
            return Self::silent(0);
        }
        Self::new(format!("cannot write what came of it: {error}"))
    }
}
