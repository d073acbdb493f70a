//! Who used the processor, from `/proc`.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// `USER_HZ`, which is 100 on every Linux that Asterisk is packaged for. The kernel scales its exact figures to it.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE: u64 = 4096;
/// Above these shares of the machine a figure is called noisy.
const NOISY_FOREIGN: f64 = 5.0;
const NOISY_STEAL: f64 = 2.0;

/// One process, now.
#[derive(Clone, Copy, Debug)]
struct Process {
    parent: u32,
    /// s of its own.
    own: f64,
    /// s of its children that are gone.
    buried: f64,
    resident: u64,
}

type Table = BTreeMap<u32, Process>;

fn table() -> Table {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Table::new() };
    let pids = folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, process(pid)?))).collect()
}

fn process(pid: u32) -> Option<Process> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let seconds = |at: usize| Some(number(at)? as f64 / TICKS_PER_SECOND);
    Some(Process {
        parent: number(1)? as u32,
        own: seconds(11)? + seconds(12)?,
        buried: seconds(13)? + seconds(14)?,
        resident: number(21)? * PAGE,
    })
}

/// The parent of a process.
pub fn parent(pid: u32) -> Option<u32> {
    process(pid).map(|process| process.parent)
}

/// s that a process used so far.
pub fn cpu_seconds(pid: u32) -> f64 {
    process(pid).map_or(0.0, |process| process.own)
}

fn tree(root: u32, table: &Table) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        found.extend(table.iter().filter(|(_, p)| found.contains(&p.parent)).map(|(pid, _)| *pid).collect::<Vec<_>>());
        if found.len() == before {
            return found;
        }
    }
}

fn cost(root: u32, table: &Table) -> f64 {
    tree(root, table).iter().filter_map(|pid| table.get(pid)).map(|p| p.own + p.buried).sum()
}

/// s that the hypervisor kept.
fn stolen() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let field = text.lines().next().and_then(|line| line.split_whitespace().nth(8)?.parse::<f64>().ok());
    field.unwrap_or_default() / TICKS_PER_SECOND
}

/// Watches until it is asked.
pub struct Watch {
    roots: Vec<(&'static str, u32)>,
    began: Instant,
    stolen: f64,
    before: Table,
    stop: Arc<AtomicBool>,
    sampler: JoinHandle<(f64, u64)>,
}

/// What was used meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// s of processor time of each process tree that was named.
    pub seconds: BTreeMap<&'static str, f64>,
    /// The most memory that the process named `cordboard` had, in bytes.
    pub resident: u64,
    /// % of the machine that others used.
    pub foreign: f64,
    /// % of the machine that the hypervisor kept.
    pub steal: f64,
}

impl Watch {
    /// Watches these process trees; ours is always one of ours.
    pub fn new(roots: Vec<(&'static str, u32)>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, watched) = (Arc::clone(&stop), roots.clone());
        let before = table();
        let sampler = std::thread::spawn({
            let before = before.clone();
            move || sample(&watched, before, &stopped)
        });
        Self { roots, began: Instant::now(), stolen: stolen(), before, stop, sampler }
    }

    pub fn end(self) -> Used {
        self.stop.store(true, Ordering::Relaxed);
        let (foreign, resident) = self.sampler.join().unwrap_or_default();
        let after = table();
        let machine =
            self.began.elapsed().as_secs_f64() * std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
        Used {
            seconds: self
                .roots
                .iter()
                .map(|(name, root)| (*name, cost(*root, &after) - cost(*root, &self.before)))
                .collect(),
            resident,
            foreign: 100.0 * foreign / machine,
            steal: 100.0 * (stolen() - self.stolen) / machine,
        }
    }
}

/// The kernel's own total misses short bursts, so the processes are summed up.
fn sample(roots: &[(&'static str, u32)], mut last: Table, stop: &AtomicBool) -> (f64, u64) {
    let (mut foreign, mut resident) = (0.0, 0);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(250));
        let now = table();
        let mut ours = tree(std::process::id(), &now);
        for (name, root) in roots {
            let found = tree(*root, &now);
            if *name == "cordboard" {
                resident = resident.max(found.iter().filter_map(|pid| now.get(pid)).map(|p| p.resident).sum());
            }
            ours.extend(found);
        }
        let others = now.iter().filter(|(pid, _)| !ours.contains(pid));
        foreign += others.map(|(pid, p)| (p.own - last.get(pid).map_or(0.0, |l| l.own)).max(0.0)).sum::<f64>();
        last = now;
    }
    (foreign, resident)
}

impl Used {
    /// Together with that of another window.
    pub fn and(mut self, other: &Self, share: f64) -> Self {
        for (name, seconds) in &other.seconds {
            *self.seconds.entry(name).or_default() += seconds;
        }
        self.resident = self.resident.max(other.resident);
        self.foreign += (other.foreign - self.foreign) * share;
        self.steal += (other.steal - self.steal) * share;
        self
    }

    pub fn ms(&self, name: &str, calls: usize) -> f64 {
        self.seconds.get(name).copied().unwrap_or_default() * 1e3 / calls.max(1) as f64
    }

    /// A cell of a table.
    pub fn noise(&self) -> String {
        let mark = if self.foreign > NOISY_FOREIGN || self.steal > NOISY_STEAL { " **noisy**" } else { "" };
        format!("{:.0} / {:.1}{mark}", self.foreign, self.steal)
    }

    pub fn json(&self) -> Value {
        json!({ "cpu_s": self.seconds, "resident_bytes": self.resident, "foreign_pct": self.foreign, "steal_pct": self.steal })
    }
}

/// The noise of several windows of the same length.
pub fn together(windows: &[Used]) -> Used {
    let begin = Used::default();
    windows.iter().enumerate().fold(begin, |sum, (n, window)| sum.and(window, 1.0 / (n as f64 + 1.0)))
}
