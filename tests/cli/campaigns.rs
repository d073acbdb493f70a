//! Campaigns by the command line.

use crate::floor::Floor;
use serde_json::json;

#[test]
fn a_campaign_from_its_first_to_its_last_day() {
    let floor = Floor::alice();
    let none = floor.run("campaigns list acme");
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    floor.ok("campaigns add acme Spring");
    let twice = floor.run("campaigns add acme spring");
    assert_eq!(twice.code, 1);
    assert!(twice.err.contains("the organization has a campaign of that name already"), "{}", twice.err);
    let unknown = floor.run("campaigns show acme Winter");
    let why = "cordboard: there is no campaign Winter, only Spring; add it: cordboard campaigns add acme Winter\n";
    assert_eq!((unknown.code, unknown.err.as_str()), (1, why));
    // No number yet: a call for it would be refused, and what would help is said.
    let dry = floor.run("dial alice +12025550199 --campaign Spring --dry-run");
    assert_eq!(dry.code, 3);
    assert!(dry.out.contains("refused (campaign_has_no_number)"), "{}", dry.out);
    assert!(dry.out.contains("→ link it: cordboard campaigns link acme CAMPAIGN +12025550123"), "{}", dry.out);
    assert_eq!(floor.run("dial alice +12025550199 --dry-run").code, 0, "the control: without it, it would be made");
    floor.ok("numbers add acme +12025550124");
    let linked = floor.ok("campaigns link acme Spring +12025550123 +12025550124");
    assert_eq!(linked, "linked 2; campaign Spring has 2 numbers\n");
    assert_eq!(floor.run("dial alice +12025550199 --campaign Spring --dry-run").code, 0);
    assert_eq!(floor.ok("campaigns unlink acme Spring +12025550124"), "unlinked 1; campaign Spring has 1 numbers\n");
    let shown = floor.ok("campaigns show acme Spring");
    assert!(shown.contains("numbers       +12025550123 (assigned)\n"), "{shown}");
    floor.ok("campaigns edit acme Spring --status paused");
    assert_eq!(floor.run("dial alice +12025550199 --campaign Spring --dry-run").code, 3);
    floor.ok("campaigns edit acme Spring --status active --name Summer");
    floor.ok("campaigns archive acme Summer");
    assert_eq!(floor.json("campaigns list acme"), json!([]));
    assert_eq!(floor.json("campaigns list acme --status archived")[0]["name"], "Summer");
    floor.ok("organizations add other --name Other --country US --time-zone UTC");
    floor.ok("numbers add other +12025550129");
    let theirs = floor.run("campaigns link acme Summer +12025550129");
    assert_eq!(theirs.code, 1);
    assert!(theirs.err.starts_with("cordboard: +12025550129 is not organization acme's"), "{}", theirs.err);
}

#[test]
fn whom_it_calls() {
    let floor = Floor::acme();
    floor.ok("campaigns add acme Spring");
    let added = floor.run_words(&["campaigns", "add-contact", "acme", "Spring", "(202) 555-0101", "--name", "Ann"]);
    assert_eq!((added.code, added.out.as_str()), (0, "added +12025550101 to campaign Spring\n"), "{}", added.err);
    let file = floor
        .file("leads.csv", "number,name,metadata\n+12025550102,Bob,\"{\"\"a\"\": 1}\"\n+12025550101,Ann,\n12,X,\n");
    let refused = floor.run(&format!("campaigns import-contacts acme Spring {file}"));
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("nothing was written: 1 of 3 lines are wrong"), "{}", refused.err);
    let done = floor.run(&format!("campaigns import-contacts acme Spring {file} --skip-bad --json"));
    let report = done.json();
    assert_eq!((&report["added"], &report["skipped"], &report["errors"]), (&json!(1), &json!(1), &json!(1)));
    let piped = floor.run_with_input("campaigns import-contacts acme Spring -", b"+12025550103,Cid\n");
    assert_eq!((piped.code, piped.err.as_str()), (0, "1 added, 0 skipped, 0 wrong\n"));
    let list = floor.ok("campaigns contacts acme Spring");
    assert!(list.contains("+12025550102  Bob   {\"a\":1}"), "{list}");
    assert_eq!(floor.json("campaigns contacts acme Spring --search cid").as_array().map(Vec::len), Some(1));
    floor.ok("campaigns remove-contact acme Spring +12025550101");
    assert_eq!(floor.run("campaigns remove-contact acme Spring +12025550101").code, 1);
    assert_eq!(floor.json("campaigns show acme Spring")["contacts"], 2);
}
