//! An Asterisk that is dangerous gets no calls but emergency calls, says why, and is used again when it is mended.

use crate::floor::{Floor, Phone, SOON, live_with};
use crate::http::ask;
use crate::refusals::hears;
use crate::rewriter::rewriting;
use cordboard::core::outcome::RefusalReason;
use serde_json::Value;

const CALLER_ID: &str = "+12125550199";
const NET: &str = " same => n(end),SoftHangup(${CORDBOARD_END})\n";

/// What `/readyz` says blocks; empty if it is ready.
async fn blocks(floor: &Floor) -> Vec<String> {
    let (status, health) = ask(floor.servers.http, "GET", "/readyz", None, None).await;
    let blocked = health["blocked"].as_array().cloned().unwrap_or_default();
    assert_eq!(status == 200, health["ready"] == true, "{health}");
    assert!(blocked.is_empty() || status == 503, "{health}");
    assert!(blocked.iter().all(|finding| finding["advice"].as_str().is_some_and(|advice| !advice.is_empty())));
    blocked.iter().map(|finding| finding["check"].as_str().unwrap_or_default().to_owned()).collect()
}

/// An ordinary call is refused by word, a call for help is made.
async fn only_help_is_called(floor: &Floor, phone: &Phone) {
    let call = phone.call("+14155550101").await;
    hears(&call, RefusalReason::NodeUnavailable.prompt(), 503).await;
    let call = phone.call("911").await;
    call.answered(SOON).await.expect("an answer");
    call.hang_up();
    call.ended(SOON).await.expect("an end");
    assert_eq!(floor.emergency.log().invites().len(), 1);
    assert_eq!(floor.carrier.log().invites().len(), 0);
}

async fn is_used_again(floor: &mut Floor, phone: &Phone) {
    let call = phone.call("+14155550102").await;
    call.answered(SOON).await.expect("an answer");
    call.hang_up();
    call.ended(SOON).await.expect("an end");
    let calls = floor.settled(3).await;
    assert_eq!(calls[0].refusal, Some(RefusalReason::NodeUnavailable), "{calls:#?}");
    assert!(calls[1].emergency && calls[2].answered_at.is_some(), "{calls:#?}");
    assert_eq!(blocks(floor).await, Vec::<String>::new());
}

#[test]
fn without_the_safety_net_only_emergency_calls_are_made_until_it_is_back() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            let ann = floor.phone("ann", &["+12025550150"]).await;
            floor.daemon.signal("TERM");
            floor.daemon.ends(SOON).await;
            floor.servers.edit_dialplan(NET, "");
            floor.start_daemon();
            floor.daemon.says("no calls but emergency calls: live: safety_net: the dialplan lacks end of").await;
            assert_eq!(blocks(floor).await, ["safety_net"]);
            only_help_is_called(floor, &ann).await;
            // Back to where it was.
            let last = " same => n(done),Return()";
            floor.servers.edit_dialplan(last, &format!("{NET}{last}"));
            floor.daemon.is_ready().await;
            is_used_again(floor, &ann).await;
        },
    );
}

#[test]
fn an_asterisk_that_lives_dangerously_only_makes_emergency_calls_until_it_is_mended() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            let ann = floor.phone("ann", &["+12025550150"]).await;
            floor.servers.stop_asterisk();
            // The daemon stays, and looks at whoever comes back.
            let edit = ("asterisk.conf", "live_dangerously = no", "live_dangerously = yes");
            floor.servers.start_asterisk_otherwise(&[edit], "");
            floor.daemon.says("no calls but emergency calls: live: live_dangerously: is on").await;
            assert_eq!(blocks(floor).await, ["live_dangerously"]);
            ann.register().await;
            only_help_is_called(floor, &ann).await;
            floor.servers.stop_asterisk();
            floor.servers.start_asterisk();
            floor.daemon.says("INFO no longer: live: live_dangerously").await;
            ann.register().await;
            is_used_again(floor, &ann).await;
        },
    );
}

#[test]
fn an_asterisk_that_lacks_fixes_only_makes_emergency_calls() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            let ann = floor.phone("ann", &["+12025550150"]).await;
            floor.daemon.signal("TERM");
            floor.daemon.ends(SOON).await;
            let there = floor.settings.ari;
            floor.settings.ari = rewriting(there, ("\"version\":\"22.10.1", "\"version\":\"22.10.0"));
            floor.start_daemon();
            floor.daemon.says("no calls but emergency calls: live: version: 22.10.0").await;
            assert_eq!(blocks(floor).await, ["version"]);
            only_help_is_called(floor, &ann).await;
            floor.daemon.signal("TERM");
            floor.daemon.ends(SOON).await;
            floor.settings.ari = there;
            floor.restart_daemon().await;
            is_used_again(floor, &ann).await;
        },
    );
}

/// The words of `/readyz`, for who reads it by program.
#[test]
fn a_floor_in_order_says_so() {
    live_with(
        |settings| settings.emergency = Some(CALLER_ID),
        async |floor| {
            let (status, health) = ask(floor.servers.http, "GET", "/readyz", None, None).await;
            assert_eq!((status, &health["fit"], &health["blocked"]), (200, &Value::Bool(true), &Value::Array(vec![])));
        },
    );
}
