//! The real Asterisk of this suite: one for all scenarios, started by the first, ended when the test process ends, whatever way
//! it ends.

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tokio::sync::{Mutex, MutexGuard};

/// How to reach it.
#[derive(Debug)]
pub struct Real {
    pub ari: u16,
    pub sip: u16,
    pub trunk: u16,
    /// Waits for the end of its input, which comes with the end of this process, and stops Asterisk.
    _guard: Child,
}

pub const PASSWORD: &str = "suite-only";
const NAME: &str = "ari-suite";

/// There is one application, and so one scenario at a time.
static TURN: Mutex<()> = Mutex::const_new(());
static REAL: OnceLock<Real> = OnceLock::new();

pub async fn turn() -> (MutexGuard<'static, ()>, &'static Real) {
    let turn = TURN.lock().await;
    (turn, REAL.get_or_init(start))
}

fn start() -> Real {
    let installed = std::env::var_os("CORDBOARD_CACHE")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("XDG_CACHE_HOME").map(|cache| PathBuf::from(cache).join("cordboard")))
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache/cordboard")))
        .is_some_and(|cache| cache.join("asterisk-sid/stamp").exists());
    let on_the_path = Command::new("asterisk").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(installed || on_the_path, "there is no Asterisk to test against: run make test");

    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let script = repository.join("scripts/asterisk");
    let (tcp, udp) = free_ports();
    let rtp = 20_000 + u16::try_from(std::process::id() % 40).unwrap_or(0) * 200;
    let command = |program: &str| {
        let mut command = Command::new(program);
        command
            .env("CORDBOARD_STATE", env!("CARGO_TARGET_TMPDIR"))
            .env("CORDBOARD_HTTP_PORT", tcp[0].to_string())
            .env("CORDBOARD_HTTPS_PORT", tcp[1].to_string())
            .env("CORDBOARD_SIP_PORT", udp[0].to_string())
            .env("CORDBOARD_TRUNK_PORT", udp[1].to_string())
            .env("CORDBOARD_EMERGENCY_PORT", udp[2].to_string())
            .env("CORDBOARD_RTP_START", rtp.to_string())
            .env("CORDBOARD_RTP_END", (rtp + 199).to_string())
            .env("CORDBOARD_ARI_PASSWORD", PASSWORD);
        command
    };
    let script = script.to_str().expect("a path");
    // What a run that was killed together with its guard may have left.
    let quiet = |mut command: Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let mut stop = command(script);
    stop.args(["stop", "--name", NAME]);
    let _ = quiet(stop);
    let guard = command("setsid")
        .args(["sh", "-c", &format!("read _; exec '{script}' stop --name {NAME}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a guard");
    let started = command(script).args(["start", "--name", NAME]).output().expect("the script");
    assert!(started.status.success(), "Asterisk does not start: {}", String::from_utf8_lossy(&started.stderr));
    Real { ari: tcp[0], sip: udp[0], trunk: udp[1], _guard: guard }
}

/// Two TCP ports and three UDP ports at which nobody listens.
fn free_ports() -> (Vec<u16>, Vec<u16>) {
    let tcp: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let udp: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    (
        tcp.iter().map(|socket| socket.local_addr().expect("an address").port()).collect(),
        udp.iter().map(|socket| socket.local_addr().expect("an address").port()).collect(),
    )
}
