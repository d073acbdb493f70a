//! Which number may be called from: properties of `policy::choose`, held against an oracle that knows only what the rules say in
//! prose, and a few decisions written out in full.

use cordboard::core::ids::{AgentId, AssignmentId, CampaignId, NumberId, OrganizationId};
use cordboard::core::number::{E164, NumberClass, RegionCode};
use cordboard::core::outcome::RefusalReason;
use cordboard::policy::{Agent, Campaign, Candidate, Decision, NumberState, Reason, Request, Snapshot, choose};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use uuid::Uuid;

const STATES: [NumberState; 5] =
    [NumberState::Available, NumberState::Assigned, NumberState::Inactive, NumberState::Resting, NumberState::Retired];
const CLASSES: [NumberClass; 6] = [
    NumberClass::Geographic,
    NumberClass::Mobile,
    NumberClass::TollFree,
    NumberClass::Premium,
    NumberClass::Satellite,
    NumberClass::Unknown,
];
/// Those of the above that must be allowed by name, as the rules' prose has it.
const DEAR: [NumberClass; 3] = [NumberClass::Premium, NumberClass::Satellite, NumberClass::Unknown];
const REGIONS: [&str; 4] = ["US", "CA", "DE", "001"];

fn region(code: &str) -> RegionCode {
    code.parse().expect("a region")
}

fn ours(n: u128) -> E164 {
    format!("+1202556{n:04}").parse().expect("a number")
}

/// A number that nothing speaks against.
fn usable(n: u128) -> Candidate {
    Candidate {
        assignment: AssignmentId(Uuid::from_u128(100 + n)),
        number: NumberId(Uuid::from_u128(n)),
        e164: ours(n),
        state: NumberState::Assigned,
        trunk: Some("carrier".parse().expect("a trunk")),
        plus: true,
        used_today: 0,
        daily_limit: 100,
        number_used_today: 0,
        number_daily_limit: None,
        last_used_at: None,
        countries: BTreeSet::from([region("US"), region("CA")]),
        classes: BTreeSet::new(),
    }
}

fn agent() -> Agent {
    Agent {
        id: AgentId(Uuid::from_u128(1)),
        organization: OrganizationId(Uuid::from_u128(2)),
        endpoint: "alice".parse().expect("an endpoint"),
        country: region("US"),
        active: true,
        used_today: 0,
        daily_limit: None,
    }
}

fn to(country: &str, class: NumberClass) -> Request {
    Request { destination: "+12025550123".parse().expect("a number"), region: region(country), class }
}

prop_compose! {
    fn candidates()(parts in prop::collection::vec(
        (
            (0_usize..25, prop::bool::weighted(0.9), 0_u32..4, 1_u32..9),
            (0_u32..4, prop::option::weighted(0.3, 0_u32..6), prop::option::of(0_i64..3)),
            (prop::collection::btree_set(0_usize..3, 1..4), prop::collection::btree_set(0_usize..CLASSES.len(), 0..3)),
        ),
        0..7,
    )) -> Vec<Candidate> {
        let mut all = Vec::new();
        for (n, ((state, trunk, used, limit), (by_all, limit_of_all, last), (countries, classes))) in (1_u128..).zip(parts) {
            all.push(Candidate {
                // Mostly in use and by a trunk, or nothing would ever be usable.
                state: STATES.get(state).copied().unwrap_or(NumberState::Assigned),
                trunk: usable(n).trunk.filter(|_| trunk),
                used_today: used,
                daily_limit: limit,
                number_used_today: by_all,
                number_daily_limit: limit_of_all,
                last_used_at: last.map(|s| Timestamp::from_second(s).expect("a time")),
                countries: countries.into_iter().map(|i| region(REGIONS[i])).collect(),
                classes: classes.into_iter().map(|i| CLASSES[i]).collect(),
                ..usable(n)
            });
        }
        all
    }
}

prop_compose! {
    fn cases()(
        candidates in candidates(),
        active in prop::bool::weighted(0.9),
        used_today in 0_u32..4,
        daily_limit in prop::option::weighted(0.3, 0_u32..4),
        country in 0_usize..REGIONS.len(),
        class in prop_oneof![3 => 0_usize..3, 1 => 0_usize..CLASSES.len()],
    ) -> (Snapshot, Request) {
        let agent = Agent { active, used_today, daily_limit, ..agent() };
        (Snapshot { agent, candidates, campaign: None }, to(REGIONS[country], CLASSES[class]))
    }
}

/// The oracle: how many things speak against a number, told from the rules' prose.
fn faults(candidate: &Candidate, request: &Request) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let mut fault = |is: bool, name| {
        if is {
            faults.push(name);
        }
    };
    fault(candidate.state != NumberState::Assigned, "state");
    fault(request.region.as_str() != "001" && !candidate.countries.contains(&request.region), "country");
    fault(DEAR.contains(&request.class) && !candidate.classes.contains(&request.class), "class");
    fault(candidate.used_today >= candidate.daily_limit, "assignment");
    fault(candidate.number_daily_limit.is_some_and(|limit| candidate.number_used_today >= limit), "number");
    fault(candidate.trunk.is_none(), "trunk");
    faults
}

fn name(reason: &Reason) -> &'static str {
    match reason {
        Reason::NumberState { .. } => "state",
        Reason::CountryNotAllowed { .. } => "country",
        Reason::ClassNotAllowed { .. } => "class",
        Reason::AssignmentLimit { .. } => "assignment",
        Reason::NumberLimit { .. } => "number",
        Reason::NotOfCampaign => "campaign",
        Reason::NoTrunk => "trunk",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_number_is_ranked_or_discarded_with_all_its_reasons((snapshot, request) in cases()) {
        let decision = choose(&snapshot, &request);
        let mut seen = BTreeMap::new();
        for considered in decision.ranked.iter().chain(&decision.discarded) {
            let names: BTreeSet<_> = considered.reasons.iter().map(name).collect();
            prop_assert_eq!(names.len(), considered.reasons.len(), "a reason is told once");
            prop_assert!(seen.insert(considered.assignment, names).is_none(), "told once");
        }
        let expected: BTreeMap<_, _> = snapshot
            .candidates
            .iter()
            .map(|candidate| (candidate.assignment, faults(candidate, &request).into_iter().collect()))
            .collect();
        prop_assert_eq!(seen, expected);
        prop_assert!(decision.ranked.iter().all(|considered| considered.reasons.is_empty()));
        prop_assert!(decision.discarded.iter().all(|considered| !considered.reasons.is_empty()));
    }

    #[test]
    fn it_is_refused_if_and_only_if_nothing_is_usable_or_the_agent_may_not((snapshot, request) in cases()) {
        let free = snapshot.candidates.iter().any(|candidate| faults(candidate, &request).is_empty());
        let may = snapshot.agent.active
            && snapshot.agent.daily_limit.is_none_or(|limit| snapshot.agent.used_today < limit);
        let decision = choose(&snapshot, &request);
        prop_assert_eq!(decision.refusal.is_none(), free && may);
        prop_assert_eq!(decision.sentence().is_none(), free && may);
    }

    #[test]
    fn the_least_used_comes_first_then_the_longest_unused_then_by_id((snapshot, request) in cases()) {
        let decision = choose(&snapshot, &request);
        for pair in decision.ranked.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            let never = |at: Option<Timestamp>| at.map_or(i64::MIN, Timestamp::as_second);
            let order = a.used_today.cmp(&b.used_today)
                .then(never(a.last_used_at).cmp(&never(b.last_used_at)))
                .then(a.number.cmp(&b.number));
            prop_assert!(order.is_lt(), "{:?} before {:?}", a, b);
        }
    }

    #[test]
    fn the_order_of_the_numbers_does_not_matter((snapshot, request) in cases(), turn in 0_usize..7) {
        let mut turned = snapshot.clone();
        let count = turned.candidates.len().max(1);
        turned.candidates.rotate_left(turn % count);
        let mut reversed = snapshot.clone();
        reversed.candidates.reverse();
        let decision = choose(&snapshot, &request);
        prop_assert_eq!(&choose(&turned, &request), &decision);
        prop_assert_eq!(&choose(&reversed, &request), &decision);
    }

    #[test]
    fn a_used_up_number_never_hides_a_free_one((snapshot, request) in cases(), used in 0_u32..4) {
        let before = choose(&snapshot, &request);
        let mut with = snapshot.clone();
        with.candidates.push(Candidate { used_today: used, daily_limit: used, ..usable(50) });
        let after = choose(&with, &request);
        prop_assert_eq!(after.ranked, before.ranked);
        prop_assert_eq!(after.refusal.is_none(), before.refusal.is_none());
    }

    #[test]
    fn another_fault_is_another_reason((snapshot, request) in cases(), which in 0_usize..4) {
        if snapshot.candidates.is_empty() {
            return Ok(());
        }
        let mut worse = snapshot.clone();
        let candidate = &mut worse.candidates[0];
        match which {
            0 => candidate.state = NumberState::Resting,
            1 => candidate.trunk = None,
            2 => candidate.daily_limit = 0,
            _ => candidate.number_daily_limit = Some(0),
        }
        let reasons = |decision: &Decision| {
            let id = snapshot.candidates[0].assignment;
            let all = decision.ranked.iter().chain(&decision.discarded);
            all.filter(|considered| considered.assignment == id).flat_map(|c| c.reasons.iter().map(name)).collect::<BTreeSet<_>>()
        };
        let (before, after) = (reasons(&choose(&snapshot, &request)), reasons(&choose(&worse, &request)));
        let mut expected = before;
        expected.insert(["state", "trunk", "assignment", "number"][which]);
        prop_assert_eq!(after, expected);
    }

    #[test]
    fn what_uses_a_number_up_moves_it_out((snapshot, request) in cases()) {
        let decision = choose(&snapshot, &request);
        if decision.ranked.is_empty() {
            return Ok(());
        }
        let first = decision.ranked[0].assignment;
        let mut used_up = snapshot.clone();
        for candidate in used_up.candidates.iter_mut().filter(|candidate| candidate.assignment == first) {
            candidate.used_today = candidate.daily_limit;
        }
        let after = choose(&used_up, &request);
        prop_assert!(after.ranked.iter().all(|considered| considered.assignment != first));
        prop_assert_eq!(&after.ranked[..], &decision.ranked[1..], "the others keep their order");
    }
}

/// A decision as people read it.
fn told(snapshot: &Snapshot, request: &Request) -> String {
    let decision = choose(snapshot, request);
    let mut text = String::new();
    for (i, number) in decision.ranked.iter().enumerate() {
        let _ = writeln!(text, "{}. {}", i + 1, number.e164);
    }
    for number in &decision.discarded {
        let reasons: Vec<String> = number.reasons.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "not {}: {}", number.e164, reasons.join("; "));
    }
    if let (Some(refusal), Some(sentence)) = (decision.refusal, decision.sentence()) {
        let _ = writeln!(text, "{refusal}: {sentence}");
    }
    text
}

fn of(candidates: Vec<Candidate>) -> Snapshot {
    Snapshot { agent: agent(), candidates, campaign: None }
}

#[test]
fn a_choice_among_three() {
    let at = |s| Timestamp::from_second(s).ok();
    let snapshot = of(vec![
        Candidate { used_today: 5, ..usable(1) },
        Candidate { used_today: 2, last_used_at: at(200), ..usable(2) },
        Candidate { used_today: 2, last_used_at: at(100), ..usable(3) },
        Candidate { used_today: 100, ..usable(4) },
    ]);
    let expected = "1. +12025560003\n2. +12025560002\n3. +12025560001\n\
                    not +12025560004: used 100 of 100 calls today by this agent\n";
    assert_eq!(told(&snapshot, &to("US", NumberClass::Mobile)), expected);
}

#[test]
fn all_reasons_are_told() {
    let worst = Candidate {
        state: NumberState::Resting,
        trunk: None,
        used_today: 3,
        daily_limit: 3,
        number_used_today: 9,
        number_daily_limit: Some(8),
        ..usable(1)
    };
    let expected = "not +12025560001: the number is resting; country DE is not allowed; \
                    premium numbers are not allowed by name; used 3 of 3 calls today by this agent; \
                    used 9 of 8 calls today by all agents; no active trunk can present it\n\
                    class_not_allowed: Calls to this kind of number are not allowed.\n";
    assert_eq!(told(&of(vec![worst]), &to("DE", NumberClass::Premium)), expected);
}

#[test]
fn each_refusal_has_its_sentence() {
    let us = to("US", NumberClass::Mobile);
    let (germany, premium) = (to("DE", NumberClass::Mobile), to("US", NumberClass::Premium));
    let used_up = |n| Candidate { used_today: 60, daily_limit: 60, ..usable(n) };
    let sentence = |snapshot: &Snapshot, request: &Request| {
        let decision = choose(snapshot, request);
        (decision.refusal.expect("refused"), decision.sentence().expect("a sentence"))
    };
    let off = Snapshot { agent: Agent { active: false, ..agent() }, candidates: vec![usable(1)], campaign: None };
    let limited = Snapshot {
        agent: Agent { used_today: 7, daily_limit: Some(7), ..agent() },
        candidates: vec![usable(1)],
        campaign: None,
    };
    for (snapshot, request, reason, text) in [
        (
            of(vec![]),
            &us,
            RefusalReason::NoNumberAssigned,
            "No phone number assigned to you. Please contact your administrator.",
        ),
        (off, &us, RefusalReason::AgentInactive, "This agent is switched off. Please contact your administrator."),
        (
            limited,
            &us,
            RefusalReason::AgentDailyLimit,
            "Daily call limit reached (7 calls). Please contact your administrator.",
        ),
        (
            of(vec![used_up(1), used_up(2)]),
            &us,
            RefusalReason::DailyLimit,
            "Daily call limit reached (120 calls). Please contact your administrator.",
        ),
        (
            of(vec![usable(1)]),
            &germany,
            RefusalReason::CountryNotAllowed,
            "Calls to this country are not allowed for your numbers.",
        ),
        (
            of(vec![usable(1)]),
            &premium,
            RefusalReason::ClassNotAllowed,
            "Calls to this kind of number are not allowed.",
        ),
        (
            of(vec![Candidate { trunk: None, ..usable(1) }]),
            &us,
            RefusalReason::NoNumberAvailable,
            "None of your numbers can be used for this call right now.",
        ),
    ] {
        assert_eq!(sentence(&snapshot, request), (reason, text.to_owned()));
    }
}

/// One number is used up, and another cannot be used for another reason: tomorrow there is room, and that is what is said.
#[test]
fn what_passes_by_tomorrow_is_what_the_agent_is_told() {
    let used_up = Candidate { used_today: 60, daily_limit: 60, ..usable(1) };
    let mixed = of(vec![used_up, Candidate { trunk: None, ..usable(2) }]);
    assert_eq!(choose(&mixed, &to("US", NumberClass::Mobile)).refusal, Some(RefusalReason::DailyLimit));
}

/// One number may not call the country, the other may and has no trunk: neither is all of the reason.
#[test]
fn mixed_reasons_are_told_as_mixed() {
    let abroad = Candidate { countries: [region("DE")].into(), trunk: None, ..usable(2) };
    let decision = choose(&of(vec![usable(1), abroad]), &to("DE", NumberClass::Mobile));
    assert_eq!(decision.refusal, Some(RefusalReason::NoNumberAvailable));
}

/// The limit that the agent hears is of the numbers that can be used again tomorrow.
#[test]
fn a_number_that_cannot_be_used_anyway_adds_nothing_to_the_limit() {
    let used_up = |n| Candidate { used_today: 60, daily_limit: 60, ..usable(n) };
    let mixed = of(vec![used_up(1), Candidate { trunk: None, ..used_up(2) }]);
    let sentence = choose(&mixed, &to("US", NumberClass::Mobile)).sentence();
    assert_eq!(sentence.as_deref(), Some("Daily call limit reached (60 calls). Please contact your administrator."));
}

#[test]
fn a_campaigns_call_is_weighed_among_its_numbers_only() {
    let us = to("US", NumberClass::Mobile);
    let campaign = |numbers: &[Candidate]| {
        let numbers = numbers.iter().map(|candidate| candidate.number).collect();
        Some(Campaign { id: CampaignId(Uuid::nil()), numbers })
    };
    let used_up = Candidate { used_today: 60, daily_limit: 60, ..usable(2) };
    let refusal =
        |candidates: Vec<Candidate>, campaign| choose(&Snapshot { agent: agent(), candidates, campaign }, &us).refusal;
    assert_eq!(refusal(vec![usable(1), usable(2)], campaign(&[usable(2)])), None);
    assert_eq!(refusal(vec![usable(1)], campaign(&[usable(2)])), Some(RefusalReason::CampaignHasNoNumber));
    assert_eq!(refusal(vec![usable(1)], campaign(&[])), Some(RefusalReason::CampaignHasNoNumber));
    assert_eq!(refusal(vec![], campaign(&[usable(1)])), Some(RefusalReason::NoNumberAssigned));
    // The other number could be used, and is of no concern: the limit is what the agent needs to know.
    let both = vec![usable(1), used_up.clone()];
    assert_eq!(refusal(both, campaign(&[used_up])), Some(RefusalReason::DailyLimit));
    let here = Snapshot { agent: agent(), candidates: vec![usable(1), usable(2)], campaign: campaign(&[usable(2)]) };
    let decision = choose(&here, &us);
    assert_eq!(decision.ranked.iter().map(|one| one.number).collect::<Vec<_>>(), [usable(2).number]);
    assert_eq!(decision.discarded[0].reasons, [Reason::NotOfCampaign]);
}
