//! A small SIP user agent over UDP with RTP: the phones and the carriers of Cordboard's live tests,
//! the load generator of its benchmarks, and the outside witness of what was really sent.
//!
//! One [`Peer`] is one UDP socket with one background task; every call is one more task. Every
//! message sent or received is in its [`Log`], stamped by one clock ([`now_ns`]) for the whole process.

#![forbid(unsafe_code)]

mod call;
mod callee;
mod caller;
mod clock;
mod config;
mod dialog;
mod digest;
mod error;
mod leg;
pub mod load;
mod log;
mod media;
mod message;
mod peer;
mod rtp;
mod sdp;
mod shared;
mod timers;
mod tone;
mod uri;
mod within;

pub use call::{Call, End, Ending, InCall, OutCall, Progress, Provisional};
pub use clock::now_ns;
pub use config::{Account, Behaviour, Dial, PeerConfig, Rules};
pub use digest::{Challenge, verify};
pub use error::PeerError;
pub use log::{Direction, Entry, Log};
pub use message::{Message, Start};
pub use peer::Peer;
pub use rtp::Rtp;
