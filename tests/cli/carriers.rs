//! Numbers from carriers, by the command line.

use crate::floor::Floor;
use model_carrier::{ACCOUNT, Carrier, Fault, SECRET, telnyx_number, twilio_number};
use serde_json::{Value, json};
use std::process::Stdio;

/// A floor whose settings have this carrier, with two numbers a page.
fn floor_of(carrier: impl AsyncFnOnce() -> Carrier, kind: &str) -> (Floor, Carrier) {
    let floor = Floor::acme();
    let carrier = floor.runtime.block_on(carrier());
    let account = if kind == "twilio" { format!("account = \"{ACCOUNT}\"\n") } else { String::new() };
    floor.add_settings(&format!(
        "[[carrier]]\nname = \"{kind}\"\nkind = \"{kind}\"\nurl = \"{}\"\n{account}secret = \"{SECRET}\"\npage_size = 2\n",
        carrier.url
    ));
    (floor, carrier)
}

fn twilio(numbers: Vec<Value>) -> (Floor, Carrier) {
    floor_of(async || Carrier::twilio(numbers).await, "twilio")
}

fn telnyx(numbers: Vec<Value>) -> (Floor, Carrier) {
    floor_of(async || Carrier::telnyx(numbers).await, "telnyx")
}

fn five() -> Vec<Value> {
    (1..=5).map(|n| twilio_number(n, &format!("+1202555012{n}"), &format!("Line {n}"))).collect()
}

fn counts(report: &Value) -> [i64; 5] {
    ["added", "updated", "unchanged", "skipped", "errors"].map(|name| report[name].as_i64().unwrap_or(-1))
}

#[test]
fn an_import_adds_what_is_new_and_a_second_one_finds_nothing_to_do() {
    let (floor, carrier) = twilio(five());
    floor.ok("numbers add acme +12025550121 --name Mine --daily-limit 7");
    let before = floor.json("numbers list --organization acme");
    let dry = floor.json("numbers import-carrier twilio --organization acme --dry-run");
    assert_eq!((counts(&dry), &dry["finished"], &dry["dryRun"]), ([4, 1, 0, 0, 0], &json!(true), &json!(true)));
    assert_eq!(dry["rows"][0]["message"], "changed: provider, provider_id, capabilities");
    assert_eq!(floor.json("numbers list --organization acme"), before, "nothing was changed");
    let done = floor.json("numbers import-carrier twilio --organization acme");
    assert_eq!((counts(&done), &done["pages"]), ([4, 1, 0, 0, 0], &json!(3)));
    assert_eq!(carrier.asked(), [1, 2, 3, 1, 2, 3]);
    let numbers = floor.json("numbers list --organization acme");
    assert_eq!(numbers.as_array().map(Vec::len), Some(5));
    let (first, second) = (&numbers[0], &numbers[1]);
    assert_eq!((&first["friendlyName"], &first["dailyLimit"]), (&json!("Mine"), &json!(7)), "what is ours stays ours");
    assert_eq!(first["providerId"], format!("PN{:032x}", 1));
    assert_eq!((&second["friendlyName"], &second["provider"]), (&json!("Line 2"), &json!("twilio")));
    assert_eq!(second["capabilities"], json!({"voice": true, "sms": true, "mms": false, "fax": false}));
    assert_eq!((&second["trunk"], &second["state"]), (&json!("carrier"), &json!("assigned")));
    let versions: Vec<_> = numbers.as_array().expect("a list").iter().map(|n| n["version"].clone()).collect();
    let again = floor.json("numbers import-carrier twilio --organization acme");
    assert_eq!(counts(&again), [0, 0, 5, 0, 0]);
    let numbers = floor.json("numbers list --organization acme");
    let same: Vec<_> = numbers.as_array().expect("a list").iter().map(|n| n["version"].clone()).collect();
    assert_eq!(same, versions, "not even a version");
}

#[test]
fn a_killed_import_goes_on_where_it_stopped() {
    let (floor, carrier) = twilio(five());
    carrier.fails(3, Fault::Silence);
    let mut program = floor.program();
    program.args(["numbers", "import-carrier", "twilio", "--organization", "acme"]);
    let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
    floor.runtime.block_on(carrier.is_asked_for(3));
    child.kill().expect("killed");
    child.wait().expect("dead");
    assert_eq!(floor.json("numbers list --organization acme").as_array().map(Vec::len), Some(4), "two pages are kept");
    carrier.asked();
    let report = floor.json("numbers import-carrier twilio --organization acme");
    assert_eq!(carrier.asked(), [3], "only what was left is read");
    assert_eq!((counts(&report), &report["resumedAfter"]), ([5, 0, 0, 0, 0], &json!(2)));
    assert_eq!(floor.json("numbers list --organization acme").as_array().map(Vec::len), Some(5));
}

#[test]
fn a_page_that_the_carrier_has_forgotten_means_the_beginning() {
    let (floor, carrier) = twilio(five());
    carrier.fails(2, Fault::Status(404, None));
    let ran = floor.run("numbers import-carrier twilio --organization acme");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("carrier twilio, page 2: it answers with status 404"), "{}", ran.err);
    // The number that the page token names was given back meanwhile.
    carrier.has(five().into_iter().filter(|number| number["phone_number"] != "+12025550122").collect());
    carrier.asked();
    let report = floor.json("numbers import-carrier twilio --organization acme");
    assert_eq!((counts(&report), &report["finished"]), ([3, 0, 1, 0, 0], &json!(true)));
    assert_eq!(carrier.asked(), [2, 1, 2]);
}

#[test]
fn what_cannot_be_taken_in_is_named_with_page_and_place() {
    let mut numbers: Vec<Value> = (1..=4).map(|n| telnyx_number(n, &format!("+1202555012{n}"), "active")).collect();
    numbers[1]["phone_number"] = json!("12025550122");
    numbers[3] = json!("nonsense");
    numbers.push(telnyx_number(1, "+12025550121", "active"));
    numbers.push(telnyx_number(6, "+12025550126", "port-pending"));
    let (floor, carrier) = telnyx(numbers);
    carrier.fails(2, Fault::Status(429, Some("0")));
    carrier.fails(3, Fault::Status(500, None));
    let report = floor.json("numbers import-carrier telnyx --organization acme");
    assert_eq!((counts(&report), &report["total"]), ([2, 0, 0, 2, 2], &json!(6)));
    assert_eq!(carrier.asked(), [1, 2, 2, 3, 3]);
    let told: Vec<String> = report["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| format!("{} {} {} {}", row["page"], row["place"], row["result"], row["message"]).replace('"', ""))
        .collect();
    assert_eq!(
        told,
        [
            "1 0 added null",
            "1 1 error phone_number does not begin with +",
            "2 0 added null",
            "2 1 error it is not an object",
            "3 0 skipped the carrier listed it already: page 1, place 0",
            "3 1 skipped the carrier says that it is coming",
        ]
    );
    let words = floor.run("numbers import-carrier telnyx --organization acme");
    assert!(
        words.err.ends_with("3 pages for acme: 0 added, 0 updated, 2 unchanged, 2 skipped, 2 wrong\n"),
        "{}",
        words.err
    );
    assert!(words.out.contains("phone_number does not begin with +"), "{}", words.out);
}

#[test]
fn what_is_somebody_elses_stays_theirs() {
    let (floor, _carrier) = twilio(five());
    floor.ok("organizations add other --name Other --country US --time-zone UTC");
    floor.ok("numbers add other +12025550121");
    floor.ok("numbers add --pool +12025550122");
    let report = floor.json("numbers import-carrier twilio --organization acme");
    assert_eq!(counts(&report), [3, 0, 0, 2, 0]);
    let messages: Vec<_> = report["rows"].as_array().expect("rows").iter().map(|row| &row["message"]).collect();
    assert_eq!(messages[..2], [&json!("it is organization other's"), &json!("it is in the inventory")]);
    let report = floor.json("numbers import-carrier twilio --pool");
    assert_eq!(counts(&report), [0, 1, 0, 4, 0]);
}

#[test]
fn drift_is_what_both_do_not_agree_on() {
    let (floor, carrier) = twilio(five());
    let ran = floor.run("numbers drift twilio --organization acme --json");
    assert_eq!((ran.code, ran.json()["missingHere"].as_array().map(Vec::len)), (4, Some(5)));
    floor.ok("numbers import-carrier twilio --organization acme");
    let agreed = floor.run("numbers drift twilio --organization acme --json");
    assert_eq!((agreed.code, &agreed.json()["agreeing"]), (0, &json!(5)), "{}", agreed.out);
    // Their side: one given back, one with another id, one that is new. Our side: one written otherwise.
    let mut theirs = five();
    theirs.remove(0);
    theirs[0]["sid"] = json!("PNnew");
    theirs.push(twilio_number(9, "+12025550129", "New"));
    carrier.has(theirs);
    floor.sql(r#"UPDATE numbers SET capabilities = '{"voice": false, "sms": true}' WHERE e164 = '+12025550125'"#);
    floor.ok("numbers set +12025550124 retired");
    let ran = floor.run("numbers drift twilio --organization acme --json");
    let drift = ran.json();
    assert_eq!(ran.code, 4);
    assert_eq!(drift["missingThere"], json!(["+12025550121"]));
    assert_eq!(drift["missingHere"][0]["number"], "+12025550129");
    let differing: Vec<String> = drift["differing"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|d| format!("{} {} {} {}", d["number"], d["field"], d["here"], d["there"]).replace('"', ""))
        .collect();
    let old = format!("PN{:032x}", 2);
    assert_eq!(
        differing,
        [
            format!("+12025550122 provider_id {old} PNnew"),
            "+12025550124 status retired active".to_owned(),
            "+12025550125 capabilities.voice false true".to_owned(),
        ]
    );
    let words = floor.run("numbers drift twilio --organization acme");
    assert!(words.out.contains("+12025550121  only here"), "{}", words.out);
    assert!(
        words.err.contains("twilio: 1 agree, 1 only here, 1 only there, 3 differences, 0 unreadable"),
        "{}",
        words.err
    );
}

#[test]
fn who_says_too_little_or_the_wrong_thing_is_told() {
    let (floor, carrier) = twilio(five());
    for (command, code, why) in [
        ("numbers import-carrier twilio", 2, "cordboard: say whose the numbers are"),
        ("numbers import-carrier vonage --pool", 1, "cordboard: the settings have no carrier vonage (twilio)"),
        ("numbers drift twilio --organization nobody", 1, "cordboard: there is no organization nobody"),
    ] {
        let ran = floor.run(command);
        assert_eq!(ran.code, code, "{}", ran.err);
        assert!(ran.err.starts_with(why), "{}", ran.err);
    }
    carrier.fails(1, Fault::Status(401, None));
    let ran = floor.run("numbers import-carrier twilio --organization acme");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("does not take our credentials") && !ran.err.contains(SECRET), "{}", ran.err);
    carrier.fails(1, Fault::Status(429, Some("3600")));
    assert_eq!(floor.run("numbers import-carrier twilio --organization acme").code, 69, "later");
}
