//! `[log]`: what is logged, and how.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::report::{Given, Report};
use super::{Reported, changed};

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// How a line is written.
    pub format: LogFormat,
    /// An `EnvFilter` directive, known to be valid.
    pub level: String,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    format: Option<Given<String>>,
    level: Option<Given<String>>,
}

impl Log {
    pub(super) fn check(raw: RawLog, report: &mut Report) -> Result<Self, Reported> {
        let format = report.value("log.format", raw.format);
        let format = format.and_then(|format| match format.as_deref() {
            None | Some("auto") => Ok(LogFormat::Auto),
            Some("json") => Ok(LogFormat::Json),
            Some("text") => Ok(LogFormat::Text),
            Some(other) => Err(report.error("log.format", format!("{other:?} is unknown; use auto, json or text"))),
        });
        let level = report.value("log.level", raw.level);
        let level = level.and_then(|level| checked_level(level.unwrap_or_else(|| "info".to_owned()), report));
        Ok(Self { format: format?, level: level? })
    }

    pub(super) fn restart_keys(&self, new: &Self) -> Vec<&'static str> {
        let Self { format, level: _ } = self;
        changed([("log.format", *format != new.format)])
    }
}

impl LogFormat {
    /// The word that the file uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

fn checked_level(level: String, report: &mut Report) -> Result<String, Reported> {
    let key = "log.level";
    // `EnvFilter` takes a lone word that is no level for the name of a module, and then logs nothing else.
    let is_word = |part: &&str| part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let strange = level.split(',').map(str::trim).filter(is_word).find(|part| part.parse::<LevelFilter>().is_err());
    if let Some(part) = strange {
        let message = format!(
            "{part:?} is not a level; use off, error, warn, info, debug or trace, and module=level for one module"
        );
        return Err(report.error(key, message));
    }
    if EnvFilter::try_new(&level).is_err() {
        let message =
            format!("{level:?} is not a filter; write a level, or a list such as \"info,cordboard::ari=debug\"");
        return Err(report.error(key, message));
    }
    if level == "off" {
        report.warn(key, "nothing is logged, not even failures");
    }
    Ok(level)
}
