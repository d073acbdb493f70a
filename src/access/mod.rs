//! Who may do what: four roles, a list of acts, and a table. Pure: no clock, no database.
//!
//! A role says how far an act reaches: over the whole organization, over what is one's own, or not at all. What is one's own is
//! what the agent did that one is. A token can be narrowed further to some acts; a narrowed token makes no keys, so that
//! nobody gets out of it what was left out.

mod action;
mod role;

pub use action::{Action, UnknownAction};
pub use role::{Role, UnknownRole};

use std::collections::BTreeSet;

/// How far an act reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Not at all.
    Nothing,
    /// Over what is one's own.
    Own,
    /// Over the whole organization.
    Everything,
}

/// How far a role reaches with an act: the table.
pub fn reach(role: Role, action: Action) -> Reach {
    use Reach::{Everything as All, Nothing as No, Own};
    let [agent, manager, admin, owner] = match action {
        Action::CallsSee
        | Action::UsageSee
        | Action::AgentsSee
        | Action::NumbersSee
        | Action::MetricsSee
        | Action::LiveSee => [Own, All, All, All],
        // A manager who is an agent too calls like one.
        Action::CallsStart | Action::CallsHangUp => [Own, Own, All, All],
        Action::CampaignsSee | Action::UsersSee => [No, All, All, All],
        Action::AgentsManage
        | Action::NumbersManage
        | Action::NumbersClaim
        | Action::AssignmentsManage
        | Action::ImportsManage
        | Action::CampaignsManage
        | Action::WebhooksManage
        | Action::UsersManage
        | Action::TokensManage
        | Action::AuditSee => [No, No, All, All],
        // What was chosen for good: only the owner takes it back.
        Action::NumbersRelease => [No, No, No, All],
    };
    match role {
        Role::Agent => agent,
        Role::Manager => manager,
        Role::Admin => admin,
        Role::Owner => owner,
    }
}

/// How far somebody reaches whose key is narrowed to some acts, or not narrowed.
pub fn reach_within(role: Role, acts: Option<&BTreeSet<Action>>, action: Action) -> Reach {
    match acts {
        Some(acts) if !acts.contains(&action) || action.makes_keys() => Reach::Nothing,
        _ => reach(role, action),
    }
}

/// Whether somebody of one role may give another, or take it away: nobody above oneself.
pub fn may_give(giver: Role, role: Role) -> bool {
    role <= giver
}

#[cfg(test)]
mod tests;
