//! Looks at the model all the time: nobody who picked up is left alone, and no phone rings for nobody.

use cordboard::core::fact::Leg;
use cordboard::core::ids::ChannelId;
use model_asterisk::{Asterisk, Server, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// An answered customer may be without an agent so long.
const ALONE: Duration = Duration::from_secs(1);
/// A customer's phone may ring so long after the agent's end.
const RINGING: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Customers who heard nothing for too long.
    pub silent: BTreeSet<String>,
    /// Customers whose phone rang for nobody.
    pub for_nobody: BTreeSet<String>,
}

pub struct Monitor {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Monitor {
    pub fn start(model: Arc<Server>) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let ours = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let (mut alone, mut ringing) = (BTreeMap::new(), BTreeMap::new());
            loop {
                let (silent, for_nobody) = model.with(|model| look(model));
                {
                    let mut seen = ours.lock().unwrap_or_else(PoisonError::into_inner);
                    note(&mut alone, silent, ALONE, &mut seen.silent);
                    note(&mut ringing, for_nobody, RINGING, &mut seen.for_nobody);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { seen, task }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Customers who are alone, and customers whose phones ring for nobody, at this moment.
fn look(model: &Asterisk) -> (Vec<String>, Vec<String>) {
    let (mut alone, mut ringing) = (Vec::new(), Vec::new());
    for channel in model.channels() {
        let is_customer = channel.id.parse::<ChannelId>().is_ok_and(|id| id.leg() == Some(Leg::Customer));
        let Some(leg) = model.far_legs().get(&channel.id).filter(|_| is_customer) else { continue };
        let agent = leg.originator.as_deref().and_then(|agent| model.channel(agent));
        let together = agent.is_some_and(|agent| agent.bridge.is_some() && agent.bridge == channel.bridge);
        if channel.state == State::Up && !together {
            alone.push(channel.id.clone());
        }
        if leg.ringing_since.is_some() && agent.is_none() {
            ringing.push(channel.id.clone());
        }
    }
    (alone, ringing)
}

/// Keeps since when each is so, and tells those for whom it is too long.
fn note(since: &mut BTreeMap<String, Instant>, now: Vec<String>, limit: Duration, told: &mut BTreeSet<String>) {
    since.retain(|id, _| now.contains(id));
    for id in now {
        let began = *since.entry(id.clone()).or_insert_with(Instant::now);
        if began.elapsed() > limit {
            told.insert(id);
        }
    }
}
