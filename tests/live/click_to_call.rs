//! Calls asked for over HTTP: the agent's own phone rings first.

use crate::floor::{Floor, SOON, live, live_with};
use crate::http::ask;
use crate::outcomes::{ended, they_talk};
use cordboard::core::fact::Party;
use cordboard::core::outcome::{Disposition, RefusalReason};
use cordboard::core::record::Quota;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sip_peer::{Behaviour, Ending, InCall};
use std::time::Duration;

const TOKEN: &str = "the-token-of-a-program";
const OURS: &str = "+12025550150";
pub const CUSTOMER: &str = "+14155550101";

pub async fn api(floor: &Floor, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    sqlx::query(
        "INSERT INTO api_tokens (organization_id, name, sha256) SELECT id, 'live', $1 FROM organizations
         ON CONFLICT DO NOTHING",
    )
    .bind(Sha256::digest(TOKEN).as_slice())
    .execute(&floor.pool)
    .await
    .expect("a token");
    ask(floor.servers.http, method, path, Some(TOKEN), body).await
}

/// Asks for a call, and gets it.
async fn start(floor: &Floor, agent: &str) -> String {
    let (status, answer) = api(floor, "POST", "/api/v1/calls", Some(json!({ "agent": agent, "to": CUSTOMER }))).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!((answer["from"].as_str(), answer["to"].as_str()), (Some(OURS), Some(CUSTOMER)), "{answer}");
    answer["id"].as_str().expect("an id").to_owned()
}

async fn hang_up(floor: &Floor, id: &str) {
    let (status, answer) = api(floor, "DELETE", &format!("/api/v1/calls/{id}"), None).await;
    assert_eq!(status, 202, "{answer}");
}

async fn rung_at_the_carrier(floor: &Floor) -> InCall {
    floor.carrier.next_incoming(SOON).await.expect("a call at the carrier")
}

#[test]
fn the_agents_phone_rings_first_then_the_customers_and_the_program_ends_the_call() {
    live(async |floor| {
        let ann = floor.phone_that("ann", &[OURS], Behaviour::answer(Duration::from_millis(400))).await;
        let id = start(floor, &ann.endpoint).await;
        let agent = ann.peer.next_incoming(SOON).await.expect("a call at the agent's phone");
        assert_eq!(agent.invite().from_user(), Some(CUSTOMER), "the phone does not show who is called");
        assert_eq!(floor.carrier.log().invites().len(), 0, "the customer is called before the agent is there");
        let customer = rung_at_the_carrier(floor).await;
        let picked_up = agent.progress().answered_ns.expect("the agent picked up");
        assert!(customer.progress().invited_ns > picked_up, "the customer was called first");
        customer.wait_for("answer", SOON, |p| p.answered_ns).await.expect("an answer");
        they_hear(&agent, &customer).await;
        hang_up(floor, &id).await;
        for leg in [&agent, &customer] {
            assert_eq!(leg.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        }
        ended(floor, Disposition::Answered, Party::Api).await;
    });
}

/// Audio both ways.
async fn they_hear(agent: &InCall, customer: &InCall) {
    use crate::floor::{CARRIER_HZ, PHONE_HZ};
    for (leg, other) in [(agent, CARRIER_HZ), (customer, PHONE_HZ)] {
        let heard = leg.rtp_until("the other's tone", SOON, |rtp| rtp.heard_hz == Some(other) && rtp.toned > 50).await;
        assert_eq!(heard.expect("audio").lost, 0);
    }
}

#[test]
fn an_agent_who_is_busy_away_or_not_there_costs_nothing_and_nobody_is_called() {
    live_with(
        |settings| settings.calls = "agent_ring_timeout_s = 5",
        async |floor| {
            let busy = floor.phone_that("busy", &[OURS], Behaviour::reject(486)).await;
            let away = floor.phone_that("away", &[], Behaviour::RingForever).await;
            floor.assign(away.agent, OURS, 100).await;
            let (agent, gone) = floor.agent("gone").await;
            floor.assign(agent, OURS, 100).await;
            floor.daemon.says(&format!("SIP account pushed endpoint={gone}")).await;
            for endpoint in [&busy.endpoint, &away.endpoint, &gone] {
                start(floor, endpoint).await;
            }
            for call in floor.settled(3).await {
                let end = (call.disposition, call.quota);
                assert_eq!(end, (Some(Disposition::AgentUnavailable), Quota::Refunded), "{call:#?}");
            }
            assert_eq!(floor.carrier.log().invites().len(), 0);
            assert_eq!(floor.count("SELECT sum(used) FROM number_days").await, 0);
        },
    );
}

#[test]
fn a_refused_request_never_rings_the_agent_and_says_why() {
    live(async |floor| {
        let none = floor.phone("none", &[]).await;
        let ann = floor.phone("ann", &[OURS]).await;
        for (agent, to, reason) in [
            (&none, CUSTOMER, RefusalReason::NoNumberAssigned),
            (&ann, "+442079460123", RefusalReason::CountryNotAllowed),
            (&ann, "12", RefusalReason::InvalidNumber),
            (&ann, "911", RefusalReason::EmergencyNotPossible),
        ] {
            let body = json!({ "agent": agent.endpoint, "to": to });
            let (status, answer) = api(floor, "POST", "/api/v1/calls", Some(body)).await;
            assert!((400..500).contains(&status) || status == 503, "{status} {answer}");
            assert!(answer.to_string().contains(reason.as_str()), "{reason}: {answer}");
        }
        floor.settled(4).await;
        for phone in [&none, &ann] {
            assert_eq!(phone.peer.log().invites().len(), 0, "the phone rang");
        }
        assert_eq!(floor.carrier.log().entries().len(), 0);
    });
}

#[test]
fn a_busy_customer_frees_the_agents_phone() {
    live(async |floor| {
        floor.carrier_does(Behaviour::Reject { status: 486, ring: Duration::from_millis(200) });
        let ann = floor.phone("ann", &[OURS]).await;
        start(floor, &ann.endpoint).await;
        let agent = ann.peer.next_incoming(SOON).await.expect("a call at the agent's phone");
        assert_eq!(agent.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        ended(floor, Disposition::Busy, Party::Customer).await;
    });
}

#[test]
fn a_request_can_be_taken_back_while_a_phone_rings() {
    live(async |floor| {
        floor.carrier_does(Behaviour::RingForever);
        let ann = floor.phone_that("ann", &[OURS], Behaviour::RingForever).await;
        let id = start(floor, &ann.endpoint).await;
        let agent = ann.peer.next_incoming(SOON).await.expect("a call at the agent's phone");
        hang_up(floor, &id).await;
        assert_eq!(agent.ended(SOON).await.expect("an end").how, Ending::Cancelled);
        let call = floor.the_call().await;
        assert_eq!((call.disposition, call.quota), (Some(Disposition::Cancelled), Quota::Refunded));

        let bob = floor.phone_that("bob", &[], Behaviour::answer(Duration::ZERO)).await;
        floor.assign(bob.agent, OURS, 100).await;
        let id = start(floor, &bob.endpoint).await;
        let customer = rung_at_the_carrier(floor).await;
        hang_up(floor, &id).await;
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::Cancelled);
        let call = floor.settled(2).await.remove(1);
        assert_eq!((call.disposition, call.quota), (Some(Disposition::Cancelled), Quota::Committed));
    });
}

#[test]
fn a_call_made_on_the_phone_can_be_ended_by_the_program() {
    live(async |floor| {
        let ann = floor.phone("ann", &[OURS]).await;
        let call = ann.call(CUSTOMER).await;
        call.answered(SOON).await.expect("an answer");
        let customer = rung_at_the_carrier(floor).await;
        they_talk(&call, &customer).await;
        let id = floor.calls().await[0].id.to_string();
        hang_up(floor, &id).await;
        assert_eq!(call.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        assert_eq!(customer.ended(SOON).await.expect("an end").how, Ending::TheyHungUp);
        ended(floor, Disposition::Answered, Party::Api).await;
        assert_eq!(api(floor, "DELETE", &format!("/api/v1/calls/{id}"), None).await.0, 200, "asking twice");
    });
}
