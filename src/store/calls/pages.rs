//! Lists of calls, by the page.

use super::CallRow;
use crate::core::ids::{AgentId, CallId, NumberId, OrganizationId};
use crate::core::outcome::Disposition;
use crate::store::{StoreError, columns};
use jiff::Timestamp;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

/// Which calls to list; all fields together, none of them for all calls.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// Of this tenant.
    pub organization: Option<OrganizationId>,
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// From this number.
    pub number: Option<NumberId>,
    /// With this end.
    pub disposition: Option<Disposition>,
    /// Asked for at this moment or later.
    pub since: Option<Timestamp>,
    /// Asked for before this moment.
    pub until: Option<Timestamp>,
    /// Not ended yet, or ended.
    pub open: Option<bool>,
}

const HEAD: &str = "SELECT c.*, n.dialled, n.destination, n.presented, o.slug AS organization, g.name AS agent,
        k.name AS campaign
    FROM (SELECT c.* FROM calls c WHERE c.id < ";
const TAIL: &str = ") c
    LEFT JOIN call_numbers n ON n.call_id = c.id
    LEFT JOIN organizations o ON o.id = c.organization_id
    LEFT JOIN agents g ON g.id = c.agent_id
    LEFT JOIN campaigns k ON k.id = c.campaign_id
    ORDER BY c.id DESC";

impl CallFilter {
    /// Only the conditions that there are, and how long the page is at most, so that the plan begins at the index that leaves the
    /// fewest calls.
    fn query(&self, before: Option<CallId>, limit: u32) -> QueryBuilder<Postgres> {
        let mut query = QueryBuilder::new(HEAD);
        query.push_bind(before.map_or(Uuid::max(), |b| b.0));
        if let Some(organization) = self.organization {
            query.push(" AND c.organization_id = ").push_bind(organization.0);
        }
        if let Some(agent) = self.agent {
            query.push(" AND c.agent_id = ").push_bind(agent.0);
        }
        if let Some(number) = self.number {
            query.push(" AND c.number_id = ").push_bind(number.0);
        }
        if let Some(disposition) = self.disposition {
            query.push(" AND c.disposition = ").push_bind(disposition.as_str());
        }
        if let Some(since) = self.since {
            query.push(" AND c.requested_at >= ").push_bind(columns::at(since));
        }
        if let Some(until) = self.until {
            query.push(" AND c.requested_at < ").push_bind(columns::at(until));
        }
        if let Some(open) = self.open {
            query.push(if open { " AND c.settled_at IS NULL" } else { " AND c.settled_at IS NOT NULL" });
        }
        // A number of ours; a limit that is a parameter is guessed to be a tenth of all calls.
        query.push(format_args!(" ORDER BY c.id DESC LIMIT {limit}")).push(TAIL);
        query
    }
}

/// Calls, newest first: at most `limit` of those older than `before`. In a transaction, in which statements are planned for their
/// values from then on.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn list(
    connection: &mut PgConnection,
    filter: &CallFilter,
    before: Option<CallId>,
    limit: u32,
) -> Result<Vec<CallRow>, StoreError> {
    // A tenant may have all the calls there are, or three of ten million: no one plan is good for both.
    sqlx::raw_sql("SET LOCAL plan_cache_mode = force_custom_plan").execute(&mut *connection).await?;
    let rows = filter.query(before, limit).build_query_as().persistent(false).fetch_all(connection).await;
    rows.map_err(StoreError::reading("calls", ""))
}
