//! What can be done.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Something that can be done. Its name, `family.act`, is what tokens are narrowed by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

actions! {
    /// See calls.
    CallsSee = "calls.see",
    /// Start calls.
    CallsStart = "calls.start",
    /// End calls.
    CallsHangUp = "calls.hang_up",
    /// See who may call from which number, and what is left of it.
    UsageSee = "usage.see",
    /// See agents.
    AgentsSee = "agents.see",
    /// Add, change and remove agents.
    AgentsManage = "agents.manage",
    /// See numbers.
    NumbersSee = "numbers.see",
    /// Add, change, rest, retire and delete numbers.
    NumbersManage = "numbers.manage",
    /// Take a number out of the inventory for the organization.
    NumbersClaim = "numbers.claim",
    /// Give a number that was chosen for good back, or swap it.
    NumbersRelease = "numbers.release",
    /// Give numbers to agents, and take them away.
    AssignmentsManage = "assignments.manage",
    /// Import from carriers.
    ImportsManage = "imports.manage",
    /// See campaigns and their contacts.
    CampaignsSee = "campaigns.see",
    /// Change campaigns and their contacts.
    CampaignsManage = "campaigns.manage",
    /// See metrics of numbers and agents.
    MetricsSee = "metrics.see",
    /// Hear of what happens as it happens.
    LiveSee = "live.see",
    /// Say where webhooks go.
    WebhooksManage = "webhooks.manage",
    /// See who can sign in.
    UsersSee = "users.see",
    /// Add and change users.
    UsersManage = "users.manage",
    /// See, make and revoke tokens.
    TokensManage = "tokens.manage",
    /// Read the audit trail.
    AuditSee = "audit.see",
}

/// A text that is no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be the name of an act, such as calls.see or numbers.manage")]
pub struct UnknownAction;

impl Action {
    /// Whether it makes what others get in with.
    pub fn makes_keys(self) -> bool {
        matches!(self, Self::TokensManage | Self::UsersManage)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or(UnknownAction)
    }
}
