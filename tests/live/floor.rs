//! A calling floor for one scenario: a fresh database, a fresh daemon, a carrier, agents with phones.

use crate::check;
use crate::daemon::{Daemon, Settings};
use crate::http::{ask, page};
use crate::servers::{Servers, servers};
use cordboard::store::Store;
use cordboard::store::calls::{CallFilter, CallRow};
use md5::{Digest as _, Md5};
use sip_peer::{Behaviour, OutCall, Peer, PeerConfig, Rules};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Nothing that is to happen takes longer, save what a scenario says.
pub const SOON: Duration = Duration::from_secs(10);
/// The agents' name for people, which no carrier may ever see.
pub const CANARY_NAME: &str = "Wilhelmina Canary";
pub const PASSWORD: &str = "the-password-of-a-phone";
/// The tones by which audio is told apart.
pub const CARRIER_HZ: u16 = 600;
pub const PHONE_HZ: u16 = 450;

pub struct Floor {
    pub servers: &'static Servers,
    pub database: String,
    pub pool: PgPool,
    pub store: Store,
    pub settings: Settings,
    pub daemon: Daemon,
    pub carrier: Peer,
    pub emergency: Peer,
    /// Where an attacker would have calls sent to.
    pub decoy: Peer,
    /// The phones' names, which no carrier may ever see.
    pub endpoints: Vec<String>,
    /// What `check` leaves out, because the scenario takes it away.
    pub excused: check::Excused,
    behaviour: Arc<Mutex<Manners>>,
    number: usize,
}

/// How the carrier treats calls, by number and otherwise.
#[derive(Debug)]
struct Manners {
    of: HashMap<String, Behaviour>,
    otherwise: Behaviour,
}

/// An agent with a phone.
pub struct Phone {
    pub peer: Peer,
    pub endpoint: String,
    pub agent: Uuid,
}

impl Phone {
    pub async fn call(&self, number: &str) -> OutCall {
        self.peer.call(number).await.expect("a call")
    }

    /// Registers as soon as the account is there.
    pub async fn register(&self) {
        let deadline = Instant::now() + SOON;
        while let Err(error) = self.peer.register(600).await {
            assert!(Instant::now() < deadline, "{} cannot register: {error}", self.endpoint);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

/// Runs a scenario on a floor of its own and holds the records against the witnesses afterwards.
pub fn live(scenario: impl AsyncFnOnce(&mut Floor)) {
    live_with(|_| {}, scenario);
}

/// The same with other settings of the daemon.
pub fn live_with(set: impl FnOnce(&mut Settings), scenario: impl AsyncFnOnce(&mut Floor)) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let servers = servers();
        let mut settings = Settings {
            name: "",
            http: servers.http,
            host: "",
            without_lease: false,
            second: None,
            ari: servers.ari,
            postgres: servers.postgres(),
            emergency: None,
            calls: "",
            crash_at: None,
        };
        set(&mut settings);
        let mut floor = Floor::open(servers, settings).await;
        scenario(&mut floor).await;
        check::everything(&mut floor).await;
        floor.close().await;
    });
}

impl Floor {
    async fn open(servers: &'static Servers, settings: Settings) -> Self {
        static FLOORS: AtomicUsize = AtomicUsize::new(0);
        let number = FLOORS.fetch_add(1, Ordering::Relaxed);
        servers.run();
        // What a failed scenario left.
        servers.console("channel request hangup all");
        let database = format!("floor_{number}");
        let pool = fresh_database(servers, &database).await;
        let store = Store::connect(&servers.url(&database).into(), 3, SOON).expect("a store");
        store.migrate().await.expect("migrations");
        let otherwise = Behaviour::answer(Duration::from_millis(200));
        let behaviour = Arc::new(Mutex::new(Manners { of: HashMap::new(), otherwise }));
        let carrier = peer_at("carrier", servers.carrier, rules(&behaviour)).await;
        let emergency =
            peer_at("emergency", servers.emergency, Behaviour::answer(Duration::from_millis(100)).into()).await;
        let decoy = Peer::bind(PeerConfig::new("decoy").without_rtp()).await.expect("a decoy");
        seed(&pool).await;
        let mut daemon = Daemon::start(servers, &database, &settings);
        daemon.is_ready().await;
        Self {
            servers,
            database,
            pool,
            store,
            settings,
            daemon,
            carrier,
            emergency,
            decoy,
            endpoints: Vec::new(),
            excused: check::Excused::default(),
            behaviour,
            number,
        }
    }

    async fn close(mut self) {
        self.daemon.signal("TERM");
        let status = self.daemon.ends(SOON).await;
        assert!(status.success(), "the daemon ended with {status}:\n{}", self.daemon.log());
    }

    /// How the carrier treats the calls that come from now on.
    pub fn carrier_does(&self, behaviour: Behaviour) {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner).otherwise = behaviour;
    }

    /// How it treats the calls to one number.
    pub fn customer_does(&self, number: &str, behaviour: Behaviour) {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner).of.insert(number.to_owned(), behaviour);
    }

    /// A new daemon in the place of the one that ended or was killed.
    pub async fn restart_daemon(&mut self) {
        assert!(!self.daemon.is_alive(), "the old one runs");
        self.daemon = Daemon::start(self.servers, &self.database, &self.settings);
        self.daemon.is_ready().await;
    }

    /// The next daemon, which dies at this crash point, if it comes there. It may be dead before it was ready.
    pub async fn daemon_dying_at(&mut self, point: Option<String>) {
        assert!(!self.daemon.is_alive(), "the old one runs");
        let settings = Settings { crash_at: point, ..self.settings.clone() };
        self.daemon = Daemon::start(self.servers, &self.database, &settings);
        self.daemon.is_ready_or_dead().await;
    }

    /// The same without a database, so that it is never ready: it serves as soon as it hears Asterisk.
    pub async fn restart_daemon_alone(&mut self) {
        assert!(!self.daemon.is_alive(), "the old one runs");
        self.daemon = Daemon::start(self.servers, &self.database, &self.settings);
        self.daemon.says("starting without the database").await;
        check::until("connected", async || {
            let (_, metrics) = page(self.servers.http, "GET", "/metrics", None, None).await;
            metrics.contains("\ncordboard_ari_connected{node=\"live\"} 1\n")
        })
        .await;
    }

    /// Waits until all that is not in the database is in the journal.
    pub async fn journaled(&self) {
        check::until("in the journal", async || {
            let (_, ready) = ask(self.servers.http, "GET", "/readyz", None, None).await;
            let count = |key: &str| ready[key].as_u64().expect("a number");
            count("journaledFacts") > 0 && count("journaledFacts") == count("unwrittenFacts")
        })
        .await;
    }

    /// A new daemon that may not become ready.
    pub fn start_daemon(&mut self) {
        assert!(!self.daemon.is_alive(), "the old one runs");
        self.daemon = Daemon::start(self.servers, &self.database, &self.settings);
    }

    pub async fn sql(&self, statement: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&self.pool).await.expect("SQL");
    }

    pub async fn count(&self, query: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_one(&self.pool).await.expect("a number")
    }

    /// Adds an agent as an admin does by hand.
    pub async fn agent(&mut self, name: &str) -> (Uuid, String) {
        let endpoint = format!("{name}-{}", self.number);
        let ha1 = hex(&Md5::digest(format!("{endpoint}:asterisk:{PASSWORD}")));
        let agent = sqlx::query_scalar(
            "INSERT INTO agents (organization_id, name, endpoint, sip_ha1)
             SELECT id, $1, $2, $3 FROM organizations RETURNING id",
        )
        .bind(CANARY_NAME)
        .bind(&endpoint)
        .bind(ha1)
        .fetch_one(&self.pool)
        .await
        .expect("an agent");
        self.endpoints.push(endpoint.clone());
        (agent, endpoint)
    }

    /// A phone of an account, not registered yet.
    pub async fn device(&self, agent: Uuid, endpoint: &str, rules: impl Into<Rules>) -> Phone {
        let config =
            PeerConfig::new(endpoint).password(PASSWORD).proxy(self.servers.sip).tone_hz(PHONE_HZ).rules(rules);
        let peer = Peer::bind(config).await.expect("a phone");
        Phone { peer, endpoint: endpoint.to_owned(), agent }
    }

    /// An agent with a registered phone and these numbers.
    pub async fn phone(&mut self, name: &str, numbers: &[&str]) -> Phone {
        self.phone_that(name, numbers, Behaviour::answer(Duration::from_millis(100))).await
    }

    /// The same, whose phone does this when it is called.
    pub async fn phone_that(&mut self, name: &str, numbers: &[&str], rules: impl Into<Rules>) -> Phone {
        let (agent, endpoint) = self.agent(name).await;
        for number in numbers {
            self.assign(agent, number, 100).await;
        }
        let phone = self.device(agent, &endpoint, rules).await;
        phone.register().await;
        phone
    }

    /// An agent whose phone is registered at another Asterisk.
    pub async fn agent_at(&mut self, name: &str, numbers: &[&str], sip: SocketAddr) -> Phone {
        let (agent, endpoint) = self.agent(name).await;
        for number in numbers {
            self.assign(agent, number, 100).await;
        }
        let phone = self.device_at(agent, &endpoint, sip).await;
        phone.register().await;
        phone
    }

    /// A phone of an account at another Asterisk, not registered yet.
    pub async fn device_at(&self, agent: Uuid, endpoint: &str, sip: SocketAddr) -> Phone {
        let rules = Behaviour::answer(Duration::from_millis(100));
        let config = PeerConfig::new(endpoint).password(PASSWORD).proxy(sip).tone_hz(PHONE_HZ).rules(rules);
        let peer = Peer::bind(config).await.expect("a phone");
        Phone { peer, endpoint: endpoint.to_owned(), agent }
    }

    /// Assigns a number, and makes it ours if it is not.
    pub async fn assign(&self, agent: Uuid, number: &str, limit: i32) {
        sqlx::query(
            "INSERT INTO numbers (organization_id, e164) SELECT id, $1 FROM organizations ON CONFLICT DO NOTHING",
        )
        .bind(number)
        .execute(&self.pool)
        .await
        .expect("a number");
        sqlx::query(
            "INSERT INTO assignments (agent_id, number_id, daily_limit) SELECT $1, id, $3 FROM numbers WHERE e164 = $2",
        )
        .bind(agent)
        .bind(number)
        .bind(limit)
        .execute(&self.pool)
        .await
        .expect("an assignment");
    }

    /// All calls, oldest first.
    pub async fn calls(&self) -> Vec<CallRow> {
        let mut calls = self.store.list_calls(&CallFilter::default(), None, 1000).await.expect("the calls");
        calls.reverse();
        calls
    }

    /// Waits until there are so many calls and all have come to their end.
    pub async fn settled(&self, count: usize) -> Vec<CallRow> {
        self.calls_when("settled", |calls| calls.len() == count && calls.iter().all(|c| c.settled_at.is_some())).await
    }

    /// The one call, at its end.
    pub async fn the_call(&self) -> CallRow {
        self.settled(1).await.remove(0)
    }

    /// Waits until the calls look like this.
    pub async fn calls_when(&self, what: &str, test: impl Fn(&[CallRow]) -> bool) -> Vec<CallRow> {
        let deadline = Instant::now() + SOON;
        loop {
            let calls = self.calls().await;
            if test(&calls) {
                return calls;
            }
            assert!(Instant::now() < deadline, "not {what}: {calls:#?}\n{}", self.daemon.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn rules(behaviour: &Arc<Mutex<Manners>>) -> Rules {
    let shared = Arc::clone(behaviour);
    Rules::by(move |user| {
        let manners = shared.lock().unwrap_or_else(PoisonError::into_inner);
        manners.of.get(user).unwrap_or(&manners.otherwise).clone()
    })
}

async fn peer_at(user: &str, address: SocketAddr, rules: Rules) -> Peer {
    let config = PeerConfig::new(user).listen(address).tone_hz(CARRIER_HZ).rules(rules);
    let deadline = Instant::now() + SOON;
    loop {
        match Peer::bind(config.clone()).await {
            Ok(peer) => return peer,
            // Another program's media may have the port for a moment.
            Err(error) => assert!(Instant::now() < deadline, "{user} at {address}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn fresh_database(servers: &Servers, database: &str) -> PgPool {
    let options = PgPoolOptions::new().max_connections(3).acquire_timeout(SOON);
    let server = options.clone().connect(&servers.url("postgres")).await.expect("Postgres");
    let statement = format!("CREATE DATABASE {database}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&server).await.expect("a database");
    server.close().await;
    options.connect(&servers.url(database)).await.expect("the database")
}

async fn seed(pool: &PgPool) {
    let statement = "
        INSERT INTO organizations (slug, name, country, time_zone) VALUES ('acme', 'Acme', 'US', 'America/New_York');
        INSERT INTO trunks (name) VALUES ('carrier');";
    sqlx::raw_sql(statement).execute(pool).await.expect("a tenant and a trunk");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
