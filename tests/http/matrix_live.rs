//! The lines of the matrix about events and webhooks. What takes something away comes last.

use crate::matrix::{Ask, Line, Rule, at};
use crate::support::{Floor, Tenant, database};
use cordboard::access::Action::{LiveSee, WebhooksManage};
use cordboard::core::ids::CallId;
use cordboard::live::Secret;
use cordboard::store::webhooks::NewWebhook;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// A webhook of the tenant, and what waits for it.
pub async fn webhook(floor: &Floor, tenant: &Tenant, call: CallId) -> (String, String) {
    let new = NewWebhook {
        organization: tenant.id,
        url: "https://example.org/hooks".to_owned(),
        events: None,
        secret: Secret::new().expect("a secret").text().clone(),
        created_by: None,
    };
    let webhook = floor.store.add_webhook(&new).await.expect("a webhook").id;
    let mut connection = PgConnection::connect(&database().await).await.expect("a connection");
    let delivery: Uuid = sqlx::query_scalar(
        "INSERT INTO webhook_deliveries (organization_id, webhook_id, event, call_id, seq)
         VALUES ($1, $2, 'call.started', $3, 1) RETURNING id",
    )
    .bind(tenant.id.0)
    .bind(webhook)
    .bind(call.0)
    .fetch_one(&mut connection)
    .await
    .expect("a delivery");
    (webhook.to_string(), delivery.to_string())
}

/// The lines.
pub fn lines() -> Vec<Line> {
    let lines: Vec<(&'static str, &'static str, Rule, Ask)> = vec![
        ("GET", "/api/v1/events", Rule::Act(LiveSee, false), |_| at("/api/v1/events?follow=false")),
        ("GET", "/api/v1/events", Rule::Act(LiveSee, false), |_| at("/api/v1/events?follow=false&after=0")),
        ("GET", "/api/v1/events", Rule::Act(LiveSee, true), |things| {
            at(&format!("/api/v1/events?follow=false&after=0&agent={}", things.agent))
        }),
        ("GET", "/api/v1/webhooks", Rule::Act(WebhooksManage, false), |_| at("/api/v1/webhooks")),
        ("POST", "/api/v1/webhooks", Rule::May(WebhooksManage, false), |_| {
            ("/api/v1/webhooks".to_owned(), Some(json!({ "url": "https://example.org/more" })))
        }),
        ("GET", "/api/v1/webhooks/{id}", Rule::Act(WebhooksManage, true), |things| {
            at(&format!("/api/v1/webhooks/{}", things.webhook))
        }),
        ("PATCH", "/api/v1/webhooks/{id}", Rule::Act(WebhooksManage, true), |things| {
            (format!("/api/v1/webhooks/{}", things.webhook), Some(json!({ "enabled": true })))
        }),
        ("POST", "/api/v1/webhooks/{id}/secret", Rule::Act(WebhooksManage, true), |things| {
            at(&format!("/api/v1/webhooks/{}/secret", things.webhook))
        }),
        ("GET", "/api/v1/webhooks/{id}/deliveries", Rule::Act(WebhooksManage, true), |things| {
            at(&format!("/api/v1/webhooks/{}/deliveries", things.webhook))
        }),
        ("POST", "/api/v1/webhooks/{id}/deliveries/{delivery}/send", Rule::Act(WebhooksManage, true), |things| {
            at(&format!("/api/v1/webhooks/{}/deliveries/{}/send", things.webhook, things.delivery))
        }),
        ("DELETE", "/api/v1/webhooks/{id}", Rule::Never(WebhooksManage), |_| {
            at(&format!("/api/v1/webhooks/{}", Uuid::now_v7()))
        }),
    ];
    lines.into_iter().map(|(method, path, rule, ask)| (method, path.to_owned(), rule, ask)).collect()
}
