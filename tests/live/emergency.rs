//! Calls for help: no rule, no count, no database.

use crate::faults::talking;
use crate::floor::{SOON, live, live_with};
use crate::outcomes::{ended, they_talk};
use crate::refusals::hears;
use cordboard::core::fact::Party;
use cordboard::core::outcome::{Disposition, RefusalReason};
use cordboard::core::record::Quota;
use std::time::Duration;

const CALLER_ID: &str = "+12125550199";

#[test]
fn without_a_route_the_agent_hears_at_once_to_take_another_phone() {
    live(async |floor| {
        let ann = floor.phone("ann", &["+12025550150"]).await;
        let call = ann.call("911").await;
        let first = call.provisional(SOON).await.expect("the announcement");
        let after = Duration::from_nanos(first.at_ns - call.progress().invited_ns);
        assert!(after < Duration::from_millis(500), "the announcement began after {after:?}");
        hears(&call, "emergency-not-possible", 503).await;
        assert_eq!(floor.the_call().await.refusal, Some(RefusalReason::EmergencyNotPossible));
    });
}

#[test]
fn an_emergency_call_takes_its_own_trunk_and_is_not_counted() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            // No number at all, and a limit that is used up.
            let none = floor.phone("none", &[]).await;
            let spent = floor.phone("spent", &[]).await;
            floor.assign(spent.agent, "+12025550151", 1).await;
            let first = spent.call("+14155550101").await;
            first.answered(SOON).await.expect("an answer");
            first.hang_up();
            floor.settled(1).await;
            for (phone, dialled) in [(&none, "911"), (&spent, "911"), (&spent, "112")] {
                let call = phone.call(dialled).await;
                call.answered(SOON).await.expect("an answer");
                let help = floor.emergency.next_incoming(SOON).await.expect("a call for help");
                assert_eq!((help.number(), help.invite().from_user()), (dialled, Some(CALLER_ID)));
                they_talk(&call, &help).await;
                call.hang_up();
            }
            let calls = floor.settled(4).await;
            assert!(calls[1..].iter().all(|call| call.emergency && call.quota == Quota::None), "{calls:#?}");
            assert_eq!(floor.count("SELECT sum(used) FROM number_days").await, 1);
            assert_eq!(floor.carrier.log().invites().len(), 1);
        },
    );
}

#[test]
fn an_emergency_call_is_made_without_the_database_and_recorded_when_it_is_back() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            let ann = floor.phone("ann", &["+12025550150"]).await;
            floor.servers.stop_postgres();
            let call = ann.call("911").await;
            call.answered(SOON).await.expect("an answer");
            let help = floor.emergency.next_incoming(SOON).await.expect("a call for help");
            assert_eq!(help.invite().from_user(), Some(CALLER_ID));
            call.hang_up();
            help.ended(SOON).await.expect("an end");
            floor.servers.start_postgres();
            ended(floor, Disposition::Answered, Party::Agent).await;
        },
    );
}

/// The database is away for so long that nobody can say any more who owns the node.
#[test]
fn an_owner_whose_lease_has_run_out_makes_emergency_calls_and_ends_calls() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            let (ann, call, customer) = talking(floor).await;
            let bob = floor.phone("bob", &[]).await;
            floor.servers.stop_postgres();
            floor.daemon.says("the lease cannot be renewed").await;
            they_talk(&call, &customer).await;
            let help_wanted = bob.call("911").await;
            help_wanted.answered(SOON).await.expect("an answer");
            let help = floor.emergency.next_incoming(SOON).await.expect("a call for help");
            they_talk(&help_wanted, &help).await;
            let refused = ann.call("+14155550102").await;
            hears(&refused, RefusalReason::StoreUnavailable.prompt(), 503).await;
            help_wanted.hang_up();
            call.hang_up();
            help.ended(SOON).await.expect("an end");
            customer.ended(SOON).await.expect("an end");
            floor.servers.start_postgres();
            floor.daemon.says("the lease had run out, and nobody took it").await;
            let calls = floor.settled(3).await;
            assert_eq!(calls.iter().filter(|call| call.disposition == Some(Disposition::Answered)).count(), 2);
            assert!(calls.iter().all(|call| !call.estimated), "{calls:#?}");
            assert_eq!(floor.carrier.log().invites().len(), 1);
        },
    );
}
