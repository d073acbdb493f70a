//! Two daemons and one Asterisk while the database is away: nobody can say who owns the node, and who needs help gets it.

use crate::check::until;
use crate::daemon::Daemon;
use crate::faults::talking;
use crate::floor::{Floor, SOON, live_with};
use crate::http::{ask, page};
use crate::outcomes::they_talk;
use crate::replicas::standby;
use cordboard::core::outcome::Disposition;
use cordboard::store::calls::CallRow;

const CALLER_ID: &str = "+12125550199";
const UNOWNED: &str = "nobody can say who owns the node: emergency calls only";

/// What the other daemon tells of itself.
async fn tells(floor: &Floor, metric: &str) -> bool {
    let (_, metrics) = page(floor.servers.http_b, "GET", "/metrics", None, None).await;
    metrics.lines().any(|line| line == metric)
}

fn help(calls: &[CallRow]) -> &CallRow {
    calls.iter().find(|call| call.emergency).expect("a call for help")
}

#[test]
fn when_the_owner_dies_while_the_database_is_away_another_replica_makes_emergency_calls() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            let (_ann, call, customer) = talking(floor).await;
            let bob = floor.phone("bob", &[]).await;
            let mut other = standby(floor).await;
            floor.servers.stop_postgres();
            other.says(UNOWNED).await;
            // As long as the owner lives it has the application, and makes them itself.
            floor.daemon.says("the lease cannot be renewed").await;
            let first = bob.call("911").await;
            first.answered(SOON).await.expect("an answer");
            let desk = floor.emergency.next_incoming(SOON).await.expect("a call for help");
            they_talk(&first, &desk).await;
            first.hang_up();
            desk.ended(SOON).await.expect("an end");
            assert!(
                tells(floor, "cordboard_ari_connected{node=\"live\"} 0").await,
                "it took a living owner's application"
            );
            floor.journaled().await;

            floor.daemon.kill();
            until("connected", async || tells(floor, "cordboard_ari_connected{node=\"live\"} 1").await).await;
            they_talk(&call, &customer).await;
            let second = bob.call("911").await;
            second.answered(SOON).await.expect("an answer");
            let desk = floor.emergency.next_incoming(SOON).await.expect("a call for help");
            they_talk(&second, &desk).await;
            floor.servers.start_postgres();
            other.is_ready().await;
            they_talk(&second, &desk).await;
            they_talk(&call, &customer).await;
            second.hang_up();
            call.hang_up();
            desk.ended(SOON).await.expect("an end");
            // What the dead one knew is in its journal, for its next turn.
            let calls = floor.settled(2).await;
            assert!(!help(&calls).estimated, "{calls:#?}");
            floor.daemon = next_turn(floor, other).await;
            assert_eq!(floor.settled(3).await.iter().filter(|call| call.emergency).count(), 2);
        },
    );
}

#[test]
fn a_call_for_help_whose_record_its_owner_could_not_write_is_not_ended_by_the_next_owner() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            let ann = floor.phone("ann", &["+12025550150"]).await;
            let mut other = standby(floor).await;
            floor.servers.stop_postgres();
            let call = ann.call("911").await;
            call.answered(SOON).await.expect("an answer");
            let desk = floor.emergency.next_incoming(SOON).await.expect("a call for help");
            floor.journaled().await;
            floor.daemon.kill();
            floor.servers.start_postgres();
            other.is_ready().await;
            // A phone that nobody knows is hung up when it is listed a second time.
            let listings = async || {
                let (_, metrics) = page(floor.servers.http_b, "GET", "/metrics", None, None).await;
                let count =
                    metrics.lines().find_map(|line| line.strip_prefix("cordboard_resyncs_total{outcome=\"done\"} "));
                count.and_then(|count| count.parse::<u32>().ok()).unwrap_or(0)
            };
            until("listed again", async || listings().await >= 2).await;
            they_talk(&call, &desk).await;
            assert_eq!(
                floor.count("SELECT count(*) FROM calls").await,
                0,
                "its record is where nobody else can read it"
            );
            floor.daemon = next_turn(floor, other).await;
            they_talk(&call, &desk).await;
            call.hang_up();
            desk.ended(SOON).await.expect("an end");
            let calls = floor.settled(1).await;
            assert_eq!((help(&calls).disposition, help(&calls).estimated), (Some(Disposition::Answered), false));
        },
    );
}

/// The daemon that died is started again, and the one that took over hands over to it.
async fn next_turn(floor: &mut Floor, mut other: Daemon) -> Daemon {
    let mut first = Daemon::start(floor.servers, &floor.database, &floor.settings);
    first.says("waiting for it").await;
    other.says("another replica waits for the node").await;
    other.signal("TERM");
    assert!(other.ends(SOON).await.success());
    first.is_ready().await;
    let (status, _) = ask(floor.servers.http, "GET", "/readyz", None, None).await;
    assert_eq!(status, 200);
    first
}
