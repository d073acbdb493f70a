//! What is ours by our own records, to be held beside a carrier's list.

use crate::core::ids::OrganizationId;
use crate::core::number::E164;
use crate::inventory::NumberKind;
use crate::inventory::listed::CarrierKind;
use crate::policy::NumberState;
use crate::store::StoreError;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

/// A number of ours, as far as a carrier knows about such things.
#[derive(Clone, Debug, PartialEq)]
pub struct Ours {
    /// The number.
    pub e164: E164,
    /// Who sold it.
    pub provider: Option<String>,
    /// Its id with them.
    pub provider_id: Option<String>,
    /// What sort of number it is.
    pub kind: Option<NumberKind>,
    /// What it can do.
    pub capabilities: BTreeMap<String, bool>,
    /// What state it is in.
    pub state: NumberState,
}

impl Ours {
    /// Whether we say that this carrier sold it.
    pub fn is_of(&self, kind: CarrierKind) -> bool {
        self.provider.as_ref().is_some_and(|provider| provider.eq_ignore_ascii_case(kind.as_str()))
    }
}

/// The numbers of a tenant, or those of the inventory, from behind this one on.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn ours(
    connection: &mut PgConnection,
    organization: Option<OrganizationId>,
    after: Option<E164>,
    limit: u32,
) -> Result<Vec<Ours>, StoreError> {
    let rows = sqlx::query(
        "SELECT e164, provider, provider_id, kind, capabilities, state FROM numbers
         WHERE organization_id IS NOT DISTINCT FROM $1 AND e164::text > $2 ORDER BY e164::text LIMIT $3",
    )
    .bind(organization.map(|o| o.0))
    .bind(after.map(|e164| e164.to_string()).unwrap_or_default())
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    let ours = |row: &sqlx::postgres::PgRow| -> Result<Ours, sqlx::Error> {
        let Json(can): Json<BTreeMap<String, serde_json::Value>> = row.try_get("capabilities")?;
        Ok(Ours {
            e164: row.try_get("e164")?,
            provider: row.try_get("provider")?,
            provider_id: row.try_get("provider_id")?,
            kind: row.try_get("kind")?,
            capabilities: can.into_iter().filter_map(|(name, can)| Some((name, can.as_bool()?))).collect(),
            state: row.try_get("state")?,
        })
    };
    rows.iter().map(ours).collect::<Result<_, _>>().map_err(StoreError::reading("numbers", ""))
}

/// Who has these numbers, as far as the transaction can see.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn owners(connection: &mut PgConnection, numbers: &[E164]) -> Result<BTreeMap<E164, String>, StoreError> {
    let rows: Vec<(E164, Option<String>)> = sqlx::query_as(
        "SELECT n.e164, o.slug FROM numbers n LEFT JOIN organizations o ON o.id = n.organization_id WHERE n.e164 = ANY($1)",
    )
    .bind(numbers.iter().map(ToString::to_string).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
    .map_err(StoreError::reading("numbers", ""))?;
    let named =
        |slug: Option<String>| slug.map_or_else(|| "the inventory".to_owned(), |slug| format!("organization {slug}"));
    Ok(rows.into_iter().map(|(e164, slug)| (e164, named(slug))).collect())
}
