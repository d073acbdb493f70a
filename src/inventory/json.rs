//! Lists in JSON: `[{"number": "+12025550123", "provider": "telnyx"}]`, or the same below the key `numbers` or `phoneNumbers`.
//! It must be here whole; a bound on its length is the caller's.

use super::Unreadable;
use super::row::{Cell, Field, Line, Rules, Wrong};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Error, Value};
use std::borrow::Cow;
use std::fmt;

/// No list in JSON is longer; a longer one is better sent as CSV.
pub const MAX_ROWS: usize = 50_000;

/// The values of a list, unread.
struct Rows<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Rows<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seq;
        impl<'de> Visitor<'de> for Seq {
            type Value = Rows<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rows<'de>, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = seq.next_element()? {
                    if rows.len() == MAX_ROWS {
                        return Err(A::Error::custom(format!("more than {MAX_ROWS} numbers; send them as CSV")));
                    }
                    rows.push(row);
                }
                Ok(Rows(rows))
            }
        }
        deserializer.deserialize_seq(Seq)
    }
}

/// The list below its key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<'a> {
    #[serde(borrow, alias = "phoneNumbers", alias = "phone_numbers", alias = "contacts")]
    numbers: Rows<'a>,
}

/// The fields of a number, in their order; a name may be there twice.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if fields.len() > Field::ALL.len() {
                        break;
                    }
                    fields.push((Cow::Owned(name), value));
                }
                while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// Reads a whole list and gives its lines one by one.
///
/// # Errors
///
/// If it is no JSON, or no list of numbers. What is wrong with single numbers is said in their lines.
pub fn read(bytes: &[u8], rules: &Rules, sink: impl FnMut(Line)) -> Result<(), Unreadable> {
    read_of(bytes, rules, &Field::ALL, sink)
}

/// The same of a list that has only these fields.
///
/// # Errors
///
/// As there.
pub fn read_of(bytes: &[u8], rules: &Rules, fields: &[Field], mut sink: impl FnMut(Line)) -> Result<(), Unreadable> {
    let object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let rows = if object {
        serde_json::from_slice::<Wrapped<'_>>(bytes).map(|wrapped| wrapped.numbers)
    } else {
        serde_json::from_slice::<Rows<'_>>(bytes)
    };
    let mut place = Place { bytes, at: 0, line: 1, begin: 0 };
    for row in rows.map_err(|error| unreadable(&error))?.0 {
        let (line, column) = place.of(row);
        sink(self::line(rules, fields, row, line, column, &mut place));
    }
    Ok(())
}

fn unreadable(error: &Error) -> Unreadable {
    let message = match error.classify() {
        Category::Data => format!(
            "the list must be [{{\"number\": \"+12025550123\", …}}, …], or that below the key numbers or phoneNumbers, \
             {MAX_ROWS} numbers at most"
        ),
        Category::Io | Category::Syntax | Category::Eof => "this is not JSON in UTF-8".to_owned(),
    };
    Unreadable { line: error.line() as u64, column: error.column() as u64, message }
}

/// Where a value stands in the text. Values are asked for in their order.
struct Place<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
    /// Where the line begins.
    begin: usize,
}

impl Place<'_> {
    fn of(&mut self, value: &RawValue) -> (u64, u32) {
        // A raw value is a piece of the text.
        let at = (value.get().as_ptr() as usize).saturating_sub(self.bytes.as_ptr() as usize);
        while self.at < at.min(self.bytes.len()) {
            if self.bytes[self.at] == b'\n' {
                self.line += 1;
                self.begin = self.at + 1;
            }
            self.at += 1;
        }
        (self.line, u32::try_from(at.saturating_sub(self.begin) + 1).unwrap_or(u32::MAX))
    }
}

fn line(rules: &Rules, known: &[Field], row: &RawValue, line: u64, column: u32, place: &mut Place<'_>) -> Line {
    let wrong = |line: u64, column, field, message: String| Line {
        line,
        given: String::new(),
        read: Err(Wrong { column, field, message }),
    };
    if let Ok(number) = serde_json::from_str::<String>(row.get()) {
        return rules.line(line, &[(Field::Number, number.as_str().trim(), column)]);
    }
    let Ok(Fields(fields)) = serde_json::from_str(row.get()) else {
        let message = "a number is an object such as {\"number\": \"+12025550123\"}, or a text".to_owned();
        return wrong(line, column, None, message);
    };
    let mut cells: Vec<(Field, String, u32)> = Vec::new();
    for (name, value) in fields {
        let (line, column) = place.of(value);
        let Some(field) = Field::named(&name).filter(|field| known.contains(field)) else {
            let message = format!("there is a field that is not known; the fields are {}", Field::names(known));
            return wrong(line, column, None, message);
        };
        if cells.iter().any(|(known, ..)| *known == field) {
            return wrong(line, column, Some(field.as_str()), format!("{} is there twice", field.as_str()));
        }
        match text(field, value) {
            Ok(Some(text)) => cells.push((field, text, column)),
            Ok(None) => {}
            Err(form) => {
                let message = format!("{} must be {form}", field.as_str());
                return wrong(line, column, Some(field.as_str()), message);
            }
        }
    }
    let cells: Vec<Cell<'_>> = cells.iter().map(|(field, text, column)| (*field, text.trim(), *column)).collect();
    rules.line(line, &cells)
}

/// The value as text; none for `null`. Or what it should be.
fn text(field: Field, value: &RawValue) -> Result<Option<String>, &'static str> {
    let value: Value = serde_json::from_str(value.get()).map_err(|_| "a value that can be read")?;
    Ok(match (field, value) {
        (_, Value::Null) => None,
        (Field::DailyLimit, Value::Number(number)) => Some(number.to_string()),
        (Field::DailyLimit, _) => return Err("a whole number"),
        (Field::Capabilities | Field::Metadata, value @ Value::Object(_)) => Some(value.to_string()),
        (Field::Capabilities | Field::Metadata, _) => return Err("an object"),
        (_, Value::String(text)) => Some(text),
        (_, _) => return Err("a text"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let rules = Rules { country: Some("US".parse().expect("a country")), ..Rules::default() };
        let mut lines = Vec::new();
        read(text.as_bytes(), &rules, |line| lines.push(line)).expect("a list");
        let show = |line: Line| match line.read {
            Ok((entry, _)) => format!("{} {}", line.line, entry.e164),
            Err(wrong) => format!("{}:{} {}", line.line, wrong.column, wrong.message),
        };
        lines.into_iter().map(show).collect()
    }

    #[test]
    fn a_list_comes_bare_or_below_a_key() {
        for list in [
            r#"[{"number": "+12025550123"}, "202 555 0124"]"#,
            r#"{"phoneNumbers": [{"phoneNumber": "+12025550123", "provider": "telnyx", "countryCode": "US"},
                {"phoneNumber": "+12025550124", "metadata": {"a": 1}, "capabilities": {"sms": true}, "dailyLimit": 5, "type": null}]}"#,
        ] {
            let numbers: Vec<_> = shown(list).iter().map(|line| line[2..].to_owned()).collect();
            assert_eq!(numbers, ["+12025550123", "+12025550124"], "{list}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        let list = "[\n  {\"number\": 12025550123},\n  {\"number\": \"+12025550123\",\n   \"colour\": 1},\n  7,\n \
            {\"dailyLimit\": \"5\", \"number\": \"+12025550123\"}, {\"name\": \"x\"},\n {\"number\": \"+12025550123\", \"phoneNumber\": \"1\"}]";
        let seen = shown(list);
        let begins = [
            "2:14 number must be a text",
            "4:14 there is a field that is not known; the fields are number, ",
            "5:3 a number is an object",
            "6:17 daily_limit must be a whole number",
            "6:1 the number is missing",
            "7:44 number is there twice",
        ];
        assert_eq!(seen.len(), begins.len(), "{seen:#?}");
        for (seen, begin) in seen.iter().zip(begins) {
            assert!(seen.starts_with(begin), "{seen} is not {begin}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_as_a_whole() {
        for (text, line, column) in
            [("[\n{]", 2, 2), ("{\"numbers\": 1}", 1, 13), ("7", 1, 1), ("", 1, 0), ("[1", 1, 2)]
        {
            let error = read(text.as_bytes(), &Rules::default(), |_| {}).expect_err(text);
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        }
        let many = format!("[{}1]", "1,".repeat(MAX_ROWS));
        assert!(read(many.as_bytes(), &Rules::default(), |_| {}).is_err());
        assert!(read(b"[\"\xff\"]", &Rules::default(), |_| {}).is_err(), "not UTF-8");
    }
}
