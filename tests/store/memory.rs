//! A call is decided by what the agent's last call left behind, and never by anything that has changed since.

use crate::world::{World, admitted, decide, refused, request, write};
use cordboard::core::fact::{Fact, Leg, Party};
use cordboard::core::outcome::{Disposition, RefusalReason};
use cordboard::store::admit::{AdmitRequest, Admitted};
use std::sync::atomic::{AtomicUsize, Ordering};

const ONE: &str = "+12125550101";
const TWO: &str = "+12125550102";
const THREE: &str = "+12125550103";

impl World {
    /// Admits, and says how often the rules were asked: once if what was remembered held.
    async fn ask(&self, request: &AdmitRequest) -> (Admitted, usize) {
        let asked = AtomicUsize::new(0);
        let admission = self.store.admit(request, |snapshot| {
            asked.fetch_add(1, Ordering::Relaxed);
            decide(snapshot)
        });
        let admitted = admission.await.expect("an answer");
        (admitted, asked.into_inner())
    }

    /// Alice has called from both of her numbers, and would call from the first now.
    async fn after_two_calls() -> Self {
        let world = Self::acme().await;
        world.equipped("alice", &[ONE, TWO], 100).await;
        assert_eq!(world.presented("alice").await, ONE);
        assert_eq!(world.presented("alice").await, TWO);
        world
    }

    /// The next number, which what was remembered did not decide.
    async fn decided_anew(&self) -> String {
        let (answer, asked) = self.ask(&request("alice")).await;
        assert!(asked > 1, "what was remembered was out of date, and held");
        admitted(answer).present.to_string()
    }

    async fn refused_anew(&self) -> RefusalReason {
        let (answer, asked) = self.ask(&request("alice")).await;
        assert!(asked > 1, "what was remembered was out of date, and held");
        refused(answer)
    }
}

#[tokio::test]
async fn what_nobody_changed_is_not_read_again() {
    let world = World::after_two_calls().await;
    for number in [ONE, TWO, ONE, TWO] {
        let (answer, asked) = world.ask(&request("alice")).await;
        assert_eq!((admitted(answer).present.to_string().as_str(), asked), (number, 1));
    }
    world.check().await;
}

#[tokio::test]
async fn an_agent_who_was_read_ahead_is_not_read_again() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    let alice = request("alice");
    world.store.remember(&alice.endpoint).await.expect("read");
    world.sql("UPDATE numbers SET state = 'resting'").await;
    // The rules saw the number that was there, and then that it is not.
    let (answer, asked) = world.ask(&alice).await;
    assert_eq!((refused(answer), asked), (RefusalReason::NoNumberAvailable, 2));
}

#[tokio::test]
async fn a_number_given_by_hand_counts_for_the_next_call() {
    let world = World::after_two_calls().await;
    world.add_number(THREE).await;
    world.assign("alice", THREE, 100).await;
    assert_eq!(world.decided_anew().await, THREE);
    world.check().await;
}

#[tokio::test]
async fn whatever_is_changed_by_hand_counts_for_the_next_call() {
    for change in [
        "UPDATE assignments SET ends_at = now() FROM numbers n WHERE n.id = number_id AND n.e164 = '+12125550101'",
        "UPDATE assignments SET daily_limit = 1 FROM numbers n WHERE n.id = number_id AND n.e164 = '+12125550101'",
        "UPDATE assignments SET allowed_countries = '{CA}' FROM numbers n WHERE n.id = number_id AND n.e164 = '+12125550101'",
        "UPDATE numbers SET state = 'resting' WHERE e164 = '+12125550101'",
        "UPDATE numbers SET daily_limit = 1 WHERE e164 = '+12125550101'",
        "WITH dead AS (INSERT INTO trunks (name, active) VALUES ('dead', false) RETURNING id)
         UPDATE numbers SET trunk_id = dead.id FROM dead WHERE e164 = '+12125550101'",
    ] {
        let world = World::after_two_calls().await;
        world.sql(change).await;
        assert_eq!(world.decided_anew().await, TWO, "{change}");
        world.check().await;
    }
}

#[tokio::test]
async fn whatever_forbids_the_agent_to_call_counts_for_the_next_call() {
    for (change, reason) in [
        ("UPDATE agents SET active = false", RefusalReason::AgentInactive),
        ("UPDATE agents SET daily_limit = 2", RefusalReason::AgentDailyLimit),
        ("UPDATE organizations SET active = false", RefusalReason::AgentInactive),
        ("UPDATE trunks SET active = false", RefusalReason::NoNumberAvailable),
        ("UPDATE assignments SET allowed_countries = '{CA}'", RefusalReason::CountryNotAllowed),
        ("UPDATE assignments SET ends_at = now()", RefusalReason::NoNumberAssigned),
    ] {
        let world = World::after_two_calls().await;
        world.sql(change).await;
        assert_eq!(world.refused_anew().await, reason, "{change}");
        world.check().await;
    }
}

#[tokio::test]
async fn a_number_that_another_agent_used_meanwhile_is_not_the_least_used_any_more() {
    let world = World::after_two_calls().await;
    world.equipped("bob", &[ONE], 100).await;
    for _ in 0..3 {
        assert_eq!(world.presented("bob").await, ONE);
    }
    let fresh = world.store.dry_run(&request("alice").endpoint, decide).await.expect("an answer").expect("an agent");
    let (answer, asked) = world.ask(&request("alice")).await;
    assert!(asked > 1);
    assert_eq!(Some(admitted(answer).number.expect("a number")), fresh.decision.ranked.first().map(|best| best.number));
    world.check().await;
}

#[tokio::test]
async fn a_call_that_was_given_back_is_not_counted_any_more() {
    let world = World::after_two_calls().await;
    let third = request("alice");
    assert_eq!(admitted(world.try_admit(&third).await.expect("an answer")).present.to_string(), ONE);
    // Its INVITE never left.
    let stored = world.store.facts(third.call).await.expect("facts");
    let at = crate::world::now();
    let end = vec![
        Fact::HangupAsked { at, by: Party::Agent },
        Fact::LegEnded { at, leg: Leg::Agent, cause: Some(16), sip_code: None },
        Fact::Settled { at, disposition: Disposition::Cancelled, estimated: false },
    ];
    assert_eq!(world.store.append(&[write(&stored, end, third.call)]).await.expect("written"), []);
    assert_eq!(world.used(ONE).await, 1);
    // Both were used once, and the one longer ago.
    let (answer, asked) = world.ask(&request("alice")).await;
    assert!(asked > 1);
    admitted(answer);
    world.check().await;
}

#[tokio::test]
async fn an_assignment_whose_time_is_over_is_not_used_although_nobody_touched_it() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    world.sql("UPDATE assignments SET ends_at = clock_timestamp() + interval '300 ms'").await;
    let first = request("alice");
    world.store.remember(&first.endpoint).await.expect("read");
    world.sql("SELECT pg_sleep_until((SELECT max(ends_at) FROM assignments))").await;
    let (answer, asked) = world.ask(&first).await;
    assert_eq!((refused(answer), asked), (RefusalReason::NoNumberAssigned, 2));
}

#[tokio::test]
async fn many_calls_of_one_agent_at_a_time_are_counted_one_by_one() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE, TWO], 20).await;
    world.store.remember(&request("alice").endpoint).await.expect("read");
    let calls = (0..60).map(|_| world.admit("alice"));
    let answers = futures::future::join_all(calls).await;
    let made = answers.iter().filter(|answer| matches!(answer, Admitted::Admitted(_))).count();
    assert_eq!((made, world.used(ONE).await, world.used(TWO).await), (40, 20, 20));
    world.check().await;
}
