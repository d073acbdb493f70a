//! Phone numbers, their countries and their kinds, as plain values. Reading what a person dialled is the work of
//! [`numbering`](crate::numbering), which knows the world's numbering plans; here only the shapes are checked.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::error::Error;
use std::fmt;
use std::str::{self, FromStr};

/// A number in the international form of ITU-T E.164: `+`, then 7 to 15 digits of which the first is not 0.
///
/// [`Display`](fmt::Display) and [`as_str`](E164::as_str) give all of it; [`Debug`] only what [`masked`](E164::masked)
/// gives, so that a number does not get into a log by way of somebody's `{:?}`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164 {
    /// `+` and the digits, then zero bytes: comparing them is comparing the texts.
    text: [u8; 16],
    len: u8,
}

impl E164 {
    /// The fewest digits after the `+`. No country has shorter numbers that can be called from abroad (but for a few odd
    /// ones in Austria and Germany), and no emergency number is that long.
    pub const MIN_DIGITS: usize = 7;
    /// The most digits after the `+`.
    pub const MAX_DIGITS: usize = 15;

    /// All of it: `+12025550123`.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text[..usize::from(self.len)]).unwrap_or_default()
    }

    /// All of it but the `+`, for carriers that do not want one.
    pub fn digits(&self) -> &str {
        &self.as_str()[1..]
    }

    /// Enough of it to recognise it next to others, too little to call it: `+1202•••••23`. At least five digits are hidden.
    pub fn masked(&self) -> String {
        let digits = self.digits();
        let shown = digits.len().saturating_sub(Self::MIN_DIGITS).min(4);
        let tail = digits.len() - 2;
        format!("+{}{}{}", &digits[..shown], "•".repeat(tail - shown), &digits[tail..])
    }
}

impl FromStr for E164 {
    type Err = InvalidE164;

    fn from_str(text: &str) -> Result<Self, InvalidE164> {
        let digits = text.strip_prefix('+').ok_or(InvalidE164)?;
        if !(Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&digits.len())
            || digits.starts_with('0')
            || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(InvalidE164);
        }
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { text: bytes, len: u8::try_from(text.len()).map_err(|_| InvalidE164)? })
    }
}

impl TryFrom<String> for E164 {
    type Error = InvalidE164;

    fn try_from(text: String) -> Result<Self, InvalidE164> {
        text.parse()
    }
}

impl From<E164> for String {
    fn from(number: E164) -> Self {
        number.as_str().to_owned()
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for E164 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for E164 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A text is not an [`E164`]. It does not carry the text, which may be somebody's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidE164;

impl fmt::Display for InvalidE164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a number in international form: a plus sign, then 7 to 15 digits")
    }
}

impl Error for InvalidE164 {}

/// The country a number belongs to, as ISO 3166-1 has it: two capital letters; or `001`, the world, for numbers of no country:
/// satellites, international toll-free.
///
/// Letters are not held against a list of countries: an unknown one has no numbers and is allowed by nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionCode([u8; 3]);

impl RegionCode {
    /// Of no country.
    pub const WORLD: Self = Self(*b"001");

    /// A region written into the program.
    ///
    /// # Panics
    ///
    /// If the text is not a region. In a `const` that is an error of compilation.
    pub const fn literal(text: &str) -> Self {
        match Self::read(text.as_bytes()) {
            Some(region) => region,
            None => panic!("a region is two capital letters, or 001"),
        }
    }

    const fn read(text: &[u8]) -> Option<Self> {
        match text {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Some(Self([*a, *b, 0])),
            b"001" => Some(Self::WORLD),
            _ => None,
        }
    }

    /// The code: `US`, `GB`, `001`.
    pub fn as_str(&self) -> &str {
        let len = if self.is_world() { 3 } else { 2 };
        str::from_utf8(&self.0[..len]).unwrap_or_default()
    }

    /// Of no country.
    pub fn is_world(&self) -> bool {
        *self == Self::WORLD
    }
}

impl FromStr for RegionCode {
    type Err = InvalidRegion;

    fn from_str(text: &str) -> Result<Self, InvalidRegion> {
        Self::read(text.as_bytes()).ok_or(InvalidRegion)
    }
}

impl TryFrom<String> for RegionCode {
    type Error = InvalidRegion;

    fn try_from(text: String) -> Result<Self, InvalidRegion> {
        text.parse()
    }
}

impl From<RegionCode> for String {
    fn from(region: RegionCode) -> Self {
        region.as_str().to_owned()
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RegionCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RegionCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A text is not a [`RegionCode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRegion;

impl fmt::Display for InvalidRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a country: two capital letters such as US, or 001 for numbers of no country")
    }
}

impl Error for InvalidRegion {}

/// What kind of number it is, which decides who pays how much for calling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberClass {
    /// A fixed line.
    Geographic,
    /// A mobile phone.
    Mobile,
    /// One of the two, where the plan does not tell them apart, as in North America.
    GeographicOrMobile,
    /// The called party pays.
    TollFree,
    /// A service billed through the call: +1 900, GB 09, and GB 084 and 087.
    Premium,
    /// Caller and called share the cost.
    SharedCost,
    /// An internet phone, billed like a fixed line.
    Voip,
    /// A number that follows a person, often at a high price: GB 070, US 500.
    Personal,
    /// A pager.
    Pager,
    /// A company's number for the whole country.
    UniversalAccess,
    /// A mailbox.
    Voicemail,
    /// A satellite phone: Inmarsat, Iridium, Globalstar, Thuraya.
    Satellite,
    /// Any other number of no country: international networks (+882, +883), personal numbers (+878).
    InternationalOther,
    /// The numbering data does not say.
    Unknown,
}

impl NumberClass {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Geographic,
        Self::Mobile,
        Self::GeographicOrMobile,
        Self::TollFree,
        Self::Premium,
        Self::SharedCost,
        Self::Voip,
        Self::Personal,
        Self::Pager,
        Self::UniversalAccess,
        Self::Voicemail,
        Self::Satellite,
        Self::InternationalOther,
        Self::Unknown,
    ];

    /// The name in the database, the API and the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Geographic => "geographic",
            Self::Mobile => "mobile",
            Self::GeographicOrMobile => "geographic_or_mobile",
            Self::TollFree => "toll_free",
            Self::Premium => "premium",
            Self::SharedCost => "shared_cost",
            Self::Voip => "voip",
            Self::Personal => "personal",
            Self::Pager => "pager",
            Self::UniversalAccess => "universal_access",
            Self::Voicemail => "voicemail",
            Self::Satellite => "satellite",
            Self::InternationalOther => "international_other",
            Self::Unknown => "unknown",
        }
    }

    /// May be called without being named, in a country that is allowed.
    ///
    /// The test is the bill: a kind is ordinary when its price is the country's ordinary price, or nothing. Stolen access is
    /// turned into money by calling numbers that pay their owner, so all that can be dear, or that cannot be told, has to be
    /// allowed by name. Toll-free costs the caller nothing, and internet phones cost what fixed lines cost.
    pub fn is_ordinary(self) -> bool {
        match self {
            Self::Geographic | Self::Mobile | Self::GeographicOrMobile | Self::TollFree | Self::Voip => true,
            Self::Premium
            | Self::SharedCost
            | Self::Personal
            | Self::Pager
            | Self::UniversalAccess
            | Self::Voicemail
            | Self::Satellite
            | Self::InternationalOther
            | Self::Unknown => false,
        }
    }
}

impl FromStr for NumberClass {
    type Err = InvalidClass;

    fn from_str(text: &str) -> Result<Self, InvalidClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or(InvalidClass)
    }
}

impl fmt::Display for NumberClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text is not the name of a [`NumberClass`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidClass;

impl fmt::Display for InvalidClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a kind of number; the kinds are ")?;
        for (i, class) in NumberClass::ALL.into_iter().enumerate() {
            write!(f, "{}{class}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Error for InvalidClass {}

#[cfg(test)]
mod tests;
