//! People who call all the time: agents' phones and click-to-call, customers who answer, refuse, ring and hang up.

use crate::floor::{AGENTS, Floor, TOKEN, endpoint};
use cordboard::core::ids::CallId;
use model_asterisk::{Dice, FarEnd, MILLI, Server};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// What was asked for, as those who asked know it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Calls.
    pub placed: u64,
    /// Ids of calls which the API said to have started.
    pub promised: Vec<CallId>,
}

pub struct Traffic {
    asked: Arc<Mutex<Asked>>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// Each call goes to a number of its own, so that an INVITE tells its call.
fn fresh_number() -> String {
    static NUMBERS: AtomicU64 = AtomicU64::new(2_000_000);
    format!("+1415{:07}", NUMBERS.fetch_add(1, Ordering::Relaxed))
}

impl Traffic {
    /// So many calls a second.
    pub fn start(floor: &Floor, per_second: u32, mut dice: Dice) -> Self {
        let (asked, stop): (Arc<Mutex<Asked>>, Arc<AtomicBool>) = (Arc::default(), Arc::default());
        let (ours, over) = (Arc::clone(&asked), Arc::clone(&stop));
        let (model, http) = (Arc::clone(&floor.model), floor.http);
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
            while !over.load(Ordering::Relaxed) {
                tick.tick().await;
                let call = Plan::new(&mut dice);
                model.with(|model| model.set_far_end(&call.number, call.customer));
                lock(&ours).placed += 1;
                let (model, asked) = (Arc::clone(&model), Arc::clone(&ours));
                tokio::spawn(async move { call.make(&model, http, &asked).await });
            }
        });
        Self { asked, stop, task }
    }

    pub fn placed(&self) -> u64 {
        lock(&self.asked).placed
    }

    /// No more calls; those under way go on.
    pub async fn stop(self) -> Asked {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.task.await;
        // Requests to the API have been answered, or never will be.
        tokio::time::sleep(Duration::from_millis(500)).await;
        lock(&self.asked).clone()
    }
}

fn lock(asked: &Mutex<Asked>) -> std::sync::MutexGuard<'_, Asked> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One call as the people in it plan it.
struct Plan {
    agent: usize,
    number: String,
    customer: FarEnd,
    by_api: bool,
    /// The agent hangs up so long after the beginning.
    leaves: Option<Duration>,
}

impl Plan {
    fn new(dice: &mut Dice) -> Self {
        let early_media = dice.permille(100);
        let ring = dice.between(0, 150 * MILLI);
        let talk = dice.between(0, 400 * MILLI);
        let answer = |hang_up_after| FarEnd::Answer { ring, early_media, hang_up_after };
        let millis = |dice: &mut Dice, most: i64| {
            let millis = dice.between(0, most);
            Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
        };
        let (customer, leaves) = match dice.between(0, 20) {
            0..=9 => (answer(Some(talk)), None),
            10 | 11 => (answer(None), millis(dice, 600)),
            // In the middle of everything.
            12 | 13 => (answer(Some(talk)), millis(dice, 60)),
            14..=16 => (FarEnd::Reject { status: 486, ring }, None),
            17 => (FarEnd::Reject { status: 404, ring: 0 }, None),
            _ => (FarEnd::RingForever, millis(dice, 400)),
        };
        let by_api = dice.permille(350);
        // Over the API a customer must hang up, or the agent must: nobody else ends it.
        let leaves = if by_api && leaves.is_none() { Some(Duration::from_millis(1500)) } else { leaves };
        // And if the daemon dies before it has promised the call, nobody waits for it but the customer.
        let ends_it = by_api && matches!(customer, FarEnd::Answer { hang_up_after: None, .. });
        let customer = if ends_it { answer(Some(5000 * MILLI)) } else { customer };
        Self { agent: dice.one_of(AGENTS), number: fresh_number(), customer, by_api, leaves }
    }

    async fn make(self, model: &Server, http: SocketAddr, asked: &Mutex<Asked>) {
        let channel = if self.by_api {
            let Some(call) = start(http, &endpoint(self.agent), &self.number).await else { return };
            lock(asked).promised.push(call);
            call.agent_channel(1).as_str().to_owned()
        } else {
            model.with(|model| model.phone_dials(&endpoint(self.agent), &self.number))
        };
        let Some(after) = self.leaves else { return };
        tokio::time::sleep(after).await;
        if !self.by_api {
            return model.with(|model| model.phone_hangs_up(&channel));
        }
        // A phone that rings is picked up first.
        for _ in 0..500 {
            let gone = model.with(|model| {
                model.far_end_hangs_up(&channel);
                model.channel(&channel).is_none_or(|channel| channel.ending.is_some())
            });
            if gone {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Asks the daemon for a call; none if it does not promise one.
async fn start(http: SocketAddr, agent: &str, number: &str) -> Option<CallId> {
    let body = serde_json::json!({ "agent": agent, "to": number }).to_string();
    let request = format!(
        "POST /api/v1/calls HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(http).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let body: Value = serde_json::from_str(body).ok().filter(|_| head.starts_with("HTTP/1.1 201"))?;
    body["id"].as_str()?.parse().ok()
}

/// What the daemon shows to operators.
pub async fn get(http: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(http).await.expect("the daemon");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}
