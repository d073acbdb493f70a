//! Lists in CSV, read by the piece as they arrive. The first line may name the columns; without such a line they are in the
//! order of [`Field::ALL`].

use super::Unreadable;
use super::row::{Cell, Field, Line, Rules, Wrong};
use super::words::cell;
use csv_core::{ReadRecordResult, Reader as Core};

/// The longest line. What is longer is no list of numbers, or has a quotation mark that nobody closed.
pub const MAX_LINE_BYTES: usize = 32 * 1024;
/// More columns than there are fields, so that one too many can be named.
const MAX_COLUMNS: usize = 32;

/// Reads a list.
#[derive(Debug)]
pub struct Reader {
    rules: Rules,
    fields: &'static [Field],
    core: Core,
    /// The fields of the line that is being read, one behind the other.
    text: Vec<u8>,
    filled: usize,
    ends: [usize; MAX_COLUMNS],
    columns: usize,
    header: Option<Vec<Field>>,
    place: Place,
    begun: Begun,
}

/// Whether the first bytes, which tell the encoding, were looked at.
#[derive(Debug)]
enum Begun {
    No(Vec<u8>),
    Yes,
}

/// Counts lines as an editor does, also empty ones and those within quotation marks.
#[derive(Debug)]
struct Place {
    /// The line of the next byte.
    line: u64,
    /// The bytes of that line until there.
    column: u64,
    /// The line on which the record began.
    record: u64,
    /// Only ends of lines since the last record.
    between: bool,
}

impl Place {
    fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.between && !matches!(byte, b'\r' | b'\n') {
                self.between = false;
                self.record = self.line;
            }
            if *byte == b'\n' {
                self.line += 1;
                self.column = 0;
            } else {
                self.column += 1;
            }
        }
    }

    fn unreadable(&self, message: impl Into<String>) -> Unreadable {
        Unreadable { line: self.line, column: self.column + 1, message: message.into() }
    }
}

impl Reader {
    /// A reader by these rules.
    pub fn new(rules: Rules) -> Self {
        Self::of(rules, &Field::ALL)
    }

    /// A reader of lists that have only these fields; without a header, in this order.
    pub fn of(rules: Rules, fields: &'static [Field]) -> Self {
        Self {
            rules,
            fields,
            core: Core::new(),
            text: vec![0; MAX_LINE_BYTES],
            filled: 0,
            ends: [0; MAX_COLUMNS],
            columns: 0,
            header: None,
            place: Place { line: 1, column: 0, record: 1, between: true },
            begun: Begun::No(Vec::new()),
        }
    }

    /// Takes the next piece, and gives the lines that end in it.
    ///
    /// # Errors
    ///
    /// If it is no list in UTF-8. Nothing more can be read from it then.
    pub fn feed(&mut self, piece: &[u8], lines: &mut Vec<Line>) -> Result<(), Unreadable> {
        let Begun::No(first) = &mut self.begun else { return self.read(piece, lines) };
        first.extend_from_slice(piece);
        if first.len() < 3 { Ok(()) } else { self.begin(lines) }
    }

    /// The list is at its end: gives its last line.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub fn finish(&mut self, lines: &mut Vec<Line>) -> Result<(), Unreadable> {
        self.begin(lines)?;
        // twice nothing: the end of the last record, and of the list
        self.read(&[], lines)
    }

    fn begin(&mut self, lines: &mut Vec<Line>) -> Result<(), Unreadable> {
        let Begun::No(first) = std::mem::replace(&mut self.begun, Begun::Yes) else { return Ok(()) };
        if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
            return Err(self.place.unreadable("the list is in UTF-16; save it as \"CSV UTF-8\""));
        }
        // a byte order mark is no part of the first field
        let text = first.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&first);
        if text.is_empty() { Ok(()) } else { self.read(text, lines) }
    }

    /// No bytes: the end.
    fn read(&mut self, piece: &[u8], lines: &mut Vec<Line>) -> Result<(), Unreadable> {
        let good = piece.iter().position(|byte| *byte == 0).unwrap_or(piece.len());
        let mut rest = &piece[..good];
        let ends = piece.is_empty();
        while ends || !rest.is_empty() {
            let (result, read, wrote, columns) =
                self.core.read_record(rest, &mut self.text[self.filled..], &mut self.ends[self.columns..]);
            self.place.pass(&rest[..read]);
            rest = &rest[read..];
            self.filled += wrote;
            self.columns += columns;
            match result {
                ReadRecordResult::InputEmpty if ends => break,
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => return Err(self.too_long()),
                ReadRecordResult::OutputEndsFull => {
                    let message = format!("the line has more than {MAX_COLUMNS} columns");
                    return Err(Unreadable { line: self.place.record, column: 1, message });
                }
                ReadRecordResult::Record => {
                    self.record(lines)?;
                    (self.filled, self.columns) = (0, 0);
                    self.place.between = true;
                }
                ReadRecordResult::End => break,
            }
        }
        if good < piece.len() {
            return Err(self.place.unreadable("there is a byte 0, as in UTF-16; save the list as \"CSV UTF-8\""));
        }
        Ok(())
    }

    fn too_long(&self) -> Unreadable {
        let message = format!(
            "the line that begins here is longer than {MAX_LINE_BYTES} bytes; is there a quotation mark that nobody closed?"
        );
        Unreadable { line: self.place.record, column: 1, message }
    }

    fn record(&mut self, lines: &mut Vec<Line>) -> Result<(), Unreadable> {
        let line = self.place.record;
        let mut texts = [""; MAX_COLUMNS];
        let mut begin = 0;
        let mut bad = None;
        for (index, end) in self.ends[..self.columns].iter().enumerate() {
            match std::str::from_utf8(&self.text[begin..*end]) {
                Ok(text) => texts[index] = text.trim(),
                Err(_) => bad = bad.or(Some(index)),
            }
            begin = *end;
        }
        let texts = &texts[..self.columns];
        if let Some(index) = bad {
            let message = "the line is not UTF-8; save the list as \"CSV UTF-8\"".to_owned();
            lines.push(wrong(line, texts, index + 1, None, message));
            return Ok(());
        }
        if self.header.is_none() {
            let (header, named) = header(line, texts, self.fields)?;
            self.header = Some(header);
            if named {
                return Ok(());
            }
        }
        if texts.iter().all(|text| text.is_empty()) {
            return Ok(());
        }
        let header = self.header.as_deref().unwrap_or(self.fields);
        if texts.len() > header.len() {
            let message = format!("{} columns where there should be at most {}", texts.len(), header.len());
            lines.push(wrong(line, texts, header.len() + 1, None, message));
            return Ok(());
        }
        let cells: Vec<Cell<'_>> =
            header.iter().zip(texts).zip(1..).map(|((field, text), column)| (*field, *text, column)).collect();
        lines.push(self.rules.line(line, &cells));
        Ok(())
    }
}

fn wrong(line: u64, texts: &[&str], column: usize, field: Option<&'static str>, message: String) -> Line {
    let given = texts.first().copied().unwrap_or_default().chars().filter(|c| !c.is_control()).take(40).collect();
    let column = u32::try_from(column).unwrap_or(u32::MAX);
    Line { line, given, read: Err(Wrong { column, field, message }) }
}

/// The columns, and whether the line names them: it does if one of them is the number.
fn header(line: u64, texts: &[&str], known: &[Field]) -> Result<(Vec<Field>, bool), Unreadable> {
    let of_these = |field: &Field| known.contains(field);
    let fields: Vec<Option<Field>> = texts.iter().map(|name| Field::named(name).filter(of_these)).collect();
    if !fields.contains(&Some(Field::Number)) {
        return Ok((known.to_vec(), false));
    }
    let mut header = Vec::new();
    for ((name, field), column) in texts.iter().zip(fields).zip(1..) {
        let unreadable = |message| Unreadable { line, column, message };
        let Some(field) = field else {
            let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(unreadable(format!("there is no column {name:?}; the columns are {}", Field::names(known))));
        };
        if header.contains(&field) {
            return Err(unreadable(format!("the column {} is there twice", field.as_str())));
        }
        header.push(field);
    }
    Ok((header, true))
}

/// The header of a list that we write.
pub fn header_line() -> String {
    format!("{}\r\n", Field::ALL.map(Field::as_str).join(","))
}

/// Adds a line to a list that we write: a number's fields, in the order of [`Field::ALL`]. None of them is a formula to a
/// spreadsheet, and all of it can be read again.
pub fn write(cells: &[String; Field::ALL.len()], text: &mut String) {
    for (index, (field, value)) in Field::ALL.iter().zip(cells).enumerate() {
        if index > 0 {
            text.push(',');
        }
        // A number is + and digits: what a spreadsheet makes of that does no harm.
        let value = if *field == Field::Number { value.clone() } else { cell(value) };
        if value.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&value.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&value);
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests;
