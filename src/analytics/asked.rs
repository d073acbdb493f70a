//! Which numbers and which days are asked for, out of the pairs behind the `?`.

use crate::core::ids::NumberId;
use crate::core::number::E164;
use jiff::civil::Date;

/// So many numbers can be named.
pub const MOST_NUMBERS: usize = 100;
/// So many days can be looked at.
pub const MOST_DAYS: i32 = 366;

/// How a number is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NumberName {
    /// By its id.
    Id(NumberId),
    /// By itself.
    E164(E164),
    /// By what is neither, and so nobody's.
    Nobodys,
}

impl NumberName {
    /// Reads a name. A `+` that was not URL-encoded has become a blank, or was left out.
    pub fn read(text: &str) -> Self {
        if let Ok(id) = text.trim().parse() {
            return Self::Id(id);
        }
        let digits = text.trim().trim_start_matches('+');
        format!("+{digits}").parse().map_or(Self::Nobodys, Self::E164)
    }
}

/// Days, the last one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first day.
    pub first: Date,
    /// The last day.
    pub last: Date,
}

impl Span {
    /// Such days, if there is at least one, and not too many.
    ///
    /// # Errors
    ///
    /// If there is none, or more than [`MOST_DAYS`].
    pub fn new(first: Date, last: Date) -> Result<Self, WrongQuestion> {
        let days = last.since(first).map_or(-1, |span| span.get_days());
        if (0..MOST_DAYS).contains(&days) { Ok(Self { first, last }) } else { Err(WrongQuestion) }
    }

    /// One day.
    pub fn day(day: Date) -> Self {
        Self { first: day, last: day }
    }

    /// Whether it is of one day.
    pub fn is_day(self) -> bool {
        self.first == self.last
    }

    /// Whether that day is in it.
    pub fn contains(self, day: Date) -> bool {
        (self.first..=self.last).contains(&day)
    }

    /// Each of the days.
    pub fn days(self) -> impl Iterator<Item = Date> {
        self.first.series(jiff::Span::new().days(1)).take_while(move |day| *day <= self.last)
    }
}

/// The days that were asked for, as they were said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Option<Date>,
    /// The last.
    pub to: Option<Date>,
}

impl Days {
    /// What is meant, today and where nothing was said: so many days until today.
    ///
    /// # Errors
    ///
    /// If there is no such day, or too many.
    pub fn span(self, today: Date, usual_days: i32) -> Result<Span, WrongQuestion> {
        let to = self.to.unwrap_or_else(|| self.from.map_or(today, |from| from.max(today)));
        let usual = || to.checked_sub(jiff::Span::new().days(usual_days - 1)).map_err(|_| WrongQuestion);
        Span::new(self.from.map_or_else(usual, Ok)?, to)
    }
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// These numbers; with no group, none of them is: all there are.
    pub numbers: Vec<NumberName>,
    /// The numbers with this value of this key in their metadata.
    pub group: Option<(String, String)>,
    /// Which days.
    pub days: Days,
    /// The calls of this agent only: endpoint or id.
    pub agent: Option<String>,
}

/// A question that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the question has not the right form")]
pub struct WrongQuestion;

impl Asked {
    /// Reads names and values. Numbers can be there several times, with commas between them or not; what is empty was not said.
    ///
    /// # Errors
    ///
    /// If a name is unknown, is there twice, or its value has another form.
    pub fn read<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, WrongQuestion> {
        let mut asked = Self::default();
        let mut date = None;
        for (name, value) in pairs {
            let value = value.as_ref();
            match name.as_ref() {
                "phoneNumber" | "phoneNumbers" | "number" | "numbers" => {
                    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                    asked.numbers.extend(names.map(NumberName::read));
                }
                "group" if !value.is_empty() => {
                    let (key, value) = value.split_once(':').ok_or(WrongQuestion)?;
                    let fits = |text: &str| (1..=100).contains(&text.chars().count());
                    let group = (fits(key) && fits(value)).then(|| (key.to_owned(), value.to_owned()));
                    once(&mut asked.group, group)?;
                }
                "agent" | "agentId" if !value.is_empty() => once(&mut asked.agent, Some(value.to_owned()))?,
                "date" | "day" => once(&mut date, day(value))?,
                "from" | "startDate" => once(&mut asked.days.from, day(value))?,
                "to" | "endDate" => once(&mut asked.days.to, day(value))?,
                "group" | "agent" | "agentId" => {}
                _ => return Err(WrongQuestion),
            }
        }
        asked.numbers.sort_unstable();
        asked.numbers.dedup();
        let doubled = !asked.numbers.is_empty() && asked.group.is_some();
        if let Some(date) = date {
            if asked.days != Days::default() {
                return Err(WrongQuestion);
            }
            asked.days = Days { from: Some(date), to: Some(date) };
        }
        if doubled || asked.numbers.len() > MOST_NUMBERS { Err(WrongQuestion) } else { Ok(asked) }
    }
}

fn day(text: &str) -> Option<Date> {
    // Only this form: others have a time, or a zone, or another calendar's order.
    (text.len() == 10 && text.is_ascii()).then(|| text.parse().ok()).flatten()
}

fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), WrongQuestion> {
    match (slot.is_some(), value) {
        (false, Some(value)) => {
            *slot = Some(value);
            Ok(())
        }
        (true, _) | (_, None) => Err(WrongQuestion),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Asked, WrongQuestion> {
        Asked::read(query.iter().copied())
    }

    fn e164(text: &str) -> NumberName {
        NumberName::E164(text.parse().expect("a number"))
    }

    fn date(text: &str) -> Date {
        text.parse().expect("a date")
    }

    #[test]
    fn a_plus_that_became_a_blank_is_a_plus() {
        for text in ["+919876543210", " 919876543210", "919876543210", "  919876543210 "] {
            assert_eq!(read(&[("phoneNumber", text)]).expect("read").numbers, [e164("+919876543210")], "{text:?}");
        }
    }

    #[test]
    fn several_numbers_are_said_once_each_or_with_commas() {
        let wanted = [e164("+12025550101"), e164("+12025550102")];
        for query in [
            vec![("phoneNumber", "+12025550101"), ("phoneNumber", "+12025550102")],
            vec![("phoneNumbers", " 12025550102, 12025550101")],
            vec![("phoneNumber", "+12025550101,+12025550101,12025550102,")],
        ] {
            assert_eq!(read(&query).expect("read").numbers, wanted, "{query:?}");
        }
        assert_eq!(read(&[("phoneNumber", "")]).expect("read").numbers, []);
        assert_eq!(read(&[("phoneNumber", "sales")]).expect("read").numbers, [NumberName::Nobodys]);
        let many: Vec<_> = (0..=MOST_NUMBERS).map(|n| format!("+1202555{n:04}")).collect();
        let pairs = |many: &[String]| Asked::read(many.iter().map(|number| ("phoneNumber", number.clone())));
        assert!(pairs(&many[1..]).is_ok() && pairs(&many).is_err());
    }

    #[test]
    fn what_is_not_asked_like_this_is_refused() {
        for query in [
            vec![("color", "red")],
            vec![("group", "sales")],
            vec![("group", ":sales")],
            vec![("group", "team:a"), ("group", "team:b")],
            vec![("group", "team:a"), ("phoneNumber", "+12025550101")],
            vec![("from", "yesterday")],
            vec![("from", "2026-11-21T00:00")],
            vec![("from", "")],
            vec![("date", "2026-02-30")],
            vec![("date", "2026-11-21"), ("to", "2026-11-21")],
            vec![("agent", "alice"), ("agent", "bob")],
        ] {
            assert_eq!(read(&query), Err(WrongQuestion), "{query:?}");
        }
    }

    #[test]
    fn days_that_were_not_said_end_today() {
        let today = date("2026-11-21");
        let span = |from: Option<&str>, to: Option<&str>, usual| {
            let span = Days { from: from.map(date), to: to.map(date) }.span(today, usual);
            span.map(|span| (span.first.to_string(), span.last.to_string()))
        };
        let of = |first: &str, last: &str| Ok((first.to_owned(), last.to_owned()));
        assert_eq!(span(None, None, 1), of("2026-11-21", "2026-11-21"));
        assert_eq!(span(None, None, 7), of("2026-11-15", "2026-11-21"));
        assert_eq!(span(Some("2026-11-01"), None, 7), of("2026-11-01", "2026-11-21"));
        assert_eq!(span(None, Some("2026-03-02"), 7), of("2026-02-24", "2026-03-02"));
        assert_eq!(span(Some("2026-11-02"), Some("2026-11-01"), 1), Err(WrongQuestion));
        assert_eq!(span(Some("2025-11-21"), None, 1), of("2025-11-21", "2026-11-21"));
        assert_eq!(span(Some("2025-11-20"), None, 1), Err(WrongQuestion));
        let days = Span::new(date("2026-02-27"), date("2026-03-01")).expect("a span").days().count();
        assert_eq!(days, 3);
    }
}
