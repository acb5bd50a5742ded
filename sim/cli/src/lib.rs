//! The command line as a library: give it your own systems under test with [`main`].

mod artifacts;
mod commands;
mod exit_code;
mod failure;
mod format;
mod interrupt;
mod reference;
mod session;
mod supervise;

pub use exit_code::Exit;

use clap::{CommandFactory, Parser, Subcommand};
use squall_run::Pack;
use std::{process::ExitCode, sync::Arc};

#[derive(Parser)]
#[command(name = "squall", version, about = "Find out, tonight, whether your cluster loses data.", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scenario (or a plan) under one seed or many, and judge it
    Run(commands::run::Args),
    /// Run many seeds of many scenarios, a process for each
    Sweep(commands::sweep::Args),
    /// Run a plan again, exactly
    Replay(commands::replay::Args),
    /// Find the smallest plan that still fails
    Shrink(commands::shrink::Args),
    /// Make a regression of a failing plan: every sweep runs it first
    Keep(commands::keep::Args),
    /// Run the workloads of a scenario against a cluster that really runs, and judge what its clients saw
    Record(commands::record::Args),
    /// Judge a history that somebody recorded: ours, porcupine's, Jepsen's
    Check(commands::check::Args),
    /// Print the plan of a scenario under a seed
    Plan(commands::plan::Args),
    /// Show every mistake of scenarios, without running them
    Lint(commands::lint::Args),
    /// Write a scenario to begin with
    New(commands::new::Args),
    /// Write a workspace to begin with: a service of your own, its harness, two scenarios
    Init(commands::init::Args),
    /// Print a JSON Schema of scenarios, for editors
    Schema,
    /// List what there is: systems, faults, workloads, checkers, models, bugs, targets, events, failpoints, formats, or the reference
    List(commands::list::Args),
    /// Measure
    #[cfg(feature = "etcd")]
    Bench(commands::bench::Args),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// One run of a sweep
    #[command(hide = true)]
    Seed(commands::seed::Args),
}

/// The systems under test, by name: what their packs say of them.
#[derive(Clone)]
pub(crate) struct Systems(Vec<Arc<dyn Pack>>);

/// Parses the command line and does what it says, with these systems under test.
pub fn main(systems: Vec<Arc<dyn Pack>>) -> ExitCode {
    if let Some(path) = std::env::args().next() {
        squall_report::was_started_as(&path);
    }
    let systems = Systems(systems);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are answers, not mistakes.
            let exit = if e.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = e.print();
            return exit.into();
        }
    };
    let done = match cli.command {
        Command::Run(args) => commands::run::run(&args, &systems),
        Command::Sweep(args) => commands::sweep::run(&args, &systems),
        Command::Replay(args) => commands::replay::run(&args, &systems),
        Command::Shrink(args) => commands::shrink::run(&args, &systems),
        Command::Keep(args) => commands::keep::run(&args, &systems),
        Command::Record(args) => commands::record::run(&args, &systems),
        Command::Check(args) => commands::check::run(&args, &systems),
        Command::Plan(args) => commands::plan::run(&args, &systems),
        Command::Lint(args) => commands::lint::run(&args, &systems),
        Command::New(args) => commands::new::run(&args, &systems),
        Command::Init(args) => commands::init::run(&args),
        Command::Schema => commands::schema::run(&systems),
        Command::List(args) => commands::list::run(&args, &systems),
        #[cfg(feature = "etcd")]
        Command::Bench(args) => commands::bench::run(&args, &systems),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "squall", &mut std::io::stdout());
            Ok(Exit::Ok)
        }
        Command::Seed(args) => commands::seed::run(&args, &systems),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprint!("{failure}");
            failure.exit().into()
        }
    }
}
