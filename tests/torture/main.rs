//! Torture: the real daemon and a real Postgres against the model Asterisk, while processes are killed, replies are lost and
//! connections die. What the far ends of the model saw is the witness; the records are held against it ([`judge`]), and
//! controls prove that it would notice.
//!
//! `make torture` runs it at full size and prints the figures. `CORDBOARD_TORTURE_SIZE` is the number of kills, by which all
//! other sizes go; `CORDBOARD_TORTURE_SEED` repeats a run. The tests run one after another.

mod backlog;
mod controls;
mod figures;
mod floor;
mod judge;
mod kills;
mod monitor;
mod process;
mod recovery;
mod replies;
mod size;
mod soak;
mod traffic;
