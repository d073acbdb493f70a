//! What `scripts/bench` says, and how long everything takes.

use anyhow::Context as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Where everything is, and the sizes.
#[derive(Debug)]
pub struct Settings {
    pub quick: bool,
    /// Parts to run; all, if empty.
    only: Vec<String>,
    pub state: PathBuf,
    pub database_url: String,
    pub ari_url: String,
    pub ari_user: String,
    pub ari_password: String,
    pub sip: SocketAddr,
    pub carrier: SocketAddr,
    pub asterisk_pid: u32,
    pub daemon_program: PathBuf,
    pub daemon_http: SocketAddr,
    pub account_password: String,
    pub sizes: Sizes,
}

/// Bounds of everything, in counts and times.
#[derive(Debug)]
pub struct Sizes {
    /// Attempts to reserve that must not pass a limit.
    pub attempts: u64,
    /// Attempts of the naive control.
    pub naive_attempts: u64,
    /// One window of the reservation rates.
    pub rate_window: Duration,
    /// Windows of each kind.
    pub rate_rounds: u32,
    /// Agents with a SIP account.
    pub agents: u32,
    /// One window of the delays.
    pub delay_window: Duration,
    /// Windows of each kind.
    pub delay_rounds: u32,
    /// Calls a second in them.
    pub delay_rate: f64,
    /// Calls a second and how long, for the costs.
    pub loads: Vec<(f64, Duration)>,
    /// How long each figure of the engine is taken.
    pub engine: Duration,
    /// Calls that lie in the past when lists and metrics are measured.
    pub past_calls: f64,
}

impl Settings {
    pub fn read() -> anyhow::Result<Self> {
        let mut quick = false;
        let mut only = Vec::new();
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                "--quick" => quick = true,
                "engine" | "reservations" | "metrics" | "calls" => only.push(argument),
                other => anyhow::bail!("unknown argument {other:?}; --quick, engine, reservations, metrics, calls"),
            }
        }
        Ok(Self {
            quick,
            only,
            state: variable::<PathBuf>("CORDBOARD_STATE")?.join("bench"),
            database_url: variable("DATABASE_URL")?,
            ari_url: variable("CORDBOARD_ARI_URL")?,
            ari_user: variable("CORDBOARD_ARI_USER")?,
            ari_password: variable("CORDBOARD_ARI_PASSWORD")?,
            sip: variable("CORDBOARD_SIP")?,
            carrier: variable("CORDBOARD_TRUNK_PEER")?,
            asterisk_pid: variable("CORDBOARD_ASTERISK_PID")?,
            daemon_program: variable("CORDBOARD_PROGRAM")?,
            daemon_http: variable("CORDBOARD_BENCH_HTTP")?,
            account_password: variable("CORDBOARD_BENCH_PASSWORD")?,
            sizes: Sizes::read(quick)?,
        })
    }

    pub fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == part)
    }

    /// Where the plans are written.
    pub fn plans(&self) -> PathBuf {
        std::env::var_os("CORDBOARD_BENCH_PLANS").map_or_else(|| self.state.join("plans.md"), PathBuf::from)
    }

    /// Whether the calls of the past are kept for the next run.
    pub fn keeps_past(&self) -> bool {
        std::env::var_os("CORDBOARD_BENCH_KEEP").is_some()
    }

    /// How to get these figures again.
    pub fn again(&self, part: &str) -> String {
        format!("scripts/bench{} {part}", if self.quick { " --quick" } else { "" })
    }
}

impl Sizes {
    fn read(quick: bool) -> anyhow::Result<Self> {
        let pick = |full: f64, small: f64| if quick { small } else { full };
        let seconds =
            |name: &str, full, small| Ok::<_, anyhow::Error>(Duration::from_secs_f64(size(name, pick(full, small))?));
        let rates: String = std::env::var("CORDBOARD_BENCH_RATES")
            .unwrap_or_else(|_| if quick { "20:4" } else { "20:30 100:20" }.to_owned());
        let mut loads = Vec::new();
        for load in rates.split_whitespace() {
            let (rate, time) = load.split_once(':').context("CORDBOARD_BENCH_RATES is RATE:SECONDS...")?;
            loads.push((rate.parse()?, Duration::from_secs_f64(time.parse()?)));
        }
        Ok(Self {
            attempts: size("ATTEMPTS", pick(100_000.0, 4_000.0))? as u64,
            naive_attempts: size("NAIVE_ATTEMPTS", pick(40_000.0, 8_000.0))? as u64,
            rate_window: seconds("RATE_SECONDS", 2.0, 0.4)?,
            rate_rounds: size("RATE_ROUNDS", pick(3.0, 1.0))? as u32,
            agents: size("AGENTS", pick(500.0, 40.0))? as u32,
            delay_window: seconds("DELAY_SECONDS", 6.0, 3.0)?,
            delay_rounds: size("DELAY_ROUNDS", pick(8.0, 1.0))? as u32,
            delay_rate: size("DELAY_RATE", 5.0)?,
            loads,
            engine: seconds("ENGINE_SECONDS", 2.0, 0.3)?,
            past_calls: size("CALLS", pick(1_000_000.0, 50_000.0))?,
        })
    }
}

fn size(name: &str, default: f64) -> anyhow::Result<f64> {
    let name = format!("CORDBOARD_BENCH_{name}");
    match std::env::var(&name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is not a number")),
        Err(_) => Ok(default),
    }
}

fn variable<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str) -> anyhow::Result<T> {
    let text = std::env::var(name).with_context(|| format!("{name} is not set; run scripts/bench"))?;
    text.parse().with_context(|| format!("{name} cannot be read"))
}
