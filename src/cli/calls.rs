//! `cordboard calls`: what was called.

use super::api::Daemon;
use super::context::{self, Context};
use super::failure::{Failure, Outcome};
use super::local::{Clock, duration};
use super::output::{self, maybe};
use super::verdict::destination;
use crate::core::fact::Fact;
use crate::core::ids::{CallId, EndpointName};
use crate::core::outcome::Disposition;
use crate::store::calls::{CallFilter, CallRow};
use crate::store::{Store, StoreError};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What was called
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  cordboard calls list --agent alice --disposition no_answer")]
pub enum Calls {
    /// List calls, newest first
    List(List),
    /// Show a call with all that happened to it
    #[command(after_help = "Example:\n  cordboard calls show 01a1fe2a-a0fd-7083-b497-fb8672e548e1")]
    Show {
        /// The call's id
        call: CallId,
    },
    /// End a call; the running daemon does it
    #[command(after_help = "Example:
  cordboard calls hangup 01a1fe2a-a0fd-7083-b497-fb8672e548e1 --token \"$CORDBOARD_TOKEN\"")]
    Hangup {
        /// The call's id
        call: CallId,
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// List calls, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard calls list --organization acme --limit 100
  cordboard calls list --agent alice --disposition answered --json")]
pub struct List {
    /// Of this tenant only
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,
    /// Of this agent only
    #[arg(long, value_name = "ENDPOINT")]
    agent: Option<EndpointName>,
    /// With this end only: answered, busy, `no_answer`, refused …
    #[arg(long, value_parser = disposition)]
    disposition: Option<Disposition>,
    /// So many at most
    #[arg(long, default_value_t = 20, value_name = "CALLS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

fn disposition(text: &str) -> Result<Disposition, String> {
    let found = Disposition::ALL.into_iter().find(|disposition| disposition.as_str() == text);
    found.ok_or_else(|| format!("one of {}", Disposition::ALL.map(Disposition::as_str).join(", ")))
}

impl Calls {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { call } => show(context, call).await,
            Self::Hangup { call, daemon } => {
                let state = daemon.hang_up(call).await?;
                if context.json {
                    return output::print_json(&serde_json::json!({"id": call, "state": state}));
                }
                output::print(&match state.as_str() {
                    "over" => format!("call {call} is over already"),
                    _ => format!("call {call} is ending"),
                })
            }
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let organization = context::maybe_organization(&store, self.organization.as_deref()).await?;
        let agent = match &self.agent {
            Some(endpoint) => Some(context::agent(&store, endpoint).await?.id),
            None => None,
        };
        let filter = CallFilter {
            organization: organization.map(|o| o.id),
            agent,
            disposition: self.disposition,
            ..CallFilter::default()
        };
        let calls = store.list_calls(&filter, None, self.limit).await?;
        if context.json {
            return output::print_json(&calls);
        }
        if calls.is_empty() {
            output::note(false, "no such calls");
            return Ok(());
        }
        let clocks = clocks(&store).await?;
        let utc = Clock::utc();
        let row = |call: &CallRow| {
            let clock = call.organization.as_ref().and_then(|slug| clocks.get(slug)).unwrap_or(&utc);
            [
                call.id.to_string(),
                call.requested_at.map(|at| clock.second(at)).unwrap_or_default(),
                maybe(call.endpoint.as_ref()),
                call.destination.map(|to| to.to_string()).or_else(|| call.dialled.clone()).unwrap_or_default(),
                maybe(call.presented.as_ref()),
                state(call),
                duration(call.talk_ms),
            ]
        };
        let rows: Vec<_> = calls.iter().map(row).collect();
        output::print(&output::table(["call", "asked", "agent", "to", "from", "state", "talked"], &rows))
    }
}

/// How it ended, or where it stands.
fn state(call: &CallRow) -> String {
    if let Some(refusal) = call.refusal {
        return format!("refused ({refusal})");
    }
    if let Some(disposition) = call.disposition {
        return disposition.to_string();
    }
    let state = if call.ended_at.is_some() {
        "ending"
    } else if call.answered_at.is_some() {
        "talking"
    } else if call.ringing_at.is_some() {
        "ringing"
    } else if call.invite_sent_at.is_some() {
        "dialling"
    } else {
        "preparing"
    };
    format!("{state} …")
}

async fn clocks(store: &Store) -> Outcome<BTreeMap<String, Clock>> {
    let organizations = store.organizations().await?;
    Ok(organizations.iter().map(|o| (o.slug.clone(), Clock::of(Some(o)))).collect())
}

/// The call with that id.
pub async fn find(store: &Store, call: CallId) -> Outcome<CallRow> {
    match store.call(call, None).await {
        Err(StoreError::NotFound { .. }) => {
            Err(Failure::new(format!("there is no call {call}; `cordboard calls list` shows the latest")))
        }
        answer => Ok(answer?),
    }
}

async fn show(context: &Context, id: CallId) -> Outcome {
    let store = context.store().await?;
    let call = find(&store, id).await?;
    let facts = store.facts(id).await?;
    if context.json {
        let mut value = output::json(&call)?;
        value["facts"] = output::json(&facts)?;
        return output::print_json(&value);
    }
    let organization = match &call.organization {
        Some(slug) => Some(store.organization(slug).await?),
        None => None,
    };
    let clock = Clock::of(organization.as_ref());
    let mut text = about(&call, &clock);
    text.push('\n');
    let rows: Vec<_> = facts.iter().map(|fact| row(fact, facts.first(), &clock)).collect();
    text.push_str(&output::table(["time", "after", "what", "more"], &rows));
    let _ = write!(text, "\n\nWhy it was decided so: cordboard explain {id}");
    output::print(&text)
}

fn about(call: &CallRow, clock: &Clock) -> String {
    let time = |at: Option<Timestamp>| at.map(|at| clock.millisecond(at)).unwrap_or_default();
    let asked = call.requested_at.map(|at| format!("{} ({})", clock.second(at), clock.name())).unwrap_or_default();
    let who = match (&call.endpoint, &call.agent) {
        (Some(endpoint), Some(name)) => format!("{endpoint} ({name})"),
        (endpoint, _) => maybe(endpoint.as_ref()),
    };
    let refusal = call.refusal.map(|refusal| {
        format!("{refusal}: {}", call.refusal_sentence.clone().unwrap_or_else(|| refusal.sentence().to_owned()))
    });
    let codes = [("cause", call.cause), ("SIP", call.sip_code)];
    let codes: Vec<_> = codes.iter().filter_map(|(name, code)| code.map(|code| format!("{name} {code}"))).collect();
    output::pairs(&[
        ("call", call.id.to_string()),
        ("organization", maybe(call.organization.as_ref())),
        ("agent", who),
        ("node", call.node.clone()),
        ("by", call.origin.map(|origin| origin.as_str().to_owned()).unwrap_or_default()),
        ("emergency", (if call.emergency { "yes" } else { "" }).to_owned()),
        ("dialled", maybe(call.dialled.as_ref())),
        ("to", call.destination.map(|to| destination(Some(to), call.region, call.class)).unwrap_or_default()),
        ("from", maybe(call.presented.as_ref())),
        ("campaign", maybe(call.campaign.as_ref())),
        ("trunk", maybe(call.trunk.as_ref())),
        ("state", state(call)),
        ("refusal", refusal.unwrap_or_default()),
        ("day", maybe(call.day.as_ref())),
        ("quota", call.quota.as_str().to_owned()),
        ("asked", asked),
        ("decided", time(call.decided_at)),
        ("INVITE sent", time(call.invite_sent_at)),
        ("rang", time(call.ringing_at)),
        ("answered", time(call.answered_at)),
        ("ended", time(call.ended_at)),
        ("settled", time(call.settled_at)),
        ("hung up by", call.hung_up_by.map(|by| by.as_str().to_owned()).unwrap_or_default()),
        ("because of", codes.join(", ")),
        ("rang for", duration(call.ring_ms)),
        ("talked for", duration(call.talk_ms)),
        ("times", (if call.estimated { "a best guess" } else { "" }).to_owned()),
    ])
}

/// One fact of the timeline.
fn row(fact: &Fact, first: Option<&Fact>, clock: &Clock) -> [String; 4] {
    let after = first.map_or(0, |first| fact.at().as_millisecond() - first.at().as_millisecond());
    let sign = if after < 0 { "-" } else { "+" };
    let after = format!("{sign}{}.{:03}", after.abs() / 1000, after.abs() % 1000);
    [clock.millisecond(fact.at()), after, fact.kind().replace('_', " "), more(fact)]
}

fn more(fact: &Fact) -> String {
    match fact {
        Fact::Requested { origin, agent_channel, .. } => {
            let channel = agent_channel.as_ref().map(|channel| format!(", channel {}", channel.as_str()));
            format!("by {}{}", origin.as_str(), channel.unwrap_or_default())
        }
        Fact::Refused { reason, .. } => reason.to_string(),
        Fact::Admitted { emergency: true, .. } => "emergency call".to_owned(),
        Fact::AgentDialled { channel, .. } | Fact::CustomerDialled { channel, .. } => {
            format!("channel {}", channel.as_str())
        }
        Fact::HangupAsked { by, .. } => format!("by {}", by.as_str()),
        Fact::LegEnded { leg, cause, sip_code, .. } => {
            let leg = match leg {
                crate::core::fact::Leg::Agent => "agent",
                crate::core::fact::Leg::Customer => "customer",
            };
            let cause = cause.map(|cause| format!(", cause {cause}")).unwrap_or_default();
            format!("{leg}{cause}{}", sip_code.map(|code| format!(", SIP {code}")).unwrap_or_default())
        }
        Fact::Settled { disposition, estimated, .. } => {
            format!("{disposition}{}", if *estimated { ", times are a best guess" } else { "" })
        }
        Fact::Admitted { .. }
        | Fact::AgentRinging { .. }
        | Fact::AgentAnswered { .. }
        | Fact::InviteSent { .. }
        | Fact::EarlyMedia { .. }
        | Fact::Ringing { .. }
        | Fact::Answered { .. } => String::new(),
    }
}
