//! Lists of numbers: all or nothing, also when the world changes in between.

use crate::world::World;
use cordboard::core::ids::OrganizationId;
use cordboard::inventory::{Line, Rules, csv};
use cordboard::store::uploads::{self, Fate, Mode, Outcome, UploadId};
use cordboard::store::{Store, trunks};
use std::sync::Arc;

async fn acme(world: &World) -> OrganizationId {
    world.store.organization("acme").await.expect("acme").id
}

fn read(text: &str, rules: Rules) -> Vec<Line> {
    let (mut reader, mut lines) = (csv::Reader::new(rules), Vec::new());
    reader.feed(text.as_bytes(), &mut lines).expect("a list");
    reader.finish(&mut lines).expect("a list");
    lines
}

/// A list that is here whole, and was found good.
async fn staged(store: &Store, organization: OrganizationId, text: &str) -> UploadId {
    let mut transaction = store.begin().await.expect("a transaction");
    let rules = Rules {
        country: Some("US".parse().expect("US")),
        trunks: trunks::names(&mut transaction).await.expect("trunks"),
        extra: Vec::new(),
    };
    let upload = uploads::begin(&mut transaction, Some(organization)).await.expect("begun");
    uploads::stage(&mut transaction, upload, 0, &read(text, rules)).await.expect("staged");
    transaction.commit().await.expect("committed");
    upload
}

async fn settle(store: &Store, organization: OrganizationId, upload: UploadId, mode: Mode) -> (Outcome, Vec<String>) {
    let mut transaction = store.begin().await.expect("a transaction");
    let outcome = uploads::settle(&mut transaction, upload, Some(organization), mode).await.expect("settled");
    let rows = uploads::rows(&mut transaction, upload, None, 1000, false).await.expect("rows");
    transaction.commit().await.expect("committed");
    let shown = rows.iter().map(|row| match (&row.result, &row.message) {
        (result, Some(message)) => format!("{} {result:?}: {message}", row.line),
        (result, None) => format!("{} {result:?}", row.line),
    });
    (outcome, shown.collect())
}

const GOOD: &str = "+12025550101,telnyx,US\n+12025550102,telnyx,US,,other\n+12025550103\n";

#[tokio::test]
async fn a_trunk_that_goes_away_between_check_and_writing_keeps_all_out() {
    let world = World::acme().await;
    world.sql("INSERT INTO trunks (name) VALUES ('other')").await;
    let acme = acme(&world).await;
    let upload = staged(&world.store, acme, GOOD).await;
    world.sql("DELETE FROM trunks WHERE name = 'other'").await;
    let (outcome, rows) = settle(&world.store, acme, upload, Mode::AllOrNothing).await;
    assert_eq!((outcome.written, outcome.added, outcome.errors, outcome.not_written), (false, 0, 1, 2));
    assert_eq!(rows, ["1 NotWritten", "2 Error: the trunk is gone", "3 NotWritten"]);
    assert_eq!(world.number("SELECT count(*) FROM numbers").await, 0);

    world.sql("INSERT INTO trunks (name) VALUES ('other')").await;
    let upload = staged(&world.store, acme, GOOD).await;
    world.sql("DELETE FROM trunks WHERE name = 'other'").await;
    let (outcome, rows) = settle(&world.store, acme, upload, Mode::SkipWrong).await;
    assert_eq!((outcome.written, outcome.added, outcome.errors), (true, 2, 1), "{rows:?}");
}

#[tokio::test]
async fn a_rule_that_comes_in_between_keeps_all_out_and_the_breaker_is_named() {
    let world = World::acme().await;
    let acme = acme(&world).await;
    let list = "+12025550101\n+12025550102\n+12025550103\n";
    let upload = staged(&world.store, acme, list).await;
    world.sql("ALTER TABLE numbers ADD CONSTRAINT no_second CHECK (e164 <> '+12025550102')").await;
    let (outcome, rows) = settle(&world.store, acme, upload, Mode::AllOrNothing).await;
    assert_eq!((outcome.written, outcome.errors), (false, 1), "{rows:?}");
    assert!(rows[1].starts_with("2 Error: ") && rows[0] == "1 NotWritten", "{rows:?}");
    assert_eq!(world.number("SELECT count(*) FROM numbers").await, 0);

    let upload = staged(&world.store, acme, list).await;
    let (outcome, rows) = settle(&world.store, acme, upload, Mode::SkipWrong).await;
    assert_eq!((outcome.written, outcome.added, outcome.errors), (true, 2, 1), "{rows:?}");
}

/// The same thousand numbers in both orders, by eight at once: each is added once, nobody waits in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lists_that_overlap_add_each_number_once() {
    let world = Arc::new(World::acme().await);
    let acme = acme(&world).await;
    let numbers: Vec<String> = (0..500).map(|n| format!("+1202556{n:04}\n")).collect();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let mut numbers = numbers.clone();
            if client % 2 == 1 {
                numbers.reverse();
            }
            let (world, text) = (Arc::clone(&world), numbers.concat());
            tokio::spawn(async move {
                let upload = staged(&world.store, acme, &text).await;
                settle(&world.store, acme, upload, Mode::AllOrNothing).await.0
            })
        })
        .collect();
    let (mut added, mut skipped) = (0, 0);
    for client in clients {
        let outcome = client.await.expect("a client");
        assert!(outcome.written && outcome.errors == 0, "{outcome:?}");
        added += outcome.added;
        skipped += outcome.skipped;
    }
    assert_eq!((added, skipped), (500, 3500));
    assert_eq!(world.number("SELECT count(*) FROM numbers").await, 500);
    let deadlocks = world.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await;
    assert_eq!(deadlocks, 0);
}

/// The control for it: look whether a number is there, and then add it; all have looked before the first adds. It must add
/// numbers twice where the table lets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_look_and_then_add_adds_a_number_twice() {
    let world = Arc::new(World::acme().await);
    world.sql("ALTER TABLE numbers DROP CONSTRAINT numbers_e164_is_unique").await;
    let (options, looked) = (world.pool.connect_options(), Arc::new(tokio::sync::Barrier::new(8)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (options, looked) = (Arc::clone(&options), Arc::clone(&looked));
            tokio::spawn(async move {
                use sqlx::Connection as _;
                let mut connection = sqlx::PgConnection::connect_with(&options).await.expect("a connection");
                for n in 0..10 {
                    let number = format!("+1202556{n:04}");
                    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM numbers WHERE e164 = $1)")
                        .bind(&number)
                        .fetch_one(&mut connection)
                        .await
                        .expect("an answer");
                    looked.wait().await;
                    if !there {
                        sqlx::query("INSERT INTO numbers (e164) VALUES ($1)")
                            .bind(&number)
                            .execute(&mut connection)
                            .await
                            .expect("added");
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client");
    }
    let count = world.number("SELECT count(*) FROM numbers").await;
    assert_eq!(count, 80);
}

#[tokio::test]
async fn the_lines_can_be_read_page_by_page_and_are_forgotten() {
    let world = World::acme().await;
    let acme = acme(&world).await;
    let numbers: Vec<String> = (0..25).map(|n| format!("+1202556{n:04}\n")).collect();
    let text = numbers.concat() + "nonsense\n";
    let upload = staged(&world.store, acme, &text).await;
    settle(&world.store, acme, upload, Mode::SkipWrong).await;
    let mut transaction = world.store.begin().await.expect("a transaction");
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = uploads::rows(&mut transaction, upload, after, 10, false).await.expect("rows");
        let Some(end) = page.last() else { break };
        after = Some(end.place);
        seen.extend(page);
    }
    assert_eq!(seen.len(), 26);
    assert_eq!(seen.iter().filter(|row| row.result == Fate::Added).count(), 25);
    let wrong = uploads::rows(&mut transaction, upload, None, 10, true).await.expect("rows");
    assert_eq!(
        (wrong.len(), wrong[0].line, wrong[0].column, wrong[0].field.as_deref()),
        (1, 26, Some(1), Some("number"))
    );
    drop(transaction);
    world.sql("UPDATE number_uploads SET created_at = now() - interval '2 hours'").await;
    staged(&world.store, acme, "+12025569999\n").await;
    assert_eq!(world.number("SELECT count(*) FROM number_uploads").await, 1);
    assert_eq!(world.number("SELECT count(*) FROM number_upload_rows").await, 1);
}
