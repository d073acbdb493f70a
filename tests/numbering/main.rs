//! What people dial, and what it must be read as. The expectations are written by hand from the numbering plans.

use cordboard::core::number::{E164, NumberClass, RegionCode};
use cordboard::numbering::{DialError, ExtraPrefix, has_numbering_plan, parse_dialled, parse_owned_number, warm_up};
use cordboard::policy::emergency::is_emergency;
use proptest::prelude::*;

mod emergency;
mod hostile;

fn region(code: &str) -> RegionCode {
    code.parse().expect(code)
}

fn dial(country: &str, raw: &str) -> Result<String, &'static str> {
    match parse_dialled(raw, &region(country), &[]) {
        Ok(found) => Ok(format!("{} {} {}", found.e164, found.region, found.class)),
        Err(error) => Err(error.code()),
    }
}

#[track_caller]
fn check(table: &[(&str, &str, &str)]) {
    let wrong: Vec<_> = table
        .iter()
        .filter_map(|&(country, raw, expected)| {
            let found = dial(country, raw).unwrap_or_else(str::to_owned);
            (found != expected).then(|| format!("{country} {raw:?}: {found}, not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn plus_one_is_many_countries() {
    check(&[
        ("US", "+12025550123", "+12025550123 US geographic_or_mobile"),
        ("US", "+19075550123", "+19075550123 US geographic_or_mobile"),
        ("US", "+14165550123", "+14165550123 CA geographic_or_mobile"),
        ("US", "+16045550123", "+16045550123 CA geographic_or_mobile"),
        ("US", "+17875550123", "+17875550123 PR geographic_or_mobile"),
        ("US", "+19395550123", "+19395550123 PR geographic_or_mobile"),
        ("US", "+13405550123", "+13405550123 VI geographic_or_mobile"),
        ("US", "+16715550123", "+16715550123 GU geographic_or_mobile"),
        ("US", "+16705550123", "+16705550123 MP geographic_or_mobile"),
        ("US", "+16846331234", "+16846331234 AS geographic"),
        ("US", "+18095550123", "+18095550123 DO geographic_or_mobile"),
        ("US", "+18295550123", "+18295550123 DO geographic_or_mobile"),
        ("US", "+18495550123", "+18495550123 DO geographic_or_mobile"),
        ("US", "+18765550123", "+18765550123 JM mobile"),
        ("US", "+18769221234", "+18769221234 JM geographic"),
        ("US", "+12423221234", "+12423221234 BS geographic"),
        ("US", "+12423591234", "+12423591234 BS mobile"),
        ("US", "+18682911234", "+18682911234 TT mobile"),
        ("US", "+18686281234", "+18686281234 TT geographic"),
        ("US", "+12464121234", "+12464121234 BB geographic"),
        ("US", "+14414123456", "+14414123456 BM geographic"),
        ("US", "+13459491234", "+13459491234 KY geographic"),
        ("US", "+12644972345", "+12644972345 AI geographic"),
        ("US", "+12684601234", "+12684601234 AG geographic"),
        ("US", "+12844941234", "+12844941234 VG geographic"),
        ("US", "+14734401234", "+14734401234 GD geographic"),
        ("US", "+16499461234", "+16499461234 TC geographic"),
        ("US", "+16644912345", "+16644912345 MS geographic"),
        ("US", "+17215425678", "+17215425678 SX geographic"),
        ("US", "+17584521234", "+17584521234 LC geographic"),
        ("US", "+17674481234", "+17674481234 DM geographic"),
        ("US", "+17844561234", "+17844561234 VC geographic"),
        ("US", "+18694651234", "+18694651234 KN geographic"),
    ]);
}

#[test]
fn numbers_of_all_north_america_belong_to_who_calls_them() {
    check(&[
        ("US", "1-800-555-0199", "+18005550199 US toll_free"),
        ("CA", "1-800-555-0199", "+18005550199 CA toll_free"),
        ("JM", "18885550199", "+18885550199 JM toll_free"),
        ("GB", "+18005550199", "+18005550199 US toll_free"),
        ("US", "1-900-555-0123", "+19005550123 US premium"),
        ("CA", "1-900-555-0123", "+19005550123 CA premium"),
        ("DE", "0019005550123", "+19005550123 US premium"),
        ("US", "+15005550123", "+15005550123 US personal"),
        ("CA", "+15335550123", "+15335550123 CA personal"),
        // What belongs to Canada alone stays there.
        ("US", "+16005550123", "+16005550123 CA voip"),
    ]);
    let owned = parse_owned_number("+18005550199", None, &[]).expect("toll-free");
    assert_eq!(owned.region, region("US"));
}

#[test]
fn countries_that_share_a_code() {
    check(&[
        ("US", "+74951234567", "+74951234567 RU geographic"),
        ("US", "+79161234567", "+79161234567 RU mobile"),
        ("US", "+77272580000", "+77272580000 KZ geographic"),
        ("US", "+77011234567", "+77011234567 KZ mobile"),
        ("US", "+442079460018", "+442079460018 GB geographic"),
        ("US", "+441534123456", "+441534123456 JE geographic"),
        ("US", "+441481960194", "+441481960194 GG geographic"),
        ("US", "+447911123456", "+447911123456 GG mobile"),
        ("US", "+441624756789", "+441624756789 IM geographic"),
        ("US", "+390669812345", "+390669812345 VA geographic"),
        ("US", "+390612345678", "+390612345678 IT geographic"),
        ("US", "+47 79 12 34 56", "+4779123456 SJ geographic"),
        ("US", "+590 690 00 12 34", "+590690001234 GP mobile"),
    ]);
}

#[test]
fn dear_and_countryless_numbers() {
    check(&[
        ("US", "+870301234567", "+870301234567 001 satellite"),
        ("US", "+881612345678", "+881612345678 001 satellite"),
        ("US", "+8821612345678", "+8821612345678 001 satellite"),
        ("US", "+8823421234", "+8823421234 001 international_other"),
        ("US", "+883510012345", "+883510012345 001 international_other"),
        ("US", "+878101234567890", "+878101234567890 001 international_other"),
        ("US", "+979123456789", "+979123456789 001 premium"),
        ("US", "+80012345678", "+80012345678 001 toll_free"),
        ("US", "+80812345678", "+80812345678 001 shared_cost"),
        ("GB", "09012345678", "+449012345678 GB premium"),
        ("GB", "0845 123 4567", "+448451234567 GB premium"),
        ("GB", "0871 234 5678", "+448712345678 GB premium"),
        ("GB", "070 1234 5678", "+447012345678 GB personal"),
        ("GB", "0764 012 3456", "+447640123456 GB pager"),
        ("GB", "0300 123 4567", "+443001234567 GB universal_access"),
        ("GB", "056 1234 5678", "+445612345678 GB voip"),
        ("GB", "0800 123 4567", "+448001234567 GB toll_free"),
        ("DE", "0900 1 234567", "+499001234567 DE premium"),
        ("DE", "0180 2 123456", "+491802123456 DE shared_cost"),
        ("FR", "0899 12 34 56", "+33899123456 FR premium"),
    ]);
}

#[test]
fn national_forms() {
    check(&[
        ("US", "2025550123", "+12025550123 US geographic_or_mobile"),
        ("US", "(202) 555-0123", "+12025550123 US geographic_or_mobile"),
        ("US", "1 (202) 555-0123", "+12025550123 US geographic_or_mobile"),
        ("US", "202.555.0123", "+12025550123 US geographic_or_mobile"),
        ("US", "  +1.202.555.0123 ", "+12025550123 US geographic_or_mobile"),
        ("US", "(+1) 202 555 0123", "+12025550123 US geographic_or_mobile"),
        ("US", "4165550123", "+14165550123 CA geographic_or_mobile"),
        ("CA", "416-555-0123", "+14165550123 CA geographic_or_mobile"),
        ("CA", "14165550123", "+14165550123 CA geographic_or_mobile"),
        ("JM", "876 922 1234", "+18769221234 JM geographic"),
        ("GB", "020 7946 0018", "+442079460018 GB geographic"),
        ("GB", "+44 (0)20 7946 0018", "+442079460018 GB geographic"),
        ("GB", "442079460018", "+442079460018 GB geographic"),
        ("GB", "2079460018", "+442079460018 GB geographic"),
        ("GB", "07400 123456", "+447400123456 GB mobile"),
        ("GB", "0113 496 0123", "+441134960123 GB geographic"),
        ("DE", "030 123456", "+4930123456 DE geographic"),
        ("DE", "0163 1234567", "+491631234567 DE mobile"),
        ("DE", "+49 (0)30 123456", "+4930123456 DE geographic"),
        ("FR", "01 23 45 67 89", "+33123456789 FR geographic"),
        ("FR", "06 12 34 56 78", "+33612345678 FR mobile"),
        ("AU", "02 5550 1234", "+61255501234 AU geographic"),
        ("AU", "0412 345 678", "+61412345678 AU mobile"),
        ("IN", "098765 43210", "+919876543210 IN mobile"),
        ("IN", "9876543210", "+919876543210 IN mobile"),
        ("IN", "011 2345 6789", "+911123456789 IN geographic"),
        ("MX", "55 1234 5678", "+525512345678 MX geographic_or_mobile"),
        ("IT", "06 1234 5678", "+390612345678 IT geographic"),
        ("IT", "011 561 2345", "+390115612345 IT geographic"),
        ("IT", "312 345 6789", "+393123456789 IT mobile"),
        ("NG", "0802 123 4567", "+2348021234567 NG mobile"),
        ("ZA", "011 978 5313", "+27119785313 ZA geographic"),
        ("BR", "0 11 2345-6789", "+551123456789 BR geographic"),
        ("ES", "912 345 678", "+34912345678 ES geographic"),
        ("RU", "8 (495) 123-45-67", "+74951234567 RU geographic"),
        ("HU", "06 1 234 5678", "+3612345678 HU geographic"),
        ("JP", "090-1234-5678", "+819012345678 JP mobile"),
        ("AR", "011 15 2345 6789", "+5491123456789 AR mobile"),
        // Parts of a number.
        ("US", "555-0123", "area_code_missing"),
        ("US", "911", "too_short"),
        ("US", "411", "too_short"),
    ]);
}

#[test]
fn international_prefixes() {
    const LONDON: &str = "+442079460018 GB geographic";
    const WASHINGTON: &str = "+12025550123 US geographic_or_mobile";
    check(&[
        ("US", "011 44 20 7946 0018", LONDON),
        ("US", "00 44 20 7946 0018", LONDON),
        ("US", "+44 20 7946 0018", LONDON),
        ("JM", "011 44 20 7946 0018", LONDON),
        ("DE", "00 1 202 555 0123", WASHINGTON),
        ("DE", "00 44 20 7946 0018", LONDON),
        ("GB", "00 1 202 555 0123", WASHINGTON),
        ("AU", "0011 1 202 555 0123", WASHINGTON),
        ("JP", "010 1 202 555 0123", WASHINGTON),
        ("RU", "8 10 1 202 555 0123", WASHINGTON),
        ("RU", "00 1 202 555 0123", WASHINGTON),
        ("KR", "001 1 202 555 0123", WASHINGTON),
        ("TH", "001 1 202 555 0123", WASHINGTON),
        ("NG", "009 1 202 555 0123", WASHINGTON),
        ("KE", "000 1 202 555 0123", WASHINGTON),
        ("SG", "001 1 202 555 0123", WASHINGTON),
        ("ES", "00 1 202 555 0123", WASHINGTON),
        // The American habit, where nothing else begins with these digits.
        ("ES", "011 1 202 555 0123", WASHINGTON),
        ("MX", "011 1 202 555 0123", WASHINGTON),
        ("PL", "011 44 20 7946 0018", LONDON),
    ]);
    // Where something does: Leeds, Delhi, Turin, São Paulo, Johannesburg; carriers of Thailand and Korea.
    for (country, raw) in [
        ("GB", "011 1 202 555 0123"),
        ("IN", "011 44 20 7946 0018"),
        ("IT", "011 44 20 7946 0018"),
        ("BR", "011 1 202 555 0123"),
        ("ZA", "011 1 202 555 0123"),
        ("TH", "00 1 202 555 0123"),
        ("KR", "00 1 202 555 0123"),
        ("AU", "00 1 202 555 0123"),
    ] {
        assert!(dial(country, raw).is_err(), "{country} {raw}");
    }
}

#[test]
fn what_is_no_number_is_refused_with_a_reason() {
    check(&[
        ("US", "+1911", "too_short"),
        ("US", "+112", "too_short"),
        ("US", "011911", "too_short"),
        ("US", "+1 202 555 01234", "too_many_digits"),
        ("US", "+1 123 555 0123", "not_a_valid_number"),
        ("US", "+1 357 555 0123", "not_a_valid_number"),
        ("US", "+999 1234 5678", "unknown_country_code"),
        ("US", "+0044 20 7946 0018", "unknown_country_code"),
        ("US", "0000000000", "unknown_country_code"),
        ("GB", "+44 20 7946", "too_short"),
        ("001", "2025550123", "no_numbering_plan"),
        ("AQ", "2025550123", "no_numbering_plan"),
        ("ZZ", "00442079460018", "no_numbering_plan"),
        ("ZZ", "+442079460018", "+442079460018 GB geographic"),
        ("US", &"1".repeat(40), "too_many_digits"),
        ("US", &"1".repeat(41), "too_long"),
    ]);
    assert!(has_numbering_plan(&region("US")) && !has_numbering_plan(&region("AQ")));
    assert!(!has_numbering_plan(&RegionCode::WORLD));
}

#[test]
fn the_plans_can_be_extended() {
    let us = region("US");
    let extra = [
        ExtraPrefix::new("+1357", us, NumberClass::GeographicOrMobile).expect("a prefix"),
        ExtraPrefix::new("+1357900", us, NumberClass::Premium).expect("a prefix"),
        ExtraPrefix::new("+999", region("ZZ"), NumberClass::Mobile).expect("a prefix"),
        // Known numbers stay what they are.
        ExtraPrefix::new("+1900", us, NumberClass::Geographic).expect("a prefix"),
    ];
    let found = |raw: &str| parse_dialled(raw, &us, &extra).map(|found| (found.e164.to_string(), found.class));
    assert_eq!(found("+13575550123"), Ok(("+13575550123".to_owned(), NumberClass::GeographicOrMobile)));
    assert_eq!(found("(357) 555-0123"), Ok(("+13575550123".to_owned(), NumberClass::GeographicOrMobile)));
    assert_eq!(found("1 357 900 0123"), Ok(("+13579000123".to_owned(), NumberClass::Premium)));
    assert_eq!(found("011 999 1234 5678"), Ok(("+99912345678".to_owned(), NumberClass::Mobile)));
    assert_eq!(found("+19005550123").expect("premium").1, NumberClass::Premium);
    assert_eq!(found("+13585550123"), Err(DialError::NotAValidNumber));
    assert_eq!(found("+9991"), Err(DialError::UnknownCountryCode));
    for prefix in ["", "+", "1357", "+1", "+12", "+0357", "+1 357", "+1357x", "+1234567890123456"] {
        ExtraPrefix::new(prefix, us, NumberClass::Mobile).expect_err(prefix);
    }
}

#[test]
fn our_own_numbers() {
    let read = |raw, country: Option<&str>| {
        parse_owned_number(raw, country.map(region).as_ref(), &[]).map(|found| found.e164.to_string())
    };
    assert_eq!(read("+12025550123", None), Ok("+12025550123".to_owned()));
    assert_eq!(read("+1 (202) 555-0123", Some("GB")), Ok("+12025550123".to_owned()));
    assert_eq!(read("2025550123", Some("US")), Ok("+12025550123".to_owned()));
    assert_eq!(read("020 7946 0018", Some("GB")), Ok("+442079460018".to_owned()));
    assert_eq!(read("2025550123", None), Err(DialError::CountryNeeded));
    assert_eq!(read("12025550123", None), Err(DialError::CountryNeeded));
}

#[test]
fn a_number_written_in_a_thousand_ways_is_one_number() {
    let mut random = Random(7);
    let number: E164 = "+14155550123".parse().expect("a number");
    for _ in 0..2_000 {
        let mut text = String::from(["+1", "1", "", "0111", "001"][random.below(5)]);
        for digit in "4155550123".chars() {
            if text.len() < 38 {
                text.push_str(["", "", "", " ", "-", ".", "(", ")"][random.below(8)]);
            }
            text.push(digit);
        }
        assert_eq!(parse_dialled(&text, &region("US"), &[]).expect(&text).e164, number, "{text}");
    }
}

#[test]
fn an_international_number_is_itself_wherever_it_is_dialled() {
    warm_up();
    let numbers = ["12025550123", "18769221234", "442079460018", "33612345678", "919876543210", "81312345678"];
    let (mut read, mut otherwise) = (0, Vec::new());
    for a in 'A'..='Z' {
        for b in 'A'..='Z' {
            let country = region(&format!("{a}{b}"));
            for number in numbers {
                let plus = parse_dialled(&format!("+{number}"), &country, &[]).expect(number).e164;
                assert_eq!(plus.digits(), number);
                for prefix in ["00", "011"] {
                    match parse_dialled(&format!("{prefix}{number}"), &country, &[]) {
                        Ok(other) if other.e164 == plus => read += 1,
                        Ok(other) => otherwise.push(format!("{country} {prefix}{number} {}", other.e164)),
                        Err(_) => {}
                    }
                }
            }
        }
    }
    // Singapore and Thailand have a carrier 003, so there this is a call to Hungary by everybody's reading.
    assert_eq!(otherwise, ["SG 0033612345678 +3612345678", "TH 0033612345678 +3612345678"]);
    assert!(read > 1_500, "{read}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_at_all_is_a_number_or_a_reason(raw in prop_oneof!["\\PC{0,45}", any::<String>(), "[+]?[0-9 ().-]{0,42}"], country in "[A-Z]{2}") {
        let country = region(&country);
        match parse_dialled(&raw, &country, &[]) {
            Ok(found) => {
                let text = found.e164.to_string();
                prop_assert!((8..=16).contains(&text.len()));
                prop_assert!(text.starts_with('+') && text[1..].bytes().all(|byte| byte.is_ascii_digit()));
                prop_assert!(!is_emergency(&raw, &country) && !is_emergency(&text, &country));
            }
            Err(error) => prop_assert!(!error.code().is_empty() && !error.to_string().is_empty()),
        }
        let _ = parse_owned_number(&raw, None, &[]);
    }
}

/// Repeatable chance.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).expect("small")).expect("small")
    }
}
