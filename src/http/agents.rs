//! The agents of a tenant.

use super::auth::Tenant;
use super::{AppState, Problem};
use crate::core::ids::{AgentId, EndpointName};
use crate::store::agents::AgentRow;

/// The tenant's agent of this endpoint or id.
pub(super) async fn find(state: &AppState, Tenant(tenant): Tenant, text: &str) -> Result<AgentRow, Problem> {
    if let Ok(id) = text.parse::<AgentId>() {
        let agents = state.store.agents(Some(tenant)).await?;
        return agents.into_iter().find(|agent| agent.id == id).ok_or_else(Problem::agent_not_found);
    }
    let endpoint: EndpointName = text.parse().map_err(|_| Problem::agent_not_found())?;
    Ok(state.store.agent(&endpoint, Some(tenant)).await?)
}
