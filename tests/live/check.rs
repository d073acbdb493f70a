//! What must hold after every scenario, whatever it was.

use crate::floor::{CANARY_NAME, Floor, SOON};
use crate::http::ask;
use crate::kills;
use crate::servers::ARI_PASSWORD;
use cordboard::core::record::{Quota, Record};
use cordboard::store::calls::CallRow;
use jiff::Timestamp;
use serde_json::Value;
use sip_peer::{Direction, Entry, Log};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a scenario makes impossible to hold.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an excuse of its own")]
pub struct Excused {
    /// The carrier cannot have seen all INVITEs: it does not answer, or was away.
    pub invites: bool,
    /// Of a call that ended within [`OVERTAKEN_MS`] of its INVITE the carrier need not have seen any.
    pub overtaken_invites: bool,
    /// Daemons were killed in mid-call: records may be guesses, but say so.
    pub killed: bool,
    /// Times were not heard from Asterisk.
    pub times: bool,
}

/// Times of the records and of the wire may differ by this much.
const TOLERANCE_MS: i64 = 150;
/// Between Asterisk's word that it dials and the INVITE on the wire.
const OVERTAKEN_MS: i64 = 20;

pub async fn everything(floor: &mut Floor) {
    nothing_is_left(floor).await;
    let calls = floor.calls_when("settled", |calls| calls.iter().all(|call| call.settled_at.is_some())).await;
    for call in &calls {
        row_is_the_fold_of_its_facts(floor, call).await;
        presented_number_is_the_agents(floor, call).await;
    }
    assert_eq!(floor.store.miscounted_days().await.expect("the counters"), [], "counters are not the calls");
    if floor.excused.killed {
        let complaints = kills::judge(floor, &calls).complaints();
        assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    } else {
        carrier_saw_what_is_recorded(floor, &calls);
    }
    nobody_is_named(floor);
    assert_eq!(floor.decoy.log().entries().len(), 0, "somebody else was sent something: {:?}", floor.decoy.log());
    no_number_is_logged(floor, &calls);
    assert!(!floor.daemon.whole_log().contains("panicked"), "the daemon panicked:\n{}", floor.daemon.whole_log());
}

/// No channel and no bridge in Asterisk.
pub async fn nothing_is_left(floor: &Floor) {
    none_left(floor, "channels").await;
    none_left(floor, "bridges").await;
}

/// Waits until Asterisk has none of these any more.
pub async fn none_left(floor: &Floor, what: &str) {
    let path = format!("/ari/{what}?api_key=cordboard:{ARI_PASSWORD}");
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let (status, left) = ask(floor.servers.ari, "GET", &path, None, None).await;
        if status == 200 && left.as_array().is_some_and(Vec::is_empty) {
            return;
        }
        assert!(Instant::now() < deadline, "{what} are left ({status}): {left:#}\n{}", floor.daemon.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn row_is_the_fold_of_its_facts(floor: &Floor, call: &CallRow) {
    let facts = floor.store.facts(call.id).await.expect("the facts");
    let record = Record::of(&facts);
    let row: Value = sqlx::query_scalar("SELECT to_jsonb(c) FROM calls c WHERE id = $1")
        .bind(call.id.0)
        .fetch_one(&floor.pool)
        .await
        .expect("the row");
    let folded = serde_json::to_value(&record).expect("a record");
    let (folded, row) = (folded.as_object().expect("fields"), row.as_object().expect("columns"));
    let mut compared = 0;
    for (field, of_record) in folded {
        let Some(of_row) = row.get(field) else { continue };
        assert!(same(of_record, of_row), "{field}: the facts say {of_record}, the row {of_row}: {facts:#?}");
        compared += 1;
    }
    assert!(compared >= 20, "only {compared} columns have the name of a field");
    assert_eq!((call.ring_ms, call.talk_ms), (record.ring_ms(), record.talk_ms()), "{facts:#?}");
    // An agent may be gone before the decision comes, so the end stands for itself.
    let forth = [call.requested_at, call.decided_at, call.invite_sent_at, call.ringing_at, call.answered_at];
    for moments in
        [&forth[..], &[call.requested_at, call.ended_at, call.settled_at], &[call.answered_at, call.ended_at]]
    {
        let moments: Vec<Timestamp> = moments.iter().copied().flatten().collect();
        // Times of Asterisk and of the daemon, on one machine: they may differ by a tick.
        let tick = jiff::SignedDuration::from_millis(10);
        assert!(moments.windows(2).all(|two| two[0] <= two[1] + tick), "times run backwards: {call:#?}");
    }
}

/// Equal, if need be as moments.
fn same(a: &Value, b: &Value) -> bool {
    let moment = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    a == b || moment(a).is_some_and(|of_a| Some(of_a) == moment(b))
}

async fn presented_number_is_the_agents(floor: &Floor, call: &CallRow) {
    let (Some(presented), false) = (call.presented, call.emergency) else { return };
    let assigned: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM assignments a JOIN numbers n ON n.id = a.number_id
         WHERE a.agent_id = $1 AND n.e164 = $2 AND a.id = $3)",
    )
    .bind(call.agent_id.map(|agent| agent.0))
    .bind(presented.to_string())
    .bind(call.assignment_id.map(|assignment| assignment.0))
    .fetch_one(&floor.pool)
    .await
    .expect("an answer");
    assert!(assigned, "the number presented is not assigned to the agent: {call:#?}");
}

fn carrier_saw_what_is_recorded(floor: &Floor, calls: &[CallRow]) {
    let mut unseen: Vec<&CallRow> = calls.iter().filter(|call| call.invite_sent_at.is_some()).collect();
    for log in [floor.carrier.log(), floor.emergency.log()] {
        for invite in log.invites() {
            let wanted = |call: &&CallRow| is_of(call, &invite);
            let found = unseen.iter().position(wanted);
            let call = unseen
                .remove(found.unwrap_or_else(|| panic!("an INVITE that no call accounts for: {invite}\n{calls:#?}")));
            let presented = call.presented.map(|number| number.to_string());
            assert_eq!(invite.from_user(), presented.as_deref(), "From of {invite}");
            assert_eq!(invite.pai_user(), presented.as_deref(), "P-Asserted-Identity of {invite}");
            times_are_those_of_the_wire(floor, call, &log, invite.call_id());
        }
    }
    unseen.retain(|call| !(floor.excused.overtaken_invites && was_overtaken(call)));
    assert!(floor.excused.invites || unseen.is_empty(), "the carrier never saw {unseen:#?}");
    for call in calls {
        let expected = match (call.invite_sent_at, call.decided_at, call.refusal) {
            _ if call.emergency => Quota::None,
            (Some(_), _, _) => Quota::Committed,
            (None, Some(_), None) => Quota::Refunded,
            (None, _, _) => Quota::None,
        };
        assert_eq!(call.quota, expected, "{call:#?}");
    }
}

/// The call ended in the moment in which its INVITE was to leave.
pub fn was_overtaken(call: &CallRow) -> bool {
    call.invite_sent_at
        .zip(call.ended_at)
        .is_some_and(|(sent, ended)| ended.as_millisecond() - sent.as_millisecond() <= OVERTAKEN_MS)
}

fn is_of(call: &CallRow, invite: &Entry) -> bool {
    let user = invite.uri_user();
    match call.destination {
        Some(destination) => user == Some(&destination.to_string()),
        None => call.emergency && user == call.dialled.as_deref(),
    }
}

fn times_are_those_of_the_wire(floor: &Floor, call: &CallRow, log: &Log, call_id: &str) {
    if floor.excused.times || call.estimated {
        return;
    }
    let messages = log.by_call_id(call_id);
    let response = |status: u16| {
        let of_invite = |e: &Arc<Entry>| e.cseq().is_some_and(|(_, method)| method == "INVITE");
        messages.iter().find(|e| e.direction == Direction::Sent && e.status() == Some(status) && of_invite(e))
    };
    let (ringing, answered) = (response(180), response(200));
    let is_end = |e: &Entry| e.is("BYE") || e.is("CANCEL") || e.status().is_some_and(|s| s >= 300);
    let end = messages.iter().find(|e| is_end(e));
    let between = |from: Option<&Arc<Entry>>, to: Option<&Arc<Entry>>| {
        let ns = to?.at_ns.saturating_sub(from?.at_ns);
        i64::try_from(ns / 1_000_000).ok()
    };
    let near = |what: &str, of_row: Option<i64>, of_wire: Option<i64>| match (of_row, of_wire) {
        (Some(row), Some(wire)) if (row - wire).abs() <= TOLERANCE_MS => {}
        // It rang when the end was already on its way.
        (None, Some(wire)) if wire <= TOLERANCE_MS => {}
        (None, None) => {}
        _ => panic!("{what}: the row says {of_row:?} ms, the wire {of_wire:?} ms\n{call:#?}\n{log:?}"),
    };
    near("ringing", call.ring_ms, between(ringing, answered.or(end)));
    near("talking", call.talk_ms, between(answered, end));
}

/// Neither the agent's name nor the phone's leaves for the carrier.
fn nobody_is_named(floor: &Floor) {
    for log in [floor.carrier.log(), floor.emergency.log()] {
        for entry in log.filter(Entry::received) {
            let text = entry.text.to_lowercase();
            let names = [CANARY_NAME, "Wilhelmina", "Acme"].map(str::to_lowercase);
            let told = names.iter().chain(&floor.endpoints).find(|name| text.contains(name.as_str()));
            assert_eq!(told, None, "the carrier was told {}", entry.text);
        }
    }
}

/// People's numbers are masked in the log.
fn no_number_is_logged(floor: &Floor, calls: &[CallRow]) {
    let log = floor.daemon.whole_log();
    let numbers = calls.iter().flat_map(|call| {
        let number = |number: Option<cordboard::core::number::E164>| number.map(|number| number.to_string());
        [call.dialled.clone(), number(call.destination), number(call.presented)].into_iter().flatten()
    });
    for number in numbers {
        let digits = number.trim_start_matches(['+', '0', '1']);
        if digits.len() >= 7 {
            let line = log.lines().find(|line| line.contains(digits));
            assert_eq!(line, None, "a number is in the log");
        }
    }
}

/// Waits for something on Asterisk's side.
pub async fn until(what: &str, mut test: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !test().await {
        assert!(Instant::now() < deadline, "never {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
