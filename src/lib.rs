//! Cordboard makes an Asterisk server a calling floor.

pub mod core;
pub mod policy;
pub mod store;
