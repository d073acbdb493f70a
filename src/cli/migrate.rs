//! `cordboard migrate`: the tables are brought up to date.

use super::context::{Context, in_time};
use super::failure::Outcome;
use super::output;
use serde_json::json;

pub async fn migrate(context: &Context) -> Outcome {
    let store = Context::unchecked_store(&context.config()?)?;
    let pending = in_time(store.pending_migrations()).await?;
    // with nothing pending too: it finds out whether what was applied was changed
    store.migrate().await?;
    if context.json {
        return output::print_json(&json!({"applied": pending}));
    }
    if pending.is_empty() {
        return output::print("nothing to do: the tables are up to date");
    }
    output::print(&format!("applied {}", pending.join("\napplied ")))
}
