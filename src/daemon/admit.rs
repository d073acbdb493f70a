//! The decision: what was dialled, by whom, from which number. The rules are pure; the counters are the store's.

use super::breaker::Breaker;
use super::{Lane, clock};
use crate::config::Config;
use crate::core::call::Call;
use crate::core::ids::{EndpointName, NodeName};
use crate::core::input::{Admission, Dialled, Input, Verdict};
use crate::core::number::NumberClass;
use crate::core::outcome::RefusalReason;
use crate::numbering::{self, ExtraPrefix};
use crate::policy::{self, Decision, Request, Snapshot, emergency};
use crate::store::Store;
use crate::store::admit::{AdmitRequest, Admitted, Decided, Outcome};
use crate::telemetry::Metrics;
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The rules that the configuration sets for everybody.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Prefixes that are newer than the numbering data.
    pub extra_prefixes: Vec<ExtraPrefix>,
    /// Dear classes allowed by name for everybody.
    pub allow_classes: Vec<NumberClass>,
}

impl Rules {
    /// The rules in a configuration.
    pub fn of(config: &Config) -> Self {
        let extra = config.calls.extra_prefixes.iter();
        let extra = extra.filter_map(|extra| ExtraPrefix::new(&extra.prefix, extra.region, extra.class).ok());
        Self { extra_prefixes: extra.collect(), allow_classes: config.calls.allow_classes.clone() }
    }
}

/// Decides a call from the facts that the store read under its lock. Pure.
pub fn decide(raw: &str, rules: &Rules, snapshot: &Snapshot, at: Timestamp) -> Decided {
    let country = &snapshot.agent.country;
    if emergency::is_emergency(raw, country) {
        let decision = Decision::empty(&snapshot.agent);
        return Decided { at, destination: None, outcome: Outcome::Emergency, decision };
    }
    let destination = match numbering::parse_dialled(raw, country, &rules.extra_prefixes) {
        Ok(destination) => destination,
        Err(error) => {
            let decision = Decision { refusal: Some(RefusalReason::InvalidNumber), ..Decision::empty(&snapshot.agent) };
            let outcome = Outcome::Refused { reason: RefusalReason::InvalidNumber, sentence: error.to_string() };
            return Decided { at, destination: None, outcome, decision };
        }
    };
    let request = Request { destination: destination.e164, region: destination.region, class: destination.class };
    let mut snapshot = snapshot.clone();
    for candidate in &mut snapshot.candidates {
        candidate.classes.extend(rules.allow_classes.iter().copied());
    }
    let decision = policy::choose(&snapshot, &request);
    let outcome = match (decision.refusal, decision.sentence()) {
        (Some(reason), Some(sentence)) => Outcome::Refused { reason, sentence },
        (_, _) => Outcome::Choose,
    };
    Decided { at, destination: Some(request), outcome, decision }
}

/// Carries out [`Command::Admit`](crate::core::command::Command::Admit).
///
/// An agent waits for the answer with the phone at the ear, so it has a deadline: for a connection, for locks and for the
/// statements together. A call that is refused for it is entered and recorded like any other that the database did not
/// decide. Should the database have admitted it all the same, after we had stopped listening, then its row holds a quota
/// that the record of the refusal gives back ([`Store::append`]); and if the reservation comes only after that record, it
/// fails, because the row stands already. Nothing was dialled in either case, and nothing is asked a second time.
pub(super) struct Admitter {
    store: Store,
    breaker: Breaker,
    deadline: Duration,
    node: NodeName,
    rules: Arc<Rules>,
    lane: Lane,
    metrics: Arc<Metrics>,
}

impl Admitter {
    pub fn new(
        store: Store,
        breaker: Breaker,
        config: &Config,
        node: NodeName,
        lane: Lane,
        metrics: Arc<Metrics>,
    ) -> Self {
        let rules = Arc::new(Rules::of(config));
        Self { store, breaker, deadline: config.postgres.admission_timeout, node, rules, lane, metrics }
    }

    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = Arc::new(rules);
    }

    /// Always ends in one [`Input::Decided`].
    pub fn admit(&self, call: &Call, endpoint: EndpointName, dialled: Dialled) {
        let record = call.record();
        let campaign = dialled.campaign;
        let request = AdmitRequest {
            call: call.id,
            endpoint,
            dialled_raw: dialled.raw,
            origin: record.origin.unwrap_or(crate::core::fact::Origin::Phone),
            agent_channel: record.agent_channel.clone(),
            requested_at: record.requested_at.unwrap_or_else(clock::now),
            node: self.node.clone(),
        };
        if self.breaker.is_open() {
            tracing::warn!(call = %request.call, "the database is away; the call is refused");
            let (call, at) = (request.call, request.requested_at);
            return self.lane.tell(Input::Decided { call, verdict: Verdict::Unavailable, at });
        }
        let (store, rules) = (self.store.clone(), Arc::clone(&self.rules));
        let (breaker, deadline) = (self.breaker.clone(), self.deadline);
        let (lane, metrics) = (self.lane.clone(), Arc::clone(&self.metrics));
        tokio::spawn(async move {
            let began = Instant::now();
            let decided_at = Mutex::new(request.requested_at);
            let by_the_rules = |snapshot: &Snapshot| {
                let at = clock::now();
                *decided_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
                decide(&request.dialled_raw, &rules, snapshot, at)
            };
            let chosen = |admission: &Admission| {
                let (call, admission) = (request.call, Box::new(admission.clone()));
                lane.tell(Input::Chosen { call, admission });
            };
            let answer = match campaign {
                None => store.within(deadline, store.admit_telling(&request, by_the_rules, chosen)).await,
                Some(campaign) => store.within(deadline, store.admit_for(campaign, &request, by_the_rules)).await,
            };
            crash_point!(K03);
            let at = decided_at.into_inner().unwrap_or_else(PoisonError::into_inner);
            metrics.admission(began.elapsed());
            tracing::debug!(call = %request.call, took_us = began.elapsed().as_micros(), "decided");
            let call = request.call;
            let verdict = match answer {
                Ok(Admitted::Admitted(admission)) => Verdict::Admitted(Box::new(admission)),
                Ok(Admitted::Refused { reason, .. }) => Verdict::Refused(reason),
                Ok(Admitted::Emergency) => Verdict::Emergency,
                Err(error) => {
                    if error.is_away() {
                        breaker.trip();
                    }
                    tracing::error!(%call, %error, "the database could not decide; the call is refused");
                    Verdict::Unavailable
                }
            };
            match &verdict {
                Verdict::Refused(reason) => {
                    metrics.refused(reason.as_str());
                    tracing::info!(%call, %reason, "refused");
                }
                Verdict::Admitted(admission) => {
                    tracing::info!(%call, to = ?admission.destination, from = ?admission.present, "admitted");
                }
                Verdict::Emergency | Verdict::Unavailable => {}
            }
            lane.tell(Input::Decided { call, verdict, at });
        });
    }
}
