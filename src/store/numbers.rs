//! The phone numbers that are ours.

use super::{StoreError, columns};
use crate::core::ids::{NumberId, OrganizationId, TrunkName};
use crate::core::number::{E164, RegionCode};
use crate::inventory::NumberKind;
use crate::policy::NumberState;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::BTreeMap;

/// A number to be.
#[derive(Clone, Debug)]
pub struct NewNumber {
    /// The number.
    pub e164: E164,
    /// Whose; none: it waits in the inventory.
    pub organization: Option<OrganizationId>,
    /// Its country.
    pub region: Option<RegionCode>,
    /// A name for people.
    pub friendly_name: Option<String>,
    /// Who sold it to us.
    pub provider: Option<String>,
    /// The trunk that can present it; none: the only trunk, if there is just one.
    pub trunk: Option<TrunkName>,
    /// Calls a day over all agents.
    pub daily_limit: Option<u32>,
}

/// A number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NumberRow {
    /// The id.
    pub id: NumberId,
    /// The number.
    pub e164: E164,
    /// The tenant's id.
    pub organization_id: Option<OrganizationId>,
    /// The tenant's short name.
    pub organization: Option<String>,
    /// Its country.
    pub region: Option<RegionCode>,
    /// A name for people.
    pub friendly_name: Option<String>,
    /// Who sold it to us.
    pub provider: Option<String>,
    /// The trunk that presents it.
    pub trunk: Option<TrunkName>,
    /// Calls a day over all agents.
    pub daily_limit: Option<u32>,
    /// What state it is in.
    pub state: NumberState,
    /// The one number the tenant is known by.
    pub is_primary: bool,
    /// Agents it is assigned to.
    pub agents: i64,
    /// Its id with the provider.
    pub provider_id: Option<String>,
    /// What sort of number it is.
    #[serde(rename = "type")]
    pub kind: Option<NumberKind>,
    /// What it can do.
    pub capabilities: Value,
    /// Anything else.
    pub metadata: Value,
    /// Until then nobody else can take it.
    pub quarantine_until: Option<Timestamp>,
    /// Counts the changes.
    pub version: i32,
    /// Since when we know it.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl NumberRow {
    /// As a line of a list, in the order of [`Field::ALL`](crate::inventory::Field::ALL).
    pub fn cells(&self) -> [String; 10] {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let object =
            |value: &Value| if value.as_object().is_none_or(Map::is_empty) { String::new() } else { value.to_string() };
        [
            self.e164.to_string(),
            text(&self.provider),
            self.region.map(|region| region.to_string()).unwrap_or_default(),
            text(&self.friendly_name),
            self.trunk.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.daily_limit.map(|limit| limit.to_string()).unwrap_or_default(),
            self.kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            text(&self.provider_id),
            object(&self.capabilities),
            object(&self.metadata),
        ]
    }
}

impl FromRow<'_, PgRow> for NumberRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            e164: row.try_get("e164")?,
            organization_id: row.try_get("organization_id")?,
            organization: row.try_get("organization")?,
            region: row.try_get("region")?,
            friendly_name: row.try_get("friendly_name")?,
            provider: row.try_get("provider")?,
            trunk: row.try_get("trunk")?,
            daily_limit: columns::maybe_count(row, "daily_limit")?,
            state: row.try_get("state")?,
            is_primary: row.try_get("is_primary")?,
            agents: row.try_get("agents")?,
            provider_id: row.try_get("provider_id")?,
            kind: row.try_get("kind")?,
            capabilities: row.try_get("capabilities")?,
            metadata: row.try_get("metadata")?,
            quarantine_until: columns::maybe_time(row, "quarantine_until")?,
            version: row.try_get("version")?,
            created_at: columns::time(row, "created_at")?,
            updated_at: columns::time(row, "updated_at")?,
        })
    }
}

macro_rules! number_rows {
    ($rest:literal) => {
        concat!(
            "SELECT n.*, o.slug AS organization, t.name AS trunk,
                (SELECT count(*) FROM assignments a WHERE a.number_id = n.id AND a.ends_at IS NULL) AS agents
             FROM numbers n
             LEFT JOIN organizations o ON o.id = n.organization_id
             LEFT JOIN trunks t ON t.id = n.trunk_id ",
            $rest
        )
    };
}
pub(super) use number_rows;

/// Adds a number.
///
/// # Errors
///
/// If we have it already, it breaks a rule, or the database cannot be asked.
pub async fn add(connection: &mut PgConnection, new: &NewNumber) -> Result<NumberRow, StoreError> {
    if !insert(connection, new).await? {
        let name = "numbers_e164_is_unique".to_owned();
        let message = "that number is in the inventory already".to_owned();
        return Err(StoreError::Constraint { name, message, taken: true });
    }
    one(connection, new.e164, None).await
}

/// The numbers of a tenant, or all of them; in one state, or any.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn list(
    connection: &mut PgConnection,
    organization: Option<OrganizationId>,
    state: Option<NumberState>,
) -> Result<Vec<NumberRow>, StoreError> {
    sqlx::query_as(number_rows!(
        "WHERE ($1 IS NULL OR n.organization_id = $1) AND ($2 IS NULL OR n.state = $2) ORDER BY n.e164"
    ))
    .bind(organization.map(|o| o.0))
    .bind(state.map(NumberState::as_str))
    .fetch_all(&mut *connection)
    .await
    .map_err(StoreError::reading("numbers", ""))
}

/// One number, if it is the organization's; any number if none is given.
///
/// # Errors
///
/// If there is no such number, or the database cannot be asked.
pub async fn one(
    connection: &mut PgConnection,
    e164: E164,
    organization: Option<OrganizationId>,
) -> Result<NumberRow, StoreError> {
    sqlx::query_as(number_rows!("WHERE n.e164 = $1 AND ($2 IS NULL OR n.organization_id = $2)"))
        .bind(e164.to_string())
        .bind(organization.map(|o| o.0))
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::reading("numbers", e164))?
        .ok_or_else(|| StoreError::NotFound { what: "number", key: e164.to_string() })
}

/// Puts a number into another state: to rest, out of use, or back. To retire it, see
/// [`retire`].
///
/// # Errors
///
/// If there is no such number, the state does not suit its owner, or the database cannot be asked.
pub async fn set_state(connection: &mut PgConnection, number: NumberId, state: NumberState) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE numbers SET state = $2 WHERE id = $1")
        .bind(number.0)
        .bind(state.as_str())
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::NotFound { what: "number", key: number.to_string() });
    }
    Ok(())
}

/// Takes a number out of use for good: its assignments end.
///
/// # Errors
///
/// If there is no such number, or the database cannot be asked.
pub async fn retire(connection: &mut PgConnection, number: NumberId) -> Result<(), StoreError> {
    super::assignments::end_all_of(connection, number).await?;
    let done = sqlx::query("UPDATE numbers SET state = 'retired', is_primary = false WHERE id = $1")
        .bind(number.0)
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::NotFound { what: "number", key: number.to_string() });
    }
    Ok(())
}

/// Gives a number back to the inventory: its assignments end, and it is nobody's.
///
/// # Errors
///
/// If there is no such number, or the database cannot be asked.
pub async fn release(connection: &mut PgConnection, number: NumberId) -> Result<(), StoreError> {
    super::assignments::end_all_of(connection, number).await?;
    let done =
        sqlx::query("UPDATE numbers SET organization_id = NULL, state = 'available', is_primary = false WHERE id = $1")
            .bind(number.0)
            .execute(&mut *connection)
            .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::NotFound { what: "number", key: number.to_string() });
    }
    Ok(())
}

/// Whether it was added; it is not if it is there already.
async fn insert(connection: &mut PgConnection, new: &NewNumber) -> Result<bool, StoreError> {
    let trunk = match &new.trunk {
        None => None,
        Some(name) => {
            let id: Option<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM trunks WHERE name = $1")
                .bind(name.as_ref())
                .fetch_optional(&mut *connection)
                .await?;
            Some(id.ok_or_else(|| StoreError::NotFound { what: "trunk", key: name.to_string() })?)
        }
    };
    let done = sqlx::query(
        "INSERT INTO numbers (e164, organization_id, region, friendly_name, provider, trunk_id, daily_limit)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (e164) DO NOTHING",
    )
    .bind(new.e164.to_string())
    .bind(new.organization.map(|o| o.0))
    .bind(new.region.map(|region| region.to_string()))
    .bind(&new.friendly_name)
    .bind(&new.provider)
    .bind(trunk)
    .bind(new.daily_limit.map(columns::limit))
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whose a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The number's id.
    pub id: NumberId,
    /// The tenant; none: it waits in the inventory.
    pub organization: Option<OrganizationId>,
    /// What state it is in.
    pub state: NumberState,
}

/// Whose these numbers are; those that are not ours are left out.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn owners(connection: &mut PgConnection, numbers: &[E164]) -> Result<BTreeMap<E164, Owner>, StoreError> {
    let rows = sqlx::query("SELECT e164, id, organization_id, state FROM numbers WHERE e164 = ANY($1)")
        .bind(numbers.iter().map(ToString::to_string).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let owner = |row: &PgRow| -> Result<_, sqlx::Error> {
        let (id, organization, state) = (row.try_get("id")?, row.try_get("organization_id")?, row.try_get("state")?);
        Ok((row.try_get("e164")?, Owner { id, organization, state }))
    };
    rows.iter().map(owner).collect::<Result<_, _>>().map_err(StoreError::reading("numbers", ""))
}
