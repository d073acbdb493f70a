//! A model of what Asterisk does with the channels and bridges of one ARI application.
//!
//! It has two doors. [`Asterisk::carry_out`] takes the daemon's commands in simulated time, for the simulation of the engine;
//! [`Server`] speaks ARI over HTTP and WebSocket in real time, for the ARI client. Behind both stands the same [`Asterisk`],
//! and `tests/ari.rs` runs one suite against it and against the real one, so that the model is proved honest.
//!
//! It does what was measured on Asterisk 22.10.1 and nothing more: no media, no codecs, no registrations.

#![forbid(unsafe_code)]

mod asterisk;
mod causes;
mod channel;
mod dice;
mod door;
mod event;
mod far_end;
mod json;
mod life;
mod requests;
mod server;

pub use asterisk::{Asterisk, Knobs, MILLI, Micros, SECOND};
pub use channel::{Channel, InApp, State};
pub use dice::Dice;
pub use event::{Event, Kind};
pub use far_end::{FarEnd, FarLeg, PhoneCall};
pub use requests::{Body, Reply, Request};
pub use server::Server;
