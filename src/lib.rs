//! Cordboard makes an Asterisk server a calling floor. Agents dial by hand; Cordboard decides whether the call may be made,
//! picks the caller ID, holds the daily limits, bridges the two and records what happened.
//!
//! # The map
//!
//! A pure middle, a ring of IO, one shell.
//!
//! | room | what it is | what it must never do |
//! |---|---|---|
//! | [`core`] | the daemon's mind: inputs and the time in, facts and commands out | ask the time, wait, do IO, draw a random number |
//! | [`policy`] | who may call whom, from which number, now, and why not | the same |
//! | [`access`] | who may do what: roles, acts, a table | the same |
//! | [`inventory`] | what is said about our numbers, and lists of them in CSV and JSON | do IO; read a list half |
//! | [`carriers`] | the numbers that we have with carriers, over their APIs | write to a carrier; follow an address elsewhere |
//! | [`analytics`] | which figures are asked for, how they add up, and what they are called | ask anybody |
//! | [`numbering`] | from what was dialled to E.164, region and class | guess a country by a prefix |
//! | [`keys`] | tokens and passwords, and what is kept of them | keep one |
//! | [`live`] | events, and how they are sent: signatures, retries, addresses that are not reached | read a clock; spawn; send where it was not named |
//! | [`ari`] | Asterisk's wire | know a call; repeat a request that may have rung a phone |
//! | [`journal`] | records on the disk of this machine, for the time that the database is away | know a fact or a call |
//! | [`store`] | the only SQL | know Asterisk or HTTP |
//! | `http` | the API | know Asterisk; speak SQL |
//! | [`daemon`] | the shell: the loop, and the only place that spawns, sleeps or asks the time | decide anything |
//! | [`checks`] | whether what the daemon needs is as it must be | change anything; start tasks |
//! | [`config`] | one TOML file, the environment and secrets, checked as a whole | let a half-valid configuration exist |
//! | [`cli`] | the command line | hold logic that the API would need too |
//! | [`telemetry`] | logs and metrics | show a phone number |
//!
//! A call walks through them like this: [`ari::translate`] turns an event into an [`Input`](core::input::Input);
//! [`Engine::step`](core::engine::Engine::step) answers with facts and commands; [`store::admit`] decides and reserves in one
//! transaction with [`policy::choose`]; the shell carries the commands out, in order per call.

#[macro_use]
mod crash;

pub mod access;
pub mod analytics;
pub mod ari;
pub mod carriers;
pub mod checks;
pub mod cli;
pub mod config;
pub mod core;
pub mod daemon;
pub mod http;
pub mod inventory;
pub mod journal;
pub mod keys;
pub mod live;
pub mod numbering;
pub mod policy;
mod retry_after;
pub mod store;
pub mod telemetry;
