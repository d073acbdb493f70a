//! Whole calls, beside a bare `Dial()` in the dialplan of the same Asterisk: how long the carrier waits for its INVITE, and
//! what a call costs. Both ends of every call are ours, on one clock.

use crate::daemon::Running;
use crate::database::{Database, Floor};
use crate::report::{self, Report, cell, median, quantiles, say};
use crate::settings::Settings;
use crate::usage::{Used, Watch, cpu_seconds, together};
use anyhow::Context as _;
use cordboard::ari::{AriClient, AriConfig};
use secrecy::SecretString;
use serde_json::{Value, json};
use sip_peer::load::{self, LoadConfig, LoadReport};
use sip_peer::{Account, Behaviour, Peer, PeerConfig};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The endpoint of `scripts/bench` that is led into the bare `Dial()`.
const DIAL_USER: &str = "bench-dial";
const RING: Duration = Duration::from_millis(200);
const TALK: Duration = Duration::from_secs(1);
/// What must be met, at least on a quiet machine.
const DELAY_OVER_DIAL_MS: f64 = 2.0;
const RELAY_OVER_DIAL_MS: f64 = 0.6;
const DAEMON_MS: f64 = 1.0;
const POSTGRES_MS: f64 = 0.6;
const ASTERISK_OVER_DIAL: f64 = 1.45;
const RESIDENT_MIB: f64 = 40.0;

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Dial,
    Cordboard,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Dial => "bare `Dial()`",
            Self::Cordboard => "Cordboard",
        }
    }
}

/// All that takes part.
struct World {
    database: Database,
    daemon: Running,
    phones: Peer,
    carrier: Peer,
    agents: Vec<Account>,
    dialler: Vec<Account>,
    asterisk_pid: u32,
    /// Calls by the daemon so far.
    placed: usize,
    failed: usize,
    /// Calls that the carrier got not once.
    odd: usize,
}

pub async fn measure(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    let mut world = World::begin(settings).await?;
    report.heading(settings, "Calls", "calls");
    let version = asterisk(settings)?.info().await.context("Asterisk's version")?.version;
    println!(
        "Asterisk {version}, PostgreSQL {}; {} agents with digest authentication, 3 numbers each; {RING:?} of ringing, \
         {TALK:?} of talk, signalling only.\n",
        world.database.version, settings.sizes.agents
    );
    report.keep("versions", json!({ "asterisk": version, "postgresql": world.database.version }));
    world.warm_up().await?;
    let delays = delays(settings, report, &mut world).await?;
    report.keep("delays", delays);
    let costs = costs(settings, report, &mut world).await?;
    report.keep("costs", costs);
    accounts_balance(report, &mut world).await
}

fn asterisk(settings: &Settings) -> anyhow::Result<AriClient> {
    let password = SecretString::from(settings.ari_password.clone());
    Ok(AriClient::new(AriConfig::new(&settings.ari_url, "cordboard", &settings.ari_user, password)?)?)
}

impl World {
    async fn begin(settings: &Settings) -> anyhow::Result<Self> {
        let agents = settings.sizes.agents;
        let floor = Floor {
            prefix: "bench",
            agents,
            numbers: agents * 3,
            numbers_per_agent: 3,
            stride: 3,
            number_limit: None,
            assignment_limit: 1000,
            first_number: 0,
            password: &settings.account_password,
        };
        let database = Database::fresh(&settings.database_url).await?;
        database.seed(&floor).await?;
        let account = |user: String| Account::new(user).with_password(settings.account_password.clone());
        let mut carrier =
            PeerConfig::new("carrier").listen(settings.carrier).rules(Behaviour::answer(RING)).without_rtp();
        let mut phones = PeerConfig::new("phones").proxy(settings.sip).without_rtp();
        (carrier.log_capacity, phones.log_capacity) = (2_000, 2_000);
        let daemon = Running::start(settings, &database.url)?;
        let mut world = Self {
            database,
            daemon,
            phones: Peer::bind(phones).await?,
            carrier: Peer::bind(carrier).await?,
            agents: (0..agents).map(|agent| account(floor.endpoint(agent))).collect(),
            dialler: vec![account(DIAL_USER.to_owned())],
            asterisk_pid: settings.asterisk_pid,
            placed: 0,
            failed: 0,
            odd: 0,
        };
        world.wait_for_accounts(settings).await?;
        Ok(world)
    }

    /// The daemon makes the agents' accounts in Asterisk by itself.
    async fn wait_for_accounts(&mut self, settings: &Settings) -> anyhow::Result<()> {
        say("calls: waiting for the agents' accounts");
        let (client, began) = (asterisk(settings)?, Instant::now());
        loop {
            self.daemon.lives()?;
            let there = client.list_endpoints().await.context("Asterisk")?;
            let there = there.iter().filter(|(name, _)| self.agents.iter().any(|a| a.user == name.as_ref())).count();
            if there == self.agents.len() {
                return self.wait_for_silence(began).await;
            }
            anyhow::ensure!(
                began.elapsed() < Duration::from_secs(120),
                "{there} of {} accounts are in Asterisk; see {}",
                self.agents.len(),
                self.daemon.log.display()
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Each account keeps Asterisk busy for a while after it was made.
    async fn wait_for_silence(&self, began: Instant) -> anyhow::Result<()> {
        let at_first = cpu_seconds(self.asterisk_pid);
        let mut last = at_first;
        let mut calm = 0;
        while calm < 2 && began.elapsed() < Duration::from_secs(180) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = cpu_seconds(self.asterisk_pid);
            calm = if now - last < 0.05 { calm + 1 } else { 0 };
            last = now;
        }
        say(&format!(
            "calls: {} accounts took {:.1} s and {:.1} s of Asterisk's processor time",
            self.agents.len(),
            began.elapsed().as_secs_f64() - 2.0,
            last - at_first
        ));
        Ok(())
    }

    async fn warm_up(&mut self) -> anyhow::Result<()> {
        say("calls: warming up");
        for way in [Way::Dial, Way::Cordboard] {
            let (load, _) = self.load(way, 10.0, Duration::from_secs(2)).await?;
            anyhow::ensure!(
                load.failed() == 0,
                "{} does not work: {:?}; see {}",
                way.name(),
                load.failures(),
                self.daemon.log.display()
            );
        }
        Ok(())
    }

    async fn load(&mut self, way: Way, rate: f64, length: Duration) -> anyhow::Result<(LoadReport, Used)> {
        self.daemon.lives()?;
        let accounts = match way {
            Way::Dial => &self.dialler,
            Way::Cordboard => &self.agents,
        };
        let count = (rate * length.as_secs_f64()).round().max(1.0) as usize;
        // Nobody's numbers, all of them valid, none twice in a load.
        let number = Arc::new(|n: usize| format!("1202555{:04}", n % 10_000));
        anyhow::ensure!(count <= 10_000, "at most 10000 calls in one load");
        let config = LoadConfig { hold: TALK, number, ..LoadConfig::new(accounts.clone(), rate, count) };
        let watch = Watch::new(vec![
            ("asterisk", self.asterisk_pid),
            ("cordboard", self.daemon.pid()),
            ("postgres", self.database.postmaster),
        ]);
        let load = load::run(config, &self.phones, &self.carrier).await?;
        // The last records are on their way.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let used = watch.end();
        if way == Way::Cordboard {
            self.placed += load.placed();
            self.failed += load.failed();
            self.odd += load.calls.iter().filter(|call| call.carrier_invites != 1).count();
        }
        if load.failed() > 0 {
            say(&format!("{} failed of {}: {:?}", load.failed(), way.name(), load.failures()));
        }
        Ok((load, used))
    }
}

/// The windows of one way.
#[derive(Default)]
struct Delays {
    authenticated: Vec<u64>,
    first: Vec<u64>,
    relay: Vec<u64>,
    medians: Vec<f64>,
    failed: usize,
    used: Vec<Used>,
}

impl Delays {
    fn add(&mut self, load: &LoadReport, used: Used) {
        let mut window = load.post_dial_delays_from_authenticated_ns();
        self.medians.push(quantiles(&mut window)[0]);
        self.authenticated.extend(window);
        self.first.extend(load.post_dial_delays_ns());
        self.relay.extend(load.answer_relays_ns());
        self.failed += load.failed();
        self.used.push(used);
    }

    fn json(&mut self) -> Value {
        json!({ "ms_p50_p95_p99": quantiles(&mut self.authenticated), "from_first_invite": quantiles(&mut self.first),
            "answer_relay": quantiles(&mut self.relay), "window_medians": self.medians, "n": self.authenticated.len(),
            "failed": self.failed, "usage": together(&self.used).json() })
    }
}

async fn delays(settings: &Settings, report: &mut Report, world: &mut World) -> anyhow::Result<Value> {
    let sizes = &settings.sizes;
    let (mut dial, mut cordboard) = (Delays::default(), Delays::default());
    for round in 0..sizes.delay_rounds {
        say(&format!("calls: delays, round {} of {}", round + 1, sizes.delay_rounds));
        let order = if round % 2 == 0 { [Way::Dial, Way::Cordboard] } else { [Way::Cordboard, Way::Dial] };
        for way in order {
            let (load, used) = world.load(way, sizes.delay_rate, sizes.delay_window).await?;
            match way {
                Way::Dial => dial.add(&load, used),
                Way::Cordboard => cordboard.add(&load, used),
            }
        }
    }
    println!(
        "### Post-dial delay: the agent's INVITE to the carrier's, {} calls/s, {} interleaved windows of {:?} each, ms\n",
        sizes.delay_rate, sizes.delay_rounds, sizes.delay_window
    );
    let mut rows = Vec::new();
    for (way, delays) in [(Way::Dial, &mut dial), (Way::Cordboard, &mut cordboard)] {
        rows.push(vec![
            way.name().to_owned(),
            cell(quantiles(&mut delays.authenticated)),
            format!("{:.2}", median(delays.medians.clone())),
            cell(quantiles(&mut delays.first)),
            cell(quantiles(&mut delays.relay)),
            delays.authenticated.len().to_string(),
            delays.failed.to_string(),
            together(&delays.used).noise(),
        ]);
    }
    report::table(
        &[
            "way",
            "p50 / p95 / p99",
            "median of windows",
            "from the first INVITE",
            "answer relay",
            "n",
            "failed",
            "others / steal %",
        ],
        &rows,
    );
    let added = quantiles(&mut cordboard.authenticated)[0] - quantiles(&mut dial.authenticated)[0];
    report.target("added post-dial delay, p50", added, DELAY_OVER_DIAL_MS, "ms");
    let added = quantiles(&mut cordboard.relay)[0] - quantiles(&mut dial.relay)[0];
    report.target("added answer relay, p50", added, RELAY_OVER_DIAL_MS, "ms");
    Ok(json!({ "rate": sizes.delay_rate, "dial": dial.json(), "cordboard": cordboard.json() }))
}

async fn costs(settings: &Settings, report: &mut Report, world: &mut World) -> anyhow::Result<Value> {
    println!("\n### Processor time a call, ms, and memory\n");
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    let mut targets = Vec::new();
    for (rate, length) in &settings.sizes.loads {
        let mut bare = f64::NAN;
        for (way, length) in [(Way::Dial, *length / 2), (Way::Cordboard, *length)] {
            say(&format!("calls: costs, {} at {rate}/s for {length:?}", way.name()));
            let (load, used) = world.load(way, *rate, length).await?;
            let ms = |name| used.ms(name, load.placed());
            let mib = used.resident as f64 / f64::from(1 << 20);
            let (mut delay, mut late) = (load.post_dial_delays_from_authenticated_ns(), load.lateness_ns());
            let own = way == Way::Cordboard;
            let if_own = |text: String| if own { text } else { "-".to_owned() };
            rows.push(vec![
                format!("{} at {rate}/s", way.name()),
                format!("{:.2}", ms("asterisk")),
                if_own(format!("{:.2}", ms("cordboard"))),
                if_own(format!("{:.2}", ms("postgres"))),
                if_own(format!("{mib:.0}")),
                cell(quantiles(&mut delay)),
                load.placed().to_string(),
                load.failed().to_string(),
                format!("{:.1}", load.rate()),
                used.noise(),
            ]);
            if own {
                targets.push((*rate, ms("cordboard"), ms("postgres"), ms("asterisk") / bare, mib));
            } else {
                bare = ms("asterisk");
            }
            all.push(json!({ "way": way.name(), "rate": rate, "placed": load.placed(), "failed": load.failed(),
                "asterisk_ms": ms("asterisk"), "cordboard_ms": ms("cordboard"), "postgres_ms": ms("postgres"), "resident_mib": mib,
                "delay_ms_p50_p95_p99": quantiles(&mut delay), "late_ms_p50_p95_p99": quantiles(&mut late),
                "achieved": load.rate(), "usage": used.json() }));
        }
    }
    report::table(
        &[
            "load",
            "Asterisk",
            "daemon",
            "Postgres",
            "daemon MiB",
            "delay p50 / p95 / p99",
            "n",
            "failed",
            "calls/s",
            "others / steal %",
        ],
        &rows,
    );
    for (rate, daemon, postgres, asterisk, mib) in targets {
        report.target(&format!("daemon at {rate}/s"), daemon, DAEMON_MS, "ms a call");
        report.target(&format!("Postgres at {rate}/s"), postgres, POSTGRES_MS, "ms a call");
        report.target(&format!("Asterisk at {rate}/s, to the bare `Dial()`"), asterisk, ASTERISK_OVER_DIAL, "x");
        report.target(&format!("daemon's memory at {rate}/s"), mib, RESIDENT_MIB, "MiB");
    }
    Ok(json!(all))
}

/// Every call placed has its record, and every counter is the number of its calls.
async fn accounts_balance(report: &mut Report, world: &mut World) -> anyhow::Result<()> {
    let placed = world.placed as i64;
    let statement =
        "SELECT count(*) FROM calls WHERE disposition = 'answered' AND quota = 'committed' AND settled_at IS NOT NULL";
    let began = Instant::now();
    let mut records = world.database.ask(statement).await?;
    while records < placed && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        records = world.database.ask(statement).await?;
    }
    let rows = world.database.ask("SELECT count(*) FROM calls").await?;
    let numbers = world.database.ask("SELECT coalesce(sum(used), 0)::bigint FROM number_days").await?;
    let agents = world.database.ask("SELECT coalesce(sum(used), 0)::bigint FROM agent_days").await?;
    if records != rows {
        let odd: Vec<String> = sqlx::query_scalar(
            "SELECT concat_ws(' ', id, disposition, refusal, quota, 'cause', cause, 'SIP', sip_code, 'asked', requested_at,
                'decided', decided_at, 'dialled', customer_dialled_at, 'ended', ended_at, 'by', hung_up_by)
             FROM calls WHERE disposition IS DISTINCT FROM 'answered' ORDER BY id LIMIT 10",
        )
        .fetch_all(&world.database.pool)
        .await?;
        println!("\nOther ends (the first ten; see also {}):\n\n- {}", world.daemon.log.display(), odd.join("\n- "));
    }
    let store = world.database.store(1)?;
    let miscounted = store.miscounted_days().await?.len();
    store.close().await;
    println!();
    report.must(world.failed == 0, &format!("{} of {placed} calls through the daemon failed", world.failed));
    report.must(world.odd == 0, &format!("{} calls reached the carrier not exactly once", world.odd));
    report.must(
        records == placed && rows == placed,
        &format!("{placed} calls placed, {rows} rows, {records} records of an answered call"),
    );
    report.must(
        numbers == placed && agents == placed && miscounted == 0,
        &format!("counters: {numbers} by number, {agents} by agent, {miscounted} that differ from their calls"),
    );
    report.keep(
        "balance",
        json!({ "placed": placed, "failed": world.failed, "records": records, "rows": rows, "by_number": numbers,
        "by_agent": agents, "miscounted": miscounted }),
    );
    Ok(())
}
