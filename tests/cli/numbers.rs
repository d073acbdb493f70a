//! Numbers by the command line: what is said about them, who had them, and the inventory.

use crate::floor::Floor;
use serde_json::json;

#[test]
fn what_is_said_about_a_number() {
    let floor = Floor::alice();
    let edited = floor.run_words(&[
        "numbers",
        "edit",
        "+12025550123",
        "--name",
        "Sales - East",
        "--type",
        "toll-free",
        "--metadata",
        r#"{"department": "sales", "cost_center": "CC-1"}"#,
        "--capabilities",
        "voice sms",
        "--primary",
        "--json",
    ]);
    assert_eq!(edited.code, 0, "{}", edited.err);
    let number = edited.json();
    assert_eq!(
        (&number["friendlyName"], &number["type"], &number["isPrimary"]),
        (&json!("Sales - East"), &json!("toll_free"), &json!(true))
    );
    assert_eq!(number["metadata"], json!({"cost_center": "CC-1", "department": "sales"}));
    assert_eq!(number["capabilities"], json!({"sms": true, "voice": true}));
    let shown = floor.ok("numbers show +12025550123");
    assert!(shown.contains("name          Sales - East\n") && shown.contains("primary       yes\n"), "{shown}");
    let cleared = floor.run_words(&["numbers", "edit", "+12025550123", "--name", "", "--json"]);
    assert_eq!((&cleared.json()["friendlyName"], &cleared.json()["type"]), (&json!(null), &json!("toll_free")));
    for (words, code, why) in [
        (["--type", "short"], 2, "cordboard: a type is local, "),
        (["--metadata", "[]"], 2, "cordboard: metadata is a JSON object"),
        (["--trunk", "nobody"], 1, "cordboard: there is no trunk nobody; add it: cordboard trunks add nobody"),
        (["--daily-limit", "0"], 1, "cordboard: the daily limit is 1 to 100000"),
    ] {
        let ran = floor.run_words(&[["numbers", "edit", "+12025550123"].as_slice(), &words].concat());
        assert_eq!(ran.code, code, "{words:?}: {}", ran.err);
        assert!(ran.err.starts_with(why), "{}", ran.err);
    }
}

#[test]
fn lists_groups_and_counts() {
    let floor = Floor::alice();
    for (number, department) in [("+12025550124", "sales"), ("+12025550125", "sales"), ("+12025550126", "support")] {
        let metadata = format!("{{\"department\":\"{department}\"}}");
        let ran = floor.run_words(&["numbers", "add", "acme", number, "--metadata", &metadata, "--provider", "telnyx"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let count =
        |filter: &str| floor.json(&format!("numbers list --organization acme {filter}")).as_array().map(Vec::len);
    assert_eq!((count(""), count("--given"), count("--free")), (Some(4), Some(1), Some(3)));
    assert_eq!(
        (count("--group department=sales"), count("--search 0126"), count("--provider Telnyx")),
        (Some(2), Some(1), Some(3))
    );
    assert_eq!(count("--state resting"), Some(0));
    let groups = floor.ok("numbers groups acme department");
    assert_eq!(
        groups,
        "DEPARTMENT  NUMBERS  ACTIVE  ASSIGNED\nsales             2       2         0\nsupport           1       1         0\n-                 1       1         1\n"
    );
    let summary = floor.json("numbers summary acme");
    assert_eq!((&summary["agents"], &summary["available"], &summary["assigned"]), (&json!(1), &json!(3), &json!(1)));
}

#[test]
fn who_had_a_number_and_what_becomes_of_it() {
    let floor = Floor::alice();
    let refused = floor.run("numbers delete +12025550123");
    let why = "cordboard: an agent has +12025550123; take it back first: cordboard unassign ENDPOINT +12025550123\n";
    assert_eq!((refused.code, refused.err.as_str()), (1, why));
    floor.ok("assign alice +12025550123 --daily-limit 7");
    floor.ok("unassign alice +12025550123");
    let history = floor.json("numbers history +12025550123");
    let events: Vec<_> =
        history.as_array().expect("changes").iter().map(|c| json!([c["event"], c["dailyLimit"]])).collect();
    assert_eq!(json!(events), json!([["ended", 7], ["changed", 7], ["assigned", 100]]));
    let deleted = floor.ok("numbers delete +12025550123");
    assert_eq!(deleted, "number +12025550123 is retired; it is kept for the sake of its calls\n");
    floor.ok("numbers add acme +12025550124");
    assert_eq!(floor.ok("numbers delete +12025550124"), "number +12025550124 is deleted\n");
}

#[test]
fn history_cannot_be_rewritten_by_hand() {
    let floor = Floor::alice();
    for sql in [
        "UPDATE assignment_history SET actor = 'nobody'",
        "DELETE FROM assignment_history",
        "TRUNCATE assignment_history",
    ] {
        let refused = floor.try_sql(sql);
        assert!(refused.as_ref().is_err_and(|error| error.contains("history_is_only_added")), "{sql}: {refused:?}");
    }
}

#[test]
fn an_export_comes_back() {
    let floor = Floor::alice();
    floor.run_words(&[
        "numbers",
        "edit",
        "+12025550123",
        "--name",
        "=1+1",
        "--provider-id",
        "PN-1",
        "--daily-limit",
        "300",
    ]);
    let list = floor.ok("numbers export acme");
    assert!(list.contains(",'=1+1,carrier,300,"), "{list}");
    floor.ok("unassign alice +12025550123");
    floor.ok("organizations add globex --name Globex --country US --time-zone UTC");
    floor.sql("UPDATE numbers SET organization_id = NULL, state = 'available'");
    let skipped = floor.run_with_input("numbers import globex -", list.as_bytes());
    assert!(skipped.out.contains("skipped  it is in the inventory already"), "{}", skipped.out);
    floor.sql("DELETE FROM assignment_days");
    let other = list.replace("+12025550123", "+12025550199");
    floor.run_with_input("numbers import globex -", other.as_bytes());
    let again = floor.ok("numbers export globex");
    assert_eq!(again, other);
}

#[test]
fn the_inventory_and_who_takes_from_it() {
    let floor = Floor::acme();
    floor.ok("numbers add --pool +18005550101");
    floor.ok("numbers add --pool +18005550102");
    assert_eq!(floor.json("numbers pool list").as_array().map(Vec::len), Some(2));
    assert_eq!(floor.ok("numbers pool provision acme"), "+18005550101 is acme's now\n");
    let again = floor.run("numbers pool claim acme +18005550102");
    let why =
        "cordboard: acme has +18005550101 already; another in its place: cordboard numbers pool swap acme NUMBER\n";
    assert_eq!((again.code, again.err.as_str()), (1, why));
    let refused = floor.run("numbers delete +18005550101");
    assert!(refused.err.contains("acme chose +18005550101 for good"), "{}", refused.err);
    assert_eq!(floor.ok("numbers pool swap acme +18005550102 --quarantine-days 5"), "+18005550102 is acme's now\n");
    assert_eq!(
        floor.ok("numbers pool release acme"),
        "+18005550102 is in the inventory again, and waits 30 days for its next owner\n"
    );
    let empty = floor.run("numbers pool provision acme");
    let why = "cordboard: the inventory has no free number (2 in quarantine); add some: cordboard numbers import --pool FILE\n";
    assert_eq!((empty.code, empty.err.as_str()), (1, why));
    floor.ok("agents add acme Robot --endpoint robot --kind ai --browser");
    let second = floor.run("agents add acme Robot2 --endpoint robot2 --kind ai --browser");
    assert!(second.err.contains("the organization has an AI agent already, and may have one"), "{}", second.err);
}
