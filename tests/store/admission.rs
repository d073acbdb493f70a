//! What one caller sees.

use crate::world::{World, admitted, decide, decide_for, name, refused, request};
use cordboard::core::fact::Fact;
use cordboard::core::outcome::{Disposition, RefusalReason};
use cordboard::core::record::{Quota, Record};
use cordboard::policy::Decision;
use cordboard::store::admit::{Admitted, Decided, Outcome};

const ONE: &str = "+12125550101";
const TWO: &str = "+12125550102";

#[tokio::test]
async fn an_admitted_call_is_counted_and_written_at_once() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    let request = request("alice");
    let admission = admitted(world.try_admit(&request).await.expect("an answer"));
    assert_eq!(admission.present.to_string(), ONE);
    assert_eq!(admission.trunk.to_string(), "carrier");
    assert!(admission.plus);

    let call = world.store.call(request.call, None).await.expect("a row");
    assert_eq!((call.quota, call.refusal, call.disposition), (Quota::Reserved, None, None));
    assert_eq!(call.dialled.as_deref(), Some("4155550199"));
    assert_eq!(call.destination, Some(admission.destination));
    assert_eq!(call.presented, Some(admission.present));
    let facts = world.store.facts(request.call).await.expect("facts");
    assert_eq!(facts.iter().map(Fact::kind).collect::<Vec<_>>(), ["requested", "admitted"]);
    let decision = world.store.decision(request.call).await.expect("an answer").expect("a decision");
    assert_eq!(decision.ranked.len(), 1);
    assert_eq!(world.used(ONE).await, 1);

    let open = world.store.open_calls("pbx1").await.expect("an answer");
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].admission, Some(admission));
    assert_eq!(open[0].facts, facts);
    assert_eq!(open[0].record, Record::of(&facts));
    assert!(world.store.open_calls("pbx2").await.expect("an answer").is_empty());
    world.check().await;
}

#[tokio::test]
async fn a_refused_call_is_written_with_its_reasons_and_not_counted() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 1).await;
    admitted(world.admit("alice").await);
    let request = request("alice");
    let answer = world.try_admit(&request).await.expect("an answer");
    let Admitted::Refused { reason, sentence } = answer else { panic!("{answer:?}") };
    assert_eq!(reason, RefusalReason::DailyLimit);
    assert_eq!(sentence, "Daily call limit reached (1 calls). Please contact your administrator.");
    let call = world.store.call(request.call, None).await.expect("a row");
    assert_eq!(call.refusal_sentence, Some(sentence));
    assert_eq!((call.disposition, call.quota), (Some(Disposition::Refused), Quota::None));
    let decision = world.store.decision(request.call).await.expect("an answer").expect("a decision");
    assert_eq!(decision.discarded[0].reasons.len(), 1);
    assert_eq!(world.store.open_calls("pbx1").await.expect("an answer").len(), 1, "the refused one is over");
    world.check().await;
}

#[tokio::test]
async fn each_refusal_has_its_reason() {
    let world = World::acme().await;
    world.agent("bare").await;
    assert_eq!(refused(world.admit("bare").await), RefusalReason::NoNumberAssigned);
    assert_eq!(refused(world.admit("stranger").await), RefusalReason::NotAnAgent);

    world.equipped("alice", &[ONE], 100).await;
    let to_france = world.store.admit(&request("alice"), |s| decide_for(s, "FR", "geographic")).await;
    assert_eq!(refused(to_france.expect("an answer")), RefusalReason::CountryNotAllowed);
    let to_premium = world.store.admit(&request("alice"), |s| decide_for(s, "US", "premium")).await;
    assert_eq!(refused(to_premium.expect("an answer")), RefusalReason::ClassNotAllowed);

    world.sql("UPDATE agents SET daily_limit = 1 WHERE endpoint = 'alice'").await;
    admitted(world.admit("alice").await);
    assert_eq!(refused(world.admit("alice").await), RefusalReason::AgentDailyLimit);
    world.sql("UPDATE agents SET active = false WHERE endpoint = 'alice'").await;
    assert_eq!(refused(world.admit("alice").await), RefusalReason::AgentInactive);

    world.equipped("bob", &[TWO], 100).await;
    world.sql("UPDATE trunks SET active = false").await;
    assert_eq!(refused(world.admit("bob").await), RefusalReason::NoNumberAvailable);
    world.sql("UPDATE trunks SET active = true; UPDATE organizations SET active = false").await;
    assert_eq!(refused(world.admit("bob").await), RefusalReason::AgentInactive);
    world.check().await;
}

#[tokio::test]
async fn a_stranger_s_call_is_kept_without_an_owner() {
    let world = World::acme().await;
    let mut request = request("stranger");
    request.dialled_raw = format!("\0\r\n{}", "9".repeat(200));
    assert_eq!(refused(world.try_admit(&request).await.expect("an answer")), RefusalReason::NotAnAgent);
    let call = world.store.call(request.call, None).await.expect("a row");
    assert_eq!((call.organization_id, call.agent_id), (None, None));
    assert_eq!(call.endpoint, Some(name("stranger")));
    assert_eq!(call.dialled, Some(format!("\u{fffd}\u{fffd}\u{fffd}{}", "9".repeat(77))));
    world.check().await;
}

#[tokio::test]
async fn what_the_caller_decides_is_carried_out() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    let outcome = |outcome: Outcome| {
        move |snapshot: &cordboard::policy::Snapshot| Decided {
            at: crate::world::now(),
            destination: None,
            outcome: outcome.clone(),
            decision: Decision::empty(&snapshot.agent),
        }
    };
    let emergency = request("alice");
    let answer = world.store.admit(&emergency, outcome(Outcome::Emergency)).await.expect("an answer");
    assert_eq!(answer, Admitted::Emergency);
    assert_eq!(world.number("SELECT count(*) FROM calls").await, 0, "nothing is written of an emergency here");

    let (reason, sentence) = (RefusalReason::InvalidNumber, "too short".to_owned());
    let wrong = request("alice");
    let answer = world.store.admit(&wrong, outcome(Outcome::Refused { reason, sentence: sentence.clone() })).await;
    assert_eq!(answer.expect("an answer"), Admitted::Refused { reason, sentence: sentence.clone() });
    let call = world.store.call(wrong.call, None).await.expect("a row");
    assert_eq!((call.refusal_sentence, call.destination), (Some(sentence), None));
    world.check().await;
}

#[tokio::test]
async fn asking_twice_for_a_call_counts_once() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE, TWO], 100).await;
    let request = request("alice");
    let first = world.try_admit(&request).await.expect("an answer");
    assert_eq!(world.try_admit(&request).await.expect("an answer"), first);
    assert_eq!(world.number("SELECT sum(used)::bigint FROM agent_days").await, 1);
    let stranger = crate::world::request("stranger");
    let first = world.try_admit(&stranger).await.expect("an answer");
    assert_eq!(world.try_admit(&stranger).await.expect("an answer"), first);
    world.check().await;
}

#[tokio::test]
async fn the_least_used_number_is_taken_and_an_exhausted_one_hides_none() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 1).await;
    world.add_number(TWO).await;
    world.assign("alice", TWO, 5).await;
    let mut presented = Vec::new();
    for _ in 0..6 {
        presented.push(world.presented("alice").await);
    }
    assert_eq!(presented.iter().filter(|number| *number == ONE).count(), 1);
    assert_eq!(presented.iter().filter(|number| *number == TWO).count(), 5);
    assert_eq!(refused(world.admit("alice").await), RefusalReason::DailyLimit);
    world.check().await;
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_counts_nothing() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE, TWO], 100).await;
    for _ in 0..3 {
        let dry = world.store.dry_run(&name("alice"), decide).await.expect("an answer").expect("an agent");
        let request = request("alice");
        world.try_admit(&request).await.expect("an answer");
        let real = world.store.decision(request.call).await.expect("an answer").expect("a decision");
        assert_eq!(dry.decision, real);
    }
    assert_eq!(world.number("SELECT count(*) FROM calls").await, 3);
    assert!(world.store.dry_run(&name("stranger"), decide).await.expect("an answer").is_none());
}

#[tokio::test]
async fn an_assignment_made_by_hand_counts_for_the_next_call() {
    let world = World::acme().await;
    world.agent("alice").await;
    world.add_number(ONE).await;
    assert_eq!(refused(world.admit("alice").await), RefusalReason::NoNumberAssigned);
    world.sql("INSERT INTO assignments (agent_id, number_id) SELECT a.id, n.id FROM agents a, numbers n").await;
    assert_eq!(world.presented("alice").await, ONE);
    world.sql("UPDATE assignments SET daily_limit = 1").await;
    assert_eq!(refused(world.admit("alice").await), RefusalReason::DailyLimit);
    world.sql("UPDATE assignments SET daily_limit = 2").await;
    assert_eq!(world.presented("alice").await, ONE);
    world.sql("UPDATE assignments SET ends_at = now()").await;
    assert_eq!(refused(world.admit("alice").await), RefusalReason::NoNumberAssigned);
    world
        .sql("INSERT INTO assignments (agent_id, number_id, starts_at) SELECT a.id, n.id, now() + '1 hour' FROM agents a, numbers n")
        .await;
    assert_eq!(refused(world.admit("alice").await), RefusalReason::NoNumberAssigned, "it has not begun");
    world.check().await;
}

#[tokio::test]
async fn people_s_numbers_can_be_forgotten() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    let request = request("alice");
    world.try_admit(&request).await.expect("an answer");
    world.sql("DELETE FROM call_numbers").await;
    let call = world.store.call(request.call, None).await.expect("a row");
    assert_eq!((call.dialled, call.destination), (None, None));
    let log = world
        .number("SELECT count(*) FROM call_facts f, call_decisions d WHERE f.body::text || d.body::text LIKE '%4155550199%'")
        .await;
    assert_eq!(log, 0);
}
