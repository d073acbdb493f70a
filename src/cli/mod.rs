//! The command line.

mod serve;

pub use serve::serve;
