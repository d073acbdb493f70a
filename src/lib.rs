//! Cordboard makes an Asterisk server a calling floor.

pub mod ari;
pub mod config;
pub mod core;
pub mod numbering;
pub mod policy;
