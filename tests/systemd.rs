//! The unit says what is true: its sandbox is tight, and the commands, codes and credentials it names are those of the
//! program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cordboard");
const INSTALLED: &str = "/usr/bin/cordboard";
/// Tenths: 1.5.
const EXPOSURE_MAX: &str = "15";
const EX_CONFIG: i32 = 78;

fn below_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn unit() -> String {
    fs::read_to_string(below_root("systemd/cordboard.service")).expect("the unit")
}

/// All values that the unit gives a key, in order.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == key).map(|(_, value)| value).collect()
}

/// A directory of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("systemd-{name}"));
    if path.exists() {
        fs::remove_dir_all(&path).expect("the directory of the last run can go");
    }
    fs::create_dir_all(&path).expect("a directory");
    path
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

fn systemd_analyze(arguments: &[&str], unit: &Path) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .output()
        .expect("systemd-analyze is missing: install the package systemd (Debian), or systemd-analyze of your system")
}

/// Runs the program as the unit would, with this in its environment and nothing else of ours.
fn program(arguments: &[&str], environment: &[(&str, &Path)]) -> Output {
    let ours = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("CORDBOARD"));
    let mut command = Command::new(PROGRAM);
    ours.for_each(|name| {
        command.env_remove(name);
    });
    command.args(arguments).envs(environment.iter().copied()).output().expect("the program")
}

#[test]
fn the_sandbox_is_tight() {
    let unit = below_root("systemd/cordboard.service");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let output = systemd_analyze(&["security", "--offline=true", "--no-pager", &threshold], &unit);
    assert!(output.status.success(), "{}", shown(&output));
}

#[test]
fn a_unit_without_a_sandbox_is_caught() {
    let bare = scratch("bare").join("bare.service");
    fs::write(&bare, "[Service]\nExecStart=/usr/bin/true\n").expect("written");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let output = systemd_analyze(&["security", "--offline=true", "--no-pager", &threshold], &bare);
    assert!(!output.status.success(), "{}", shown(&output));
}

#[test]
fn systemd_understands_every_line() {
    let copy = scratch("verify").join("cordboard.service");
    fs::write(&copy, unit().replace(INSTALLED, PROGRAM)).expect("written");
    let output = systemd_analyze(&["verify", "--man=no"], &copy);
    let said = shown(&output);
    assert!(output.status.success() && !said.contains("cordboard.service:"), "{said}");
}

#[test]
fn the_program_has_every_command_that_is_named() {
    let unit = unit();
    let lines: Vec<_> = ["ExecStartPre", "ExecStart", "ExecReload"].iter().flat_map(|key| values(&unit, key)).collect();
    let ours: Vec<_> = lines.iter().filter_map(|line| line.trim_start_matches('-').strip_prefix(INSTALLED)).collect();
    assert_eq!(ours.len(), 3, "{lines:?}");
    for arguments in ours {
        let mut arguments: Vec<_> = arguments.split_whitespace().collect();
        assert!(!arguments.is_empty());
        arguments.push("--help");
        let output = program(&arguments, &[]);
        assert!(output.status.success(), "{arguments:?}: {}", shown(&output));
    }
    let output = program(&["no-such-command", "--help"], &[]);
    assert!(!output.status.success(), "the control: {}", shown(&output));
}

#[test]
fn wrong_settings_end_it_for_good() {
    assert_eq!(values(&unit(), "RestartPreventExitStatus"), [EX_CONFIG.to_string()]);
    let settings = scratch("wrong").join("cordboard.toml");
    fs::write(&settings, "[nonsense]\n").expect("written");
    for command in ["check-config", "serve"] {
        let output = program(&["--config", settings.to_str().expect("UTF-8"), command], &[]);
        assert_eq!(output.status.code(), Some(EX_CONFIG), "{command}: {}", shown(&output));
    }
}

#[test]
fn the_credentials_are_the_secrets_that_the_settings_lack() {
    let directory = scratch("credentials");
    let settings = directory.join("cordboard.toml");
    fs::write(&settings, "[[node]]\nname = \"floor-1\"\n").expect("written");
    let settings = settings.to_str().expect("UTF-8");
    let check = || program(&["--config", settings, "check-config"], &[("CREDENTIALS_DIRECTORY", &directory)]);
    let without = check();
    assert!(!without.status.success(), "the control: {}", shown(&without));
    for credential in values(&unit(), "LoadCredential") {
        let (name, path) = credential.split_once(':').expect("NAME:PATH");
        assert_eq!(path, format!("/etc/cordboard/{name}"));
        let secret =
            if name == "database-url" { "postgres://cordboard@localhost/cordboard" } else { "a-long-password" };
        fs::write(directory.join(name), secret).expect("written");
    }
    let with = check();
    assert!(with.status.success(), "{}", shown(&with));
}

#[test]
fn the_journal_has_a_place_where_the_daemon_may_write() {
    let unit = unit();
    let sample = fs::read_to_string(below_root("systemd/cordboard.toml")).expect("the sample");
    let directory =
        sample.lines().find_map(|line| line.strip_prefix("#directory = ")).expect("the journal's directory");
    let [state] = values(&unit, "StateDirectory")[..] else { panic!("one StateDirectory") };
    assert_eq!(directory.trim_matches('"'), format!("/var/lib/{state}"));
    assert_eq!(values(&unit, "StateDirectoryMode"), ["0700"], "what agents dialled stands there");
}

#[test]
fn calls_have_time_to_end_after_a_stop() {
    let unit = unit();
    let sample = fs::read_to_string(below_root("systemd/cordboard.toml")).expect("the sample");
    let drain = sample.lines().find_map(|line| line.strip_prefix("#drain_timeout_s = ")).expect("the drain time");
    let [stop] = values(&unit, "TimeoutStopSec")[..] else { panic!("one TimeoutStopSec") };
    let seconds = |text: &str| text.trim_end_matches('s').parse::<u32>().expect("seconds");
    assert!(seconds(stop) >= seconds(drain) + 10, "{stop} against {drain} s");
}
