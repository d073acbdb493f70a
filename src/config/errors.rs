//! What is said about settings, and where the cause stands.

use std::fmt;
use std::sync::Arc;

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole: something is missing there.
    File {
        /// The file as it was named to us.
        name: Arc<str>,
    },
    /// A line of the file.
    Line {
        /// The file as it was named to us.
        name: Arc<str>,
        /// Counted from 1.
        line: usize,
        /// Counted in characters from 1; known for syntax errors only.
        column: Option<usize>,
    },
    /// A variable of the environment.
    Variable {
        /// Its whole name.
        name: String,
    },
}

/// One remark about one setting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    place: Place,
    key: Option<String>,
    message: String,
}

/// Something allowed that is dangerous or probably forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(Notice);

/// Everything that is wrong with the settings, one a line when printed, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Notice>);

impl Notice {
    pub(super) fn new(place: Place, key: Option<&str>, message: String) -> Self {
        let key = key.map(str::to_owned);
        Self { place, key, message }
    }

    /// The setting, such as `node[0].password`; absent when the text is not TOML at all.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Where it comes from.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The remark alone.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Warning {
    pub(super) fn new(notice: Notice) -> Self {
        Self(notice)
    }

    /// The remark with its key and place.
    pub fn notice(&self) -> &Notice {
        &self.0
    }
}

impl ConfigErrors {
    pub(super) fn new(mut notices: Vec<Notice>) -> Self {
        notices.sort();
        notices.dedup();
        Self(notices)
    }

    pub(super) fn unreadable(file: &str, message: String) -> Self {
        let name = Arc::from(file);
        Self(vec![Notice::new(Place::File { name }, None, message)])
    }

    /// Every error, in the order of the file, then of the variables.
    pub fn notices(&self) -> &[Notice] {
        &self.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name } => f.write_str(name),
            Self::Line { name, line, column: None } => write!(f, "{name}:{line}"),
            Self::Line { name, line, column: Some(column) } => write!(f, "{name}:{line}:{column}"),
            Self::Variable { name } => write!(f, "${name}"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}: {key}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, notice) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            notice.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
