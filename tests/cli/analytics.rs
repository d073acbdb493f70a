//! Metrics and discovery by the command line.

use crate::floor::Floor;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

/// A call of Alice's on that day, answered, of 65 s; and one from a number that nobody has here.
fn calls(floor: &Floor, day: &str) {
    floor.sql(&CALLS.replace("{day}", day));
}

/// Days that are summed up.
fn summed(floor: &Floor) -> Vec<String> {
    floor.runtime.block_on(async {
        let mut connection = PgConnection::connect(&floor.url()).await.expect("the database");
        let days = sqlx::query_scalar("SELECT day::text FROM metric_days ORDER BY day");
        days.fetch_all(&mut connection).await.expect("days")
    })
}

const CALLS: &str = "
    INSERT INTO calls (id, organization_id, agent_id, node, number_id, assignment_id, region, day, requested_at, invite_sent_at,
        answered_at, ended_at, settled_at, disposition, talk_ms)
    SELECT cordboard_first_id(at), g.organization_id, g.id, 'floor-1', CASE WHEN k = 1 THEN a.number_id END,
        CASE WHEN k = 1 THEN a.id END, 'US', d.day, at, at, at, at, at, 'answered', 65000
    FROM agents g JOIN assignments a ON a.agent_id = g.id JOIN organizations o ON o.id = g.organization_id,
        LATERAL (SELECT {day} AS day) d, generate_series(1, 2) k,
        LATERAL (SELECT (d.day + interval '12 hours' + k * interval '1 minute') AT TIME ZONE o.time_zone AS at) t
    WHERE g.endpoint = 'alice';
    INSERT INTO call_numbers (call_id, destination, presented)
    SELECT id, '+12125559999', '+12125557001' FROM calls WHERE number_id IS NULL";

#[test]
fn figures_are_shown_to_people_and_programs() {
    let floor = Floor::alice();
    calls(&floor, "date '2025-06-02'");
    let found = floor.json("analytics dashboard acme --number +12025550123 --date 2025-06-02");
    assert_eq!(
        (&found["calls"], &found["answered"], &found["successRate"], &found["avgCallDuration"]),
        (&json!(1), &json!(1), &json!(1.0), &json!(65.0))
    );
    assert_eq!(summed(&floor), Vec::<String>::new(), "a day of one number is read call by call");
    let shown = floor.ok("analytics dashboard acme --date 2025-06-02");
    for part in [
        "calls             2\n",
        "success rate      100.0%\n",
        "average duration  1:05\n",
        "12:00  13:00",
        "alice",
        "US",
    ] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    assert_eq!(summed(&floor), ["2025-06-02"], "a day of the whole floor is summed up");
    let compared = floor.ok("analytics compare acme --from 2025-06-01 --to 2025-06-03");
    assert!(compared.contains("+12025550123") && compared.contains("total"), "{compared}");
    assert!(floor.ok("analytics sum acme").starts_with("all days that are over since "));
    for (words, code, why) in [
        ("analytics dashboard acme --number +12025559999", 1, "cordboard: one of these is no number of theirs"),
        ("analytics dashboard acme --group department=x", 1, "cordboard: no number has department=x"),
        ("analytics dashboard nobody", 1, "cordboard: there is no organization nobody"),
        ("analytics compare acme --from 2025-06-02 --to 2025-06-01", 2, "cordboard: there must be 1 to 366 days"),
        ("analytics compare acme --agent nobody", 1, "cordboard: there is no agent nobody"),
    ] {
        let ran = floor.run(words);
        assert_eq!(ran.code, code, "{words}: {}", ran.err);
        assert!(ran.err.starts_with(why), "{words}: {}", ran.err);
    }
}

#[test]
fn numbers_are_found_and_only_those_that_are_named_are_added() {
    let floor = Floor::alice();
    calls(&floor, "cordboard_local_day(o.time_zone) - 1");
    let count = || floor.json("numbers list --organization acme").as_array().map(Vec::len);
    let shown = floor.ok("analytics discover acme");
    assert!(shown.contains("+12125557001") && !shown.contains("+12125559999"), "{shown}");
    assert_eq!(count(), Some(1));
    let log = floor.file(
        "calls.csv",
        "direction,from,to,started_at,duration_s\n\
         outbound,+12125558001,+12125559998,2026-01-02T12:00:00Z,30\n\
         inbound,+12125559998,+12125558002,2026-01-02T13:00:00Z,0\n\
         outbound,+12025550123,+12125558002,2026-01-02T14:00:00Z,5\n",
    );
    let found = floor.json(&format!("analytics discover acme --file {log}"));
    let numbers: Vec<_> =
        found.as_array().expect("candidates").iter().map(|c| (&c["number"], &c["otherSide"])).collect();
    assert_eq!(numbers, [(&json!("+12125558001"), &json!(0)), (&json!("+12125558002"), &json!(1))]);
    for wrong in ["+12125559998", "+12025550123", "+12125557001"] {
        let ran = floor.run(&format!("analytics discover acme --file {log} --add +12125558001 --add {wrong}"));
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.starts_with(&format!("cordboard: nothing was added: {wrong} was not found")), "{}", ran.err);
    }
    assert_eq!(count(), Some(1), "all or nothing");
    let added = floor.json(&format!("analytics discover acme --file {log} --add +12125558001"));
    assert_eq!(added["added"], 1);
    assert_eq!(count(), Some(2));
    let wrong = floor.file(
        "wrong.csv",
        "direction,from,to,started_at,duration_s\nsideways,+12125558001,x,now,1\noutbound,sales,x,now,1\n",
    );
    let ran = floor.run(&format!("analytics discover acme --file {wrong}"));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("nothing was looked for: 2 lines of "), "{}", ran.err);
    assert!(ran.err.contains("line 2: direction must be outbound or inbound"), "{}", ran.err);
    assert!(ran.err.contains("line 3: from is on our side"), "{}", ran.err);
}
