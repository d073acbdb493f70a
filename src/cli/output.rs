//! What is printed: tables for people, JSON for programs.

use super::failure::{Failure, Outcome};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::io::Write as _;

/// Prints a text. Control characters in it, which a terminal would obey, become visible.
pub fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    let safe: String = text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
    out.write_all(safe.as_bytes())?;
    if !safe.is_empty() && !safe.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Prints a value as JSON with the keys of the API.
pub fn print_json(value: &impl Serialize) -> Outcome {
    let text = serde_json::to_string_pretty(&json(value)?).map_err(Failure::new)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// A value as JSON, its keys `likeThis`.
pub fn json(value: &impl Serialize) -> Outcome<Value> {
    serde_json::to_value(value).map(camel).map_err(Failure::new)
}

fn camel(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(camel).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| {
                // The keys below these are people's own.
                let own = matches!(key.as_str(), "metadata" | "capabilities");
                (camel_key(&key), if own { value } else { camel(value) })
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn camel_key(key: &str) -> String {
    let mut words = key.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// A table without lines. Columns of numbers stand to the right; what is empty is a dash, so that columns can be counted.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.map(str::to_uppercase));
    for row in rows {
        table.add_row(row.each_ref().map(|cell| if cell.is_empty() { "-".to_owned() } else { one_line(cell) }));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        let numeric = |cell: &str| cell.bytes().all(|b| b.is_ascii_digit());
        if rows.iter().all(|row| numeric(&row[index])) && rows.iter().any(|row| !row[index].is_empty()) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Names and values, one a line; those without a value are left out.
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let shown = pairs.iter().filter(|(_, value)| !value.is_empty());
    let width = shown.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    shown.fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:width$}  {}", one_line(value));
        text
    })
}

/// Somebody's text in a cell must not begin a line of its own.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// The text of what may be missing.
pub fn maybe(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// `US,CA`
pub fn list(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Says on stderr, which no program reads, what is good to know.
pub fn note(json: bool, text: &str) {
    if !json {
        eprintln!("{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_in_the_api() {
        let value =
            serde_json::json!({"sip_code": 486, "facts": [{"kind": "leg_ended", "sip_code": 1}], "a": {"b_c_d": null}});
        let same =
            serde_json::json!({"sipCode": 486, "facts": [{"kind": "leg_ended", "sipCode": 1}], "a": {"bCD": null}});
        assert_eq!(camel(value), same);
    }

    #[test]
    fn a_table_has_no_lines_and_no_blanks_at_the_end() {
        let rows = [["alice".to_owned(), "3".to_owned()], ["b\nob".to_owned(), "100".to_owned()]];
        assert_eq!(table(["who", "calls"], &rows), "WHO    CALLS\nalice      3\nb ob     100");
        assert_eq!(table(["who"], &[[String::new()]]), "WHO\n-");
    }
}
