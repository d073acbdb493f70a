//! The live ring: the real daemon, a real Asterisk, a real Postgres, and SIP peers as the agents' phones and the carrier.
//! What the peers saw on the wire is the witness; after every scenario the records are held against it ([`check`]).
//!
//! The scenarios run one after another: one Asterisk serves one daemon.

mod check;
mod daemon;
mod floor;
mod http;
mod rewriter;
mod servers;

mod accounts;
mod campaigns;
mod click_to_call;
mod controls;
mod doctor;
mod emergency;
mod faults;
mod fitness;
mod giving_up;
mod keys;
mod kills;
mod numbers;
mod outage;
mod outage_figures;
mod outcomes;
mod refusals;
mod replicas;
mod standbys;
mod survivors;
mod takeovers;

// Of the torture, which has more use for them.
#[path = "../torture/figures.rs"]
mod figures;
#[path = "../torture/size.rs"]
#[expect(dead_code, reason = "shared")]
mod size;
