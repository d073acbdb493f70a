//! Numbers from a file: all, or none.

use crate::floor::{Floor, csv};
use serde_json::json;

const BAD: &str = "\u{feff}+12025550125,telnyx,US
+12025550123,telnyx,US

+14165550125,telnyx,US
abc,telnyx
+12025550125,again
";

#[test]
fn one_wrong_line_keeps_all_out_unless_told_otherwise() {
    let floor = Floor::alice();
    let file = floor.file("numbers.csv", BAD);
    let refused = floor.run(&format!("numbers import acme {file}"));
    let why = "nothing was written: 1 of 5 lines are wrong; correct them, or write the other 4 with --skip-bad";
    assert_eq!((refused.code, refused.err.as_str()), (1, format!("cordboard: {why}\n").as_str()));
    assert_eq!(
        refused.out,
        "LINE  NUMBER  RESULT  WHY\n   5  abc     error   number: Character 1 is a letter; only digits can be dialled.\n"
    );
    assert_eq!(floor.json("numbers list").as_array().map(Vec::len), Some(1));

    let written = floor.run(&format!("numbers import acme {file} --skip-bad"));
    assert_eq!((written.code, written.err.as_str()), (0, "2 added, 2 skipped, 1 wrong\n"));
    let table = "LINE  NUMBER        RESULT   WHY\n   \
                 1  +12025550125  added    -\n   \
                 2  +12025550123  skipped  it is there already\n   \
                 4  +14165550125  added    the file says US, but the number is of CA\n   \
                 5  abc           error    number: Character 1 is a letter; only digits can be dialled.\n   \
                 6  +12025550125  skipped  the same as line 1\n";
    assert_eq!(written.out, table);
    let numbers = floor.json("numbers list");
    let regions: Vec<_> = numbers.as_array().expect("a list").iter().map(|n| (&n["e164"], &n["region"])).collect();
    assert_eq!(json!(regions), json!([["+12025550123", "US"], ["+12025550125", "US"], ["+14165550125", "CA"]]));
}

#[test]
fn a_header_names_the_columns_in_any_order() {
    let floor = Floor::acme();
    let csv = "Trunk, Name ,number,daily_limit\ncarrier,\"Paris, left bank\",+33140200150,50\n,,(202) 555-0123,\n";
    let ran = floor.run_with_input("numbers import acme - --json", csv.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let report = ran.json();
    assert_eq!((&report["written"], &report["added"]), (&json!(true), &json!(2)));
    assert_eq!(report["lines"][1], json!({"line": 3, "number": "+12025550123", "result": "added"}));
    let numbers = floor.json("numbers list");
    assert_eq!(numbers[1]["friendlyName"], "Paris, left bank");
    assert_eq!((&numbers[1]["dailyLimit"], &numbers[1]["trunk"]), (&json!(50), &json!("carrier")));
}

#[test]
fn every_kind_of_wrong_line_is_named() {
    let floor = Floor::acme();
    let csv = b"number,region,trunk,daily_limit,name\n\
        +12025550130,US,nobody,,\n\
        +12025550131,US,carrier,0,\n\
        +12025550132,US,carrier,1,a,b\n\
        +12025550133,Ruritania,,,\n\
        ,US,,,\n\
        +12025550134,US,,,\xff\n\
        +12025550135,US,,x,\n\
        0123,US,,,\n\
        +12025550136,US,,,\"a\nb\"\n\
        +12025550137,US,,,fine\n";
    let ran = floor.run_with_input("numbers import acme - --json", csv);
    assert_eq!(ran.code, 1);
    let report = ran.json();
    let lines = report["lines"].as_array().expect("lines");
    let seen: Vec<_> = lines.iter().map(|line| (line["line"].as_u64(), line["message"].as_str())).collect();
    let expected = [
        (2, Some("there is no trunk nobody; add it: cordboard trunks add nobody")),
        (3, Some("the daily limit is 1 to 100000")),
        (4, Some("6 columns where there should be at most 5")),
        (5, Some("the region is not a country: two capital letters such as US, or 001 for numbers of no country")),
        (6, Some("the number is missing")),
        (7, Some("the line is not UTF-8; save the list as \"CSV UTF-8\"")),
        (8, Some("the daily limit is 1 to 100000")),
        (9, Some("The number is too short.")),
        (10, Some("a name is 1 to 100 characters without control characters")),
        (12, None),
    ];
    assert_eq!(seen, expected.map(|(line, message)| (Some(line), message)));
    assert_eq!(lines[9]["result"], "not_written");
    assert_eq!(floor.json("numbers list"), json!([]));
}

#[test]
fn what_is_another_tenants_is_not_taken() {
    let floor = Floor::alice();
    floor.ok("organizations add globex --name Globex --country US --time-zone UTC");
    let ran = floor.run_with_input("numbers import globex -", b"+12025550123,telnyx\n");
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("skipped  it is organization acme's"), "{}", ran.out);
    assert_eq!(floor.json("numbers list --organization globex"), json!([]));
}

#[test]
fn ten_thousand_numbers() {
    let floor = Floor::acme();
    let csv = csv(10_000);
    let ran = floor.run_with_input("numbers import acme -", csv.as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (0, "10000 added, 0 skipped, 0 wrong\n"));
}

#[test]
fn what_is_no_list_is_refused_with_its_place() {
    let floor = Floor::acme();
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("+12025550123\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (list, why) in [
        (utf16.as_slice(), "line 1, column 1: the list is in UTF-16; save it as \"CSV UTF-8\""),
        (b"number,colour\n".as_slice(), "line 1, column 2: there is no column \"colour\"; the columns are number, "),
        (b"number\n+12025550123\n\0\n".as_slice(), "line 3, column 1: there is a byte 0"),
    ] {
        let ran = floor.run_with_input("numbers import acme -", list);
        assert_eq!(ran.code, 1);
        assert!(ran.err.starts_with(&format!("cordboard: nothing was written: -: {why}")), "{}", ran.err);
    }
    assert_eq!(floor.json("numbers list"), json!([]));
}

#[test]
fn a_json_file_and_the_inventory() {
    let floor = Floor::acme();
    let list = r#"[{"number": "+12025550123", "type": "LOCAL", "metadata": {"cost_center": "CC-1"}},
  {"number": "+12025550124", "dailyLimit": "5"}]"#;
    let file = floor.file("numbers.json", list);
    let refused = floor.run(&format!("numbers import acme {file}"));
    assert_eq!(refused.code, 1);
    assert!(
        refused.out.contains("   2  -       error   daily_limit: daily_limit must be a whole number"),
        "{}",
        refused.out
    );
    floor.ok(&format!("numbers import --pool {file} --skip-bad"));
    let numbers = floor.json("numbers list");
    assert_eq!((&numbers[0]["state"], &numbers[0]["type"]), (&json!("available"), &json!("local")));
    assert_eq!(numbers[0]["metadata"], json!({"cost_center": "CC-1"}), "people's own keys stay as they are");
    let ran = floor.run("numbers import acme");
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (2, "cordboard: say the organization and the file, or --pool and the file\n")
    );
}
