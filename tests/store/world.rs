//! A database of its own for each test, made from a template that is migrated once, and the words in which tests speak of it.

use cordboard::core::fact::{Fact, Origin};
use cordboard::core::ids::{AgentId, CallId, EndpointName};
use cordboard::core::input::Admission;
use cordboard::core::outcome::RefusalReason;
use cordboard::policy::{self, Request, Snapshot};
use cordboard::store::admit::{AdmitRequest, Admitted, Decided, Outcome};
use cordboard::store::calls::CallWrite;
use cordboard::store::{Store, StoreError};
use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;
use uuid::Uuid;

const URL: &str = "CORDBOARD_TEST_DATABASE_URL";
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static WORLDS: AtomicU32 = AtomicU32::new(0);

/// One test's database.
pub struct World {
    pub store: Store,
    /// For what people do by hand, without the store's time limits.
    pub pool: PgPool,
    name: String,
}

fn server() -> PgConnectOptions {
    let url = std::env::var(URL)
        .unwrap_or_else(|_| panic!("{URL} is not set: run `make test`, which starts a PostgreSQL and sets it"));
    PgConnectOptions::from_str(&url).unwrap_or_else(|_| panic!("{URL} is not a database URL"))
}

fn store(database: &str, connections: u32) -> Store {
    let url = server().database(database).to_url_lossy();
    Store::connect(&SecretString::from(url.to_string()), connections, Duration::from_secs(30)).expect("a store")
}

async fn execute(connection: &mut PgConnection, sql: String) {
    connection.execute(AssertSqlSafe(sql)).await.expect("the server obeys");
}

/// The name says what is in it, so that a template of other migrations is never used.
async fn template() -> String {
    let mut migrations: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .expect("migrations")
        .map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("a migration"))
        .collect();
    migrations.sort();
    let mut hasher = DefaultHasher::new();
    migrations.hash(&mut hasher);
    let name = format!("cordboard_template_{:016x}", hasher.finish());
    let mut connection = server().connect().await.expect("a PostgreSQL server");
    // several test programs may start at once
    execute(&mut connection, "SELECT pg_advisory_lock(6372)".into()).await;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut connection)
        .await
        .expect("an answer");
    if !there {
        let half = format!("{name}_half");
        execute(&mut connection, format!("DROP DATABASE IF EXISTS {half} WITH (FORCE)")).await;
        execute(&mut connection, format!("CREATE DATABASE {half}")).await;
        let store = store(&half, 1);
        store.migrate().await.expect("migrations run");
        assert_eq!(store.pending_migrations().await.expect("an answer"), Vec::<String>::new());
        store.close().await;
        execute(&mut connection, format!("ALTER DATABASE {half} RENAME TO {name}")).await;
    }
    connection.close().await.expect("a polite end");
    name
}

impl World {
    pub async fn new() -> Self {
        Self::with_connections(40).await
    }

    pub async fn with_connections(connections: u32) -> Self {
        let template = TEMPLATE.get_or_init(template).await;
        let name = format!("cordboard_test_{}_{}", std::process::id(), WORLDS.fetch_add(1, Ordering::Relaxed));
        let mut connection = server().connect().await.expect("a PostgreSQL server");
        execute(&mut connection, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        connection.close().await.expect("a polite end");
        let pool = PgPoolOptions::new().max_connections(4).connect_lazy_with(server().database(&name));
        Self { store: store(&name, connections), pool, name }
    }

    /// An organization in New York and a trunk, and nobody yet.
    pub async fn acme() -> Self {
        let world = Self::new().await;
        world.found_acme().await;
        world
    }

    pub async fn found_acme(&self) {
        self.sql("INSERT INTO trunks (name) VALUES ('carrier')").await;
        self.sql("INSERT INTO organizations (slug, name, country, time_zone) VALUES ('acme', 'Acme', 'US', 'America/New_York')")
            .await;
    }

    /// Another one's connections to the same database.
    pub fn another_store(&self) -> Store {
        store(&self.name, 8)
    }

    /// A connection of its own, for what is not to end yet.
    pub async fn connection(&self) -> PgConnection {
        server().database(&self.name).connect().await.expect("a connection")
    }

    /// What somebody types into psql.
    pub async fn sql(&self, sql: &str) {
        self.try_sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub async fn try_sql(&self, sql: &str) -> Result<(), sqlx::Error> {
        self.pool.execute(AssertSqlSafe(sql.to_owned())).await.map(|_| ())
    }

    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.expect("a number")
    }

    pub async fn agent(&self, endpoint: &str) {
        self.sql(&format!(
            "INSERT INTO agents (organization_id, name, endpoint) SELECT id, '{endpoint}', '{endpoint}' FROM organizations
             WHERE slug = 'acme'"
        ))
        .await;
    }

    pub async fn add_number(&self, e164: &str) {
        self.sql(&format!(
            "INSERT INTO numbers (e164, organization_id) SELECT '{e164}', id FROM organizations WHERE slug = 'acme'"
        ))
        .await;
    }

    pub async fn assign(&self, endpoint: &str, e164: &str, limit: u32) {
        self.sql(&format!(
            "INSERT INTO assignments (agent_id, number_id, daily_limit) SELECT a.id, n.id, {limit} FROM agents a, numbers n
             WHERE a.endpoint = '{endpoint}' AND n.e164 = '{e164}'"
        ))
        .await;
    }

    /// An agent with so many numbers of this daily limit each.
    pub async fn equipped(&self, endpoint: &str, numbers: &[&str], limit: u32) {
        self.agent(endpoint).await;
        for number in numbers {
            if self.number(&format!("SELECT count(*) FROM numbers WHERE e164 = '{number}'")).await == 0 {
                self.add_number(number).await;
            }
            self.assign(endpoint, number, limit).await;
        }
    }

    pub async fn agent_id(&self, endpoint: &str) -> AgentId {
        self.store.agent(&name(endpoint), None).await.expect("an agent").id
    }

    pub async fn admit(&self, endpoint: &str) -> Admitted {
        self.try_admit(&request(endpoint)).await.expect("an answer")
    }

    pub async fn try_admit(&self, request: &AdmitRequest) -> Result<Admitted, StoreError> {
        self.store.admit(request, decide).await
    }

    /// The number that the call was given.
    pub async fn presented(&self, endpoint: &str) -> String {
        admitted(self.admit(endpoint).await).present.to_string()
    }

    pub async fn used(&self, e164: &str) -> i64 {
        self.number(&format!(
            "SELECT coalesce(sum(d.used), 0)::bigint FROM number_days d JOIN numbers n ON n.id = d.number_id
             WHERE n.e164 = '{e164}'"
        ))
        .await
    }

    /// Whatever happened, counters are the calls that hold quota, and every call is the fold of its facts.
    pub async fn check(&self) {
        assert_eq!(self.store.miscounted_days().await.expect("an answer"), []);
        let half_written = self
            .number(
                "SELECT count(*) FROM calls c WHERE c.facts <> (SELECT count(*) FROM call_facts f WHERE f.call_id = c.id)
                    OR NOT EXISTS (SELECT FROM call_numbers n WHERE n.call_id = c.id)",
            )
            .await;
        assert_eq!(half_written, 0, "calls without their facts or numbers");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let name = self.name.clone();
        // The test's own runtime is busy dropping us.
        let gone = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                if let Ok(mut connection) = server().connect().await {
                    let _ = connection.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await;
                }
            });
        });
        let _ = gone.join();
    }
}

pub fn name(endpoint: &str) -> EndpointName {
    endpoint.parse().expect("an endpoint")
}

pub fn now() -> Timestamp {
    Timestamp::now()
}

pub fn request(endpoint: &str) -> AdmitRequest {
    AdmitRequest {
        call: CallId(Uuid::now_v7()),
        endpoint: name(endpoint),
        dialled_raw: "4155550199".to_owned(),
        origin: Origin::Phone,
        agent_channel: Some("pbx1-1795256619.46".parse().expect("a channel")),
        requested_at: now(),
        node: "pbx1".parse().expect("a node"),
    }
}

/// A call to California, by the rules.
pub fn decide(snapshot: &Snapshot) -> Decided {
    decide_for(snapshot, "US", "geographic")
}

pub fn decide_for(snapshot: &Snapshot, region: &str, class: &str) -> Decided {
    let request = Request {
        destination: "+14155550199".parse().expect("a number"),
        region: region.parse().expect("a region"),
        class: class.parse().expect("a class"),
    };
    let decision = policy::choose(snapshot, &request);
    Decided { at: now(), destination: Some(request), outcome: Outcome::Choose, decision }
}

pub fn admitted(answer: Admitted) -> Admission {
    match answer {
        Admitted::Admitted(admission) => admission,
        Admitted::Refused { reason, sentence } => panic!("refused: {reason} {sentence}"),
        Admitted::Emergency => panic!("an emergency"),
    }
}

pub fn refused(answer: Admitted) -> RefusalReason {
    match answer {
        Admitted::Refused { reason, .. } => reason,
        Admitted::Admitted(admission) => panic!("admitted: {admission:?}"),
        Admitted::Emergency => panic!("an emergency"),
    }
}

/// The facts of an admitted call so far, and what follows, as the daemon would write it.
pub fn write(stored: &[Fact], new: Vec<Fact>, call: CallId) -> CallWrite {
    let record = cordboard::core::record::Record::of(stored.iter().chain(&new));
    CallWrite { call, first_seq: u32::try_from(stored.len()).expect("few"), facts: new, record }
}
