//! The records against what the far ends saw.

use crate::floor::Floor;
use crate::monitor::Seen;
use crate::traffic::Asked;
use cordboard::core::fact::{Fact, Leg};
use cordboard::core::ids::{CallId, ChannelId};
use cordboard::core::outcome::Disposition;
use cordboard::core::record::{Quota, Record};
use cordboard::store::calls::{CallFilter, CallRow};
use model_asterisk::FarLeg;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What there is to hold against each other.
pub struct Evidence {
    /// What the carrier saw, by customer's channel.
    pub legs: BTreeMap<CallId, FarLeg>,
    pub rows: Vec<(CallRow, Vec<Fact>)>,
    pub promised: Vec<CallId>,
    pub miscounted: usize,
    pub seen: Seen,
}

/// What was found. All but the first three must be empty.
#[derive(Debug, Default)]
pub struct Verdict {
    pub rows: usize,
    pub invites: u32,
    /// Records whose end nobody could know.
    pub estimated: usize,
    /// An INVITE left or a call was promised, and there is no record of it; or a record lacks what happened.
    pub lost: Vec<String>,
    /// Two records of one call.
    pub duplicated: Vec<String>,
    /// The record tells of something that did not happen.
    pub phantom: Vec<String>,
    pub second_invites: Vec<String>,
    /// Given back although an INVITE left; used up although none can have left; counters that are not the calls.
    pub miscounted: Vec<String>,
    /// Rows that are not the fold of their facts, or have no end.
    pub broken: Vec<String>,
    pub silent: Vec<String>,
    pub for_nobody: Vec<String>,
}

impl Verdict {
    /// What must not be, in words.
    pub fn complaints(&self) -> Vec<String> {
        let all = [
            ("lost", &self.lost),
            ("duplicated", &self.duplicated),
            ("phantom", &self.phantom),
            ("second INVITE", &self.second_invites),
            ("miscounted", &self.miscounted),
            ("broken", &self.broken),
            ("silent", &self.silent),
            ("rings for nobody", &self.for_nobody),
        ];
        all.iter().flat_map(|(what, found)| found.iter().map(move |text| format!("{what}: {text}"))).collect()
    }

    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.invites += other.invites;
        self.estimated += other.estimated;
        self.lost.extend(other.lost);
        self.duplicated.extend(other.duplicated);
        self.phantom.extend(other.phantom);
        self.second_invites.extend(other.second_invites);
        self.miscounted.extend(other.miscounted);
        self.broken.extend(other.broken);
        self.silent.extend(other.silent);
        self.for_nobody.extend(other.for_nobody);
    }
}

/// Everything that is known when all has come to its end.
pub async fn evidence(floor: &Floor, asked: &Asked) -> Evidence {
    let legs = floor.model.with(|model| model.far_legs().clone());
    let legs = legs.into_iter().filter_map(|(id, leg)| {
        let id: ChannelId = id.parse().ok()?;
        Some((id.owner().filter(|_| id.leg() == Some(Leg::Customer))?, leg))
    });
    let mut rows = Vec::new();
    let mut before = None;
    loop {
        let page = floor.store.list_calls(&CallFilter::default(), before, 500).await.expect("the calls");
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        for row in page {
            let facts = floor.store.facts(row.id).await.expect("the facts");
            rows.push((row, facts));
        }
    }
    let miscounted = floor.store.miscounted_days().await.expect("the counters").len();
    let (legs, promised, seen) = (legs.collect(), asked.promised.clone(), floor.monitor.seen());
    Evidence { legs, rows, promised, miscounted, seen }
}

pub fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict { rows: evidence.rows.len(), ..Verdict::default() };
    let rows: BTreeMap<CallId, &CallRow> = evidence.rows.iter().map(|(row, _)| (row.id, row)).collect();
    for (call, leg) in &evidence.legs {
        verdict.invites += leg.invites;
        if leg.invites > 1 {
            verdict.second_invites.push(format!("{call}: {} INVITEs", leg.invites));
        }
        if leg.invites > 0 && !rows.contains_key(call) {
            verdict.lost.push(format!("{call}: an INVITE without a record"));
        }
    }
    for call in evidence.promised.iter().filter(|call| !rows.contains_key(*call)) {
        verdict.lost.push(format!("{call}: promised, and no record"));
    }
    let mut dialled: BTreeMap<&str, CallId> = BTreeMap::new();
    for (row, facts) in &evidence.rows {
        let twice = row.dialled.as_deref().and_then(|number| dialled.insert(number, row.id));
        if let Some(other) = twice {
            verdict.duplicated.push(format!("{other} and {} are one call", row.id));
        }
        one(row, facts, evidence.legs.get(&row.id), &mut verdict);
    }
    if evidence.miscounted > 0 {
        verdict.miscounted.push(format!("{} counters are not the calls", evidence.miscounted));
    }
    verdict.silent.extend(evidence.seen.silent.iter().cloned());
    verdict.for_nobody.extend(evidence.seen.for_nobody.iter().cloned());
    verdict
}

fn one(row: &CallRow, facts: &[Fact], leg: Option<&FarLeg>, verdict: &mut Verdict) {
    let call = row.id;
    let (invited, answered) =
        (leg.is_some_and(|leg| leg.invites > 0), leg.is_some_and(|leg| leg.answered_at.is_some()));
    let told = row.disposition.map_or("nothing", Disposition::as_str);
    let guess = row.estimated || row.disposition == Some(Disposition::UnknownOutcome);
    verdict.estimated += usize::from(guess);
    if row.settled_at.is_none() {
        verdict.broken.push(format!("{call}: it has no end"));
    }
    let record = Record::of(facts);
    let of_row = same(row.disposition, row.quota, [row.invite_sent_at, row.answered_at, row.ended_at, row.settled_at]);
    let of_facts = same(
        record.disposition,
        record.quota,
        [record.invite_sent_at, record.answered_at, record.ended_at, record.settled_at],
    );
    if of_row != of_facts {
        verdict.broken.push(format!("{call}: the row says {of_row}, the facts {of_facts}: {facts:?}"));
    }
    // Asterisk said that it would dial, and was stopped in the moment between: the record then says that it guesses.
    let overtaken = guess && leg.is_some_and(|leg| leg.ordered);
    if !invited && row.invite_sent_at.is_some() && !overtaken {
        verdict.phantom.push(format!("{call}: it tells of an INVITE that nobody saw ({told}): {facts:?}"));
    }
    if !answered && (row.answered_at.is_some() || row.disposition == Some(Disposition::Answered)) {
        verdict.phantom.push(format!("{call}: it tells of an answer that nobody gave: {facts:?}"));
    }
    if answered && row.disposition != Some(Disposition::Answered) && !guess {
        verdict.lost.push(format!("{call}: answered, and recorded as {told}: {facts:?}"));
    }
    match row.quota {
        Quota::Reserved => verdict.miscounted.push(format!("{call}: its reservation is never settled")),
        Quota::Refunded if invited => {
            verdict.miscounted.push(format!("{call}: refunded although an INVITE left ({told}): {facts:?}"));
        }
        Quota::Committed if !leg.is_some_and(|leg| leg.ordered) && !guess => {
            verdict.miscounted.push(format!("{call}: used up although no INVITE can have left ({told}): {facts:?}"));
        }
        Quota::None | Quota::Refunded | Quota::Committed => {}
    }
}

/// To the microsecond, as Postgres keeps times.
fn same(disposition: impl Debug, quota: Quota, times: [Option<jiff::Timestamp>; 4]) -> String {
    format!("{disposition:?} {quota:?} {:?}", times.map(|at| at.map(jiff::Timestamp::as_microsecond)))
}
