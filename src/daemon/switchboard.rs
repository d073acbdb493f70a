//! Which loop a request goes to.

use super::handle::Busy;
use super::line::{Line, Open};
use super::spread::Spread;
use crate::core::command::Answer;
use crate::core::ids::{CallId, CampaignId, EndpointName, NodeName};
use futures::future::join_all;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// A node that does not say in this time whether a phone is registered there, gets no call.
const LOOK: Duration = Duration::from_millis(500);

/// The doors to all nodes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Switchboard {
    lines: Arc<[Arc<Line>]>,
    spread: Arc<Mutex<Spread>>,
}

/// Why a request was not taken. Nothing was begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// Too much is asked at once.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The node is another replica's.
    #[error("another replica owns the node")]
    Elsewhere {
        /// Which node.
        node: String,
        /// Which replica, if it is known.
        owner: Option<String>,
    },
}

impl Switchboard {
    pub(super) fn new(lines: Arc<[Arc<Line>]>) -> Self {
        Self { lines, spread: Arc::default() }
    }

    /// Every node of the configuration.
    pub fn lines(&self) -> &[Arc<Line>] {
        &self.lines
    }

    /// Asks that an agent be connected with a number, as this call. Comes back when it is decided, before any phone rings.
    ///
    /// # Errors
    /// Nothing was begun: no node is ours, or its loop is full.
    pub async fn start(
        &self,
        call: CallId,
        endpoint: EndpointName,
        raw: String,
        campaign: Option<CampaignId>,
    ) -> Result<Answer, Unserved> {
        let open = self.choose(&endpoint).await?;
        Ok(open.handle.start(call, endpoint, raw, campaign).await?)
    }

    /// Asks that a call on a node end.
    ///
    /// # Errors
    /// The node is another replica's, or its loop is full.
    pub async fn hang_up(&self, call: CallId, node: &str) -> Result<Answer, Unserved> {
        let line = self.lines.iter().find(|line| line.name.as_ref() == node);
        match line.and_then(|line| line.doors()) {
            Some(open) => Ok(open.handle.hang_up(call).await?),
            None => Err(elsewhere(node, line.map(|line| &**line))),
        }
    }

    /// Of our nodes one where the phone is registered, by weight. If it is registered at none, its node may be another
    /// replica's; if all nodes are ours the call is made all the same, and says why it cannot.
    async fn choose(&self, endpoint: &EndpointName) -> Result<Open, Unserved> {
        let ours: Vec<(&Arc<Line>, Open)> = self.lines.iter().filter_map(|line| Some((line, line.doors()?))).collect();
        let others = self.lines.iter().find(|line| !line.is_ours());
        let Some(first) = ours.first() else {
            let (node, line) = others.map_or(("", None), |line| (line.name.as_ref(), Some(&**line)));
            return Err(elsewhere(node, line));
        };
        if self.lines.len() == 1 {
            return Ok(first.1.clone());
        }
        let registered = join_all(ours.iter().map(async |(line, open)| {
            let is_up = line.status.asterisk.load(Ordering::Relaxed);
            is_up && matches!(timeout(LOOK, open.client.endpoint_online(endpoint)).await, Ok(Ok(Some(true))))
        }))
        .await;
        let candidates: Vec<(&NodeName, u32)> = ours
            .iter()
            .zip(registered)
            .filter_map(|((line, _), registered)| registered.then_some((&line.name, line.weight)))
            .collect();
        let picked = self.spread.lock().unwrap_or_else(PoisonError::into_inner).pick(&candidates);
        match (picked, others) {
            (Some(name), _) => {
                let found = ours.iter().find(|(line, _)| line.name == *name);
                Ok(found.map_or_else(|| first.1.clone(), |(_, open)| open.clone()))
            }
            (None, Some(line)) => Err(elsewhere(line.name.as_ref(), Some(line))),
            (None, None) => {
                let up = ours.iter().find(|(line, _)| line.status.asterisk.load(Ordering::Relaxed));
                Ok(up.unwrap_or(first).1.clone())
            }
        }
    }
}

fn elsewhere(node: &str, line: Option<&Line>) -> Unserved {
    Unserved::Elsewhere { node: node.to_owned(), owner: line.and_then(Line::owner) }
}
