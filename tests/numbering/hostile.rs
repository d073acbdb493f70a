//! What does not belong into a number.

use super::region;
use cordboard::numbering::{DialError, parse_dialled, parse_owned_number};

/// What people, programs and attackers put where a number belongs, and the reason it is refused with.
const HOSTILE: &[(&str, &str)] = &[
    ("", "empty"),
    (" ", "empty"),
    ("+", "empty"),
    ("().- ", "empty"),
    ("12025550123@trunk", "symbol_not_allowed"),
    ("1555@trunk", "symbol_not_allowed"),
    ("12025550123&PJSIP/trunk", "symbol_not_allowed"),
    ("500&PJSIP/itsp/14165550123", "symbol_not_allowed"),
    ("12025550123;tag=1", "symbol_not_allowed"),
    ("12025550123;ext=12", "symbol_not_allowed"),
    ("12025550123;phone-context=+44", "symbol_not_allowed"),
    ("12025550123/n", "symbol_not_allowed"),
    ("12025550123/202", "symbol_not_allowed"),
    ("../../etc/passwd", "symbol_not_allowed"),
    ("12025550123%20", "symbol_not_allowed"),
    ("%2B12025550123", "symbol_not_allowed"),
    ("12025550123,,12", "symbol_not_allowed"),
    ("12025550123?Replaces=1", "symbol_not_allowed"),
    ("*67 12025550123", "symbol_not_allowed"),
    ("*67", "symbol_not_allowed"),
    ("#31#12025550123", "symbol_not_allowed"),
    ("12025550123#", "symbol_not_allowed"),
    ("12025550123!", "symbol_not_allowed"),
    ("12025550123\"", "symbol_not_allowed"),
    ("12025550123' OR '1'='1", "symbol_not_allowed"),
    ("12025550123'; DROP TABLE call;--", "symbol_not_allowed"),
    ("<12025550123>", "symbol_not_allowed"),
    ("${EXTEN}", "symbol_not_allowed"),
    ("$(reboot)", "symbol_not_allowed"),
    ("`reboot`", "symbol_not_allowed"),
    ("{12025550123}", "symbol_not_allowed"),
    ("[12025550123]", "symbol_not_allowed"),
    ("12025550123|1", "symbol_not_allowed"),
    ("12025550123\\r", "symbol_not_allowed"),
    ("202~555~0123", "symbol_not_allowed"),
    ("202_555_0123", "symbol_not_allowed"),
    ("202:555", "symbol_not_allowed"),
    ("=12025550123", "symbol_not_allowed"),
    ("sip:12025550123@example.com", "letter_not_allowed"),
    ("sips:evil@host:5061", "letter_not_allowed"),
    ("tel:+12025550123", "letter_not_allowed"),
    ("PJSIP/trunk/sip:1@evil", "letter_not_allowed"),
    ("Local/1555@default", "letter_not_allowed"),
    ("1-800-FLOWERS", "letter_not_allowed"),
    ("O2025550123", "letter_not_allowed"),
    ("12025550123A", "letter_not_allowed"),
    ("anonymous", "letter_not_allowed"),
    ("null", "letter_not_allowed"),
    ("1e10", "letter_not_allowed"),
    ("0x2025550123", "extension_not_allowed"),
    ("12025550123x12", "extension_not_allowed"),
    ("12025550123 X12", "extension_not_allowed"),
    ("12025550123 ext. 12", "extension_not_allowed"),
    ("12025550123 extension 12", "extension_not_allowed"),
    ("12025550123Ж", "letter_not_allowed"),
    ("1202ａ", "letter_not_allowed"),
    ("١٢٠٢٥٥٥٠١٢٣", "foreign_digit"),
    ("۱۲۰۲۵۵۵۰۱۲۳", "foreign_digit"),
    ("+1२०२५५५०१२३", "foreign_digit"),
    ("１２０２５５５０１２３", "foreign_digit"),
    ("+1202555012\u{1d7d1}", "foreign_digit"),
    ("1202555012²", "foreign_digit"),
    ("1202555012③", "foreign_digit"),
    ("1202555012Ⅷ", "letter_not_allowed"),
    ("＋12025550123", "character_not_allowed"),
    ("+1\u{a0}202\u{a0}555\u{a0}0123", "character_not_allowed"),
    ("\u{202a}+12025550123\u{202c}", "character_not_allowed"),
    ("12025550123\u{200b}", "character_not_allowed"),
    ("202\u{2013}555\u{2013}0123", "character_not_allowed"),
    ("\u{feff}12025550123", "character_not_allowed"),
    ("12025550123☎", "character_not_allowed"),
    ("12025550123\u{fffd}", "character_not_allowed"),
    ("12025550123\0", "control_character"),
    ("\x0012025550123", "control_character"),
    ("12025550123\r\nVia: evil", "control_character"),
    ("12025550123\n", "control_character"),
    ("\n", "control_character"),
    ("202\t555\t0123", "control_character"),
    ("12025550123\x1b[2J", "control_character"),
    ("12025550123\x7f", "control_character"),
    ("12025550123\u{85}", "control_character"),
    ("++12025550123", "misplaced_plus"),
    ("+1+2025550123", "misplaced_plus"),
    ("12025550123+", "misplaced_plus"),
    ("00+442079460018", "misplaced_plus"),
    ("+ +12025550123", "misplaced_plus"),
    ("+1 202 555 0123                              ", "too_long"),
];

#[test]
fn what_does_not_belong_into_a_number_is_refused() {
    let (long, long_letters) = ("1".repeat(10_000), "ä".repeat(10_000));
    assert!(HOSTILE.len() >= 60);
    for (raw, code) in HOSTILE.iter().chain(&[(long.as_str(), "too_long"), (&long_letters, "too_long")]) {
        for country in ["US", "GB", "DE", "IT", "001"] {
            let error = parse_dialled(raw, &region(country), &[]).expect_err(raw);
            assert_eq!(error.code(), *code, "{raw:?}");
            let texts = format!("{error} {error:?}");
            // Nothing of it gets out: no three characters in a row that hold a digit.
            for part in raw.chars().collect::<Vec<_>>().windows(3).filter(|part| part.iter().any(|c| c.is_numeric())) {
                assert!(!texts.contains(&part.iter().collect::<String>()), "{raw:?}: {texts}");
            }
            assert_eq!(parse_owned_number(raw, Some(&region(country)), &[]), Err(error), "{raw:?}");
        }
    }
    let Err(DialError::Character { position, .. }) = parse_dialled("202 555@", &region("US"), &[]) else {
        panic!("a character")
    };
    assert_eq!(position, 8);
}
