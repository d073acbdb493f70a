//! The numbers that we have with carriers, read over their APIs: compared with our own, and taken in.
//!
//! | file | what it is | does IO |
//! |---|---|---|
//! | [`twilio`], [`telnyx`] | an address and a page of theirs → [`Page`](crate::inventory::listed::Page) | no |
//! | [`drift`] | their list and ours → what differs | no |
//! | [`client`] | one question after the other, with bounds and patience | yes |
//! | [`import`] | page by page into the [`store`](crate::store::carriers), and on from where it stopped | yes |
//!
//! Nothing is ever written to a carrier: all requests are reads, so all of them may be repeated.

pub mod client;
pub mod drift;
mod entry;
pub mod import;
pub mod telnyx;
pub mod twilio;

pub use client::{CarrierError, Client, Patience};

/// Why an answer of a carrier is no page of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not what the carrier documents.
    #[error("its answer is not as documented: {0}")]
    Form(&'static str),
    /// The next page would be somewhere else, where our password has no business.
    #[error("its next page is not at the address of its list, so it is not followed")]
    Elsewhere,
}
