//! Handles on calls.

use crate::error::PeerError;
use crate::leg::{Command, Input};
use crate::log::Entry;
use crate::rtp::{Meter, Rtp};
use crate::shared::Guard;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Refused with this SIP status (received as caller, sent as callee).
    Refused(u16),
    /// Cancelled by the caller before the answer.
    Cancelled,
    /// BYE received.
    TheyHungUp,
    /// BYE sent.
    WeHungUp,
    /// No final response to the INVITE, or no ACK to the 200, for 32 s.
    TimedOut,
}

/// How and when a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// What ended it.
    pub how: Ending,
    /// Q.850 cause of the `Reason` header of the BYE, CANCEL or refusal received.
    pub cause: Option<u16>,
    /// ns of [`crate::now_ns`].
    pub at_ns: u64,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            Ending::Refused(status) => write!(f, "refused with {status}")?,
            Ending::Cancelled => f.write_str("cancelled")?,
            Ending::TheyHungUp => f.write_str("they hung up")?,
            Ending::WeHungUp => f.write_str("we hung up")?,
            Ending::TimedOut => f.write_str("timed out")?,
        }
        self.cause.map_or(Ok(()), |cause| write!(f, ", cause {cause}"))
    }
}

/// One provisional response above 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provisional {
    /// 101 to 199.
    pub status: u16,
    /// Early media: it carried SDP.
    pub sdp: bool,
    /// ns of [`crate::now_ns`].
    pub at_ns: u64,
}

/// All that happened to a call so far. Times are ns of [`crate::now_ns`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// First INVITE, sent or received.
    pub invited_ns: u64,
    /// INVITE with credentials, if one was sent.
    pub authenticated_ns: Option<u64>,
    /// Provisional responses above 100, sent or received, in order.
    pub provisionals: Vec<Provisional>,
    /// 200 sent or received.
    pub answered_ns: Option<u64>,
    /// ACK of the 200 sent or received.
    pub confirmed_ns: Option<u64>,
    /// On hold by the other side's SDP (`sendonly` or `inactive`).
    pub held: bool,
    /// re-INVITEs and UPDATEs received.
    pub refreshes: u32,
    /// The end.
    pub ended: Option<End>,
}

/// One call of either direction. Dropping the handle does not end the call.
#[derive(Clone)]
pub struct Call {
    pub(crate) core: Core,
    pub(crate) guard: Arc<Guard>,
}

/// What a handle needs, without keeping the peer alive.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) call_id: String,
    pub(crate) invite: Option<Arc<Entry>>,
    pub(crate) inbox: mpsc::UnboundedSender<Input>,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) meter: Meter,
    pub(crate) rtp_changed: watch::Receiver<u64>,
}

impl Call {
    /// Its Call-ID.
    pub fn call_id(&self) -> &str {
        &self.core.call_id
    }

    /// What happened so far.
    pub fn progress(&self) -> Progress {
        self.core.progress.borrow().clone()
    }

    /// RTP so far; all zero with RTP off.
    pub fn rtp(&self) -> Rtp {
        self.core.meter.read()
    }

    /// Its messages so far.
    pub fn messages(&self) -> Vec<Arc<Entry>> {
        self.guard.shared.log.by_call_id(&self.core.call_id)
    }

    /// Whether the call is over.
    pub fn is_over(&self) -> bool {
        self.core.progress.borrow().ended.is_some()
    }

    /// Waits until `look` finds something in the progress; fails at the end of the call.
    pub async fn wait_for<T>(
        &self,
        what: &'static str,
        within: Duration,
        look: impl Fn(&Progress) -> Option<T>,
    ) -> Result<T, PeerError> {
        let mut progress = self.core.progress.clone();
        let search = async {
            loop {
                {
                    let now = progress.borrow_and_update();
                    if let Some(found) = look(&now) {
                        return Ok(found);
                    }
                    if let Some(end) = now.ended {
                        return Err(PeerError::Ended(end));
                    }
                }
                progress.changed().await.map_err(|_| PeerError::Closed)?;
            }
        };
        tokio::time::timeout(within, search).await.map_err(|_| PeerError::Timeout(what))?
    }

    /// Waits for the 200; the error tells how the call ended instead.
    pub async fn answered(&self, within: Duration) -> Result<(), PeerError> {
        self.wait_for("answer", within, |p| p.answered_ns.map(|_| ())).await
    }

    /// Waits for the end.
    pub async fn ended(&self, within: Duration) -> Result<End, PeerError> {
        self.wait_for("end of the call", within, |p| p.ended).await
    }

    /// Waits until the RTP satisfies `test`.
    pub async fn rtp_until(
        &self,
        what: &'static str,
        within: Duration,
        test: impl Fn(&Rtp) -> bool,
    ) -> Result<Rtp, PeerError> {
        let mut changed = self.core.rtp_changed.clone();
        let search = async {
            loop {
                changed.borrow_and_update();
                let rtp = self.rtp();
                if test(&rtp) {
                    return Ok(rtp);
                }
                changed.changed().await.map_err(|_| PeerError::Closed)?;
            }
        };
        tokio::time::timeout(within, search).await.map_err(|_| PeerError::Timeout(what))?
    }

    /// BYE; before the answer CANCEL as caller, 480 as callee.
    pub fn hang_up(&self) {
        self.command(Command::HangUp);
    }

    /// re-INVITE with `sendonly` (and no more RTP from here).
    pub fn hold(&self) {
        self.command(Command::Hold(true));
    }

    /// re-INVITE with `sendrecv`.
    pub fn resume(&self) {
        self.command(Command::Hold(false));
    }

    pub(crate) fn command(&self, command: Command) {
        // The leg may be gone; then there is nothing to command.
        let _ = self.core.inbox.send(Input::Command(command));
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("call_id", &self.call_id()).field("progress", &self.progress()).finish()
    }
}

/// A call the peer placed.
#[derive(Debug, Clone)]
pub struct OutCall(pub(crate) Call);

impl OutCall {
    /// Waits for a provisional response above 100: 180, or 183 with early media.
    pub async fn provisional(&self, within: Duration) -> Result<Provisional, PeerError> {
        self.0.wait_for("provisional response", within, |p| p.provisionals.first().copied()).await
    }

    /// CANCEL with the INVITE's branch, as soon as a provisional response came; BYE if answered already.
    pub fn cancel(&self) {
        self.0.command(Command::HangUp);
    }
}

impl Deref for OutCall {
    type Target = Call;
    fn deref(&self) -> &Call {
        &self.0
    }
}

/// A call that came to the peer.
#[derive(Debug, Clone)]
pub struct InCall {
    pub(crate) call: Call,
    pub(crate) invite: Arc<Entry>,
}

impl InCall {
    /// The INVITE.
    pub fn invite(&self) -> &Entry {
        &self.invite
    }

    /// The user dialled.
    pub fn number(&self) -> &str {
        self.invite.uri_user().unwrap_or_default()
    }

    /// Sends 180.
    pub fn ring(&self) {
        self.call.command(Command::Ring { early_media: false });
    }

    /// Sends 183 with SDP, and the tone.
    pub fn early_media(&self) {
        self.call.command(Command::Ring { early_media: true });
    }

    /// Sends 200 with SDP, and the tone.
    pub fn answer(&self) {
        self.call.command(Command::Answer);
    }

    /// Refuses with this status, 300 to 699.
    pub fn reject(&self, status: u16) {
        self.call.command(Command::Reject(status));
    }
}

impl Deref for InCall {
    type Target = Call;
    fn deref(&self) -> &Call {
        &self.call
    }
}
