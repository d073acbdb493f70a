//! The settings, from the outside.

mod carriers;
mod environment;
mod in_force;
mod sample;
mod secrets;
mod wrong;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use cordboard::config::{ConfigErrors, Loaded, load_from};

const SAMPLE: &str = include_str!("../../systemd/cordboard.toml");

/// The least that is valid, without a warning.
const LEAST: &str = r#"[postgres]
url = "postgres://cordboard@localhost/cordboard"
[[node]]
name = "floor-1"
password = "correct-horse-battery"
[emergency]
trunk = "carrier-a"
caller_id = "+12125550100"
"#;

fn read(text: &str) -> Result<Loaded, ConfigErrors> {
    load_from(text, std::iter::empty(), None)
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load_from(text, variables, None)
}

fn good(outcome: Result<Loaded, ConfigErrors>) -> Loaded {
    outcome.unwrap_or_else(|errors| panic!("should be valid:\n{errors}"))
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}

/// A directory of its own, removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cordboard-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new directory");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, content).expect("a written file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a changed mode");
        path.display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
