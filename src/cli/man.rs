//! `cordboard man`.

use super::context::Context;
use super::failure::{Failure, Outcome};
use super::output;
use clap::{Args, Command};
use clap_mangen::Man as Page;
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Print the manual page, or write one for each command
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard man | man -l -
  cordboard man --dir /usr/local/share/man/man1")]
pub struct Man {
    /// Where to write a page for each command; it is made if it is not there
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

impl Man {
    pub fn run(&self, context: &Context) -> Outcome {
        let Some(dir) = &self.dir else {
            let mut out = std::io::stdout().lock();
            out.write_all(&page(super::command())?)?;
            return Ok(out.flush()?);
        };
        let cannot = |error| Failure::new(format!("{} cannot be written: {error}", dir.display()));
        fs::create_dir_all(dir).map_err(cannot)?;
        let mut command = super::command();
        command.build();
        let mut written = Vec::new();
        pages(&command, "cordboard", dir, &mut written)?;
        if context.json {
            return output::print_json(&json!({ "written": written }));
        }
        output::note(false, &format!("{} pages in {}", written.len(), dir.display()));
        Ok(())
    }
}

fn pages(command: &Command, name: &str, dir: &Path, written: &mut Vec<PathBuf>) -> Outcome {
    let path = dir.join(format!("{name}.1"));
    let text = page(command.clone())?;
    fs::write(&path, text).map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))?;
    written.push(path);
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        pages(sub, &format!("{name}-{}", sub.get_name()), dir, written)?;
    }
    Ok(())
}

/// One page, as roff.
fn page(command: Command) -> Outcome<Vec<u8>> {
    let mut text = Vec::new();
    Page::new(command).source(concat!("cordboard ", env!("CARGO_PKG_VERSION"))).render(&mut text)?;
    Ok(text)
}
