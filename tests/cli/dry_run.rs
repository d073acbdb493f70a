//! What would come of a call: every reason, with what would change it, and nothing counted.

use crate::floor::Floor;
use serde_json::json;

/// Runs it both ways; the reason in JSON must be the one in words.
fn refused(floor: &Floor, command: &str, reason: &str, remedies: &[&str]) {
    let words = floor.run(&format!("dial {command} --dry-run"));
    assert_eq!(words.code, 3, "{command}: {} {}", words.out, words.err);
    assert_eq!(words.err, "");
    assert!(words.out.contains(&format!("\ndecision     refused ({reason}): ")), "{command}: {}", words.out);
    for remedy in remedies {
        assert!(words.out.contains(remedy), "{command}: no {remedy:?} in {}", words.out);
    }
    let json = floor.run(&format!("dial {command} --dry-run --json"));
    assert_eq!((json.code, &json.json()["refusal"]), (3, &reason.into()));
    assert_eq!(json.json()["allowed"], false);
}

#[test]
fn allowed() {
    let floor = Floor::alice();
    let allowed = floor.run_words(&["dial", "alice", "(202) 555-0199", "--dry-run"]);
    let words = "dry run      alice dials (202) 555-0199; nothing is counted\n\
                 to           +12025550199 (US, geographic_or_mobile)\n\
                 decision     allowed, by carrier\n\
                 number       +12025550123 (the only number: 0 of 100 calls; never used)\n";
    assert_eq!((allowed.code, allowed.out.as_str()), (0, words));
    let json = floor.json("dial alice +12025550199 --dry-run");
    assert_eq!(json["allowed"], true);
    assert_eq!((&json["presented"], &json["trunk"]), (&json!("+12025550123"), &json!("carrier")));
    assert_eq!(json["decision"]["ranked"][0]["number"], "+12025550123");
    assert_eq!(floor.json("usage")[0]["callsMadeToday"], 0);
    assert_eq!(floor.json("calls list"), json!([]));
}

#[test]
fn the_least_used_number_comes_first() {
    let floor = Floor::alice();
    floor.ok("numbers add acme +12025550124");
    floor.ok("assign alice +12025550124");
    floor.sql(
        "INSERT INTO assignment_days (assignment_id, day, used, last_used_at)
        SELECT a.id, cordboard_local_day('America/New_York'), 3, now() FROM assignments a
        JOIN numbers n ON n.id = a.number_id WHERE n.e164 = '+12025550123'",
    );
    let out = floor.ok("dial alice +12025550199 --dry-run");
    assert!(out.contains("number       +12025550124 (least used today: 0 of 100 calls; never used)\n"), "{out}");
    assert!(out.contains("  possible   +12025550123: 3 of 100 calls; "), "{out}");
}

#[test]
fn emergency_numbers_stand_above_the_rules() {
    let floor = Floor::alice();
    floor.ok("agents disable alice");
    let out = floor.ok("dial alice 911 --dry-run");
    assert!(
        out.contains("to           an emergency number of US; no rule applies\ndecision     allowed, by carrier\n"),
        "{out}"
    );
    assert_eq!(floor.json("dial alice 911 --dry-run")["emergency"], true);
    floor.settings("[postgres]\nurl = \"{url}\"\n[[node]]\nname = \"floor-1\"\n");
    refused(
        &floor,
        "alice 911",
        "emergency_not_possible",
        &["→ configure where such calls go: the section [emergency]"],
    );
}

#[test]
fn every_refusal_says_what_would_change_it() {
    let floor = Floor::alice();
    floor.ok("agents add acme Bob --endpoint bob");
    let good = "alice +12025550199";
    refused(&floor, "nobody +12025550199", "not_an_agent", &["NAME --endpoint nobody"]);
    refused(&floor, "bob +12025550199", "no_number_assigned", &["→ give the agent one: cordboard assign bob NUMBER"]);
    refused(&floor, "alice 12", "invalid_number", &["The number is too short."]);
    let allow = "→ allow it: cordboard assign alice +12025550123 --countries US,CA,GB";
    refused(&floor, "alice +442079460018", "country_not_allowed", &["country GB is not allowed", allow]);
    let allow = "→ allow it: cordboard assign alice +12025550123 --classes premium; for everybody: calls.allow_classes";
    refused(&floor, "alice +19005550100", "class_not_allowed", &["premium numbers are not allowed by name", allow]);

    // the remedies work
    floor.ok("assign alice +12025550123 --countries US,CA,GB");
    floor.ok("assign alice +12025550123 --classes premium");
    floor.ok("dial alice +442079460018 --dry-run");
    floor.ok("dial alice +19005550100 --dry-run");

    floor.ok("numbers set +12025550123 resting");
    let back = "→ take it into use: cordboard numbers set +12025550123 assigned";
    refused(&floor, good, "no_number_available", &["the number is resting", back]);
    floor.ok("numbers set +12025550123 assigned");

    floor.sql("UPDATE trunks SET active = false");
    refused(&floor, good, "no_number_available", &["→ switch its trunk on: cordboard trunks add carrier"]);
    floor.ok("trunks add carrier");

    floor.ok("agents disable alice");
    refused(&floor, good, "agent_inactive", &["→ switch the agent on: cordboard agents enable alice"]);
    floor.ok("agents enable alice");
    floor.ok("organizations disable acme");
    refused(&floor, good, "agent_inactive", &["→ switch the organization on: cordboard organizations enable acme"]);
    floor.ok("organizations enable acme");
    floor.ok("dial alice +12025550199 --dry-run");
}

#[test]
fn limits_say_when_they_begin_anew() {
    let floor = Floor::alice();
    floor.sql(
        "INSERT INTO assignment_days (assignment_id, day, used, last_used_at)
        SELECT id, cordboard_local_day('America/New_York'), 100, now() FROM assignments",
    );
    let more = "more: cordboard assign alice +12025550123 --daily-limit 200";
    let good = "alice +12025550199";
    let anew = "→ free again at 20";
    refused(
        &floor,
        good,
        "daily_limit",
        &["(100 calls)", "used 100 of 100 calls today by this agent", anew, " 00:00 (America/New_York), in ", more],
    );
    floor.ok("assign alice +12025550123 --daily-limit 200");
    floor.ok("dial alice +12025550199 --dry-run");
    floor.ok("agents limit alice 50");
    floor.sql(
        "INSERT INTO agent_days (agent_id, day, used, last_used_at)
        SELECT id, cordboard_local_day('America/New_York'), 50, now() FROM agents",
    );
    let more = "more: cordboard agents limit alice 100";
    refused(&floor, good, "agent_daily_limit", &["→ 50 of 50 calls made; free again at ", more]);
}
