//! Assignments as a file: the plan first, then all of it or nothing.

use crate::floor::Floor;
use serde_json::json;

const FILE: &str = r#"organizations = ["acme"]

[[assignment]]
agent = "alice"
number = "+12025550123"
daily_limit = 50
countries = ["CA", "US"]

[[assignment]]
agent = "bob"
number = "+12025550124"

[[assignment]]
agent = "bob"
number = "+18005550101"
countries = ["GB"]
classes = ["premium"]
"#;

fn floor() -> Floor {
    let floor = Floor::alice();
    floor.ok("agents add acme Bob --endpoint bob");
    floor.ok("numbers add acme +12025550124");
    floor.ok("numbers add acme +12025550125");
    floor.ok("numbers add --pool +18005550101");
    floor.ok("assign alice +12025550125");
    floor
}

#[test]
fn the_plan_is_shown_and_then_made() {
    let floor = floor();
    let file = floor.file("assignments.toml", FILE);
    let plan = "- alice +12025550125\n~ alice +12025550123: 100 calls a day to CA,US -> 50 calls a day to CA,US\n\
        + bob +12025550124: 100 calls a day to CA,US\n\
        + bob +18005550101: 100 calls a day to GB, and to premium, out of the inventory\n4 changes\n";
    let dry = floor.run(&format!("apply {file} --dry-run"));
    assert_eq!((dry.code, dry.out.as_str(), dry.err.as_str()), (4, plan, "cordboard: nothing was changed\n"));
    // nobody is there to say yes
    let asked = floor.run(&format!("apply {file}"));
    assert_eq!((asked.code, asked.err.as_str()), (4, "cordboard: nothing was changed; to make it so, say --yes\n"));
    assert_eq!(floor.json("usage").as_array().map(Vec::len), Some(2));

    let made = floor.run(&format!("apply {file} --yes"));
    assert_eq!((made.code, made.out), (0, format!("{plan}done: 2 assigned, 1 changed, 1 ended\n")));
    let usage = floor.json("usage");
    let seen: Vec<_> =
        usage.as_array().expect("usage").iter().map(|u| json!([u["endpoint"], u["number"], u["dailyLimit"]])).collect();
    assert_eq!(
        json!(seen),
        json!([["alice", "+12025550123", 50], ["bob", "+12025550124", 100], ["bob", "+18005550101", 100]])
    );

    let again = floor.run(&format!("apply {file} --yes"));
    assert_eq!((again.code, again.out.as_str()), (0, "nothing to change\n"));
    assert_eq!(floor.json(&format!("apply {file} --dry-run"))["changes"], json!([]));
}

#[test]
fn what_export_writes_changes_nothing_and_can_be_made_again() {
    let floor = floor();
    floor.ok("assign alice +12025550123 --daily-limit 3 --countries GB,IN --classes premium,satellite");
    let written = floor.ok("export --organization acme");
    let file = floor.file("exported.toml", &written);
    assert_eq!(floor.ok(&format!("apply {file} --dry-run")), "nothing to change\n");
    floor.ok("unassign alice +12025550123");
    floor.ok("assign bob +12025550124");
    assert_eq!(floor.run(&format!("apply {file} --yes")).code, 0);
    assert_eq!(floor.ok("export --organization acme"), written);
}

#[test]
fn all_that_is_wrong_is_named_with_its_place_and_nothing_is_changed() {
    let floor = floor();
    floor.ok("organizations add globex --name Globex --country US --time-zone UTC");
    floor.ok("numbers add globex +12025550150");
    let before = floor.ok("export");
    let file = floor.file(
        "wrong.toml",
        r#"organizations = ["acme", "initech"]
[[assignment]]
agent = "nobody"
number = "+12025550123"
[[assignment]]
agent = "alice"
number = "+12025550150"
[[assignment]]
agent = "alice"
number = "+12025550199"
"#,
    );
    let ran = floor.run(&format!("apply {file} --yes"));
    assert_eq!(ran.code, 1);
    let places: Vec<String> =
        ran.err.lines().filter_map(|line| line.strip_prefix(&format!("{file}:"))).map(str::to_owned).collect();
    assert_eq!(
        places,
        [
            "1:26: there is no organization of that name; add it: cordboard organizations add",
            "7:10: that number is another organization's than the agent",
            "10:10: that number is not ours; add it: cordboard numbers add",
            "3:9: these organizations have no agent with that endpoint",
        ],
        "{}",
        ran.err
    );
    let wrong = [
        (
            "organizations = [\"acme\"]\n[[assignment]]\nagent = \"a b\"\nnumber = \"123\"\ndaily_limit = 1001\ncountries = [\"XX\"]\n",
            4,
        ),
        ("organizations = [\"acme\"]\ncolour = 1\n", 1),
        ("organizations = \"acme\"\n", 1),
        ("organizations = [\n", 1),
        ("[[assignment]]\nagent = \"alice\"\nnumber = \"+12025550123\"\n", 1),
        (
            "organizations = [\"acme\"]\n[[assignment]]\nagent = \"alice\"\nnumber = \"+12025550123\"\n[[assignment]]\nagent = \"alice\"\nnumber = \"+12025550123\"\n",
            1,
        ),
    ];
    for (text, errors) in wrong {
        let file = floor.file("wrong.toml", text);
        let ran = floor.run(&format!("apply {file} --yes"));
        let named = ran.err.lines().filter(|line| line.starts_with(&format!("{file}:"))).count();
        assert_eq!((ran.code, named), (1, errors), "{text}: {}", ran.err);
    }
    assert_eq!(floor.ok("export"), before);
}

#[test]
fn what_a_rule_refuses_halfway_takes_all_of_it_back() {
    let floor = floor();
    let before = floor.ok("export");
    floor
        .sql("ALTER TABLE assignments ADD CONSTRAINT not_premium CHECK (NOT allowed_classes @> '{premium}') NOT VALID");
    let file = floor.file("assignments.toml", FILE);
    let ran = floor.run(&format!("apply {file} --yes"));
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(floor.ok("export"), before);
}
