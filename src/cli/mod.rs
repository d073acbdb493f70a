//! The command line: one file a family of commands. Every command is an act on the database, or a request to the running
//! daemon; it either prints what came of it (a table for people, `--json` for programs) or fails with one line that says
//! what to do next.

mod agents;
mod analytics;
mod api;
mod apply;
mod assignments;
mod audit;
mod calls;
mod campaigns;
mod check_config;
mod completions;
mod context;
mod dial;
mod doctor;
mod explain;
mod failure;
mod fsck;
mod import;
mod live_metrics;
mod local;
mod man;
mod migrate;
mod node_metrics;
mod numbers;
mod openapi;
mod organizations;
mod output;
mod secrets;
mod serve;
mod tokens;
mod trunks;
mod users;
mod verdict;
mod webhooks;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use context::Context;
use failure::{Failure, Outcome};
use std::path::PathBuf;
use std::process::ExitCode;

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(
    name = "cordboard",
    version,
    about = "Makes an Asterisk server a calling floor: decides, limits, bridges and records every outbound call",
    arg_required_else_help = true,
    after_help = "Example:
  cordboard check-config
  cordboard migrate
  cordboard organizations add acme --name 'Acme Ltd' --country US --time-zone America/New_York
  cordboard agents add acme Alice --endpoint alice

Exit codes: 0 done, 1 error, 2 wrong usage, 3 call refused (dial), 4 changes pending (apply, drift), 69 unavailable, 78 wrong configuration"
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// The settings
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "CORDBOARD_CONFIG",
        default_value = "/etc/cordboard/cordboard.toml"
    )]
    config: PathBuf,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    #[command(after_help = "Example:\n  cordboard serve --config /etc/cordboard/cordboard.toml")]
    Serve,
    /// Check the settings, and name everything that is wrong with them
    CheckConfig(check_config::CheckConfig),
    Doctor(doctor::Doctor),
    Fsck(fsck::Fsck),
    /// Bring the database tables up to date
    #[command(after_help = "Example:\n  cordboard migrate")]
    Migrate,
    /// Tenants
    #[command(subcommand, visible_alias = "org")]
    Organizations(organizations::Organizations),
    /// Ways to carriers
    #[command(subcommand)]
    Trunks(trunks::Trunks),
    /// Who talks, and their SIP accounts
    #[command(subcommand)]
    Agents(agents::Agents),
    /// Phone numbers that are ours
    #[command(subcommand)]
    Numbers(numbers::Numbers),
    /// Let an agent call from a number, or change with which limits
    Assign(assignments::Assign),
    /// Take a number from an agent
    Unassign(assignments::Unassign),
    Apply(apply::Apply),
    Export(apply::Export),
    /// Who may call from which number, and what is left of it today
    Usage(assignments::Usage),
    /// What calls are made for: their numbers, and whom to call
    #[command(subcommand)]
    Campaigns(campaigns::Campaigns),
    /// What was called
    #[command(subcommand)]
    Calls(calls::Calls),
    /// What became of the calls of numbers
    #[command(subcommand)]
    Analytics(analytics::Analytics),
    /// Why a call was made from its number, or refused
    Explain(explain::Explain),
    /// Connect an agent with a number, or see what would come of it
    Dial(dial::Dial),
    /// Keys to the API
    #[command(subcommand)]
    Tokens(tokens::Tokens),
    /// Who signs in
    #[command(subcommand)]
    Users(users::Users),
    /// Where events are sent
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
    /// Who changed what
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Print what completes commands in your shell
    Completions(completions::Completions),
    Man(man::Man),
    Openapi(openapi::Openapi),
}

/// The whole command line, for completions, manual pages and tests.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Does what was asked for.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(format!("cannot start: {error}")).report(),
    };
    let Cli { global, command } = cli;
    if matches!(command, Command::Serve) {
        return runtime.block_on(serve::serve(&global.config));
    }
    match runtime.block_on(act(command, &Context::new(global.config, global.json))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn act(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Serve => Ok(()),
        Command::CheckConfig(command) => command.run(context),
        Command::Doctor(command) => command.run(context).await,
        Command::Fsck(command) => command.run(context).await,
        Command::Migrate => migrate::migrate(context).await,
        Command::Organizations(command) => command.run(context).await,
        Command::Trunks(command) => command.run(context).await,
        Command::Agents(command) => command.run(context).await,
        Command::Numbers(command) => command.run(context).await,
        Command::Assign(command) => command.run(context).await,
        Command::Unassign(command) => command.run(context).await,
        Command::Apply(command) => command.run(context).await,
        Command::Export(command) => command.run(context).await,
        Command::Usage(command) => command.run(context).await,
        Command::Campaigns(command) => command.run(context).await,
        Command::Calls(command) => command.run(context).await,
        Command::Analytics(command) => command.run(context).await,
        Command::Explain(command) => command.run(context).await,
        Command::Dial(command) => command.run(context).await,
        Command::Tokens(command) => command.run(context).await,
        Command::Users(command) => command.run(context).await,
        Command::Webhooks(command) => command.run(context).await,
        Command::Audit(command) => command.run(context).await,
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(context),
        Command::Openapi(command) => command.run(),
    }
}
