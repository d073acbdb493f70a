//! The call log of another system, line by line, and which numbers of it may be ours: those on our side of a call, and no others.

use super::Candidate;
use crate::core::number::E164;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Which side is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// We called.
    Outbound,
    /// We were called.
    Inbound,
}

/// One call of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Our number.
    pub ours: E164,
    /// The other's; none if it is withheld, or no number.
    pub theirs: Option<E164>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    pub duration_s: u32,
}

/// Where a line is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {form}")]
pub struct WrongLine {
    /// Which column.
    pub field: &'static str,
    /// What it must be.
    pub form: &'static str,
}

const COLUMNS: [&str; 5] = ["direction", "from", "to", "started_at", "duration_s"];

/// The places of the columns in the first line: `direction`, `from`, `to`, `started_at`, `duration_s`, in any order, and others beside
/// them.
///
/// # Errors
///
/// Which one is missing, or is there twice.
pub fn columns<'a>(header: &(impl Iterator<Item = &'a str> + Clone)) -> Result<[usize; 5], WrongLine> {
    let mut places = [0; 5];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let is_it = |(_, name): &(usize, &str)| name.trim_start_matches('\u{feff}').trim().eq_ignore_ascii_case(column);
        let mut found = header.clone().enumerate().filter(is_it);
        *place = match (found.next(), found.next()) {
            (Some((place, _)), None) => place,
            (Some(_), Some(_)) => return Err(WrongLine { field: column, form: "is there twice in the first line" }),
            (None, _) => return Err(WrongLine { field: column, form: "is missing in the first line" }),
        };
    }
    Ok(places)
}

/// Reads a line, its cells in the order of the columns.
///
/// # Errors
///
/// What is wrong first.
pub fn read_line(cells: [&str; 5]) -> Result<LogLine, WrongLine> {
    let wrong = |place: usize, form| WrongLine { field: COLUMNS[place], form };
    let [direction, from, to, started_at, duration_s] = cells.map(str::trim);
    let direction = match direction.to_ascii_lowercase().as_str() {
        "outbound" | "out" | "outgoing" => Direction::Outbound,
        "inbound" | "in" | "incoming" => Direction::Inbound,
        _ => return Err(wrong(0, "must be outbound or inbound")),
    };
    let ((ours, place), theirs) = match direction {
        Direction::Outbound => ((from, 1), to),
        Direction::Inbound => ((to, 2), from),
    };
    let ours = ours.parse().map_err(|_| wrong(place, "is on our side and must be a number such as +12025550123"))?;
    let started_at = started_at.parse().map_err(|_| wrong(3, "must be a time such as 2026-11-21T12:00:00Z"))?;
    let duration_s = duration_s.parse().map_err(|_| wrong(4, "must be whole seconds"))?;
    Ok(LogLine { ours, theirs: theirs.parse().ok(), started_at, duration_s })
}

/// The numbers of a log, counted as they come.
#[derive(Clone, Debug, Default)]
pub struct Found {
    ours: BTreeMap<E164, (i64, Timestamp, Timestamp)>,
    theirs: BTreeMap<E164, i64>,
}

impl Found {
    /// Counts a call.
    pub fn add(&mut self, line: &LogLine) {
        let (calls, first, last) = self.ours.entry(line.ours).or_insert((0, line.started_at, line.started_at));
        *calls += 1;
        *first = line.started_at.min(*first);
        *last = line.started_at.max(*last);
        if let Some(theirs) = line.theirs {
            *self.theirs.entry(theirs).or_default() += 1;
        }
    }

    /// The numbers on our side.
    pub fn numbers(&self) -> Vec<E164> {
        self.ours.keys().copied().collect()
    }

    /// Those of them that are nobody's here, the most used first.
    pub fn candidates(&self, is_nobodys: impl Fn(E164) -> bool) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = self
            .ours
            .iter()
            .filter(|(number, _)| is_nobodys(**number))
            .map(|(number, (calls, first, last))| Candidate {
                number: *number,
                calls: *calls,
                first_seen: Some(*first),
                last_seen: Some(*last),
                other_side: self.theirs.get(number).copied().unwrap_or(0),
            })
            .collect();
        candidates.sort_by_key(|candidate| (-candidate.calls, candidate.number));
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cells: [&str; 5]) -> LogLine {
        read_line(cells).expect("a line")
    }

    #[test]
    fn only_our_side_of_a_call_may_be_ours() {
        let mut found = Found::default();
        let customer = "+13125550100";
        found.add(&line(["outbound", "+12025550101", customer, "2026-11-20T12:00:00Z", "30"]));
        found.add(&line(["Inbound", customer, "+12025550102", "2026-11-20T13:00:00Z", "0"]));
        found.add(&line(["out", "+12025550101", "anonymous", "2026-11-19T12:00:00Z", "5"]));
        // One that we have called is not ours for that, and one that is ours may have been called by a colleague.
        found.add(&line(["outgoing", "+12025550102", "+12025550101", "2026-11-21T12:00:00Z", "5"]));
        let candidates = found.candidates(|_| true);
        let seen: Vec<_> = candidates.iter().map(|c| (c.number.to_string(), c.calls, c.other_side)).collect();
        assert_eq!(seen, [("+12025550101".to_owned(), 2, 1), ("+12025550102".to_owned(), 2, 0)]);
        assert_eq!(candidates[0].first_seen.map(|at| at.to_string()).as_deref(), Some("2026-11-19T12:00:00Z"));
        assert_eq!(candidates[0].last_seen.map(|at| at.to_string()).as_deref(), Some("2026-11-20T12:00:00Z"));
        assert!(!found.numbers().iter().any(|number| number.to_string() == customer));
    }

    #[test]
    fn a_wrong_line_says_where() {
        let good = ["outbound", "+12025550101", "+13125550100", "2026-11-20T12:00:00Z", "30"];
        for (place, text, field) in [
            (0, "sideways", "direction"),
            (0, "", "direction"),
            (1, "sales", "from"),
            (3, "yesterday", "started_at"),
            (4, "-1", "duration_s"),
            (4, "1.5", "duration_s"),
        ] {
            let mut cells = good;
            cells[place] = text;
            assert_eq!(read_line(cells).map_err(|wrong| wrong.field), Err(field), "{text}");
        }
        assert_eq!(
            read_line(["inbound", "x", "y", "2026-11-20T12:00:00Z", "1"]).map_err(|wrong| wrong.field),
            Err("to")
        );
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let of = |header: &'static str| columns(&header.split(','));
        assert_eq!(of("\u{feff}Direction,from,to,started_at,duration_s"), Ok([0, 1, 2, 3, 4]));
        assert_eq!(of("to,id,from,duration_s,started_at,direction"), Ok([5, 2, 0, 4, 3]));
        assert_eq!(of("direction,from,to,started_at").map_err(|wrong| wrong.field), Err("duration_s"));
        assert_eq!(of("direction,from,from,to,started_at,duration_s").map_err(|wrong| wrong.field), Err("from"));
    }
}
