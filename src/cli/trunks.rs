//! `cordboard trunks`.

use super::context::{Context, unknown};
use super::failure::{Failure, Outcome};
use super::organizations::on;
use super::output;
use crate::core::ids::TrunkName;
use crate::store::StoreError;
use crate::store::trunks::Trunk;
use clap::Subcommand;

/// Ways to carriers
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  cordboard trunks add carrier-a")]
pub enum Trunks {
    /// Add a trunk, or change how numbers are sent to it
    #[command(after_help = "Example:
  cordboard trunks add carrier-a
  cordboard trunks add carrier-b --no-plus      sends 12025550123, not +12025550123")]
    Add {
        /// The name of its endpoint in pjsip.conf
        name: TrunkName,
        /// The carrier wants numbers without +
        #[arg(long)]
        no_plus: bool,
    },
    /// List the trunks
    #[command(after_help = "Example:\n  cordboard trunks list")]
    List,
    /// Remove a trunk that no number uses
    #[command(after_help = "Example:\n  cordboard trunks remove carrier-a")]
    Remove {
        /// Which
        name: TrunkName,
    },
}

impl Trunks {
    pub async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add { name, no_plus } => add(context, Trunk { name, plus: !no_plus, active: true }).await,
            Self::List => list(context).await,
            Self::Remove { name } => remove(context, &name).await,
        }
    }
}

async fn add(context: &Context, trunk: Trunk) -> Outcome {
    let store = context.store().await?;
    let before = store.trunks().await?.into_iter().find(|t| t.name == trunk.name);
    store.put_trunk(&trunk).await?;
    if context.json {
        return output::print_json(&trunk);
    }
    let plus = if trunk.plus { "with +" } else { "without +" };
    output::print(&match before {
        None => format!("added trunk {}: numbers {plus}", trunk.name),
        Some(before) if before == trunk => format!("trunk {} is there already: numbers {plus}", trunk.name),
        Some(_) => format!("changed trunk {}: on, numbers {plus}", trunk.name),
    })
}

async fn list(context: &Context) -> Outcome {
    let trunks = context.store().await?.trunks().await?;
    if context.json {
        return output::print_json(&trunks);
    }
    if trunks.is_empty() {
        output::note(false, "no trunks yet; add one: cordboard trunks add NAME");
        return Ok(());
    }
    let row = |t: &Trunk| [t.name.to_string(), (if t.plus { "with +" } else { "without +" }).to_owned(), on(t.active)];
    let rows: Vec<_> = trunks.iter().map(row).collect();
    output::print(&output::table(["name", "numbers", "state"], &rows))
}

async fn remove(context: &Context, name: &TrunkName) -> Outcome {
    let store = context.store().await?;
    match store.remove_trunk(name).await {
        Err(StoreError::NotFound { .. }) => {
            let trunks = store.trunks().await?;
            let known = trunks.iter().map(|trunk| trunk.name.as_ref());
            return Err(unknown("trunk", name.as_ref(), known, &format!("cordboard trunks add {name}")));
        }
        Err(StoreError::Constraint { .. }) => {
            return Err(Failure::new(format!("trunk {name} is used by numbers; `cordboard numbers list` shows which")));
        }
        outcome => outcome?,
    }
    if context.json {
        return output::print_json(&serde_json::json!({"removed": name}));
    }
    output::print(&format!("removed trunk {name}"))
}
