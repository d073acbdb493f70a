//! `cordboard completions`.

use super::failure::Outcome;
use clap::Args;
use clap_complete::Shell;
use std::io::Write as _;

/// Print what completes commands in your shell
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard completions bash > /etc/bash_completion.d/cordboard")]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub fn run(&self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "cordboard", &mut script);
        let mut out = std::io::stdout().lock();
        out.write_all(&script)?;
        Ok(out.flush()?)
    }
}
