//! Lists of numbers as people write them, and as nobody should: whole, cut into pieces, and mutated from a seed.
//! `CORDBOARD_FUZZ_RUNS` and `CORDBOARD_TORTURE_SEED` as in `tests/fuzz`.

#[path = "../../../tests/fuzz/mutator.rs"]
mod mutator;

use super::*;
use mutator::{Chance, Witness, mutated};
use std::collections::BTreeSet;

fn rules() -> Rules {
    Rules {
        country: Some("US".parse().expect("a country")),
        trunks: BTreeSet::from(["carrier".parse().expect("a trunk")]),
        extra: Vec::new(),
    }
}

/// In pieces of so many bytes.
fn read(bytes: &[u8], piece: usize) -> Result<Vec<Line>, Unreadable> {
    let (mut reader, mut lines) = (Reader::new(rules()), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.feed(piece, &mut lines)?;
    }
    reader.finish(&mut lines)?;
    Ok(lines)
}

/// Line and number of what is good; line, column and field of what is not.
fn shown(bytes: &[u8]) -> Vec<String> {
    let lines = read(bytes, 4096).expect("a list");
    for piece in [1, 2, 3, 7] {
        assert_eq!(read(bytes, piece).as_ref(), Ok(&lines), "in pieces of {piece}");
    }
    let show = |line: Line| match line.read {
        Ok((entry, _)) => format!("{} {}", line.line, entry.e164),
        Err(wrong) => format!("{}:{} {}", line.line, wrong.column, wrong.field.unwrap_or("-")),
    };
    lines.into_iter().map(show).collect()
}

#[test]
fn without_a_header_the_columns_are_in_order() {
    let lines =
        read(b"+12025550123,telnyx,US\n\n(202) 555-0124,twilio,us,Main,carrier,50,TOLL_FREE,PN1,voice sms,{}\n", 5);
    let lines = lines.expect("a list");
    assert_eq!((lines[0].line, lines[1].line), (1, 3));
    let (entry, _) = lines[1].read.clone().expect("a number");
    assert_eq!(entry.e164.as_str(), "+12025550124");
    assert_eq!(entry.friendly_name.map(|name| name.to_string()).as_deref(), Some("Main"));
    assert_eq!((entry.daily_limit, entry.kind.map(super::super::NumberKind::as_str)), (Some(50), Some("toll_free")));
}

#[test]
fn a_header_may_be_another_systems() {
    let list = b"Country Code,phoneNumber,friendly_name\r\nUS,+12025550123,Main\r\n,+12025550124,\r\n";
    assert_eq!(shown(list), ["2 +12025550123", "3 +12025550124"]);
}

#[test]
fn what_is_wrong_is_named_by_line_and_column() {
    let list = b"number,trunk,daily_limit,name\n+12025550130,nobody,,\n+12025550131,,0,\n+12025550132,,,a,b\n,,1,\n\
        x,,,\n+12025550133,,,\xe9\n+12025550134,,,\"a\nb\"\n+12025550135,,,fine\n";
    let seen = shown(list);
    assert_eq!(
        seen,
        ["2:2 trunk", "3:3 daily_limit", "4:5 -", "5:1 number", "6:1 number", "7:4 -", "8:4 name", "10 +12025550135"]
    );
}

#[test]
fn a_byte_order_mark_is_skipped_and_a_missing_end_of_line_forgiven() {
    assert_eq!(shown("\u{feff}number\n+12025550123".as_bytes()), ["2 +12025550123"]);
    assert_eq!(shown("\u{feff}+12025550123".as_bytes()), ["1 +12025550123"]);
    assert_eq!(shown(b""), [""; 0]);
    assert_eq!(shown("\u{feff}".as_bytes()), [""; 0]);
}

#[test]
fn what_is_no_list_is_refused_as_a_whole() {
    let utf16: Vec<u8> = "number\n+12025550123\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe], utf16.as_slice()].concat();
    let endless = [b"+12025550123,\"".as_slice(), &vec![b'\n'; 2 * MAX_LINE_BYTES]].concat();
    let wide = [b"+12025550123".as_slice(), &[b','; 40]].concat();
    let cases: [(&[u8], u64, &str); 6] = [
        (&marked, 1, "UTF-16"),
        (&utf16, 1, "UTF-16"),
        (&endless, 1, "quotation mark"),
        (&wide, 1, "columns"),
        (b"number,colour\n", 1, "no column \"colour\""),
        (b"number,phone_number\n", 1, "twice"),
    ];
    for (list, line, message) in cases {
        for piece in [1, 4096] {
            let error = read(list, piece).expect_err(message);
            assert!(error.line == line && error.message.contains(message), "{error}");
        }
    }
}

const SEEDS: [&str; 3] = [
    "number,provider,region,name,trunk,daily_limit\n+12125550101,telnyx,US,Main,carrier,100\n2125550102,,,,,\n",
    "+12125550101,telnyx,US\n+442079460123,bt,GB,\"London, desk\"\n\n+12125550101,,,,,,local,X,voice,{\"a\":1}\n",
    "\u{feff}NUMBER;name\r\n\"+1 (212) 555-0101\"\r\n",
];

#[test]
fn lists_of_numbers() {
    let variable = |name: &str, otherwise: usize| std::env::var(name).map_or(otherwise, |n| n.parse().expect(name));
    let runs = variable("CORDBOARD_FUZZ_RUNS", 20_000) / 4;
    let seeds = SEEDS.map(|text| text.as_bytes().to_vec());
    let mut chance = Chance::new(u64::try_from(variable("CORDBOARD_TORTURE_SEED", 1)).unwrap_or(1));
    let (mut good, mut bad) = (0, 0);
    for run in 0..runs {
        let input = mutated(&seeds, &mut chance);
        let _witness = Witness(&input);
        let whole = read(&input, 4096);
        if run % 8 == 0 {
            // where it is cut does not matter
            let pieces = read(&input, 1 + run % 13);
            assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok());
        }
        let Ok(lines) = whole else { continue };
        // A lone carriage return ends a row, but no line.
        assert!(lines.windows(2).all(|two| two[0].line <= two[1].line), "lines out of order");
        for line in &lines {
            match &line.read {
                Ok((entry, _)) => assert!(entry.daily_limit.is_none_or(|limit| (1..=100_000).contains(&limit))),
                Err(wrong) => assert!(wrong.column >= 1 && !wrong.message.is_empty()),
            }
        }
        let accepted = lines.iter().filter(|line| line.read.is_ok()).count();
        good += accepted;
        bad += lines.len() - accepted;
    }
    println!("| fuzz: lists of numbers | {runs} inputs, {good} lines accepted, {bad} refused | panics **0** |");
    assert!(good > 0 && bad > 0, "the inputs are all alike");
}
