//! Many companies at one inventory: each number has one taker, each taker one number. Beside it, the obvious way, which fails.

use crate::world::World;
use cordboard::core::ids::OrganizationId;
use cordboard::core::number::E164;
use cordboard::store::claims::{self, Claim};
use cordboard::store::numbers::NumberRow;
use cordboard::store::{Actor, Scope, Store, StoreError};
use sqlx::Connection as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Barrier;

/// So many companies, and so many numbers that wait.
async fn market(companies: usize, numbers: usize) -> (Arc<World>, Vec<OrganizationId>) {
    let world = World::acme().await;
    world
        .sql(&format!(
            "INSERT INTO organizations (slug, name, country, time_zone)
             SELECT 'company-' || n, 'Company', 'US', 'UTC' FROM generate_series(1, {companies}) n"
        ))
        .await;
    world
        .sql(&format!(
            "INSERT INTO numbers (e164) SELECT '+1800555' || lpad(n::text, 4, '0') FROM generate_series(1, {numbers}) n"
        ))
        .await;
    let all = world.store.organizations().await.expect("organizations");
    let companies = all.into_iter().filter(|o| o.slug != "acme").map(|o| o.id).collect();
    (Arc::new(world), companies)
}

/// What a request of the API does, and again if it waited too long.
async fn provision(store: &Store, organization: OrganizationId) -> Claim {
    loop {
        let mut transaction =
            store.begin_as(Scope::Organization(organization), &Actor::daemon()).await.expect("a transaction");
        match claims::provision(&mut transaction, organization).await {
            Ok(claim) => {
                transaction.commit().await.expect("committed");
                return claim;
            }
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn choose(store: &Store, organization: OrganizationId, number: E164) -> Claim {
    loop {
        let mut transaction =
            store.begin_as(Scope::Organization(organization), &Actor::daemon()).await.expect("a transaction");
        match claims::choose(&mut transaction, organization, number).await {
            Ok(claim) => {
                transaction.commit().await.expect("committed");
                return claim;
            }
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn e164(text: &str) -> E164 {
    text.parse().expect("a number")
}

fn done(claim: Claim) -> NumberRow {
    let Claim::Done(row) = claim else { panic!("{claim:?}") };
    *row
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_company_gets_exactly_one_number_however_often_it_asks() {
    let (world, companies) = market(40, 50).await;
    // each company asks four times at once
    let asked: Vec<_> = companies
        .iter()
        .cycle()
        .take(companies.len() * 4)
        .map(|company| {
            let (world, company) = (Arc::clone(&world), *company);
            tokio::spawn(async move { provision(&world.store, company).await })
        })
        .collect();
    let mut given = 0;
    for answer in asked {
        match answer.await.expect("a client") {
            Claim::Done(_) => given += 1,
            Claim::Already(_) => {}
            wrong @ (Claim::Nothing | Claim::Taken | Claim::Empty { .. }) => panic!("{wrong:?}"),
        }
    }
    assert_eq!(given, companies.len(), "each got one, once");
    assert_eq!(world.number("SELECT count(*) FROM numbers WHERE organization_id IS NOT NULL").await, 40);
    assert_eq!(world.number("SELECT count(DISTINCT organization_id) FROM numbers").await, 40);
    assert_eq!(world.number("SELECT count(*) FROM numbers WHERE is_primary").await, 40, "and is known by it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_too_few_numbers_as_many_get_one_as_there_are() {
    let (world, companies) = market(30, 12).await;
    let asked: Vec<_> = companies
        .iter()
        .map(|company| {
            let (world, company) = (Arc::clone(&world), *company);
            tokio::spawn(async move { provision(&world.store, company).await })
        })
        .collect();
    let (mut numbers, mut empty) = (BTreeSet::new(), 0);
    for answer in asked {
        match answer.await.expect("a client") {
            Claim::Done(row) => assert!(numbers.insert(row.e164), "given twice"),
            Claim::Empty { in_quarantine: 0, next_at: None } => empty += 1,
            wrong @ (Claim::Already(_) | Claim::Nothing | Claim::Taken | Claim::Empty { .. }) => panic!("{wrong:?}"),
        }
    }
    assert_eq!((numbers.len(), empty), (12, 18));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_who_want_one_number_one_gets_it() {
    let (world, companies) = market(24, 10).await;
    let wanted = e164("+18005550007");
    let asked: Vec<_> = companies
        .iter()
        .map(|company| {
            let (world, company) = (Arc::clone(&world), *company);
            tokio::spawn(async move { choose(&world.store, company, wanted).await })
        })
        .collect();
    let (mut won, mut late) = (0, 0);
    for answer in asked {
        match answer.await.expect("a client") {
            Claim::Done(_) => won += 1,
            Claim::Taken => late += 1,
            wrong @ (Claim::Already(_) | Claim::Nothing | Claim::Empty { .. }) => panic!("{wrong:?}"),
        }
    }
    assert_eq!((won, late), (1, 23));
    assert_eq!(world.number("SELECT count(*) FROM number_claims").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_company_that_wants_all_gets_one() {
    let (world, companies) = market(1, 20).await;
    let asked: Vec<_> = (1..=20)
        .map(|n| {
            let (world, company) = (Arc::clone(&world), companies[0]);
            tokio::spawn(async move { choose(&world.store, company, e164(&format!("+1800555{n:04}"))).await })
        })
        .collect();
    let mut won = 0;
    for answer in asked {
        won += usize::from(matches!(answer.await.expect("a client"), Claim::Done(_)));
    }
    assert_eq!(won, 1);
    assert_eq!(world.number("SELECT count(*) FROM numbers WHERE organization_id IS NOT NULL").await, 1);
}

/// The control: look for a free number, then write it down as taken; all have looked before the first writes, as may happen at
/// any time. It must give numbers twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_look_and_then_take_gives_a_number_twice() {
    let (world, companies) = market(30, 30).await;
    let (options, looked) = (world.pool.connect_options(), Arc::new(Barrier::new(companies.len())));
    let asked: Vec<_> = companies
        .iter()
        .map(|company| {
            let (options, looked, company) = (Arc::clone(&options), Arc::clone(&looked), *company);
            tokio::spawn(async move {
                let mut connection = sqlx::PgConnection::connect_with(&options).await.expect("a connection");
                let free: String =
                    sqlx::query_scalar("SELECT e164::text FROM numbers WHERE state = 'available' ORDER BY id LIMIT 1")
                        .fetch_one(&mut connection)
                        .await
                        .expect("a free number");
                looked.wait().await;
                sqlx::query("UPDATE numbers SET organization_id = $1, state = 'assigned' WHERE e164 = $2")
                    .bind(company.0)
                    .bind(&free)
                    .execute(&mut connection)
                    .await
                    .expect("taken");
                free
            })
        })
        .collect();
    let (mut told, mut twice) = (BTreeSet::new(), 0);
    for answer in asked {
        twice += usize::from(!told.insert(answer.await.expect("a client")));
    }
    assert_eq!(twice, 29);
}

/// The tables hold the rules when a program does not.
#[tokio::test]
async fn a_second_claim_is_refused_by_the_table() {
    let (world, companies) = market(2, 3).await;
    let first = done(provision(&world.store, companies[0]).await);
    let claim = |company: OrganizationId, number: &str| {
        format!(
            "INSERT INTO number_claims (organization_id, number_id, how)
             SELECT '{company}', id, 'chosen' FROM numbers WHERE e164 = '{number}'"
        )
    };
    for (sql, rule) in [
        (claim(companies[0], "+18005550002"), "organization_claims_one_number"),
        (claim(companies[1], &first.e164.to_string()), "number_is_claimed_once"),
    ] {
        let error = world.try_sql(&sql).await.expect_err(rule);
        assert_eq!(error.as_database_error().and_then(|error| error.constraint()), Some(rule));
    }
    let robot = "INSERT INTO agents (organization_id, name, endpoint, kind) SELECT id, 'Robot', 'robot-' || random()::text, 'ai'
        FROM organizations WHERE slug = 'acme'";
    let robot = robot.replace("random()::text", "substr(md5(random()::text), 1, 6)");
    world.sql(&robot).await;
    let error = world.try_sql(&robot).await.expect_err("a second AI agent");
    let rule = error.as_database_error().and_then(|error| error.constraint());
    assert_eq!(rule, Some("organization_has_one_ai_agent"));
}

#[tokio::test]
async fn what_is_given_back_waits_before_the_next_gets_it() {
    let (world, companies) = market(2, 1).await;
    let (first, second) = (companies[0], companies[1]);
    let number = done(provision(&world.store, first).await);
    let mut transaction = world.store.begin().await.expect("a transaction");
    assert_eq!(claims::release(&mut transaction, first, 30).await.expect("released"), Some(number.e164));
    transaction.commit().await.expect("committed");
    let Claim::Empty { in_quarantine: 1, next_at: Some(_) } = provision(&world.store, second).await else {
        panic!("it was given at once");
    };
    assert_eq!(choose(&world.store, second, number.e164).await, Claim::Taken);
    world.sql("UPDATE numbers SET quarantine_until = now() - interval '1 second'").await;
    let again = done(provision(&world.store, second).await);
    assert_eq!((again.e164, again.quarantine_until), (number.e164, None));
    assert!(matches!(provision(&world.store, first).await, Claim::Empty { .. }));
    // the first may choose again, for it has none now
    world.sql("INSERT INTO numbers (e164) VALUES ('+18005559999')").await;
    done(choose(&world.store, first, e164("+18005559999")).await);
}

#[tokio::test]
async fn a_swap_takes_the_agents_along_and_keeps_the_history() {
    let world = World::acme().await;
    world.sql("INSERT INTO numbers (e164) VALUES ('+18005550001'), ('+18005550002')").await;
    let acme = world.store.organization("acme").await.expect("acme").id;
    let old = done(choose(&world.store, acme, e164("+18005550001")).await);
    world.agent("alice").await;
    world.assign("alice", "+18005550001", 77).await;
    let mut transaction =
        world.store.begin_as(Scope::Organization(acme), &Actor::daemon()).await.expect("a transaction");
    let new = done(claims::swap(&mut transaction, acme, e164("+18005550002"), 30).await.expect("an answer"));
    transaction.commit().await.expect("committed");
    assert!(new.is_primary && new.agents == 1);
    assert_eq!(world.presented("alice").await, "+18005550002");
    let limit = world.number("SELECT daily_limit::bigint FROM assignments WHERE ends_at IS NULL").await;
    assert_eq!(limit, 77);
    let back = world.store.number(old.e164, None).await.expect("the old one");
    assert!(back.organization_id.is_none() && back.quarantine_until.is_some() && !back.is_primary);
    assert_eq!(world.number("SELECT count(*) FROM number_claims WHERE released_at IS NULL").await, 1);
    assert_eq!(world.number("SELECT count(*) FROM assignment_history").await, 3, "assigned, assigned, ended");
}
