//! Postgres away, in every way it can be: calls live on, agents hear why they cannot call, and nothing is lost.

use crate::check::{none_left, until};
use crate::faults::talking;
use crate::floor::{Floor, Phone, SOON, live, live_with};
use crate::outcomes::they_talk;
use crate::refusals::hears;
use cordboard::core::fact::Party;
use cordboard::core::outcome::{Disposition, RefusalReason};
use cordboard::core::record::Quota;
use cordboard::store::calls::CallRow;
use fault_proxy::Proxy;
use sip_peer::{Ending, InCall, OutCall};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const AWAY: &str = "the database is away";
const OTHER: &str = "+14155550102";

/// Another call of the agent, who hears that it cannot be made now.
async fn is_refused(ann: &Phone) {
    let refused = ann.call(OTHER).await;
    hears(&refused, RefusalReason::StoreUnavailable.prompt(), 503).await;
}

async fn agent_hangs_up(floor: &Floor, call: &OutCall, customer: &InCall) {
    call.hang_up();
    assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
    none_left(floor, "channels").await;
}

fn ended_by(row: &CallRow, by: Party) {
    assert_eq!((row.disposition, row.hung_up_by), (Some(Disposition::Answered), Some(by)), "{row:#?}");
}

fn was_refused(row: &CallRow) {
    assert_eq!((row.refusal, row.quota), (Some(RefusalReason::StoreUnavailable), Quota::None), "{row:#?}");
    assert_eq!(row.dialled.as_deref(), Some(OTHER));
}

/// Calls are made again, and the journal is empty.
async fn all_is_well(floor: &mut Floor, ann: &Phone, calls: usize) {
    until("ready", async || crate::http::ask(floor.servers.http, "GET", "/readyz", None, None).await.0 == 200).await;
    let left = std::fs::read_dir(floor.servers.journal(&floor.database).join("live")).expect("the journal");
    let left: Vec<_> = left.map(|entry| entry.expect("a file").file_name()).filter(|name| name != "lock").collect();
    assert!(left.is_empty(), "the journal keeps what the database has: {left:?}");
    until("registered", async || ann.peer.register(600).await.is_ok()).await;
    let call = ann.call("+14155550103").await;
    call.answered(SOON).await.expect("an answer");
    call.hang_up();
    floor.settled(calls + 1).await;
}

#[test]
fn the_database_stops_in_mid_call_and_the_end_is_recorded_when_it_is_back() {
    live(async |floor| {
        let (ann, call, customer) = talking(floor).await;
        floor.servers.stop_postgres();
        they_talk(&call, &customer).await;
        is_refused(&ann).await;
        they_talk(&call, &customer).await;
        agent_hangs_up(floor, &call, &customer).await;
        floor.servers.start_postgres();
        let calls = floor.settled(2).await;
        ended_by(&calls[0], Party::Agent);
        assert!(!calls[0].estimated);
        was_refused(&calls[1]);
        all_is_well(floor, &ann, 2).await;
    });
}

#[test]
fn the_daemon_is_killed_while_the_database_is_away_and_the_next_one_has_every_fact() {
    live(async |floor| {
        let (ann, call, customer) = talking(floor).await;
        floor.servers.stop_postgres();
        floor.daemon.says(AWAY).await;
        is_refused(&ann).await;
        agent_hangs_up(floor, &call, &customer).await;
        floor.journaled().await;
        floor.daemon.kill();
        floor.servers.start_postgres();
        floor.restart_daemon().await;
        let calls = floor.settled(2).await;
        // Only who heard the end can say who hung up, and when.
        ended_by(&calls[0], Party::Agent);
        assert!(!calls[0].estimated, "the facts of the outage are lost: {:#?}", calls[0]);
        was_refused(&calls[1]);
        all_is_well(floor, &ann, 2).await;
    });
}

/// The control: the same without what is in the journal, and the record must show it. Then the journal is found again, too
/// late: a record that was made without it is not mixed with it.
#[test]
fn without_the_journal_the_end_would_be_a_guess_and_stays_one() {
    live(async |floor| {
        let (_ann, call, customer) = talking(floor).await;
        floor.servers.stop_postgres();
        floor.daemon.says(AWAY).await;
        agent_hangs_up(floor, &call, &customer).await;
        floor.journaled().await;
        floor.daemon.kill();
        let journal = floor.servers.journal(&floor.database);
        let elsewhere = journal.with_extension("lost");
        std::fs::rename(&journal, &elsewhere).expect("the journal is mislaid");
        floor.servers.start_postgres();
        floor.restart_daemon().await;
        let row = floor.the_call().await;
        assert!(row.estimated && row.hung_up_by != Some(Party::Agent), "the ring above proves nothing: {row:#?}");

        floor.daemon.kill();
        std::fs::remove_dir_all(&journal).expect("the new one");
        std::fs::rename(&elsewhere, &journal).expect("the journal is found");
        floor.restart_daemon().await;
        floor.daemon.says("somebody else recorded this call meanwhile").await;
        assert_eq!(floor.the_call().await, row);
    });
}

#[test]
fn a_daemon_that_starts_without_the_database_leaves_calls_alone_and_takes_them_up_later() {
    live(async |floor| {
        let (ann, call, customer) = talking(floor).await;
        floor.daemon.kill();
        floor.servers.stop_postgres();
        floor.restart_daemon_alone().await;
        they_talk(&call, &customer).await;
        is_refused(&ann).await;
        they_talk(&call, &customer).await;
        floor.servers.start_postgres();
        floor.daemon.says("taken up again").await;
        floor.daemon.is_ready().await;
        they_talk(&call, &customer).await;
        agent_hangs_up(floor, &call, &customer).await;
        let calls = floor.settled(2).await;
        ended_by(&calls[0], Party::Agent);
        was_refused(&calls[1]);
        all_is_well(floor, &ann, 2).await;
    });
}

#[test]
fn a_call_that_ends_before_the_database_is_back_is_remembered_by_the_daemon_that_never_knew_it() {
    live(async |floor| {
        let (_ann, call, customer) = talking(floor).await;
        floor.daemon.kill();
        floor.servers.stop_postgres();
        floor.restart_daemon_alone().await;
        customer.hang_up();
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        none_left(floor, "channels").await;
        floor.servers.start_postgres();
        ended_by(&floor.the_call().await, Party::Customer);
    });
}

#[test]
fn a_daemon_that_starts_without_the_database_makes_emergency_calls() {
    live_with(
        |settings| settings.emergency = Some("+12125550199"),
        async |floor| {
            let ann = floor.phone("ann", &["+12025550150"]).await;
            floor.daemon.kill();
            floor.servers.stop_postgres();
            floor.restart_daemon_alone().await;
            // The country is not known: an emergency number of any country is one.
            for dialled in ["911", "999"] {
                let call = ann.call(dialled).await;
                call.answered(SOON).await.expect("an answer");
                let help = floor.emergency.next_incoming(SOON).await.expect("a call for help");
                assert_eq!((help.number(), help.invite().from_user()), (dialled, Some("+12125550199")));
                call.hang_up();
                help.ended(SOON).await.expect("an end");
            }
            floor.journaled().await;
            // One more is under way when the database comes back.
            let call = ann.call("911").await;
            call.answered(SOON).await.expect("an answer");
            let help = floor.emergency.next_incoming(SOON).await.expect("a call for help");
            floor.servers.start_postgres();
            floor.daemon.is_ready().await;
            they_talk(&call, &help).await;
            call.hang_up();
            help.ended(SOON).await.expect("an end");
            let calls = floor.settled(3).await;
            assert!(
                calls.iter().all(|call| call.emergency && call.quota == Quota::None && !call.estimated),
                "{calls:#?}"
            );
        },
    );
}

#[test]
fn a_database_that_freezes_holds_nobody_up() {
    by_proxy(async |floor, proxy| {
        let (ann, call, customer) = talking(floor).await;
        proxy.freeze();
        // The first is refused because the answer does not come, the second because none is expected.
        is_refused(&ann).await;
        floor.daemon.says(AWAY).await;
        is_refused(&ann).await;
        they_talk(&call, &customer).await;
        agent_hangs_up(floor, &call, &customer).await;
        floor.journaled().await;
        proxy.mend();
        let calls = floor.settled(3).await;
        ended_by(&calls[0], Party::Agent);
        assert!(!calls[0].estimated);
        for row in &calls[1..] {
            assert!(matches!(row.quota, Quota::None | Quota::Refunded), "{row:#?}");
            assert_eq!(row.invite_sent_at, None);
        }
        assert_eq!(floor.carrier.log().invites().len(), 1, "a phone rang for a call that was refused");
        all_is_well(floor, &ann, 3).await;
    });
}

#[test]
fn connections_that_are_killed_all_the_time_lose_and_double_nothing() {
    live(async |floor| {
        let ann = floor.phone("ann", &["+12025550150"]).await;
        let over = Arc::new(AtomicBool::new(false));
        let (pool, until_over) = (floor.pool.clone(), Arc::clone(&over));
        let storm = tokio::spawn(async move {
            let mut killed = 0_i64;
            while !until_over.load(Ordering::Relaxed) {
                let victims = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'cordboard'
                         AND random() < 0.5";
                killed += sqlx::query_scalar::<_, i64>(victims).fetch_one(&pool).await.unwrap_or_default();
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
            killed
        });
        let mut made = 0;
        for number in 0..20 {
            let call = ann.call(&format!("+1415555{:04}", 200 + number)).await;
            if call.answered(SOON).await.is_ok() {
                made += 1;
                call.hang_up();
            }
            call.ended(SOON).await.expect("an end");
        }
        over.store(true, Ordering::Relaxed);
        let killed = storm.await.expect("a storm");
        println!("{killed} connections killed: {made} of 20 calls were made");
        assert!(killed > 50, "{killed} killed: no storm");
        let calls = floor.settled(20).await;
        assert_eq!(calls.iter().filter(|call| call.answered_at.is_some()).count(), made);
        assert_eq!(floor.carrier.log().invites().len(), made);
    });
}

/// A floor whose daemon reaches Postgres through a proxy.
pub fn by_proxy(scenario: impl AsyncFnOnce(&mut Floor, &Proxy)) {
    let proxy = Proxy::before(crate::servers::servers().postgres());
    let postgres = proxy.addr;
    live_with(move |settings| settings.postgres = postgres, async |floor| scenario(floor, &proxy).await);
}
