//! On what it was measured.

use std::process::Command;

/// One line: processors, memory, kernel.
pub fn line() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cpu = read("/proc/cpuinfo");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kilobytes: f64 = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let guest = if field(&cpu, "flags").contains("hypervisor") { ", virtual" } else { "" };
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{} x {}{guest}, {:.0} GiB, Linux {}",
        cores,
        field(&cpu, "model name"),
        kilobytes / f64::from(1 << 20),
        kernel.trim()
    )
}

/// The commit, and whether there is more than it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let out = Command::new("git").args(arguments).output().ok().filter(|out| out.status.success());
        out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    if dirty { format!("{commit} and changes") } else { commit }
}
