//! Takes values out of the raw settings and gathers what is wrong with them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use config::{Value, ValueKind};
use serde::{Deserialize, Deserializer};

use super::errors::{ConfigErrors, Notice, Place, Warning};
use super::{Config, Loaded, Reported};

/// A setting as it was written, before anyone has looked whether it is a `T`: so a wrong type is one error among the
/// others, not the end of reading.
pub(super) struct Given<T> {
    value: Value,
    wanted: PhantomData<T>,
}

/// The kinds a setting can have.
pub(super) trait Kind: Sized {
    /// Takes it from TOML.
    fn from_toml(value: ValueKind) -> Result<Self, String>;
    /// Takes it from the text of a variable.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Where every setting stands, and what is wrong with them so far.
pub(super) struct Report {
    file: Arc<str>,
    places: BTreeMap<String, Place>,
    errors: Vec<Notice>,
    warnings: Vec<Warning>,
    credentials_dir: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(file: &str, credentials_dir: Option<&Path>) -> Self {
        Self {
            file: Arc::from(file),
            places: BTreeMap::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            credentials_dir: credentials_dir.map(Path::to_owned),
        }
    }

    pub(super) fn finish(mut self, config: Result<Config, Reported>) -> Result<Loaded, ConfigErrors> {
        match config {
            Ok(config) if self.errors.is_empty() => {
                self.warnings.sort_by(|a, b| a.notice().cmp(b.notice()));
                let warnings = self.warnings;
                Ok(Loaded { config, warnings })
            }
            Ok(_) | Err(Reported) => Err(ConfigErrors::new(self.errors)),
        }
    }

    pub(super) fn credentials_dir(&self) -> Option<&Path> {
        self.credentials_dir.as_deref()
    }

    /// Remembers that the file sets `key` on `line`.
    pub(super) fn put_line(&mut self, key: String, line: usize) {
        let place = self.line(line, None);
        self.places.insert(key, place);
    }

    /// Remembers that a variable sets `key`.
    pub(super) fn put_variable(&mut self, key: String, name: String) {
        self.places.insert(key, Place::Variable { name });
    }

    /// Tells whether a variable, rather than the file, sets `key`.
    pub(super) fn is_from_variable(&self, key: &str) -> bool {
        matches!(self.places.get(key), Some(Place::Variable { .. }))
    }

    /// Tells whether `key`, or anything inside it, is in error.
    pub(super) fn is_wrong(&self, key: &str) -> bool {
        let inside = |k: &str| k.starts_with(key) && !k[key.len()..].starts_with(is_word);
        self.errors.iter().filter_map(Notice::key).any(inside)
    }

    /// Tells whether `key` itself is in error, so that nothing inside it was read.
    pub(super) fn is_refused(&self, key: &str) -> bool {
        self.errors.iter().any(|e| e.key() == Some(key))
    }

    /// Notes an error at the place of `key`.
    pub(super) fn error(&mut self, key: &str, message: impl Into<String>) -> Reported {
        let place = self.place(key);
        self.error_at(place, Some(key), message)
    }

    pub(super) fn error_at(&mut self, place: Place, key: Option<&str>, message: impl Into<String>) -> Reported {
        self.errors.push(Notice::new(place, key, message.into()));
        Reported
    }

    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>) {
        let notice = Notice::new(self.place(key), Some(key), message.into());
        self.warnings.push(Warning::new(notice));
    }

    pub(super) fn line(&self, line: usize, column: Option<usize>) -> Place {
        let name = self.file.clone();
        Place::Line { name, line, column }
    }

    /// The place of `key`, or of the nearest section around it.
    pub(super) fn place(&self, key: &str) -> Place {
        if let Some(place) = self.places.get(key) {
            return place.clone();
        }
        let mut around = key;
        while let Some(end) = around.rfind(['.', '[']) {
            around = &around[..end];
            if let Some(place @ Place::Line { .. }) = self.places.get(around) {
                return place.clone();
            }
        }
        let name = self.file.clone();
        Place::File { name }
    }

    /// The value of a setting, if it is set.
    pub(super) fn value<T: Kind>(&mut self, key: &str, given: Option<Given<T>>) -> Result<Option<T>, Reported> {
        let Some(given) = given else { return Ok(None) };
        let kind = given.value.kind;
        let read = if let (true, ValueKind::String(text)) = (self.is_from_variable(key), &kind) {
            T::from_text(text)
        } else {
            T::from_toml(kind)
        };
        read.map(Some).map_err(|message| self.error(key, message))
    }

    /// The value of a setting written as text and meant as a `P`, if it is set.
    pub(super) fn parsed<P>(&mut self, key: &str, given: Option<Given<String>>) -> Result<Option<P>, Reported>
    where
        P: FromStr<Err: Display>,
    {
        let Some(text) = self.value(key, given)? else {
            return Ok(None);
        };
        let parsed = text.parse();
        parsed.map(Some).map_err(|e: P::Err| self.error(key, format!("{text:?}: {e}")))
    }

    /// A number within bounds.
    pub(super) fn number<N>(
        &mut self,
        key: &str,
        given: Option<Given<u64>>,
        default: N,
        allowed: &RangeInclusive<N>,
    ) -> Result<N, Reported>
    where
        N: Copy + Display + PartialOrd + TryFrom<u64>,
    {
        let Some(number) = self.value(key, given)? else {
            return Ok(default);
        };
        match N::try_from(number) {
            Ok(n) if allowed.contains(&n) => Ok(n),
            outside => {
                let low = outside.is_ok_and(|n| n < *allowed.start());
                let is_time = key.ends_with("_s") || key.ends_with("_ms");
                let fault = match (low, is_time) {
                    (true, true) => "too short",
                    (true, false) => "too small",
                    (false, true) => "too long",
                    (false, false) => "too large",
                };
                let (start, end) = (allowed.start(), allowed.end());
                Err(self.error(key, format!("{number} is {fault}; use {start} to {end}")))
            }
        }
    }

    /// A time in seconds within bounds.
    pub(super) fn seconds(
        &mut self,
        key: &str,
        given: Option<Given<u64>>,
        default: u64,
        allowed: &RangeInclusive<u64>,
    ) -> Result<Duration, Reported> {
        let number = self.number(key, given, default, allowed)?;
        Ok(Duration::from_secs(number))
    }

    /// A time in milliseconds within bounds.
    pub(super) fn milliseconds(
        &mut self,
        key: &str,
        given: Option<Given<u64>>,
        default: u64,
        allowed: &RangeInclusive<u64>,
    ) -> Result<Duration, Reported> {
        let number = self.number(key, given, default, allowed)?;
        Ok(Duration::from_millis(number))
    }
}

impl<'de, T> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let wanted = PhantomData;
        Ok(Self { value, wanted })
    }
}

impl Kind for u64 {
    fn from_toml(value: ValueKind) -> Result<Self, String> {
        if let ValueKind::I64(number) = value {
            return Self::try_from(number).map_err(|_| format!("{number} is negative"));
        }
        Err(quoted::<Self>(&value).unwrap_or_else(|| expected("a whole number", &value)))
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let number = text.trim().parse();
        number.map_err(|_| format!("{text:?} is not a whole number"))
    }
}

impl Kind for bool {
    fn from_toml(value: ValueKind) -> Result<Self, String> {
        if let ValueKind::Boolean(switch) = value {
            return Ok(switch);
        }
        Err(quoted::<Self>(&value).unwrap_or_else(|| expected("true or false", &value)))
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let switch = text.trim().parse();
        switch.map_err(|_| format!("{text:?} is neither true nor false"))
    }
}

impl Kind for String {
    fn from_toml(value: ValueKind) -> Result<Self, String> {
        if let ValueKind::String(text) = &value {
            return Self::from_text(text);
        }
        Err(expected("text in quotes", &value))
    }

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty; give a value or leave the setting out".to_owned());
        }
        Ok(text.to_owned())
    }
}

impl Kind for Vec<String> {
    fn from_toml(value: ValueKind) -> Result<Self, String> {
        let ValueKind::Array(members) = value else {
            return Err(expected("a list of texts", &value));
        };
        let texts = members.into_iter().map(|m| String::from_toml(m.kind));
        texts.collect()
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let members = text.split(',').map(str::trim).filter(|m| !m.is_empty());
        Ok(members.map(str::to_owned).collect())
    }
}

/// Recognizes a value that only its quotes make wrong.
fn quoted<T: FromStr>(value: &ValueKind) -> Option<String> {
    let ValueKind::String(text) = value else { return None };
    text.parse::<T>().ok().map(|_| "is text here; remove the quotes".to_owned())
}

/// Says what is wrong without repeating the value, which might be a misplaced secret.
pub(super) fn expected(what: &str, found: &ValueKind) -> String {
    let found = match found {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) => "a whole number",
        ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number beyond 64 bits",
        ValueKind::Float(_) => "a decimal number",
        ValueKind::String(_) => "text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    };
    format!("expected {what}, found {found}")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}
