//! Who is who, in memory: enough to recognise an emergency number, and to place the call, without asking the database.

use crate::core::ids::EndpointName;
use crate::core::input::Dialled;
use crate::policy::emergency;
use crate::store::agents::DirectoryEntry;
use std::collections::BTreeMap;

/// The agents by their endpoints.
#[derive(Debug, Default)]
pub(super) struct Directory {
    agents: BTreeMap<EndpointName, DirectoryEntry>,
    /// The database was asked.
    is_known: bool,
}

/// The numbers that nearly every phone in the world takes for an emergency (3GPP TS 22.101, 10.1).
const EVERYWHERE: [&str; 2] = ["112", "911"];

impl Directory {
    pub fn replace(&mut self, agents: impl IntoIterator<Item = DirectoryEntry>) {
        self.is_known = true;
        self.agents = agents.into_iter().map(|agent| (agent.endpoint.clone(), agent)).collect();
    }

    /// Judges what was dialled, on the raw digits, by the country of the agent's organization. An endpoint that we do not
    /// know yet is judged again when the database has told its country. While the database has not been there since the
    /// start nobody's country is known and no other call can be made: then the emergency numbers of all countries count.
    pub fn judge(&self, endpoint: Option<&EndpointName>, raw: String) -> Dialled {
        let agent = endpoint.and_then(|endpoint| self.agents.get(endpoint));
        let emergency = match agent {
            Some(agent) => emergency::is_emergency(&raw, &agent.country),
            None if !self.is_known => emergency::is_emergency_somewhere(&raw),
            None => EVERYWHERE.contains(&raw.as_str()),
        };
        Dialled { raw, emergency, call_back: agent.and_then(|agent| agent.emergency_caller_id), campaign: None }
    }
}
