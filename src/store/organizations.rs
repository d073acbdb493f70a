//! The tenants.

use super::{StoreError, columns};
use crate::core::ids::OrganizationId;
use crate::core::number::{E164, RegionCode};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// A tenant to be.
#[derive(Clone, Debug)]
pub struct NewOrganization {
    /// Its short name, such as `acme`.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// By which numbers dialled without `+` are read.
    pub country: RegionCode,
    /// IANA name; its midnight is when limits begin anew.
    pub time_zone: String,
    /// What emergency services see as caller.
    pub emergency_caller_id: Option<E164>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its short name.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// By which numbers dialled without `+` are read.
    pub country: RegionCode,
    /// IANA name.
    pub time_zone: String,
    /// What emergency services see as caller.
    pub emergency_caller_id: Option<E164>,
    /// Its agents may call.
    pub active: bool,
    /// Since when we know it.
    pub created_at: Timestamp,
}

impl FromRow<'_, PgRow> for Organization {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            slug: row.try_get("slug")?,
            name: row.try_get("name")?,
            country: row.try_get("country")?,
            time_zone: row.try_get("time_zone")?,
            emergency_caller_id: row.try_get("emergency_caller_id")?,
            active: row.try_get("active")?,
            created_at: columns::time(row, "created_at")?,
        })
    }
}

/// Adds a tenant.
///
/// # Errors
///
/// If it breaks a rule, such as a name that is taken, or the database cannot be asked.
pub async fn add(connection: &mut PgConnection, new: &NewOrganization) -> Result<Organization, StoreError> {
    let added = sqlx::query_as(
        "INSERT INTO organizations (slug, name, country, time_zone, emergency_caller_id)
         VALUES ($1, $2, $3, $4, $5) RETURNING *",
    )
    .bind(&new.slug)
    .bind(&new.name)
    .bind(new.country.to_string())
    .bind(&new.time_zone)
    .bind(new.emergency_caller_id.map(|number| number.to_string()))
    .fetch_one(&mut *connection)
    .await?;
    Ok(added)
}

/// All tenants, by their names.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn list(connection: &mut PgConnection) -> Result<Vec<Organization>, StoreError> {
    sqlx::query_as("SELECT * FROM organizations ORDER BY slug")
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::reading("organizations", ""))
}

/// One tenant, by its short name.
///
/// # Errors
///
/// If there is none of that name, or the database cannot be asked.
pub async fn one(connection: &mut PgConnection, slug: &str) -> Result<Organization, StoreError> {
    sqlx::query_as("SELECT * FROM organizations WHERE slug = $1")
        .bind(slug)
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::reading("organizations", slug))?
        .ok_or_else(|| StoreError::NotFound { what: "organization", key: slug.to_owned() })
}

/// One tenant, by its id.
///
/// # Errors
///
/// If there is none, or the database cannot be asked.
pub async fn by_id(connection: &mut PgConnection, id: OrganizationId) -> Result<Organization, StoreError> {
    sqlx::query_as("SELECT * FROM organizations WHERE id = $1")
        .bind(id.0)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::reading("organizations", id))?
        .ok_or_else(|| StoreError::NotFound { what: "organization", key: id.to_string() })
}

/// Switches a tenant, and so all its agents, on or off.
///
/// # Errors
///
/// If there is none of that name, or the database cannot be asked.
pub async fn set_active(connection: &mut PgConnection, slug: &str, active: bool) -> Result<Organization, StoreError> {
    sqlx::query_as("UPDATE organizations SET active = $2 WHERE slug = $1 RETURNING *")
        .bind(slug)
        .bind(active)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "organization", key: slug.to_owned() })
}
