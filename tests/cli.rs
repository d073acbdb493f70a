//! The command line, as the real program against a real database. Each test has a database of its own.

#[path = "cli/alerts.rs"]
mod alerts;
#[path = "cli/analytics.rs"]
mod analytics;
#[path = "cli/apply.rs"]
mod apply;
#[path = "cli/calls.rs"]
mod calls;
#[path = "cli/campaigns.rs"]
mod campaigns;
#[path = "cli/carriers.rs"]
mod carriers;
#[path = "cli/contract.rs"]
mod contract;
#[path = "cli/daemon.rs"]
mod daemon;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/dry_run.rs"]
mod dry_run;
#[path = "cli/faces.rs"]
mod faces;
#[path = "cli/floor.rs"]
mod floor;
#[path = "cli/fsck.rs"]
mod fsck;
#[path = "cli/identity.rs"]
mod identity;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/life.rs"]
mod life;
#[path = "cli/numbers.rs"]
mod numbers;
#[path = "cli/systems.rs"]
mod systems;
#[path = "cli/webhooks.rs"]
mod webhooks;
#[path = "cli/wrong.rs"]
mod wrong;
