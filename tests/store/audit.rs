//! The audit trail: all that is changed is on it, by whatever way, and what is changed on it is found.

use crate::world::World;
use cordboard::core::ids::OrganizationId;
use cordboard::store::audit::{AuditFilter, AuditRow, Break, HOUSE, Wrong};
use cordboard::store::{Actor, Scope};
use serde_json::{Value, json};
use sqlx::Executor;

async fn acme(world: &World) -> OrganizationId {
    world.store.organization("acme").await.expect("acme").id
}

async fn trail(world: &World, of: OrganizationId) -> Vec<AuditRow> {
    let mut rows = world.store.audit(of, &AuditFilter::default(), 1_000).await.expect("the trail");
    rows.reverse();
    rows
}

#[tokio::test]
async fn what_is_typed_by_hand_is_on_record_with_what_it_was() {
    let world = World::acme().await;
    world.add_number("+12025550101").await;
    world.sql("UPDATE numbers SET friendly_name = 'front desk', state = 'resting'").await;
    world.sql("UPDATE numbers SET friendly_name = 'front desk'").await;
    world.sql("BEGIN; SET LOCAL cordboard.actor = 'cli:olga'; UPDATE numbers SET friendly_name = NULL; COMMIT").await;
    world.sql("DELETE FROM numbers").await;
    let rows = trail(&world, acme(&world).await).await;
    let told: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.what.as_str())).collect();
    assert_eq!(
        told,
        [
            ("insert", "organizations"),
            ("insert", "numbers"),
            ("update", "numbers"),
            ("update", "numbers"),
            ("delete", "numbers")
        ],
        "what changes nothing is not told"
    );
    let of = |state: &Option<Value>| {
        let state = state.as_ref().expect("a state");
        (state["friendly_name"].clone(), state["state"].clone(), state["version"].clone())
    };
    assert_eq!(of(&rows[2].before), (Value::Null, json!("assigned"), json!(1)));
    assert_eq!(of(&rows[2].after), (json!("front desk"), json!("resting"), json!(2)));
    assert_eq!(rows[2].actor, format!("sql:{}", rows[2].database_user));
    assert_eq!((rows[3].actor.as_str(), rows[3].database_user.as_str()), ("cli:olga", rows[2].database_user.as_str()));
    assert_eq!(rows[4].before.as_ref().expect("what it was")["e164"], "+12025550101");
}

#[tokio::test]
async fn a_change_that_is_taken_back_is_not_on_record_and_one_that_cannot_be_recorded_is_not_made() {
    let world = World::acme().await;
    let acme = acme(&world).await;
    let mut transaction =
        world.store.begin_as(Scope::Organization(acme), &Actor::cli("olga").within("req-1")).await.expect("begun");
    transaction.execute("UPDATE organizations SET name = 'x'").await.expect("changed");
    drop(transaction);
    assert_eq!(trail(&world, acme).await.len(), 1);
    let mut transaction =
        world.store.begin_as(Scope::Organization(acme), &Actor::cli("olga").within("req-2")).await.expect("begun");
    transaction.execute("UPDATE organizations SET name = 'y'").await.expect("changed");
    transaction.commit().await.expect("committed");
    let rows = trail(&world, acme).await;
    assert_eq!((rows[1].actor.as_str(), rows[1].request.as_deref()), ("cli:olga", Some("req-2")));
    world.sql("ALTER TABLE audit ADD CONSTRAINT full_up CHECK (seq < 3)").await;
    world.try_sql("UPDATE organizations SET name = 'z'").await.expect_err("it cannot be recorded");
    assert_eq!(world.store.organization("acme").await.expect("acme").name, "y");
}

#[tokio::test]
async fn who_gets_a_number_does_not_read_what_another_had_written_on_it() {
    let world = World::acme().await;
    world
        .sql("INSERT INTO organizations (slug, name, country, time_zone) VALUES ('other', 'Other', 'US', 'UTC')")
        .await;
    world.add_number("+12025550101").await;
    world.sql("UPDATE numbers SET friendly_name = 'secret plan'").await;
    world
        .sql(
            "UPDATE numbers SET organization_id = (SELECT id FROM organizations WHERE slug = 'other'), friendly_name = 'mine'",
        )
        .await;
    world.sql("UPDATE numbers SET organization_id = NULL, state = 'available', friendly_name = NULL").await;
    let other = world.store.organization("other").await.expect("other").id;
    let (acmes, others) = (trail(&world, acme(&world).await).await, trail(&world, other).await);
    assert_eq!(acmes.last().map(|row| row.action.as_str()), Some("leave"));
    let told: Vec<_> = others.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(told, ["insert", "join", "leave"]);
    let text = |rows: &[AuditRow]| serde_json::to_string(rows).expect("json");
    assert!(!text(&others).contains("secret plan"), "{others:?}");
    assert!(!text(&acmes).contains("mine") && !text(&acmes).contains(&other.to_string()), "{acmes:?}");
    let house = trail(&world, HOUSE).await;
    let last = house.last().expect("the house knows");
    assert_eq!((last.action.as_str(), &last.before), ("join", &Some(json!({ "organization_id": other }))));
}

#[tokio::test]
async fn the_trail_is_only_added_to() {
    let world = World::acme().await;
    for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"] {
        let error = world.try_sql(sql).await.expect_err(sql);
        assert!(error.to_string().contains("only ever added to"), "{sql}: {error}");
    }
    world.sql("TRUNCATE sessions").await;
    let house = trail(&world, HOUSE).await;
    assert_eq!(house.last().map(|row| (row.action.as_str(), row.what.as_str())), Some(("truncate", "sessions")));
    for row in trail(&world, acme(&world).await).await {
        assert!(!row.actor.is_empty());
    }
}

/// A superuser switches the triggers off, changes the trail, and switches them on again.
async fn tamper(world: &World, sql: &str) {
    world.sql(&format!("SET session_replication_role = replica; {sql}; RESET session_replication_role")).await;
}

#[tokio::test]
async fn whatever_a_superuser_does_to_the_trail_is_found() {
    for (sql, expected) in [
        ("UPDATE audit SET actor = 'somebody' WHERE seq = 4 AND organization_id = $", Some((4, Wrong::Changed))),
        (
            "UPDATE audit SET after = after || '{\"name\": \"x\"}' WHERE seq = 5 AND organization_id = $",
            Some((5, Wrong::Changed)),
        ),
        (
            "UPDATE audit SET at = at + interval '1 microsecond' WHERE seq = 1 AND organization_id = $",
            Some((1, Wrong::Changed)),
        ),
        ("UPDATE audit SET request = '' WHERE seq = 6 AND organization_id = $", Some((6, Wrong::Changed))),
        ("DELETE FROM audit WHERE seq = 7 AND organization_id = $", Some((7, Wrong::Missing))),
        ("DELETE FROM audit WHERE seq = 1 AND organization_id = $", Some((1, Wrong::Missing))),
        // Put the rest one place forward, so that none is missing.
        (
            "DELETE FROM audit WHERE seq = 3 AND organization_id = $; UPDATE audit SET seq = seq - 1 WHERE seq > 3 AND organization_id = $",
            Some((3, Wrong::Changed)),
        ),
        // Made anew with its own right hash: the next one does not follow it.
        ("UPDATE audit SET previous = sha256('x') WHERE seq = 2 AND organization_id = $", Some((2, Wrong::Changed))),
        // The control: nothing is touched.
        ("SELECT $::text", None),
    ] {
        let world = World::acme().await;
        let acme = acme(&world).await;
        for n in 0..8 {
            world.sql(&format!("UPDATE organizations SET name = 'Acme {n}'")).await;
        }
        let before = world.store.verify_audit(acme).await.expect("read");
        assert_eq!((before.rows, before.broken.clone()), (9, None));
        tamper(&world, &sql.replace('$', &format!("'{acme}'"))).await;
        let after = world.store.verify_audit(acme).await.expect("read");
        assert_eq!(after.broken, expected.map(|(seq, what)| Break { seq, what }), "{sql}");
        if expected.is_none() {
            assert_eq!(after, before);
        }
    }
}

#[tokio::test]
async fn a_row_with_a_right_hash_that_follows_another_is_found_where_the_next_one_stands() {
    let world = World::acme().await;
    let acme = acme(&world).await;
    for n in 0..5 {
        world.sql(&format!("UPDATE organizations SET name = 'Acme {n}'")).await;
    }
    // Cut off behind row 3, and written anew by the database's own function.
    tamper(
        &world,
        &format!(
            "CREATE TEMP TABLE tail AS SELECT * FROM audit WHERE organization_id = '{acme}' AND seq > 4;
        DELETE FROM audit WHERE organization_id = '{acme}' AND seq > 3;
        SELECT cordboard_audit_note('{acme}', 'update', 'organizations', 'x', '{{}}', '{{}}');
        INSERT INTO audit SELECT * FROM tail; DROP TABLE tail"
        ),
    )
    .await;
    let chain = world.store.verify_audit(acme).await.expect("read");
    assert_eq!(chain.broken, Some(Break { seq: 5, what: Wrong::Detached }));
}

#[tokio::test]
async fn many_who_change_at_once_make_one_chain() {
    let world = World::acme().await;
    let acme = acme(&world).await;
    for n in 0..8 {
        world.agent(&format!("agent-{n}")).await;
    }
    let before = world.store.verify_audit(acme).await.expect("read").rows;
    let change = |n: usize| {
        let store = world.store.clone();
        tokio::spawn(async move {
            for round in 0..10 {
                let mut transaction =
                    store.begin_as(Scope::Organization(acme), &Actor::cli(&format!("p{n}"))).await.expect("begun");
                // Two rows each, in an order of their own: nobody waits in a circle.
                for place in [n, (n + round) % 8] {
                    let sql = format!("UPDATE agents SET name = 'r{round}p{n}' WHERE endpoint = 'agent-{place}'");
                    if transaction.execute(sqlx::AssertSqlSafe(sql)).await.is_err() {
                        return 0;
                    }
                }
                if transaction.commit().await.is_err() {
                    return 0;
                }
            }
            1
        })
    };
    // Each with rows of their own only, so that all must succeed.
    let own = |n: usize| {
        let store = world.store.clone();
        tokio::spawn(async move {
            for round in 0..10 {
                let scope = Scope::Organization(acme);
                let mut transaction = store.begin_as(scope, &Actor::cli(&format!("p{n}"))).await.expect("begun");
                let sql = format!("UPDATE agents SET name = 'own r{round}' WHERE endpoint = 'agent-{n}'");
                transaction.execute(sqlx::AssertSqlSafe(sql)).await.expect("changed");
                transaction.commit().await.expect("committed");
            }
        })
    };
    for task in (0..8).map(own).collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    let chain = world.store.verify_audit(acme).await.expect("read");
    assert_eq!((chain.rows, chain.broken), (before + 80, None));
    for task in (0..8).map(change).collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    assert_eq!(world.store.verify_audit(acme).await.expect("read").broken, None);
}

#[tokio::test]
async fn every_table_that_tenants_change_is_on_record() {
    let world = World::new().await;
    let sql = "SELECT c.relname::text FROM pg_class c
               WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
                 AND (has_any_column_privilege('cordboard_tenant', c.oid, 'INSERT, UPDATE')
                      OR has_table_privilege('cordboard_tenant', c.oid, 'DELETE'))
                 -- Lists wait there until they are looked through; what comes of them is on record with the numbers.
                 AND c.relname NOT IN ('number_uploads', 'number_upload_rows', 'carrier_imports', 'carrier_import_rows')
                 -- A key names a call, which has its own record.
                 AND c.relname <> 'call_keys'
                 -- People: how many there are is on record with their campaign.
                 AND c.relname <> 'contacts'
                 AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'audited') ORDER BY 1";
    let silent: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.expect("tables");
    assert_eq!(silent, Vec::<String>::new(), "SELECT cordboard_audit_table('…') in its migration");
}
