//! Calls for a campaign: only from its numbers, whatever an earlier call left behind; and calls of no campaign as ever.

use crate::world::{World, admitted, decide, refused, request};
use cordboard::core::ids::CampaignId;
use cordboard::core::outcome::RefusalReason;
use cordboard::policy::Reason;
use cordboard::store::admit::{AdmitRequest, Admitted};
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

const ONE: &str = "+12125550101";
const TWO: &str = "+12125550102";
const THREE: &str = "+12125550103";

impl World {
    /// A campaign of acme with these numbers.
    async fn campaign(&self, name: &str, numbers: &[&str]) -> CampaignId {
        self.sql(&format!(
            "INSERT INTO campaigns (organization_id, name) SELECT id, '{name}' FROM organizations WHERE slug = 'acme'"
        ))
        .await;
        for number in numbers {
            self.sql(&format!(
                "INSERT INTO campaign_numbers (campaign_id, number_id) SELECT c.id, n.id FROM campaigns c, numbers n
                 WHERE c.name = '{name}' AND n.e164 = '{number}'"
            ))
            .await;
        }
        let id: Uuid = sqlx::query_scalar("SELECT id FROM campaigns WHERE name = $1")
            .bind(name)
            .fetch_one(&self.pool)
            .await
            .expect("a campaign");
        CampaignId(id)
    }

    async fn admit_for(&self, campaign: CampaignId, request: &AdmitRequest) -> Admitted {
        self.store.admit_for(campaign, request, decide).await.expect("an answer")
    }

    async fn presented_for(&self, campaign: CampaignId) -> String {
        admitted(self.admit_for(campaign, &request("alice")).await).present.to_string()
    }

    /// How often the rules were asked for a call of no campaign: once, if what was remembered held.
    async fn plain(&self) -> (String, usize) {
        let asked = AtomicUsize::new(0);
        let request = request("alice");
        let answer = self.store.admit(&request, |snapshot| {
            asked.fetch_add(1, Ordering::Relaxed);
            assert_eq!(snapshot.campaign, None);
            decide(snapshot)
        });
        let answer = admitted(answer.await.expect("an answer"));
        (answer.present.to_string(), asked.into_inner())
    }
}

#[tokio::test]
async fn a_campaigns_calls_are_made_from_its_numbers_and_say_so() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE, TWO, THREE], 100).await;
    let campaign = world.campaign("Spring", &[TWO]).await;
    for _ in 0..3 {
        assert_eq!(world.presented_for(campaign).await, TWO);
    }
    let call = request("alice");
    admitted(world.admit_for(campaign, &call).await);
    let row = world.store.call(call.call, None).await.expect("the call");
    assert_eq!((row.campaign_id, row.campaign.as_deref()), (Some(campaign), Some("Spring")));
    let decision = world.store.decision(call.call).await.expect("read").expect("a decision");
    let not: Vec<_> = decision.discarded.iter().map(|n| (n.e164.to_string(), n.reasons.clone())).collect();
    assert_eq!(not, [(ONE.to_owned(), vec![Reason::NotOfCampaign]), (THREE.to_owned(), vec![Reason::NotOfCampaign])]);
    // Asked for twice is counted once, and says the same.
    assert_eq!(admitted(world.admit_for(campaign, &call).await).present.to_string(), TWO);
    assert_eq!(world.used(TWO).await, 4);
    // The control: without the campaign, it is another's turn.
    assert_eq!(world.presented("alice").await, ONE);
    assert_eq!(world.number("SELECT count(*) FROM calls WHERE campaign_id IS NULL").await, 1);
    world.check().await;
}

#[tokio::test]
async fn what_an_earlier_call_left_behind_is_no_concern_of_a_campaign_and_stays_for_the_others() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE, TWO], 100).await;
    let campaign = world.campaign("Spring", &[TWO]).await;
    world.plain().await;
    world.plain().await;
    assert_eq!(world.plain().await, (ONE.to_owned(), 1), "what was remembered holds");
    // Unlinked by hand in between: the very next call knows.
    assert_eq!(world.presented_for(campaign).await, TWO);
    world.sql("DELETE FROM campaign_numbers").await;
    let reason = refused(world.admit_for(campaign, &request("alice")).await);
    assert_eq!(reason, RefusalReason::CampaignHasNoNumber);
    // Two calls from TWO by now, and two from ONE: longest unused comes first.
    let (number, asked) = world.plain().await;
    assert_eq!(
        (number.as_str(), asked),
        (ONE, 2),
        "the campaign's call was counted, so what was remembered is out of date"
    );
    assert_eq!(world.plain().await, (TWO.to_owned(), 1), "and from then on it holds again");
    world.check().await;
}

#[tokio::test]
async fn without_a_number_there_is_no_call_and_the_reason_is_the_campaign() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    world.equipped("bare", &[], 100).await;
    let (spring, none) = (world.campaign("Spring", &[ONE]).await, world.campaign("None", &[]).await);
    let call = request("alice");
    assert_eq!(refused(world.admit_for(none, &call).await), RefusalReason::CampaignHasNoNumber);
    let row = world.store.call(call.call, None).await.expect("the call");
    assert_eq!((row.campaign.as_deref(), row.refusal), (Some("None"), Some(RefusalReason::CampaignHasNoNumber)));
    let dry = async |id| world.store.dry_run_for(id, &request("alice").endpoint, decide).await.expect("an answer");
    assert_eq!(dry(none).await.expect("an agent").decision.refusal, Some(RefusalReason::CampaignHasNoNumber));
    assert_eq!(dry(spring).await.expect("an agent").decision.refusal, None);
    // Who has no number at all is told that.
    assert_eq!(refused(world.admit_for(spring, &request("bare")).await), RefusalReason::NoNumberAssigned);
    for status in ["paused", "archived"] {
        world.sql(&format!("UPDATE campaigns SET status = '{status}'")).await;
        let reason = refused(world.admit_for(spring, &request("alice")).await);
        assert_eq!(reason, RefusalReason::CampaignHasNoNumber, "{status}");
    }
    world.sql("UPDATE campaigns SET status = 'active'; UPDATE assignments SET daily_limit = 1").await;
    world.presented_for(spring).await;
    assert_eq!(refused(world.admit_for(spring, &request("alice")).await), RefusalReason::DailyLimit);
    world.check().await;
}

#[tokio::test]
async fn another_organizations_campaign_is_none() {
    let world = World::acme().await;
    world.equipped("alice", &[ONE], 100).await;
    world
        .sql(
            "INSERT INTO organizations (slug, name, country, time_zone) VALUES ('other', 'Other', 'US', 'UTC');
             INSERT INTO campaigns (organization_id, name) SELECT id, 'Theirs' FROM organizations WHERE slug = 'other'",
        )
        .await;
    let theirs = sqlx::query_scalar("SELECT id FROM campaigns").fetch_one(&world.pool).await.expect("a campaign");
    let call = request("alice");
    assert_eq!(refused(world.admit_for(CampaignId(theirs), &call).await), RefusalReason::CampaignHasNoNumber);
    assert_eq!(world.store.call(call.call, None).await.expect("the call").campaign_id, None);
    for sql in [
        "INSERT INTO campaign_numbers (campaign_id, number_id) SELECT c.id, n.id FROM campaigns c, numbers n",
        "UPDATE calls SET campaign_id = (SELECT id FROM campaigns)",
    ] {
        let error = world.try_sql(sql).await.expect_err(sql).to_string();
        assert!(error.contains("is_of_the_same_organization"), "{error}");
    }
}

#[tokio::test]
async fn a_number_that_leaves_its_organization_leaves_its_campaigns() {
    let world = World::acme().await;
    world.add_number(ONE).await;
    world.add_number(TWO).await;
    world.campaign("Spring", &[ONE, TWO]).await;
    world.sql(&format!("UPDATE numbers SET organization_id = NULL WHERE e164 = '{ONE}'")).await;
    assert_eq!(world.number("SELECT count(*) FROM campaign_numbers").await, 1);
    world.sql("DELETE FROM numbers").await;
    assert_eq!(world.number("SELECT count(*) FROM campaign_numbers").await, 0);
}

#[tokio::test]
async fn many_calls_of_a_campaign_and_of_none_exceed_no_limit() {
    let world = World::acme().await;
    for agent in ["alice", "bob", "carol"] {
        world.equipped(agent, &[ONE, TWO], 10).await;
    }
    world.sql("UPDATE numbers SET daily_limit = 12").await;
    let campaign = world.campaign("Spring", &[TWO]).await;
    let calls = (0..60).map(|n| {
        let world = &world;
        async move {
            let request = request(["alice", "bob", "carol"][n % 3]);
            if n % 2 == 0 {
                let answer = world.admit_for(campaign, &request).await;
                if let Admitted::Admitted(admission) = answer {
                    assert_eq!(admission.present.to_string(), TWO);
                }
            } else {
                world.try_admit(&request).await.expect("an answer");
            }
        }
    });
    futures::future::join_all(calls).await;
    assert_eq!((world.used(ONE).await, world.used(TWO).await), (12, 12));
    world.check().await;
}

#[tokio::test]
async fn contacts_are_counted_whoever_writes_them_and_are_not_on_the_trail() {
    let world = World::acme().await;
    world.campaign("Spring", &[]).await;
    let add = "INSERT INTO contacts (organization_id, campaign_id, e164, name)
        SELECT organization_id, id, '+1202555' || lpad(n::text, 4, '0'), 'Alice' FROM campaigns, generate_series(1, 500) n";
    world.sql(add).await;
    assert_eq!(world.number("SELECT contacts::bigint FROM campaigns").await, 500);
    let twice = world.try_sql(add).await.expect_err("there already").to_string();
    assert!(twice.contains("contact_is_once_in_a_campaign"), "{twice}");
    world.sql("DELETE FROM contacts WHERE e164 < '+12025550101'").await;
    assert_eq!(world.number("SELECT contacts::bigint FROM campaigns").await, 400);
    assert_eq!(world.number("SELECT count(*) FROM audit WHERE audit::text LIKE '%Alice%'").await, 0);
    let counted = "SELECT count(*) FROM audit WHERE what = 'campaigns' AND after ->> 'contacts' = '400'";
    assert_eq!(world.number(counted).await, 1, "that there are fewer is");
}
