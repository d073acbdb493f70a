//! One Asterisk and one Postgres for the whole run, with ports and files of their own.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const REPO: &str = env!("CARGO_MANIFEST_DIR");
pub const ARI_PASSWORD: &str = "live-ring-password";

pub struct Servers {
    /// State, logs and records of the run; what a failed scenario left is here until the next run.
    pub dir: PathBuf,
    /// A copy: the next build must not change the program under a running scenario.
    pub program: PathBuf,
    pub sip: SocketAddr,
    pub ari: SocketAddr,
    pub carrier: SocketAddr,
    pub emergency: SocketAddr,
    pub http: SocketAddr,
    /// For a second daemon.
    pub http_b: SocketAddr,
    /// A second Asterisk, which only some scenarios start.
    pub second: Second,
    postgres: u16,
    https: u16,
    rtp: u16,
    /// Asterisk is, or was, set up otherwise than shipped.
    otherwise: AtomicBool,
    /// Stops everything when this process ends, in whatever way: then its standard input closes.
    _watchdog: Child,
}

/// Where a second Asterisk is.
#[derive(Clone, Copy)]
pub struct Second {
    pub sip: SocketAddr,
    pub ari: SocketAddr,
    https: u16,
}

pub fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(Servers::start)
}

impl Servers {
    fn start() -> Self {
        assert!(asterisk_is_here() && postgres_is_here(), "Asterisk 22 or PostgreSQL is not installed: run make test");
        // Runs with a state of their own go side by side.
        let state = std::env::var_os("CORDBOARD_TORTURE_STATE").map(PathBuf::from);
        let dir = state.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).join("live");
        fs::create_dir_all(&dir).expect("a directory for the run");
        let watchdog = watchdog(&dir);
        let mut ports = Ports::default();
        let mut address = || SocketAddr::from((Ipv4Addr::LOCALHOST, ports.next()));
        let (sip, ari, carrier, emergency, http) = (address(), address(), address(), address(), address());
        let (http_b, sip_2, ari_2) = (address(), address(), address());
        let (postgres, https, rtp) = (ports.next(), ports.next(), ports.block(600));
        let second = Second { sip: sip_2, ari: ari_2, https: ports.next() };
        let program = dir.join("cordboard");
        fs::copy(env!("CARGO_BIN_EXE_cordboard"), &program).expect("a copy of the program");
        fs::write(dir.join("nowhere.conf"), trunk_to_nowhere(ports.next())).expect("a trunk's configuration");
        let servers = Self {
            dir,
            program,
            sip,
            ari,
            carrier,
            emergency,
            http,
            http_b,
            second,
            postgres,
            https,
            rtp,
            otherwise: AtomicBool::new(false),
            _watchdog: watchdog,
        };
        servers.run();
        servers
    }

    /// Starts what does not run.
    pub fn run(&self) {
        // What a failed scenario left.
        if self.otherwise.swap(false, Ordering::Relaxed) {
            self.stop_asterisk();
        }
        self.start_postgres();
        self.start_asterisk();
    }

    pub fn start_postgres(&self) {
        self.script("postgres", &["start", "--name", "live"]);
    }

    pub fn stop_postgres(&self) {
        self.script("postgres", &["stop", "--name", "live"]);
    }

    pub fn start_asterisk(&self) {
        self.script("asterisk", &["start", "--name", "live"]);
    }

    /// Starts one that is set up otherwise: `edit` changes a copy of asterisk-conf, `http` is added to its local/http.conf.
    pub fn start_asterisk_otherwise(&self, edit: &[(&str, &str, &str)], http: &str) {
        self.otherwise.store(true, Ordering::Relaxed);
        let conf = self.dir.join("otherwise");
        let _ = fs::remove_dir_all(&conf);
        let copied = Command::new("cp").arg("-R").arg(Path::new(REPO).join("asterisk-conf")).arg(&conf).status();
        assert!(copied.is_ok_and(|status| status.success()), "no copy of asterisk-conf");
        for (file, from, to) in edit {
            edit_file(&conf.join(file), from, to);
        }
        fs::write(conf.join("more-http.conf"), http).expect("a file");
        let more = [
            ("CORDBOARD_ASTERISK_CONF", conf.clone().into()),
            ("CORDBOARD_LOCAL_HTTP", conf.join("more-http.conf").into()),
        ];
        self.script_with("asterisk", &["start", "--name", "live"], &more);
    }

    /// Changes a file of the running Asterisk, and has the dialplan read again.
    pub fn edit_dialplan(&self, from: &str, to: &str) {
        self.otherwise.store(true, Ordering::Relaxed);
        edit_file(&self.dir.join("asterisk-live/etc/extensions.conf"), from, to);
        self.console("dialplan reload");
    }

    pub fn asterisk_pid(&self) -> u32 {
        let pid = fs::read_to_string(self.dir.join("asterisk-live/asterisk.pid")).expect("its pid");
        pid.trim().parse().expect("a pid")
    }

    pub fn stop_asterisk(&self) {
        self.script("asterisk", &["stop", "--name", "live"]);
    }

    /// The same carrier, agents and settings, and other ports.
    pub fn start_second_asterisk(&self) {
        let Second { sip, ari, https } = self.second;
        let more = [
            ("CORDBOARD_SIP_PORT", sip.port().to_string().into()),
            ("CORDBOARD_HTTP_PORT", ari.port().to_string().into()),
            ("CORDBOARD_HTTPS_PORT", https.to_string().into()),
        ];
        self.script_with("asterisk", &["start", "--name", "live2"], &more);
    }

    pub fn stop_second_asterisk(&self) {
        self.script("asterisk", &["stop", "--name", "live2"]);
    }

    /// No BYE, no farewell to anybody.
    pub fn kill_asterisk(&self) {
        signal("KILL", self.asterisk_pid());
    }

    /// A command on Asterisk's console.
    pub fn console(&self, command: &str) -> String {
        self.script("asterisk", &["cli", "--name", "live", command])
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        url_by(self.postgres(), database)
    }

    /// Where the daemon of a database keeps the journals of its nodes.
    pub fn journal(&self, database: &str) -> PathBuf {
        self.dir.join(format!("{database}.journal"))
    }

    pub fn postgres(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.postgres))
    }

    fn script(&self, name: &str, arguments: &[&str]) -> String {
        self.script_with(name, arguments, &[])
    }

    fn script_with(&self, name: &str, arguments: &[&str], more: &[(&str, OsString)]) -> String {
        let output = Command::new(Path::new(REPO).join("scripts").join(name))
            .args(arguments)
            .env("CORDBOARD_STATE", &self.dir)
            .env("CORDBOARD_SIP_PORT", self.sip.port().to_string())
            .env("CORDBOARD_HTTP_PORT", self.ari.port().to_string())
            .env("CORDBOARD_HTTPS_PORT", self.https.to_string())
            .env("CORDBOARD_RTP_START", self.rtp.to_string())
            .env("CORDBOARD_RTP_END", (self.rtp + 599).to_string())
            .env("CORDBOARD_TRUNK_PORT", self.carrier.port().to_string())
            .env("CORDBOARD_EMERGENCY_PORT", self.emergency.port().to_string())
            .env("CORDBOARD_PG_PORT", self.postgres.to_string())
            .env("CORDBOARD_ARI_PASSWORD", ARI_PASSWORD)
            .env("CORDBOARD_LOCAL_PJSIP", self.dir.join("nowhere.conf"))
            .envs(more.iter().map(|(name, path)| (name, path)))
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("scripts/{name}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/{name} {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The address of a database, by way of Postgres or of a proxy before it.
pub fn url_by(address: SocketAddr, database: &str) -> String {
    format!("postgres://cordboard@{address}/{database}")
}

/// Two trunks to a port where nothing listens. Asterisk asks the one called `dead` whether it lives, and so knows it.
fn trunk_to_nowhere(port: u16) -> String {
    format!(
        "[nowhere](cordboard-trunk)\naors = nowhere\n\
         [nowhere](cordboard-trunk-aor)\ncontact = sip:127.0.0.1:{port}\nqualify_frequency = 0\n\
         [dead](cordboard-trunk)\naors = dead\n\
         [dead](cordboard-trunk-aor)\ncontact = sip:127.0.0.1:{port}\nqualify_frequency = 1\nqualify_timeout = 0.5\n"
    )
}

fn edit_file(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("a file");
    assert!(text.contains(from), "{} has no {from:?}", path.display());
    fs::write(path, text.replace(from, to)).expect("a changed file");
}

/// Sends a signal by name.
pub fn signal(name: &str, pid: u32) {
    // The shell's own `kill`: there need not be a program of that name.
    let done = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().expect("a shell");
    assert!(done.success(), "no process {pid} to send {name} to");
}

/// Waits for the end of this process, then stops the servers. It also keeps a second run out of the directory until all
/// is stopped.
fn watchdog(dir: &Path) -> Child {
    let script = r#"
        exec 9>"$CORDBOARD_STATE/lock" && flock 9 || exit 1
        stop() {
            "$REPO/scripts/asterisk" stop --name live
            "$REPO/scripts/asterisk" stop --name live2
            "$REPO/scripts/postgres" wipe --name live
        }
        stop 9>&-
        find "$CORDBOARD_STATE" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf -- {} +
        echo ready
        cat >/dev/null
        stop 9>&-
    "#;
    let mut child = Command::new("setsid")
        .args(["sh", "-c", script])
        .env("CORDBOARD_STATE", dir)
        .env("REPO", REPO)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a watchdog");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output");
    BufReader::new(stdout).read_line(&mut line).expect("its first line");
    assert_eq!(line.trim(), "ready", "the watchdog could not clean up {}", dir.display());
    child
}

fn asterisk_is_here() -> bool {
    let directory = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = || directory("XDG_CACHE_HOME").unwrap_or_else(|| directory("HOME").unwrap_or_default().join(".cache"));
    let cache = directory("CORDBOARD_CACHE").unwrap_or_else(|| home().join("cordboard"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    cache.join("asterisk-sid/stamp").exists()
        || std::env::split_paths(&path).chain(own).any(|dir| dir.join("asterisk").exists())
}

fn postgres_is_here() -> bool {
    let own = std::env::var_os("CORDBOARD_PG_BIN").map(PathBuf::from);
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    own.into_iter().chain(packaged.map(|entry| entry.path().join("bin"))).any(|bin| bin.join("initdb").exists())
}

/// Free ports below those that the kernel gives to outgoing connections.
struct Ports(u16);

impl Default for Ports {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u16::try_from(12_000 + since.as_millis() % 12_000).unwrap_or(12_000))
    }
}

impl Ports {
    fn next(&mut self) -> u16 {
        loop {
            self.0 += 1;
            let address = (Ipv4Addr::LOCALHOST, self.0);
            if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
                return self.0;
            }
        }
    }

    /// An even start; that some of these are taken does no harm.
    fn block(&mut self, count: u16) -> u16 {
        let start = (self.0 + 2) & !1;
        self.0 = start + count;
        start
    }
}
