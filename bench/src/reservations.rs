//! Can a limit be passed, and what does it cost that it cannot?

use crate::database::{Database, Floor};
use crate::report::{self, Report, median, quantiles, say};
use crate::settings::Settings;
use crate::usage::{Used, Watch, together};
use anyhow::Context as _;
use cordboard::core::fact::Origin;
use cordboard::core::ids::CallId;
use cordboard::store::Store;
use cordboard::store::admit::{AdmitRequest, Admitted};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Clients at the same time.
const CLIENTS: u32 = 32;
/// The numbers of the naive control, and of the floor whose agents share theirs.
const SHARED: u32 = 32;

pub async fn measure(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    report.heading(settings, "Reservations", "reservations");
    let never = never_over(settings, report).await?;
    let rates = rates(settings).await?;
    report.keep("reservations", json!({ "never_over": never, "rates": rates }));
    Ok(())
}

/// What the attempts of one way came to.
struct Attempts {
    made: u64,
    granted: i64,
    allowed: i64,
    over: i64,
    seconds: f64,
    used: Used,
}

async fn never_over(settings: &Settings, report: &mut Report) -> anyhow::Result<Value> {
    let hot = settings.sizes.attempts / 10;
    let ways = [
        (
            "`admit`, 64 agents who share 32 numbers, limits of the numbers",
            shared(settings, settings.sizes.attempts - hot).await?,
        ),
        ("`admit`, one agent, limits of the agent's numbers", one_agent(settings, hot).await?),
        ("control: read, then write", naive(settings).await?),
    ];
    let rows: Vec<_> = ways
        .iter()
        .map(|(name, a)| {
            vec![
                (*name).to_owned(),
                a.made.to_string(),
                CLIENTS.to_string(),
                a.allowed.to_string(),
                a.granted.to_string(),
                format!("**{}**", a.over),
                format!("{:.0}", a.made as f64 / a.seconds),
                a.used.noise(),
            ]
        })
        .collect();
    report::table(
        &["way", "attempts", "clients", "allowed", "granted", "over the limit", "attempts/s", "others / steal %"],
        &rows,
    );
    let [(_, shared), (_, one), (_, control)] = &ways;
    let made = shared.made + one.made;
    report.must(shared.over + one.over == 0, &format!("0 over-limit reservations in {made} attempts"));
    let exact = shared.granted == shared.allowed && one.granted == one.allowed;
    report.must(exact, "granted is exactly what is allowed, and each counter is the number of its calls");
    report.must(control.over > 0, "the control passes its limits, so the test can fail");
    println!();
    let ways = ways.iter().map(|(name, a)| {
        json!({ "way": name, "attempts": a.made, "clients": CLIENTS, "allowed": a.allowed, "granted": a.granted, "over": a.over,
            "seconds": a.seconds, "usage": a.used.json() })
    });
    Ok(ways.collect())
}

async fn shared(settings: &Settings, attempts: u64) -> anyhow::Result<Attempts> {
    let floor = Floor {
        prefix: "bench",
        agents: 64,
        numbers: SHARED,
        numbers_per_agent: 5,
        stride: 1,
        number_limit: Some((attempts * 8 / 10) as u32 / SHARED),
        assignment_limit: 1000,
        first_number: 0,
        password: &settings.account_password,
    };
    let allowed = i64::from(floor.number_limit.unwrap_or_default()) * i64::from(SHARED);
    admit_all(settings, floor, attempts, allowed).await
}

async fn one_agent(settings: &Settings, attempts: u64) -> anyhow::Result<Attempts> {
    let limit = (attempts / 2 / 5).min(1000) as u32;
    let floor = Floor {
        prefix: "bench",
        agents: 1,
        numbers: 5,
        numbers_per_agent: 5,
        stride: 1,
        number_limit: None,
        assignment_limit: limit,
        first_number: 0,
        password: &settings.account_password,
    };
    admit_all(settings, floor, attempts, i64::from(limit) * 5).await
}

async fn admit_all(settings: &Settings, floor: Floor<'_>, attempts: u64, allowed: i64) -> anyhow::Result<Attempts> {
    say(&format!("reservations: {attempts} attempts of {} agents", floor.agents));
    let database = Database::fresh(&settings.database_url).await?;
    database.seed(&floor).await?;
    let store = database.store(CLIENTS)?;
    let watch = Watch::new(vec![("postgres", database.postmaster)]);
    let (began, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (store, next) = (store.clone(), Arc::clone(&next));
        let endpoints: Vec<String> = (0..floor.agents).map(|agent| floor.endpoint(agent)).collect();
        clients.spawn(async move {
            let mut granted = 0_i64;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= attempts {
                    return anyhow::Ok(granted);
                }
                // A prime, so that neighbours do not come one after the other.
                let endpoint = &endpoints[(n * 7919 % endpoints.len() as u64) as usize];
                granted += i64::from(admit(&store, endpoint, n).await?);
            }
        });
    }
    let mut told = 0;
    while let Some(client) = clients.join_next().await {
        told += client??;
    }
    let seconds = began.elapsed().as_secs_f64();
    let used = watch.end();
    // The rows tell the truth; the counters must say the same.
    let over = database
        .ask(
            "SELECT (coalesce((SELECT sum(greatest(c.n - m.daily_limit, 0)) FROM
                        (SELECT number_id, day, count(*) AS n FROM calls WHERE quota = 'reserved' GROUP BY 1, 2) c
                        JOIN numbers m ON m.id = c.number_id), 0)
                + coalesce((SELECT sum(greatest(c.n - a.daily_limit, 0)) FROM
                        (SELECT assignment_id, day, count(*) AS n FROM calls WHERE quota = 'reserved' GROUP BY 1, 2) c
                        JOIN assignments a ON a.id = c.assignment_id), 0))::bigint",
        )
        .await?;
    let granted = database.ask("SELECT count(*) FROM calls WHERE quota = 'reserved'").await?;
    let rows = database.ask("SELECT count(*) FROM calls").await?;
    let counted = database.ask("SELECT coalesce(sum(used), 0)::bigint FROM number_days").await?;
    let miscounted = store.miscounted_days().await?.len();
    store.close().await;
    anyhow::ensure!(
        told == granted && counted == granted && miscounted == 0,
        "told {told}, rows {granted}, counted {counted}, wrong counters {miscounted}"
    );
    anyhow::ensure!(rows == attempts as i64, "{rows} calls are written of {attempts} attempts");
    Ok(Attempts { made: attempts, granted, allowed, over, seconds, used })
}

/// Whether the call may be made.
async fn admit(store: &Store, endpoint: &str, n: u64) -> anyhow::Result<bool> {
    let raw = format!("1202555{:04}", n % 10_000);
    let request = AdmitRequest {
        call: CallId(Uuid::now_v7()),
        endpoint: endpoint.parse()?,
        dialled_raw: raw.clone(),
        origin: Origin::Phone,
        agent_channel: Some(format!("bench-1795256619.{n}").parse()?),
        requested_at: Timestamp::now(),
        node: "bench".parse()?,
    };
    let admitted = store
        .admit(&request, |snapshot| cordboard::daemon::decide(&raw, &Default::default(), snapshot, Timestamp::now()))
        .await?;
    match admitted {
        Admitted::Admitted(_) => Ok(true),
        Admitted::Refused { .. } => Ok(false),
        Admitted::Emergency => anyhow::bail!("{raw} is no emergency number"),
    }
}

/// What one writes at first: look which number is free, then count.
async fn naive(settings: &Settings) -> anyhow::Result<Attempts> {
    let attempts = settings.sizes.naive_attempts;
    say(&format!("reservations: {attempts} attempts of the naive control"));
    let database = Database::fresh(&settings.database_url).await?;
    let cap = (attempts * 8 / 10) as i32 / SHARED as i32;
    database.run("CREATE TABLE naive (number int PRIMARY KEY, used int NOT NULL DEFAULT 0, cap int NOT NULL)").await?;
    sqlx::query("INSERT INTO naive SELECT n, 0, $1 FROM generate_series(0, $2 - 1) n")
        .bind(cap)
        .bind(SHARED as i32)
        .execute(&database.pool)
        .await?;
    let pool = database.bare(CLIENTS).await?;
    let watch = Watch::new(vec![("postgres", database.postmaster)]);
    let (began, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (pool, next) = (pool.clone(), Arc::clone(&next));
        clients.spawn(async move {
            let mut granted = 0_i64;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= attempts {
                    return anyhow::Ok(granted);
                }
                let agent = (n * 7919 % 64) as i32;
                let numbers: Vec<i32> = (0..5).map(|k| (agent + k) % SHARED as i32).collect();
                let mut transaction = pool.begin().await?;
                let free: Option<i32> = sqlx::query_scalar(
                    "SELECT number FROM naive WHERE number = ANY($1) AND used < cap ORDER BY used, number LIMIT 1",
                )
                .bind(numbers)
                .fetch_optional(&mut *transaction)
                .await?;
                if let Some(number) = free {
                    sqlx::query("UPDATE naive SET used = used + 1 WHERE number = $1")
                        .bind(number)
                        .execute(&mut *transaction)
                        .await?;
                    granted += 1;
                }
                transaction.commit().await?;
            }
        });
    }
    let mut granted = 0;
    while let Some(client) = clients.join_next().await {
        granted += client??;
    }
    let seconds = began.elapsed().as_secs_f64();
    let used = watch.end();
    let over = database.ask("SELECT sum(greatest(used - cap, 0))::bigint FROM naive").await?;
    Ok(Attempts { made: attempts, granted, allowed: i64::from(cap) * i64::from(SHARED), over, seconds, used })
}

/// One kind of window.
#[derive(Clone, Copy)]
struct Kind {
    full: bool,
    clients: u32,
    hot: bool,
}

#[derive(Default)]
struct Windows {
    per_second: Vec<f64>,
    ns: Vec<u64>,
    postgres: f64,
    used: Vec<Used>,
}

async fn rates(settings: &Settings) -> anyhow::Result<Value> {
    let database = Database::fresh(&settings.database_url).await?;
    let spread = Floor {
        prefix: "bench",
        agents: 500,
        numbers: 1500,
        numbers_per_agent: 3,
        stride: 3,
        number_limit: None,
        assignment_limit: 1000,
        first_number: 0,
        password: &settings.account_password,
    };
    // Ten numbers, because one agent makes at most 1000 calls a day from each.
    let hot = Floor { prefix: "hot", agents: 1, numbers: 10, numbers_per_agent: 10, first_number: 2000, ..spread };
    database.seed(&spread).await?;
    database.seed(&hot).await?;
    database
        .run(
            "CREATE TABLE bare (id int PRIMARY KEY, used int NOT NULL DEFAULT 0) WITH (fillfactor = 70);
            INSERT INTO bare SELECT generate_series(0, 499); ANALYZE bare",
        )
        .await?;
    let mut kinds = Vec::new();
    for hot in [false, true] {
        for clients in [8, 32] {
            kinds.extend([true, false].map(|full| (Kind { full, clients, hot }, Windows::default())));
        }
    }
    for round in 0..settings.sizes.rate_rounds {
        say(&format!("reservations: rates, round {} of {}", round + 1, settings.sizes.rate_rounds));
        for (kind, windows) in &mut kinds {
            database.run("TRUNCATE agent_days, number_days, assignment_days").await?;
            let floor = if kind.hot { hot } else { spread };
            let (ns, seconds, used) = window(&database, *kind, &floor, settings.sizes.rate_window).await?;
            windows.per_second.push(ns.len() as f64 / seconds);
            windows.postgres += used.seconds.get("postgres").copied().unwrap_or_default();
            windows.ns.extend(ns);
            windows.used.push(used);
        }
    }
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for pair in kinds.chunks_mut(2) {
        let [(kind, full), (_, bare)] = pair else { continue };
        let (per_second, bare_per_second) = (median(full.per_second.clone()), median(bare.per_second.clone()));
        let (quick, plain) = (quantiles(&mut full.ns), quantiles(&mut bare.ns));
        let cpu = |windows: &Windows| windows.postgres * 1e3 / windows.ns.len().max(1) as f64;
        let who = if kind.hot { "one hot agent" } else { "500 agents" };
        rows.push(vec![
            format!("{who}, {} clients", kind.clients),
            format!("{per_second:.0}"),
            report::cell(quick),
            format!("{:.2}", cpu(full)),
            full.ns.len().to_string(),
            format!("{bare_per_second:.0}"),
            report::cell(plain),
            format!("{:.2}", cpu(bare)),
            format!("{:.2}", per_second / bare_per_second),
            together(&full.used).noise(),
        ]);
        all.push(json!({ "who": who, "clients": kind.clients,
            "admit": { "per_second": full.per_second, "ms_p50_p95_p99": quick, "n": full.ns.len(), "postgres_ms": cpu(full) },
            "bare_update": { "per_second": bare.per_second, "ms_p50_p95_p99": plain, "n": bare.ns.len(), "postgres_ms": cpu(bare) },
            "usage": together(&full.used).json() }));
    }
    report::table(
        &[
            "who",
            "`admit`/s",
            "ms p50 / p95 / p99",
            "PG ms each",
            "n",
            "bare `UPDATE`/s",
            "ms p50 / p95 / p99",
            "PG ms each",
            "ratio",
            "others / steal %",
        ],
        &rows,
    );
    println!(
        "Medians of {} interleaved windows of {:?} each. `admit` locks the agent, weighs the numbers, counts three times and \
         writes the call with its facts and its decision; the bare `UPDATE` counts once.",
        settings.sizes.rate_rounds, settings.sizes.rate_window
    );
    Ok(json!(all))
}

async fn window(
    database: &Database,
    kind: Kind,
    floor: &Floor<'_>,
    length: Duration,
) -> anyhow::Result<(Vec<u64>, f64, Used)> {
    let store = database.store(kind.clients)?;
    let pool = database.bare(kind.clients).await?;
    // Connections stand, and the statements are prepared.
    let mut warm = JoinSet::new();
    for client in 0..kind.clients {
        let (store, endpoint) = (store.clone(), floor.endpoint(client));
        warm.spawn(async move { admit(&store, &endpoint, 0).await });
    }
    while let Some(done) = warm.join_next().await {
        done??;
    }
    let watch = Watch::new(vec![("postgres", database.postmaster)]);
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..kind.clients {
        let (store, pool) = (store.clone(), pool.clone());
        let endpoints: Vec<String> = (0..floor.agents).map(|agent| floor.endpoint(agent)).collect();
        let rows = if kind.hot { 1 } else { 500 };
        clients.spawn(async move {
            let mut ns = Vec::new();
            let mut n = u64::from(client);
            while began.elapsed() < length {
                let one = Instant::now();
                if kind.full {
                    let endpoint = &endpoints[(n * 7919 % endpoints.len() as u64) as usize];
                    anyhow::ensure!(
                        admit(&store, endpoint, n).await?,
                        "a limit was reached in a window of rates; make it shorter"
                    );
                } else {
                    let _: i32 = sqlx::query_scalar("UPDATE bare SET used = used + 1 WHERE id = $1 RETURNING used")
                        .bind((n * 7919 % rows) as i32)
                        .fetch_one(&pool)
                        .await?;
                }
                ns.push(one.elapsed().as_nanos() as u64);
                n += u64::from(kind.clients);
            }
            anyhow::Ok(ns)
        });
    }
    let mut all = Vec::new();
    while let Some(client) = clients.join_next().await {
        all.extend(client?.context("a client")?);
    }
    let seconds = began.elapsed().as_secs_f64();
    let used = watch.end();
    store.close().await;
    pool.close().await;
    Ok((all, seconds, used))
}
