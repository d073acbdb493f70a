//! Who somebody is in an organization.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Who somebody is in an organization; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Calls, and sees what is their own.
    Agent,
    /// Sees what all do, and changes nothing.
    Manager,
    /// Changes what there is to change, but for owners.
    Admin,
    /// Answers for the organization.
    Owner,
}

/// A text that is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is owner, admin, manager or agent")]
pub struct UnknownRole;

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Agent, Self::Manager, Self::Admin, Self::Owner];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Manager => "manager",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}
