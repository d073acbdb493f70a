//! Looks at Asterisk each time we are connected anew, and at what can change without that every minute: one that is
//! dangerous gets no calls but emergency calls, until it is mended.

use super::clock;
use super::driver::Daemon;
use super::status::{Looked, Status};
use crate::ari::AriClient;
use crate::checks::{self, Finding, Level};
use crate::config::Node;
use crate::core::input::Input;
use crate::core::outcome::RefusalReason;
use crate::store::Store;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A dialplan can be reloaded at any time.
const AGAIN: Duration = Duration::from_mins(1);
/// An Asterisk that is not fit, or did not answer every question.
const SOON: Duration = Duration::from_secs(5);
/// One that did not answer at all while we are connected: no calls are placed until it did.
const AT_ONCE: Duration = Duration::from_millis(500);
const HOUR: Duration = Duration::from_hours(1);

/// What became of looking at Asterisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It may be used for all calls.
    pub fit: bool,
    /// When that Asterisk was started: another one is not known by it.
    pub about: Timestamp,
}

/// The loop's end.
pub(super) struct Inspector {
    poke: Poke,
    verdicts: mpsc::UnboundedReceiver<Verdict>,
    last: Option<Verdict>,
}

/// Wakes the task that looks.
#[derive(Clone, Debug)]
pub(super) struct Poke(Arc<watch::Sender<Option<Timestamp>>>);

impl Poke {
    /// An Asterisk answers that was started then.
    pub fn node_seen(&self, started: Timestamp) {
        self.0.send_if_modified(|there| there.replace(started) != Some(started));
    }
}

impl Inspector {
    pub fn spawn(client: AriClient, node: Node, status: Arc<Status>) -> Self {
        let (there, watched) = watch::channel(None);
        let (tell, verdicts) = mpsc::unbounded_channel();
        tokio::spawn(look_on(client, node, status, watched, tell));
        Self { poke: Poke(Arc::new(there)), verdicts, last: None }
    }

    pub fn poke(&self) -> Poke {
        self.poke.clone()
    }

    /// The connection is lost: whoever answers next is looked at. If it is the same one, the last word stands until then.
    pub fn lost(&self) {
        self.poke.0.send_if_modified(|there| there.take().is_some());
    }

    /// Each time Asterisk was looked at.
    pub async fn looked(&mut self) -> Option<Verdict> {
        let verdict = self.verdicts.recv().await;
        self.last = verdict.or(self.last);
        verdict
    }

    /// Whether the Asterisk that was started then may be used; none if it was not looked at yet.
    pub fn fitness(&self, started: Timestamp) -> Option<bool> {
        self.last.filter(|verdict| verdict.about == started).map(|verdict| verdict.fit)
    }
}

async fn look_on(
    client: AriClient,
    node: Node,
    status: Arc<Status>,
    mut there: watch::Receiver<Option<Timestamp>>,
    tell: mpsc::UnboundedSender<Verdict>,
) {
    let mut told = BTreeSet::new();
    loop {
        if there.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let findings = match look(&client, &node).await {
            Some((about, findings)) => {
                say(&findings, &mut told);
                let fit = !findings.iter().any(|finding| finding.blocks);
                status.set_checks(Looked::Node(node.name.clone()), findings.clone());
                if tell.send(Verdict { fit, about }).is_err() {
                    return;
                }
                findings
            }
            None => Vec::new(),
        };
        loop {
            let clear = is_clear(&findings);
            let pause = tokio::time::sleep(if findings.is_empty() {
                AT_ONCE
            } else if clear {
                AGAIN
            } else {
                SOON
            });
            tokio::select! {
                changed = there.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                () = pause => {}
            }
            // The whole takes a channel and a line in Asterisk's log, so it is not done every minute.
            if !clear || checks::dialplan(&client, &node).await.level == Level::Failed {
                break;
            }
        }
    }
}

/// Looks at the clock and the time zones of the database, now and every hour. They are told, and block nothing: what they
/// spoil, the day on which a call is counted, is the database's own business.
pub async fn watch_clocks(store: Store, status: Arc<Status>) {
    let mut told = BTreeSet::new();
    loop {
        let findings = checks::clock_and_zones(&store, clock::now).await;
        let pause = if findings.is_empty() { AGAIN } else { HOUR };
        if !findings.is_empty() {
            say(&findings, &mut told);
            status.set_checks(Looked::Postgres, findings);
        }
        tokio::time::sleep(pause).await;
    }
}

/// None if Asterisk has gone again, which is no finding about it.
async fn look(client: &AriClient, node: &Node) -> Option<(Timestamp, Vec<Finding>)> {
    let about = client.info().await.ok()?.startup_time;
    let (mut findings, exposure) = tokio::join!(checks::node(client, node, clock::now), checks::exposure(&node.url));
    if findings.iter().any(|finding| finding.check == checks::REACHABLE) {
        return None;
    }
    findings.push(exposure.on(&node.name));
    Some((about, findings))
}

/// Every question was answered, and nothing blocks.
fn is_clear(findings: &[Finding]) -> bool {
    !findings.is_empty() && !findings.iter().any(|finding| finding.blocks || finding.is_unclear())
}

/// Says what is wrong, once, and what is mended.
fn say(findings: &[Finding], told: &mut BTreeSet<String>) {
    let mut wrong = BTreeSet::new();
    for finding in findings.iter().filter(|finding| finding.level != Level::Ok) {
        let text = finding.to_string();
        if !told.contains(&text) {
            match (finding.level, finding.blocks) {
                (_, true) => tracing::error!("no calls but emergency calls: {text}"),
                (Level::Failed, false) => tracing::error!("{text}"),
                (Level::Ok | Level::Warning, false) => tracing::warn!("{text}"),
            }
        }
        wrong.insert(text);
    }
    for mended in told.difference(&wrong) {
        tracing::info!("no longer: {mended}");
    }
    *told = wrong;
}

/// What a dangerous Asterisk, or one that nobody has looked at, means for new calls.
pub(super) fn unless_fit(fit: bool) -> Input {
    Input::Refuse { reason: (!fit).then_some(RefusalReason::NodeUnavailable) }
}

impl Daemon {
    /// Asterisk was looked at, and is found fit for calls or not.
    pub(super) fn on_looked(&mut self, verdict: Verdict) {
        // One that was started since is another one, and will be looked at too.
        if self.node_started_at == Some(verdict.about) {
            self.step(unless_fit(verdict.fit));
            self.dial_early();
            self.announce();
        }
    }

    pub(super) fn announce(&mut self) {
        let fit = self.node_started_at.and_then(|started| self.inspector.fitness(started));
        match fit.filter(|_| self.status.asterisk.load(Ordering::Relaxed)) {
            None | Some(false) => {}
            Some(true) => {
                if !self.announced {
                    self.announced = true;
                    tracing::info!(node = %self.node, open_calls = self.engine.open_calls(), "ready");
                }
            }
        }
    }
}
