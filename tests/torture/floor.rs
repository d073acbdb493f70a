//! A floor to torture: the model Asterisk, a database, and the daemon between them, with a proxy on each side.

use crate::monitor::Monitor;
use crate::process::{Process, Started};
use crate::size::{seed, size};
use cordboard::store::Store;
use fault_proxy::{Proxy, Speaks};
use model_asterisk::{FarEnd, Knobs, MILLI, Server};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const AGENTS: usize = 12;
pub const TOKEN: &str = "the-token-of-a-torturer";
/// Longer than anything takes to come to its end.
pub const REST: Duration = Duration::from_mins(1);

pub struct Floor {
    pub model: Arc<Server>,
    /// Between the daemon and ARI.
    pub ari: Proxy,
    /// Between the daemon and Postgres.
    pub postgres: Proxy,
    pub pool: PgPool,
    pub store: Store,
    pub http: SocketAddr,
    pub process: Process,
    pub monitor: Monitor,
    database: String,
    config: PathBuf,
}

fn server() -> PgConnectOptions {
    let variable = "CORDBOARD_TEST_DATABASE_URL";
    let url =
        std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run make test or make torture"));
    PgConnectOptions::from_str(&url).expect("a database URL")
}

impl Floor {
    pub async fn open() -> Self {
        Self::with(Knobs { prompt: 100 * MILLI, ..Knobs::default() }).await
    }

    pub async fn with(knobs: Knobs) -> Self {
        static FLOORS: AtomicU32 = AtomicU32::new(0);
        let number = FLOORS.fetch_add(1, Ordering::Relaxed);
        let database = format!("torture_{}_{number}", std::process::id());
        let mut connection = server().connect().await.expect("a Postgres server");
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {database}"))).await.expect("a database");
        connection.close().await.expect("a polite end");
        let options = server().database(&database);
        let store = Store::connect(&options.to_url_lossy().to_string().into(), 3, REST).expect("a store");
        store.migrate().await.expect("migrations");
        let pool = PgPoolOptions::new().max_connections(3).connect_with(options.clone()).await.expect("connections");
        seed_floor(&pool).await;

        let model = Arc::new(Server::start(knobs).await.expect("a model"));
        model.with(|model| {
            for agent in 0..AGENTS {
                // They differ in how long their phones ring.
                let ring = i64::try_from(agent).unwrap_or(0) * 8 * MILLI;
                model.set_far_end(&endpoint(agent), FarEnd::Answer { ring, early_media: false, hang_up_after: None });
            }
        });
        let ari = Proxy::new(model.address, Speaks::Ari, seed());
        let target = SocketAddr::from(([127, 0, 0, 1], options.get_port()));
        let postgres = Proxy::new(target, Speaks::Postgres, seed());
        let http = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let config = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{database}.toml"));
        let url = options.port(postgres.addr.port()).to_url_lossy();
        let journal = config.with_extension("journal").display().to_string();
        let text = format!(
            "[postgres]\nurl = \"{url}\"\n[[node]]\nname = \"model\"\nurl = \"http://{}\"\n\
             password = \"torture-ring-password\"\nallow_missing_safety_net = true\n\
             [journal]\ndirectory = {journal:?}\n[http]\nlisten = \"{http}\"\n[log]\nformat = \"text\"\nlevel = \"info\"\n\
             [calls]\nring_timeout_s = 15\nagent_ring_timeout_s = 5\n",
            ari.addr,
        );
        std::fs::write(&config, text).expect("a configuration");
        let process = Process::start(&config, None);
        let monitor = Monitor::start(Arc::clone(&model));
        let mut floor = Self { model, ari, postgres, pool, store, http, process, monitor, database, config };
        assert!(matches!(floor.process.started().await, Started::Ready(_)), "{}", floor.process.log());
        floor
    }

    /// A new daemon in the place of one that is dead.
    pub fn restart(&mut self, crash_at: Option<&str>) {
        assert!(!self.process.is_alive(), "the old one lives");
        self.process = Process::start(&self.config, crash_at);
    }

    /// Waits until nothing is left to do; says what was left if it never ends.
    pub async fn rest(&mut self) -> Option<String> {
        let deadline = Instant::now() + REST;
        loop {
            let (channels, bridges) = self.model.with(|model| {
                let channels: Vec<String> = model.channels().map(|channel| channel.id.clone()).collect();
                (channels, model.bridges().count())
            });
            let open: i64 = sqlx::query_scalar("SELECT count(*) FROM calls WHERE settled_at IS NULL")
                .fetch_one(&self.pool)
                .await
                .expect("a number");
            if channels.is_empty() && bridges == 0 && open == 0 {
                return None;
            }
            if Instant::now() > deadline || !self.process.is_alive() {
                return Some(format!(
                    "{open} calls are open, {bridges} bridges and these channels are left: {channels:?}\n{}",
                    self.process.log()
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn close(mut self) {
        self.process.kill();
        self.store.close().await;
        self.pool.close().await;
        let mut connection = server().connect().await.expect("a Postgres server");
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        connection.execute(AssertSqlSafe(drop)).await.expect("dropped");
        connection.close().await.expect("a polite end");
        let _ = std::fs::remove_file(&self.config);
    }
}

pub fn endpoint(agent: usize) -> String {
    format!("agent{agent}")
}

async fn seed_floor(pool: &PgPool) {
    let mut sql = String::from(
        "INSERT INTO organizations (slug, name, country, time_zone) VALUES ('acme', 'Acme', 'US', 'America/New_York');
         INSERT INTO trunks (name) VALUES ('carrier');\n",
    );
    for agent in 0..AGENTS {
        let endpoint = endpoint(agent);
        // Two agents share a number, and each has some of their own: as many as a day of a thousand calls each takes.
        let own = (0..=size() / 1000).map(|number| format!("+1212556{agent:02}{number:02}"));
        let numbers = own.chain([format!("+121255501{:02}", agent / 2)]);
        let _ = writeln!(
            sql,
            "INSERT INTO agents (organization_id, name, endpoint) SELECT id, 'A', '{endpoint}' FROM organizations;"
        );
        for number in numbers {
            let _ = writeln!(
                sql,
                "INSERT INTO numbers (organization_id, e164) SELECT id, '{number}' FROM organizations ON CONFLICT DO NOTHING;
                 INSERT INTO assignments (agent_id, number_id, daily_limit)
                 SELECT a.id, n.id, 1000 FROM agents a, numbers n WHERE a.endpoint = '{endpoint}' AND n.e164 = '{number}';"
            );
        }
    }
    pool.execute(AssertSqlSafe(sql)).await.expect("a floor");
    sqlx::query("INSERT INTO api_tokens (organization_id, name, sha256) SELECT id, 'torture', $1 FROM organizations")
        .bind(Sha256::digest(TOKEN).as_slice())
        .execute(pool)
        .await
        .expect("a token");
}

/// Runs a scenario, one after another, with threads of its own.
pub fn run(scenario: impl Future<Output = ()>) {
    let _turn = crate::size::turn();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(scenario);
    runtime.shutdown_timeout(Duration::from_secs(1));
}
