//! Their list and ours, side by side. Pure.

use crate::core::number::E164;
use crate::inventory::Capabilities;
use crate::inventory::listed::{CarrierKind, Listed};
use crate::policy::NumberState;
use crate::store::carriers::Ours;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What differs between their list and ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberDrift")]
pub struct Drift {
    /// Ours by our own records, and the carrier does not have them.
    pub missing_there: Vec<E164>,
    /// The carrier has them for us, and they are not ours here.
    pub missing_here: Vec<Stranger>,
    /// Both have them, and say different things.
    pub differing: Vec<Difference>,
    /// How many both have, and agree on.
    pub agreeing: u64,
}

/// A number that only the carrier has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberMissingHere")]
pub struct Stranger {
    /// The number.
    pub number: E164,
    /// Its id with the carrier.
    pub provider_id: String,
    /// Who has it here instead; null if nobody has, or the one who asks may not know.
    pub elsewhere: Option<String>,
}

/// What two say differently about a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NumberDifference")]
pub struct Difference {
    /// The number.
    pub number: E164,
    /// `provider`, `provider_id`, `type`, `status` or `capabilities.…`.
    pub field: String,
    /// What we say; null if we say nothing.
    pub here: Option<String>,
    /// What the carrier says; null if it says nothing.
    pub there: Option<String>,
}

impl Drift {
    /// Whether all is as it should be.
    pub fn is_none(&self) -> bool {
        self.missing_there.is_empty() && self.missing_here.is_empty() && self.differing.is_empty()
    }
}

/// Compares. `elsewhere` says who has a number that is not among ours.
pub fn compare(
    kind: CarrierKind,
    theirs: &BTreeMap<E164, Listed>,
    ours: &[Ours],
    elsewhere: &BTreeMap<E164, String>,
) -> Drift {
    let mut drift = Drift::default();
    let mut here = BTreeMap::new();
    for our in ours {
        here.insert(our.e164, our);
        match theirs.get(&our.e164) {
            Some(listed) => {
                let differing = differences(kind, our, listed);
                drift.agreeing += u64::from(differing.is_empty());
                drift.differing.extend(differing);
            }
            None if our.is_of(kind) && our.state != NumberState::Retired => drift.missing_there.push(our.e164),
            None => {}
        }
    }
    for listed in theirs.values().filter(|listed| listed.standing.is_usable() && !here.contains_key(&listed.e164)) {
        drift.missing_here.push(Stranger {
            number: listed.e164,
            provider_id: listed.provider_id.to_string(),
            elsewhere: elsewhere.get(&listed.e164).cloned(),
        });
    }
    drift
}

fn differences(kind: CarrierKind, our: &Ours, listed: &Listed) -> Vec<Difference> {
    let mut differing = Vec::new();
    let mut say = |field: &str, here: Option<String>, there: Option<String>| {
        differing.push(Difference { number: our.e164, field: field.to_owned(), here, there });
    };
    if !our.is_of(kind) {
        say("provider", our.provider.clone(), Some(kind.to_string()));
    }
    let id = listed.provider_id.to_string();
    if our.provider_id.as_ref() != Some(&id) {
        say("provider_id", our.provider_id.clone(), Some(id));
    }
    if let Some(kind) = listed.kind
        && our.kind != Some(kind)
    {
        say("type", our.kind.map(|kind| kind.as_str().to_owned()), Some(kind.as_str().to_owned()));
    }
    for (name, can) in listed.capabilities.iter().flat_map(Capabilities::iter) {
        let here = our.capabilities.get(name).copied();
        // What nobody speaks of is not there.
        if here.unwrap_or(false) != can {
            say(&format!("capabilities.{name}"), here.map(|can| can.to_string()), Some(can.to_string()));
        }
    }
    let used = our.state != NumberState::Retired;
    if used != listed.standing.is_usable() {
        say("status", Some(our.state.as_str().to_owned()), Some(listed.standing.as_str().to_owned()));
    }
    differing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::listed::Standing;

    fn listed(number: &str, id: &str) -> Listed {
        Listed {
            e164: number.parse().expect("a number"),
            region: "US".parse().expect("US"),
            name: None,
            provider_id: id.parse().expect("an id"),
            kind: None,
            capabilities: Some(r#"{"voice": true, "sms": true}"#.parse().expect("capabilities")),
            standing: Standing::Active,
        }
    }

    fn ours(number: &str, id: Option<&str>, provider: Option<&str>) -> Ours {
        Ours {
            e164: number.parse().expect("a number"),
            provider: provider.map(str::to_owned),
            provider_id: id.map(str::to_owned),
            kind: None,
            capabilities: BTreeMap::from([("voice".to_owned(), true), ("sms".to_owned(), true)]),
            state: NumberState::Assigned,
        }
    }

    fn theirs(listed: Vec<Listed>) -> BTreeMap<E164, Listed> {
        listed.into_iter().map(|listed| (listed.e164, listed)).collect()
    }

    #[test]
    fn who_agrees_has_no_drift() {
        let drift = compare(
            CarrierKind::Twilio,
            &theirs(vec![listed("+12025550101", "PN1")]),
            &[ours("+12025550101", Some("PN1"), Some("Twilio"))],
            &BTreeMap::new(),
        );
        assert!(drift.is_none() && drift.agreeing == 1, "{drift:?}");
    }

    #[test]
    fn each_kind_of_drift_is_named() {
        let mut gone = listed("+12025550104", "PN4");
        gone.standing = Standing::Gone;
        let mut strange = listed("+12025550106", "PN6");
        strange.standing = Standing::Coming;
        let them = theirs(vec![
            listed("+12025550102", "PN2"),
            listed("+12025550103", "PN3"),
            gone,
            listed("+12025550105", "PN5"),
            strange,
        ]);
        let mut mute = ours("+12025550103", Some("PN3"), Some("twilio"));
        mute.capabilities = BTreeMap::from([("voice".to_owned(), true)]);
        let us = [
            ours("+12025550101", Some("PN1"), Some("twilio")),
            ours("+12025550102", None, Some("telnyx")),
            mute,
            ours("+12025550104", Some("PN4"), Some("twilio")),
            ours("+12025550107", None, Some("telnyx")),
            ours("+12025550108", None, None),
        ];
        let other = BTreeMap::from([("+12025550105".parse().expect("a number"), "other".to_owned())]);
        let drift = compare(CarrierKind::Twilio, &them, &us, &other);
        let shown = |e164: &E164| e164.to_string();
        assert_eq!(drift.missing_there.iter().map(shown).collect::<Vec<_>>(), ["+12025550101"]);
        let strangers: Vec<_> =
            drift.missing_here.iter().map(|s| (s.number.to_string(), s.elsewhere.as_deref())).collect();
        assert_eq!(strangers, [("+12025550105".to_owned(), Some("other"))], "what is not here yet is not missed");
        let differing: Vec<_> = drift
            .differing
            .iter()
            .map(|d| format!("{} {} {:?} {:?}", d.number, d.field, d.here.as_deref(), d.there.as_deref()))
            .collect();
        assert_eq!(
            differing,
            [
                "+12025550102 provider Some(\"telnyx\") Some(\"twilio\")",
                "+12025550102 provider_id None Some(\"PN2\")",
                "+12025550103 capabilities.sms None Some(\"true\")",
                "+12025550104 status Some(\"assigned\") Some(\"gone\")",
            ]
        );
    }
}
