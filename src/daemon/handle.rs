//! How the rest of the process talks to the loop.

use crate::core::command::Answer;
use crate::core::ids::{CallId, CampaignId, EndpointName};
use tokio::sync::{mpsc, oneshot};

/// A request to the loop, with the place where its answer goes.
#[derive(Debug)]
pub(super) enum Ask {
    Start {
        call: CallId,
        endpoint: EndpointName,
        raw: String,
        campaign: Option<CampaignId>,
        answer: oneshot::Sender<(CallId, Answer)>,
    },
    HangUp {
        call: CallId,
        answer: oneshot::Sender<(CallId, Answer)>,
    },
}

/// The door to the loop. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    asks: mpsc::Sender<Ask>,
}

/// The loop has more requests waiting than it can take, or it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon cannot take the request right now; try again in a second")]
pub struct Busy;

/// So many requests may wait for the loop. It takes each in microseconds: a longer queue would only hide a stall.
const WAITING: usize = 256;

pub(super) fn channel() -> (Handle, mpsc::Receiver<Ask>) {
    let (asks, receiver) = mpsc::channel(WAITING);
    (Handle { asks }, receiver)
}

impl Handle {
    /// Asks that an agent be connected with a number, as this call, whose id is new. Comes back when it is decided, before any
    /// phone rings.
    ///
    /// # Errors
    /// The loop is full or gone; nothing was begun.
    pub async fn start(
        &self,
        call: CallId,
        endpoint: EndpointName,
        raw: String,
        campaign: Option<CampaignId>,
    ) -> Result<Answer, Busy> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Ask::Start { call, endpoint, raw, campaign, answer }).map_err(|_| Busy)?;
        answered.await.map(|(_, answer)| answer).map_err(|_| Busy)
    }

    /// Asks that a call end.
    ///
    /// # Errors
    /// The loop is full or gone.
    pub async fn hang_up(&self, call: CallId) -> Result<Answer, Busy> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Ask::HangUp { call, answer }).map_err(|_| Busy)?;
        answered.await.map(|(_, answer)| answer).map_err(|_| Busy)
    }
}
