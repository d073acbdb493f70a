//! `cordboard doctor`: the database's side. What it says of Asterisk is seen in the live ring.

use crate::floor::{Floor, Ran};
use serde_json::Value;

fn doctor(floor: &Floor) -> (i32, Vec<(String, String, String)>) {
    // Nobody listens there.
    let variables = [("CORDBOARD__NODE__0__URL", "http://127.0.0.1:1"), ("CORDBOARD__HTTP__LISTEN", "127.0.0.1:1")];
    let ran: Ran = floor.program().args(["doctor", "--json"]).envs(variables).output().expect("it runs").into();
    let json = ran.json();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let checks = json["checks"].as_array().expect("checks");
    (ran.code, checks.iter().map(|f| (word(f, "check"), word(f, "level"), word(f, "found"))).collect())
}

fn is(checks: &[(String, String, String)], check: &str, level: &str, found: &str) {
    let of = checks.iter().filter(|(name, ..)| name == check);
    let there = of.clone().any(|(_, is, text)| is == level && text.contains(found));
    assert!(there, "{check}: wanted {level} {found:?}, found {:?}", of.collect::<Vec<_>>());
}

#[test]
fn tables_that_are_not_there_yet_and_nobody_at_home() {
    let floor = Floor::bare();
    let (code, checks) = doctor(&floor);
    assert_eq!(code, 1);
    is(&checks, "postgres", "ok", "version ");
    is(&checks, "migrations", "failed", "lacks 0001 people and numbers");
    is(&checks, "asterisk", "failed", "nobody answers at http://127.0.0.1:1");
    is(&checks, "daemon", "failed", "nobody answers at 127.0.0.1:1");
    floor.ok("migrate");
    let (_, checks) = doctor(&floor);
    is(&checks, "migrations", "ok", "up to date");
    is(&checks, "clock", "ok", "from the database's");
}

#[test]
fn a_database_that_is_away_does_not_hide_the_rest() {
    let floor = Floor::bare();
    floor.settings("[postgres]\nurl = \"postgres://x@127.0.0.1:1/x\"\n[[node]]\nname = \"floor-1\"\npassword = \"correct-horse-battery\"\n");
    let (code, checks) = doctor(&floor);
    assert_eq!(code, 1);
    is(&checks, "postgres", "failed", "not available");
    is(&checks, "asterisk", "failed", "nobody answers");
    assert_eq!(checks.iter().filter(|(check, ..)| check == "migrations").count(), 0, "{checks:?}");
}

#[test]
fn a_clock_and_a_zone_that_are_off() {
    let floor = Floor::acme();
    floor.ok("organizations add east --name East --country US --time-zone UTC");
    let (_, checks) = doctor(&floor);
    is(&checks, "clock", "ok", "");
    is(&checks, "time_zones", "ok", "2 in use");
    // The server's clock is five seconds fast, and it has lost a zone.
    floor.sql(
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
            $$ SELECT pg_catalog.clock_timestamp() + interval '5 s' $$;
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$;
         ALTER TABLE organizations DROP CONSTRAINT time_zone_is_an_iana_name;
         UPDATE organizations SET time_zone = 'Mars/Olympus' WHERE slug = 'east';",
    );
    let (code, checks) = doctor(&floor);
    assert_eq!(code, 1);
    is(&checks, "clock", "warning", "the database's clock and this machine's are 4.9");
    is(&checks, "time_zones", "failed", "the database does not know Mars/Olympus, the time zone of east");
}

#[test]
fn settings_that_are_wrong_are_78_and_those_that_are_doubtful_a_warning() {
    let floor = Floor::acme();
    floor.settings("[postgres]\nurl = \"{url}\"\n[[node]]\nname = \"Floor 1\"\n");
    assert_eq!(floor.run("doctor").code, 78);
    floor.settings("[postgres]\nurl = \"{url}\"\n[[node]]\nname = \"floor-1\"\npassword = \"short\"\n");
    let (_, checks) = doctor(&floor);
    is(&checks, "configuration", "warning", "node[0].password");
    is(&checks, "emergency", "warning", "911");
}
