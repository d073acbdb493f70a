//! The lines of the matrix about carriers and campaigns.

use crate::matrix::{Ask, Line, Rule, Things, at};
use crate::support::{Floor, Tenant};
use cordboard::access::Action::{CampaignsManage, CampaignsSee, ImportsManage};
use cordboard::store::{Actor, Scope, campaigns};
use serde_json::json;
use std::sync::atomic::{AtomicU32, Ordering};
use uuid::Uuid;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A campaign by the name of the tenant's agent, so that it can be asked for.
pub async fn furnish(floor: &Floor, tenant: &Tenant) {
    let begun = floor.store.begin_as(Scope::Everything, &Actor::daemon()).await;
    let mut transaction = begun.expect("a transaction");
    let name = format!("for-{}", tenant.agent.id).parse().expect("a name");
    campaigns::add(&mut transaction, tenant.id, &name).await.expect("a campaign");
    transaction.commit().await.expect("committed");
}

/// The address of a campaign, or of what is behind it.
fn of(things: &Things, rest: &str) -> String {
    format!("/api/v1/campaigns/for-{}{rest}", things.agent)
}

fn line(method: &'static str, path: &str, rule: Rule, ask: Ask) -> Line {
    (method, path.to_owned(), rule, ask)
}

/// The lines.
pub fn lines() -> Vec<Line> {
    vec![
        line("GET", "/api/v1/carriers", Rule::Act(ImportsManage, false), |_| at("/api/v1/carriers")),
        // Which carrier is whose, the settings say; here it is nobody's.
        line("POST", "/api/v1/carriers/{id}/import", Rule::Never(ImportsManage), |_| at("/api/v1/carriers/x/import")),
        line("GET", "/api/v1/carriers/{id}/drift", Rule::Never(ImportsManage), |_| at("/api/v1/carriers/x/drift")),
        line("POST", "/api/v1/numbers/import", Rule::Never(ImportsManage), |_| at("/api/v1/numbers/import")),
        line("POST", "/api/v1/phone-numbers/import", Rule::Never(ImportsManage), |_| {
            at("/api/v1/phone-numbers/import")
        }),
        line("GET", "/api/v1/campaigns", Rule::Act(CampaignsSee, false), |_| at("/api/v1/campaigns")),
        line("POST", "/api/v1/campaigns", Rule::Act(CampaignsManage, false), |_| {
            let name = format!("campaign {}", NEXT.fetch_add(1, Ordering::Relaxed));
            ("/api/v1/campaigns".to_owned(), Some(json!({ "name": name })))
        }),
        line("GET", "/api/v1/campaigns/{id}", Rule::Act(CampaignsSee, true), |things| at(&of(things, ""))),
        line("PATCH", "/api/v1/campaigns/{id}", Rule::Act(CampaignsManage, true), |things| {
            (of(things, ""), Some(json!({ "status": "active" })))
        }),
        line("GET", "/api/v1/campaigns/{id}/numbers", Rule::Act(CampaignsSee, true), |things| {
            at(&of(things, "/numbers"))
        }),
        line("POST", "/api/v1/campaigns/{id}/numbers", Rule::Act(CampaignsManage, true), |things| {
            (of(things, "/numbers"), Some(json!({ "numbers": [things.number] })))
        }),
        line("DELETE", "/api/v1/campaigns/{id}/numbers/{number}", Rule::Act(CampaignsManage, true), |things| {
            at(&of(things, &format!("/numbers/{}", things.number)))
        }),
        line("GET", "/api/v1/campaigns/{id}/contacts", Rule::Act(CampaignsSee, true), |things| {
            at(&of(things, "/contacts"))
        }),
        line("POST", "/api/v1/campaigns/{id}/contacts", Rule::May(CampaignsManage, true), |things| {
            (of(things, "/contacts"), Some(json!({ "number": "+12025550123" })))
        }),
        line("POST", "/api/v1/campaigns/{id}/contacts/bulk-upload", Rule::May(CampaignsManage, true), |things| {
            (of(things, "/contacts/bulk-upload"), Some(json!([])))
        }),
        line("DELETE", "/api/v1/campaigns/{id}/contacts/{contact}", Rule::Never(CampaignsManage), |things| {
            at(&of(things, &format!("/contacts/{}", Uuid::now_v7())))
        }),
    ]
}
