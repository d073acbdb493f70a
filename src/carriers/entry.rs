//! What the entries of all carriers have in common.

use crate::inventory::listed::Standing;
use crate::inventory::listed::{Entry, Listed};
use crate::inventory::{Capabilities, Label, NumberKind, ProviderId};
use crate::numbering::{self, ExtraPrefix};
use serde_json::Value;

/// The longest text that is repeated.
const GIVEN: usize = 40;

/// The fields that a carrier names in its own way.
pub(super) struct Fields<'a> {
    pub number: &'static str,
    pub id: &'static str,
    pub name: Option<&'a str>,
    pub kind: Option<&'a str>,
    pub capabilities: Option<Capabilities>,
    pub standing: Standing,
}

/// A text of an entry; none if it is null, empty or not there.
pub(super) fn text<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    entry.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Reads one entry. What we could do without and cannot read is left out; number and id must be there.
pub(super) fn read(place: usize, entry: &Value, fields: Fields<'_>, extra: &[ExtraPrefix]) -> Entry {
    let raw = text(entry, fields.number).unwrap_or_default();
    let given = raw.chars().take(GIVEN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    Entry { place, given, read: listed(entry, raw, fields, extra) }
}

fn listed(entry: &Value, raw: &str, fields: Fields<'_>, extra: &[ExtraPrefix]) -> Result<Listed, String> {
    if !entry.is_object() {
        return Err("it is not an object".to_owned());
    }
    if raw.is_empty() {
        return Err(format!("{} is missing or not a text", fields.number));
    }
    if !raw.starts_with('+') {
        return Err(format!("{} does not begin with +", fields.number));
    }
    let number = numbering::parse_owned_number(raw, None, extra).map_err(|error| error.to_string())?;
    let id = text(entry, fields.id).ok_or_else(|| format!("{} is missing or not a text", fields.id))?;
    let provider_id: ProviderId = id.parse().map_err(|error| format!("{}: {error}", fields.id))?;
    let name = fields.name.filter(|name| digits(name) != digits(raw));
    Ok(Listed {
        e164: number.e164,
        region: number.region,
        name: name.and_then(|name| name.parse::<Label>().ok()),
        provider_id,
        kind: fields.kind.and_then(|kind| kind.parse::<NumberKind>().ok()),
        capabilities: fields.capabilities,
        standing: fields.standing,
    })
}

/// A name that is only the number in another dress says nothing: `(202) 555-0123`, perhaps without the country code.
fn digits(text: &str) -> Option<String> {
    if text.chars().any(char::is_alphabetic) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let from = digits.len().saturating_sub(9);
    digits.get(from..).map(str::to_owned)
}
