//! `cordboard dial`: connect an agent with a number, or see what would come of it.

use super::api::Daemon;
use super::campaigns;
use super::context::{self, Context};
use super::explain::explained;
use super::failure::{Failure, Outcome, REFUSED};
use super::output;
use super::verdict::{Verdict, destination};
use crate::config::Config;
use crate::core::ids::{EndpointName, TrunkName};
use crate::core::outcome::RefusalReason;
use crate::daemon::{self, Rules};
use crate::policy::{Decision, Snapshot};
use crate::store::Store;
use crate::store::admit::{Decided, Outcome as What};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Connect an agent with a number, or see what would come of it
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard dial alice '(202) 555-0123' --dry-run      decides as for a call; nothing is counted
  cordboard dial alice +12025550123                    the agent's phone rings first
  cordboard dial alice +12025550123 --key order-4711   once only, however often it is said
  cordboard dial alice +12025550123 --campaign Spring  from one of the campaign's numbers

A dry run exits with 0 if the call would be made, and with 3 if it would be refused.")]
pub struct Dial {
    /// The agent's SIP account
    endpoint: EndpointName,
    /// What the agent would dial
    #[arg(allow_hyphen_values = true)]
    number: String,
    /// For this campaign, by id or name: only from its numbers
    #[arg(long, value_name = "CAMPAIGN")]
    campaign: Option<String>,
    /// Only decide, by the rules and numbers of this moment
    #[arg(long)]
    dry_run: bool,
    /// Your name for this start: asked again with it within 24 hours, no second call is made
    #[arg(long, value_name = "TEXT", conflicts_with = "dry_run")]
    key: Option<String>,
    #[command(flatten)]
    daemon: Daemon,
}

/// What would come of a call.
struct Trial<'a> {
    endpoint: &'a EndpointName,
    dialled: &'a str,
    decided: Option<Decided>,
    /// The trunk of the first number.
    trunk: Option<TrunkName>,
    config: &'a Config,
}

impl Dial {
    pub async fn run(self, context: &Context) -> Outcome {
        if self.dry_run {
            return self.try_out(context).await;
        }
        let started =
            self.daemon.start(&self.endpoint, &self.number, self.campaign.as_deref(), self.key.as_deref()).await?;
        if context.json {
            return output::print_json(&json!({"id": started.id, "from": started.from, "to": started.to}));
        }
        let to = started.to.unwrap_or(self.number);
        let from = started.from.map(|from| format!(" from {from}")).unwrap_or_default();
        output::print(&format!(
            "call {}: the phone of {} rings; then {to} is called{from}\nsee it: cordboard calls show {}",
            started.id, self.endpoint, started.id
        ))
    }

    async fn try_out(&self, context: &Context) -> Outcome {
        let config = context.config()?;
        let store = context.store_of(&config).await?;
        let rules = Rules::of(&config);
        let mut trunk = None;
        let decide = |snapshot: &Snapshot| {
            let decided = daemon::decide(&self.number, &rules, snapshot, Timestamp::now());
            let best = decided.decision.ranked.first().map(|best| best.assignment);
            let candidate = snapshot.candidates.iter().find(|candidate| Some(candidate.assignment) == best);
            trunk = candidate.and_then(|candidate| candidate.trunk.clone());
            decided
        };
        let decided = match &self.campaign {
            None => store.dry_run(&self.endpoint, decide).await?,
            Some(key) => {
                let agent = context::agent(&store, &self.endpoint).await?;
                let organization = context::organization(&store, &agent.organization).await?;
                let campaign = campaigns::find(&store, &organization, key).await?;
                store.dry_run_for(campaign.id, &self.endpoint, decide).await?
            }
        };
        let trial = Trial { endpoint: &self.endpoint, dialled: &self.number, decided, trunk, config: &config };
        if context.json {
            output::print_json(&trial.json())?;
        } else {
            output::print(&trial.words(&store).await?)?;
        }
        if trial.refusal().is_some() { Err(Failure::silent(REFUSED)) } else { Ok(()) }
    }
}

impl Trial<'_> {
    fn is_emergency(&self) -> bool {
        self.decided.as_ref().is_some_and(|decided| decided.outcome == What::Emergency)
    }

    /// Why it would be refused.
    fn refusal(&self) -> Option<(RefusalReason, String)> {
        let plain = |reason: RefusalReason| Some((reason, reason.sentence().to_owned()));
        match self.decided.as_ref().map(|decided| &decided.outcome) {
            None => plain(RefusalReason::NotAnAgent),
            Some(What::Emergency) if self.config.emergency.is_none() => plain(RefusalReason::EmergencyNotPossible),
            Some(What::Refused { reason, sentence }) => Some((*reason, sentence.clone())),
            Some(What::Emergency | What::Choose) => None,
        }
    }

    fn json(&self) -> Value {
        let refusal = self.refusal();
        let request = self.decided.as_ref().and_then(|decided| decided.destination.as_ref());
        let decision = self.decided.as_ref().map(|decided| &decided.decision).filter(|_| !self.is_emergency());
        let best = decision.and_then(|decision| decision.ranked.first()).filter(|_| refusal.is_none());
        let emergency = self.config.emergency.as_ref().filter(|_| self.is_emergency());
        json!({
            "allowed": refusal.is_none(),
            "emergency": self.is_emergency(),
            "endpoint": self.endpoint,
            "dialled": self.dialled,
            "destination": request.map(|request| request.destination),
            "region": request.map(|request| request.region),
            "class": request.map(|request| request.class),
            "presented": best.map(|best| best.e164).or(emergency.map(|route| route.caller_id)),
            "trunk": best.and(self.trunk.as_ref()).or(emergency.map(|route| &route.trunk)),
            "refusal": refusal.as_ref().map(|(reason, _)| reason),
            "refusal_sentence": refusal.as_ref().map(|(_, sentence)| sentence),
            "decision": decision.map(explained),
        })
    }

    async fn words(&self, store: &Store) -> Outcome<String> {
        let nothing = Decision {
            refusal: None,
            agent_used_today: 0,
            agent_daily_limit: None,
            ranked: Vec::new(),
            discarded: Vec::new(),
        };
        let (decision, at) = match &self.decided {
            Some(decided) => (&decided.decision, decided.at),
            None => (&nothing, Timestamp::now()),
        };
        let agent = match self.decided {
            Some(_) => Some(store.agent(self.endpoint, None).await?),
            None => None,
        };
        let country = match &agent {
            Some(agent) => store.organization(&agent.organization).await?.country.to_string(),
            None => String::new(),
        };
        let verdict = Verdict::new(store, decision, at, agent, Some(self.endpoint.clone())).await?;
        let mut text = format!("dry run      {} dials {}; nothing is counted\n", self.endpoint, self.dialled);
        if let Some(request) = self.decided.as_ref().and_then(|decided| decided.destination.as_ref()) {
            let to = destination(Some(request.destination), Some(request.region), Some(request.class));
            let _ = writeln!(text, "to           {to}");
        }
        if self.is_emergency() {
            let _ = writeln!(text, "to           an emergency number of {country}; no rule applies");
        }
        if let Some((reason, sentence)) = self.refusal() {
            let _ = writeln!(text, "decision     refused ({reason}): {sentence}");
            if let Some(way_out) = verdict.way_out(reason) {
                let _ = writeln!(text, "             → {way_out}");
            }
        } else {
            let route = self.config.emergency.as_ref().filter(|_| self.is_emergency());
            let trunk = route.map(|route| &route.trunk).or(self.trunk.as_ref());
            let _ = writeln!(text, "decision     allowed{}", trunk.map(|t| format!(", by {t}")).unwrap_or_default());
            if let Some(route) = route {
                let _ = writeln!(text, "number       {} (the section [emergency])", route.caller_id);
            }
        }
        text.push_str(&verdict.numbers(None));
        Ok(text)
    }
}
