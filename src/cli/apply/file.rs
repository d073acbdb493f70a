//! The file: read with the place of everything in it, and written.

use crate::core::ids::EndpointName;
use crate::core::number::{E164, NumberClass, RegionCode};
use crate::numbering::{self, ExtraPrefix};
use crate::store::assignments::AssignmentUsage;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::ops::Range;
use std::str::FromStr;
use toml::Spanned;

const DAILY_LIMIT: u32 = 100;
const COUNTRIES: [RegionCode; 2] = [RegionCode::literal("US"), RegionCode::literal("CA")];

/// Something in the file that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What, and what would be right.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    organizations: Vec<Spanned<String>>,
    #[serde(default)]
    assignment: Vec<RawAssignment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAssignment {
    agent: Spanned<String>,
    number: Spanned<String>,
    daily_limit: Option<Spanned<i64>>,
    countries: Option<Vec<Spanned<String>>>,
    classes: Option<Vec<Spanned<String>>>,
}

/// What somebody wants.
#[derive(Debug)]
pub struct File {
    organizations: BTreeMap<String, Place>,
    /// By agent and number.
    pub wanted: BTreeMap<(EndpointName, E164), (Wanted, Places)>,
}

/// With which limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub daily_limit: u32,
    pub countries: Vec<RegionCode>,
    pub classes: Vec<NumberClass>,
}

/// A line and a column.
pub type Place = (usize, usize);

/// Where the parts of an assignment stand.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    pub agent: Place,
    pub number: Place,
}

impl Wrong {
    pub fn at((line, column): Place, message: impl Display) -> Self {
        Self { line, column, message: message.to_string() }
    }
}

/// The line and the column of a byte.
fn place(text: &str, span: &Range<usize>) -> Place {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[begin..].chars().count() + 1)
}

impl File {
    /// Reads a file. All that is wrong with it is told.
    pub fn read(text: &str, extra: &[ExtraPrefix]) -> Result<Self, Vec<Wrong>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let raw: Raw = toml::from_str(text).map_err(|error| {
            vec![Wrong::at(place(text, &error.span().unwrap_or_default()), error.message().replace('\n', " "))]
        })?;
        let mut errors = Vec::new();
        let mut file = Self { organizations: BTreeMap::new(), wanted: BTreeMap::new() };
        for slug in raw.organizations {
            let at = place(text, &slug.span());
            if file.organizations.insert(slug.into_inner(), at).is_some() {
                errors.push(Wrong::at(at, "the organization is there twice"));
            }
        }
        for raw in raw.assignment {
            if let Some((key, wanted, places)) = assignment(text, &raw, extra, &mut errors)
                && let Some((_, first)) = file.wanted.insert(key, (wanted, places))
            {
                let message = format!("this agent has this number in line {} already", first.number.0);
                errors.push(Wrong::at(places.number, message));
            }
        }
        if errors.is_empty() { Ok(file) } else { Err(errors) }
    }

    pub fn organizations(&self) -> impl Iterator<Item = &str> {
        self.organizations.keys().map(String::as_str)
    }

    /// The organizations and where they stand.
    pub fn organization_places(&self) -> impl Iterator<Item = (&str, Place)> {
        self.organizations.iter().map(|(slug, place)| (slug.as_str(), *place))
    }

    pub fn numbers(&self) -> impl Iterator<Item = E164> {
        self.wanted.keys().map(|(_, number)| *number)
    }
}

fn assignment(
    text: &str,
    raw: &RawAssignment,
    extra: &[ExtraPrefix],
    errors: &mut Vec<Wrong>,
) -> Option<((EndpointName, E164), Wanted, Places)> {
    let before = errors.len();
    let agent: Option<EndpointName> = word(text, &raw.agent, errors);
    let number = numbering::parse_owned_number(raw.number.get_ref(), None, extra);
    let places = Places { agent: place(text, &raw.agent.span()), number: place(text, &raw.number.span()) };
    let number = number.map_err(|error| errors.push(Wrong::at(places.number, error))).ok();
    let daily_limit = match &raw.daily_limit {
        None => DAILY_LIMIT,
        Some(limit) => {
            u32::try_from(*limit.get_ref()).ok().filter(|limit| (1..=1000).contains(limit)).unwrap_or_else(|| {
                errors.push(Wrong::at(place(text, &limit.span()), "the daily limit of an assignment is 1 to 1000"));
                DAILY_LIMIT
            })
        }
    };
    let countries = match &raw.countries {
        None => COUNTRIES.to_vec(),
        Some(named) => {
            let read = named.iter().filter_map(|name| {
                let country: RegionCode = word(text, name, errors)?;
                if !numbering::has_numbering_plan(&country) {
                    errors.push(Wrong::at(
                        place(text, &name.span()),
                        format!("{country} is no country with telephone numbers"),
                    ));
                }
                Some(country)
            });
            let read: Vec<RegionCode> = read.collect();
            if named.is_empty() {
                errors.push(Wrong::at(places.number, "`countries` must name at least one country"));
            }
            read
        }
    };
    let named = raw.classes.as_deref().unwrap_or_default();
    let classes = named.iter().filter_map(|name| word(text, name, errors)).collect();
    let wanted = Wanted { daily_limit, countries: sorted(countries), classes: sorted(classes) };
    let key = (agent?, number?.e164);
    (errors.len() == before).then_some((key, wanted, places))
}

/// In which order they are does not matter.
pub fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values.dedup();
    values
}

fn word<T: FromStr<Err: Display>>(text: &str, word: &Spanned<String>, errors: &mut Vec<Wrong>) -> Option<T> {
    word.get_ref().parse().map_err(|error| errors.push(Wrong::at(place(text, &word.span()), error))).ok()
}

/// The file that changes nothing. What has an end is not in it: it ends by itself.
pub fn write(organizations: &[&str], open: &[AssignmentUsage]) -> String {
    let quoted = |words: &[String]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let slugs: Vec<String> = organizations.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "# Who may call from which number: all assignments of these organizations.\n# cordboard apply FILE makes it so.\n\
         organizations = [{}]\n",
        quoted(&slugs)
    );
    for usage in open.iter().filter(|usage| usage.ends_at.is_none()) {
        let countries = sorted(usage.allowed_countries.clone()).iter().map(ToString::to_string).collect::<Vec<_>>();
        let classes = sorted(usage.allowed_classes.clone()).iter().map(ToString::to_string).collect::<Vec<_>>();
        // Names of agents, numbers, countries and classes have nothing in them that must be escaped.
        let _ = writeln!(
            text,
            "\n[[assignment]]\nagent = \"{}\"\nnumber = \"{}\"\ndaily_limit = {}\ncountries = [{}]",
            usage.endpoint,
            usage.number,
            usage.daily_limit,
            quoted(&countries)
        );
        if !classes.is_empty() {
            let _ = writeln!(text, "classes = [{}]", quoted(&classes));
        }
    }
    text
}
