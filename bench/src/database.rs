//! A database of our own, with a floor in it.

use anyhow::Context as _;
use cordboard::store::Store;
use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};
use std::str::FromStr as _;
use std::time::Duration;

const NAME: &str = "cordboard_bench";

/// The database, and ways to it.
pub struct Database {
    pub url: String,
    /// For what is no part of Cordboard.
    pub pool: PgPool,
    options: PgConnectOptions,
    pub version: String,
    pub postmaster: u32,
}

/// Agents and their numbers. Agent `i` has the numbers from `i * stride` on, around the end.
#[derive(Clone, Copy)]
pub struct Floor<'a> {
    pub prefix: &'a str,
    pub agents: u32,
    pub numbers: u32,
    pub numbers_per_agent: u32,
    pub stride: u32,
    /// Calls a day from one number.
    pub number_limit: Option<u32>,
    /// Calls a day of one agent from one number.
    pub assignment_limit: u32,
    /// Where the numbers begin: +1 212 555 0000 and this.
    pub first_number: u32,
    pub password: &'a str,
}

impl Floor<'_> {
    pub fn endpoint(&self, agent: u32) -> String {
        format!("{}-{:05}", self.prefix, agent % self.agents)
    }
}

impl Database {
    /// Drops what the last run left and makes the tables.
    pub async fn fresh(server: &str) -> anyhow::Result<Self> {
        let server = PgConnectOptions::from_str(server)?;
        let mut connection = PgConnection::connect_with(&server).await.context("Postgres")?;
        for statement in ["DROP DATABASE IF EXISTS cordboard_bench WITH (FORCE)", "CREATE DATABASE cordboard_bench"] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        let (version, backend): (String, i32) =
            sqlx::query_as("SELECT current_setting('server_version'), pg_backend_pid()")
                .fetch_one(&mut connection)
                .await?;
        let postmaster = crate::usage::parent(backend as u32).context("the postmaster is not on this machine")?;
        connection.close().await?;
        let options = server.clone().database(NAME);
        let url = format!("postgres://{}@{}:{}/{NAME}", server.get_username(), server.get_host(), server.get_port());
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options.clone()).await?;
        let database = Self { url, pool, options, version, postmaster };
        let store = database.store(1)?;
        store.migrate().await?;
        store.close().await;
        // At noon, so that no midnight falls into a run.
        sqlx::query(
            "INSERT INTO organizations (slug, name, country, time_zone)
             SELECT 'bench', 'Bench', 'US', CASE WHEN o = 0 THEN 'Etc/GMT' WHEN o > 0 THEN 'Etc/GMT-' || o ELSE 'Etc/GMT+' || -o END
             FROM (SELECT 12 - extract(hour FROM now() AT TIME ZONE 'UTC')::int AS o) x",
        )
        .execute(&database.pool)
        .await?;
        sqlx::query("INSERT INTO trunks (name) VALUES ('carrier')").execute(&database.pool).await?;
        Ok(database)
    }

    pub fn store(&self, connections: u32) -> anyhow::Result<Store> {
        Ok(Store::connect(&SecretString::from(self.url.clone()), connections, Duration::from_secs(30))?)
    }

    /// Connections without Cordboard.
    pub async fn bare(&self, connections: u32) -> anyhow::Result<PgPool> {
        let options = PgPoolOptions::new().max_connections(connections).test_before_acquire(false);
        Ok(options.connect_with(self.options.clone()).await?)
    }

    pub async fn seed(&self, floor: &Floor<'_>) -> anyhow::Result<()> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO agents (organization_id, name, endpoint, sip_ha1)
             SELECT o.id, 'Agent ' || i, e, md5(e || ':asterisk:' || $3)
             FROM organizations o, generate_series(0, $2 - 1) i, LATERAL (SELECT $1 || '-' || lpad(i::text, 5, '0') AS e) x",
        )
        .bind(floor.prefix)
        .bind(floor.agents as i32)
        .bind(floor.password)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO numbers (organization_id, e164, daily_limit)
             SELECT o.id, '+1' || (2125550000 + $1 + i), $3 FROM organizations o, generate_series(0, $2 - 1) i",
        )
        .bind(i64::from(floor.first_number))
        .bind(floor.numbers as i32)
        .bind(floor.number_limit.map(|limit| limit as i32))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO assignments (organization_id, agent_id, number_id, daily_limit)
             SELECT g.organization_id, g.id, n.id, $7
             FROM generate_series(0, $2 - 1) i, generate_series(0, $4 - 1) k,
                LATERAL (SELECT * FROM agents WHERE endpoint = $1 || '-' || lpad(i::text, 5, '0')) g,
                LATERAL (SELECT * FROM numbers WHERE e164 = '+1' || (2125550000 + $6 + (i * $5 + k) % $3)) n",
        )
        .bind(floor.prefix)
        .bind(floor.agents as i32)
        .bind(floor.numbers as i32)
        .bind(floor.numbers_per_agent as i32)
        .bind(floor.stride as i32)
        .bind(i64::from(floor.first_number))
        .bind(floor.assignment_limit as i32)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        sqlx::query("ANALYZE").execute(&self.pool).await?;
        Ok(())
    }

    /// One number of the database.
    pub async fn ask(&self, statement: &'static str) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(statement).fetch_one(&self.pool).await?)
    }

    pub async fn run(&self, statement: &'static str) -> anyhow::Result<()> {
        sqlx::raw_sql(statement).execute(&self.pool).await?;
        Ok(())
    }
}
