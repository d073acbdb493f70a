//! What a check found.

use crate::core::ids::NodeName;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

const UNCLEAR: &str = "could not be asked";

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FindingLevel")]
pub enum Level {
    /// As it must be.
    Ok,
    /// Calls can be made; somebody should look at it.
    Warning,
    /// Calls cannot be made, or must not.
    Failed,
}

impl Level {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The check, such as `live_dangerously`.
    pub check: &'static str,
    /// The node that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// How bad it is.
    pub level: Level,
    /// As long as it is so, no calls but emergency calls are placed on the node.
    pub blocks: bool,
    /// What was found.
    pub found: String,
    /// What to do; empty if nothing.
    pub advice: String,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, node: None, level: Level::Ok, blocks: false, found: found.into(), advice: String::new() }
    }

    /// Somebody should look at it.
    pub fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warning, advice: advice.into(), ..Self::ok(check, found) }
    }

    /// Calls cannot be made.
    pub fn failed(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Failed, advice: advice.into(), ..Self::ok(check, found) }
    }

    /// Calls must not be made, unless the owner of the floor allowed it by a key.
    pub fn dangerous(check: &'static str, allowed: bool, found: &str, advice: &str, key: &str) -> Self {
        if allowed {
            return Self::warning(check, format!("{found}; allowed by {key}"), advice);
        }
        let advice = format!("{advice}; or, if you must, set {key}");
        Self { blocks: true, ..Self::failed(check, found, advice) }
    }

    /// The question had no answer. Not a proof of anything, so it does not block.
    pub fn unclear(check: &'static str, why: impl fmt::Display) -> Self {
        Self::warning(check, format!("{UNCLEAR}: {why}"), "try again; see Asterisk's log")
    }

    /// Whether the question had no answer.
    pub fn is_unclear(&self) -> bool {
        self.level == Level::Warning && self.found.starts_with(UNCLEAR)
    }

    /// The same about a node.
    #[must_use]
    pub fn on(self, node: &NodeName) -> Self {
        Self { node: Some(node.clone()), ..self }
    }

    /// What it is about: `floor-1: version`.
    pub fn subject(&self) -> String {
        match &self.node {
            Some(node) => format!("{node}: {}", self.check),
            None => self.check.to_owned(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject(), self.found)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "; {}", self.advice) }
    }
}

/// How bad the worst of them is.
pub fn worst<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Level {
    findings.into_iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}
