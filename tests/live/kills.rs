//! Torture on the real Asterisk: daemons that die at every crash point, and replies that are lost. The carrier is the witness.
//! Sized as `tests/torture` is, with fewer calls, because a real call takes its time.

use crate::check::was_overtaken;
use crate::figures;
use crate::floor::{Floor, Phone, SOON, live, live_with};
use crate::servers::{ARI_PASSWORD, servers};
use crate::size;
use cordboard::core::outcome::Disposition;
use cordboard::core::record::Quota;
use cordboard::store::calls::CallRow;
use fault_proxy::{Faults, On, Proxy, Rule, Speaks, What};
use model_asterisk::Dice;
use sha2::{Digest as _, Sha256};
use sip_peer::Behaviour;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

const TOKEN: &str = "the-token-of-a-torturer";
const NUMBERS: [&str; 2] = ["+12025550150", "+12025550151"];
/// Those of calls that agents dial, and those of calls by the API, where the agent's phone is called too.
const BY_PHONE: [&str; 18] = [
    "K01", "K02", "K03", "K06", "K10", "K11", "K12", "K13", "K14", "K15", "K16", "K17", "K18", "K20", "K21", "K22",
    "K23", "K24",
];
const BY_API: [&str; 8] = ["K01", "K04", "K05", "K07", "K08", "K09", "K12", "K16"];

/// Kills, and calls with lost replies: the aim is 300 of 10,000 on the model.
pub fn count() -> usize {
    (size::size() * 3 / 100).max(8)
}

#[test]
fn wherever_the_daemon_is_killed_the_carrier_and_the_records_agree() {
    // An agent's phone that was to be called when the daemon died is waited for so long, and ten seconds.
    let calls = "agent_ring_timeout_s = 5\nring_timeout_s = 15";
    let scenario = async |floor: &mut Floor| {
        floor.excused.killed = true;
        floor.excused.overtaken_invites = true;
        add_token(floor).await;
        // The agent's phone answers, and hangs up by itself when the API called it.
        let hang_up_after = Some(Duration::from_millis(1200));
        let picks_up = Behaviour::Answer { ring: Duration::from_millis(100), early_media: false, hang_up_after };
        let ann = floor.phone_that("ann", &NUMBERS, picks_up).await;
        for_a_long_day(floor).await;
        let mut dice = size::dice("kills on the real one");
        let (mut met, mut missed) = (BTreeMap::<String, u32>::new(), 0);
        floor.daemon.kill();
        for kill in 0..count() {
            let by_api = dice.permille(300);
            let points = if by_api { &BY_API[..] } else { &BY_PHONE[..] };
            // Every point in turn, and those of a few kills far apart.
            let point = points[(kill * 5 + usize::try_from(size::seed()).unwrap_or(0)) % points.len()];
            if one_kill(floor, &ann, point, by_api, kill, &mut dice).await {
                *met.entry(point.to_owned()).or_default() += 1;
            } else {
                missed += 1;
            }
        }
        floor.daemon_dying_at(None).await;
        let deadline = Instant::now() + Duration::from_mins(1);
        while floor.count("SELECT count(*) FROM calls WHERE settled_at IS NULL").await > 0 {
            assert!(Instant::now() < deadline, "calls are open: {:#?}\n{}", floor.calls().await, floor.daemon.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let verdict = judge(floor, &floor.calls().await);
        println!("killed at {met:?}, {missed} in between");
        figures::row(
            "kills of the daemon, real Asterisk and SIP peers",
            format!("{} (at {} crash points), {} INVITEs", count(), met.len(), floor.carrier.log().invites().len()),
            verdict.to_string(),
        );
    };
    live_with(move |settings| settings.calls = calls, scenario);
}

/// One daemon, one call, one death. True if it died where it was to.
async fn one_kill(floor: &mut Floor, ann: &Phone, point: &str, by_api: bool, kill: usize, dice: &mut Dice) -> bool {
    let number = format!("+1415{:07}", 2_000_000 + kill);
    let millis = |dice: &mut Dice, most: i64| Duration::from_millis(u64::try_from(dice.between(0, most)).unwrap_or(0));
    let ring = millis(dice, 200);
    let talks = Some(millis(dice, 600));
    let behaviour = match dice.between(0, 10) {
        0..=5 => Behaviour::Answer { ring, early_media: false, hang_up_after: talks },
        6 | 7 => Behaviour::Reject { status: 486, ring },
        _ => Behaviour::RingForever,
    };
    floor.customer_does(&number, behaviour);
    floor.daemon_dying_at(Some(format!("{point}:1"))).await;
    let call = if by_api {
        let (http, endpoint, number) = (floor.servers.http, ann.endpoint.clone(), number.clone());
        tokio::spawn(async move { start(http, &endpoint, &number).await });
        None
    } else {
        Some(ann.call(&number).await)
    };
    // Half of the agents give up in the middle of everything.
    let patience = if dice.permille(500) { millis(dice, 600) } else { Duration::from_millis(1500) };
    let died = floor.daemon.dies(patience).await;
    if let Some(call) = &call {
        // Before the answer it is a CANCEL.
        call.hang_up();
        call.cancel();
    }
    let died = died || floor.daemon.dies(Duration::from_secs(1)).await;
    floor.daemon.kill();
    if let Some(call) = call {
        // Asterisk ends it, or has ended it, without any daemon.
        call.ended(SOON).await.expect("an end");
    }
    died
}

#[test]
fn on_the_real_one_too_a_lost_reply_is_never_a_second_invite() {
    let target = servers().ari;
    let proxy = Proxy::new(target, Speaks::Ari, size::seed());
    let rules = vec![
        Rule::new(On::Request("POST", "/dial"), What::DropReply).permille(500),
        Rule::new(On::Request("POST", "/create"), What::DropReply).permille(300),
    ];
    let ari = proxy.addr;
    live_with(
        move |settings| settings.ari = ari,
        async |floor| {
            floor.excused.killed = true;
            floor.excused.overtaken_invites = true;
            let ann = floor.phone("ann", &NUMBERS).await;
            for_a_long_day(floor).await;
            let talks = Some(Duration::from_millis(100));
            floor.carrier_does(Behaviour::Answer {
                ring: Duration::from_millis(50),
                early_media: false,
                hang_up_after: talks,
            });
            proxy.set(Faults { rules: rules.clone(), ..Faults::default() });
            let (wanted, mut placed) = (u64::try_from(count()).expect("a count"), 0_u64);
            while proxy.struck().iter().sum::<u64>() < wanted {
                let numbers: Vec<String> = (placed..placed + 4).map(|n| format!("+1415{:07}", 3_000_000 + n)).collect();
                placed += 4;
                let calls = futures::future::join_all(numbers.iter().map(|number| ann.call(number))).await;
                for call in calls {
                    call.ended(SOON).await.expect("an end");
                }
            }
            let lost: u64 = proxy.struck().iter().sum();
            proxy.set(Faults::default());
            let calls = floor.calls_when("settled", |calls| calls.iter().all(|call| call.settled_at.is_some())).await;
            let verdict = judge(floor, &calls);
            figures::row(
                "replies to create and dial lost, real Asterisk",
                format!("{lost} in {placed} calls, {} INVITEs", floor.carrier.log().invites().len()),
                format!("second INVITEs **{}**", verdict.second_invites.len()),
            );
        },
    );
}

/// The control: `originate`, which dials at once, by a client that takes a lost reply for a failure.
#[test]
fn control_a_client_that_originates_and_repeats_calls_twice() {
    live(async |floor| {
        let proxy = Proxy::new(floor.servers.ari, Speaks::Ari, size::seed());
        let rules = vec![Rule::new(On::Request("POST", "/channels"), What::DropReply).permille(500)];
        proxy.set(Faults { rules, ..Faults::default() });
        floor.carrier_does(Behaviour::reject(486));
        for call in 0..8 {
            let number = format!("1415{:07}", 4_000_000 + call);
            for attempt in 0..2 {
                let path = format!(
                    "/ari/channels?channelId=naive-{call}-{attempt}&endpoint=PJSIP%2F%2B{number}@carrier&app=cordboard&callerId=%2B12025550150&api_key=cordboard:{ARI_PASSWORD}"
                );
                if post(proxy.addr, &path, "", "").await.is_some() {
                    break;
                }
            }
        }
        crate::check::nothing_is_left(floor).await;
        let twice = judge(floor, &[]).second_invites.len();
        assert!(twice > 0, "no reply was lost, or a second INVITE is not seen");
        println!("the naive client called {twice} of 8 people twice");
        floor.carrier.log().clear();
        floor.excused.invites = true;
    });
}

/// What the records and the carrier's log say of each other, when daemons may have died over them.
#[derive(Debug, Default)]
pub struct Verdict {
    lost: Vec<String>,
    duplicated: Vec<String>,
    phantom: Vec<String>,
    second_invites: Vec<String>,
    miscounted: Vec<String>,
    estimated: usize,
    rows: usize,
}

impl Verdict {
    pub fn complaints(&self) -> Vec<String> {
        let all = [&self.lost, &self.duplicated, &self.phantom, &self.second_invites, &self.miscounted];
        all.into_iter().flatten().cloned().collect()
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "records lost **{}**, duplicated **{}**, phantom **{}**; second INVITEs **{}**; wrongly counted **{}**; {} of {} records estimated",
            self.lost.len(),
            self.duplicated.len(),
            self.phantom.len(),
            self.second_invites.len(),
            self.miscounted.len(),
            self.estimated,
            self.rows
        )
    }
}

/// Each call went to a number of its own, so that an INVITE tells its call.
pub fn judge(floor: &Floor, calls: &[CallRow]) -> Verdict {
    let mut verdict = Verdict { rows: calls.len(), ..Verdict::default() };
    let mut invites: BTreeMap<String, usize> = BTreeMap::new();
    for invite in floor.carrier.log().invites() {
        *invites.entry(invite.uri_user().unwrap_or("").to_owned()).or_default() += 1;
    }
    let mut rows: BTreeMap<String, &CallRow> = BTreeMap::new();
    for call in calls {
        let number = call.destination.map_or_else(|| call.id.to_string(), |number| number.to_string());
        if rows.insert(number.clone(), call).is_some() {
            verdict.duplicated.push(format!("{number}: two records"));
        }
        let was_called = invites.contains_key(&number);
        let guess = call.estimated || call.disposition == Some(Disposition::UnknownOutcome);
        verdict.estimated += usize::from(guess);
        if !was_called && call.invite_sent_at.is_some() && !was_overtaken(call) {
            verdict.phantom.push(format!("an INVITE that nobody saw: {call:?}"));
        }
        match call.quota {
            Quota::Refunded if was_called => {
                verdict.miscounted.push(format!("refunded although an INVITE left: {call:?}"));
            }
            Quota::Committed if !was_called && !guess && !was_overtaken(call) => {
                verdict.miscounted.push(format!("used up, and no INVITE left: {call:?}"));
            }
            Quota::Reserved => verdict.miscounted.push(format!("never settled: {call:?}")),
            Quota::None | Quota::Refunded | Quota::Committed => {}
        }
    }
    for (number, times) in invites {
        if times > 1 {
            verdict.second_invites.push(format!("{number}: {times} INVITEs"));
        }
        if !rows.contains_key(&number) {
            verdict.lost.push(format!("{number}: an INVITE without a record"));
        }
    }
    verdict
}

/// More calls than an agent makes in a day.
async fn for_a_long_day(floor: &Floor) {
    floor.sql("UPDATE assignments SET daily_limit = 1000").await;
}

async fn add_token(floor: &Floor) {
    sqlx::query("INSERT INTO api_tokens (organization_id, name, sha256) SELECT id, 'torture', $1 FROM organizations")
        .bind(Sha256::digest(TOKEN).as_slice())
        .execute(&floor.pool)
        .await
        .expect("a token");
}

/// Asks the daemon for a call. It may die over it.
async fn start(http: SocketAddr, agent: &str, number: &str) {
    let body = serde_json::json!({ "agent": agent, "to": number }).to_string();
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\n");
    post(http, "/api/v1/calls", &headers, &body).await;
}

/// The status line; none if no reply came.
async fn post(to: SocketAddr, path: &str, headers: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: {to}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
