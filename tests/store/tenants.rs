//! The second wall between tenants: what row-level security alone shows, whatever a statement forgets to say.

use crate::world::World;
use cordboard::core::ids::OrganizationId;
use cordboard::store::{Actor, Scope, Transaction};
use sqlx::{AssertSqlSafe, Executor};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Tables that tenants can read whole, because they are everybody's.
const EVERYBODYS: [&str; 1] = ["trunks"];

/// Two organizations that have one of each thing.
async fn two() -> (World, OrganizationId, OrganizationId) {
    let world = World::new().await;
    world.found_acme().await;
    world
        .sql("INSERT INTO organizations (slug, name, country, time_zone) VALUES ('other', 'Other', 'US', 'UTC')")
        .await;
    world
        .sql(
            "INSERT INTO agents (organization_id, name, endpoint) SELECT id, slug, slug FROM organizations;
             INSERT INTO numbers (e164, organization_id)
             SELECT CASE slug WHEN 'acme' THEN '+12025550101' ELSE '+12025550102' END, id FROM organizations;
             INSERT INTO assignments (agent_id, number_id) SELECT a.id, n.id FROM agents a JOIN numbers n USING (organization_id);
             INSERT INTO users (organization_id, email) SELECT id, slug || '@example.org' FROM organizations;
             INSERT INTO sessions (organization_id, user_id, sha256, idle_s, expires_at)
             SELECT organization_id, id, sha256(email::bytea), 60, now() + interval '1 hour' FROM users;
             INSERT INTO api_tokens (organization_id, name, sha256) SELECT id, slug, sha256(slug::bytea) FROM organizations;",
        )
        .await;
    for endpoint in ["acme", "other"] {
        world.presented(endpoint).await;
    }
    let id = async |slug| world.store.organization(slug).await.expect("an organization").id;
    let (acme, other) = (id("acme").await, id("other").await);
    (world, acme, other)
}

async fn begin(world: &World, organization: OrganizationId) -> Transaction {
    world.store.begin_as(Scope::Organization(organization), &Actor::daemon()).await.expect("a transaction")
}

/// How many rows a statement sees that names no organization.
async fn rows(world: &World, organization: OrganizationId, table: &str) -> i64 {
    let mut transaction = begin(world, organization).await;
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(&mut *transaction).await.unwrap_or_else(|error| panic!("{table}: {error}"))
}

/// What tenants can read: tables and views with at least one column that is granted.
async fn readable(world: &World) -> Vec<(String, bool)> {
    let sql = "SELECT c.relname::text, c.relkind = 'v' FROM pg_class c
               WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
                 AND has_any_column_privilege('cordboard_tenant', c.oid, 'SELECT') ORDER BY 1";
    sqlx::query_as(sql).fetch_all(&world.pool).await.expect("tables")
}

#[tokio::test]
async fn a_statement_that_names_no_organization_sees_one_and_without_the_wall_it_sees_all() {
    let (world, acme, _) = two().await;
    let mut checked = BTreeSet::new();
    for (table, is_view) in readable(&world).await {
        if EVERYBODYS.contains(&table.as_str()) {
            continue;
        }
        // The house has a trail of its own.
        let of_tenants = if table == "audit" { "WHERE organization_id IN (SELECT id FROM organizations)" } else { "" };
        let all = world.number(&format!("SELECT count(*) FROM {table} {of_tenants}")).await;
        let seen = rows(&world, acme, &table).await;
        if all > 0 {
            assert_eq!(seen * 2, all, "{table}: of {all} rows of two tenants, one sees {seen}");
            checked.insert(table.clone());
        }
        assert_eq!(rows(&world, OrganizationId(uuid::Uuid::now_v7()), &table).await, 0, "{table}: nobody sees nothing");
        if !is_view && all > 0 {
            world.sql(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")).await;
            assert!(rows(&world, acme, &table).await > seen, "{table}: the control sees the other's");
            world.sql(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")).await;
        }
    }
    let expected =
        ["agents", "api_tokens", "assignment_usage", "assignments", "call_facts", "calls", "numbers", "users"];
    for table in expected {
        assert!(checked.contains(table), "{table} was not looked at: {checked:?}");
    }
}

#[tokio::test]
async fn every_table_that_tenants_reach_has_policies() {
    let world = World::new().await;
    let sql = "SELECT c.relname::text FROM pg_class c
               WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
                 AND (has_any_column_privilege('cordboard_tenant', c.oid, 'SELECT, INSERT, UPDATE')
                      OR has_table_privilege('cordboard_tenant', c.oid, 'DELETE, TRUNCATE')) ORDER BY 1";
    let open: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.expect("tables");
    assert_eq!(open, EVERYBODYS, "enable row-level security, add policies for cordboard_tenant, or revoke");
    let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
                 AND a.attname = 'organization_id' AND NOT c.relrowsecurity";
    let open: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.expect("tables");
    assert_eq!(open, Vec::<String>::new(), "a table with organization_id has row-level security");
    let sql = "SELECT has_any_column_privilege('cordboard_tenant', 'trunks', 'UPDATE')
               OR has_table_privilege('cordboard_tenant', 'trunks', 'INSERT, DELETE, TRUNCATE')";
    assert!(
        !sqlx::query_scalar::<_, bool>(sql).fetch_one(&world.pool).await.expect("an answer"),
        "trunks are read only"
    );
}

#[tokio::test]
async fn nothing_of_anybody_elses_is_changed_and_no_hash_is_read() {
    let (world, acme, other) = two().await;
    for (sql, changed) in [
        ("UPDATE agents SET name = 'x'", 1),
        ("UPDATE numbers SET friendly_name = 'x'", 1),
        ("UPDATE assignments SET daily_limit = 7", 1),
        ("UPDATE users SET name = 'x'", 1),
        ("UPDATE api_tokens SET revoked_at = now()", 1),
        ("UPDATE sessions SET ended_at = now()", 1),
        ("UPDATE organizations SET name = 'x'", 1),
    ] {
        let mut transaction = begin(&world, acme).await;
        let done = transaction.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(done.rows_affected(), changed, "{sql}");
    }
    let foreign = [
        format!("INSERT INTO agents (organization_id, name, endpoint) VALUES ('{other}', 'x', 'x')"),
        format!("INSERT INTO numbers (e164, organization_id) VALUES ('+12025550109', '{other}')"),
        "INSERT INTO numbers (e164) VALUES ('+12025550109')".to_owned(),
        format!("INSERT INTO users (organization_id, email) VALUES ('{other}', 'x@example.org')"),
        format!("INSERT INTO api_tokens (organization_id, name, sha256) VALUES ('{other}', 'x', sha256('x'))"),
        format!("UPDATE agents SET organization_id = '{other}'"),
        format!("UPDATE numbers SET organization_id = '{other}'"),
        "SELECT password_hash FROM users".to_owned(),
        "SELECT sha256 FROM sessions".to_owned(),
        "SELECT sha256 FROM api_tokens".to_owned(),
        "UPDATE organizations SET active = true".to_owned(),
        "UPDATE calls SET quota = 'refunded'".to_owned(),
        "DELETE FROM call_facts".to_owned(),
        "UPDATE assignment_days SET used = 0".to_owned(),
        "SELECT FROM nodes".to_owned(),
        "SELECT FROM sip_accounts_gone".to_owned(),
        "SELECT FROM _sqlx_migrations".to_owned(),
        "INSERT INTO trunks (name) VALUES ('mine')".to_owned(),
        "CREATE TABLE mine (id integer)".to_owned(),
    ];
    for sql in foreign {
        let mut transaction = begin(&world, acme).await;
        let error = transaction.execute(AssertSqlSafe(sql.clone())).await.expect_err(&sql);
        let code = error.as_database_error().and_then(|error| error.code().map(Cow::into_owned));
        assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_tenants_transaction_leaves_nothing_on_its_connection() {
    let world = World::with_connections(1).await;
    world.found_acme().await;
    let acme = world.store.organization("acme").await.expect("acme").id;
    drop(begin(&world, acme).await);
    begin(&world, acme).await.commit().await.expect("committed");
    let mut transaction = world.store.begin_as(Scope::Everything, &Actor::daemon()).await.expect("a transaction");
    let (role, organization): (String, Option<String>) =
        sqlx::query_as("SELECT current_user::text, nullif(current_setting('cordboard.organization', true), '')")
            .fetch_one(&mut *transaction)
            .await
            .expect("an answer");
    assert_ne!(role, "cordboard_tenant");
    assert_eq!(organization, None);
}
