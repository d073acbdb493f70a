//! What is really there: after every connect, after an overflow, and every few seconds against what nobody told us.

use super::{Lane, clock};
use crate::ari::{AriClient, AriError, NodeInfo};
use crate::core::ids::{BridgeId, CallId};
use crate::core::input::{Input, ListedChannel};

/// Lists the node and tells the engine. Gives back what the node says of itself.
pub(super) async fn resync(client: &AriClient, lane: &Lane) -> Result<NodeInfo, AriError> {
    // Taken before the requests: what is made while they run is not expected in the lists.
    let at = clock::now();
    let node = client.info().await?;
    let channels: Vec<ListedChannel> = client
        .list_channels()
        .await?
        .into_iter()
        .filter(|row| row.listed.id.owner().is_some() || (row.in_app && row.created_at < at))
        .map(|row| row.listed)
        .collect();
    let bridges: Vec<CallId> = client.list_bridges().await?.iter().filter_map(BridgeId::owner).collect();
    lane.tell(Input::Listed { node_started_at: node.startup_time, channels, bridges, at });
    Ok(node)
}
