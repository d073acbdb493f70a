//! A calling floor of its own for each test: a database, settings, and the program.

use cordboard::store::Store;
use secrecy::SecretString;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

const URL: &str = "CORDBOARD_TEST_DATABASE_URL";
static FLOORS: AtomicU32 = AtomicU32::new(0);

/// The settings of every test; `{url}` and `{journal}` are replaced.
const SETTINGS: &str = r#"[postgres]
url = "{url}"
[journal]
directory = "{journal}"
[[node]]
name = "floor-1"
password = "correct-horse-battery"
[emergency]
trunk = "carrier"
caller_id = "+12125550100"
"#;

/// A place to try commands in.
pub struct Floor {
    pub runtime: Runtime,
    directory: PathBuf,
    database: String,
}

/// What came of a command.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

fn server() -> PgConnectOptions {
    let url = std::env::var(URL)
        .unwrap_or_else(|_| panic!("{URL} is not set: run `make test`, which starts a PostgreSQL and sets it"));
    PgConnectOptions::from_str(&url).unwrap_or_else(|_| panic!("{URL} is not a database URL"))
}

/// A file of so many numbers, 10000 at most.
pub fn csv(numbers: u32) -> String {
    let lines: Vec<String> = (0..numbers).map(|number| format!("+1202556{number:04},telnyx,US\n")).collect();
    lines.concat()
}

/// Bytes as hex.
pub fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

impl Floor {
    /// An empty database, without tables.
    pub fn bare() -> Self {
        let name = format!("cordboard_cli_{}_{}", std::process::id(), FLOORS.fetch_add(1, Ordering::Relaxed));
        let runtime = Runtime::new().expect("a runtime");
        let directory = std::env::temp_dir().join(&name);
        std::fs::create_dir(&directory).expect("a directory");
        let floor = Self { runtime, directory, database: name };
        floor.on_server(&format!("CREATE DATABASE {}", floor.database));
        floor.settings(SETTINGS);
        floor
    }

    /// With tables, an organization in New York and a trunk.
    pub fn acme() -> Self {
        let floor = Self::bare();
        floor.ok("migrate");
        floor.ok("organizations add acme --name Acme --country US --time-zone America/New_York");
        floor.ok("trunks add carrier");
        floor
    }

    /// With alice, who calls from +12025550123.
    pub fn alice() -> Self {
        let floor = Self::acme();
        floor.ok("agents add acme Alice --endpoint alice");
        floor.ok("numbers add acme +12025550123");
        floor.ok("assign alice +12025550123");
        floor
    }

    pub fn settings(&self, text: &str) {
        let journal = self.directory.join("journal").display().to_string();
        self.file("cordboard.toml", &text.replace("{url}", &self.url()).replace("{journal}", &journal));
    }

    /// With this behind the usual settings.
    pub fn add_settings(&self, more: &str) {
        self.settings(&format!("{SETTINGS}{more}"));
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.directory.join(name);
        std::fs::write(&path, text).expect("a written file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("a private file");
        path.display().to_string()
    }

    pub fn url(&self) -> String {
        server().database(&self.database).to_url_lossy().to_string()
    }

    pub fn store(&self) -> Store {
        let _in = self.runtime.enter();
        Store::connect(&SecretString::from(self.url()), 2, Duration::from_secs(10)).expect("a store")
    }

    /// What somebody types into psql.
    pub fn sql(&self, sql: &str) {
        Self::execute(&self.runtime, &server().database(&self.database), sql);
    }

    /// The same, if it may be refused.
    pub fn try_sql(&self, sql: &str) -> Result<(), String> {
        self.runtime.block_on(async {
            let mut connection = server().database(&self.database).connect().await.expect("a PostgreSQL server");
            let done = connection.execute(AssertSqlSafe(sql)).await;
            done.map(drop)
                .map_err(|error| format!("{:?}", error.as_database_error().and_then(|error| error.constraint())))
        })
    }

    fn on_server(&self, sql: &str) {
        Self::execute(&self.runtime, &server(), sql);
    }

    fn execute(runtime: &Runtime, at: &PgConnectOptions, sql: &str) {
        runtime.block_on(async {
            let mut connection = at.connect().await.expect("a PostgreSQL server");
            connection.execute(AssertSqlSafe(sql)).await.expect("the server obeys");
        });
    }

    /// The program, with the settings of this floor and nothing else around it.
    pub fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_cordboard"));
        program.env_clear().env("CORDBOARD_CONFIG", self.directory.join("cordboard.toml")).stdin(Stdio::null());
        program
    }

    pub fn run_words(&self, words: &[&str]) -> Ran {
        self.program().args(words).output().expect("the program runs").into()
    }

    /// A command without blanks in its words.
    pub fn run(&self, command: &str) -> Ran {
        self.run_words(&command.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_with_input(&self, command: &str, input: &[u8]) -> Ran {
        let mut program = self.program();
        program.args(command.split_whitespace());
        let program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().expect("the program runs");
        child.stdin.take().expect("its input").write_all(input).expect("it listens");
        child.wait_with_output().expect("it ends").into()
    }

    /// What a command prints that must work.
    pub fn ok(&self, command: &str) -> String {
        let ran = self.run(command);
        assert_eq!(ran.code, 0, "{command}: {}", ran.err);
        ran.out
    }

    /// The same as JSON.
    pub fn json(&self, command: &str) -> Value {
        self.run(&format!("{command} --json")).json()
    }
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {:?} {}", self.out, self.err))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("an exit code, not a signal"),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.on_server(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database));
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
