//! Which node gets the next call. Pure.

use crate::core::ids::NodeName;
use std::collections::BTreeMap;

/// Spreads calls by weight: of any run of calls each node gets its share, evenly mixed. Every candidate earns its weight
/// with each call, the richest gets the call and pays what all earned.
#[derive(Debug, Default)]
pub(super) struct Spread {
    credit: BTreeMap<NodeName, i64>,
}

impl Spread {
    /// One of the candidates, each with its weight; none if there is none, or all weigh nothing.
    pub fn pick<'a>(&mut self, candidates: &[(&'a NodeName, u32)]) -> Option<&'a NodeName> {
        let earned: i64 = candidates.iter().map(|(_, weight)| i64::from(*weight)).sum();
        let mut best: Option<(&NodeName, i64)> = None;
        for (name, weight) in candidates.iter().filter(|(_, weight)| *weight > 0) {
            let credit = self.credit.entry((*name).clone()).or_default();
            *credit += i64::from(*weight);
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((name, *credit));
            }
        }
        let (name, _) = best?;
        if let Some(credit) = self.credit.get_mut(name) {
            *credit -= earned;
        }
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        name.parse().expect("a node")
    }

    #[test]
    fn each_node_gets_its_share_evenly_mixed() {
        let (a, b) = (node("a"), node("b"));
        let mut spread = Spread::default();
        let picked: String = (0..8).map(|_| spread.pick(&[(&a, 3), (&b, 1)]).expect("one").to_string()).collect();
        assert_eq!(picked, "aabaaaba");
    }

    #[test]
    fn a_node_that_was_away_gets_its_share_and_no_more() {
        let (a, b) = (node("a"), node("b"));
        let mut spread = Spread::default();
        for _ in 0..1000 {
            assert_eq!(spread.pick(&[(&a, 1)]), Some(&a));
        }
        let to_b = (0..100).filter(|_| spread.pick(&[(&a, 1), (&b, 1)]) == Some(&b)).count();
        assert_eq!(to_b, 50);
    }

    #[test]
    fn nobody_or_nobody_of_weight_is_none() {
        let a = node("a");
        assert_eq!(Spread::default().pick(&[]), None);
        assert_eq!(Spread::default().pick(&[(&a, 0)]), None);
    }
}
