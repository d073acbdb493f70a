//! Cordboard makes an Asterisk server a calling floor.

pub mod ari;
pub mod cli;
pub mod config;
pub mod core;
pub mod daemon;
pub mod http;
pub mod numbering;
pub mod policy;
pub mod store;
pub mod telemetry;
