//! The daemon's mind. Pure: no clock, no randomness, no IO, no `async`. [`Input`](input::Input)s come in with the time,
//! [`Fact`](fact::Fact)s to store and [`Command`](command::Command)s to carry out go out, so that everything that can go
//! wrong is a test that runs in microseconds.

pub mod call;
pub mod command;
pub mod engine;
pub mod fact;
pub mod ids;
pub mod input;
pub mod number;
pub mod orders;
pub mod outcome;
pub mod phase;
pub mod record;
pub mod settings;
