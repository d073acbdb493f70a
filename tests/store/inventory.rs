//! What the command line, the API and the daemon do with people and numbers.

use crate::world::{World, admitted, name, refused};
use cordboard::core::ids::{EndpointName, OrganizationId};
use cordboard::core::number::E164;
use cordboard::core::outcome::RefusalReason;
use cordboard::policy::NumberState;
use cordboard::store::StoreError;
use cordboard::store::agents::{AgentKind, NewAgent, PhoneKind};
use cordboard::store::assignments::{AssignmentFilter, NewAssignment};
use cordboard::store::listen::AgentsChanged;
use cordboard::store::numbers::NewNumber;
use cordboard::store::organizations::NewOrganization;
use cordboard::store::tokens::NewToken;
use cordboard::store::trunks::Trunk;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

const HA1: &str = "0123456789abcdef0123456789abcdef";

async fn acme(world: &World) -> OrganizationId {
    world.store.organization("acme").await.expect("acme").id
}

fn new_agent(organization: OrganizationId, endpoint: &str) -> NewAgent {
    NewAgent {
        organization,
        name: endpoint.to_owned(),
        extension: None,
        endpoint: name(endpoint),
        kind: AgentKind::Human,
        phone_kind: PhoneKind::Phone,
        daily_limit: Some(7),
        sip_ha1: Some(SecretString::from(HA1)),
    }
}

fn new_number(e164: &str, organization: Option<OrganizationId>) -> NewNumber {
    NewNumber {
        e164: e164.parse().expect("a number"),
        organization,
        region: Some("US".parse().expect("a region")),
        friendly_name: None,
        provider: None,
        trunk: None,
        daily_limit: None,
    }
}

fn constraint(error: StoreError) -> String {
    let StoreError::Constraint { name, .. } = error else { panic!("{error:?}") };
    name
}

#[tokio::test]
async fn organizations() {
    let world = World::new().await;
    let new = NewOrganization {
        slug: "acme".into(),
        name: "Acme".into(),
        country: "US".parse().expect("a region"),
        time_zone: "America/New_York".into(),
        emergency_caller_id: Some("+12125550100".parse().expect("a number")),
    };
    let added = world.store.add_organization(&new).await.expect("added");
    let all = world.store.organizations().await.expect("all");
    assert_eq!(all, std::slice::from_ref(&added));
    assert_eq!(added.emergency_caller_id, new.emergency_caller_id);
    let again = world.store.add_organization(&new).await.expect_err("taken");
    assert_eq!(again.to_string(), "there is an organization of that name already [organizations_slug_key]");
    let mars = NewOrganization { slug: "mars".into(), time_zone: "Mars/Olympus".into(), ..new };
    assert_eq!(
        constraint(world.store.add_organization(&mars).await.expect_err("no zone")),
        "time_zone_is_an_iana_name"
    );
    assert!(!world.store.set_organization_active("acme", false).await.expect("off").active);
    assert!(matches!(world.store.organization("x").await, Err(StoreError::NotFound { what: "organization", .. })));
}

#[tokio::test]
async fn agents_and_their_accounts() {
    let world = World::acme().await;
    let acme = acme(&world).await;
    let store = &world.store;
    let alice = store.add_agent(&new_agent(acme, "alice")).await.expect("added");
    store.add_agent(&new_agent(acme, "bob")).await.expect("added");
    assert_eq!((alice.daily_limit, alice.has_secret, alice.active), (Some(7), true, true));
    assert_eq!(constraint(store.add_agent(&new_agent(acme, "alice")).await.expect_err("taken")), "agents_endpoint_key");
    assert_eq!(
        constraint(store.add_agent(&new_agent(acme, "carrier")).await.expect_err("a trunk")),
        "endpoint_is_not_a_trunk"
    );

    let accounts = async || -> Vec<EndpointName> {
        store.sip_accounts().await.expect("accounts").into_iter().map(|account| account.endpoint).collect()
    };
    let pbx1 = "pbx1".parse().expect("a node");
    let gone = async || store.gone_sip_accounts(&pbx1).await.expect("gone");
    assert_eq!(accounts().await, [name("alice"), name("bob")]);
    assert_eq!(store.sip_accounts().await.expect("accounts")[0].ha1.expose_secret(), HA1);
    assert_eq!(gone().await, []);
    assert!(!format!("{:?}", store.sip_accounts().await).contains(HA1));

    // off and on again, by every way
    store.set_agent_active(alice.id, false).await.expect("off");
    assert_eq!((accounts().await, gone().await), (vec![name("bob")], vec![name("alice")]));
    store.set_agent_active(alice.id, true).await.expect("on");
    assert_eq!((accounts().await.len(), gone().await), (2, vec![]));
    store.set_sip_secret(alice.id, None).await.expect("no secret");
    assert_eq!((accounts().await, gone().await), (vec![name("bob")], vec![name("alice")]));
    store.set_sip_secret(alice.id, Some(&SecretString::from(HA1))).await.expect("a secret");
    assert_eq!(gone().await, []);
    world.sql("UPDATE agents SET endpoint = 'alicia' WHERE endpoint = 'alice'").await;
    assert_eq!((accounts().await, gone().await), (vec![name("alicia"), name("bob")], vec![name("alice")]));
    // There is another node: each has to take the account out.
    let pbx2 = "pbx2".parse().expect("a node");
    world.sql("INSERT INTO nodes (name, url) VALUES ('pbx1', 'http://1'), ('pbx2', 'http://2')").await;
    store.forget_gone(&name("alice"), &pbx1).await.expect("noted");
    assert_eq!(gone().await, []);
    assert_eq!(store.gone_sip_accounts(&pbx2).await.expect("gone"), [name("alice")]);
    store.forget_gone(&name("alice"), &pbx2).await.expect("forgotten");
    assert_eq!(world.number("SELECT count(*) FROM sip_accounts_gone").await, 0);
    store.set_organization_active("acme", false).await.expect("off");
    assert_eq!((accounts().await, gone().await.len()), (vec![], 2));
    store.set_organization_active("acme", true).await.expect("on");
    assert_eq!((accounts().await.len(), gone().await.len()), (2, 0));
    world.sql("DELETE FROM agents WHERE endpoint = 'bob'").await;
    assert_eq!(gone().await, [name("bob")]);

    let directory = store.directory().await.expect("the directory");
    assert_eq!(directory.len(), 1);
    assert_eq!((directory[0].organization, directory[0].country.to_string()), (acme, "US".to_owned()));
    store.set_agent_limit(alice.id, None).await.expect("no limit");
    assert_eq!(store.agent(&name("alicia"), Some(acme)).await.expect("alicia").daily_limit, None);
    assert_eq!(store.agents(Some(acme)).await.expect("agents").len(), 1);
}

#[tokio::test]
async fn a_removed_agent_cannot_call_and_is_not_forgotten() {
    let world = World::acme().await;
    world.equipped("alice", &["+12125550101"], 100).await;
    admitted(world.admit("alice").await);
    let alice = world.agent_id("alice").await;
    world.store.remove_agent(alice).await.expect("removed");
    assert_eq!(refused(world.admit("alice").await), RefusalReason::AgentInactive);
    assert_eq!(world.number("SELECT count(*) FROM assignments WHERE ends_at IS NULL").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM calls WHERE agent_id IS NOT NULL").await, 2);
    world.store.remove_agent(alice).await.expect("again");
}

#[tokio::test]
async fn numbers_are_added_one_by_one() {
    let world = World::acme().await;
    let acme = acme(&world).await;
    let mut wrong = new_number("+12125550103", Some(acme));
    wrong.daily_limit = Some(0);
    let mut lost = new_number("+12125550104", Some(acme));
    lost.trunk = Some("nowhere".parse().expect("a trunk"));
    let rows = [new_number("+12125550101", Some(acme)), new_number("+12125550102", None)];
    for row in &rows {
        world.store.add_number(row).await.expect("added");
    }
    let error = world.store.add_number(&wrong).await.expect_err("no calls");
    assert_eq!(constraint(error), "number_daily_limit_is_1_to_100000");
    assert!(matches!(world.store.add_number(&lost).await, Err(StoreError::NotFound { what: "trunk", .. })));
    let all = world.store.numbers(None, None).await.expect("numbers");
    let states: Vec<_> = all.iter().map(|number| (number.e164.to_string(), number.state)).collect();
    let expected =
        [("+12125550101".to_owned(), NumberState::Assigned), ("+12125550102".to_owned(), NumberState::Available)];
    assert_eq!(states, expected);
    assert_eq!(all[0].trunk.as_ref().map(ToString::to_string).as_deref(), Some("carrier"), "the only trunk");
    assert_eq!(world.store.numbers(Some(acme), Some(NumberState::Resting)).await.expect("numbers"), []);
    let again = world.store.add_number(&rows[0]).await.expect_err("there already");
    assert_eq!(constraint(again), "numbers_e164_is_unique");
}

#[tokio::test]
async fn assigning_and_unassigning() {
    let world = World::acme().await;
    let (acme, store) = (acme(&world).await, &world.store);
    let alice = store.add_agent(&new_agent(acme, "alice")).await.expect("added").id;
    let number = store.add_number(&new_number("+12125550101", None)).await.expect("added");
    let new = NewAssignment {
        agent: alice,
        number: number.id,
        daily_limit: None,
        allowed_countries: None,
        allowed_classes: None,
    };
    let usage = store.assign(&new).await.expect("assigned, and the number is ours now");
    assert_eq!((usage.daily_limit, usage.remaining, usage.active), (100, 100, true));
    assert_eq!(usage.allowed_countries.iter().map(ToString::to_string).collect::<Vec<_>>(), ["US", "CA"]);
    admitted(world.admit("alice").await);

    // assigning again changes the limits and keeps what was used
    let changed = NewAssignment {
        daily_limit: Some(2),
        allowed_countries: Some(vec!["US".parse().expect("a region")]),
        allowed_classes: Some(vec!["premium".parse().expect("a class")]),
        ..new.clone()
    };
    let usage = store.assign(&changed).await.expect("changed");
    assert_eq!((usage.calls_made_today, usage.daily_limit, usage.remaining), (1, 2, 1));
    assert_eq!((usage.allowed_countries.len(), usage.allowed_classes.len()), (1, 1));
    admitted(world.admit("alice").await);
    assert_eq!(refused(world.admit("alice").await), RefusalReason::DailyLimit);
    assert_eq!(store.assignment(usage.assignment_id).await.expect("usage").remaining, 0);

    store.unassign(usage.assignment_id).await.expect("ended");
    assert!(matches!(store.unassign(usage.assignment_id).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.assignments(&AssignmentFilter::default()).await.expect("usage"), []);
    store.release_number(number.id).await.expect("released");
    assert_eq!(store.number(number.e164, None).await.expect("the number").state, NumberState::Available);
    store.assign(&new).await.expect("assigned anew");
    store.retire_number(number.id).await.expect("retired");
    assert_eq!(refused(world.admit("alice").await), RefusalReason::NoNumberAssigned);
    let error = store.assign(&NewAssignment { daily_limit: Some(1001), ..new }).await.expect_err("too many");
    assert_eq!(constraint(error), "assignment_daily_limit_is_1_to_1000");
    world.check().await;
}

#[tokio::test]
async fn the_view_shows_people_what_is_left() {
    let world = World::acme().await;
    world.equipped("alice", &["+12125550101"], 10).await;
    world.sql("UPDATE numbers SET daily_limit = 50; UPDATE agents SET daily_limit = 20").await;
    for _ in 0..3 {
        admitted(world.admit("alice").await);
    }
    let row: (String, String, i32, i32, i32, i32, i32, bool) = sqlx::query_as(
        "SELECT organization, number::text, calls_made_today, daily_limit, remaining, number_calls_today, agent_calls_today,
            active AND local_day = (now() AT TIME ZONE 'America/New_York')::date FROM assignment_usage",
    )
    .fetch_one(&world.pool)
    .await
    .expect("a row");
    assert_eq!(row, ("acme".into(), "+12125550101".into(), 3, 10, 7, 3, 3, true));
    world.sql("UPDATE assignments SET daily_limit = 2").await;
    assert_eq!(world.number("SELECT remaining::bigint FROM assignment_usage").await, 0, "never negative");
    world.sql("UPDATE agents SET active = false").await;
    assert_eq!(world.number("SELECT count(*) FROM assignment_usage WHERE active").await, 0);
}

#[tokio::test]
async fn trunks_nodes_and_tokens() {
    let world = World::acme().await;
    let (acme, store) = (acme(&world).await, &world.store);
    let trunk = Trunk { name: "second".parse().expect("a trunk"), plus: false, active: true };
    store.put_trunk(&trunk).await.expect("added");
    store.put_trunk(&Trunk { active: false, ..trunk.clone() }).await.expect("changed");
    assert!(!store.trunks().await.expect("trunks")[1].active);
    store.remove_trunk(&trunk.name).await.expect("removed");

    let node = "pbx1".parse().expect("a node");
    let (first, second): (Timestamp, Timestamp) =
        ("2026-01-01T00:00:00Z".parse().expect("a time"), "2026-01-02T00:00:00Z".parse().expect("a time"));
    assert_eq!(store.node_seen(&node, "http://x", "22.10.1", first).await.expect("seen"), None);
    assert_eq!(store.node_seen(&node, "http://x", "22.10.1", second).await.expect("seen"), Some(first));
    assert_eq!(store.nodes().await.expect("nodes")[0].startup_time, Some(second));

    let token = store.add_token(&NewToken::of_admin(acme, "ci", [7; 32])).await.expect("added");
    assert_eq!(store.authenticate(&[7; 32]).await.expect("an answer").map(|found| found.id), Some(token.id));
    assert_eq!(store.authenticate(&[8; 32]).await.expect("an answer"), None);
    assert!(store.tokens(acme).await.expect("tokens")[0].last_used_at.is_some());
    store.revoke_token(acme, "ci").await.expect("void");
    assert_eq!(store.authenticate(&[7; 32]).await.expect("an answer"), None);
    assert!(store.revoke_token(acme, "ci").await.is_err());
}

#[tokio::test]
async fn changed_agents_are_heard_of_and_lost_connections_too() {
    let world = World::acme().await;
    let mut changes = world.store.agent_changes();
    let next = async |changes: &mut cordboard::store::listen::AgentChanges| {
        tokio::time::timeout(Duration::from_secs(10), changes.next()).await.expect("in time")
    };
    assert_eq!(next(&mut changes).await, AgentsChanged::All);
    world.agent("alice").await;
    assert_eq!(next(&mut changes).await, AgentsChanged::One(name("alice")));
    world.sql("UPDATE agents SET daily_limit = 5").await; // tells the phone nothing
    world.sql("UPDATE agents SET active = false").await;
    assert_eq!(next(&mut changes).await, AgentsChanged::One(name("alice")));
    world.sql("UPDATE organizations SET active = false").await;
    assert_eq!(next(&mut changes).await, AgentsChanged::All);
    world
        .number(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'cordboard'",
        )
        .await;
    assert_eq!(next(&mut changes).await, AgentsChanged::All, "whatever was missed");
    world.sql("UPDATE agents SET active = true").await;
    assert_eq!(next(&mut changes).await, AgentsChanged::One(name("alice")));
}

#[tokio::test]
async fn what_makes_no_sense_is_named() {
    let world = World::acme().await;
    world.equipped("alice", &["+12125550101"], 100).await;
    world.sql("ALTER TABLE numbers DROP CONSTRAINT number_state_is_known, DROP CONSTRAINT number_has_an_owner_unless_available").await;
    world.sql("UPDATE numbers SET state = 'lost'").await;
    let number: E164 = "+12125550101".parse().expect("a number");
    let error = world.store.number(number, None).await.expect_err("no such state");
    assert_eq!(error.to_string(), "cannot read state of numbers +12125550101");
}

#[tokio::test]
async fn ids_made_by_the_database_are_version_7_and_in_order() {
    let world = World::acme().await;
    let ids: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT cordboard_uuid_v7() FROM generate_series(1, 100), pg_sleep(0.002)")
            .fetch_all(&world.pool)
            .await
            .expect("ids");
    for id in &ids {
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
    }
    let made = ids[0].get_timestamp().expect("a time").to_unix().0;
    let now = u64::try_from(Timestamp::now().as_second()).expect("after 1970");
    assert!(now.abs_diff(made) < 5);
}
