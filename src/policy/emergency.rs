//! Emergency numbers, recognised on the raw digits before any rule and before any parsing.
//!
//! A call is an emergency call if and only if what was dialled *is* an emergency number of the organization's country. A number
//! that merely begins with one is not: `112…` and `911…` begin thousands of ordinary numbers, and an agent who calls a customer
//! must never be put through to the police. Nor is a customer's number ever shortened into one: `+1911` is a number that
//! does not exist.
//!
//! What counts is decided as follows.
//!
//! - **Which numbers**: those that the numbering data names for the country, all of them: in Germany `110` and `112`, in the US `911`
//!   and `112`, in France also `15`, `17` and `18`. `112` and `911` are emergency numbers where the data says so, which is wider
//!   than the law of each country, and not elsewhere: in France `911` is refused like any other wrong number. For territories
//!   of which the data says nothing (Guinea, and codes that are no country's), `112` and `911` count, as they do on a mobile phone.
//! - **Separators** are ignored: `9-1-1` is `911`.
//! - **A plus sign** before the number is ignored: `+112` is how phones with an eager address book write it, and no
//!   international number is that short, so nothing is lost.
//! - **An outside-line prefix** is not: `9911` is not `911`. Nobody needs a prefix to get an outside line here, and emergency
//!   numbers have to work without one; with one, the number is a wrong number.

use super::emergency_table::TABLE;
use crate::core::number::RegionCode;

/// The longest emergency number there is. All are shorter than the shortest international number.
const MAX_DIGITS: usize = 6;

/// What counts where nothing is known.
const FALLBACK: &str = "112 911";

/// Whether what was dialled is an emergency number of the country.
pub fn is_emergency(raw: &str, country: &RegionCode) -> bool {
    is_one_of(raw, emergency_numbers(country))
}

/// Whether what was dialled is an emergency number of any country.
pub fn is_emergency_somewhere(raw: &str) -> bool {
    is_one_of(raw, TABLE.iter().flat_map(|(_, numbers)| numbers.split(' ')))
}

fn is_one_of(raw: &str, mut numbers: impl Iterator<Item = &'static str>) -> bool {
    let mut digits = [0_u8; MAX_DIGITS];
    let mut len = 0;
    let mut plus = false;
    for character in raw.bytes() {
        match character {
            b'0'..=b'9' if len < MAX_DIGITS => {
                digits[len] = character;
                len += 1;
            }
            b' ' | b'-' | b'.' | b'(' | b')' => {}
            b'+' if !plus && len == 0 => plus = true,
            _ => return false,
        }
    }
    numbers.any(|number| number.as_bytes() == &digits[..len])
}

/// The emergency numbers of a country, shortest first.
pub fn emergency_numbers(country: &RegionCode) -> impl Iterator<Item = &'static str> {
    let known = TABLE.binary_search_by_key(&country.as_str(), |(territory, _)| territory);
    known.map_or(FALLBACK, |index| TABLE[index].1).split(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_searched() {
        assert!(TABLE.is_sorted_by(|(a, _), (b, _)| a < b));
        for (territory, numbers) in TABLE {
            let country: RegionCode = territory.parse().expect(territory);
            assert_eq!(emergency_numbers(&country).collect::<Vec<_>>().join(" "), numbers);
            for number in numbers.split(' ') {
                assert!((2..=MAX_DIGITS).contains(&number.len()), "{territory} {number}");
                assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{territory} {number}");
            }
        }
    }

    #[test]
    fn somewhere_is_anywhere_and_nowhere_else() {
        for number in ["112", "9-1-1", "999", "000", "17", "+119"] {
            assert!(is_emergency_somewhere(number), "{number}");
        }
        for number in ["", "1", "9911", "2025550199", "+1911", "411x", "0", "++112", "1+12", "112+"] {
            assert!(!is_emergency_somewhere(number), "{number}");
        }
    }

    #[test]
    fn every_emergency_number_of_every_territory_is_one() {
        let mut count = 0;
        for (territory, numbers) in TABLE {
            let country = territory.parse().expect(territory);
            for number in numbers.split(' ') {
                assert!(is_emergency(number, &country), "{territory} {number}");
                count += 1;
            }
        }
        // Stated here by hand, so that a new table has to be looked at.
        assert_eq!((TABLE.len(), count), (240, 827));
    }
}
