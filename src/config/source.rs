//! Reads the file and the variables, and lays the one over the other.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use config::{ConfigError, Map, Source, Value, ValueKind};
use serde::Deserialize;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::report::Report;
use super::schema::{Inner, Shape, join};
use super::{Raw, Reported};

const PREFIX: &str = "CORDBOARD__";
const MEMBERS_MAX: usize = 64;
const WORLD_READ: u32 = 0o004;

/// Reads the file; tells also whether everyone may read it.
pub(super) fn read(path: &Path) -> Result<(String, bool), String> {
    let bytes = std::fs::read(path).map_err(|e| unreadable(&e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = good.split(|b| *b == b'\n').count();
        format!("line {line} is not UTF-8")
    })?;
    let mode = std::fs::metadata(path).map(|m| m.permissions().mode());
    Ok((text, mode.is_ok_and(|mode| mode & WORLD_READ != 0)))
}

fn unreadable(e: &std::io::Error) -> String {
    if e.kind() == ErrorKind::NotFound {
        "there is no such file; copy the sample cordboard.toml there and edit it, or name another with --config"
            .to_owned()
    } else if e.kind() == ErrorKind::PermissionDenied {
        "may not be read by this user; give the daemon's group the right to read it".to_owned()
    } else {
        format!("cannot be read: {e}")
    }
}

/// The variables of this process that are ours.
pub(super) fn own_variables(report: &mut Report) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) {
            continue;
        }
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) => refuse(report, &name, None, "the value is not UTF-8"),
        }
    }
    variables
}

/// Merges both layers and takes out, with an error each, what is no setting.
pub(super) fn merge(text: &str, env: Vec<(String, String)>, report: &mut Report) -> Result<Raw, Reported> {
    let shape = Shape::root();
    let mut file = from_toml(text, report)?;
    shape.prune(&mut file, "", report);
    let mut merged = Value::from(file);
    let table = Variables::new(env, &shape, report).collect_to(&mut merged).and_then(|()| merged.into_table());
    let mut table = table.map_err(|e| report.error("", e.to_string()))?;
    // Once more: variables may leave a gap in a list.
    shape.prune(&mut table, "", report);
    Raw::deserialize(Value::from(table)).map_err(|e| report.error("", e.to_string()))
}

fn from_toml(text: &str, report: &mut Report) -> Result<Map<String, Value>, Reported> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut last_line = 0;
    for error in &errors {
        let (line, column) = position(text, error.span());
        // What follows on the same line is nearly always the echo of the first.
        if line == last_line {
            continue;
        }
        last_line = line;
        let place = report.line(line, Some(column));
        report.error_at(place, None, format!("not valid TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        return Err(Reported);
    }
    Ok(TomlReader { text, report }.table(table.into_inner(), ""))
}

/// The variables that set something, by path, such as `node[0].url`.
#[derive(Clone, Debug)]
struct Variables(BTreeMap<String, Value>);

impl Variables {
    fn new(env: Vec<(String, String)>, shape: &Shape, report: &mut Report) -> Self {
        let mut paths = BTreeMap::new();
        for (name, value) in env {
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            match path_of(rest, shape) {
                Ok(path) => {
                    report.put_variable(path.clone(), name);
                    paths.insert(path, Value::from(value));
                }
                Err(Stray { key, message }) => refuse(report, &name, key.as_deref(), &message),
            }
        }
        Self(paths)
    }
}

impl Source for Variables {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone().into_iter().collect())
    }
}

/// Turns parsed TOML into the tree of the `config` crate and notes the line of every key.
struct TomlReader<'a> {
    text: &'a str,
    report: &'a mut Report,
}

impl TomlReader<'_> {
    fn table(&mut self, table: DeTable<'_>, around: &str) -> Map<String, Value> {
        let mut out = Map::new();
        for (name, value) in table {
            let key = join(around, name.get_ref());
            let (line, _) = position(self.text, Some(name.span()));
            self.report.put_line(key.clone(), line);
            let value = self.value(value.into_inner(), &key);
            out.insert(name.into_inner().into_owned(), value);
        }
        out
    }

    fn list(&mut self, members: DeArray<'_>, key: &str) -> Vec<Value> {
        let mut out = Vec::new();
        for (index, member) in members.into_iter().enumerate() {
            let key = format!("{key}[{index}]");
            let (line, _) = position(self.text, Some(member.span()));
            self.report.put_line(key.clone(), line);
            out.push(self.value(member.into_inner(), &key));
        }
        out
    }

    fn value(&mut self, value: DeValue<'_>, key: &str) -> Value {
        let kind = match value {
            DeValue::String(text) => ValueKind::String(text.into_owned()),
            DeValue::Integer(number) => integer(&number),
            DeValue::Float(number) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(switch) => ValueKind::Boolean(switch),
            DeValue::Datetime(time) => ValueKind::String(time.to_string()),
            DeValue::Array(members) => ValueKind::Array(self.list(members, key)),
            DeValue::Table(table) => ValueKind::Table(self.table(table, key)),
        };
        Value::new(None, kind)
    }
}

fn integer(number: &DeInteger<'_>) -> ValueKind {
    let small = i64::from_str_radix(number.as_str(), number.radix());
    small.map_or(ValueKind::I128(i128::MAX), ValueKind::I64)
}

/// A variable with our prefix that sets nothing.
struct Stray {
    key: Option<String>,
    message: String,
}

/// `NODE__0__URL` → `node[0].url`, if there is such a setting.
fn path_of(rest: &str, shape: &Shape) -> Result<String, Stray> {
    if rest != rest.to_ascii_uppercase() {
        let message = format!("use capitals: {PREFIX}{}", rest.to_ascii_uppercase());
        return Err(Stray { key: None, message });
    }
    let lower = rest.to_ascii_lowercase();
    let mut segments = lower.split("__");
    let (mut shape, mut path) = (shape, String::new());
    loop {
        let around = (!path.is_empty()).then(|| path.clone());
        let stray = |message: String| Stray { key: around.clone(), message };
        let Some(name) = segments.next() else {
            return Err(stray(format!("names a section, not a setting; {}", shape.valid())));
        };
        let Some(field) = shape.fields.iter().find(|field| **field == name) else {
            return Err(stray(format!("there is no {name:?}; {}", shape.valid())));
        };
        path = join(&path, field);
        match shape.inner(field) {
            None => {
                return match segments.next() {
                    None => Ok(path),
                    Some(_) => Err(Stray {
                        key: Some(path),
                        message: "is a plain value; the variable must end there".to_owned(),
                    }),
                };
            }
            Some(Inner::Table(inner)) => shape = inner,
            Some(Inner::List(inner)) => {
                let index = segments.next().and_then(|s| s.parse().ok());
                let Some(index) = index.filter(|index: &usize| *index < MEMBERS_MAX) else {
                    let to_here = format!("{PREFIX}{}", path.to_ascii_uppercase().replace('.', "__"));
                    let message = format!("is a list; name the member by its position from 0: {to_here}__0__…");
                    return Err(Stray { key: Some(path), message });
                };
                path = format!("{path}[{index}]");
                shape = inner;
            }
        }
    }
}

fn refuse(report: &mut Report, name: &str, key: Option<&str>, message: &str) {
    let name = name.to_owned();
    report.error_at(super::Place::Variable { name }, key, message);
}

/// Line and column, both from 1, of the start of a span.
fn position(text: &str, span: Option<Range<usize>>) -> (usize, usize) {
    let start = span.map_or(0, |span| span.start).min(text.len());
    let before = text.get(..start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before[line_start..].chars().count() + 1)
}
