//! `[emergency]`: where emergency calls go.

use serde::Deserialize;

use super::Reported;
use super::calls::required;
use super::report::{Given, Report};
use crate::core::settings::EmergencyRoute;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEmergency {
    trunk: Option<Given<String>>,
    caller_id: Option<Given<String>>,
}

/// Absent is allowed, with a warning; half of it is not.
pub(super) fn check(raw: Option<RawEmergency>, report: &mut Report) -> Result<Option<EmergencyRoute>, Reported> {
    let Some(raw) = raw else {
        if report.is_wrong("emergency") {
            return Err(Reported);
        }
        let message = "no emergency route configured: calls to 911, 112 and the like will be refused; give trunk and \
                       caller_id, or make sure that every agent has another phone for them";
        report.warn("emergency", message);
        return Ok(None);
    };
    let trunk = report.parsed("emergency.trunk", raw.trunk);
    let trunk = required(trunk, "emergency.trunk", "that delivers emergency calls", report);
    let caller_id = report.parsed("emergency.caller_id", raw.caller_id);
    let caller_id = required(caller_id, "emergency.caller_id", "that can be called back", report);
    Ok(Some(EmergencyRoute { trunk: trunk?, caller_id: caller_id? }))
}
