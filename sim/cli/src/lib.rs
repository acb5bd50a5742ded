//! The command line as a library: give it your own systems under test with [`main`].

mod commands;
mod exit_code;
mod failure;
mod once;

pub use exit_code::Exit;

use clap::{Parser, Subcommand};
use squall_world::System;
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
    /// Run a plan again, exactly
    Replay(commands::replay::Args),
    /// Print the plan of a scenario under a seed
    Plan(commands::plan::Args),
    /// Measure
    Bench(commands::bench::Args),
    /// List what there is: systems, faults, workloads, checkers, bugs, targets, events, formats
    List(commands::list::Args),
}

/// The systems under test, by name.
#[derive(Clone)]
pub(crate) struct Systems(Vec<Arc<dyn System>>);

/// Parses the command line and does what it says, with these systems under test.
pub fn main(systems: Vec<Arc<dyn System>>) -> ExitCode {
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
        Command::Replay(args) => commands::replay::run(&args, &systems),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Bench(args) => commands::bench::run(&args, &systems),
        Command::List(args) => commands::list::run(&args, &systems),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprint!("{failure}");
            failure.exit().into()
        }
    }
}
