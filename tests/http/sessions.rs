//! Signing in and out, keys and who makes them, and how often somebody may ask.

use crate::support::{Floor, Reply, Tenant, database};
use axum::body::Body;
use axum::http::Request;
use cordboard::access::{Action, Role};
use cordboard::core::ids::UserId;
use cordboard::http::{Limits, Rate, Reach};
use cordboard::keys;
use cordboard::store::tokens::NewToken;
use cordboard::store::users::{NewUser, UserChange};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

const PASSWORD: &str = "correct horse battery";

async fn user(floor: &Floor, tenant: &Tenant, name: &str, role: Role) -> (UserId, String) {
    let email = format!("{name}@{}.example.org", tenant.slug);
    let password_hash = Some(keys::hash_password(&PASSWORD.into()).expect("a hash"));
    let new = NewUser { organization: tenant.id, email: email.clone(), name: name.to_owned(), role, password_hash };
    (floor.store.add_user(&new).await.expect("a user").id, email)
}

async fn send(floor: &Floor, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    floor
        .send(request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).expect("a request"))
        .await
}

async fn sign_in(floor: &Floor, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    send(floor, "POST", "/api/v1/session", &[], Some(body)).await
}

/// The cookie as a browser sends it back.
async fn cookie(floor: &Floor, email: &str) -> String {
    let reply = sign_in(floor, email, PASSWORD).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.header("set-cookie").expect("a cookie").split(';').next().expect("its value").to_owned()
}

async fn me(floor: &Floor, cookie: &str) -> Reply {
    send(floor, "GET", "/api/v1/me", &[("cookie", cookie)], None).await
}

async fn sql(text: String) {
    let mut connection = PgConnection::connect(&database().await).await.expect("the database");
    connection.execute(AssertSqlSafe(text)).await.expect("done");
}

#[tokio::test]
async fn who_signs_in_is_known_until_they_sign_out() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (id, email) = user(&floor, &tenant, "olga", Role::Owner).await;
    let reply = sign_in(&floor, &email.to_uppercase(), PASSWORD).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(reply.json()["user"]["id"], json!(id));
    assert_eq!(reply.json()["may"]["users.manage"], "everything");
    assert!(!reply.text.contains("cbs_"), "scripts do not get it: {}", reply.text);
    let set = reply.header("set-cookie").expect("a cookie").to_owned();
    let attributes: Vec<&str> = set.split("; ").skip(1).collect();
    assert_eq!(attributes, ["Path=/", "Max-Age=43200", "Secure", "HttpOnly", "SameSite=Strict"]);
    let cookie = set.split(';').next().expect("its value");
    assert!(cookie.starts_with("__Host-cordboard=cbs_"), "{cookie}");
    assert_eq!(me(&floor, cookie).await.json()["organization"]["slug"], tenant.slug);
    let beside = format!("theme=dark; {cookie}; other=1");
    assert_eq!(me(&floor, &beside).await.status, 200);
    me(&floor, &format!("{cookie}; {cookie}")).await.is_problem(401, "unauthorized");
    me(&floor, &format!("__Host-cordboard={}", tenant.token)).await.is_problem(401, "unauthorized");
    let out = send(&floor, "DELETE", "/api/v1/session", &[("cookie", cookie)], None).await;
    assert_eq!(out.status, 204, "{}", out.text);
    assert!(out.header("set-cookie").is_some_and(|set| set.starts_with("__Host-cordboard=; Path=/; Max-Age=0;")));
    me(&floor, cookie).await.is_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_program_signs_in_with_a_bearer_token() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (_, email) = user(&floor, &tenant, "olga", Role::Manager).await;
    let body = json!({ "email": email, "password": PASSWORD, "bearer": true });
    let reply = send(&floor, "POST", "/api/v1/session", &[], Some(body)).await;
    assert_eq!(reply.header("set-cookie"), None);
    let token = reply.json()["bearerToken"].as_str().expect("a token").to_owned();
    assert_eq!(floor.get("/api/v1/me", &token).await.json()["role"], "manager");
    assert_eq!(floor.get("/api/v1/calls", &token).await.status, 200);
}

#[tokio::test]
async fn who_cannot_sign_in_learns_nothing() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (_, email) = user(&floor, &tenant, "olga", Role::Owner).await;
    let (off, off_email) = user(&floor, &tenant, "otto", Role::Agent).await;
    floor
        .store
        .change_user(off, tenant.id, &UserChange { active: Some(false), ..UserChange::default() })
        .await
        .expect("switched off");
    let none = NewUser {
        organization: tenant.id,
        email: format!("none@{}.example.org", tenant.slug),
        name: String::new(),
        role: Role::Agent,
        password_hash: None,
    };
    floor.store.add_user(&none).await.expect("a user");
    let asleep = floor.tenant().await;
    let (_, asleep_email) = user(&floor, &asleep, "olga", Role::Owner).await;
    floor.store.set_organization_active(&asleep.slug, false).await.expect("switched off");
    let wrong = sign_in(&floor, &email, "correct horse batterY").await;
    wrong.is_problem(401, "sign_in_failed");
    for (email, password) in [
        ("nobody@example.org", PASSWORD),
        ("", ""),
        ("' OR 1=1 --", PASSWORD),
        (off_email.as_str(), PASSWORD),
        (none.email.as_str(), ""),
        (none.email.as_str(), PASSWORD),
        (asleep_email.as_str(), PASSWORD),
    ] {
        let reply = sign_in(&floor, email, password).await;
        assert_eq!((reply.status, &reply.text), (wrong.status, &wrong.text), "{email}");
        assert_eq!(reply.header("set-cookie"), None);
    }
    assert_eq!(sign_in(&floor, &email, PASSWORD).await.status, 201);
}

#[tokio::test]
async fn another_site_cannot_use_the_cookie() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (_, email) = user(&floor, &tenant, "olga", Role::Owner).await;
    let cookie = cookie(&floor, &email).await;
    let site = [("cookie", cookie.as_str()), ("host", "floor.example.org")];
    let post = async |more: &[(&str, &str)]| {
        let body = json!({ "email": format!("{}@example.org", uuid::Uuid::now_v7()), "role": "agent" });
        send(&floor, "POST", "/api/v1/users", &[site.as_slice(), more].concat(), Some(body)).await
    };
    for other in [
        [("sec-fetch-site", "cross-site")].as_slice(),
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example.org")],
        &[("origin", "null")],
    ] {
        post(other).await.is_problem(403, "cross_site");
    }
    for own in [[("sec-fetch-site", "same-origin")].as_slice(), &[("origin", "https://floor.example.org")], &[]] {
        let reply = post(own).await;
        assert_eq!(reply.status, 201, "{own:?}: {}", reply.text);
    }
    let other = [site.as_slice(), &[("sec-fetch-site", "cross-site")]].concat();
    send(&floor, "DELETE", "/api/v1/session", &other, None).await.is_problem(403, "cross_site");
    assert_eq!(me(&floor, &cookie).await.status, 200, "still signed in");
}

#[tokio::test]
async fn a_session_ends_unused_and_ends_anyhow_and_with_the_password_and_with_the_account() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (id, email) = user(&floor, &tenant, "olga", Role::Owner).await;
    for end in [
        format!("UPDATE sessions SET seen_at = now() - make_interval(secs => idle_s + 1) WHERE user_id = '{id}'"),
        format!("UPDATE sessions SET expires_at = now() WHERE user_id = '{id}'"),
        format!("UPDATE users SET password_hash = password_hash || 'x' WHERE id = '{id}'"),
        format!("UPDATE users SET active = false WHERE id = '{id}'"),
    ] {
        let hash = keys::hash_password(&PASSWORD.into()).expect("a hash");
        let change = UserChange { active: Some(true), password_hash: Some(hash), ..UserChange::default() };
        floor.store.change_user(id, tenant.id, &change).await.expect("restored");
        let cookie = cookie(&floor, &email).await;
        assert_eq!(me(&floor, &cookie).await.status, 200);
        sql(end.clone()).await;
        assert_eq!(me(&floor, &cookie).await.status, 401, "{end}");
    }
}

#[tokio::test]
async fn a_new_password_signs_out_everywhere_and_is_the_only_one() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (_, email) = user(&floor, &tenant, "olga", Role::Agent).await;
    let (here, there) = (cookie(&floor, &email).await, cookie(&floor, &email).await);
    let new = async |current: &str, new: &str| {
        let body = json!({ "current": current, "new": new });
        send(&floor, "POST", "/api/v1/me/password", &[("cookie", here.as_str())], Some(body)).await
    };
    new("wrong", "a better long password").await.is_problem(422, "wrong_field");
    new(PASSWORD, "short").await.is_problem(422, "weak_password");
    assert_eq!(me(&floor, &there).await.status, 200);
    assert_eq!(new(PASSWORD, "a better long password").await.status, 204);
    for cookie in [&here, &there] {
        me(&floor, cookie).await.is_problem(401, "unauthorized");
    }
    sign_in(&floor, &email, PASSWORD).await.is_problem(401, "sign_in_failed");
    assert_eq!(sign_in(&floor, &email, "a better long password").await.status, 201);
}

#[tokio::test]
async fn guesses_come_to_an_end() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (_, email) = user(&floor, &tenant, "olga", Role::Owner).await;
    let mut refused = 0;
    for guess in 0..14 {
        let reply = sign_in(&floor, &email, &format!("guess number {guess}")).await;
        if reply.status == 429 {
            reply.is_problem(429, "rate_limited");
            refused += 1;
        }
    }
    assert_eq!(refused, 4, "ten guesses, and no more");
    sign_in(&floor, &email.to_uppercase(), PASSWORD).await.is_problem(429, "rate_limited");
    let (_, other) = user(&floor, &tenant, "otto", Role::Owner).await;
    assert_eq!(sign_in(&floor, &other, PASSWORD).await.status, 201, "others are not kept out");
    let one = Limits { sign_in_address: Rate { burst: 3, every_ms: 60_000 }, ..Limits::default() };
    let floor = Floor::with(one, Reach::Operators).await;
    for n in 0..3 {
        sign_in(&floor, &format!("guess-{n}@example.org"), "x").await.is_problem(401, "sign_in_failed");
    }
    sign_in(&floor, "guess-3@example.org", "x").await.is_problem(429, "rate_limited");
}

#[tokio::test]
async fn who_asks_too_often_waits_and_others_do_not() {
    let limits = Limits { caller: Rate { burst: 5, every_ms: 60_000 }, ..Limits::default() };
    let floor = Floor::with(limits, Reach::Operators).await;
    let (busy, other) = (floor.tenant().await, floor.tenant().await);
    for _ in 0..5 {
        assert_eq!(floor.get("/api/v1/me", &busy.token).await.status, 200);
    }
    let reply = floor.get("/api/v1/me", &busy.token).await;
    reply.is_problem(429, "rate_limited");
    assert_eq!(reply.header("retry-after"), Some("60"));
    assert_eq!(floor.get("/api/v1/me", &other.token).await.status, 200);
}

#[tokio::test]
async fn a_token_does_what_it_is_for_and_no_more() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let post = async |token: &str, path: &str, body: Value| {
        let bearer = format!("Bearer {token}");
        send(&floor, "POST", path, &[("authorization", bearer.as_str())], Some(body)).await
    };
    let narrow = json!({ "name": "wallboard", "role": "manager", "acts": ["calls.see"] });
    let reply = post(&tenant.token, "/api/v1/tokens", narrow).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let token = reply.json()["token"].as_str().expect("a token").to_owned();
    assert_eq!(floor.get("/api/v1/calls", &token).await.status, 200);
    floor.get("/api/v1/agents", &token).await.is_problem(403, "forbidden");
    assert!(!floor.get("/api/v1/tokens", &tenant.token).await.text.contains(&token), "it is shown once");
    let keys = json!({ "name": "keys", "role": "admin", "acts": ["tokens.manage", "users.manage"] });
    let reply = post(&tenant.token, "/api/v1/tokens", keys).await;
    let narrowed = reply.json()["token"].as_str().expect("a token").to_owned();
    let more = json!({ "name": "more", "role": "admin" });
    post(&narrowed, "/api/v1/tokens", more).await.is_problem(403, "forbidden");
    // Nobody gets above themselves.
    let owner = json!({ "name": "boss", "role": "owner" });
    post(&tenant.token, "/api/v1/tokens", owner).await.is_problem(403, "above_you");
    let owner = json!({ "email": "boss@example.org", "role": "owner" });
    post(&tenant.token, "/api/v1/users", owner).await.is_problem(403, "above_you");
    let agents = json!({ "name": "agents", "role": "agent" });
    post(&tenant.token, "/api/v1/tokens", agents).await.is_problem(422, "rule_broken");
    let gone = json!({ "name": "past", "role": "admin", "expiresAt": "2020-01-01T00:00:00Z" });
    post(&tenant.token, "/api/v1/tokens", gone).await.is_problem(422, "wrong_field");
    let twice = json!({ "name": "wallboard", "role": "manager" });
    post(&tenant.token, "/api/v1/tokens", twice).await.is_problem(409, "conflict");
    let unknown = json!({ "name": "x", "role": "manager", "acts": ["everything"] });
    post(&tenant.token, "/api/v1/tokens", unknown).await.is_problem(422, "wrong_body");
    let late = Timestamp::now() - SignedDuration::from_secs(1);
    let stale = NewToken {
        expires_at: Some(late),
        ..NewToken::of_admin(tenant.id, "stale", Sha256::digest("stale-token").into())
    };
    floor.store.add_token(&stale).await.expect("a token");
    floor.get("/api/v1/me", "stale-token").await.is_problem(401, "unauthorized");
    assert_eq!(floor.get("/api/v1/me", &tenant.token).await.json()["may"][Action::AuditSee.as_str()], "everything");
}

#[tokio::test]
async fn admins_do_not_touch_owners_and_the_last_owner_stays() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (owner, email) = user(&floor, &tenant, "olga", Role::Owner).await;
    let (admin, admins_email) = user(&floor, &tenant, "adam", Role::Admin).await;
    let (olga, adam) = (cookie(&floor, &email).await, cookie(&floor, &admins_email).await);
    let patch = async |cookie: &str, id: UserId, body: Value| {
        send(&floor, "PATCH", &format!("/api/v1/users/{id}"), &[("cookie", cookie)], Some(body)).await
    };
    for body in
        [json!({ "active": false }), json!({ "password": "a better long password" }), json!({ "role": "agent" })]
    {
        patch(&adam, owner, body).await.is_problem(403, "above_you");
    }
    patch(&adam, admin, json!({ "role": "owner" })).await.is_problem(403, "above_you");
    for body in [json!({ "active": false }), json!({ "role": "admin" })] {
        patch(&olga, owner, body).await.is_problem(409, "last_owner");
    }
    let reply = patch(&olga, admin, json!({ "role": "owner" })).await;
    assert_eq!(reply.json()["role"], "owner", "{}", reply.text);
    assert_eq!(me(&floor, &adam).await.json()["role"], "owner", "at once");
    // Two owners who throw each other out at the same moment: one is left.
    let (one, two) = tokio::join!(
        patch(&olga, admin, json!({ "role": "manager" })),
        patch(&adam, owner, json!({ "role": "manager" })),
    );
    let statuses = [one.status.as_u16(), two.status.as_u16()];
    assert!(statuses.contains(&200) && (statuses.contains(&409) || statuses.contains(&403)), "{statuses:?}");
}

#[tokio::test]
async fn what_is_changed_is_on_record_with_who_and_what_it_was() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (owner, email) = user(&floor, &tenant, "olga", Role::Owner).await;
    let (adam, _) = user(&floor, &tenant, "adam", Role::Admin).await;
    let cookie = cookie(&floor, &email).await;
    let headers = [("cookie", cookie.as_str()), ("x-request-id", "req-7")];
    let body = json!({ "role": "manager", "password": "a better long password" });
    let reply = send(&floor, "PATCH", &format!("/api/v1/users/{adam}"), &headers, Some(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let path = format!("/api/v1/audit?what=users&rowId={adam}&actor=user:{owner}");
    let reply = send(&floor, "GET", &path, &headers, None).await;
    let entries = reply.json();
    let entries = entries["audit"].as_array().expect("entries");
    let role = entries.iter().find(|entry| entry["after"]["role"] == "manager").expect("the change of the role");
    assert_eq!(role["before"], json!({ "role": "admin" }));
    assert_eq!(role["requestId"], "req-7");
    assert_eq!(role["action"], "update");
    assert!(entries.iter().any(|entry| entry["after"]["password_hash"] == "(hidden)"), "{entries:?}");
    assert!(!reply.text.contains("argon2"), "{}", reply.text);
    // Page by page it is the same, and nobody else's.
    let all =
        floor.get("/api/v1/audit?limit=200", &tenant.token).await.json()["audit"].as_array().expect("all").clone();
    let (mut cursor, mut paged) = (String::new(), Vec::new());
    loop {
        let page = floor.get(&format!("/api/v1/audit?limit=3{cursor}"), &tenant.token).await.json();
        paged.extend(page["audit"].as_array().expect("a page").clone());
        let Some(next) = page["next"].as_i64() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(all, paged);
    assert!(all.len() > 5, "{all:?}");
}
