//! The database.

use super::finding::Finding;
use super::{CLOCKS_APART, apart, seconds};
use crate::store::inspect::Zone;
use crate::store::{Store, StoreError};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);
/// The oldest server that the tests have seen.
const VERSION_MIN: i32 = 140_000;
/// Offsets are compared at so many moments, a month apart: rules that are out of date show before they matter.
const MONTHS: i32 = 14;
const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Everything about the database. When it does not answer, that is all there is to say.
pub async fn postgres(store: &Store, now: fn() -> Timestamp) -> Vec<Finding> {
    let Ok(findings) = tokio::time::timeout(LIMIT, all(store, now)).await else {
        return vec![away(&format!("no answer within {} s", LIMIT.as_secs()))];
    };
    findings.unwrap_or_else(|error| vec![away(&error.to_string())])
}

fn away(why: &str) -> Finding {
    Finding::failed("postgres", why, "check that Postgres runs, and the key postgres.url")
}

async fn all(store: &Store, now: fn() -> Timestamp) -> Result<Vec<Finding>, StoreError> {
    let server = store.server_info().await?;
    let mut findings = vec![if server.version_number < VERSION_MIN {
        Finding::failed("postgres", format!("version {}", server.version), "upgrade to 14 or later")
    } else {
        Finding::ok("postgres", format!("version {}", server.version))
    }];
    let pending = store.pending_migrations().await?;
    if pending.is_empty() {
        findings.push(Finding::ok("migrations", "the tables are up to date"));
    } else {
        findings.push(Finding::failed("migrations", format!("lacks {}", pending.join(", ")), "run cordboard migrate"));
        return Ok(findings);
    }
    findings.extend(look_at_clock_and_zones(store, now).await?);
    Ok(findings)
}

/// Clock and time zones alone, for a daemon that has found the rest in order. Empty if the database does not answer.
pub async fn clock_and_zones(store: &Store, now: fn() -> Timestamp) -> Vec<Finding> {
    match tokio::time::timeout(LIMIT, look_at_clock_and_zones(store, now)).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

async fn look_at_clock_and_zones(store: &Store, now: fn() -> Timestamp) -> Result<Vec<Finding>, StoreError> {
    // Once for the connection, so that the second time measures the clock only.
    store.ping().await?;
    let before = now();
    let server = store.server_info().await?;
    let apart = apart(before, server.now, now());
    let mut findings = vec![if apart > CLOCKS_APART {
        let found = format!("the database's clock and this machine's are {} apart", seconds(apart));
        Finding::warning("clock", found, "run a time service (chrony, systemd-timesyncd) on both")
    } else {
        Finding::ok("clock", format!("{} from the database's", seconds(apart)))
    }];
    let moments: Vec<Timestamp> = (0..MONTHS).filter_map(|n| before.checked_add(MONTH * n).ok()).collect();
    findings.extend(zones(&store.zones(&moments).await?, &moments));
    Ok(findings)
}

fn zones(zones: &[Zone], moments: &[Timestamp]) -> Vec<Finding> {
    let bad: Vec<Finding> = zones.iter().filter_map(|zone| off(zone, moments)).collect();
    if bad.is_empty() {
        let known = format!("{} in use; the database and this machine agree on each", zones.len());
        return vec![Finding::ok("time_zones", known)];
    }
    bad
}

fn off(zone: &Zone, moments: &[Timestamp]) -> Option<Finding> {
    let whose = zone.organizations.join(", ");
    let name = &zone.name;
    if zone.offsets_s.len() != moments.len() {
        let found =
            format!("the database does not know {name}, the time zone of {whose}: their calls cannot be counted");
        return Some(Finding::failed("time_zones", found, "update the time zone data of the Postgres server"));
    }
    let Ok(here) = TimeZone::get(name) else {
        let found = format!("this machine does not know {name}, the time zone of {whose}");
        return Some(Finding::warning("time_zones", found, "install the package tzdata here"));
    };
    let differs = |(at, there): &(&Timestamp, &i32)| here.to_offset(**at).seconds() != **there;
    let (at, there) = moments.iter().zip(&zone.offsets_s).find(differs)?;
    let (day, here_s) = (at.to_zoned(TimeZone::UTC).date(), here.to_offset(*at).seconds());
    let found =
        format!("{name} is {there} s from UTC on {day} for the database, {here_s} s for this machine ({whose})");
    Some(Finding::warning("time_zones", found, "update tzdata on both: the day of a limit begins at the wrong time"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Level;

    fn zone(name: &str, offsets_s: Vec<i32>) -> Zone {
        Zone { name: name.to_owned(), organizations: vec!["acme".to_owned()], offsets_s }
    }

    #[test]
    fn zones_that_nobody_or_only_one_side_knows_are_told_and_so_is_a_rule_that_differs() {
        let moments = ["2026-01-15T12:00:00Z", "2026-07-15T12:00:00Z"].map(|at| at.parse().expect("a time"));
        let found = |zone| {
            let finding = zones(&[zone], &moments).remove(0);
            (finding.level, finding.found)
        };
        assert_eq!(found(zone("America/New_York", vec![-18000, -14400])).0, Level::Ok);
        let (level, text) = found(zone("America/New_York", vec![]));
        assert_eq!(level, Level::Failed);
        assert!(text.starts_with("the database does not know America/New_York, the time zone of acme"), "{text}");
        assert_eq!(found(zone("Mars/Olympus", vec![0, 0])).0, Level::Warning);
        let (level, text) = found(zone("America/New_York", vec![-18000, -18000]));
        assert_eq!(level, Level::Warning);
        assert!(text.contains("-18000 s from UTC on 2026-07-15 for the database, -14400 s for this machine"), "{text}");
    }
}
