//! Placeholder until the numbering room lands.
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An E.164 number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct E164(u64);
/// Not an E.164 number.
#[derive(Debug, thiserror::Error)]
#[error("not an E.164 number")]
pub struct InvalidE164;
impl FromStr for E164 {
    type Err = InvalidE164;
    fn from_str(text: &str) -> Result<Self, InvalidE164> {
        let digits = text.strip_prefix('+').ok_or(InvalidE164)?;
        if !(7..=15).contains(&digits.len()) || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidE164);
        }
        digits.parse().map(Self).map_err(|_| InvalidE164)
    }
}
impl TryFrom<String> for E164 {
    type Error = InvalidE164;
    fn try_from(text: String) -> Result<Self, InvalidE164> {
        text.parse()
    }
}
impl From<E164> for String {
    fn from(n: E164) -> Self {
        n.to_string()
    }
}
impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}
impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+…{:02}", self.0 % 100)
    }
}
/// A region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionCode([u8; 2]);
impl RegionCode {
    /// Belongs to no country.
    pub fn is_world(&self) -> bool {
        self.0 == *b"00"
    }
}
impl FromStr for RegionCode {
    type Err = InvalidE164;
    fn from_str(text: &str) -> Result<Self, InvalidE164> {
        if text == "001" {
            return Ok(Self(*b"00"));
        }
        match text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(Self([*a, *b])),
            _ => Err(InvalidE164),
        }
    }
}
impl TryFrom<String> for RegionCode {
    type Error = InvalidE164;
    fn try_from(text: String) -> Result<Self, InvalidE164> {
        text.parse()
    }
}
impl From<RegionCode> for String {
    fn from(r: RegionCode) -> Self {
        r.to_string()
    }
}
impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_world() { f.write_str("001") } else { write!(f, "{}{}", self.0[0] as char, self.0[1] as char) }
    }
}
/// Kind of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberClass {
    /// fixed
    Geographic,
    /// premium
    Premium,
}
impl NumberClass {
    /// cheap
    pub fn is_ordinary(self) -> bool {
        self == Self::Geographic
    }
}
impl fmt::Display for NumberClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Premium { "premium" } else { "geographic" })
    }
}
