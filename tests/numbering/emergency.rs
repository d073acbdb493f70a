//! What is an emergency, and what only looks like one.

use super::{Random, region};
use cordboard::core::number::RegionCode;
use cordboard::numbering::parse_dialled;
use cordboard::policy::emergency::{emergency_numbers, is_emergency};

#[test]
fn territories_and_emergency_numbers() {
    for (country, numbers) in [
        ("US", "112 911"),
        ("CA", "112 911"),
        ("GB", "112 999"),
        ("IE", "112 999"),
        ("DE", "110 112"),
        ("FR", "15 17 18 112"),
        ("AU", "000 106 112"),
        ("NZ", "111"),
        ("JP", "110 119"),
        ("BR", "112 128 190 192 193 911"),
        ("LT", "01 02 03 011 022 033 101 102 103 112"),
    ] {
        assert_eq!(emergency_numbers(&region(country)).collect::<Vec<_>>().join(" "), numbers, "{country}");
        for number in numbers.split(' ') {
            for raw in [number.to_owned(), format!(" {number} "), format!("+{number}"), number.replace("", "-")] {
                assert!(is_emergency(&raw, &region(country)), "{country} {raw:?}");
            }
        }
    }
}

#[test]
fn emergency_numbers_are_these_and_no_others() {
    // The territories whose numbers are also what counts where nothing is known.
    let plain = ["BQ", "CA", "CR", "CW", "DO", "NL", "US"];
    let candidates: Vec<String> = (1..=4_usize)
        .flat_map(|length| {
            (0..10_usize.pow(u32::try_from(length).expect("small"))).map(move |n| format!("{n:0length$}"))
        })
        .collect();
    let (mut territories, mut listed, mut short, mut found) = (0, 0, 0, 0);
    for a in 'A'..='Z' {
        for b in 'A'..='Z' {
            let country = region(&format!("{a}{b}"));
            let numbers: Vec<_> = emergency_numbers(&country).collect();
            if numbers == ["112", "911"] && !plain.contains(&country.as_str()) {
                continue;
            }
            territories += 1;
            listed += numbers.iter().filter(|number| is_emergency(number, &country)).count();
            short += numbers.iter().filter(|number| number.len() <= 4).count();
            found += candidates.iter().filter(|candidate| is_emergency(candidate, &country)).count();
        }
    }
    // 240 territories and 827 numbers in the metadata, 12 of them of five or six digits; among all strings of up to four
    // digits no others are found.
    assert_eq!((territories, listed, short, found), (240, 827, 815, 815));
}

#[test]
fn what_only_looks_like_an_emergency_is_none() {
    let us = region("US");
    let others = [
        "",
        "+",
        "-",
        "9",
        "91",
        "9911",
        "0911",
        "1911",
        "+1911",
        "+1 911",
        "9111",
        "91100",
        "911911",
        "9-11-2025550123",
        "9112025550123",
        "+9112025550123",
        "1122334455",
        "+112233445566",
        "00112",
        "011911",
        "++911",
        "+9+11",
        "911+",
        "911#",
        "*911",
        "911;1",
        "911@trunk",
        "911,",
        "sip:911",
        "９１１",
        "٩١١",
        "911\n",
        "911\0",
        "999",
        "000",
        "110",
    ];
    for raw in others {
        assert!(!is_emergency(raw, &us), "{raw:?}");
    }
    assert!(!is_emergency(&"911".repeat(10_000), &us));
    assert!(!is_emergency(&"9".repeat(10_000), &us));
    assert!(!is_emergency("911", &region("FR")));
    // Where the data says nothing.
    for country in ["GN", "ZZ", "001"] {
        assert!(is_emergency("112", &region(country)) && is_emergency("911", &region(country)));
        assert!(!is_emergency("999", &region(country)));
    }
}

/// What the emergency check must not be.
fn begins_like_an_emergency(raw: &str, country: RegionCode) -> bool {
    let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
    emergency_numbers(&country).any(|number| digits.starts_with(number))
}

#[test]
fn a_hundred_thousand_numbers_and_no_emergency() {
    // A country, what its numbers begin with, and how many digits follow.
    const PLANS: [(&str, &[&str], usize); 6] = [
        ("US", &["202", "1202", "+1202", "911", "112", "0114420", "+91124"], 7),
        ("GB", &["0113", "0112", "0118", "+44113", "+441129", "999", "00112"], 7),
        ("FR", &["01", "+331", "15", "17", "18", "112", "0112"], 8),
        ("IN", &["011", "98", "+9111", "+91112", "100", "112"], 8),
        ("AU", &["02", "000", "+612", "+61112", "0011120"], 8),
        ("DE", &["030", "0110", "110", "112", "0112", "+4930"], 7),
    ];
    let mut random = Random(42);
    let (mut valid, mut diverted, mut diverted_by_prefix) = (0, 0, 0);
    while valid < 100_000 {
        let (code, beginnings, digits) = PLANS[random.below(PLANS.len())];
        let country = region(code);
        let mut raw = beginnings[random.below(beginnings.len())].to_owned();
        for _ in 0..digits {
            raw.push(char::from(b'0' + u8::try_from(random.below(10)).expect("a digit")));
        }
        diverted += usize::from(is_emergency(&raw, &country));
        let is_valid = parse_dialled(&raw, &country, &[]).is_ok();
        valid += usize::from(is_valid);
        diverted_by_prefix += usize::from(is_valid && begins_like_an_emergency(&raw, country));
    }
    assert_eq!(diverted, 0);
    assert!(diverted_by_prefix > 100, "the control diverted only {diverted_by_prefix}");
}
