//! One suite of what ARI does with the calls of our application, run against the model and against the real Asterisk. The
//! expected sequences are written by hand and are the same for both: so the model is proved honest.
//!
//! `real_*` need the Asterisk that `scripts/install-asterisk` makes available. They start one of their own, on free ports, and
//! leave nothing running.

mod asterisk;
mod scenarios;
mod world;

use world::World;

macro_rules! in_both_worlds {
    ($($scenario:ident),* $(,)?) => {
        mod model {
            $(#[tokio::test] async fn $scenario() { crate::scenarios::$scenario(&mut crate::World::model().await).await; })*
        }
        mod real {
            $(#[tokio::test] async fn $scenario() { crate::scenarios::$scenario(&mut crate::World::real().await).await; })*
        }
    };
}

in_both_worlds!(
    answered_and_the_customer_hangs_up,
    answered_and_the_agent_hangs_up,
    busy,
    unallocated,
    rejected,
    congestion,
    nobody_answers,
    early_media_before_the_answer,
    the_agent_cancels_while_it_rings,
    orders_given_twice,
    what_cannot_be_called,
    a_phone_sees_why_it_is_turned_away,
    legs_end_each_other_without_a_daemon,
    probes_and_listings,
    an_announcement_before_the_answer,
    what_is_gone_is_gone,
    the_event_path_and_its_filter,
    nobody_holds_the_application,
    click_to_call,
);

/// The simulation takes events without the way over JSON; both ways must say the same.
#[tokio::test]
async fn events_mean_the_same_with_and_without_json() {
    use cordboard::ari::{Translated, translate};
    use model_asterisk::{Asterisk, FarEnd, Knobs, MILLI, Request, SECOND};
    let begin = 1_800_000_000 * SECOND;
    let mut asterisk = Asterisk::new(begin, 7, Knobs::default());
    asterisk.connect();
    let answer = FarEnd::Answer { ring: SECOND, early_media: true, hang_up_after: Some(SECOND) };
    asterisk.set_far_end("+12025550123", answer);
    let agent = asterisk.phone_dials("alice", "2025550123");
    asterisk.advance(begin + 10 * MILLI);
    let customer = "01998f2a-7c00-7000-8000-000000000001-c-1".to_owned();
    asterisk.request(&Request::CreateBridge { bridge: "b".to_owned() });
    asterisk.request(&Request::Create {
        channel: customer.clone(),
        endpoint: "PJSIP/+12025550123@carrier".to_owned(),
        args: vec![],
        originator: Some(agent.clone()),
        variables: std::collections::BTreeMap::default(),
    });
    asterisk.advance(begin + 20 * MILLI);
    asterisk.request(&Request::AddChannel { bridge: "b".to_owned(), channels: vec![agent.clone(), customer.clone()] });
    asterisk.request(&Request::Play { channel: agent.clone() });
    asterisk.request(&Request::Dial { channel: customer, timeout_s: Some(9) });
    asterisk.request(&Request::Userevent { name: "canary".to_owned() });
    asterisk.advance(begin + 5 * SECOND);
    asterisk.request(&Request::HangUp { channel: agent, cause: 16 });
    asterisk.advance(begin + 9 * SECOND);
    asterisk.connect();
    let events = asterisk.take_events();
    assert!(events.len() > 20, "{}", events.len());
    for event in events {
        let over_json = translate(&event.json().to_string()).expect("readable");
        let over_json = Some(over_json).filter(|told| !matches!(told, Translated::Ignored(_)));
        assert_eq!(event.translated(), over_json, "{event:?}");
    }
}
