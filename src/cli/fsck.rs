//! `cordboard fsck`: do the records agree with themselves, and with Asterisk?

use super::context::Context;
use super::doctor;
use super::failure::{ERROR, Failure, Outcome};
use super::output;
use crate::ari::AriClient;
use crate::config::Node;
use crate::core::ids::{BridgeId, CallId};
use crate::store::Store;
use crate::store::calls::Miscount;
use crate::store::fsck::{RowProblem, Unsettled};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::Duration;

/// What differs between the records and Asterisk counts only if it still does after this: a call may begin or end while we
/// look.
const SETTLES: Duration = Duration::from_secs(4);
/// More rows than this are not remembered for the repair, which then has to be run again.
const REMEMBERED: usize = 100_000;

/// Hold all records against their facts, the counters against the calls, and open calls against Asterisk
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard fsck
  cordboard fsck --repair

It reads only, beside a running daemon too. Each finding is one line, with --json one JSON object; the last line is the sum.
Exit codes: 0 nothing found or all of it repaired, 1 something found, 69 unavailable")]
pub struct Fsck {
    /// Make rows what their facts say, and counters what the calls say, in one transaction. Nothing in Asterisk is touched
    #[arg(long)]
    repair: bool,
    /// Do not ask Asterisk
    #[arg(long)]
    records_only: bool,
}

/// What was looked at, and found.
#[derive(Default)]
struct Sum {
    calls: u64,
    facts: u64,
    findings: u64,
    rows: Vec<CallId>,
    counters: u64,
    /// Findings that no repair can put in order.
    beyond: u64,
}

impl Fsck {
    pub async fn run(&self, context: &Context) -> Outcome {
        let (loaded, knows_password) = context.loaded()?;
        let config = &loaded.config;
        let store = context.store_of(config).await?;
        let mut sum = Sum::default();
        let mut fsck = store.fsck().await?;

        let progress = Progress::new(context.json, fsck.estimate().await?);
        while let Some(batch) = fsck.next().await? {
            sum.calls += batch.calls;
            sum.facts += batch.facts;
            progress.show(sum.calls);
            for (call, problem) in &batch.findings {
                progress.clear();
                sum.row(context, *call, problem)?;
            }
        }
        progress.clear();
        let mut written = Ok(());
        fsck.miscounted(|miscount| {
            if written.is_ok() {
                written = sum.counter(context, &miscount);
            }
        })
        .await?;
        written?;
        if !self.records_only {
            let missing = (!knows_password).then_some("its password cannot be read by this user");
            of_no_node(context, &store, &config.nodes, &mut sum).await?;
            for node in &config.nodes {
                against_asterisk(context, &store, node, missing, &mut sum).await?;
            }
        }

        let mut left = sum.findings;
        if self.repair {
            let mended = fsck.mend(&sum.rows).await?;
            for call in &mended.calls {
                let text = format!("repaired call {call}: the row is what its facts say");
                say(context, &text, &json!({"repaired": "row", "call": call}))?;
            }
            for Miscount { what, id, day, counted, calls } in &mended.counters {
                let text = format!("repaired counter of {what} {id} on {day}: {counted} became {calls}");
                let repaired = json!({"repaired": "counter", "what": what, "id": id, "day": day, "counted": counted, "calls": calls});
                say(context, &text, &repaired)?;
            }
            left = sum.beyond + (sum.rows.len() as u64).saturating_sub(mended.calls.len() as u64);
        }
        let text = format!("checked {} calls with {} facts: {} findings", sum.calls, sum.facts, sum.findings);
        let text = if self.repair { format!("{text}, {left} left") } else { text };
        let total = json!({"calls": sum.calls, "facts": sum.facts, "findings": sum.findings, "left": left});
        say(context, &text, &total)?;
        if left == 0 { Ok(()) } else { Err(Failure::silent(ERROR)) }
    }
}

impl Sum {
    fn row(&mut self, context: &Context, call: CallId, problem: &RowProblem) -> Outcome {
        self.findings += 1;
        let mendable = matches!(problem, RowProblem::Differs { mendable: true, .. });
        if mendable && self.rows.len() < REMEMBERED {
            self.rows.push(call);
        } else {
            self.beyond += 1;
        }
        let text = match problem {
            RowProblem::Differs { columns, mendable } => {
                let told = columns.iter().map(|d| format!("{} is {}, the facts say {}", d.column, d.row, d.facts));
                let told = told.collect::<Vec<_>>().join("; ");
                let hint = if *mendable { "" } else { "; the facts do not say all that the row must hold" };
                format!("the row is not the fold of its facts: {told}{hint}")
            }
            RowProblem::FactsMissing { facts } => format!("of its facts some are lost; {facts} are there"),
            RowProblem::Unreadable => "a fact cannot be read by this version".to_owned(),
            RowProblem::NoDecision => "a number was chosen, and the decision is not there".to_owned(),
        };
        say(context, &format!("call {call}: {text}"), &json!({"finding": "row", "call": call, "problem": problem}))
    }

    fn counter(&mut self, context: &Context, miscount: &Miscount) -> Outcome {
        self.findings += 1;
        self.counters += 1;
        let Miscount { what, id, day, counted, calls } = miscount;
        let text = format!("counter of {what} {id} on {day}: says {counted}, the calls say {calls}");
        let found =
            json!({"finding": "counter", "what": what, "id": id, "day": day, "counted": counted, "calls": calls});
        say(context, &text, &found)
    }

    fn asterisk(&mut self, context: &Context, node: &str, what: &str, id: &str, text: &str) -> Outcome {
        self.findings += 1;
        self.beyond += 1;
        say(context, &format!("{what} {id}: {text}"), &json!({"finding": what, "id": id, "node": node, "text": text}))
    }
}

/// What the records and Asterisk do not agree on, in one look.
#[derive(Default)]
struct Differences {
    /// Open calls of which Asterisk has nothing.
    gone: BTreeSet<CallId>,
    /// Channels and bridges of calls that are not open, with the call.
    strays: BTreeSet<(&'static str, String, CallId)>,
}

/// Calls that no daemon with these settings ends.
async fn of_no_node(context: &Context, store: &Store, nodes: &[Node], sum: &mut Sum) -> Outcome {
    let is_known = |call: &Unsettled| nodes.iter().any(|node| node.name == call.node);
    for call in store.unsettled().await?.iter().filter(|call| !is_known(call)) {
        let text = format!("open on {}, which is no node of these settings: no daemon will end it", call.node);
        sum.asterisk(context, call.node.as_ref(), "call", &call.id.to_string(), &text)?;
    }
    Ok(())
}

async fn against_asterisk(
    context: &Context,
    store: &Store,
    node: &Node,
    missing: Option<&str>,
    sum: &mut Sum,
) -> Outcome {
    let name = node.name.to_string();
    let client = match missing {
        Some(why) => Err(why.to_owned()),
        None => doctor::client(node),
    };
    let client = match client {
        Ok(client) => client,
        Err(why) => return sum.asterisk(context, &name, "node", &name, &format!("was not asked: {why}")),
    };
    let mut found = match look(store, &client, node).await? {
        Ok(found) => found,
        Err(why) => return sum.asterisk(context, &name, "node", &name, &format!("could not be asked: {why}")),
    };
    if !found.gone.is_empty() || !found.strays.is_empty() {
        tokio::time::sleep(SETTLES).await;
        match look(store, &client, node).await? {
            Ok(again) => {
                found.gone.retain(|call| again.gone.contains(call));
                found.strays.retain(|stray| again.strays.contains(stray));
            }
            Err(why) => return sum.asterisk(context, &name, "node", &name, &format!("could not be asked: {why}")),
        }
    }
    for call in &found.gone {
        let text = format!("open in the records, and {name} has none of its channels; a running daemon ends it");
        sum.asterisk(context, &name, "call", &call.to_string(), &text)?;
    }
    for (what, id, call) in &found.strays {
        let text = format!("on {name}, of call {call}, which is not open; a running daemon removes it");
        sum.asterisk(context, &name, what, id, &text)?;
    }
    Ok(())
}

async fn look(store: &Store, client: &AriClient, node: &Node) -> Outcome<Result<Differences, String>> {
    // The records before Asterisk: a call that begins meanwhile is missing in neither.
    let open: Vec<Unsettled> = store.unsettled().await?;
    let (channels, bridges) = match tokio::join!(client.list_channels(), client.list_bridges()) {
        (Ok(channels), Ok(bridges)) => (channels, bridges),
        (Err(error), _) | (_, Err(error)) => return Ok(Err(error.to_string())),
    };
    let there: BTreeSet<&str> = channels.iter().map(|row| row.listed.id.as_str()).collect();
    let owned: BTreeSet<CallId> = channels.iter().filter_map(|row| row.listed.id.owner()).collect();
    let mut found = Differences::default();
    for call in open.iter().filter(|call| call.node == node.name) {
        let mut known = call.agent_channel.iter().chain(&call.customer_channel);
        if !owned.contains(&call.id) && !known.any(|channel| there.contains(channel.as_str())) {
            found.gone.insert(call.id);
        }
    }
    let channels =
        channels.iter().filter_map(|row| Some(("channel", row.listed.id.to_string(), row.listed.id.owner()?)));
    let bridges = bridges.iter().filter_map(|id: &BridgeId| Some(("bridge", id.to_string(), id.owner()?)));
    found.strays = channels.chain(bridges).collect();
    let owners: BTreeSet<CallId> = found.strays.iter().map(|(_, _, call)| *call).collect();
    let over: BTreeSet<CallId> = store.not_open(&owners.into_iter().collect::<Vec<_>>()).await?.into_iter().collect();
    found.strays.retain(|(_, _, call)| over.contains(call));
    Ok(Ok(found))
}

fn say(context: &Context, text: &str, json: &Value) -> Outcome {
    // One object a line: there may be more of them than memory.
    output::print(&if context.json { output::json(json)?.to_string() } else { text.to_owned() })
}

/// How far it is, for people at a terminal.
struct Progress {
    shown: bool,
    of: u64,
}

impl Progress {
    fn new(json: bool, of: u64) -> Self {
        Self { shown: !json && std::io::stderr().is_terminal(), of }
    }

    fn show(&self, calls: u64) {
        if self.shown {
            eprint!("\r{calls} of about {} calls", self.of.max(calls));
        }
    }

    fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
