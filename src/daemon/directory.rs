//! Who is who, in memory: enough to recognise an emergency number without asking the database.

use crate::core::ids::EndpointName;
use crate::core::number::RegionCode;
use crate::policy::emergency;
use std::collections::BTreeMap;

/// The country of each agent's endpoint.
#[derive(Debug, Default)]
pub(super) struct Directory {
    countries: BTreeMap<EndpointName, RegionCode>,
}

/// The numbers that nearly every phone in the world takes for an emergency (3GPP TS 22.101, 10.1).
const EVERYWHERE: [&str; 2] = ["112", "911"];

impl Directory {
    pub fn replace(&mut self, agents: impl IntoIterator<Item = (EndpointName, RegionCode)>) {
        self.countries = agents.into_iter().collect();
    }

    /// Whether an emergency number was dialled, judged on the raw digits by the country of the agent's organization. An
    /// endpoint that we do not know yet is judged again when the database has told its country.
    pub fn is_emergency(&self, endpoint: Option<&EndpointName>, raw: &str) -> bool {
        match endpoint.and_then(|endpoint| self.countries.get(endpoint)) {
            Some(country) => emergency::is_emergency(raw, country),
            None => EVERYWHERE.contains(&raw),
        }
    }
}
