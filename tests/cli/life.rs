//! From an empty database to a floor, and back.

use crate::floor::{Floor, hex};
use md5::{Digest as _, Md5};

#[test]
fn a_floor_is_set_up_used_and_taken_down() {
    let floor = Floor::bare();
    assert!(floor.ok("migrate").starts_with("applied 0001 people and numbers\napplied 0002"));
    assert_eq!(floor.ok("migrate"), "nothing to do: the tables are up to date\n");
    assert_eq!(floor.json("migrate"), serde_json::json!({"applied": []}));

    let added = floor.run_words(&[
        "organizations",
        "add",
        "acme",
        "--name",
        "Acme Ltd",
        "--country",
        "us",
        "--time-zone",
        "America/New_York",
        "--emergency-caller-id",
        "+12125550100",
    ]);
    assert_eq!(added.out, "added organization acme (Acme Ltd): country US, time zone America/New_York\n");
    let listed = "SLUG  NAME      COUNTRY  TIME ZONE         EMERGENCY CALLER ID  STATE\n\
                  acme  Acme Ltd  US       America/New_York  +12125550100         on\n";
    assert_eq!(floor.ok("organizations list"), listed);

    assert_eq!(floor.ok("trunks add carrier --no-plus"), "added trunk carrier: numbers without +\n");
    assert_eq!(floor.ok("trunks add carrier"), "changed trunk carrier: on, numbers with +\n");
    assert_eq!(floor.ok("trunks add carrier"), "trunk carrier is there already: numbers with +\n");
    assert_eq!(floor.ok("trunks list"), "NAME     NUMBERS  STATE\ncarrier  with +   on\n");

    floor.ok("agents add acme Alice --endpoint alice --extension 101");
    floor.ok("agents add acme Robot --endpoint robot --kind ai --browser --daily-limit 7");
    let agents = "ENDPOINT  NAME   ORGANIZATION  EXTENSION  KIND   NUMBERS  DAILY LIMIT  STATE\n\
                  alice     Alice  acme                101  phone        0            -  on\n\
                  robot     Robot  acme                  -  ai           0            7  on\n";
    assert_eq!(floor.ok("agents list --organization acme"), agents);

    let number = floor.run_words(&["numbers", "add", "acme", "(202) 555-0123", "--name", "Washington"]);
    assert_eq!(number.out, "added number +12025550123 of acme: region US, trunk carrier\n");
    let assigned = floor.ok("assign alice 2025550123 --daily-limit 3 --countries us,GB");
    assert_eq!(assigned, "agent alice now calls from +12025550123: 3 calls a day (3 left today) to US,GB\n");
    let changed = floor.ok("assign alice +12025550123 --classes premium,satellite");
    assert_eq!(
        changed,
        "agent alice calls from +12025550123: 3 calls a day (3 left today) to US,GB, and to premium,satellite\n"
    );
    let usage = "ORGANIZATION  AGENT  NUMBER        CALLS_MADE_TODAY  DAILY_LIMIT  REMAINING  COUNTRIES  CLASSES            STATE\n\
                 acme          alice  +12025550123                 0            3          3  US,GB      premium,satellite  on\n";
    assert_eq!(floor.ok("usage"), usage);
    assert_eq!(floor.ok("usage --agent alice"), usage);
    assert_eq!(floor.ok("usage --agent robot"), "");
    let json = &floor.json("usage --organization acme")[0];
    assert_eq!((&json["callsMadeToday"], &json["dailyLimit"], &json["remaining"]), (&0.into(), &3.into(), &3.into()));

    assert_eq!(floor.run("trunks remove carrier").code, 1);
    assert_eq!(
        floor.ok("unassign alice +12025550123"),
        "agent alice no longer calls from +12025550123; what was called stays on record\n"
    );
    assert_eq!(floor.ok("numbers set +12025550123 retired"), "number +12025550123 is retired\n");
    assert_eq!(
        floor.ok("agents remove alice"),
        "removed agent alice: switched off, password void, 0 numbers taken away; the calls stay on record\n"
    );
    assert_eq!(floor.json("agents list")[0]["hasSecret"], false);
    assert_eq!(floor.ok("agents limit robot"), "agent robot has no daily limit but those of the numbers\n");
    assert_eq!(floor.ok("organizations disable acme"), "organization acme is off\n");
}

#[test]
fn a_password_is_shown_once_and_kept_as_its_hash() {
    let floor = Floor::acme();
    let ha1 = |password: &str| hex(&Md5::digest(format!("alice:asterisk:{password}")));
    let kept = || {
        let accounts = floor.runtime.block_on(async { floor.store().sip_accounts().await }).expect("accounts");
        secrecy::ExposeSecret::expose_secret(&accounts[0].ha1).to_owned()
    };
    let words = floor.ok("agents add acme Alice --endpoint alice");
    let password = words.lines().find_map(|line| line.strip_prefix("  password   ")).expect("a password").to_owned();
    assert_eq!(password.len(), 24);
    assert_eq!(kept(), ha1(&password));
    assert!(words.contains("  user name  alice\n") && words.contains("Enter in the phone:\n"), "{words}");
    let again = floor.json("agents password alice");
    let new = again["password"].as_str().expect("a password");
    assert_ne!(new, password);
    assert_eq!(kept(), ha1(new));
    assert!(!floor.ok("agents list").contains(new));
}

#[test]
fn a_token_is_shown_once_and_kept_as_its_hash() {
    use sha2::{Digest as _, Sha256};
    let floor = Floor::acme();
    let made = floor.run("tokens add acme crm");
    assert_eq!(made.err, "token crm of acme; it is not shown again:\n");
    let token = made.out.trim_end();
    assert!(token.starts_with("cbt_") && token.len() == 68, "{token}");
    let known = |token: &str| {
        let sha256: [u8; 32] = Sha256::digest(token).into();
        floor.runtime.block_on(async { floor.store().authenticate(&sha256).await }).expect("an answer").is_some()
    };
    assert!(known(token));
    let json = floor.json("tokens add acme web");
    assert!(known(json["token"].as_str().expect("a token")));
    assert!(!floor.ok("tokens list acme --json").contains("cbt_"));
    assert_eq!(floor.ok("tokens revoke acme crm"), "token crm of acme is void\n");
    assert!(!known(token));
}

#[test]
fn a_removed_agent_can_come_back() {
    let floor = Floor::alice();
    floor.ok("agents remove alice");
    let taken = floor.run("agents add acme Alice --endpoint alice");
    assert!(taken.err.ends_with("or switch it on: cordboard agents enable alice\n"), "{}", taken.err);
    let enabled = floor.run("agents enable alice");
    assert_eq!(enabled.out, "agent alice is on\n");
    assert_eq!(enabled.err, "the phone has no password; make one: cordboard agents password alice\n");
}
