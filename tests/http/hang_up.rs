//! Ending calls.

use crate::support::{Floor, Mode, Tenant};
use axum::http::Method;
use cordboard::core::command::Answer;
use cordboard::core::fact::{Fact, Party};
use cordboard::core::ids::CallId;
use cordboard::core::outcome::{Disposition, RefusalReason};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

async fn hang_up(floor: &Floor, tenant: &Tenant, call: CallId) -> crate::support::Reply {
    floor.ask(Method::DELETE, &format!("/api/v1/calls/{call}"), &tenant.token).await
}

fn the_end() -> Vec<Fact> {
    let at = Timestamp::now();
    vec![
        Fact::HangupAsked { at, by: Party::Api },
        Fact::Settled { at, disposition: Disposition::Cancelled, estimated: false },
    ]
}

#[tokio::test]
async fn a_call_is_ended_once_and_asking_again_changes_nothing() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let call = floor.started(&tenant).await;
    for _ in 0..2 {
        let reply = hang_up(&floor, &tenant, call).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        assert_eq!(reply.json(), json!({ "id": call, "state": "ending" }));
    }
    floor.happens(call, the_end()).await;
    let reply = hang_up(&floor, &tenant, call).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json()["disposition"], "cancelled");
    assert_eq!(
        *floor.stand.hung_up.lock().expect("lock"),
        [call, call],
        "the loop was not asked about a call that is over"
    );
}

#[tokio::test]
async fn a_call_that_ends_at_the_same_moment_is_waited_for() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let call = floor.started(&tenant).await;
    floor.set(Mode::Say(Answer::NoSuchCall));
    let later = async {
        tokio::time::sleep(Duration::from_millis(80)).await;
        floor.happens(call, the_end()).await;
    };
    let (reply, ()) = tokio::join!(hang_up(&floor, &tenant, call), later);
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json()["state"], "over");
}

#[tokio::test]
async fn a_call_that_nobody_knows_any_more_is_not_said_to_be_over() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let call = floor.started(&tenant).await;
    floor.set(Mode::Say(Answer::NoSuchCall));
    let problem = hang_up(&floor, &tenant, call).await.is_problem(503, "not_settled");
    assert_eq!(problem["callId"], call.to_string());
}

#[tokio::test]
async fn a_loop_that_is_full_panics_or_talks_nonsense_is_no_mystery() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let call = floor.started(&tenant).await;
    floor.set(Mode::Busy);
    hang_up(&floor, &tenant, call).await.is_problem(503, "busy");
    floor.set(Mode::Elsewhere);
    let problem = hang_up(&floor, &tenant, call).await.is_problem(503, "not_owner");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("replica-b:7") && detail.contains("pbx1"), "{problem}");
    floor.set(Mode::Panic);
    hang_up(&floor, &tenant, call).await.is_problem(500, "internal");
    for nonsense in [Answer::Admitted, Answer::Refused(RefusalReason::Draining)] {
        floor.set(Mode::Say(nonsense));
        hang_up(&floor, &tenant, call).await.is_problem(500, "internal");
    }
}
