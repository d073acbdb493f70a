//! A floor to call from: tenants, agents and numbers in a database of this process, and a router on it.

use crate::forms::held_against_the_document;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use cordboard::core::command::Answer;
use cordboard::core::fact::{Fact, Origin};
use cordboard::core::ids::{CallId, CampaignId, EndpointName, OrganizationId};
use cordboard::core::outcome::RefusalReason;
use cordboard::core::record::Record;
use cordboard::daemon::{self, Busy, Feed, FeedTerms, Rules, Status, Unserved};
use cordboard::http::{self, AppState, Calls, Limits, Reach};
use cordboard::store::Store;
use cordboard::store::admit::{AdmitRequest, Admitted};
use cordboard::store::agents::{AgentKind, AgentRow, NewAgent, PhoneKind};
use cordboard::store::assignments::NewAssignment;
use cordboard::store::numbers::NewNumber;
use cordboard::store::organizations::NewOrganization;
use cordboard::store::tokens::NewToken;
use cordboard::store::trunks::Trunk;
use cordboard::store::writes::CallWrite;
use cordboard::telemetry::Metrics;
use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Connection, Executor, PgConnection};
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::OnceCell;
use tower::ServiceExt;

pub const CUSTOMER: &str = "+12025550199";
/// May stand in a test of what must not be repeated: it is unlike any other text.
pub const SECRET: &str = "5558675309";

/// What the stand-in for the loop does.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Decides as the daemon would.
    Decide,
    /// Always this.
    Say(Answer),
    Busy,
    /// Another replica owns the node.
    Elsewhere,
    Panic,
    /// Never answers.
    Silent,
}

pub struct Stand {
    store: Store,
    pub mode: Mutex<Mode>,
    pub started: Mutex<Vec<(EndpointName, String)>>,
    pub hung_up: Mutex<Vec<CallId>>,
}

impl Stand {
    async fn decide(&self, call: CallId, endpoint: EndpointName, raw: String, campaign: Option<CampaignId>) -> Answer {
        let request = AdmitRequest {
            call,
            endpoint,
            dialled_raw: raw.clone(),
            origin: Origin::Api,
            agent_channel: None,
            requested_at: Timestamp::now(),
            node: "pbx1".parse().expect("a node"),
        };
        let decide = |snapshot: &_| daemon::decide(&raw, &Rules::default(), snapshot, Timestamp::now());
        let admitted = match campaign {
            None => self.store.admit(&request, decide).await,
            Some(campaign) => self.store.admit_for(campaign, &request, decide).await,
        };
        match admitted {
            Ok(Admitted::Admitted(_)) => Answer::Admitted,
            Ok(Admitted::Refused { reason, .. }) => Answer::Refused(reason),
            Ok(Admitted::Emergency) => Answer::Refused(RefusalReason::EmergencyNotPossible),
            Err(_) => Answer::Refused(RefusalReason::StoreUnavailable),
        }
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().expect("lock")
    }
}

impl Calls for Stand {
    fn start(
        &self,
        call: CallId,
        endpoint: EndpointName,
        raw: String,
        campaign: Option<CampaignId>,
    ) -> BoxFuture<'_, Result<Answer, Unserved>> {
        self.started.lock().expect("lock").push((endpoint.clone(), raw.clone()));
        Box::pin(async move {
            match self.mode() {
                Mode::Decide => Ok(self.decide(call, endpoint, raw, campaign).await),
                Mode::Say(answer) => Ok(answer),
                Mode::Busy => Err(Busy.into()),
                Mode::Elsewhere => Err(elsewhere("pbx2")),
                Mode::Panic => panic!("as asked"),
                Mode::Silent => std::future::pending().await,
            }
        })
    }

    fn hang_up<'a>(&'a self, call: CallId, node: &'a str) -> BoxFuture<'a, Result<Answer, Unserved>> {
        self.hung_up.lock().expect("lock").push(call);
        Box::pin(async move {
            match self.mode() {
                Mode::Decide => Ok(Answer::HangingUp),
                Mode::Say(answer) => Ok(answer),
                Mode::Busy => Err(Busy.into()),
                Mode::Elsewhere => Err(elsewhere(node)),
                Mode::Panic => panic!("as asked"),
                Mode::Silent => std::future::pending().await,
            }
        })
    }
}

fn elsewhere(node: &str) -> Unserved {
    Unserved::Elsewhere { node: node.to_owned(), owner: Some("replica-b:7".to_owned()) }
}

pub struct Floor {
    pub store: Store,
    pub stand: Arc<Stand>,
    pub status: Arc<Status>,
    pub state: AppState,
    pub router: Router,
}

/// A tenant with one agent and one number.
pub struct Tenant {
    pub slug: String,
    pub id: OrganizationId,
    pub token: String,
    pub agent: AgentRow,
    pub number: String,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// It is a problem of this status and code, whole and in form.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], format!("urn:cordboard:problem:{code}"), "{body}");
        for key in ["title", "detail"] {
            assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {body}");
        }
        assert_eq!(self.header("retry-after").is_some(), matches!(status, 429 | 503), "{:?}", self.headers);
        assert_eq!(self.header("www-authenticate").is_some(), status == 401, "{:?}", self.headers);
        assert!(self.header("x-request-id").is_some(), "{:?}", self.headers);
        body
    }
}

static DATABASE: OnceCell<String> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The URL of this process's own database.
pub async fn database() -> String {
    let make = async || {
        let Ok(server) = std::env::var("CORDBOARD_TEST_DATABASE_URL") else {
            panic!("CORDBOARD_TEST_DATABASE_URL is not set: run make test");
        };
        let mut connection = PgConnection::connect(&server).await.expect("the test database server");
        // What earlier runs left behind.
        let left: Vec<String> =
            sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname LIKE 'cordboard\\_http\\_%'")
                .fetch_all(&mut connection)
                .await
                .expect("databases");
        let gone = |name: &String| !std::path::Path::new("/proc").join(name.rsplit('_').next().unwrap_or("")).exists();
        for name in left.into_iter().filter(gone) {
            let _ = connection.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS \"{name}\""))).await;
        }
        let name = format!("cordboard_http_{}", std::process::id());
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\""))).await.expect("a new database");
        let (base, _) = server.split_once('?').unwrap_or((&server, ""));
        let (base, _) = base.rsplit_once('/').expect("a URL with a database");
        let url = format!("{base}/{name}");
        connect(&url).migrate().await.expect("migrated");
        url
    };
    DATABASE.get_or_init(make).await.clone()
}

pub fn connect(url: &str) -> Store {
    connect_within(url, Duration::from_secs(5))
}

pub fn connect_within(url: &str, patience: Duration) -> Store {
    Store::connect(&SecretString::from(url.to_owned()), 4, patience).expect("a store")
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All that any test has logged.
pub fn log() -> String {
    String::from_utf8(LOG.lock().expect("lock").clone()).expect("text")
}

impl Floor {
    pub async fn new() -> Self {
        Self::with(Limits::default(), Reach::Operators).await
    }

    pub async fn with(limits: Limits, reach: Reach) -> Self {
        Self::on(connect(&database().await), limits, reach)
    }

    pub fn on(store: Store, limits: Limits, reach: Reach) -> Self {
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false).with_writer(|| Log);
        // The first test of the process.
        let _ = log.try_init();
        let stand = Arc::new(Stand {
            store: store.clone(),
            mode: Mutex::new(Mode::Decide),
            started: Mutex::default(),
            hung_up: Mutex::default(),
        });
        let status = Arc::new(Status::default());
        let state = AppState {
            store: store.clone(),
            calls: stand.clone(),
            status: status.clone(),
            metrics: Arc::new(Metrics::default()),
            extra: Arc::new(|text| http::metrics::counter(text, "test_extra", "From elsewhere", 7)),
            now: Timestamp::now,
            extra_prefixes: Arc::from([]),
            carriers: Arc::from([]),
            limits,
            feed: Feed::start(store.clone(), status.clone(), FeedTerms::default()),
            networks: Arc::default(),
        };
        Self { router: http::api(state.clone(), reach), store, stand, status, state }
    }

    pub fn set(&self, mode: Mode) {
        *self.stand.mode.lock().expect("lock") = mode;
    }

    pub async fn tenant(&self) -> Tenant {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let slug = format!("tenant-{n}");
        let new = NewOrganization {
            slug: slug.clone(),
            name: slug.clone(),
            country: "US".parse().expect("US"),
            time_zone: "America/New_York".to_owned(),
            emergency_caller_id: None,
        };
        let id = self.store.add_organization(&new).await.expect("a tenant").id;
        let trunk = Trunk { name: "carrier".parse().expect("a trunk"), plus: true, active: true };
        self.store.put_trunk(&trunk).await.expect("the trunk");
        let token = format!("token-of-{slug}");
        let sha256 = Sha256::digest(token.as_bytes()).into();
        self.store.add_token(&NewToken::of_admin(id, "first", sha256)).await.expect("a token");
        let agent = self.agent(id, &format!("{slug}-alice")).await;
        let number = format!("+1415555{n:04}");
        let added = self.add_number(id, &number).await;
        let tenant = Tenant { slug, id, token, agent, number };
        self.assign(&tenant, added, 100).await;
        tenant
    }

    pub async fn agent(&self, organization: OrganizationId, endpoint: &str) -> AgentRow {
        let new = NewAgent {
            organization,
            name: "Alice".to_owned(),
            extension: None,
            endpoint: endpoint.parse().expect("an endpoint"),
            kind: AgentKind::default(),
            phone_kind: PhoneKind::default(),
            daily_limit: None,
            sip_ha1: None,
        };
        self.store.add_agent(&new).await.expect("an agent")
    }

    pub async fn add_number(&self, organization: OrganizationId, number: &str) -> cordboard::core::ids::NumberId {
        let new = NewNumber {
            e164: number.parse().expect("a number"),
            organization: Some(organization),
            region: None,
            friendly_name: None,
            provider: None,
            trunk: Some("carrier".parse().expect("a trunk")),
            daily_limit: None,
        };
        self.store.add_number(&new).await.expect("a number").id
    }

    /// Gives the tenant's agent the tenant's number.
    pub async fn equip(&self, tenant: &Tenant) {
        self.limit(tenant, 100).await;
    }

    async fn assign(&self, tenant: &Tenant, number: cordboard::core::ids::NumberId, limit: u32) {
        let new = NewAssignment {
            agent: tenant.agent.id,
            number,
            daily_limit: Some(limit),
            allowed_countries: None,
            allowed_classes: None,
        };
        self.store.assign(&new).await.expect("assigned");
    }

    /// So many calls a day from the tenant's number.
    pub async fn limit(&self, tenant: &Tenant, limit: u32) {
        let e164 = tenant.number.parse().expect("a number");
        let number = self.store.number(e164, Some(tenant.id)).await.expect("the number").id;
        self.assign(tenant, number, limit).await;
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.expect("a router cannot fail");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let reply = Reply { status: parts.status, headers: parts.headers, text };
        held_against_the_document(&method, &path, &reply);
        reply
    }

    pub async fn ask(&self, method: Method, path: &str, token: &str) -> Reply {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.ask(Method::GET, path, token).await
    }

    pub async fn post(&self, token: &str, body: impl Into<Body>) -> Reply {
        let request = Request::post("/api/v1/calls")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        self.send(request.body(body.into()).expect("a request")).await
    }

    pub async fn start(&self, token: &str, agent: &str, to: &str) -> Reply {
        self.post(token, serde_json::json!({ "agent": agent, "to": to }).to_string()).await
    }

    /// Starts a call and gives its id.
    pub async fn started(&self, tenant: &Tenant) -> CallId {
        let reply = self.start(&tenant.token, tenant.agent.endpoint.as_ref(), CUSTOMER).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
        reply.json()["id"].as_str().expect("an id").parse().expect("a uuid")
    }

    /// What happens to the call next.
    pub async fn happens(&self, call: CallId, facts: Vec<Fact>) {
        let mut all = self.store.facts(call).await.expect("facts");
        let first_seq = u32::try_from(all.len()).expect("few");
        all.extend(facts.iter().cloned());
        let write = CallWrite { call, first_seq, facts, record: Record::of(&all) };
        assert_eq!(self.store.append(&[write]).await.expect("written"), []);
    }
}
