//! What must change for a file to be true.

use super::file::{File, Wanted, Wrong, sorted};
use crate::cli::failure::Outcome;
use crate::core::ids::{AgentId, AssignmentId, EndpointName, NumberId, OrganizationId};
use crate::core::number::E164;
use crate::policy::NumberState;
use crate::store::Transaction;
use crate::store::agents::AgentRow;
use crate::store::assignments::{self, AssignmentUsage, NewAssignment};
use crate::store::numbers::Owner;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What there is.
#[derive(Debug, Default)]
pub struct World {
    pub organizations: BTreeMap<String, OrganizationId>,
    pub agents: Vec<AgentRow>,
    pub open: Vec<AssignmentUsage>,
    pub numbers: BTreeMap<E164, Owner>,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    agent: AgentId,
    endpoint: EndpointName,
    number: NumberId,
    e164: E164,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    End(AssignmentId),
    Change { from: Wanted, to: Wanted },
    Assign { to: Wanted, from_inventory: bool },
}

/// All that must change, in the order in which it is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan(Vec<Change>);

/// A change for programs.
#[derive(Serialize)]
pub struct ChangeView {
    action: &'static str,
    agent: EndpointName,
    number: E164,
    #[serde(skip_serializing_if = "Option::is_none")]
    daily_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    countries: Option<Vec<String>>,
}

fn has(usage: &AssignmentUsage) -> Wanted {
    Wanted {
        daily_limit: usage.daily_limit,
        countries: sorted(usage.allowed_countries.clone()),
        classes: sorted(usage.allowed_classes.clone()),
    }
}

impl Plan {
    /// What must change. Or all of the file that cannot be so.
    pub fn of(file: &File, world: &World) -> Result<Self, Vec<Wrong>> {
        let mut errors = Vec::new();
        for (slug, place) in file.organization_places() {
            if !world.organizations.contains_key(slug) {
                errors.push(Wrong::at(
                    place,
                    "there is no organization of that name; add it: cordboard organizations add",
                ));
            }
        }
        let mut changes = Vec::new();
        for usage in world.open.iter().filter(|usage| usage.ends_at.is_none()) {
            if !file.wanted.contains_key(&(usage.endpoint.clone(), usage.number)) {
                changes.push(Change {
                    agent: usage.agent_id,
                    endpoint: usage.endpoint.clone(),
                    number: usage.number_id,
                    e164: usage.number,
                    what: What::End(usage.assignment_id),
                });
            }
        }
        for ((endpoint, e164), (wanted, places)) in &file.wanted {
            let Some(agent) = world.agents.iter().find(|agent| agent.endpoint == *endpoint) else {
                errors.push(Wrong::at(places.agent, "these organizations have no agent with that endpoint"));
                continue;
            };
            let owner = world.numbers.get(e164);
            let from_inventory = match owner {
                None => {
                    errors.push(Wrong::at(places.number, "that number is not ours; add it: cordboard numbers add"));
                    continue;
                }
                Some(owner) if owner.state == NumberState::Retired => {
                    errors.push(Wrong::at(places.number, "that number is retired"));
                    continue;
                }
                Some(Owner { organization: Some(owner), .. }) if *owner != agent.organization_id => {
                    errors.push(Wrong::at(places.number, "that number is another organization's than the agent"));
                    continue;
                }
                Some(owner) => owner.organization.is_none(),
            };
            let Some(number) = owner.map(|owner| owner.id) else { continue };
            let open = world.open.iter().find(|usage| usage.endpoint == *endpoint && usage.number == *e164);
            let what = match open {
                Some(usage) if usage.ends_at.is_some() => {
                    errors.push(Wrong::at(
                        places.number,
                        "the agent has that number until a certain time; end that first",
                    ));
                    continue;
                }
                Some(usage) if has(usage) == *wanted => continue,
                Some(usage) => What::Change { from: has(usage), to: wanted.clone() },
                None => What::Assign { to: wanted.clone(), from_inventory },
            };
            changes.push(Change { agent: agent.id, endpoint: endpoint.clone(), number, e164: *e164, what });
        }
        if errors.is_empty() { Ok(Self(changes)) } else { Err(errors) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose assignments change.
    pub fn agents(&self) -> Vec<AgentId> {
        sorted(self.0.iter().map(|change| change.agent).collect())
    }

    pub fn changes(&self) -> Vec<ChangeView> {
        let view = |change: &Change| {
            let (action, to) = match &change.what {
                What::End(_) => ("end", None),
                What::Change { to, .. } => ("change", Some(to)),
                What::Assign { to, .. } => ("assign", Some(to)),
            };
            ChangeView {
                action,
                agent: change.endpoint.clone(),
                number: change.e164,
                daily_limit: to.map(|to| to.daily_limit),
                countries: to.map(|to| to.countries.iter().map(ToString::to_string).collect()),
            }
        };
        self.0.iter().map(view).collect()
    }

    pub fn summary(&self) -> String {
        let count = |is: fn(&What) -> bool| self.0.iter().filter(|change| is(&change.what)).count();
        format!(
            "{} assigned, {} changed, {} ended",
            count(|what| matches!(what, What::Assign { .. })),
            count(|what| matches!(what, What::Change { .. })),
            count(|what| matches!(what, What::End(_)))
        )
    }

    /// Does it, in the transaction. The agents are locked.
    pub async fn carry_out(&self, transaction: &mut Transaction) -> Outcome {
        for change in &self.0 {
            let to = match &change.what {
                What::End(assignment) => {
                    assignments::unassign(transaction, *assignment).await?;
                    continue;
                }
                What::Change { to, .. } | What::Assign { to, .. } => to,
            };
            let new = NewAssignment {
                agent: change.agent,
                number: change.number,
                daily_limit: Some(to.daily_limit),
                allowed_countries: Some(to.countries.clone()),
                allowed_classes: Some(to.classes.clone()),
            };
            assignments::assign(transaction, &new).await?;
        }
        Ok(())
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |words: Vec<String>| words.join(",");
        write!(
            f,
            "{} calls a day to {}",
            self.daily_limit,
            list(self.countries.iter().map(ToString::to_string).collect())
        )?;
        if !self.classes.is_empty() {
            write!(f, ", and to {}", list(self.classes.iter().map(ToString::to_string).collect()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Change { endpoint, e164, what, .. } in &self.0 {
            match what {
                What::End(_) => writeln!(f, "- {endpoint} {e164}")?,
                What::Change { from, to } => writeln!(f, "~ {endpoint} {e164}: {from} -> {to}")?,
                What::Assign { to, from_inventory: false } => writeln!(f, "+ {endpoint} {e164}: {to}")?,
                What::Assign { to, from_inventory: true } => {
                    writeln!(f, "+ {endpoint} {e164}: {to}, out of the inventory")?;
                }
            }
        }
        writeln!(f, "{} changes", self.0.len())
    }
}
