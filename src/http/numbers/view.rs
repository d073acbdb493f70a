//! A number as a program sees it.

use crate::core::ids::{AgentId, AssignmentId, EndpointName, NumberId, TrunkName};
use crate::core::number::{E164, NumberClass, RegionCode};
use crate::http::Problem;
use crate::http::auth::Sight;
use crate::inventory::{Capabilities, Metadata, NumberKind};
use crate::policy::NumberState;
use crate::store::Transaction;
use crate::store::assignments::{self, AssignmentUsage};
use crate::store::numbers::NumberRow;
use axum::http::HeaderValue;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What can be done with a number at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NumberStatus")]
pub(in crate::http) enum Status {
    /// It is in use.
    #[serde(alias = "assigned")]
    Active,
    /// It is switched off.
    Inactive,
    /// It recovers.
    Resting,
    /// It was given back to the carrier.
    Retired,
    /// It waits in the inventory.
    Available,
}

impl Status {
    pub fn state(self) -> NumberState {
        match self {
            Self::Active => NumberState::Assigned,
            Self::Inactive => NumberState::Inactive,
            Self::Resting => NumberState::Resting,
            Self::Retired => NumberState::Retired,
            Self::Available => NumberState::Available,
        }
    }
}

impl From<NumberState> for Status {
    fn from(state: NumberState) -> Self {
        match state {
            NumberState::Assigned => Self::Active,
            NumberState::Inactive => Self::Inactive,
            NumberState::Resting => Self::Resting,
            NumberState::Retired => Self::Retired,
            NumberState::Available => Self::Available,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Number")]
pub(in crate::http) struct NumberView {
    pub id: NumberId,
    pub number: E164,
    friendly_name: Option<String>,
    r#type: Option<NumberKind>,
    provider: Option<String>,
    provider_id: Option<String>,
    country_code: Option<RegionCode>,
    status: Status,
    is_active: bool,
    is_primary: bool,
    #[schemars(with = "Capabilities")]
    capabilities: Value,
    #[schemars(with = "Metadata")]
    metadata: Value,
    daily_limit: Option<u32>,
    trunk: Option<TrunkName>,
    /// Who may call from it.
    agents: Vec<UsageView>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// An agent with a number, and what is left of it today.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberOfAgent")]
pub(in crate::http) struct UsageView {
    assignment_id: AssignmentId,
    agent_id: AgentId,
    agent: EndpointName,
    agent_name: String,
    number_id: NumberId,
    number: E164,
    daily_limit: u32,
    calls_made_today: u32,
    remaining: u32,
    allowed_countries: Vec<RegionCode>,
    allowed_classes: Vec<NumberClass>,
    active: bool,
    number_status: Status,
    last_used_at: Option<Timestamp>,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
}

impl From<AssignmentUsage> for UsageView {
    fn from(usage: AssignmentUsage) -> Self {
        Self {
            assignment_id: usage.assignment_id,
            agent_id: usage.agent_id,
            agent: usage.endpoint,
            agent_name: usage.agent,
            number_id: usage.number_id,
            number: usage.number,
            daily_limit: usage.daily_limit,
            calls_made_today: usage.calls_made_today,
            remaining: usage.remaining,
            allowed_countries: usage.allowed_countries,
            allowed_classes: usage.allowed_classes,
            active: usage.active,
            number_status: usage.number_state.into(),
            last_used_at: usage.last_used_at,
            starts_at: usage.starts_at,
            ends_at: usage.ends_at,
        }
    }
}

/// These numbers with their agents, as far as the caller may see agents.
pub(super) async fn views(
    transaction: &mut Transaction,
    sight: Sight,
    rows: Vec<NumberRow>,
) -> Result<Vec<NumberView>, Problem> {
    let ids: Vec<NumberId> = rows.iter().map(|row| row.id).collect();
    let mut of: BTreeMap<NumberId, Vec<UsageView>> = BTreeMap::new();
    for usage in assignments::of_numbers(transaction, &ids).await? {
        if sight.covers(Some(usage.agent_id)) {
            of.entry(usage.number_id).or_default().push(usage.into());
        }
    }
    let view = |row: NumberRow| NumberView {
        agents: of.remove(&row.id).unwrap_or_default(),
        id: row.id,
        number: row.e164,
        friendly_name: row.friendly_name,
        r#type: row.kind,
        provider: row.provider,
        provider_id: row.provider_id,
        country_code: row.region,
        status: row.state.into(),
        is_active: row.state == NumberState::Assigned,
        is_primary: row.is_primary,
        capabilities: row.capabilities,
        metadata: row.metadata,
        daily_limit: row.daily_limit,
        trunk: row.trunk,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// One number.
pub(super) async fn view(transaction: &mut Transaction, sight: Sight, row: NumberRow) -> Result<NumberView, Problem> {
    views(transaction, sight, vec![row]).await?.pop().ok_or_else(Problem::internal)
}

/// By what a program can tell that a number was not changed since.
pub(super) fn etag(version: i32) -> HeaderValue {
    // Digits and quotation marks are always a header's value.
    HeaderValue::try_from(format!("\"v{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The version of an `ETag`.
pub(super) fn version(etag: &str) -> Option<i32> {
    etag.strip_prefix("\"v")?.strip_suffix('"')?.parse().ok()
}
