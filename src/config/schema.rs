//! Which keys there are: asked of the `Raw` types themselves, so that no list can fall behind them.

use std::fmt;

use config::{Map, Value, ValueKind};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::Raw;
use super::calls::{RawCalls, RawExtraPrefix};
use super::carrier::RawCarrier;
use super::emergency::RawEmergency;
use super::http::RawHttp;
use super::journal::RawJournal;
use super::log::RawLog;
use super::node::RawNode;
use super::postgres::RawPostgres;
use super::report::{Report, expected};
use super::shutdown::RawShutdown;
use super::webhooks::RawWebhooks;

/// The keys of a table, and which of them are tables again.
pub(super) struct Shape {
    pub(super) fields: &'static [&'static str],
    inner: Vec<(&'static str, Inner)>,
}

/// What a key of a table holds, when it is not a plain value.
pub(super) enum Inner {
    /// `[key]`
    Table(Shape),
    /// `[[key]]`
    List(Shape),
}

/// Every key that a settings file may have, such as `calls.extra_prefixes.region`, in the order of the sample.
pub fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    Shape::root().collect_keys("", &mut keys);
    keys
}

impl Shape {
    pub(super) fn root() -> Self {
        let calls = Self {
            fields: fields_of::<RawCalls>(),
            inner: vec![("extra_prefixes", Inner::List(Self::flat::<RawExtraPrefix>()))],
        };
        Self {
            fields: fields_of::<Raw>(),
            inner: vec![
                ("postgres", Inner::Table(Self::flat::<RawPostgres>())),
                ("journal", Inner::Table(Self::flat::<RawJournal>())),
                ("node", Inner::List(Self::flat::<RawNode>())),
                ("calls", Inner::Table(calls)),
                ("emergency", Inner::Table(Self::flat::<RawEmergency>())),
                ("carrier", Inner::List(Self::flat::<RawCarrier>())),
                ("http", Inner::Table(Self::flat::<RawHttp>())),
                ("webhooks", Inner::Table(Self::flat::<RawWebhooks>())),
                ("log", Inner::Table(Self::flat::<RawLog>())),
                ("shutdown", Inner::Table(Self::flat::<RawShutdown>())),
            ],
        }
    }

    fn flat<'de, T: Deserialize<'de>>() -> Self {
        Self { fields: fields_of::<T>(), inner: Vec::new() }
    }

    pub(super) fn inner(&self, field: &str) -> Option<&Inner> {
        let found = self.inner.iter().find(|(name, _)| *name == field);
        found.map(|(_, inner)| inner)
    }

    /// Reports every unknown key and every table that is none, and takes them out.
    pub(super) fn prune(&self, table: &mut Map<String, Value>, around: &str, report: &mut Report) {
        table.retain(|name, value| {
            let key = join(around, name);
            if !self.fields.contains(&name.as_str()) {
                report.error(&key, format!("unknown key; {}", self.valid()));
                return false;
            }
            match self.inner(name) {
                None => true,
                Some(Inner::Table(shape)) => {
                    let what = format!("a table [{key}]");
                    shape.prune_table(&mut value.kind, &what, &key, report)
                }
                Some(Inner::List(shape)) => shape.prune_list(&mut value.kind, &key, report),
            }
        });
    }

    /// Names the keys that are valid here.
    pub(super) fn valid(&self) -> String {
        format!("valid here: {}", self.fields.join(", "))
    }

    fn prune_list(&self, list: &mut ValueKind, key: &str, report: &mut Report) -> bool {
        let ValueKind::Array(members) = list else {
            let what = format!("a list of tables [[{key}]]");
            report.error(key, expected(&what, list));
            return false;
        };
        let mut is_good = true;
        for (index, member) in members.iter_mut().enumerate() {
            let key = format!("{key}[{index}]");
            if matches!(member.kind, ValueKind::Nil) {
                report.error(&key, "is missing; number the members from 0 without a gap");
                is_good = false;
            } else {
                is_good &= self.prune_table(&mut member.kind, "a table", &key, report);
            }
        }
        is_good
    }

    fn prune_table(&self, value: &mut ValueKind, what: &str, key: &str, report: &mut Report) -> bool {
        let ValueKind::Table(table) = value else {
            report.error(key, expected(what, value));
            return false;
        };
        self.prune(table, key, report);
        true
    }

    fn collect_keys(&self, around: &str, keys: &mut Vec<String>) {
        for field in self.fields {
            let key = join(around, field);
            match self.inner(field) {
                None => keys.push(key),
                Some(Inner::Table(shape) | Inner::List(shape)) => shape.collect_keys(&key, keys),
            }
        }
    }
}

pub(super) fn join(around: &str, name: &str) -> String {
    if around.is_empty() { name.to_owned() } else { format!("{around}.{name}") }
}

/// Asks a type for the names of its fields by pretending to deserialize it.
fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It always "fails": the probe has no data, it only listens to the question.
    let _ = T::deserialize(Probe(&mut fields));
    fields
}

struct Probe<'a>(&'a mut &'static [&'static str]);

#[derive(Debug)]
struct Asked;

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Asked;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Asked> {
        Err(Asked)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Asked> {
        *self.0 = fields;
        Err(Asked)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no data")
    }
}

impl std::error::Error for Asked {}

impl de::Error for Asked {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}
