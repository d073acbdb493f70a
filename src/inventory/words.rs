//! What is said about a number, as types: what is longer, or has a line break in it, does not get further than this.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// A text is not what it should be. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidWord(&'static str);

impl fmt::Display for InvalidWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidWord {}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $most:literal, $form:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = InvalidWord;
            fn from_str(text: &str) -> Result<Self, InvalidWord> {
                let text = text.trim();
                let fits = (1..=$most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
                if fits { Ok(Self(text.to_owned())) } else { Err(InvalidWord($form)) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text!(
    /// A name for people, such as `Customer Support - Mumbai`.
    Label,
    100,
    "a name is 1 to 100 characters without control characters"
);
text!(
    /// Who sold us a number, such as `telnyx`.
    Provider,
    50,
    "a provider is 1 to 50 characters without control characters"
);
text!(
    /// The number's id with its provider.
    ProviderId,
    100,
    "a provider's id is 1 to 100 characters without control characters"
);

/// What sort of number was bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// Of a place.
    Local,
    /// Of a country, but of no place in it.
    National,
    /// Of a mobile network.
    Mobile,
    /// The caller pays nothing.
    TollFree,
    /// A virtual number of a cloud provider.
    Exophone,
    /// An account of a SIP provider.
    Sip,
    /// A line that ends in a house.
    Landline,
}

impl NumberKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Local, Self::National, Self::Mobile, Self::TollFree, Self::Exophone, Self::Sip, Self::Landline];

    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::National => "national",
            Self::Mobile => "mobile",
            Self::TollFree => "toll_free",
            Self::Exophone => "exophone",
            Self::Sip => "sip",
            Self::Landline => "landline",
        }
    }
}

impl FromStr for NumberKind {
    type Err = InvalidWord;

    /// Capital letters and `-` are taken too: carriers write `TOLL_FREE` and `toll-free`.
    fn from_str(text: &str) -> Result<Self, InvalidWord> {
        let word = text.trim().to_ascii_lowercase().replace(['-', ' '], "_");
        let word = if word == "tollfree" { "toll_free" } else { &word };
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        known.ok_or(InvalidWord("a type is local, national, mobile, toll_free, exophone, sip or landline"))
    }
}

impl<'de> Deserialize<'de> for NumberKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a number can do: `{"voice": true, "sms": false}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Capabilities(BTreeMap<String, bool>);

const CAPABILITIES: InvalidWord =
    InvalidWord("capabilities are at most 16 names of a-z 0-9 _ with true or false each, such as {\"voice\": true}");

impl Capabilities {
    fn checked(named: BTreeMap<String, bool>) -> Result<Self, InvalidWord> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let good = |name: &String| (1..=30).contains(&name.len()) && name.bytes().all(plain);
        if named.len() <= 16 && named.keys().all(good) { Ok(Self(named)) } else { Err(CAPABILITIES) }
    }
}

impl Capabilities {
    /// Each with whether the number can do it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().map(|(name, can)| (name.as_str(), *can))
    }
}

impl FromStr for Capabilities {
    type Err = InvalidWord;

    /// JSON, or the names of what it can do: `voice sms`.
    fn from_str(text: &str) -> Result<Self, InvalidWord> {
        if text.trim_start().starts_with('{') {
            return Self::checked(serde_json::from_str(text).map_err(|_| CAPABILITIES)?);
        }
        let names = text.split([' ', ';', '|', ',']).filter(|name| !name.is_empty());
        Self::checked(names.map(|name| (name.to_ascii_lowercase(), true)).collect())
    }
}

impl<'de> Deserialize<'de> for Capabilities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::checked(BTreeMap::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Anything else that somebody wants to know of a number: a JSON object.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// The longest that is kept, as JSON text.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// Postgres writes a blank after `:` and `,`, so the text it measures is longer than ours.
    const ROOM: usize = 12 * 1024;

    fn checked(object: Map<String, Value>) -> Result<Self, InvalidWord> {
        // Postgres keeps no character 0 in JSON.
        if object.iter().any(|(key, value)| key.contains('\0') || has_nul(value)) {
            return Err(InvalidWord("metadata must not have the character U+0000 in it"));
        }
        let length = serde_json::to_string(&object).map_or(usize::MAX, |text| text.len());
        if length > Self::ROOM {
            return Err(InvalidWord("metadata is a JSON object of at most 12 KiB"));
        }
        Ok(Self(object))
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

impl FromStr for Metadata {
    type Err = InvalidWord;

    fn from_str(text: &str) -> Result<Self, InvalidWord> {
        let object = serde_json::from_str(text);
        Self::checked(object.map_err(|_| InvalidWord("metadata is a JSON object such as {\"department\": \"sales\"}"))?)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::checked(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// What is to become of something that may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Set<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is taken away.
    Clear,
    /// It becomes this.
    To(T),
}

impl<T> Set<T> {
    /// Whether anything is to become of it.
    pub fn is_said(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// What it becomes, if it is not taken away.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::To(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Set<T> {
    /// `null` takes away; who says nothing has the default.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::To))
    }
}

/// A text as it can stand in a cell of a CSV file that somebody opens with a spreadsheet: what would be a formula there begins
/// with an apostrophe, which [`plain`] takes away.
pub fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) { format!("'{text}") } else { text.to_owned() }
}

/// A cell's text as it was before [`cell`].
pub fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_short_and_of_one_line() {
        assert_eq!("  Sales, B2B ".parse::<Label>().map(|label| label.to_string()).as_deref(), Ok("Sales, B2B"));
        for bad in ["", "  ", "a\nb", "a\u{0}b", &"x".repeat(101)] {
            assert!(bad.parse::<Label>().is_err(), "{bad:?}");
        }
        assert!("é".repeat(50).parse::<Provider>().is_ok(), "characters are counted, not bytes");
    }

    #[test]
    fn kinds_are_taken_as_carriers_write_them() {
        for (text, kind) in
            [("TOLL_FREE", NumberKind::TollFree), ("toll-free", NumberKind::TollFree), ("LOCAL", NumberKind::Local)]
        {
            assert_eq!(text.parse(), Ok(kind));
        }
        assert!("short code".parse::<NumberKind>().is_err());
    }

    #[test]
    fn capabilities_are_names_or_json() {
        let json: Capabilities = r#"{"voice": true, "sms": false}"#.parse().expect("capabilities");
        assert_eq!(serde_json::to_string(&json).expect("JSON"), r#"{"sms":false,"voice":true}"#);
        let names: Capabilities = "Voice;sms".parse().expect("capabilities");
        assert_eq!(serde_json::to_string(&names).expect("JSON"), r#"{"sms":true,"voice":true}"#);
        for bad in [r#"{"voice": 1}"#, r#"{"a b": true}"#, "{", "vo\u{e9}"] {
            assert!(bad.parse::<Capabilities>().is_err(), "{bad}");
        }
    }

    #[test]
    fn metadata_is_an_object_that_the_database_can_keep() {
        assert!(r#"{"department": "sales", "n": {"x": [1, null]}}"#.parse::<Metadata>().is_ok());
        for bad in ["[]", "1", "{", r#"{"a": "\u0000"}"#, r#"{"\u0000": 1}"#, r#"{"a": 1e999}"#] {
            assert!(bad.parse::<Metadata>().is_err(), "{bad}");
        }
        assert!(format!(r#"{{"a": "{}"}}"#, "x".repeat(13_000)).parse::<Metadata>().is_err());
    }

    #[test]
    fn a_cell_is_no_formula_and_comes_back() {
        for text in ["=1+1", "+1 party", "-x", "@SUM(A1)", "'quoted", "'=x", "plain", "O'Hara", "\tx"] {
            let cell = cell(text);
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            assert_eq!(plain(&cell), text);
        }
    }
}
