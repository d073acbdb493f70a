//! The only place that makes a dial string, and only from parts whose types exclude everything that could send an INVITE
//! elsewhere.

use crate::core::command::Target;

/// `PJSIP/+12025550123@trunk`, `PJSIP/112@trunk` or `PJSIP/alice`.
pub fn dial_string(target: &Target) -> String {
    match target {
        Target::Number { number, trunk, plus } => format!("PJSIP/{}@{trunk}", digits(&number.to_string(), *plus)),
        Target::Emergency { digits, trunk } => format!("PJSIP/{}@{trunk}", digits.as_str()),
        Target::Agent { endpoint, .. } => format!("PJSIP/{endpoint}"),
    }
}

/// The number with or without its `+`.
pub(super) fn digits(e164: &str, plus: bool) -> &str {
    if plus { e164 } else { e164.trim_start_matches('+') }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::command::EmergencyDigits;
    use proptest::prelude::*;

    fn number(text: &str, trunk: &str, plus: bool) -> Option<Target> {
        Some(Target::Number { number: text.parse().ok()?, trunk: trunk.parse().ok()?, plus })
    }

    #[test]
    fn every_target_has_its_form() {
        let target = |plus| number("+12025550123", "carrier", plus).expect("a target");
        assert_eq!(dial_string(&target(true)), "PJSIP/+12025550123@carrier");
        assert_eq!(dial_string(&target(false)), "PJSIP/12025550123@carrier");
        let digits = EmergencyDigits::of("1-1-2").expect("an emergency number");
        let trunk = "emergency".parse().expect("a trunk");
        assert_eq!(dial_string(&Target::Emergency { digits, trunk }), "PJSIP/112@emergency");
        let endpoint = "acme-alice".parse().expect("an endpoint");
        assert_eq!(dial_string(&Target::Agent { endpoint, auto_answer: true }), "PJSIP/acme-alice");
    }

    /// `PJSIP/`, a user part of digits, at most one `@`, a name: nothing else.
    fn is_safe(dialled: &str) -> bool {
        let Some(rest) = dialled.strip_prefix("PJSIP/") else { return false };
        let name = |n: &str| {
            n.starts_with(|c: char| c.is_ascii_alphabetic())
                && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        match rest.split_once('@') {
            None => name(rest),
            Some((user, trunk)) => {
                let user = user.strip_prefix('+').unwrap_or(user);
                !user.is_empty() && user.bytes().all(|b| b.is_ascii_digit()) && name(trunk)
            }
        }
    }

    proptest! {
        #[test]
        fn hostile_parts_give_a_safe_string_or_none(
            a in "[-+0-9a-z@/&;?%.:\r\n ]{0,20}", b in "[-_0-9a-zA-Z@/&;?%.:\r\n ]{0,12}", plus: bool
        ) {
            if let Some(target) = number(&a, &b, plus) {
                prop_assert!(is_safe(&dial_string(&target)));
            }
            if let (Some(digits), Ok(trunk)) = (EmergencyDigits::of(&a), b.parse()) {
                let target = Target::Emergency { digits, trunk };
                prop_assert!(is_safe(&dial_string(&target)));
            }
            if let Ok(endpoint) = b.parse() {
                let target = Target::Agent { endpoint, auto_answer: plus };
                prop_assert!(is_safe(&dial_string(&target)));
            }
        }

        #[test]
        fn sound_parts_always_give_a_safe_string(
            a in "\\+[1-9][0-9]{6,14}", b in "[a-zA-Z][a-zA-Z0-9_-]{0,39}", plus: bool
        ) {
            let target = number(&a, &b, plus).expect("sound parts");
            prop_assert!(is_safe(&dial_string(&target)));
        }
    }
}
