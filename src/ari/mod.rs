//! Asterisk's wire: ARI over one event socket and a few kept-alive HTTP connections. It knows no call and decides nothing;
//! it carries out one [`Command`](crate::core::command::Command) at a time and turns events into
//! [`Input`](crate::core::input::Input)s.
//!
//! Three things it must never do: repeat a request that may have rung a phone, wait while events arrive (a reader that
//! stalls makes Asterisk refuse new calls), or put a phone number or a password into a log line or an error.
//!
//! - [`AriClient`] sends requests; each ends as a [`Carried`](crate::core::input::Carried).
//! - [`EventSocket`] holds the socket and feeds [`SocketEvents`].
//! - [`AriConfig`] says which node.

mod accounts;
mod beat;
mod canary;
mod config;
mod connections;
mod dial_string;
mod http;
mod inspect;
mod leave;
mod queries;
mod queue;
mod requests;
mod socket;
mod stats;
#[cfg(test)]
mod test_server;
mod translate;
mod version;
mod wire;

pub use accounts::{AccountKind, REALM, SipAccount};
pub use config::{AriConfig, InvalidAriConfig};
pub use connections::AriSetupError;
pub use dial_string::dial_string;
pub use http::{AriClient, AriError};
pub use inspect::{DANGEROUS_MODULE, Label};
pub use leave::{Free, Leave, Purpose};
pub use queries::{ApplicationInfo, BridgeRow, ChannelRow, FilteredEvent, NodeInfo};
pub use queue::SocketEvents;
pub use socket::{EventSocket, LostWhy, SocketEvent};
pub use stats::SocketStats;
pub use translate::{Translated, translate};
pub use version::is_vulnerable;
pub use wire::{Fault, Malformed};
