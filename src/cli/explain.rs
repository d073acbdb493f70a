//! `cordboard explain`: why a call was made from its number, or refused.

use super::calls::find;
use super::context::Context;
use super::failure::Outcome;
use super::verdict::{Verdict, destination};
use super::{local, output};
use crate::core::ids::CallId;
use crate::policy::{Considered, Decision, Reason};
use crate::store::Store;
use crate::store::agents::AgentRow;
use crate::store::calls::CallRow;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Why a call was made from its number, or refused
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard explain 01a1fe2a-a0fd-7083-b497-fb8672e548e1
  cordboard explain $(cordboard calls list --limit 1 --json | jq -r '.[0].id')")]
pub struct Explain {
    /// The call's id
    call: CallId,
}

impl Explain {
    pub async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let call = find(&store, self.call).await?;
        let decision = store.decision(call.id).await?;
        if context.json {
            return output::print_json(&json!({
                "id": call.id,
                "allowed": call.refusal.is_none(),
                "emergency": call.emergency,
                "agent": call.agent,
                "endpoint": call.endpoint,
                "dialled": call.dialled,
                "destination": call.destination,
                "region": call.region,
                "class": call.class,
                "presented": call.presented,
                "campaign_id": call.campaign_id,
                "campaign": call.campaign,
                "refusal": call.refusal,
                "refusal_sentence": call.refusal_sentence,
                "decision": decision.as_ref().map(explained),
            }));
        }
        let agent = agent_of(&store, &call).await?;
        output::print(&words(&store, &call, agent, decision).await?)
    }
}

/// A decision as the API shows it.
pub fn explained(decision: &Decision) -> Value {
    let numbers = |numbers: &[Considered]| numbers.iter().map(considered).collect::<Vec<_>>();
    json!({
        "refusal": decision.refusal,
        "agent_used_today": decision.agent_used_today,
        "agent_daily_limit": decision.agent_daily_limit,
        "ranked": numbers(&decision.ranked),
        "discarded": numbers(&decision.discarded),
    })
}

fn considered(number: &Considered) -> Value {
    let reason = |reason: &Reason| {
        let mut value = json!(reason);
        value["text"] = reason.to_string().into();
        value
    };
    json!({
        "assignment_id": number.assignment,
        "number_id": number.number,
        "number": number.e164,
        "used_today": number.used_today,
        "daily_limit": number.daily_limit,
        "last_used_at": number.last_used_at,
        "reasons": number.reasons.iter().map(reason).collect::<Vec<_>>(),
    })
}

async fn agent_of(store: &Store, call: &CallRow) -> Outcome<Option<AgentRow>> {
    match &call.endpoint {
        Some(endpoint) if call.agent_id.is_some() => Ok(Some(store.agent(endpoint, None).await?)),
        Some(_) | None => Ok(None),
    }
}

async fn words(store: &Store, call: &CallRow, agent: Option<AgentRow>, decision: Option<Decision>) -> Outcome<String> {
    let at = call.decided_at.or(call.requested_at).unwrap_or_else(Timestamp::now);
    let weighed = decision.is_some();
    let decision = decision.unwrap_or_else(|| Decision {
        refusal: call.refusal,
        agent_used_today: 0,
        agent_daily_limit: None,
        ranked: Vec::new(),
        discarded: Vec::new(),
    });
    let verdict = Verdict::new(store, &decision, at, agent, call.endpoint.clone()).await?;
    let who = match (&call.agent, &call.endpoint, &call.organization) {
        (Some(name), Some(endpoint), Some(slug)) => format!("{endpoint} ({name}) of {slug}"),
        (_, Some(endpoint), _) => format!("{endpoint}, which is no agent's"),
        (_, None, _) => "unknown".to_owned(),
    };
    let clock = &verdict.clock;
    let dialled = call.dialled.clone().unwrap_or_else(|| "a number that was erased".to_owned());
    let mut text = format!("call         {}\n", call.id);
    let _ = writeln!(text, "asked        {who} dialled {dialled}, {} ({})", clock.second(at), clock.name());
    if let Some(to) = call.destination {
        let _ = writeln!(text, "to           {}", destination(Some(to), call.region, call.class));
    }
    if let Some(campaign) = &call.campaign {
        let _ = writeln!(text, "campaign     {campaign}");
    }
    match call.refusal {
        None if call.emergency => {
            let trunk = call.trunk.as_deref().unwrap_or("the emergency trunk");
            let _ = writeln!(
                text,
                "decision     an emergency call: put through by {trunk}, no rule applies and nothing is counted"
            );
        }
        None if weighed => {
            let trunk = call.trunk.as_deref().unwrap_or("its trunk");
            let _ = writeln!(text, "decision     allowed, by {trunk}");
        }
        None => text.push_str("decision     none yet\n"),
        Some(refusal) => {
            let sentence = call.refusal_sentence.clone().unwrap_or_else(|| refusal.sentence().to_owned());
            let _ = writeln!(text, "decision     refused ({refusal}): {sentence}");
            if let Some(way_out) = verdict.way_out(refusal) {
                let _ = writeln!(text, "             → {way_out}");
            }
        }
    }
    text.push_str(&verdict.numbers(call.number_id));
    if let Some(disposition) = call.disposition.filter(|_| call.refusal.is_none()) {
        let talk = call.talk_ms.map(|ms| format!(", talked {}", local::duration(Some(ms)))).unwrap_or_default();
        let _ = writeln!(text, "came to      {disposition}{talk}");
    }
    Ok(text)
}
