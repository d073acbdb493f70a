//! A call for a campaign, as the carrier sees it.

use crate::click_to_call::{CUSTOMER, api};
use crate::floor::{SOON, live};
use cordboard::core::outcome::Disposition;
use serde_json::json;
use sip_peer::Behaviour;
use std::time::Duration;

#[test]
fn a_campaigns_call_leaves_with_the_campaigns_number_and_others_as_ever() {
    live(async |floor| {
        let ours = ["+12025550150", "+12025550151", "+12025550152"];
        let ann = floor.phone_that("ann", &ours, Behaviour::answer(Duration::from_millis(100))).await;
        let (status, campaign) = api(floor, "POST", "/api/v1/campaigns", Some(json!({"name": "Spring"}))).await;
        assert_eq!(status, 201, "{campaign}");
        let links = format!("/api/v1/campaigns/{}/numbers", campaign["id"].as_str().expect("an id"));
        let (status, linked) = api(floor, "POST", &links, Some(json!({"numbers": [ours[2]]}))).await;
        assert_eq!(status, 200, "{linked}");
        let mut calls = 0;
        // The first is the control: the number whose turn it is is another.
        for (campaign, from) in [(None, ours[0]), (Some("Spring"), ours[2]), (Some("Spring"), ours[2]), (None, ours[1])]
        {
            let mut body = json!({"agent": ann.endpoint, "to": CUSTOMER});
            if let Some(campaign) = campaign {
                body["campaign"] = json!(campaign);
            }
            let (status, started) = api(floor, "POST", "/api/v1/calls", Some(body)).await;
            assert_eq!((status, started["from"].as_str()), (201, Some(from)), "{started}");
            let customer = floor.carrier.next_incoming(SOON).await.expect("a call at the carrier");
            assert_eq!(customer.invite().from_user(), Some(from), "what the carrier sees");
            customer.wait_for("answer", SOON, |p| p.answered_ns).await.expect("an answer");
            let id = started["id"].as_str().expect("an id");
            let (status, _) = api(floor, "DELETE", &format!("/api/v1/calls/{id}"), None).await;
            assert_eq!(status, 202);
            calls += 1;
            let row = floor.settled(calls).await.into_iter().find(|row| row.id.to_string() == id).expect("the call");
            assert_eq!((row.disposition, row.campaign.as_deref()), (Some(Disposition::Answered), campaign));
        }
    });
}
