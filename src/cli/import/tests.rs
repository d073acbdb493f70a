//! Lists of numbers as nobody should write them, mutated from a seed: every line gets its answer, and nothing that is
//! accepted is no number. `CORDBOARD_FUZZ_RUNS` and `CORDBOARD_TORTURE_SEED` as in `tests/fuzz`.

#[path = "../../../tests/fuzz/mutator.rs"]
mod mutator;

use super::{Checks, Fate};
use crate::core::ids::OrganizationId;
use crate::store::organizations::Organization;
use mutator::{Chance, Witness, mutated};
use std::collections::BTreeSet;

const SEEDS: [&str; 3] = [
    "number,provider,region,name,trunk,daily_limit\n+12125550101,telnyx,US,Main,carrier,100\n2125550102,,,,,\n",
    "+12125550101,telnyx,US\n+442079460123,bt,GB,\"London, desk\"\n\n+12125550101\n",
    "\u{feff}NUMBER;name\r\n\"+1 (212) 555-0101\"\r\n",
];

#[test]
fn lists_of_numbers() {
    let variable = |name: &str, otherwise: usize| std::env::var(name).map_or(otherwise, |n| n.parse().expect(name));
    let runs = variable("CORDBOARD_FUZZ_RUNS", 20_000) / 4;
    let checks = Checks {
        organization: Organization {
            id: OrganizationId(uuid::Uuid::nil()),
            slug: "acme".to_owned(),
            name: "Acme".to_owned(),
            country: "US".parse().expect("a country"),
            time_zone: "America/New_York".to_owned(),
            emergency_caller_id: None,
            active: true,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        },
        trunks: BTreeSet::from(["carrier".parse().expect("a trunk")]),
        extra: Vec::new(),
    };
    let seeds = SEEDS.map(|text| text.as_bytes().to_vec());
    let mut chance = Chance::new(u64::try_from(variable("CORDBOARD_TORTURE_SEED", 1)).unwrap_or(1));
    let (mut good, mut bad) = (0, 0);
    for _ in 0..runs {
        let input = mutated(&seeds, &mut chance);
        let _witness = Witness(&input);
        let Ok((lines, rows)) = checks.read(&input) else { continue };
        let accepted = lines.iter().filter(|line| line.result != Fate::Error).count();
        assert_eq!(accepted, rows.len());
        // A lone carriage return ends a row, but no line.
        assert!(lines.windows(2).all(|two| two[0].at <= two[1].at), "lines out of order");
        for (place, row) in &rows {
            assert_eq!(lines[*place].number, row.e164.to_string());
            assert!(row.daily_limit.is_none_or(|limit| (1..=100_000).contains(&limit)));
        }
        good += rows.len();
        bad += lines.len() - accepted;
    }
    println!("| fuzz: lists of numbers | {runs} inputs, {good} lines accepted, {bad} refused | panics **0** |");
    assert!(good > 0 && bad > 0, "the inputs are all alike");
}
