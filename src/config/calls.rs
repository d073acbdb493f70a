//! `[calls]`: how calls are made.

use std::time::Duration;

use serde::Deserialize;

use super::Reported;
use super::report::{Given, Report};
use crate::core::number::{NumberClass, RegionCode};

/// The bounds of every call on this node.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// How long a customer's phone rings.
    pub ring_timeout: Duration,
    /// How long an agent's own phone rings for click-to-call.
    pub agent_ring_timeout: Duration,
    /// After this time Asterisk ends a call by itself.
    pub max_call: Duration,
    /// Classes of dear numbers that may be called at all; an assignment must still allow the country.
    pub allow_classes: Vec<NumberClass>,
    /// What the shipped numbering data does not know yet, longest prefix first.
    pub extra_prefixes: Vec<ExtraPrefix>,
    /// Whether an agent's phone is asked to answer click-to-call by itself.
    pub auto_answer_header: bool,
}

/// Numbers that begin with `prefix` belong to `region` and `class`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraPrefix {
    /// `+` and 1 to 14 digits.
    pub prefix: String,
    /// The region in which such a number rings.
    pub region: RegionCode,
    /// What kind of number it is.
    pub class: NumberClass,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCalls {
    ring_timeout_s: Option<Given<u64>>,
    agent_ring_timeout_s: Option<Given<u64>>,
    max_call_s: Option<Given<u64>>,
    allow_classes: Option<Given<Vec<String>>>,
    extra_prefixes: Option<Vec<RawExtraPrefix>>,
    auto_answer_header: Option<Given<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExtraPrefix {
    prefix: Option<Given<String>>,
    region: Option<Given<String>>,
    class: Option<Given<String>>,
}

impl Calls {
    pub(super) fn check(raw: RawCalls, report: &mut Report) -> Result<Self, Reported> {
        let ring_timeout = report.seconds("calls.ring_timeout_s", raw.ring_timeout_s, 45, &(15..=120));
        let agent_ring_timeout = report.seconds("calls.agent_ring_timeout_s", raw.agent_ring_timeout_s, 25, &(5..=120));
        let max_call = report.seconds("calls.max_call_s", raw.max_call_s, 14_400, &(60..=86_400));
        let allow_classes = classes(raw.allow_classes, report);
        let extra_prefixes = prefixes(raw.extra_prefixes.unwrap_or_default(), report);
        let auto_answer_header = report.value("calls.auto_answer_header", raw.auto_answer_header);
        Ok(Self {
            ring_timeout: ring_timeout?,
            agent_ring_timeout: agent_ring_timeout?,
            max_call: max_call?,
            allow_classes: allow_classes?,
            extra_prefixes: extra_prefixes?,
            auto_answer_header: auto_answer_header?.unwrap_or(false),
        })
    }
}

fn classes(given: Option<Given<Vec<String>>>, report: &mut Report) -> Result<Vec<NumberClass>, Reported> {
    let key = "calls.allow_classes";
    let names = report.value(key, given)?.unwrap_or_default();
    let mut classes = Vec::new();
    let mut outcome = Ok(());
    for name in &names {
        match name.parse::<NumberClass>() {
            Ok(class) if classes.contains(&class) => {}
            Ok(class) => classes.push(class),
            Err(e) => outcome = Err(report.error(key, format!("{name:?}: {e}"))),
        }
    }
    let names = |ordinary: bool| -> Vec<&str> {
        let those = classes.iter().filter(|class| class.is_ordinary() == ordinary);
        those.map(|class| class.as_str()).collect()
    };
    let (ordinary, dear) = (names(true), names(false));
    if !ordinary.is_empty() {
        report.warn(key, format!("{} need not be named; only the country must be allowed", ordinary.join(", ")));
    }
    if !dear.is_empty() {
        let message = format!("calls to {} numbers may be dear and are what fraud dials", dear.join(", "));
        report.warn(key, message);
    }
    outcome.map(|()| classes)
}

fn prefixes(raw: Vec<RawExtraPrefix>, report: &mut Report) -> Result<Vec<ExtraPrefix>, Reported> {
    let mut prefixes: Vec<ExtraPrefix> = Vec::new();
    let mut outcome = Ok(());
    for (index, raw) in raw.into_iter().enumerate() {
        let around = format!("calls.extra_prefixes[{index}]");
        let Ok(extra) = ExtraPrefix::check(raw, &around, report) else {
            outcome = Err(Reported);
            continue;
        };
        if prefixes.iter().any(|known| known.prefix == extra.prefix) {
            let message = format!("{} is given twice", extra.prefix);
            outcome = Err(report.error(&format!("{around}.prefix"), message));
        }
        prefixes.push(extra);
    }
    prefixes.sort_by(|a, b| b.prefix.len().cmp(&a.prefix.len()).then_with(|| a.prefix.cmp(&b.prefix)));
    outcome.map(|()| prefixes)
}

impl ExtraPrefix {
    fn check(raw: RawExtraPrefix, around: &str, report: &mut Report) -> Result<Self, Reported> {
        let key = |k: &str| format!("{around}.{k}");
        let prefix = report.value(&key("prefix"), raw.prefix);
        let prefix = required(prefix, &key("prefix"), "such as \"+1357\"", report);
        let prefix = prefix.and_then(|prefix| checked_prefix(prefix, &key("prefix"), report));
        let region = report.parsed(&key("region"), raw.region);
        let region = required(region, &key("region"), "such as \"US\"", report);
        let class = report.parsed(&key("class"), raw.class);
        let class = required(class, &key("class"), "such as \"geographic\"", report);
        Ok(Self { prefix: prefix?, region: region?, class: class? })
    }
}

/// Turns an absent value into an error.
pub(super) fn required<T>(
    value: Result<Option<T>, Reported>,
    key: &str,
    hint: &str,
    report: &mut Report,
) -> Result<T, Reported> {
    value?.ok_or_else(|| report.error(key, format!("is missing; give one {hint}")))
}

fn checked_prefix(prefix: String, key: &str, report: &mut Report) -> Result<String, Reported> {
    let digits = prefix.strip_prefix('+').unwrap_or_default();
    let is_prefix =
        (1..=14).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if !is_prefix {
        let message = format!("{prefix:?} is not a prefix; use '+' and 1 to 14 digits, such as \"+1357\"");
        return Err(report.error(key, message));
    }
    if digits.len() < 3 {
        report.warn(key, format!("{prefix} covers whole countries"));
    }
    Ok(prefix)
}
