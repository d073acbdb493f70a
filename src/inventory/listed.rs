//! A number as a carrier lists it, whichever carrier it is.

use super::words::{Capabilities, Label, NumberKind, ProviderId};
use crate::core::number::{E164, RegionCode};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Whose numbers can be read over their API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CarrierKind {
    /// `api.telnyx.com`, version 2.
    Telnyx,
    /// `api.twilio.com`, version 2010-04-01, and what speaks like it.
    Twilio,
}

impl CarrierKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Telnyx, Self::Twilio];

    /// Its name, which is also what numbers have as their provider.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Telnyx => "telnyx",
            Self::Twilio => "twilio",
        }
    }
}

impl fmt::Display for CarrierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no kind of carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a carrier is of the kind twilio or telnyx")]
pub struct UnknownKind;

impl FromStr for CarrierKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// What a carrier says of a number's life with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It can be used.
    Active,
    /// It can be used, and is about to leave for another carrier.
    Leaving,
    /// It is bought or ported in, and not there yet.
    Coming,
    /// It is theirs no longer, or never came.
    Gone,
    /// Something that this program does not know.
    Unknown,
}

impl Standing {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Leaving => "leaving",
            Self::Coming => "coming",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }

    /// Whether calls can be made from it.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Active | Self::Leaving)
    }
}

/// A number as a carrier lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The number.
    pub e164: E164,
    /// Its country, by the numbering plans.
    pub region: RegionCode,
    /// A name for people.
    pub name: Option<Label>,
    /// Its id with the carrier.
    pub provider_id: ProviderId,
    /// What sort of number it is, if they say so.
    pub kind: Option<NumberKind>,
    /// What it can do, if they say so.
    pub capabilities: Option<Capabilities>,
    /// How it stands with them.
    pub standing: Standing,
}

/// One entry of a page of a carrier's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place on the page, from 0.
    pub place: u32,
    /// The number as it was written, or the beginning of that.
    pub given: String,
    /// The number, or what is wrong with it.
    pub read: Result<Listed, String>,
}

/// One page of a carrier's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// What is on it.
    pub entries: Vec<Entry>,
    /// Where the next one is; none: this is the last.
    pub next: Option<String>,
    /// How many numbers the carrier says there are on all pages, if it does.
    pub total: Option<u64>,
}
