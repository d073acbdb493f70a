//! The contract: an OpenAPI 3.1 document made from the types that the handlers read and write, and a page for people made from the
//! document. `cordboard openapi` prints it; it is committed as `docs/openapi.json`.
//!
//! A new module writes beside its `routes()`
//!
//! ```ignore
//! pub(super) fn docs() -> Vec<Operation> {
//!     vec![
//!         Operation::get("/api/v1/campaigns", "listCampaigns", "Campaigns, newest first")
//!             .needs(Action::CampaignsSee)
//!             .asks::<Request>()
//!             .gives::<Page>(200, "A page of campaigns"),
//!     ]
//! }
//! ```
//!
//! and a line in [`operations`]; its types derive `JsonSchema`. A test holds the document against the router, both ways, and
//! another wants of each answer that it has a form.

mod assemble;
mod operation;
mod page;
mod prose;
mod serve;
mod words;

pub(super) use operation::Operation;
pub(super) use serve::{docs, routes};

use super::{
    agents, analytics, audit, calls, campaigns, carriers, events, health, me, numbers, session, tokens, users, webhooks,
};
use serde_json::Value;

/// Addresses under which the same is found again.
pub const ALIASES: [(&str, &str); 1] = [("/api/v1/phone-numbers", "/api/v1/numbers")];

/// Every act, by its place in the document.
fn operations() -> Vec<Operation> {
    [
        session::docs(),
        me::docs(),
        calls::docs(),
        numbers::docs(),
        agents::docs(),
        users::docs(),
        tokens::docs(),
        audit::docs(),
        carriers::docs(),
        campaigns::docs(),
        analytics::docs(),
        webhooks::docs(),
        events::docs(),
        health::docs(),
        docs(),
    ]
    .concat()
}

/// The whole document.
pub fn document() -> Value {
    assemble::document(&operations())
}

/// The document as it is printed, committed and served: readable, ends with a line break.
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// The codes of problems, each with its status, what it means and what to do next: from `docs/problems.md`.
pub fn problems() -> Vec<[&'static str; 4]> {
    let rows = include_str!("../../../docs/problems.md").lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.splitn(4, " | ");
        let code = cells.next()?.strip_suffix('`')?;
        Some([code, cells.next()?, cells.next()?, cells.next()?])
    });
    rows.collect()
}
