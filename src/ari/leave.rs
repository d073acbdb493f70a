//! Whether a request may leave: an Asterisk has one owner, and who lost it must not send another order.

use std::fmt;
use std::time::Duration;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To see something. Changes nothing.
    Look,
    /// To see whether our application's events come to us.
    Prove,
    /// To change something: connect legs, end them, call an emergency service.
    Act,
    /// To make a phone ring.
    Ring,
    /// To take our application, whoever has it.
    Connect,
    /// To take our application unless somebody has it.
    ConnectIfFree,
}

/// Asked right before each request.
pub trait Leave: fmt::Debug + Send + Sync {
    /// Whether it may be sent now.
    fn allows(&self, purpose: Purpose) -> bool;

    /// A test event that was sent so long ago came back: our application is ours.
    fn application_held(&self, sent_ago: Duration);
}

/// Everything may leave: for those who have Asterisk to themselves.
#[derive(Clone, Copy, Debug)]
pub struct Free;

impl Leave for Free {
    fn allows(&self, _: Purpose) -> bool {
        true
    }

    fn application_held(&self, _: Duration) {}
}
