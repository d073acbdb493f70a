//! Why something is not a number that can be called.

use std::error::Error;
use std::fmt;

/// Why something is not a number that can be called. It never carries what was typed, not even a part of it: these errors are
/// logged, counted and shown, and what was typed may be a person's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialError {
    /// Nothing but blanks and separators, or nothing at all.
    Empty,
    /// More than [`MAX_BYTES`](super::MAX_BYTES) of text. Nothing in it was looked at.
    TooLong,
    /// A character that has no place in a number.
    Character {
        /// The how many-eth character it is, from 1.
        position: usize,
        /// What it is.
        kind: CharacterKind,
    },
    /// A plus sign that is not the first sign of the number.
    MisplacedPlus {
        /// The how many-eth character it is, from 1.
        position: usize,
    },
    /// An international number that begins with no country's code.
    UnknownCountryCode,
    /// A national number of a country that has no numbering plan of its own, or none that we know.
    NoNumberingPlan,
    /// A number of our own without `+`, and nobody said of which country.
    CountryNeeded,
    /// Fewer digits than any number there has.
    TooShort,
    /// More digits than any number there has.
    TooManyDigits,
    /// As long as the local part of a number there is.
    AreaCodeMissing,
    /// As long as a number, but none that is in use there.
    NotAValidNumber,
}

/// What an unfit character is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CharacterKind {
    /// A letter of any script. `1-800-FLOWERS` is not translated: what is called is what was typed.
    Letter,
    /// The beginning of an extension, `x12` or `ext. 12`.
    Extension,
    /// A digit of another script, or of another width.
    ForeignDigit,
    /// A tabulator, a line break, a zero byte …
    Control,
    /// Any other character of ASCII: `@ & ; / % , * #` …
    Symbol,
    /// Anything else.
    Other,
}

impl DialError {
    /// One word for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Character { kind, .. } => match kind {
                CharacterKind::Letter => "letter_not_allowed",
                CharacterKind::Extension => "extension_not_allowed",
                CharacterKind::ForeignDigit => "foreign_digit",
                CharacterKind::Control => "control_character",
                CharacterKind::Symbol => "symbol_not_allowed",
                CharacterKind::Other => "character_not_allowed",
            },
            Self::MisplacedPlus { .. } => "misplaced_plus",
            Self::UnknownCountryCode => "unknown_country_code",
            Self::NoNumberingPlan => "no_numbering_plan",
            Self::CountryNeeded => "country_needed",
            Self::TooShort => "too_short",
            Self::TooManyDigits => "too_many_digits",
            Self::AreaCodeMissing => "area_code_missing",
            Self::NotAValidNumber => "not_a_valid_number",
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Self::Empty => "There is no number.",
            Self::TooLong => "This is too long for a phone number.",
            Self::Character { position, kind } => {
                let what = match kind {
                    CharacterKind::Letter => "is a letter; only digits can be dialled",
                    CharacterKind::Extension => "begins an extension; dial the number without it",
                    CharacterKind::ForeignDigit => "is not one of the digits 0 to 9",
                    CharacterKind::Control => "is a control character",
                    CharacterKind::Symbol | CharacterKind::Other => "has no place in a phone number",
                };
                return write!(f, "Character {position} {what}.");
            }
            Self::MisplacedPlus { position } => {
                return write!(f, "Character {position} is a plus sign; it can only be the first sign of a number.");
            }
            Self::UnknownCountryCode => "No country has this code.",
            Self::NoNumberingPlan => {
                "The national numbers of this country are not known. Write the number with + and the country code."
            }
            Self::CountryNeeded => "The country is missing. Write the number with + and the country code.",
            Self::TooShort => "The number is too short.",
            Self::TooManyDigits => "The number has too many digits.",
            Self::AreaCodeMissing => "The area code is missing.",
            Self::NotAValidNumber => "There is no such number.",
        };
        f.write_str(sentence)
    }
}

impl Error for DialError {}
