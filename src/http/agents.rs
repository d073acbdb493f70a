//! The agents of a tenant.

use super::Problem;
use super::auth::{Caller, Sight};
use crate::core::ids::{AgentId, EndpointName};
use crate::store::Transaction;
use crate::store::agents::{self, AgentRow};

/// The tenant's agent of this endpoint or id, as far as the caller's sight reaches.
pub(super) async fn find(
    transaction: &mut Transaction,
    caller: &Caller,
    sight: Sight,
    text: &str,
) -> Result<AgentRow, Problem> {
    let organization = Some(caller.organization);
    let agent = if let Ok(id) = text.parse::<AgentId>() {
        agents::by_id(transaction, id, organization).await?
    } else {
        let endpoint: EndpointName = text.parse().map_err(|_| Problem::agent_not_found())?;
        agents::one(transaction, &endpoint, organization).await?
    };
    if sight.covers(Some(agent.id)) { Ok(agent) } else { Err(Problem::agent_not_found()) }
}
