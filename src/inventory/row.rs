//! One number of a list: its fields, wherever they came from, held against the rules.

use super::words::{Capabilities, Label, Metadata, NumberKind, Provider, ProviderId, plain};
use crate::core::ids::TrunkName;
use crate::core::number::{E164, RegionCode};
use crate::numbering::{self, ExtraPrefix};
use std::collections::BTreeSet;

/// What can be said about a number in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The number.
    Number,
    /// Who sold it.
    Provider,
    /// The country by which it is read.
    Region,
    /// A name for people.
    Name,
    /// The trunk that can present it.
    Trunk,
    /// Calls a day over all agents.
    DailyLimit,
    /// What sort of number it is.
    Type,
    /// Its id with the provider.
    ProviderId,
    /// What it can do.
    Capabilities,
    /// Anything else.
    Metadata,
}

impl Field {
    /// All of them, in the order of a list without a header.
    pub const ALL: [Self; 10] = [
        Self::Number,
        Self::Provider,
        Self::Region,
        Self::Name,
        Self::Trunk,
        Self::DailyLimit,
        Self::Type,
        Self::ProviderId,
        Self::Capabilities,
        Self::Metadata,
    ];

    /// The name in the header of a list.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Provider => "provider",
            Self::Region => "region",
            Self::Name => "name",
            Self::Trunk => "trunk",
            Self::DailyLimit => "daily_limit",
            Self::Type => "type",
            Self::ProviderId => "provider_id",
            Self::Capabilities => "capabilities",
            Self::Metadata => "metadata",
        }
    }

    /// The field of that name; other systems' names are known too: `phoneNumber`, `country_code`, `Friendly Name`.
    pub fn named(name: &str) -> Option<Self> {
        let word: String = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect();
        Some(match word.to_ascii_lowercase().as_str() {
            "number" | "phonenumber" => Self::Number,
            "provider" => Self::Provider,
            "region" | "country" | "countrycode" => Self::Region,
            "name" | "friendlyname" => Self::Name,
            "trunk" => Self::Trunk,
            "dailylimit" => Self::DailyLimit,
            "type" => Self::Type,
            "providerid" | "providersid" => Self::ProviderId,
            "capabilities" => Self::Capabilities,
            "metadata" => Self::Metadata,
            _ => return None,
        })
    }

    /// What is said about somebody to call, in the order of a list without a header.
    pub const OF_CONTACTS: [Self; 3] = [Self::Number, Self::Name, Self::Metadata];

    /// Their names, for people.
    pub fn names(fields: &[Self]) -> String {
        fields.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// A number as a list has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The number.
    pub e164: E164,
    /// Its country.
    pub region: RegionCode,
    /// A name for people.
    pub friendly_name: Option<Label>,
    /// Who sold it.
    pub provider: Option<Provider>,
    /// Its id with the provider.
    pub provider_id: Option<ProviderId>,
    /// What sort of number it is.
    pub kind: Option<NumberKind>,
    /// The trunk that can present it.
    pub trunk: Option<TrunkName>,
    /// Calls a day over all agents.
    pub daily_limit: Option<u32>,
    /// What it can do.
    pub capabilities: Option<Capabilities>,
    /// Anything else.
    pub metadata: Option<Metadata>,
}

impl Entry {
    /// A number of which nothing else is known.
    pub fn plain(e164: E164, region: RegionCode) -> Self {
        Self {
            e164,
            region,
            friendly_name: None,
            provider: None,
            provider_id: None,
            kind: None,
            trunk: None,
            daily_limit: None,
            capabilities: None,
            metadata: None,
        }
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where in the line: in CSV the column of the table, in JSON the character. From 1.
    pub column: u32,
    /// Which field; none if it is not about one.
    pub field: Option<&'static str>,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Which, as an editor counts.
    pub line: u64,
    /// The number as it was written, or the beginning of that.
    pub given: String,
    /// The number with a remark, or what is wrong.
    pub read: Result<(Box<Entry>, Option<String>), Wrong>,
}

/// The longest text that is repeated.
const GIVEN: usize = 40;

/// What a list is held against.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// By which national numbers are read; none: they must be international.
    pub country: Option<RegionCode>,
    /// The trunks that there are.
    pub trunks: BTreeSet<TrunkName>,
    /// What the settings add to the numbering plans.
    pub extra: Vec<ExtraPrefix>,
}

/// A field's text and where it stands.
pub(super) type Cell<'a> = (Field, &'a str, u32);

impl Rules {
    /// Reads the fields of one number. Empty ones count as not there.
    pub(super) fn line(&self, line: u64, cells: &[Cell<'_>]) -> Line {
        let raw = cells.iter().find(|(field, ..)| *field == Field::Number).map_or("", |(_, text, _)| text);
        let given = raw.chars().take(GIVEN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        Line { line, given, read: self.entry(cells).map(|(entry, remark)| (Box::new(entry), remark)) }
    }

    fn entry(&self, cells: &[Cell<'_>]) -> Result<(Entry, Option<String>), Wrong> {
        let found = |field| cells.iter().find(|(f, text, _)| *f == field && !text.is_empty());
        let wrong = |field: Field, message: String| Wrong {
            column: cells.iter().find(|(f, ..)| *f == field).map_or(1, |(_, _, at)| *at),
            field: Some(field.as_str()),
            message,
        };
        let named =
            found(Field::Region).map(|(_, text, _)| text.to_ascii_uppercase().parse::<RegionCode>()).transpose();
        let named = named.map_err(|error| wrong(Field::Region, format!("the region is {error}")))?;
        let country = named.or(self.country);
        let (_, raw, _) =
            found(Field::Number).ok_or_else(|| wrong(Field::Number, "the number is missing".to_owned()))?;
        let number = numbering::parse_owned_number(plain(raw), country.as_ref(), &self.extra)
            .map_err(|error| wrong(Field::Number, error.to_string()))?;
        let trunk: Option<TrunkName> = parsed(found(Field::Trunk), wrong)?;
        if let Some(trunk) = trunk.as_ref().filter(|trunk| !self.trunks.contains(trunk)) {
            let message = format!("there is no trunk {trunk}; add it: cordboard trunks add {trunk}");
            return Err(wrong(Field::Trunk, message));
        }
        let daily_limit = found(Field::DailyLimit).map(|(_, text, _)| text.parse::<u32>().ok());
        let daily_limit = match daily_limit {
            None => None,
            Some(Some(limit)) if (1..=100_000).contains(&limit) => Some(limit),
            Some(_) => return Err(wrong(Field::DailyLimit, "the daily limit is 1 to 100000".to_owned())),
        };
        let entry = Entry {
            e164: number.e164,
            region: number.region,
            friendly_name: parsed(found(Field::Name), wrong)?,
            provider: parsed(found(Field::Provider), wrong)?,
            provider_id: parsed(found(Field::ProviderId), wrong)?,
            kind: parsed(found(Field::Type), wrong)?,
            trunk,
            daily_limit,
            capabilities: parsed(found(Field::Capabilities), wrong)?,
            metadata: parsed(found(Field::Metadata), wrong)?,
        };
        let remark = named.filter(|region| *region != number.region);
        let remark = remark.map(|region| format!("the file says {region}, but the number is of {}", number.region));
        Ok((entry, remark))
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    cell: Option<&Cell<'_>>,
    wrong: impl Fn(Field, String) -> Wrong,
) -> Result<Option<T>, Wrong> {
    let Some((field, text, _)) = cell else { return Ok(None) };
    plain(text).parse().map(Some).map_err(|error: T::Err| wrong(*field, error.to_string()))
}
