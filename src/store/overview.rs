//! Numbers by what they have in common, and how many there are of what.

use super::StoreError;
use crate::core::ids::OrganizationId;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{FromRow, PgConnection};

/// Numbers that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberGroup")]
pub struct Group {
    /// The value of the key; none: these have no such key.
    pub value: Option<String>,
    /// How many.
    pub numbers: i64,
    /// How many of them are in use.
    pub active: i64,
    /// How many of them have an agent.
    pub assigned: i64,
}

/// How many there are of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberSummary")]
pub struct Summary {
    /// Agents.
    pub agents: i64,
    /// Agents who have a number.
    pub agents_with_numbers: i64,
    /// Numbers, retired ones not counted.
    pub numbers: i64,
    /// Numbers in use that have an agent.
    pub assigned: i64,
    /// Numbers in use that wait for an agent.
    pub available: i64,
    /// Numbers switched off.
    pub inactive: i64,
    /// Numbers that recover.
    pub resting: i64,
}

/// A tenant's numbers by the value of a key of their metadata, the largest group first.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn groups(
    connection: &mut PgConnection,
    organization: OrganizationId,
    key: &str,
    limit: u32,
) -> Result<Vec<Group>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT n.metadata ->> $2 AS value, count(*) AS numbers, count(*) FILTER (WHERE n.state = 'assigned') AS active,
            count(*) FILTER (WHERE n.id IN (
                SELECT a.number_id FROM assignments a
                WHERE a.organization_id = $1 AND (a.ends_at IS NULL OR a.ends_at > now()))) AS assigned
         FROM numbers n WHERE n.organization_id = $1 AND n.state <> 'retired'
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $3",
    )
    .bind(organization.0)
    .bind(key)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?)
}

/// The keys of the metadata of a tenant's numbers, and how many numbers have each.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn group_keys(
    connection: &mut PgConnection,
    organization: OrganizationId,
    limit: u32,
) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT key, count(*) FROM numbers n, jsonb_object_keys(n.metadata) key
         WHERE n.organization_id = $1 AND n.state <> 'retired' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $2",
    )
    .bind(organization.0)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?)
}

/// How many there are of what.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn summary(connection: &mut PgConnection, organization: OrganizationId) -> Result<Summary, StoreError> {
    Ok(sqlx::query_as(
        "WITH open AS MATERIALIZED (
            SELECT DISTINCT agent_id, number_id FROM assignments
            WHERE organization_id = $1 AND (ends_at IS NULL OR ends_at > now())
         ), n AS MATERIALIZED (
            SELECT state, id IN (SELECT number_id FROM open) AS given FROM numbers WHERE organization_id = $1
         )
         SELECT (SELECT count(*) FROM agents WHERE organization_id = $1) AS agents,
            (SELECT count(DISTINCT agent_id) FROM open) AS agents_with_numbers,
            count(*) FILTER (WHERE state <> 'retired') AS numbers,
            count(*) FILTER (WHERE state = 'assigned' AND given) AS assigned,
            count(*) FILTER (WHERE state = 'assigned' AND NOT given) AS available,
            count(*) FILTER (WHERE state = 'inactive') AS inactive,
            count(*) FILTER (WHERE state = 'resting') AS resting
         FROM n",
    )
    .bind(organization.0)
    .fetch_one(connection)
    .await?)
}
