//! A database with a past. It is made day by day, so that a run that was broken off goes on where it was.

use super::last;
use crate::report::say;
use anyhow::Context as _;
use cordboard::analytics::Span;
use cordboard::core::ids::OrganizationId;
use cordboard::store::Store;
use jiff::civil::{Date, Weekday};
use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::str::FromStr as _;
use std::time::Duration;
use uuid::Uuid;

const NAME: &str = "cordboard_bench_metrics";
const SQL: &str = include_str!("../../sql/floor.sql");
const DAYS: i32 = 90;
const AGENTS: i32 = 500;
const NUMBERS_OF_AN_AGENT: i32 = 3;

/// The database, and who is in it.
pub struct Past {
    pub calls: i64,
    pub days: i32,
    pub organizations: Vec<OrganizationId>,
    pub numbers: Vec<Uuid>,
    /// Calls from the middle of the time.
    pub middle: Vec<Uuid>,
    agents: [Vec<Uuid>; 2],
    today: Date,
    server: PgConnectOptions,
    pool: PgPool,
    url: String,
}

impl Past {
    /// With so many calls, more or less.
    pub async fn of(server: &str, calls: f64) -> anyhow::Result<Self> {
        let server = PgConnectOptions::from_str(server)?;
        let mut connection = PgConnection::connect_with(&server).await.context("Postgres")?;
        let there: Option<i32> =
            sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = 'cordboard_bench_metrics'")
                .fetch_optional(&mut connection)
                .await?;
        if there.is_none() {
            sqlx::query("CREATE DATABASE cordboard_bench_metrics").execute(&mut connection).await?;
        }
        connection.close().await?;
        let url = format!("postgres://{}@{}:{}/{NAME}", server.get_username(), server.get_host(), server.get_port());
        let pool = PgPoolOptions::new().max_connections(1).connect_with(server.clone().database(NAME)).await?;
        let store = Store::connect(&SecretString::from(url.clone()), 1, Duration::from_secs(30))?;
        store.migrate().await?;
        store.close().await;
        fill(&pool, calls).await?;
        let today: String =
            sqlx::query_scalar("SELECT cordboard_local_day('America/New_York')::text").fetch_one(&pool).await?;
        let ids = async |sql: &'static str| sqlx::query_scalar::<_, Uuid>(sql).fetch_all(&pool).await;
        let organizations = ids("SELECT id FROM organizations ORDER BY slug").await?.into_iter().map(OrganizationId);
        Ok(Self {
            calls: sqlx::query_scalar("SELECT count(*) FROM calls").fetch_one(&pool).await?,
            days: DAYS,
            organizations: organizations.collect(),
            numbers: ids(
                "SELECT n.id FROM numbers n JOIN organizations o ON o.id = n.organization_id WHERE o.slug = 'floor'
                ORDER BY n.e164",
            )
            .await?,
            middle: ids(
                "SELECT id FROM calls WHERE id > cordboard_first_id(now() - interval '50 days') ORDER BY id LIMIT 2000",
            )
            .await?,
            agents: [
                ids("SELECT agent_id FROM bench_seats WHERE endpoint LIKE 'floor-%' ORDER BY endpoint").await?,
                ids("SELECT agent_id FROM bench_seats WHERE endpoint LIKE 'small-1-%' ORDER BY endpoint").await?,
            ],
            today: today.parse()?,
            server,
            pool,
            url,
        })
    }

    /// The tenant with nearly all calls, and its agents.
    pub fn large(&self) -> (OrganizationId, &[Uuid]) {
        (self.organizations[0], &self.agents[0])
    }

    /// One with few.
    pub fn small(&self) -> (OrganizationId, &[Uuid]) {
        (self.organizations[1], &self.agents[1])
    }

    pub fn span(&self, days: i32) -> Span {
        last(self.today, days)
    }

    /// The store as the daemon has it; told to explain itself in the log of the server, if wanted.
    pub fn store(&self, explained: bool) -> anyhow::Result<Store> {
        let explain = "?options[session_preload_libraries]=auto_explain&options[auto_explain.log_min_duration]=0\
            &options[auto_explain.log_analyze]=on&options[auto_explain.log_level]=log";
        let url = format!("{}{}", self.url, if explained { explain } else { "" });
        Ok(Store::connect(&SecretString::from(url), 1, Duration::from_secs(30))?)
    }

    /// One number of the database.
    pub async fn ask(&self, statement: &'static str) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(statement).fetch_one(&self.pool).await?)
    }

    /// What the server's log says from there on, and where it ends. It lies beside the data, as `scripts/postgres` has it.
    pub async fn log(&self, from: i64) -> anyhow::Result<(String, i64)> {
        let text: String = sqlx::query_scalar(
            "SELECT pg_read_file(current_setting('data_directory') || '/../server.log', $1, 100000000)",
        )
        .bind(from)
        .fetch_one(&self.pool)
        .await
        .context("the log of the server, which only a superuser reads")?;
        let end = from + text.len() as i64;
        Ok((text, end))
    }

    /// Where the server's log ends.
    pub async fn log_end(&self) -> anyhow::Result<i64> {
        self.ask("SELECT size FROM pg_stat_file(current_setting('data_directory') || '/../server.log')").await
    }

    /// Drops it, unless it is kept for the next run.
    pub async fn close(self, keeps: bool) -> anyhow::Result<()> {
        self.pool.close().await;
        if !keeps {
            let mut connection = PgConnection::connect_with(&self.server).await?;
            sqlx::query("DROP DATABASE cordboard_bench_metrics WITH (FORCE)").execute(&mut connection).await?;
        }
        Ok(())
    }
}

/// Makes the floor and its days, as far as they are not there.
async fn fill(pool: &PgPool, calls: f64) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await?;
    let connection = &mut *connection;
    let floor: Option<i32> =
        sqlx::query_scalar("SELECT 1 FROM organizations WHERE slug = 'floor'").fetch_optional(&mut *connection).await?;
    if floor.is_none() {
        sqlx::raw_sql(SQL).execute(&mut *connection).await?;
        sqlx::query("CALL bench_floor($1, $2)")
            .bind(AGENTS)
            .bind(NUMBERS_OF_AN_AGENT)
            .execute(&mut *connection)
            .await?;
        // Filling an index at the end takes a fraction of the time.
        sqlx::raw_sql(
            "CREATE TABLE bench_indexes AS SELECT indexname, indexdef FROM pg_indexes
                WHERE schemaname = current_schema() AND tablename = 'calls' AND indexname <> 'calls_pkey';
             DO $$ DECLARE i text; BEGIN FOR i IN SELECT indexname FROM bench_indexes LOOP EXECUTE 'DROP INDEX ' || i; END LOOP; END $$;
             ANALYZE",
        )
        .execute(&mut *connection)
        .await?;
    }
    // Without keys to other tables being looked up, ten million times.
    sqlx::raw_sql("SET session_replication_role = replica; SET jit = off; SET work_mem = '256MB'; SET maintenance_work_mem = '1GB'")
        .execute(&mut *connection)
        .await?;
    let today: String =
        sqlx::query_scalar("SELECT cordboard_local_day('America/New_York')::text").fetch_one(&mut *connection).await?;
    let span = last(today.parse()?, DAYS);
    let weight = |day: Date| match day.weekday() {
        Weekday::Saturday => 0.27,
        Weekday::Sunday => 0.1,
        Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday | Weekday::Friday => 1.0,
    };
    let all: f64 = span.days().map(weight).sum();
    let unfilled: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('bench_indexes')::text").fetch_one(&mut *connection).await?;
    if unfilled.is_some() {
        for day in span.days() {
            let there: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM calls WHERE id >= cordboard_first_id($1::text::date::timestamp AT TIME ZONE 'America/New_York')
                    AND id < cordboard_first_id(($1::text::date + 1)::timestamp AT TIME ZONE 'America/New_York'))",
            )
            .bind(day.to_string())
            .fetch_one(&mut *connection)
            .await?;
            if there {
                continue;
            }
            let wanted = (calls * weight(day) / all) as i32;
            let made: i64 = sqlx::query_scalar(
                "SELECT bench_day('floor', $1::text::date, $2)
                    + (SELECT sum(bench_day('small-' || i, $1::text::date, $2 / 1500 + 1)) FROM generate_series(1, 10) i)::bigint",
            )
            .bind(day.to_string())
            .bind(wanted)
            .fetch_one(&mut *connection)
            .await?;
            say(&format!("{day}: {made} calls"));
        }
        let indexes: Vec<String> =
            sqlx::query_scalar("SELECT indexdef FROM bench_indexes").fetch_all(&mut *connection).await?;
        for index in indexes {
            let index = index.replacen("INDEX", "INDEX IF NOT EXISTS", 1);
            say(&index);
            sqlx::raw_sql(AssertSqlSafe(index)).execute(&mut *connection).await?;
        }
        sqlx::raw_sql("DROP TABLE bench_indexes").execute(&mut *connection).await?;
        sqlx::raw_sql("VACUUM (ANALYZE) calls").execute(&mut *connection).await?;
        sqlx::raw_sql("VACUUM (ANALYZE) call_numbers").execute(&mut *connection).await?;
    }
    sqlx::raw_sql("RESET session_replication_role").execute(connection).await?;
    Ok(())
}
