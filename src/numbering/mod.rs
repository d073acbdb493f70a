//! What was dialled, read as a number: whose country it belongs to and of what kind it is, by the world's numbering plans.
//!
//! The plans are those of libphonenumber, compiled in. They age: a number they do not know is refused, unless the deployment
//! names its beginning as an [`ExtraPrefix`]. Emergency numbers are no numbers here; they are recognised before, by
//! [`policy::emergency`](crate::policy::emergency).
//!
//! # What can be dialled
//!
//! Digits 0 to 9, `+` before the first of them, and between them blanks, `-`, `.`, `(` and `)`, which are only there for the
//! eye. Everything else is refused, and so nothing else gets near a dial string. Then, in this order:
//!
//! 1. `+` is followed by a country code, everywhere.
//! 2. What the organization's country makes of it: its own international prefix (`011` in North America, `0011` in Australia,
//!    `010` in Japan, `810` in Russia, `00` nearly everywhere else), its national numbers with and without the trunk prefix,
//!    and the country's own code without `+`. A number that is valid there is that number.
//! 3. The habits of others: `00` and `011` as international prefixes, but only in countries where nothing else begins with
//!    these digits. `00` is not read where longer prefixes begin with it (`001` in Thailand, `0011` in Australia, `009` in
//!    Nigeria …), and `011` is not read where national numbers begin with 0: there it is Delhi, Johannesburg, São Paulo, Leeds
//!    or Turin, and a digit too many must not turn these into a call abroad.
//!
//! # Countries that share a code
//!
//! +1, +7, +39, +44 and the like are told apart by their ranges. Numbers of North America that belong to no place (toll-free,
//! premium, personal) are the same in all countries of +1. They are counted as the organization's own country if it is one of
//! these, and as US if it is not. Numbers of no country at all are [`RegionCode::WORLD`].

mod error;

pub use error::{CharacterKind, DialError};

use crate::core::number::{E164, NumberClass, RegionCode};
use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region,
    ValidationError,
};
use std::error::Error;
use std::fmt;
use std::sync::LazyLock;

/// The longest text that is looked at.
pub const MAX_BYTES: usize = 40;

/// The code of North America and the Caribbean.
const NANP: i32 = 1;

/// Where longer prefixes, or numbers, begin with 00, so that `00` cannot stand for `+`.
const WITHOUT_00: [&str; 20] = [
    "AU", "BO", "BR", "CC", "CO", "CX", "GY", "HK", "ID", "JP", "KE", "KH", "KR", "MN", "NG", "SG", "TH", "TW", "TZ",
    "UG",
];

/// Where neither a trunk prefix nor a number begins with 0, so that `011` can stand for `+` besides the country's own prefix.
const WITH_011: [&str; 76] = [
    "AD", "AO", "AW", "BH", "BI", "BN", "BQ", "BT", "CF", "CK", "CL", "CM", "CR", "CW", "CY", "CZ", "DJ", "DK", "EE",
    "ES", "FK", "FM", "FO", "GI", "GL", "GM", "GN", "GQ", "GR", "GT", "GW", "GY", "HK", "HN", "HT", "IO", "IS", "KM",
    "KW", "KZ", "LS", "LU", "LV", "ML", "MR", "MT", "MU", "MV", "MX", "MZ", "NF", "NI", "NR", "NU", "OM", "PF", "PG",
    "PL", "PT", "RU", "SH", "SN", "SR", "ST", "SV", "TA", "TD", "TG", "TK", "TL", "TM", "TN", "TV", "UZ", "VU", "WF",
];

/// A number that can be called, and what is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The number.
    pub e164: E164,
    /// Whose it is.
    pub region: RegionCode,
    /// Of what kind it is.
    pub class: NumberClass,
}

/// Numbers that are in use though the numbering plans do not know them: a new area code, a new mobile range. Numbers that the
/// plans know keep the region and the kind they have there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraPrefix {
    prefix: String,
    region: RegionCode,
    class: NumberClass,
}

impl ExtraPrefix {
    /// All numbers that begin with `prefix`, which is `+` and 3 to 15 digits.
    ///
    /// # Errors
    ///
    /// If the prefix has another form. A shorter one would switch off the plan of a whole country.
    pub fn new(prefix: &str, region: RegionCode, class: NumberClass) -> Result<Self, InvalidPrefix> {
        let digits = prefix.strip_prefix('+').ok_or(InvalidPrefix)?;
        if !(3..=E164::MAX_DIGITS).contains(&digits.len())
            || digits.starts_with('0')
            || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(InvalidPrefix);
        }
        Ok(Self { prefix: prefix.to_owned(), region, class })
    }

    /// The numbers' common beginning.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// A text is not the beginning of international numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPrefix;

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the beginning of international numbers: a plus sign, then 3 to 15 digits")
    }
}

impl Error for InvalidPrefix {}

/// Reads what somebody in `country` dialled.
///
/// # Errors
///
/// If it is not a number that can be called, with the reason.
pub fn parse_dialled(raw: &str, country: &RegionCode, extra: &[ExtraPrefix]) -> Result<Destination, DialError> {
    Typed::read(raw)?.resolve(Some(*country), extra)
}

/// Reads a number of our own, as an administrator writes it: international, or national if a country is given.
///
/// # Errors
///
/// If it is not a number, with the reason.
pub fn parse_owned_number(
    raw: &str,
    default_country: Option<&RegionCode>,
    extra: &[ExtraPrefix],
) -> Result<Destination, DialError> {
    Typed::read(raw)?.resolve(default_country.copied(), extra)
}

/// Whether there is a numbering plan for this country, so that its national numbers can be read.
pub fn has_numbering_plan(country: &RegionCode) -> bool {
    plan_of(*country).is_some()
}

/// Loads the numbering plans, which takes about ten milliseconds that the first caller should not have to wait.
pub fn warm_up() {
    LazyLock::force(&PHONE_NUMBER_UTIL);
    for number in ["+12025550123", "+18005550100", "+442079460018"] {
        // What comes out is of no interest: the expressions on the way to it are now compiled.
        let _ = international(&number[1..], None, &[]);
    }
}

/// Digits, freed of what was only there for the eye.
struct Typed {
    plus: bool,
    digits: String,
}

impl Typed {
    fn read(raw: &str) -> Result<Self, DialError> {
        if raw.len() > MAX_BYTES {
            return Err(DialError::TooLong);
        }
        let mut typed = Self { plus: false, digits: String::with_capacity(raw.len()) };
        for (index, character) in raw.chars().enumerate() {
            let position = index + 1;
            match character {
                '0'..='9' => typed.digits.push(character),
                ' ' | '-' | '.' | '(' | ')' => {}
                '+' if typed.plus || !typed.digits.is_empty() => return Err(DialError::MisplacedPlus { position }),
                '+' => typed.plus = true,
                _ => {
                    let rest = raw.chars().skip(index);
                    let kind = CharacterKind::of(character, !typed.digits.is_empty(), rest);
                    return Err(DialError::Character { position, kind });
                }
            }
        }
        if typed.digits.is_empty() { Err(DialError::Empty) } else { Ok(typed) }
    }

    fn resolve(&self, country: Option<RegionCode>, extra: &[ExtraPrefix]) -> Result<Destination, DialError> {
        if self.plus {
            return international(&self.digits, country, extra);
        }
        let country = country.ok_or(DialError::CountryNeeded)?;
        let plan = plan_of(country).ok_or(DialError::NoNumberingPlan)?;
        let local = judge(PHONE_NUMBER_UTIL.parse(&self.digits, Some(plan)), None, Some(country), extra);
        match (local, foreign_prefix(&self.digits, country, plan)) {
            (Err(_), Some(rest)) => international(rest, Some(country), extra),
            (local, _) => local,
        }
    }
}

impl CharacterKind {
    fn of(character: char, after_digits: bool, rest: impl Iterator<Item = char>) -> Self {
        if after_digits {
            let word: String = rest.take_while(|c| c.is_alphabetic()).map(|c| c.to_ascii_lowercase()).collect();
            if matches!(word.as_str(), "x" | "ext" | "extn" | "extension") {
                return Self::Extension;
            }
        }
        match character {
            _ if character.is_alphabetic() => Self::Letter,
            _ if character.is_numeric() => Self::ForeignDigit,
            _ if character.is_control() => Self::Control,
            _ if character.is_ascii() => Self::Symbol,
            _ => Self::Other,
        }
    }
}

/// The digits after a `00` or `011` that stands for `+`, mostly though it is not this country's own way to write it.
fn foreign_prefix(digits: &str, country: RegionCode, plan: Region) -> Option<&str> {
    if let Some(rest) = digits.strip_prefix("00") {
        return (!WITHOUT_00.contains(&country.as_str())).then_some(rest);
    }
    let rest = digits.strip_prefix("011")?;
    (PHONE_NUMBER_UTIL.is_nanpa_country(plan) || WITH_011.contains(&country.as_str())).then_some(rest)
}

/// Reads digits that follow a `+`.
fn international(digits: &str, country: Option<RegionCode>, extra: &[ExtraPrefix]) -> Result<Destination, DialError> {
    let text = format!("+{digits}");
    judge(PHONE_NUMBER_UTIL.parse(&text, None), Some(&text), country, extra)
}

/// Makes a destination of what the library read, or says why not. `literal` is the number as it was written, if that was in
/// international form.
fn judge(
    read: Result<PhoneNumber, ParseError>,
    literal: Option<&str>,
    country: Option<RegionCode>,
    extra: &[ExtraPrefix],
) -> Result<Destination, DialError> {
    let number = read.as_ref().ok();
    let formatted = number.map(|number| PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164));
    if let (Some(number), Some(text)) = (number, &formatted)
        && let Some(region) = PHONE_NUMBER_UTIL.get_region_for_number(number)
        && PHONE_NUMBER_UTIL.is_valid_number_for_region(number, region)
    {
        return match text.parse() {
            Ok(e164) => {
                let class = class_of(number);
                Ok(Destination { e164, region: region_of(number, region, class, country)?, class })
            }
            Err(_) if text.len() <= E164::MIN_DIGITS => Err(DialError::TooShort),
            Err(_) => Err(DialError::TooManyDigits),
        };
    }
    for text in [literal, formatted.as_deref()].into_iter().flatten() {
        let named = extra.iter().filter(|extra| text.starts_with(&extra.prefix)).max_by_key(|extra| extra.prefix.len());
        if let (Some(named), Ok(e164)) = (named, text.parse()) {
            return Ok(Destination { e164, region: named.region, class: named.class });
        }
    }
    Err(match read {
        Ok(number) => match PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number) {
            Ok(NumberLengthType::IsPossibleLocalOnly) if literal.is_some() => DialError::TooShort,
            Ok(NumberLengthType::IsPossibleLocalOnly) => DialError::AreaCodeMissing,
            Ok(NumberLengthType::IsPossible) | Err(ValidationError::InvalidLength) => DialError::NotAValidNumber,
            Err(ValidationError::InvalidCountryCode) => DialError::UnknownCountryCode,
            Err(ValidationError::TooShort) => DialError::TooShort,
            Err(ValidationError::TooLong) => DialError::TooManyDigits,
        },
        Err(ParseError::InvalidCountryCode) => DialError::UnknownCountryCode,
        Err(ParseError::NotANumber(_) | ParseError::TooShortAfterIdd | ParseError::TooShortNsn) => DialError::TooShort,
        Err(ParseError::TooLongNsn) => DialError::TooManyDigits,
    })
}

/// The library's name of a country, if it has a numbering plan.
fn plan_of(country: RegionCode) -> Option<Region> {
    let region = Region::from_code(country.as_str()).ok()?;
    (!country.is_world() && PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some()).then_some(region)
}

fn region_of(
    number: &PhoneNumber,
    region: Region,
    class: NumberClass,
    country: Option<RegionCode>,
) -> Result<RegionCode, DialError> {
    let placeless = match class {
        NumberClass::Geographic | NumberClass::Mobile | NumberClass::GeographicOrMobile | NumberClass::Voip => false,
        NumberClass::TollFree
        | NumberClass::Premium
        | NumberClass::SharedCost
        | NumberClass::Personal
        | NumberClass::Pager
        | NumberClass::UniversalAccess
        | NumberClass::Voicemail
        | NumberClass::Satellite
        | NumberClass::InternationalOther
        | NumberClass::Unknown => true,
    };
    // The library gives numbers that all of +1 shares to the first country of +1, the US.
    if number.country_code == NANP
        && placeless
        && region == Region::US
        && let Some(country) = country
        && plan_of(country).is_some_and(|plan| PHONE_NUMBER_UTIL.is_nanpa_country(plan))
    {
        return Ok(country);
    }
    region.as_region_str().parse().map_err(|_| DialError::NotAValidNumber)
}

fn class_of(number: &PhoneNumber) -> NumberClass {
    // Numbers of no country: what they cost is decided by the network, not by what is at the other end.
    match number.country_code {
        870 | 881 => return NumberClass::Satellite,
        // Thuraya.
        882 if number.national_number.to_string().starts_with("16") => return NumberClass::Satellite,
        878 | 882 | 883 | 888 => return NumberClass::InternationalOther,
        979 => return NumberClass::Premium,
        _ => {}
    }
    match PHONE_NUMBER_UTIL.get_number_type(number) {
        PhoneNumberType::FixedLine => NumberClass::Geographic,
        PhoneNumberType::Mobile => NumberClass::Mobile,
        PhoneNumberType::FixedLineOrMobile => NumberClass::GeographicOrMobile,
        PhoneNumberType::TollFree => NumberClass::TollFree,
        PhoneNumberType::PremiumRate => NumberClass::Premium,
        PhoneNumberType::SharedCost => NumberClass::SharedCost,
        PhoneNumberType::VoIP => NumberClass::Voip,
        PhoneNumberType::PersonalNumber => NumberClass::Personal,
        PhoneNumberType::Pager => NumberClass::Pager,
        PhoneNumberType::UAN => NumberClass::UniversalAccess,
        PhoneNumberType::VoiceMail => NumberClass::Voicemail,
        PhoneNumberType::Unknown => NumberClass::Unknown,
    }
}
