//! The store, on a real server. Each test has a database of its own.

#[path = "store/admission.rs"]
mod admission;
#[path = "store/audit.rs"]
mod audit;
#[path = "store/campaigns.rs"]
mod campaigns;
#[path = "store/claims.rs"]
mod claims;
#[path = "store/constraints.rs"]
mod constraints;
#[path = "store/days.rs"]
mod days;
#[path = "store/events.rs"]
mod events;
#[path = "store/hands.rs"]
mod hands;
#[path = "store/inventory.rs"]
mod inventory;
#[path = "store/leases.rs"]
mod leases;
#[path = "store/memory.rs"]
mod memory;
#[path = "store/outage.rs"]
mod outage;
#[path = "store/outbox.rs"]
mod outbox;
#[path = "store/races.rs"]
mod races;
#[path = "store/receiver.rs"]
mod receiver;
#[path = "store/speed.rs"]
mod speed;
#[path = "store/storms.rs"]
mod storms;
#[path = "store/tenants.rs"]
mod tenants;
#[path = "store/uploads.rs"]
mod uploads;
#[path = "store/world.rs"]
mod world;
#[path = "store/writes.rs"]
mod writes;
