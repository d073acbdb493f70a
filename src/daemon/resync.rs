//! What is really there: after every connect, after an overflow, and every few seconds against what nobody told us.

use super::{Lane, clock};
use crate::ari::{AriClient, AriError, ChannelRow, NodeInfo, Translated};
use crate::core::ids::{CallId, NodeName};
use crate::core::input::{Input, ListedChannel};
use crate::store::Store;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

/// A phone that waits for longer is not served any more: nobody stays on a silent line.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

/// Finds phones that dialled when nobody heard it: while the last owner was dead or on its way out, or the events of our
/// application did not come. Asterisk holds them, and tells nobody a second time.
pub(super) struct Unheard {
    pub store: Store,
    pub node: NodeName,
    /// What was dialled later came as an event.
    pub before: Timestamp,
    pub tell: mpsc::UnboundedSender<Translated>,
}

/// Lists the node and tells the engine. Gives back what the node says of itself.
pub(super) async fn resync(client: &AriClient, lane: &Lane, unheard: Option<Unheard>) -> Result<NodeInfo, AriError> {
    // Taken before the requests: what is made while they run is not expected in the lists.
    let at = clock::now();
    let node = client.info().await?;
    let mut rows = client.list_channels().await?;
    let bridges = client.list_bridged().await?;
    for row in &mut rows {
        let its = bridges.iter().find(|bridge| bridge.channels.contains(&row.listed.id));
        row.listed.bridge = its.and_then(|bridge| bridge.id.owner());
    }
    client.end_forgotten_trials(&rows, at).await;
    let waiting: Vec<ChannelRow> = unheard.iter().flat_map(|unheard| unheard.among(&rows, at)).collect();
    let channels: Vec<ListedChannel> = rows
        .into_iter()
        .filter(|row| row.listed.id.owner().is_some() || (row.in_app && row.created_at < at))
        .map(|row| row.listed)
        .collect();
    let bridges: Vec<CallId> = bridges.iter().filter_map(|bridge| bridge.id.owner()).collect();
    lane.tell(Input::Listed { node_started_at: node.startup_time, channels, bridges, at });
    if let Some(unheard) = unheard {
        unheard.tell_of(waiting).await;
    }
    Ok(node)
}

impl Unheard {
    fn among(&self, rows: &[ChannelRow], now: Timestamp) -> Vec<ChannelRow> {
        let recent = |row: &&ChannelRow| row.created_at < self.before && now.duration_since(row.created_at) < PATIENCE;
        let phone = |row: &&ChannelRow| {
            row.in_app && row.listed.id.owner().is_none() && row.listed.bridge.is_none() && !row.exten.is_empty()
        };
        rows.iter().filter(phone).filter(recent).cloned().collect()
    }

    async fn tell_of(self, waiting: Vec<ChannelRow>) {
        for row in waiting {
            let ChannelRow { listed, exten, created_at, .. } = row;
            // One that has its record was served, and now hears why it got no call.
            match self.store.has_agent_channel(&self.node, &listed.id, created_at).await {
                Ok(false) => {
                    tracing::info!(channel = listed.id.as_str(), "a phone dialled when nobody heard it");
                    let found =
                        Translated::AgentDialled { channel: listed.id, name: listed.name, raw: exten, at: created_at };
                    let _ = self.tell.send(found);
                }
                Ok(true) => {}
                Err(error) => tracing::warn!(%error, "it is not known whether a phone that waits was served"),
            }
        }
    }
}
