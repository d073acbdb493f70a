//! Every address of the router × every method it takes × every role × what is one's own, a colleague's, and another tenant's.
//! The addresses come from the router and the methods from its answers, so that what is added without a line here fails.

use crate::support::{CUSTOMER, Floor, Mode, Reply, Tenant};
use crate::{matrix_analytics, matrix_carriers, matrix_live, matrix_numbers};
use axum::body::Body;
use axum::http::{Method, Request};
use cordboard::access::{Action, Reach, Role, reach};
use cordboard::core::command::Answer;
use cordboard::core::ids::{AgentId, CallId, NumberId};
use cordboard::http;
use cordboard::store::tokens::NewToken;
use cordboard::store::users::NewUser;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use uuid::Uuid;

/// What somebody may come to at an address.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// As far as the table of roles says. `true`: what it names belongs to an agent.
    Act(Action, bool),
    /// The same, and whoever may can still be told that it cannot be done now (409, 422, 503).
    May(Action, bool),
    /// The same, but only for those whose reach is everything.
    AllOnly(Action, bool),
    /// It names what is not there.
    Never(Action),
    /// Whoever has a valid token gets this.
    Anyone(u16),
    /// Nobody needs a token.
    Open,
}

/// What is asked for: things of somebody.
pub struct Things {
    pub agent: AgentId,
    pub number: NumberId,
    call: CallId,
    user: String,
    token: String,
    pub webhook: String,
    pub delivery: String,
    /// A user of the tenant who asks, whoever is asked about.
    ours: String,
}

/// Address and body.
pub type Ask = fn(&Things) -> (String, Option<Value>);

static NEXT: AtomicU32 = AtomicU32::new(0);

fn fresh() -> String {
    format!("new-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn at(path: &str) -> (String, Option<Value>) {
    (path.to_owned(), None)
}

/// Method, address as it is routed, what holds there, and how it is asked.
pub type Line = (&'static str, String, Rule, Ask);

/// The table. What names nothing of anybody's (lists, additions) gives the same for all tenants.
fn table() -> Vec<Line> {
    let own = own_lines().into_iter().map(|(method, path, rule, ask)| (method, path.to_owned(), rule, ask));
    // What is read comes before what takes numbers away.
    own.chain(matrix_analytics::lines())
        .chain(matrix_carriers::lines())
        .chain(matrix_live::lines())
        .chain(matrix_numbers::lines())
        .collect()
}

fn own_lines() -> Vec<(&'static str, &'static str, Rule, Ask)> {
    use Action::{AgentsSee, AuditSee, CallsHangUp, CallsSee, CallsStart, TokensManage, UsersManage, UsersSee};
    use Rule::{Act, Anyone, Open};
    vec![
        ("POST", "/api/v1/session", Open, |_| {
            (
                "/api/v1/session".to_owned(),
                Some(json!({ "email": format!("{}@example.org", fresh()), "password": "x" })),
            )
        }),
        ("DELETE", "/api/v1/session", Anyone(409), |_| at("/api/v1/session")),
        ("GET", "/api/v1/me", Anyone(200), |_| at("/api/v1/me")),
        ("POST", "/api/v1/me/password", Anyone(409), |_| {
            ("/api/v1/me/password".to_owned(), Some(json!({ "current": "x", "new": "a good long password" })))
        }),
        ("GET", "/api/v1/users", Act(UsersSee, false), |_| at("/api/v1/users")),
        ("POST", "/api/v1/users", Act(UsersManage, false), |_| {
            let user = json!({ "email": format!("{}@example.org", fresh()), "role": "agent" });
            ("/api/v1/users".to_owned(), Some(user))
        }),
        ("PATCH", "/api/v1/users/{id}", Act(UsersManage, true), |things| {
            (format!("/api/v1/users/{}", things.ours), Some(json!({ "agent": things.agent })))
        }),
        ("GET", "/api/v1/users/{id}", Act(UsersSee, true), |things| at(&format!("/api/v1/users/{}", things.user))),
        ("PATCH", "/api/v1/users/{id}", Act(UsersManage, true), |things| {
            (format!("/api/v1/users/{}", things.user), Some(json!({ "name": fresh() })))
        }),
        ("GET", "/api/v1/tokens", Act(TokensManage, false), |_| at("/api/v1/tokens")),
        ("POST", "/api/v1/tokens", Act(TokensManage, true), |things| {
            let token = json!({ "name": fresh(), "role": "agent", "agent": things.agent });
            ("/api/v1/tokens".to_owned(), Some(token))
        }),
        ("DELETE", "/api/v1/tokens/{id}", Act(TokensManage, true), |things| {
            at(&format!("/api/v1/tokens/{}", things.token))
        }),
        ("GET", "/api/v1/audit", Act(AuditSee, false), |_| at("/api/v1/audit?limit=200")),
        ("GET", "/api/v1/agents", Act(AgentsSee, false), |_| at("/api/v1/agents")),
        ("GET", "/api/v1/agents/{agent}", Act(AgentsSee, true), |things| {
            at(&format!("/api/v1/agents/{}", things.agent))
        }),
        ("GET", "/api/v1/calls", Act(CallsSee, false), |_| at("/api/v1/calls")),
        ("GET", "/api/v1/calls", Act(CallsSee, true), |things| at(&format!("/api/v1/calls?agent={}", things.agent))),
        ("POST", "/api/v1/calls", Act(CallsStart, true), |things| {
            ("/api/v1/calls".to_owned(), Some(json!({ "agent": things.agent, "to": CUSTOMER })))
        }),
        ("GET", "/api/v1/calls/{id}", Act(CallsSee, true), |things| at(&format!("/api/v1/calls/{}", things.call))),
        ("DELETE", "/api/v1/calls/{id}", Act(CallsHangUp, true), |things| {
            at(&format!("/api/v1/calls/{}", things.call))
        }),
    ]
}

/// Whether the one who asked may.
fn is_allowed(rule: Rule, reply: &Reply) -> bool {
    let not_now = matches!(rule, Rule::May(..) | Rule::AllOnly(..)) && [409, 422, 503].contains(&reply.status.as_u16());
    reply.status.is_success() || not_now
}

async fn send(floor: &Floor, method: &str, path: &str, body: Option<&Value>, token: Option<&str>) -> Reply {
    floor.set(if method == "POST" && path == "/api/v1/calls" { Mode::Say(Answer::Admitted) } else { Mode::Decide });
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    floor.send(request.body(body).expect("a request")).await
}

/// A tenant's things that are Alice's, and those of another of their agents; and a token for each role, the agent's for Alice.
async fn furnish(floor: &Floor) -> (Things, Things, BTreeMap<Role, String>) {
    let tenant = floor.tenant().await;
    let mut tokens = BTreeMap::new();
    for role in Role::ALL {
        let token = format!("token-of-{}-{role}", tenant.slug);
        floor.store.add_token(&new_token(&tenant, role, &token)).await.expect("a token");
        tokens.insert(role, token);
    }
    let alices = things(floor, &tenant).await;
    let bob = floor.agent(tenant.id, &format!("{}-bob", tenant.slug)).await;
    let number = format!("+1415556{:04}", NEXT.fetch_add(1, Ordering::Relaxed));
    floor.add_number(tenant.id, &number).await;
    let bobs = Tenant { agent: bob, number, ..tenant };
    floor.equip(&bobs).await;
    let bobs = Things { ours: alices.user.clone(), ..things(floor, &bobs).await };
    (alices, bobs, tokens)
}

fn new_token(tenant: &Tenant, role: Role, token: &str) -> NewToken {
    let agent = (role == Role::Agent).then_some(tenant.agent.id);
    NewToken { role, agent, ..NewToken::of_admin(tenant.id, token, Sha256::digest(token).into()) }
}

async fn things(floor: &Floor, tenant: &Tenant) -> Things {
    floor.set(Mode::Decide);
    matrix_carriers::furnish(floor, tenant).await;
    let email = format!("{}@example.org", tenant.agent.endpoint);
    let new = NewUser { organization: tenant.id, email, name: String::new(), role: Role::Agent, password_hash: None };
    let user = floor.store.add_user(&new).await.expect("a user");
    let unused = format!("unused-{}", tenant.agent.endpoint);
    let token = floor.store.add_token(&new_token(tenant, Role::Agent, &unused)).await.expect("a token");
    let number =
        floor.store.number(tenant.number.parse().expect("a number"), Some(tenant.id)).await.expect("the number").id;
    let call = floor.started(tenant).await;
    let (webhook, delivery) = matrix_live::webhook(floor, tenant, call).await;
    Things {
        agent: tenant.agent.id,
        number,
        call,
        user: user.id.to_string(),
        ours: user.id.to_string(),
        token: token.id.to_string(),
        webhook,
        delivery,
    }
}

#[tokio::test]
async fn every_address_and_method_is_in_the_table_and_nothing_else() {
    let floor = Floor::new().await;
    let mut routed = BTreeSet::new();
    for path in http::paths() {
        let some = ["{id}", "{agent}", "{number}", "{upload}", "{contact}", "{delivery}"]
            .iter()
            .fold(path.to_owned(), |path, part| path.replace(part, "x"));
        let reply = send(&floor, "TRACE", &some, None, None).await;
        assert_eq!(reply.status, 405, "{path}: {}", reply.text);
        let allow = reply.header("allow").unwrap_or_else(|| panic!("{path}: no Allow header"));
        let methods = allow.split(',').map(str::trim).filter(|method| *method != "HEAD");
        routed.extend(methods.map(|method| (method.to_owned(), path.to_owned())));
    }
    let written = table().into_iter().map(|(method, path, ..)| (method.to_owned(), path));
    assert_eq!(routed, written.collect::<BTreeSet<_>>());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one walk along the table")]
async fn every_role_gets_what_the_table_says_of_its_own_and_nothing_of_others() {
    let floor = Floor::new().await;
    let (alices, bobs, tokens) = furnish(&floor).await;
    let (mut foreign, _, _) = furnish(&floor).await;
    foreign.ours.clone_from(&alices.user);
    let absent = Things {
        agent: AgentId(Uuid::now_v7()),
        number: NumberId(Uuid::now_v7()),
        call: CallId(Uuid::now_v7()),
        user: Uuid::now_v7().to_string(),
        token: Uuid::now_v7().to_string(),
        webhook: Uuid::now_v7().to_string(),
        delivery: Uuid::now_v7().to_string(),
        ours: alices.user.clone(),
    };
    let mut asked = 0;
    for (method, template, rule, ask) in table() {
        let address = |things: &Things| {
            let (path, body) = ask(things);
            (matrix_numbers::moved(&template, path), body)
        };
        for (role, token) in &tokens {
            let about = format!("{method} {template} as {role}");
            let (path, body) = address(&alices);
            let own = send(&floor, method, &path, body.as_ref(), Some(token)).await;
            let (path, body) = address(&bobs);
            let colleagues = send(&floor, method, &path, body.as_ref(), Some(token)).await;
            let (path, body) = address(&foreign);
            let foreigns = send(&floor, method, &path, body.as_ref(), Some(token)).await;
            let (path, body) = address(&absent);
            let absents = send(&floor, method, &path, body.as_ref(), Some(token)).await;
            asked += 4;
            match rule {
                Rule::Open => assert_eq!(own.status, 401, "{about}: {}", own.text),
                Rule::Anyone(status) => assert_eq!(own.status, status, "{about}: {}", own.text),
                Rule::AllOnly(action, _) | Rule::Never(action) if reach(*role, action) != Reach::Everything => {
                    own.is_problem(
                        403,
                        if *role == Role::Manager && reach(*role, action) == Reach::Own {
                            "no_agent"
                        } else {
                            "forbidden"
                        },
                    );
                }
                Rule::Never(_) => assert_eq!(own.status, 404, "{about}: {}", own.text),
                Rule::Act(action, is_somebodys)
                | Rule::May(action, is_somebodys)
                | Rule::AllOnly(action, is_somebodys) => match reach(*role, action) {
                    Reach::Nothing => {
                        for reply in [&own, &colleagues, &foreigns, &absents] {
                            reply.is_problem(403, "forbidden");
                        }
                    }
                    // A manager is no agent, and has nothing of their own.
                    Reach::Own if *role != Role::Agent => {
                        own.is_problem(403, "no_agent");
                        foreigns.is_problem(403, "no_agent");
                    }
                    reach @ (Reach::Own | Reach::Everything) => {
                        assert!(is_allowed(rule, &own), "{about}: {}", own.text);
                        assert_eq!(
                            is_allowed(rule, &colleagues),
                            !is_somebodys || reach == Reach::Everything,
                            "{about}"
                        );
                        if is_somebodys {
                            assert_eq!(foreigns.status, 404, "{about}, another tenant's: {}", foreigns.text);
                            assert_eq!(
                                (foreigns.status, &foreigns.text),
                                (absents.status, &absents.text),
                                "{about}: what is another's can be told from what is not there"
                            );
                        }
                        if reach == Reach::Own && is_somebodys {
                            assert_eq!(
                                colleagues.text, absents.text,
                                "{about}: a colleague's can be told from nobody's"
                            );
                        }
                        for reply in [&own, &colleagues, &foreigns] {
                            let ids = [
                                foreign.agent.to_string(),
                                foreign.call.to_string(),
                                foreign.user.clone(),
                                foreign.token.clone(),
                                foreign.webhook.clone(),
                                foreign.delivery.clone(),
                            ];
                            assert!(
                                !ids.iter().any(|id| reply.text.contains(id)),
                                "{about} shows another tenant's: {}",
                                reply.text
                            );
                            let bob = bobs.agent.to_string();
                            assert!(
                                reach != Reach::Own || !reply.text.contains(&bob),
                                "{about} shows Bob: {}",
                                reply.text
                            );
                        }
                    }
                },
            }
        }
        let (path, body) = address(&alices);
        if !matches!(rule, Rule::Open) {
            send(&floor, method, &path, body.as_ref(), None).await.is_problem(401, "unauthorized");
        }
    }
    assert_eq!(asked, table().len() * Role::ALL.len() * 4);
    let hung_up = floor.stand.hung_up.lock().expect("lock").clone();
    assert!(!hung_up.contains(&foreign.call), "the loop was not asked to end another tenant's call");
}

#[tokio::test]
async fn the_method_of_no_address_is_asked_without_rights() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let reply = floor.ask(Method::PUT, "/api/v1/users", &tenant.token).await;
    reply.is_problem(405, "method_not_allowed");
    floor.get("/api/v1/users/../tokens", &tenant.token).await.is_problem(404, "not_found");
}
