//! What an administrator can set about calls.

use super::ids::TrunkName;
use super::number::E164;

/// The part of the configuration that the engine needs. Replaced as a whole by a reload.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long a customer's phone may ring, in seconds.
    pub ring_timeout_s: u32,
    /// How long an agent's phone may ring (click-to-call), in seconds.
    pub agent_ring_timeout_s: u32,
    /// No call lasts longer than this, in seconds, whatever becomes of the daemon.
    pub max_call_s: u32,
    /// Ask the agent's phone to answer by itself (click-to-call).
    pub auto_answer: bool,
    /// The way of emergency calls.
    pub emergency: Option<EmergencyRoute>,
}

/// The way of emergency calls.
#[derive(Clone, Debug, PartialEq)]
pub struct EmergencyRoute {
    /// The trunk they take.
    pub trunk: TrunkName,
    /// The number they present: one with a registered address, at which the caller can be called back.
    pub caller_id: E164,
}
