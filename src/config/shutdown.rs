//! `[shutdown]`: how the daemon ends.

use std::time::Duration;

use serde::Deserialize;

use super::Reported;
use super::report::{Given, Report};

/// How the daemon ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Shutdown {
    /// How long it waits for calls to end after it was told to stop; calls that are left go on without it.
    pub drain_timeout: Duration,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawShutdown {
    drain_timeout_s: Option<Given<u64>>,
}

impl Shutdown {
    pub(super) fn check(raw: RawShutdown, report: &mut Report) -> Result<Self, Reported> {
        let drain_timeout = report.seconds("shutdown.drain_timeout_s", raw.drain_timeout_s, 60, &(0..=3600));
        Ok(Self { drain_timeout: drain_timeout? })
    }
}
