//! Cordboard's program: arguments in, exit code out.

use clap::Parser as _;
use cordboard::cli::{Cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => run(cli),
        // with CORDBOARD_CONFIG set, clap takes `cordboard` alone for a slip
        Err(_) if std::env::args_os().len() < 2 => {
            let _ = cordboard::cli::command().print_long_help();
            ExitCode::from(2)
        }
        Err(error) => {
            // help and version are "errors" too; a reader that has gone away is none
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}
