//! `cordboard check-config`: everything that is wrong with the settings, at once.

use super::context::Context;
use super::failure::{CONFIG, Failure, Outcome};
use super::output;
use crate::config::{self, Notice};
use clap::Args;
use serde_json::{Value, json};

/// Check the settings, and name everything that is wrong with them
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard check-config --config cordboard.toml
  cordboard check-config --show      all settings in force, secrets masked")]
pub struct CheckConfig {
    /// Print all settings in force, those of the environment and the defaults included, secrets masked
    #[arg(long)]
    show: bool,
}

impl CheckConfig {
    pub fn run(&self, context: &Context) -> Outcome {
        match config::load(context.path()) {
            Ok(loaded) => {
                if context.json {
                    let warnings: Vec<_> = loaded.warnings.iter().map(|warning| notice(warning.notice())).collect();
                    let mut report = json!({"ok": true, "errors": [], "warnings": warnings});
                    if self.show {
                        let shown: toml::Table = loaded.config.redacted_toml().parse().map_err(Failure::new)?;
                        report["settings"] = serde_json::to_value(shown).map_err(Failure::new)?;
                    }
                    return print_as_it_is(&report);
                }
                for warning in &loaded.warnings {
                    eprintln!("warning: {warning}");
                }
                if self.show {
                    return output::print(&loaded.config.redacted_toml());
                }
                let name = context.path().file_name().unwrap_or(context.path().as_os_str());
                output::print(&format!("{}: ok", name.display()))
            }
            Err(errors) => {
                if context.json {
                    let errors: Vec<_> = errors.notices().iter().map(notice).collect();
                    print_as_it_is(&json!({"ok": false, "errors": errors, "warnings": []}))?;
                } else {
                    eprintln!("{errors}");
                }
                Err(Failure::silent(CONFIG))
            }
        }
    }
}

fn notice(notice: &Notice) -> Value {
    json!({"key": notice.key(), "place": notice.place().to_string(), "message": notice.message()})
}

/// The keys of settings keep their names.
fn print_as_it_is(report: &Value) -> Outcome {
    output::print(&serde_json::to_string_pretty(report).map_err(Failure::new)?)
}
