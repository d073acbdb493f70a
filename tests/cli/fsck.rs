//! `cordboard fsck`: rows edited by hand, counters edited by hand, facts lost.

use crate::calls::{answer, ask};
use crate::floor::{Floor, Ran};
use serde_json::{Value, json};

/// Nobody listens there.
const NO_ASTERISK: &str = "CORDBOARD__NODE__0__URL";

fn fsck(floor: &Floor, arguments: &str) -> Ran {
    floor.run(&format!("fsck --records-only {arguments}"))
}

fn is_clean(floor: &Floor, calls: usize) {
    let ran = fsck(floor, "");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let last = ran.out.lines().last().expect("a sum");
    assert!(last.starts_with(&format!("checked {calls} calls with ")) && last.ends_with(": 0 findings"), "{last}");
}

/// An answered call, and one that was refused.
fn called() -> (Floor, String) {
    let floor = Floor::alice();
    let request = ask(&floor, "alice", "+12025550199");
    answer(&floor, &request);
    ask(&floor, "alice", "+442079460018");
    (floor, request.call.to_string())
}

#[test]
fn records_in_order_have_no_findings() {
    let (floor, _) = called();
    let ran = fsck(&floor, "");
    assert_eq!((ran.code, ran.out.as_str()), (0, "checked 2 calls with 12 facts: 0 findings\n"), "{}", ran.err);
    let ran = fsck(&floor, "--json");
    assert_eq!(ran.json(), json!({"calls": 2, "facts": 12, "findings": 0, "left": 0}));
}

#[test]
fn what_was_edited_by_hand_is_told_and_put_back_only_when_asked() {
    let (floor, id) = called();
    floor.sql(&format!("UPDATE calls SET disposition = 'busy', talk_ms = 99 WHERE id = '{id}'"));
    floor.sql("UPDATE number_days SET used = 7; DELETE FROM agent_days");
    for _ in 0..2 {
        // Looking changes nothing.
        let ran = fsck(&floor, "");
        assert_eq!(ran.code, 1, "{}", ran.err);
        let row = format!(
            "call {id}: the row is not the fold of its facts: disposition is \"busy\", the facts say \"answered\"; \
             talk_ms is 99, the facts say 65000\n"
        );
        assert!(ran.out.contains(&row), "{}", ran.out);
        assert!(ran.out.contains(": says 7, the calls say 1\n"), "{}", ran.out);
        assert!(ran.out.contains(": says 0, the calls say 1\n"), "{}", ran.out);
        assert!(ran.out.ends_with(": 3 findings\n"), "{}", ran.out);
    }
    let found: Vec<Value> =
        fsck(&floor, "--json").out.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert_eq!((&found[0]["finding"], &found[0]["call"]), (&json!("row"), &json!(id)));
    assert_eq!(found[0]["problem"]["columns"][1], json!({"column": "talk_ms", "row": 99, "facts": 65000}));

    let ran = fsck(&floor, "--repair");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains(&format!("repaired call {id}: the row is what its facts say\n")), "{}", ran.out);
    assert!(ran.out.contains(": 7 became 1\n") && ran.out.contains(": 0 became 1\n"), "{}", ran.out);
    assert!(ran.out.ends_with(": 3 findings, 0 left\n"), "{}", ran.out);
    is_clean(&floor, 2);
    let show = floor.json(&format!("calls show {id}"));
    assert_eq!((&show["disposition"], &show["talkMs"]), (&json!("answered"), &json!(65_000)));
}

#[test]
fn quota_that_was_taken_off_a_row_comes_back_and_the_counters_stay() {
    let (floor, id) = called();
    floor.sql(&format!("UPDATE calls SET quota = 'refunded' WHERE id = '{id}'"));
    let ran = fsck(&floor, "");
    assert!(ran.out.contains("quota is \"refunded\", the facts say \"committed\""), "{}", ran.out);
    assert!(ran.out.ends_with(": 4 findings\n"), "{}", ran.out);
    let ran = fsck(&floor, "--repair");
    assert_eq!((ran.code, ran.out.contains("repaired counter")), (0, false), "{}", ran.out);
    is_clean(&floor, 2);
    assert_eq!(floor.json("usage --agent alice")[0]["callsMadeToday"], 1);
}

#[test]
fn where_the_facts_do_not_decide_nothing_is_changed() {
    let (floor, id) = called();
    let facts = "ALTER TABLE call_facts DISABLE TRIGGER facts_are_only_added";
    floor.sql(&format!(
        "{facts}; DELETE FROM call_facts WHERE call_id = '{id}' AND seq = 4; UPDATE calls SET talk_ms = 1 WHERE id = '{id}'"
    ));
    for repair in ["", "--repair"] {
        let ran = fsck(&floor, repair);
        assert_eq!(ran.code, 1, "{}", ran.out);
        assert!(ran.out.contains(&format!("call {id}: of its facts some are lost; 9 are there\n")), "{}", ran.out);
        assert!(!ran.out.contains("repaired"), "{}", ran.out);
    }
    assert_eq!(floor.json(&format!("calls show {id}"))["talkMs"], 1);

    let (floor, id) = called();
    floor.sql(&format!(
        "{facts}; UPDATE call_facts SET body = '{{\"kind\": \"sung\"}}' WHERE call_id = '{id}' AND seq = 4"
    ));
    floor.sql(&format!("DELETE FROM call_decisions WHERE call_id = '{id}'"));
    let ran = fsck(&floor, "--repair");
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains(&format!("call {id}: a fact cannot be read by this version\n")), "{}", ran.out);
    assert!(
        ran.out.contains(&format!("call {id}: a number was chosen, and the decision is not there\n")),
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with(": 2 findings, 2 left\n"), "{}", ran.out);
}

#[test]
fn more_calls_than_are_read_at_a_time_are_all_looked_at() {
    let floor = Floor::acme();
    floor.sql("INSERT INTO calls (id, node) SELECT cordboard_uuid_v7(), 'floor-1' FROM generate_series(1, 1203)");
    floor.sql("UPDATE calls SET talk_ms = 1 WHERE id = (SELECT id FROM calls ORDER BY id DESC LIMIT 1)");
    let ran = fsck(&floor, "");
    assert!(ran.out.ends_with("checked 1203 calls with 0 facts: 1 findings\n"), "{}", ran.out);
    assert_eq!((fsck(&floor, "--repair").code, ran.code), (0, 1));
    is_clean(&floor, 1203);
}

#[test]
fn a_repair_beside_calls_that_are_being_made_loses_none_of_them() {
    let floor = Floor::alice();
    floor.ok("assign alice +12025550123 --daily-limit 1000");
    floor.sql("INSERT INTO number_days (number_id, day, used) SELECT id, cordboard_local_day('America/New_York'), 50 FROM numbers");
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| (0..60).for_each(|_| drop(ask(&floor, "alice", "+12025550199"))));
        // The counter is put right while it rises.
        while !calls.is_finished() {
            let ran = fsck(&floor, "--repair");
            assert!(ran.code == 0, "{}{}", ran.out, ran.err);
        }
    });
    is_clean(&floor, 60);
    assert_eq!(floor.json("usage --agent alice")[0]["callsMadeToday"], 60);
}

#[test]
fn an_asterisk_that_is_away_and_calls_that_no_daemon_will_end_are_findings() {
    let (floor, _) = called();
    let open = ask(&floor, "alice", "+12025550198").call;
    floor.sql(&format!("UPDATE calls SET node = 'floor-9' WHERE id = '{open}'"));
    let ran: Ran = floor.program().arg("fsck").env(NO_ASTERISK, "http://127.0.0.1:1").output().expect("it runs").into();
    assert_eq!(ran.code, 1, "{}", ran.err);
    let line = format!("call {open}: open on floor-9, which is no node of these settings: no daemon will end it\n");
    assert!(ran.out.contains(&line), "{}", ran.out);
    assert!(ran.out.contains("node floor-1: could not be asked: Asterisk cannot be reached\n"), "{}", ran.out);
}
