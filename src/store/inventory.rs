//! The organizations' numbers as the admin plane sees them: pages, edits, groups. How numbers come in is [`uploads`](super::uploads);
//! how they come out of the inventory, [`claims`](super::claims).

use super::numbers::{NumberRow, number_rows};
use super::{StoreError, columns};
use crate::core::ids::{AgentId, NumberId, OrganizationId, TrunkName};
use crate::core::number::{E164, RegionCode};
use crate::inventory::{Capabilities, Entry, Label, Metadata, NumberKind, Provider, ProviderId, Set};
use crate::policy::NumberState;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

/// How a number is named: by its id, or by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberKey {
    /// By its id.
    Id(NumberId),
    /// By itself.
    E164(E164),
}

/// Which numbers of a tenant to list; all fields together.
#[derive(Clone, Debug, Default)]
pub struct NumberFilter {
    /// In one of these states; none: in any but retired.
    pub states: Option<Vec<NumberState>>,
    /// Given to an agent, or to none.
    pub assigned: Option<bool>,
    /// Given to this agent.
    pub agent: Option<AgentId>,
    /// With this in the number, the name or the provider's id.
    pub search: Option<String>,
    /// Sold by them.
    pub provider: Option<String>,
    /// Of this country.
    pub region: Option<RegionCode>,
    /// Of this sort.
    pub kind: Option<NumberKind>,
    /// With this value of this key in its metadata.
    pub group: Option<(String, String)>,
}

/// What is to be changed of a number.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// A name for people.
    pub friendly_name: Set<Label>,
    /// What sort of number it is.
    pub kind: Set<NumberKind>,
    /// Who sold it.
    pub provider: Set<Provider>,
    /// Its id with them.
    pub provider_id: Set<ProviderId>,
    /// What it can do.
    pub capabilities: Option<Capabilities>,
    /// Anything else.
    pub metadata: Option<Metadata>,
    /// Calls a day over all agents.
    pub daily_limit: Set<u32>,
    /// The trunk that can present it.
    pub trunk: Set<TrunkName>,
    /// Whether it is the one the tenant is known by.
    pub primary: Option<bool>,
}

/// What became of an edit.
#[derive(Clone, Debug, PartialEq)]
pub enum Edited {
    /// It was made.
    Done(Box<NumberRow>),
    /// Somebody else changed the number in between.
    Outdated {
        /// The version that it has now.
        version: i32,
    },
}

/// What became of a number that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NumberDeletion")]
pub enum Deleted {
    /// It is as if it had never been there.
    Deleted,
    /// Calls were made from it, so it is kept for their sake, as retired.
    Retired,
}

/// One page of a tenant's numbers, in the order in which they came, from behind `after` on.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn page(
    connection: &mut PgConnection,
    organization: OrganizationId,
    filter: &NumberFilter,
    after: Option<NumberId>,
    limit: u32,
) -> Result<Vec<NumberRow>, StoreError> {
    let states: Vec<&str> = match &filter.states {
        Some(states) => states.iter().map(|state| state.as_str()).collect(),
        None => vec!["assigned", "inactive", "resting"],
    };
    let search = filter.search.as_deref().map(str::to_lowercase);
    // As it may be written: (202) 555-01
    let dialled = |text: &&str| text.chars().all(|c| c.is_ascii_digit() || "+-(). ".contains(c));
    let digits: Option<String> =
        filter.search.as_deref().filter(dialled).map(|text| text.chars().filter(char::is_ascii_digit).collect());
    sqlx::query_as(number_rows!(
        "WHERE n.organization_id = $1 AND n.id > $2 AND n.state = ANY($3)
            AND ($4::boolean IS NULL OR $4 = (n.id IN (
                SELECT a.number_id FROM assignments a
                WHERE a.organization_id = $1 AND (a.ends_at IS NULL OR a.ends_at > now()))))
            AND ($5::uuid IS NULL OR n.id IN (
                SELECT a.number_id FROM assignments a WHERE a.agent_id = $5 AND (a.ends_at IS NULL OR a.ends_at > now())))
            AND ($6::text IS NULL OR strpos(lower(n.friendly_name), $6) > 0 OR strpos(lower(n.provider_id), $6) > 0
                OR strpos(n.e164, $7) > 0)
            AND ($8::text IS NULL OR lower(n.provider) = lower($8))
            AND ($9::text IS NULL OR n.region = $9)
            AND ($10::text IS NULL OR n.kind = $10)
            AND ($11::text IS NULL OR n.metadata ->> $11 = $12)
         ORDER BY n.id LIMIT $13"
    ))
    .bind(organization.0)
    .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
    .bind(states)
    .bind(filter.assigned)
    .bind(filter.agent.map(|agent| agent.0))
    .bind(search)
    .bind(digits.filter(|digits| !digits.is_empty()))
    .bind(&filter.provider)
    .bind(filter.region.map(|region| region.to_string()))
    .bind(filter.kind.map(NumberKind::as_str))
    .bind(filter.group.as_ref().map(|(key, _)| key))
    .bind(filter.group.as_ref().map(|(_, value)| value))
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("numbers", ""))
}

/// One number of a tenant.
///
/// # Errors
///
/// If the tenant has no such number, or the database cannot be asked.
pub async fn one(
    connection: &mut PgConnection,
    organization: impl Into<Option<OrganizationId>> + Send,
    key: NumberKey,
) -> Result<NumberRow, StoreError> {
    let (id, e164) = match key {
        NumberKey::Id(id) => (Some(id.0), None),
        NumberKey::E164(e164) => (None, Some(e164.to_string())),
    };
    // by an index each
    sqlx::query_as(number_rows!(
        "WHERE n.id = coalesce($2, (SELECT id FROM numbers WHERE e164 = $3)) AND n.organization_id IS NOT DISTINCT FROM $1"
    ))
    .bind(organization.into().map(|o| o.0))
    .bind(id)
    .bind(e164)
    .fetch_optional(connection)
    .await
    .map_err(StoreError::reading("numbers", ""))?
    .ok_or_else(|| StoreError::NotFound { what: "number", key: String::new() })
}

/// The number the tenant is known by, if it has said so.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn primary(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<Option<NumberRow>, StoreError> {
    sqlx::query_as(number_rows!("WHERE n.organization_id = $1 AND n.is_primary"))
        .bind(organization.0)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::reading("numbers", ""))
}

/// Adds a number to a tenant's, or to the inventory.
///
/// # Errors
///
/// If we have it already, it breaks a rule, or the database cannot be asked.
pub async fn add(
    connection: &mut PgConnection,
    organization: Option<OrganizationId>,
    entry: &Entry,
) -> Result<NumberId, StoreError> {
    let id: Option<NumberId> = sqlx::query_scalar(
        "INSERT INTO numbers (e164, organization_id, region, friendly_name, provider, provider_id, kind, trunk_id,
            daily_limit, capabilities, metadata)
         VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT id FROM trunks WHERE name = $8), $9,
            coalesce($10, '{\"voice\": true, \"sms\": false}'), coalesce($11, '{}'))
         ON CONFLICT (e164) DO NOTHING RETURNING id",
    )
    .bind(entry.e164.to_string())
    .bind(organization.map(|o| o.0))
    .bind(entry.region.to_string())
    .bind(entry.friendly_name.as_ref().map(AsRef::as_ref))
    .bind(entry.provider.as_ref().map(AsRef::as_ref))
    .bind(entry.provider_id.as_ref().map(AsRef::as_ref))
    .bind(entry.kind.map(NumberKind::as_str))
    .bind(entry.trunk.as_ref().map(AsRef::as_ref))
    .bind(entry.daily_limit.map(columns::limit))
    .bind(entry.capabilities.as_ref().map(Json))
    .bind(entry.metadata.as_ref().map(Json))
    .fetch_optional(connection)
    .await?;
    id.ok_or_else(|| StoreError::Constraint {
        name: "numbers_e164_is_unique".to_owned(),
        message: "that number is in the inventory already".to_owned(),
        taken: true,
    })
}

/// Changes a number, if it still is as it was read: of this version, if one is given.
///
/// # Errors
///
/// If the tenant has no such number, it would break a rule, or the database cannot be asked.
pub async fn edit(
    connection: &mut PgConnection,
    organization: impl Into<Option<OrganizationId>> + Send,
    number: NumberId,
    edit: &Edit,
    version: Option<i32>,
) -> Result<Edited, StoreError> {
    let organization: Option<OrganizationId> = organization.into();
    if let (Some(true), Some(organization)) = (edit.primary, organization) {
        super::claims::lock(connection, organization).await?;
    }
    let now: Option<i32> = sqlx::query_scalar(
        "SELECT version FROM numbers WHERE id = $1 AND organization_id IS NOT DISTINCT FROM $2 FOR UPDATE",
    )
    .bind(number.0)
    .bind(organization.map(|o| o.0))
    .fetch_optional(&mut *connection)
    .await?;
    let now = now.ok_or_else(|| StoreError::NotFound { what: "number", key: number.to_string() })?;
    if version.is_some_and(|version| version != now) {
        return Ok(Edited::Outdated { version: now });
    }
    if edit.primary == Some(true) {
        sqlx::query("UPDATE numbers SET is_primary = false WHERE organization_id = $1 AND is_primary AND id <> $2")
            .bind(organization.map(|o| o.0))
            .bind(number.0)
            .execute(&mut *connection)
            .await?;
    }
    if let Set::To(trunk) = &edit.trunk {
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM trunks WHERE name = $1)")
            .bind(trunk.as_ref())
            .fetch_one(&mut *connection)
            .await?;
        if !there {
            return Err(StoreError::NotFound { what: "trunk", key: trunk.to_string() });
        }
    }
    sqlx::query(
        "UPDATE numbers SET
            friendly_name = CASE WHEN $2 THEN $3 ELSE friendly_name END,
            kind = CASE WHEN $4 THEN $5 ELSE kind END,
            provider = CASE WHEN $6 THEN $7 ELSE provider END,
            provider_id = CASE WHEN $8 THEN $9 ELSE provider_id END,
            daily_limit = CASE WHEN $10 THEN $11 ELSE daily_limit END,
            trunk_id = CASE WHEN $12 THEN (SELECT id FROM trunks WHERE name = $13) ELSE trunk_id END,
            capabilities = coalesce($14, capabilities),
            metadata = coalesce($15, metadata),
            is_primary = coalesce($16, is_primary)
         WHERE id = $1",
    )
    .bind(number.0)
    .bind(edit.friendly_name.is_said())
    .bind(edit.friendly_name.value().map(AsRef::as_ref))
    .bind(edit.kind.is_said())
    .bind(edit.kind.value().map(|kind| kind.as_str()))
    .bind(edit.provider.is_said())
    .bind(edit.provider.value().map(AsRef::as_ref))
    .bind(edit.provider_id.is_said())
    .bind(edit.provider_id.value().map(AsRef::as_ref))
    .bind(edit.daily_limit.is_said())
    .bind(edit.daily_limit.value().copied().map(columns::limit))
    .bind(edit.trunk.is_said())
    .bind(edit.trunk.value().map(AsRef::as_ref))
    .bind(edit.capabilities.as_ref().map(Json))
    .bind(edit.metadata.as_ref().map(Json))
    .bind(edit.primary)
    .execute(&mut *connection)
    .await?;
    Ok(Edited::Done(Box::new(one(connection, organization, NumberKey::Id(number)).await?)))
}

/// Deletes a number that no agent has. One that was used is kept for the sake of its calls, as retired.
///
/// # Errors
///
/// If the tenant has no such number, an agent has it, it was chosen for good, or the database cannot be asked.
pub async fn delete(
    connection: &mut PgConnection,
    organization: impl Into<Option<OrganizationId>> + Send,
    number: NumberId,
) -> Result<Deleted, StoreError> {
    // Locked first and looked at then: a question that waits for the lock answers as of before.
    let there = sqlx::query("SELECT FROM numbers WHERE id = $1 AND organization_id IS NOT DISTINCT FROM $2 FOR UPDATE")
        .bind(number.0)
        .bind(organization.into().map(|o| o.0))
        .fetch_optional(&mut *connection)
        .await?;
    if there.is_none() {
        return Err(StoreError::NotFound { what: "number", key: number.to_string() });
    }
    let row = sqlx::query(
        "SELECT
            EXISTS (SELECT FROM assignments a WHERE a.number_id = n.id) AS used,
            EXISTS (SELECT FROM assignments a
                WHERE a.number_id = n.id AND (a.ends_at IS NULL OR a.ends_at > clock_timestamp())) AS assigned,
            EXISTS (SELECT FROM number_claims c WHERE c.number_id = n.id) AS was_chosen,
            EXISTS (SELECT FROM number_claims c WHERE c.number_id = n.id AND c.released_at IS NULL) AS chosen
         FROM numbers n WHERE n.id = $1",
    )
    .bind(number.0)
    .fetch_one(&mut *connection)
    .await?;
    let refused = |name: &str, message: &str| {
        Err(StoreError::Constraint { name: name.to_owned(), message: message.to_owned(), taken: true })
    };
    if row.try_get("assigned")? {
        return refused("number_is_assigned", "an agent has the number; unassign it first");
    }
    if row.try_get("chosen")? {
        return refused("number_is_chosen", "the number was chosen for good; an owner can release or swap it");
    }
    let kept = row.try_get::<bool, _>("used")? || row.try_get::<bool, _>("was_chosen")?;
    if kept {
        sqlx::query("UPDATE numbers SET state = 'retired', is_primary = false WHERE id = $1")
            .bind(number.0)
            .execute(connection)
            .await?;
        return Ok(Deleted::Retired);
    }
    sqlx::query("DELETE FROM numbers WHERE id = $1").bind(number.0).execute(connection).await?;
    Ok(Deleted::Deleted)
}
