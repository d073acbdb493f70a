//! What people get wrong, and what they are told.

use crate::floor::Floor;

#[test]
fn one_line_that_says_what_to_do() {
    let floor = Floor::alice();
    floor.ok("organizations add globex --name Globex --country US --time-zone UTC");
    floor.ok("agents add globex Gil --endpoint gil");
    let call = "01a1fe2a-a0fd-7083-b497-fb8672e548e1";
    let table = [
        (
            "organizations add acme --name A --country US --time-zone UTC",
            "there is an organization of that name already [organizations_slug_key]",
        ),
        (
            "organizations add Acme --name A --country US --time-zone UTC",
            "the name must be a lower-case letter, then up to 39 of a-z 0-9 - [slug_is_lower_case_letters_digits_hyphens]",
        ),
        (
            "organizations add a --name A --country XX --time-zone UTC",
            "XX is no country whose numbers are known; countries are those of ISO 3166, such as GB",
        ),
        (
            "organizations add a --name A --country US --time-zone Mars",
            "the time zone must be an IANA name such as America/New_York [time_zone_is_an_iana_name]",
        ),
        (
            "agents add nope Bob --endpoint bob",
            "there is no organization nope, only acme, globex; add it: cordboard organizations add nope --name … --country US --time-zone America/New_York",
        ),
        (
            "agents add acme Bob --endpoint carrier",
            "a trunk has that name; an agent must not [endpoint_is_not_a_trunk]",
        ),
        (
            "agents add acme Bob --endpoint alice",
            "there is an agent with that endpoint already: Alice of acme; choose another, or remove that one: cordboard agents remove alice",
        ),
        ("agents add acme Bob --endpoint bob --extension x", "[extension_is_2_to_6_digits]"),
        (
            "agents remove bob",
            "there is no agent bob, only alice, gil; add it: cordboard agents add ORGANIZATION NAME --endpoint bob",
        ),
        ("agents limit alice 0", "the daily limit is 1 to 100000 [agent_daily_limit_is_1_to_100000]"),
        ("trunks add alice", "an agent has that endpoint; a trunk must not [trunk_is_not_an_endpoint]"),
        ("trunks remove carrier", "trunk carrier is used by numbers; `cordboard numbers list` shows which"),
        ("trunks remove other", "there is no trunk other, only carrier; add it: cordboard trunks add other"),
        ("numbers add acme 911", "911 is not a phone number: The number is too short."),
        (
            "numbers add acme +12025550123",
            "+12025550123 is there already; let an agent call from it: cordboard assign ENDPOINT +12025550123",
        ),
        (
            "numbers add globex +12025550123",
            "+12025550123 is organization acme's; give it back first: cordboard numbers set +12025550123 available",
        ),
        (
            "numbers add acme +12025550124 --trunk other",
            "there is no trunk other, only carrier; add it: cordboard trunks add other",
        ),
        ("numbers import acme /nowhere", "cannot read /nowhere: No such file or directory (os error 2)"),
        (
            "assign alice +12025550199",
            "there is no number +12025550199; add it: cordboard numbers add ORGANIZATION +12025550199",
        ),
        (
            "assign gil +12025550123",
            "+12025550123 is organization acme's, and agent gil is globex's; give it back first: cordboard numbers set +12025550123 available",
        ),
        (
            "assign alice +12025550123 --daily-limit 1001",
            "the daily limit of an assignment is 1 to 1000 [assignment_daily_limit_is_1_to_1000]",
        ),
        (
            "assign alice +12025550123 --countries US,XX",
            "XX is no country whose numbers are known; countries are those of ISO 3166, such as GB",
        ),
        (
            "unassign gil +12025550123",
            "agent gil does not have +12025550123; `cordboard usage --agent gil` shows what there is",
        ),
        ("tokens revoke acme crm", "there is no valid token crm, nor any other; add it: cordboard tokens add acme crm"),
    ];
    for (command, line) in table {
        let ran = floor.run(command);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{command}: {}", ran.err);
        assert!(
            ran.err.starts_with("cordboard: ") && ran.err.ends_with(&format!("{line}\n")),
            "{command}: {}",
            ran.err
        );
        assert_eq!(ran.err.lines().count(), 1, "{command}: {}", ran.err);
    }
    for command in ["calls show", "explain"] {
        let ran = floor.run(&format!("{command} {call}"));
        let line = format!("cordboard: there is no call {call}; `cordboard calls list` shows the latest\n");
        assert_eq!((ran.code, ran.err), (1, line));
    }
}

#[test]
fn wrong_usage_is_2() {
    let floor = Floor::alice();
    for command in [
        "frobnicate",
        "agents",
        "agents add acme Bob",
        "agents add acme Bob --endpoint 1bob",
        "organizations add a --name A --country USA --time-zone UTC",
        "organizations add a --name A --country US --time-zone UTC --emergency-caller-id 911",
        "calls show x",
        "calls list --limit 0",
        "calls list --disposition maybe",
        "assign alice +12025550123 --classes dear",
        "completions tcsh",
        "dial alice +12025550199",
        "dial alice +12025550199 --token t --url nowhere",
    ] {
        let ran = floor.run(command);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{command}: {}", ran.err);
        assert!(!ran.err.is_empty(), "{command}");
    }
}

#[test]
fn without_a_database() {
    let floor = Floor::bare();
    let lacking = floor.run("organizations list");
    assert_eq!(lacking.code, 1);
    assert!(lacking.err.starts_with("cordboard: the database lacks 0001 people and numbers, "), "{}", lacking.err);
    assert!(lacking.err.ends_with("; run `cordboard migrate`\n"), "{}", lacking.err);

    let gone = floor.url().replace("/cordboard_cli_", "/gone_");
    for url in ["postgres://cordboard@127.0.0.1:1/nothing", &gone] {
        for command in ["organizations list", "migrate", "dial alice +12025550199 --dry-run"] {
            let away = floor
                .program()
                .args(command.split_whitespace())
                .env("CORDBOARD__POSTGRES__URL", url)
                .output()
                .expect("the program runs");
            let err = String::from_utf8_lossy(&away.stderr);
            assert_eq!(away.status.code(), Some(69), "{command}: {err}");
            assert!(err.starts_with("cordboard: the database is not available: "), "{err}");
            assert!(err.ends_with("; check that Postgres runs, and the key postgres.url\n"), "{err}");
        }
    }
    let nowhere = floor.run("organizations list --config /nowhere.toml");
    assert_eq!((nowhere.code, nowhere.err.lines().count()), (78, 1), "{}", nowhere.err);
}
