//! `cordboard apply` and `cordboard export`: who may call from which number, as a file. `apply` says what it would change, and
//! changes it in one transaction; `export` writes the file that changes nothing.

mod file;
mod plan;

use super::context::{self, Context};
use super::failure::{Failure, Outcome, PENDING};
use super::numbers::extra_prefixes;
use super::output;
use crate::store::agents;
use crate::store::assignments::{self, AssignmentFilter};
use crate::store::organizations;
use crate::store::{StoreError, Transaction};
use clap::Args;
use file::File;
use plan::{Plan, World};
use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::PathBuf;

/// No company has more assignments than fit into this.
const MAX_BYTES: u64 = 64 << 20;
/// So often somebody else may change something while the agents are being locked.
const TRIES: usize = 3;

/// Make assignments what a file says
#[derive(Debug, Args)]
#[command(
    long_about = "Make assignments what a file says

The file names organizations and their assignments, all of them: what is open and not in the file is ended. First the plan is \
shown; it is carried out in one transaction, all or nothing, after you said yes.

  organizations = [\"acme\"]
  [[assignment]]
  agent = \"alice\"
  number = \"+12025550123\"
  daily_limit = 100             # 1 to 1000; 100 if left out
  countries = [\"US\", \"CA\"]      # these if left out
  classes = []                  # dear kinds of numbers, such as premium; none if left out",
    after_help = "Example:
  cordboard export --organization acme > assignments.toml
  cordboard apply assignments.toml --dry-run
  cordboard apply assignments.toml --yes

Exit codes: 0 done, or nothing to change; 1 error; 4 there is something to change, and it was not changed"
)]
pub struct Apply {
    /// The file; - for standard input
    file: PathBuf,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Only say what would be changed
    #[arg(long)]
    dry_run: bool,
}

/// Write assignments as a file for `cordboard apply`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cordboard export > assignments.toml
  cordboard export --organization acme --organization globex")]
pub struct Export {
    /// Of this tenant only; may be said several times
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Vec<String>,
}

impl Apply {
    pub async fn run(self, context: &Context) -> Outcome {
        let name = self.file.display().to_string();
        let text = self.text(&name)?;
        let config = context.config()?;
        let file = File::read(&text, &extra_prefixes(&config)).map_err(|errors| wrong(&name, &errors))?;
        let store = context.store_of(&config).await?;
        let plan = {
            let mut transaction = store.begin().await?;
            let world = look(&mut transaction, &file).await?;
            Plan::of(&file, &world).map_err(|errors| wrong(&name, &errors))?
        };
        if plan.is_empty() {
            if context.json {
                return output::print_json(&serde_json::json!({ "applied": false, "changes": [] }));
            }
            return output::print("nothing to change");
        }
        if !context.json {
            output::print(&plan.to_string())?;
        }
        if self.dry_run || !self.yes && !agreed()? {
            if context.json {
                output::print_json(&serde_json::json!({ "applied": false, "changes": plan.changes() }))?;
            }
            let hint = if self.dry_run { "" } else { "; to make it so, say --yes" };
            return Err(Failure::with_code(PENDING, format!("nothing was changed{hint}")));
        }
        for _ in 0..TRIES {
            let mut transaction = store.begin().await?;
            assignments::lock_agents(&mut transaction, &plan.agents()).await?;
            let world = look(&mut transaction, &file).await?;
            let now = Plan::of(&file, &world).map_err(|errors| wrong(&name, &errors))?;
            if now != plan {
                continue;
            }
            plan.carry_out(&mut transaction).await?;
            transaction.commit().await?;
            if context.json {
                return output::print_json(&serde_json::json!({ "applied": true, "changes": plan.changes() }));
            }
            return output::print(&format!("done: {}", plan.summary()));
        }
        Err(Failure::new(
            "somebody else changed assignments meanwhile, and nothing was changed now; look at the plan again",
        ))
    }

    fn text(&self, name: &str) -> Outcome<String> {
        let cannot = |error: std::io::Error| Failure::new(format!("cannot read {name}: {error}"));
        let mut bytes = Vec::new();
        let read = if self.file.as_os_str() == "-" {
            std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut bytes)
        } else {
            std::fs::File::open(&self.file).map_err(cannot)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)
        };
        if read.map_err(cannot)? as u64 > MAX_BYTES {
            return Err(Failure::new(format!("{name} is larger than {} MiB", MAX_BYTES >> 20)));
        }
        String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..good]);
            let line = before.matches('\n').count() + 1;
            Failure::new(format!("{name}:{line}: not UTF-8; save the file as UTF-8"))
        })
    }
}

/// Whether the person at the terminal says yes.
fn agreed() -> Outcome<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("Change this? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// All that is wrong with a file, each with its place.
fn wrong(name: &str, errors: &[file::Wrong]) -> Failure {
    for error in errors {
        eprintln!("{name}:{}:{}: {}", error.line, error.column, error.message);
    }
    Failure::new(format!("nothing was changed: {name} has {} wrong places", errors.len()))
}

/// What there is now, as far as the file speaks of it.
async fn look(transaction: &mut Transaction, file: &File) -> Outcome<World> {
    let mut world = World::default();
    for slug in file.organizations() {
        let organization = match organizations::one(transaction, slug).await {
            // It is named with its place, together with all else that is wrong.
            Err(StoreError::NotFound { .. }) => continue,
            organization => organization?,
        };
        let filter = AssignmentFilter { organization: Some(organization.id), ..AssignmentFilter::default() };
        world.open.extend(assignments::list(transaction, &filter).await?);
        world.agents.extend(agents::list(transaction, Some(organization.id)).await?);
        world.organizations.insert(slug.to_owned(), organization.id);
    }
    let numbers: Vec<_> = file.numbers().collect();
    world.numbers = crate::store::numbers::owners(transaction, &numbers).await?;
    Ok(world)
}

impl Export {
    pub async fn run(self, context: &Context) -> Outcome {
        let store = context.store().await?;
        let mut chosen = Vec::new();
        for slug in &self.organization {
            chosen.push(context::organization(&store, slug).await?);
        }
        if self.organization.is_empty() {
            chosen = store.organizations().await?;
        }
        let mut open = Vec::new();
        let mut transaction = store.begin().await?;
        for organization in &chosen {
            let filter = AssignmentFilter { organization: Some(organization.id), ..AssignmentFilter::default() };
            open.extend(assignments::list(&mut transaction, &filter).await?);
        }
        if context.json {
            return output::print_json(&open);
        }
        let slugs: Vec<&str> = chosen.iter().map(|organization| organization.slug.as_str()).collect();
        output::print(&file::write(&slugs, &open))
    }
}
