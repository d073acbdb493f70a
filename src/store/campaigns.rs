//! Campaigns and their numbers. Whom they call is in [`contacts`](super::contacts).

use super::admit::{AdmitRequest, Admitted, Decided};
use super::{Store, StoreError, columns};
use crate::core::ids::{CallId, CampaignId, NumberId, OrganizationId};
use crate::core::number::E164;
use crate::inventory::Label;
use crate::policy::{self, NumberState, Snapshot};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::str::FromStr;

/// Whether calls are made for a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignStatus {
    /// They are.
    Active,
    /// Not for a while.
    Paused,
    /// Not any more.
    Archived,
}

impl CampaignStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Paused, Self::Archived];

    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Archived => "archived",
        }
    }
}

/// A text that is no status of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a campaign is active, paused or archived")]
pub struct UnknownStatus;

impl FromStr for CampaignStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// What calls are made for, from its own numbers.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Campaign")]
pub struct CampaignRow {
    /// Its id.
    pub id: CampaignId,
    /// Its name, which no other campaign has that is not archived.
    pub name: String,
    /// Whether calls are made for it.
    pub status: CampaignStatus,
    /// From how many numbers its calls are made.
    pub numbers: i64,
    /// How many people it calls.
    pub contacts: i32,
    /// Since when there is one.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl FromRow<'_, PgRow> for CampaignRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            status: row.try_get("status")?,
            numbers: row.try_get("numbers")?,
            contacts: row.try_get("contacts")?,
            created_at: columns::time(row, "created_at")?,
            updated_at: columns::time(row, "updated_at")?,
        })
    }
}

/// A number of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CampaignNumber")]
pub struct LinkedNumber {
    /// Its id.
    pub id: NumberId,
    /// The number.
    pub number: E164,
    /// A name for people; null if it has none.
    pub friendly_name: Option<String>,
    /// What state it is in.
    pub state: NumberState,
}

macro_rules! campaign_rows {
    ($rest:literal) => {
        concat!(
            "SELECT c.*, (SELECT count(*) FROM campaign_numbers n WHERE n.campaign_id = c.id) AS numbers FROM campaigns c ",
            $rest
        )
    };
}

/// Adds a campaign.
///
/// # Errors
///
/// If there is one of that name, or the database cannot be asked.
pub async fn add(
    connection: &mut PgConnection,
    organization: OrganizationId,
    name: &Label,
) -> Result<CampaignRow, StoreError> {
    let id: CampaignId =
        sqlx::query_scalar("INSERT INTO campaigns (organization_id, name) VALUES ($1, $2) RETURNING id")
            .bind(organization.0)
            .bind(name.as_ref())
            .fetch_one(&mut *connection)
            .await?;
    one(connection, organization, &id.to_string()).await
}

/// One page of a tenant's campaigns, in the order in which they came, from behind `after` on; without a status, all but those
/// that are archived.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn page(
    connection: &mut PgConnection,
    organization: OrganizationId,
    status: Option<CampaignStatus>,
    after: Option<CampaignId>,
    limit: u32,
) -> Result<Vec<CampaignRow>, StoreError> {
    sqlx::query_as(campaign_rows!(
        "WHERE c.organization_id = $1 AND c.id > $2 AND CASE WHEN $3::text IS NULL THEN c.status <> 'archived' ELSE c.status = $3 END
         ORDER BY c.id LIMIT $4"
    ))
    .bind(organization.0)
    .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
    .bind(status.map(CampaignStatus::as_str))
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("campaigns", ""))
}

/// A tenant's campaign, by its id or its name; of those that are archived by the same name, the newest.
///
/// # Errors
///
/// If the tenant has no such campaign, or the database cannot be asked.
pub async fn one(
    connection: &mut PgConnection,
    organization: OrganizationId,
    key: &str,
) -> Result<CampaignRow, StoreError> {
    sqlx::query_as(campaign_rows!(
        "WHERE c.organization_id = $1 AND CASE WHEN $2::uuid IS NULL THEN lower(c.name) = lower($3) ELSE c.id = $2 END
         ORDER BY c.status = 'archived', c.id DESC LIMIT 1"
    ))
    .bind(organization.0)
    .bind(key.parse::<CampaignId>().ok().map(|id| id.0))
    .bind(key.trim())
    .fetch_optional(connection)
    .await
    .map_err(StoreError::reading("campaigns", ""))?
    .ok_or_else(|| StoreError::NotFound { what: "campaign", key: key.to_owned() })
}

/// Changes a campaign's name, or whether calls are made for it.
///
/// # Errors
///
/// If the tenant has no such campaign, another has that name, or the database cannot be asked.
pub async fn edit(
    connection: &mut PgConnection,
    organization: OrganizationId,
    campaign: CampaignId,
    name: Option<&Label>,
    status: Option<CampaignStatus>,
) -> Result<CampaignRow, StoreError> {
    sqlx::query(
        "UPDATE campaigns SET name = coalesce($3, name), status = coalesce($4, status) WHERE id = $1 AND organization_id = $2",
    )
    .bind(campaign.0)
    .bind(organization.0)
    .bind(name.map(AsRef::as_ref))
    .bind(status.map(CampaignStatus::as_str))
    .execute(&mut *connection)
    .await?;
    one(connection, organization, &campaign.to_string()).await
}

/// Lets calls of a campaign be made from these numbers too, and says of how many that is new.
///
/// # Errors
///
/// If one of them is not the tenant's, or the database cannot be asked.
pub async fn link(
    connection: &mut PgConnection,
    organization: OrganizationId,
    campaign: CampaignId,
    numbers: &[NumberId],
) -> Result<u64, StoreError> {
    relink(
        connection,
        "INSERT INTO campaign_numbers (campaign_id, number_id, organization_id)
         SELECT $1, number, $2 FROM unnest($3::uuid[]) number ORDER BY number ON CONFLICT DO NOTHING",
        organization,
        campaign,
        numbers,
    )
    .await
}

/// Takes numbers from a campaign, and says how many it had.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn unlink(
    connection: &mut PgConnection,
    organization: OrganizationId,
    campaign: CampaignId,
    numbers: &[NumberId],
) -> Result<u64, StoreError> {
    relink(
        connection,
        "DELETE FROM campaign_numbers WHERE campaign_id = $1 AND organization_id = $2 AND number_id = ANY($3)",
        organization,
        campaign,
        numbers,
    )
    .await
}

/// Says how many links the statement made or took.
async fn relink(
    connection: &mut PgConnection,
    statement: &'static str,
    organization: OrganizationId,
    campaign: CampaignId,
    numbers: &[NumberId],
) -> Result<u64, StoreError> {
    let done = sqlx::query(statement)
        .bind(campaign.0)
        .bind(organization.0)
        .bind(numbers.iter().map(|number| number.0).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Makes this the only campaign of a number; none: it has none any more.
///
/// # Errors
///
/// If the number is not the tenant's, or the database cannot be asked.
pub async fn link_only(
    connection: &mut PgConnection,
    organization: OrganizationId,
    campaign: Option<CampaignId>,
    number: NumberId,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM campaign_numbers WHERE number_id = $1 AND organization_id = $2 AND campaign_id IS DISTINCT FROM $3",
    )
    .bind(number.0)
    .bind(organization.0)
    .bind(campaign.map(|campaign| campaign.0))
    .execute(&mut *connection)
    .await?;
    if let Some(campaign) = campaign {
        link(connection, organization, campaign, &[number]).await?;
    }
    Ok(())
}

/// The numbers of a campaign, in their order.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn numbers(
    connection: &mut PgConnection,
    organization: OrganizationId,
    campaign: CampaignId,
) -> Result<Vec<LinkedNumber>, StoreError> {
    sqlx::query_as(
        "SELECT n.id, n.e164 AS number, n.friendly_name, n.state FROM campaign_numbers l JOIN numbers n ON n.id = l.number_id
         WHERE l.campaign_id = $1 AND l.organization_id = $2 ORDER BY n.e164",
    )
    .bind(campaign.0)
    .bind(organization.0)
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("campaign_numbers", campaign))
}

/// What a call for a campaign is decided by: its numbers; none, if it is not active or not of this organization.
pub(super) async fn of_call(
    connection: &mut PgConnection,
    organization: OrganizationId,
    campaign: CampaignId,
) -> Result<policy::Campaign, StoreError> {
    let numbers: Vec<NumberId> = sqlx::query_scalar(
        "SELECT l.number_id FROM campaign_numbers l JOIN campaigns c ON c.id = l.campaign_id
         WHERE c.id = $1 AND c.organization_id = $2 AND c.status = 'active'",
    )
    .bind(campaign.0)
    .bind(organization.0)
    .fetch_all(connection)
    .await?;
    Ok(policy::Campaign { id: campaign, numbers: numbers.into_iter().collect() })
}

/// Notes with a call for which campaign it is; not if its phone is no agent's, or of another organization.
pub(super) async fn note(connection: &mut PgConnection, call: CallId, campaign: CampaignId) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE calls c SET campaign_id = k.id FROM campaigns k
         WHERE c.id = $1 AND k.id = $2 AND k.organization_id = c.organization_id",
    )
    .bind(call.0)
    .bind(campaign.0)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// [`admit`](Store::admit) for a campaign: only from its numbers. It goes the careful way, in one transaction in which all is
    /// read anew: such a call is asked for over the API, where the agent's own phone rings first, so nobody waits for those
    /// milliseconds; and calls of no campaign pay nothing for those that are.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn admit_for(
        &self,
        campaign: CampaignId,
        request: &AdmitRequest,
        decide: impl Fn(&Snapshot) -> Decided + Send + Sync,
    ) -> Result<Admitted, StoreError> {
        self.admit_in(request, Some(campaign), decide, |_| ()).await
    }

    /// [`dry_run`](Store::dry_run) for a campaign.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn dry_run_for(
        &self,
        campaign: CampaignId,
        endpoint: &crate::core::ids::EndpointName,
        decide: impl FnOnce(&Snapshot) -> Decided + Send,
    ) -> Result<Option<Decided>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let Some(mut read) = super::snapshot::read(&mut connection, endpoint).await? else { return Ok(None) };
        read.snapshot.campaign = Some(of_call(&mut connection, read.snapshot.agent.organization, campaign).await?);
        Ok(Some(decide(&read.snapshot)))
    }
}
