//! The agents, and their accounts in Asterisk.

use super::{Store, StoreError, columns};
use crate::core::ids::{AgentId, EndpointName, NodeName, OrganizationId};
use crate::core::number::RegionCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// Who talks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AgentKind {
    /// A person.
    #[default]
    Human,
    /// A program.
    Ai,
}

/// With what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PhoneKind {
    /// A SIP phone.
    #[default]
    Phone,
    /// A web browser.
    Browser,
}

/// An agent to be.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// Whose.
    pub organization: OrganizationId,
    /// Name for people.
    pub name: String,
    /// Short number for calls within the house.
    pub extension: Option<String>,
    /// The SIP account.
    pub endpoint: EndpointName,
    /// Who talks.
    pub kind: AgentKind,
    /// With what.
    pub phone_kind: PhoneKind,
    /// Calls a day over all numbers.
    pub daily_limit: Option<u32>,
    /// MD5 of `endpoint:asterisk:password`, in hex; none: the phone cannot sign in.
    pub sip_ha1: Option<SecretString>,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentRow {
    /// The id.
    pub id: AgentId,
    /// The tenant's id.
    pub organization_id: OrganizationId,
    /// The tenant's short name.
    pub organization: String,
    /// Name for people.
    pub name: String,
    /// Short number.
    pub extension: Option<String>,
    /// The SIP account.
    pub endpoint: EndpointName,
    /// Who talks.
    pub kind: AgentKind,
    /// With what.
    pub phone_kind: PhoneKind,
    /// Calls a day over all numbers.
    pub daily_limit: Option<u32>,
    /// May call.
    pub active: bool,
    /// The phone can sign in.
    pub has_secret: bool,
    /// Numbers assigned.
    pub numbers: i64,
    /// Since when we know the agent.
    pub created_at: Timestamp,
}

impl FromRow<'_, PgRow> for AgentRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            organization_id: row.try_get("organization_id")?,
            organization: row.try_get("organization")?,
            name: row.try_get("name")?,
            extension: row.try_get("extension")?,
            endpoint: row.try_get("endpoint")?,
            kind: row.try_get("kind")?,
            phone_kind: row.try_get("phone_kind")?,
            daily_limit: columns::maybe_count(row, "daily_limit")?,
            active: row.try_get("active")?,
            has_secret: row.try_get("has_secret")?,
            numbers: row.try_get("numbers")?,
            created_at: columns::time(row, "created_at")?,
        })
    }
}

/// An account as Asterisk must have it.
#[derive(Clone, Debug)]
pub struct SipAccount {
    /// User name and endpoint.
    pub endpoint: EndpointName,
    /// MD5 of `endpoint:asterisk:password`, in hex.
    pub ha1: SecretString,
    /// The agent's name.
    pub name: String,
    /// Short number.
    pub extension: Option<String>,
    /// Whether a phone or a browser signs in.
    pub phone_kind: PhoneKind,
}

/// Whose phone it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The phone.
    pub endpoint: EndpointName,
    /// The tenant.
    pub organization: OrganizationId,
    /// The agent.
    pub agent: AgentId,
    /// The tenant's country.
    pub country: RegionCode,
    /// What emergency services see as caller.
    pub emergency_caller_id: Option<crate::core::number::E164>,
}

macro_rules! agent_rows {
    ($rest:literal) => {
        concat!(
            "SELECT g.*, o.slug AS organization, g.sip_ha1 IS NOT NULL AS has_secret,
                (SELECT count(*) FROM assignments a WHERE a.agent_id = g.id AND a.ends_at IS NULL) AS numbers
             FROM agents g JOIN organizations o ON o.id = g.organization_id ",
            $rest
        )
    };
}

/// Adds an agent.
///
/// # Errors
///
/// If it breaks a rule, such as an endpoint that is taken, or the database cannot be asked.
pub async fn add(connection: &mut PgConnection, new: &NewAgent) -> Result<AgentRow, StoreError> {
    sqlx::query(
        "INSERT INTO agents (organization_id, name, extension, endpoint, kind, phone_kind, daily_limit, sip_ha1)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.organization.0)
    .bind(&new.name)
    .bind(&new.extension)
    .bind(new.endpoint.as_ref())
    .bind(new.kind)
    .bind(new.phone_kind)
    .bind(new.daily_limit.map(columns::limit))
    .bind(new.sip_ha1.as_ref().map(ExposeSecret::expose_secret))
    .execute(&mut *connection)
    .await?;
    one(connection, &new.endpoint, None).await
}

/// The agents of a tenant, or all of them, by their endpoints.
///
/// # Errors
///
/// If the database cannot be asked.
pub async fn list(
    connection: &mut PgConnection,
    organization: Option<OrganizationId>,
) -> Result<Vec<AgentRow>, StoreError> {
    sqlx::query_as(agent_rows!("WHERE $1 IS NULL OR g.organization_id = $1 ORDER BY g.endpoint"))
        .bind(organization.map(|o| o.0))
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::reading("agents", ""))
}

/// One agent by the endpoint, if it is the organization's; any agent if none is given.
///
/// # Errors
///
/// If there is no such agent, or the database cannot be asked.
pub async fn one(
    connection: &mut PgConnection,
    endpoint: &EndpointName,
    organization: Option<OrganizationId>,
) -> Result<AgentRow, StoreError> {
    sqlx::query_as(agent_rows!("WHERE g.endpoint = $1 AND ($2 IS NULL OR g.organization_id = $2)"))
        .bind(endpoint.as_ref())
        .bind(organization.map(|o| o.0))
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::reading("agents", endpoint))?
        .ok_or_else(|| StoreError::NotFound { what: "agent", key: endpoint.to_string() })
}

/// One agent by the id, if it is the organization's; any agent if none is given.
///
/// # Errors
///
/// If there is no such agent, or the database cannot be asked.
pub async fn by_id(
    connection: &mut PgConnection,
    agent: AgentId,
    organization: Option<OrganizationId>,
) -> Result<AgentRow, StoreError> {
    sqlx::query_as(agent_rows!("WHERE g.id = $1 AND ($2 IS NULL OR g.organization_id = $2)"))
        .bind(agent.0)
        .bind(organization.map(|o| o.0))
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::reading("agents", agent))?
        .ok_or_else(|| StoreError::NotFound { what: "agent", key: agent.to_string() })
}

/// Switches an agent on or off. One that is off cannot call, and their phone cannot sign in.
///
/// # Errors
///
/// If there is no such agent, or the database cannot be asked.
pub async fn set_active(connection: &mut PgConnection, agent: AgentId, active: bool) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE agents SET active = $2 WHERE id = $1")
        .bind(agent.0)
        .bind(active)
        .execute(&mut *connection)
        .await?;
    found(done.rows_affected(), agent)
}

/// Gives the agent's phone a new secret, or takes it away.
///
/// # Errors
///
/// If there is no such agent, it is not 32 hex digits, or the database cannot be asked.
pub async fn set_secret(
    connection: &mut PgConnection,
    agent: AgentId,
    ha1: Option<&SecretString>,
) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE agents SET sip_ha1 = $2 WHERE id = $1")
        .bind(agent.0)
        .bind(ha1.map(ExposeSecret::expose_secret))
        .execute(&mut *connection)
        .await?;
    found(done.rows_affected(), agent)
}

/// Sets or lifts the agent's own daily limit.
///
/// # Errors
///
/// If there is no such agent, it is out of range, or the database cannot be asked.
pub async fn set_limit(connection: &mut PgConnection, agent: AgentId, limit: Option<u32>) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE agents SET daily_limit = $2 WHERE id = $1")
        .bind(agent.0)
        .bind(limit.map(columns::limit))
        .execute(&mut *connection)
        .await?;
    found(done.rows_affected(), agent)
}

/// Removes an agent: switched off, without a secret, without numbers. The row stays, because calls refer to it.
///
/// # Errors
///
/// If there is no such agent, or the database cannot be asked.
pub async fn remove(connection: &mut PgConnection, agent: AgentId) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE agents SET active = false, sip_ha1 = NULL WHERE id = $1")
        .bind(agent.0)
        .execute(&mut *connection)
        .await?;
    found(done.rows_affected(), agent)?;
    sqlx::query("UPDATE assignments SET ends_at = greatest(clock_timestamp(), starts_at) WHERE agent_id = $1 AND (ends_at IS NULL OR ends_at > clock_timestamp())")
        .bind(agent.0)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

impl Store {
    /// Every account that Asterisk must have.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn sip_accounts(&self) -> Result<Vec<SipAccount>, StoreError> {
        let rows = sqlx::query(
            "SELECT g.endpoint, g.sip_ha1, g.name, g.extension, g.phone_kind
             FROM agents g JOIN organizations o ON o.id = g.organization_id
             WHERE g.active AND o.active AND g.sip_ha1 IS NOT NULL ORDER BY g.endpoint",
        )
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &PgRow| -> Result<SipAccount, sqlx::Error> {
            Ok(SipAccount {
                endpoint: row.try_get("endpoint")?,
                ha1: SecretString::from(row.try_get::<String, _>("sip_ha1")?),
                name: row.try_get("name")?,
                extension: row.try_get("extension")?,
                phone_kind: row.try_get("phone_kind")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(StoreError::reading("agents", ""))
    }

    /// The accounts that are to be taken out of the Asterisk of a node.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn gone_sip_accounts(&self, node: &NodeName) -> Result<Vec<EndpointName>, StoreError> {
        sqlx::query_scalar(
            "SELECT endpoint FROM sip_accounts_gone g
             WHERE NOT EXISTS (SELECT FROM sip_accounts_gone_from f WHERE f.endpoint = g.endpoint AND f.node = $1)
             ORDER BY at, endpoint",
        )
        .bind(node.as_ref())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::reading("sip_accounts_gone", ""))
    }

    /// The account is out of the Asterisk of this node. When it is out of all of them it is forgotten.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn forget_gone(&self, endpoint: &EndpointName, node: &NodeName) -> Result<(), StoreError> {
        for statement in [
            "INSERT INTO sip_accounts_gone_from (endpoint, node) SELECT endpoint, $2 FROM sip_accounts_gone WHERE endpoint = $1
             ON CONFLICT DO NOTHING",
            "DELETE FROM sip_accounts_gone g WHERE endpoint = $1 AND NOT EXISTS (
                SELECT FROM nodes n WHERE n.active AND n.name <> $2 AND NOT EXISTS (
                    SELECT FROM sip_accounts_gone_from f WHERE f.endpoint = g.endpoint AND f.node = n.name))",
        ] {
            sqlx::query(statement).bind(endpoint.as_ref()).bind(node.as_ref()).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Whose phone is whose, switched-off agents included: they may still call for help.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn directory(&self) -> Result<Vec<DirectoryEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT g.endpoint, g.organization_id, g.id, o.country, o.emergency_caller_id
             FROM agents g JOIN organizations o ON o.id = g.organization_id ORDER BY g.endpoint",
        )
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &PgRow| -> Result<DirectoryEntry, sqlx::Error> {
            Ok(DirectoryEntry {
                endpoint: row.try_get("endpoint")?,
                organization: row.try_get("organization_id")?,
                agent: row.try_get("id")?,
                country: row.try_get("country")?,
                emergency_caller_id: row.try_get("emergency_caller_id")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(StoreError::reading("agents", ""))
    }
}

fn found(rows: u64, agent: AgentId) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::NotFound { what: "agent", key: agent.to_string() }) } else { Ok(()) }
}
