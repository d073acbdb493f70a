//! Which fault met which phase: a simulation that never cuts the socket while a phone rings proves nothing about that.

use cordboard::core::phase::Phase;
use std::collections::BTreeMap;
use std::fmt;

const PHASES: [&str; 8] =
    ["deciding", "refused", "calling agent", "preparing", "dialling", "talking", "ending", "no call"];

#[derive(Clone, Debug, Default)]
pub struct Coverage {
    met: BTreeMap<&'static str, [u32; PHASES.len()]>,
}

impl Coverage {
    pub fn count(&mut self, fault: &'static str, phase: Option<Phase>) {
        let column = match phase {
            Some(Phase::Deciding { .. }) => 0,
            Some(Phase::Refused { .. }) => 1,
            Some(Phase::CallingAgent { .. }) => 2,
            Some(Phase::Preparing { .. }) => 3,
            Some(Phase::Dialling { .. }) => 4,
            Some(Phase::Talking { .. }) => 5,
            Some(Phase::Ending { .. }) => 6,
            Some(Phase::Over) | None => 7,
        };
        self.met.entry(fault).or_default()[column] += 1;
    }

    /// How many pairs of a fault and a phase were met.
    pub fn pairs(&self) -> usize {
        self.met.values().flatten().filter(|count| **count > 0).count()
    }

    pub fn add(&mut self, other: &Self) {
        for (fault, counts) in &other.met {
            let ours = self.met.entry(fault).or_default();
            for (a, b) in ours.iter_mut().zip(counts) {
                *a += b;
            }
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<22}", "fault met phase")?;
        for phase in PHASES {
            write!(f, "{phase:>14}")?;
        }
        for (fault, counts) in &self.met {
            write!(f, "\n{fault:<22}")?;
            for count in counts {
                write!(f, "{count:>14}")?;
            }
        }
        Ok(())
    }
}
