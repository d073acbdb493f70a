//! Users, narrowed tokens, and the audit trail.

use crate::floor::Floor;
use cordboard::keys;
use serde_json::Value;

#[test]
fn a_user_gets_a_password_once_and_signs_in_with_it() {
    let floor = Floor::alice();
    let knows = |email: &str, password: &str| {
        let candidate = floor.runtime.block_on(async { floor.store().candidate(email).await }).expect("an answer");
        candidate.is_some_and(|user| user.active && keys::is_password(&password.into(), user.password_hash.as_ref()))
    };
    let made = floor.run("users add acme olga@example.org --role owner --name Olga");
    assert_eq!(made.err, "added owner olga@example.org of acme; the password is not shown again:\n");
    assert!(knows("olga@example.org", made.out.trim_end()));
    let bob = floor.json("users add acme bob@example.org --role agent --agent alice");
    assert!(knows("BOB@example.org", bob["password"].as_str().expect("a password")));
    assert_eq!(bob["agentId"], floor.json("agents list")[0]["id"]);
    let typed = floor.run_with_input("users password olga@example.org --password-stdin", b"correct horse battery\n");
    assert_eq!(typed.out, "new password for olga@example.org, who is signed out everywhere\n");
    assert!(knows("olga@example.org", "correct horse battery") && !knows("olga@example.org", made.out.trim_end()));
    let short = floor.run_with_input("users password olga@example.org --password-stdin", b"short\n");
    assert_eq!((short.code, short.err.as_str()), (1, "cordboard: a password has 12 to 128 characters\n"));
    floor.ok("users role bob@example.org manager");
    floor.ok("users disable olga@example.org");
    assert!(!knows("olga@example.org", "correct horse battery"));
    let list = floor.ok("users list acme");
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["bob@example.org", "-", "acme", "manager", "alice", "-", "on"]);
    assert_eq!(lines[2], ["olga@example.org", "Olga", "acme", "owner", "-", "-", "off"]);
    assert!(!floor.ok("users list --json").contains("argon2"));
    let nobody = floor.run("users role eve@example.org owner");
    assert!(
        nobody.err.contains("there is no user eve@example.org, only bob@example.org, olga@example.org"),
        "{}",
        nobody.err
    );
    assert_eq!(floor.run("users role bob@example.org king").code, 2);
    let taken = floor.run("users add acme BOB@example.org --role agent");
    assert!(taken.err.contains("there is a user with that address already"), "{}", taken.err);
}

#[test]
fn a_token_is_narrowed_and_expires() {
    let floor = Floor::alice();
    let made = floor.json("tokens add acme wallboard --role manager --acts calls.see,usage.see --expires-in-days 90");
    assert_eq!(made["role"], "manager");
    assert_eq!(made["acts"], serde_json::json!(["calls.see", "usage.see"]));
    assert!(made["expiresAt"].is_string() && made["createdBy"] == "cli:unknown", "{made}");
    assert_eq!(floor.json("tokens add acme crm")["role"], "admin", "as before there were roles");
    let agents = floor.run("tokens add acme diallers --role agent");
    assert!(agents.err.contains("an agent's token needs the agent it is for"), "{}", agents.err);
    floor.ok("tokens add acme dialler --role agent --agent alice");
    let wrong = floor.run("tokens add acme x --acts calls.everything");
    assert!(wrong.code == 2 && wrong.err.contains("it must be the name of an act"), "{}", wrong.err);
}

#[test]
fn the_trail_tells_who_and_is_found_broken_by_row() {
    let floor = Floor::alice();
    floor.sql("UPDATE agents SET name = 'Alicia'");
    let list = floor.json("audit list acme --what agents");
    let hand = &list[0];
    assert_eq!((&hand["before"]["name"], &hand["after"]["name"]), (&"Alice".into(), &"Alicia".into()));
    assert!(hand["actor"].as_str().is_some_and(|actor| actor.starts_with("sql:")), "{hand}");
    assert_eq!(list[1]["actor"], "cli:unknown");
    assert!(!floor.ok("audit list acme --json").contains(&format!("\"sipHa1\": \"{}", "0")), "no secrets");
    assert!(floor.ok("audit list acme").contains(r#"name: "Alice" → "Alicia""#));
    assert!(floor.ok("audit list").contains("insert trunks"), "the house has a trail too");
    let whole = floor.ok("audit verify acme");
    let head = whole.trim_end().rsplit(' ').next().expect("a head").to_owned();
    assert!(whole.starts_with("ok      acme: "), "{whole}");
    floor.ok(&format!("audit verify acme --head {head}"));
    let rows: i64 = head.split(':').next().and_then(|row| row.parse().ok()).expect("a row");
    // The end is cut off: whole, and only shorter.
    floor.sql(&format!(
        "SET session_replication_role = replica; DELETE FROM audit WHERE seq = {rows} AND what = 'agents'"
    ));
    floor.ok("audit verify acme");
    let short = floor.run(&format!("audit verify acme --head {head}"));
    assert_eq!(short.code, 1);
    assert!(short.out.starts_with(&format!("BROKEN  acme: row {rows} is not the one")), "{}", short.out);
    floor.sql("SET session_replication_role = replica; UPDATE audit SET actor = 'daemon' WHERE seq = 2");
    let broken = floor.run("audit verify");
    assert_eq!(broken.code, 1);
    assert!(broken.out.contains("BROKEN  acme: row 2: it was changed after it was written; 1 rows"), "{}", broken.out);
    let json: Value = floor.run("audit verify acme --json").json();
    assert_eq!(json[0]["broken"], serde_json::json!({ "seq": 2, "what": "changed" }));
}
