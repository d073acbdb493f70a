//! `[webhooks]`: where events may be sent.

use serde::Deserialize;

use super::report::{Given, Report};
use super::{Reported, changed};
use crate::live::Network;

/// Where events may be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhooks {
    /// Private networks into which webhooks may go, beside the public internet.
    pub private_networks: Vec<Network>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhooks {
    private_networks: Option<Given<Vec<String>>>,
}

impl Webhooks {
    pub(super) fn check(raw: RawWebhooks, report: &mut Report) -> Result<Self, Reported> {
        let key = "webhooks.private_networks";
        let names = report.value(key, raw.private_networks)?.unwrap_or_default();
        let mut private_networks = Vec::new();
        let mut outcome = Ok(());
        for name in &names {
            match name.parse::<Network>() {
                Ok(network) => private_networks.push(network),
                Err(error) => outcome = Err(report.error(key, format!("{name:?}: {error}"))),
            }
        }
        outcome?;
        if !private_networks.is_empty() {
            let message = format!(
                "every tenant's webhooks may reach {}, also without TLS; name no network in which anything trusts its neighbours",
                names.join(", ")
            );
            report.warn(key, message);
        }
        Ok(Self { private_networks })
    }

    pub(super) fn restart_keys(&self, new: &Self) -> Vec<&'static str> {
        let Self { private_networks } = self;
        changed([("webhooks.private_networks", *private_networks != new.private_networks)])
    }
}
