//! Many hands at the same assignments: an agent has a number once, and nobody waits in a circle. Beside it, the obvious way,
//! which fails.

use crate::world::{World, name};
use cordboard::core::ids::{AgentId, NumberId, OrganizationId};
use cordboard::store::assignments::{self, NewAssignment};
use cordboard::store::inventory::{self, Edit, Edited, NumberKey};
use cordboard::store::{Actor, Scope, StoreError, numbers};
use sqlx::Connection as _;
use std::sync::Arc;
use tokio::sync::Barrier;

async fn acme(world: &World) -> OrganizationId {
    world.store.organization("acme").await.expect("acme").id
}

async fn id(world: &World, number: &str) -> NumberId {
    world.store.number(number.parse().expect("a number"), None).await.expect("the number").id
}

fn give(agent: AgentId, number: NumberId, limit: u32) -> NewAssignment {
    NewAssignment { agent, number, daily_limit: Some(limit), allowed_countries: None, allowed_classes: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_assigns_at_once_an_agent_has_a_number_once() {
    let world = Arc::new(World::acme().await);
    world.agent("alice").await;
    world.sql("INSERT INTO numbers (e164) VALUES ('+12125550101')").await;
    let (agent, number) = (world.agent_id("alice").await, id(&world, "+12125550101").await);
    let clients: Vec<_> = (1..=24)
        .map(|limit| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                world.store.assign(&give(agent, number, limit)).await.map(|usage| usage.assignment_id)
            })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for client in clients {
        ids.insert(client.await.expect("a client").expect("assigned"));
    }
    assert_eq!(ids.len(), 1, "one assignment, changed 23 times");
    assert_eq!(world.number("SELECT count(*) FROM assignments").await, 1);
    let history = world.number("SELECT count(*) FROM assignment_history").await;
    assert_eq!(history, 24, "and each change is on record");
}

/// The control: look, and then assign; all have looked before the first assigns, as may happen at any time. It must assign twice
/// where the table lets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_look_and_then_assign_assigns_twice() {
    let world = Arc::new(World::acme().await);
    world.agent("alice").await;
    world.add_number("+12125550101").await;
    world.sql("DROP INDEX agent_has_a_number_once; DROP TRIGGER assignment_checks ON assignments").await;
    let (options, looked) = (world.pool.connect_options(), Arc::new(Barrier::new(24)));
    let clients: Vec<_> = (0..24)
        .map(|_| {
            let (options, looked) = (Arc::clone(&options), Arc::clone(&looked));
            tokio::spawn(async move {
                let mut connection = sqlx::PgConnection::connect_with(&options).await.expect("a connection");
                let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM assignments)")
                    .fetch_one(&mut connection)
                    .await
                    .expect("an answer");
                looked.wait().await;
                if !there {
                    sqlx::query(
                        "INSERT INTO assignments (organization_id, agent_id, number_id)
                         SELECT a.organization_id, a.id, n.id FROM agents a, numbers n",
                    )
                    .execute(&mut connection)
                    .await
                    .expect("assigned");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client");
    }
    let count = world.number("SELECT count(*) FROM assignments").await;
    assert_eq!(count, 24);
}

/// Twelve programs do the same to the same numbers in opposite orders, as bulk requests do, while calls are admitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bulk_work_in_opposite_orders_ends_and_calls_go_on() {
    let world = Arc::new(World::acme().await);
    let acme = acme(&world).await;
    let numbers: Vec<String> = (0..6).map(|n| format!("+1212555010{n}")).collect();
    let all: Vec<&str> = numbers.iter().map(String::as_str).collect();
    for agent in ["alice", "bob", "carol"] {
        world.equipped(agent, &all, 1000).await;
    }
    let mut ids = Vec::new();
    for number in &numbers {
        ids.push(id(&world, number).await);
    }
    let mut agents = Vec::new();
    for agent in ["alice", "bob", "carol"] {
        agents.push(world.agent_id(agent).await);
    }
    let bulk: Vec<_> = (0..12)
        .map(|client| {
            let (world, agents, mut ids) = (Arc::clone(&world), agents.clone(), ids.clone());
            if client % 2 == 1 {
                ids.reverse();
            }
            tokio::spawn(async move {
                for round in 0..3 {
                    let done = async {
                        let scope = Scope::Organization(acme);
                        let mut transaction = world.store.begin_as(scope, &Actor::daemon()).await?;
                        assignments::lock_agents_of(&mut transaction, &ids).await?;
                        for number in &ids {
                            for agent in &agents {
                                assignments::assign(&mut transaction, &give(*agent, *number, 100 + round)).await?;
                            }
                        }
                        transaction.commit().await
                    };
                    // Who waits too long may ask again; who waits in a circle is found below.
                    match done.await {
                        Ok(()) | Err(StoreError::Unavailable(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for call in 0..30 {
        let endpoint = ["alice", "bob", "carol"][call % 3];
        match world.try_admit(&crate::world::request(endpoint)).await {
            Ok(_) | Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    for client in bulk {
        client.await.expect("a client");
    }
    let deadlocks = world.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await;
    assert_eq!(deadlocks, 0);
    assert_eq!(world.number("SELECT count(*) FROM assignments").await, 18, "each agent has each number once");
    assert_eq!(name("alice").as_ref(), "alice");
    world.check().await;
}

/// Of many who read the same version, one changes it, and the others are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_edits_of_one_version_one_is_made() {
    let world = Arc::new(World::acme().await);
    world.add_number("+12125550101").await;
    let (acme, number) = (acme(&world).await, id(&world, "+12125550101").await);
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut transaction = world.store.begin().await.expect("a transaction");
                let edit = Edit {
                    friendly_name: cordboard::inventory::Set::To(format!("Line {client}").parse().expect("a name")),
                    ..Edit::default()
                };
                let edited = inventory::edit(&mut transaction, acme, number, &edit, Some(1)).await.expect("an answer");
                transaction.commit().await.expect("committed");
                matches!(edited, Edited::Done(_))
            })
        })
        .collect();
    let mut made = 0;
    for client in clients {
        made += usize::from(client.await.expect("a client"));
    }
    assert_eq!(made, 1);
}

/// A number that is deleted while it is assigned is either not deleted, or not assigned.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_number_is_not_deleted_under_the_hands_of_who_assigns_it() {
    let world = Arc::new(World::acme().await);
    let acme = acme(&world).await;
    world.agent("alice").await;
    let agent = world.agent_id("alice").await;
    let (mut assigned, mut deleted) = (0, 0);
    for n in 0..30 {
        let e164 = format!("+12125551{n:03}");
        world.add_number(&e164).await;
        let number = id(&world, &e164).await;
        let (one, two) = (Arc::clone(&world), Arc::clone(&world));
        let assign = tokio::spawn(async move { one.store.assign(&give(agent, number, 5)).await });
        let delete = tokio::spawn(async move {
            let mut transaction = two.store.begin().await.expect("a transaction");
            let deleted = inventory::delete(&mut transaction, acme, number).await;
            transaction.commit().await.expect("committed");
            deleted
        });
        let (assign, delete) = (assign.await.expect("a client"), delete.await.expect("a client"));
        assert!(assign.is_err() || delete.is_err(), "both: {assign:?} {delete:?}");
        let there = {
            let mut transaction = world.store.begin().await.expect("a transaction");
            inventory::one(&mut transaction, acme, NumberKey::Id(number)).await.is_ok()
        };
        assert_eq!(there, assign.is_ok());
        assigned += usize::from(assign.is_ok());
        deleted += usize::from(delete.is_ok());
        if delete.is_err() {
            let mut transaction = world.store.begin().await.expect("a transaction");
            numbers::retire(&mut transaction, number).await.expect("retired");
            transaction.commit().await.expect("committed");
        }
    }
    assert_eq!(assigned + deleted, 30);
}
