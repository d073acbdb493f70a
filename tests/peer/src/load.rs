//! Many calls at a steady rate, timed at both ends by one clock.

use crate::call::{Ending, OutCall};
use crate::clock::now_ns;
use crate::config::{Account, Dial};
use crate::error::PeerError;
use crate::log::Entry;
use crate::peer::Peer;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Makes the number of the n-th call; numbers must differ in their digits, for they match the two ends.
pub type Numbers = Arc<dyn Fn(usize) -> String + Send + Sync>;

/// A load.
#[derive(Clone)]
pub struct LoadConfig {
    /// Callers, taken in turn; all share the phones' socket.
    pub agents: Vec<Account>,
    /// Calls per second.
    pub rate: f64,
    /// Calls in all.
    pub count: usize,
    /// Talking time until the agent hangs up (the carrier may do so earlier).
    pub hold: Duration,
    /// A call not answered in this time is cancelled and counts as failed.
    pub answer_within: Duration,
    /// Number to dial; the carrier must see the same digits.
    pub number: Numbers,
}

impl LoadConfig {
    /// `count` calls of `agents` at `rate` per second, held for a second, to numbers from 15550000000 up.
    pub fn new(agents: Vec<Account>, rate: f64, count: usize) -> Self {
        Self {
            agents,
            rate,
            count,
            hold: Duration::from_secs(1),
            answer_within: Duration::from_secs(15),
            number: Arc::new(|n| format!("1555{n:07}")),
        }
    }
}

/// One call of a load. Times are ns of [`crate::now_ns`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTimes {
    /// Number dialled.
    pub number: String,
    /// When it should have been placed, by the rate.
    pub due_ns: u64,
    /// First INVITE sent.
    pub invited_ns: u64,
    /// INVITE with credentials sent.
    pub authenticated_ns: Option<u64>,
    /// INVITE received by the carrier.
    pub carrier_invited_ns: Option<u64>,
    /// 200 sent by the carrier.
    pub carrier_answered_ns: Option<u64>,
    /// 200 received by the agent.
    pub answered_ns: Option<u64>,
    /// Calls the carrier got for this number; anything but 1 is a fault.
    pub carrier_invites: u32,
    /// How it ended, if it did.
    pub ending: Option<Ending>,
}

impl CallTimes {
    /// Answered, and then ended by a BYE.
    pub fn good(&self) -> bool {
        self.answered_ns.is_some() && matches!(self.ending, Some(Ending::WeHungUp | Ending::TheyHungUp))
    }
}

/// What a load measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Every call placed, in order.
    pub calls: Vec<CallTimes>,
}

impl LoadReport {
    /// Calls placed.
    pub fn placed(&self) -> usize {
        self.calls.len()
    }

    /// Calls answered and properly ended.
    pub fn answered(&self) -> usize {
        self.calls.iter().filter(|c| c.good()).count()
    }

    /// All others.
    pub fn failed(&self) -> usize {
        self.placed() - self.answered()
    }

    /// The failures by their ending, in words.
    pub fn failures(&self) -> BTreeMap<String, usize> {
        let mut table = BTreeMap::new();
        for call in self.calls.iter().filter(|c| !c.good()) {
            *table.entry(call.ending.map_or("no end".to_owned(), |e| format!("{e:?}"))).or_default() += 1;
        }
        table
    }

    /// Post-dial delays from the first INVITE to the carrier's, ns, sorted.
    pub fn post_dial_delays_ns(&self) -> Vec<u64> {
        self.sorted(|c| c.carrier_invited_ns?.checked_sub(c.invited_ns))
    }

    /// Post-dial delays from the INVITE with credentials (the only one where there was no challenge), ns, sorted.
    pub fn post_dial_delays_from_authenticated_ns(&self) -> Vec<u64> {
        self.sorted(|c| c.carrier_invited_ns?.checked_sub(c.authenticated_ns.unwrap_or(c.invited_ns)))
    }

    /// From the carrier's 200 to the agent's, ns, sorted.
    pub fn answer_relays_ns(&self) -> Vec<u64> {
        self.sorted(|c| c.answered_ns?.checked_sub(c.carrier_answered_ns?))
    }

    /// How late the INVITEs left against the rate, ns, sorted: whether the generator kept up.
    pub fn lateness_ns(&self) -> Vec<u64> {
        self.sorted(|c| Some(c.invited_ns.saturating_sub(c.due_ns)))
    }

    /// Calls really placed per second.
    #[expect(clippy::cast_precision_loss, reason = "counts and times far below 2^52")]
    pub fn rate(&self) -> f64 {
        let span = |(a, b): (&CallTimes, &CallTimes)| b.invited_ns.saturating_sub(a.invited_ns);
        let ns = self.calls.first().zip(self.calls.last()).map_or(0, span);
        if ns == 0 { 0.0 } else { (self.placed() - 1) as f64 * 1e9 / ns as f64 }
    }

    fn sorted(&self, of: impl Fn(&CallTimes) -> Option<u64>) -> Vec<u64> {
        let mut all: Vec<u64> = self.calls.iter().filter_map(of).collect();
        all.sort_unstable();
        all
    }
}

/// The value below which the share `q` (0 to 1) of the sorted values lies, by nearest rank; `None` if there are none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "q is clamped"
)]
pub fn quantile(sorted: &[u64], q: f64) -> Option<u64> {
    let rank = (sorted.len() as f64 * q.clamp(0.0, 1.0)).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

impl fmt::Display for LoadReport {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (placed, answered, failed) = (self.placed(), self.answered(), self.failed());
        writeln!(f, "{placed} placed at {:.1}/s, {answered} answered, {failed} failed", self.rate())?;
        for (ending, count) in self.failures() {
            writeln!(f, "  {count} {ending}")?;
        }
        for (name, values) in [
            ("post-dial delay", self.post_dial_delays_ns()),
            ("  from credentials", self.post_dial_delays_from_authenticated_ns()),
            ("answer relay", self.answer_relays_ns()),
            ("INVITE late by", self.lateness_ns()),
        ] {
            let ms = |q| quantile(&values, q).map_or(f64::NAN, |ns| ns as f64 / 1e6);
            let (p50, p95, p99, max) = (ms(0.5), ms(0.95), ms(0.99), ms(1.0));
            writeln!(f, "{name:20} p50 {p50:.2}  p95 {p95:.2}  p99 {p99:.2}  max {max:.2} ms ({})", values.len())?;
        }
        Ok(())
    }
}

/// What the carrier saw of one number.
#[derive(Default)]
struct Seen {
    invites: u32,
    invited_ns: Option<u64>,
    answered_ns: Option<u64>,
}

/// Places the calls from `phones` (through its proxy) and watches them arrive at `carrier`, whose rules
/// should answer them. Returns when the last call is over.
pub async fn run(config: LoadConfig, phones: &Peer, carrier: &Peer) -> Result<LoadReport, PeerError> {
    if config.agents.is_empty() || config.rate <= 0.0 {
        return Err(PeerError::Malformed("a load needs agents and a rate"));
    }
    let (finish, finished) = oneshot::channel();
    let watcher = tokio::spawn(watch(carrier.log().tap(), finished));
    let (begin, begin_ns) = (Instant::now(), now_ns());
    let mut tasks = Vec::with_capacity(config.count);
    for n in 0..config.count {
        #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
        let offset = Duration::from_secs_f64(n as f64 / config.rate);
        tokio::time::sleep_until(begin + offset).await;
        let number = (config.number)(n);
        let account = config.agents[n % config.agents.len()].clone();
        let call = phones.dial(Dial { account: Some(account), ..Dial::to(number.as_str()) })?;
        let due_ns = begin_ns + u64::try_from(offset.as_nanos()).unwrap_or(u64::MAX);
        tasks.push((number, due_ns, tokio::spawn(talk(call, config.answer_within, config.hold))));
    }
    let mut calls = Vec::with_capacity(tasks.len());
    for (number, due_ns, task) in tasks {
        let call = task.await.map_err(|_| PeerError::Closed)?;
        let progress = call.progress();
        calls.push(CallTimes {
            number,
            due_ns,
            invited_ns: progress.invited_ns,
            authenticated_ns: progress.authenticated_ns,
            carrier_invited_ns: None,
            carrier_answered_ns: None,
            answered_ns: progress.answered_ns,
            carrier_invites: 0,
            ending: progress.ended.map(|e| e.how),
        });
    }
    let _ = finish.send(());
    let seen = watcher.await.map_err(|_| PeerError::Closed)?;
    for call in &mut calls {
        if let Some(seen) = seen.get(&digits(&call.number)) {
            call.carrier_invites = seen.invites;
            call.carrier_invited_ns = seen.invited_ns;
            call.carrier_answered_ns = seen.answered_ns;
        }
    }
    Ok(LoadReport { calls })
}

/// One call; its progress says how it went, so errors need no telling.
async fn talk(call: OutCall, answer_within: Duration, hold: Duration) -> OutCall {
    if let Err(PeerError::Timeout(_)) = call.answered(answer_within).await {
        call.cancel();
    } else if call.ended(hold).await.is_err() {
        call.hang_up();
    }
    let _ = call.ended(Duration::from_secs(35)).await;
    call
}

async fn watch(
    mut tap: mpsc::UnboundedReceiver<Arc<Entry>>,
    mut finished: oneshot::Receiver<()>,
) -> HashMap<String, Seen> {
    let mut seen = HashMap::new();
    let mut by_call_id = HashMap::new();
    loop {
        tokio::select! {
            biased;
            entry = tap.recv() => match entry {
                Some(entry) => note(&entry, &mut seen, &mut by_call_id),
                None => return seen,
            },
            _ = &mut finished => return seen,
        }
    }
}

fn note(entry: &Entry, seen: &mut HashMap<String, Seen>, by_call_id: &mut HashMap<String, String>) {
    if entry.repeat {
        return;
    }
    if entry.received() && entry.is("INVITE") && entry.to_tag().is_none() {
        let number = digits(entry.uri_user().unwrap_or_default());
        by_call_id.insert(entry.call_id().to_owned(), number.clone());
        let call: &mut Seen = seen.entry(number).or_default();
        call.invites += 1;
        call.invited_ns.get_or_insert(entry.at_ns);
    } else if !entry.received()
        && entry.status() == Some(200)
        && entry.cseq().is_some_and(|(_, method)| method == "INVITE")
        && let Some(call) = by_call_id.get(entry.call_id()).and_then(|number| seen.get_mut(number))
    {
        call.answered_ns.get_or_insert(entry.at_ns);
    }
}

fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_by_nearest_rank() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|q| quantile(&values, q)), [Some(1), Some(50), Some(99), Some(100)]);
        assert_eq!(quantile(&[], 0.5), None);
    }
}
