//! Who is at the other end of a channel, and what that party saw: the witness.

use crate::asterisk::Micros;

/// What the phone or the carrier that a channel calls will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FarEnd {
    /// Rings and picks up.
    Answer {
        /// From the INVITE to the answer.
        ring: Micros,
        /// Audio before the answer instead of plain ringing.
        early_media: bool,
        /// Hangs up so long after the answer.
        hang_up_after: Option<Micros>,
    },
    /// Refuses.
    Reject {
        /// SIP status.
        status: u16,
        /// Rings so long before; zero: does not ring.
        ring: Micros,
    },
    /// Rings and never answers.
    RingForever,
    /// Gives no sign of life at all.
    Silent,
    /// No phone is registered, or there is no such trunk: not even a channel can be made.
    Unknown,
}

/// What the far end of a channel that we dialled saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FarLeg {
    /// The channel whose end made the agent's phone, as `originator` named it.
    pub originator: Option<String>,
    /// Whom the INVITE was for.
    pub user: String,
    /// Asterisk accepted an order to dial; the INVITE follows unless the channel ends at once.
    pub ordered: bool,
    /// INVITEs seen. More than one is what must never be.
    pub invites: u32,
    /// It rings since then; none when it does no more.
    pub ringing_since: Option<Micros>,
    /// When it picked up.
    pub answered_at: Option<Micros>,
    /// When its leg was over, by whosesoever doing.
    pub ended_at: Option<Micros>,
}

/// What a phone that called in saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneCall {
    /// It was picked up.
    pub answered: bool,
    /// The final SIP status of an unanswered call.
    pub status: Option<u16>,
    /// Q.850 cause of the BYE of an answered one.
    pub cause: Option<u16>,
    /// When it was over.
    pub ended_at: Option<Micros>,
}
