//! The daemon's process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Killed when dropped, and with this test at the latest.
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<(Instant, String)>>>,
}

/// How a start ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It takes calls since then.
    Ready(Instant),
    /// It came to its crash point before.
    Died,
}

impl Process {
    /// Starts one, which dies at this crash point.
    pub fn start(config: &Path, crash_at: Option<&str>) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_cordboard"), "serve"]);
        command.env("CORDBOARD_CONFIG", config).env("NO_COLOR", "1").env_remove("CORDBOARD_CRASH_AT");
        if let Some(point) = crash_at {
            command.env("CORDBOARD_CRASH_AT", point);
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the daemon");
        let said: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let (ours, stderr) = (Arc::clone(&said), child.stderr.take().expect("its words"));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                ours.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), line));
            }
        });
        Self { child, said }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it takes calls, or dies.
    pub async fn started(&mut self) -> Started {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(at) = self.said("INFO ready") {
                return Started::Ready(at);
            }
            if !self.is_alive() {
                return Started::Died;
            }
            assert!(Instant::now() < deadline, "the daemon is never ready:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// When it first said this.
    pub fn said(&self, what: &str) -> Option<Instant> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().find(|(_, line)| line.contains(what)).map(|(at, _)| *at)
    }

    pub fn log(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = said.iter().map(|(_, line)| line.as_str()).collect();
        lines[lines.len().saturating_sub(200)..].join("\n")
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Waits for its end. False if it does not come.
    pub async fn dies(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        true
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
