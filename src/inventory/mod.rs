//! The numbers that are ours, as people and other programs write them down: the words of a number, and lists of numbers in
//! CSV or JSON. Every line gets its answer, with line and column; nothing is half-read.
//!
//! It does no IO: bytes come in by the piece ([`csv::Reader`]) or whole ([`json::read`]), and [`Line`]s go out, so that a list
//! of any length takes no more memory than its longest line.

pub mod csv;
pub mod json;
pub mod listed;
pub mod row;
pub mod words;

pub use row::{Entry, Field, Line, Rules, Wrong};
pub use words::{Capabilities, InvalidWord, Label, Metadata, NumberKind, Provider, ProviderId, Set};

use std::fmt;

/// Why a whole list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where, as an editor counts.
    pub line: u64,
    /// Which column of that line.
    pub column: u64,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Unreadable {}
