//! `cordboard openapi`.

use super::failure::Outcome;
use clap::Args;
use std::io::Write as _;

/// Print the API's contract: OpenAPI 3.1, as JSON
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard openapi > openapi.json

The running daemon has it at /api/v1/openapi.json, and for people at /docs.")]
pub struct Openapi {}

impl Openapi {
    #[expect(clippy::unused_self, reason = "like the other commands")]
    pub fn run(&self) -> Outcome {
        let mut out = std::io::stdout().lock();
        out.write_all(crate::http::openapi::text().as_bytes())?;
        Ok(out.flush()?)
    }
}
