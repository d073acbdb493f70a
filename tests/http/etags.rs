//! Who changes a user that somebody else changed meanwhile is told so. Numbers have the same, and their own tests.

use crate::support::{Floor, Reply, Tenant};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

async fn send(floor: &Floor, tenant: &Tenant, method: &str, path: &str, tag: Option<&str>, body: &Value) -> Reply {
    let mut request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", tenant.token));
    if let Some(tag) = tag {
        request = request.header("if-match", tag);
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    floor.send(request.header("content-type", "application/json").body(body).expect("a request")).await
}

#[tokio::test]
async fn a_user_is_changed_only_as_it_was_read() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let new = json!({ "email": format!("ann@{}.example", tenant.slug), "role": "agent" });
    let added = send(&floor, &tenant, "POST", "/api/v1/users", None, &new).await;
    let path = added.header("location").expect("its address").to_owned();
    let tag = added.header("etag").expect("a tag").to_owned();
    let read = send(&floor, &tenant, "GET", &path, None, &Value::Null).await;
    assert_eq!(read.header("etag"), Some(tag.as_str()));
    let change = async |tag: Option<&str>, name: &str| {
        send(&floor, &tenant, "PATCH", &path, tag, &json!({ "name": name })).await
    };

    let changed = change(Some(&tag), "Ann").await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text);
    let newer = changed.header("etag").expect("a tag").to_owned();
    assert_ne!(newer, tag);
    change(Some(&tag), "Anna").await.is_problem(412, "outdated");
    change(Some("nonsense"), "Anna").await.is_problem(412, "outdated");
    assert_eq!(send(&floor, &tenant, "GET", &path, None, &Value::Null).await.json()["name"], "Ann");
    for good in [Some(format!("\"other\", {newer}")), Some("*".to_owned()), None] {
        assert_eq!(change(good.as_deref(), "Ann").await.status.as_u16(), 200, "{good:?}");
    }
}
