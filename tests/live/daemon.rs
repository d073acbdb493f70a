//! The daemon's process.

use crate::servers::{ARI_PASSWORD, Servers, signal, url_by};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// What a scenario may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What its files' names end with; two daemons of one floor must differ.
    pub name: &'static str,
    /// Where its API is.
    pub http: SocketAddr,
    /// The machine it believes to be on; empty: this one.
    pub host: &'static str,
    /// The control: it asks no lease for leave.
    pub without_lease: bool,
    /// A second node, with its weight; none: there is one.
    pub second: Option<(SocketAddr, u32)>,
    /// Where the daemon finds ARI: Asterisk itself, or a proxy.
    pub ari: SocketAddr,
    /// Where it finds Postgres: Postgres itself, or a proxy.
    pub postgres: SocketAddr,
    /// What emergency services see as caller; none: there is no emergency route.
    pub emergency: Option<&'static str>,
    /// Further lines, by section.
    pub calls: &'static str,
    /// The crash point at which the next daemon dies.
    pub crash_at: Option<String>,
}

impl Settings {
    fn text(&self, servers: &Servers, database: &str) -> String {
        let mut text = format!(
            "[postgres]\nurl = \"{}\"\nmigrate_at_start = true\n\
             [journal]\ndirectory = {:?}\n[[node]]\nname = \"live\"\nurl = \"http://{}\"\npassword = \"{ARI_PASSWORD}\"\n\
             [http]\nlisten = \"{}\"\n[log]\nformat = \"text\"\nlevel = \"debug\"\n\
             [shutdown]\ndrain_timeout_s = 60\n[calls]\n{}\n",
            url_by(self.postgres, database),
            servers.journal(&format!("{database}{}", self.name)).display().to_string(),
            self.ari,
            self.http,
            self.calls
        );
        if let Some((ari, weight)) = self.second {
            let _ = write!(
                text,
                "[[node]]\nname = \"second\"\nurl = \"http://{ari}\"\npassword = \"{ARI_PASSWORD}\"\nweight = {weight}\n"
            );
        }
        if let Some(caller_id) = self.emergency {
            let _ = write!(text, "[emergency]\ntrunk = \"emergency\"\ncaller_id = \"{caller_id}\"\n");
        }
        text
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
    /// What the log held when this one began.
    before: usize,
}

impl Daemon {
    /// Starts one. It ends with this thread at the latest.
    pub fn start(servers: &Servers, database: &str, settings: &Settings) -> Self {
        let (config, log) = (
            servers.dir.join(format!("{database}{}.toml", settings.name)),
            servers.dir.join(format!("{database}{}.log", settings.name)),
        );
        fs::write(&config, settings.text(servers, database)).expect("its configuration");
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("a private file");
        let before = fs::read(&log).map_or(0, |text| text.len());
        let stderr = File::options().create(true).append(true).open(&log).expect("its log");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&servers.program).arg("serve");
        if !reads_environment(servers) {
            command.arg(&config);
        }
        if let Some(point) = &settings.crash_at {
            command.env("CORDBOARD_CRASH_AT", point);
        }
        if settings.without_lease {
            command.env("CORDBOARD_LEASE", "off");
        }
        if !settings.host.is_empty() {
            command.env("CORDBOARD_BOOT_ID", settings.host);
        }
        let child = command
            .env("CORDBOARD_CONFIG", &config)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(stderr.try_clone().expect("its log"))
            .stderr(stderr)
            .spawn()
            .expect("the daemon");
        Self { child, log, before }
    }

    /// Its settings.
    pub fn config(servers: &Servers, database: &str) -> PathBuf {
        servers.dir.join(format!("{database}.toml"))
    }

    /// What it wrote since it began.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).expect("its log");
        String::from_utf8_lossy(&bytes[self.before..]).into_owned()
    }

    /// What it and those before it wrote.
    pub fn whole_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("its log")).into_owned()
    }

    /// Waits until the daemon takes calls.
    pub async fn is_ready(&mut self) {
        self.says("INFO ready").await;
    }

    pub async fn says(&mut self, what: &str) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !self.log().contains(what) {
            if let Some(status) = self.child.try_wait().expect("its state") {
                panic!("the daemon ended with {status} and never said {what:?}:\n{}", self.log());
            }
            assert!(tokio::time::Instant::now() < deadline, "the daemon never said {what:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// Waits until it takes calls, or dies before.
    pub async fn is_ready_or_dead(&mut self) {
        while self.is_alive() && !self.log().contains("INFO ready") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for its death. False if it lives on.
    pub async fn dies(&mut self, within: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + within;
        while self.is_alive() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        !self.is_alive()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("its end");
    }

    pub async fn ends(&mut self, within: Duration) -> ExitStatus {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                return status;
            }
            assert!(tokio::time::Instant::now() < deadline, "the daemon does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this program takes `CORDBOARD_CONFIG`; an early one wants the path as argument.
fn reads_environment(servers: &Servers) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let output = Command::new(&servers.program).arg("--version").stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success())
    })
}
