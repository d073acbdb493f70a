//! The daemon, as it is shipped, in a process of its own.

use crate::settings::Settings;
use anyhow::Context as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// It ends with this value.
pub struct Running {
    child: Child,
    pub log: PathBuf,
}

impl Running {
    pub fn start(settings: &Settings, database: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&settings.state)?;
        let config = settings.state.join("cordboard.toml");
        let journal = settings.state.join("journal").display().to_string();
        let url = settings.ari_url.trim_end_matches("/ari");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&config)?;
        write!(
            file,
            "[postgres]\nurl = {database:?}\n[journal]\ndirectory = {:?}\n[[node]]\nname = \"bench\"\nurl = {url:?}\nusername = {:?}\npassword = {:?}\n\
             [http]\nlisten = \"{}\"\n",
            journal, settings.ari_user, settings.ari_password, settings.daemon_http
        )?;
        let log = settings.state.join("cordboard.log");
        let child = Command::new(&settings.daemon_program)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            // Ctrl-C is ours; we end it ourselves.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} does not start", settings.daemon_program.display()))?;
        std::fs::write(settings.state.join("cordboard.pid"), child.id().to_string())?;
        Ok(Self { child, log })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error if it is not there any more.
    pub fn lives(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            anyhow::bail!("the daemon ended with {status}; see {}", self.log.display());
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Told twice: calls that are left are not waited for.
        for _ in 0..2 {
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).stderr(Stdio::null()).status();
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(3) {
                if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
