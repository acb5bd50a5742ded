//! `squall bench`: CPU-seconds, not wall-clock.

use crate::{
    Exit, Systems,
    failure::Failure,
    session::{rss_mb, run_once},
};
use squall_judge::Judgement;
use squall_report::Format;
use squall_scenario::plan;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// The whole simulator: a five-node cluster under faults, every checker on
    World(World),
    /// The linearizability checker: on recorded and on generated histories
    Checker(crate::commands::bench_checker::Args),
}

#[derive(clap::Args)]
struct World {
    /// Print JSON: one line a run
    #[arg(long)]
    json: bool,
    /// How many runs, one after another in this process (5; with --json 1)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    runs: Option<u64>,
    /// The first run's seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// What the speed bars are measured on.
const WORLD: &str = include_str!("bench_world.yaml");

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    match &args.what {
        What::World(world) => bench_world(world, systems),
        What::Checker(checker) => crate::commands::bench_checker::run(checker),
    }
}

fn bench_world(args: &World, systems: &Systems) -> Result<Exit, Failure> {
    let scenario = squall_scenario::parse("bench_world.yaml", WORLD, &systems.vocabulary()).map_err(|d| Failure::Scenario(Box::new(d)))?;
    let (mut speeds, mut rates, mut shares, mut rss_early) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    let mut peak = 0f64;
    let runs = args.runs.unwrap_or(if args.json { 1 } else { 5 });
    for i in 0..runs {
        let judged = run_once(&plan(&scenario, args.seed + i), systems)?;
        let (report, history) = (judged.report, judged.run.history);
        speeds.push(report.facts.sim_s / report.cpu_s);
        shares.push(100.0 * report.checking_s / report.cpu_s);
        rates.push(report.facts.ops.ok as f64 / report.cpu_s);
        peak = peak.max(report.rss_mb);
        if i < runs.min(10) {
            rss_early = rss_mb();
        }
        if args.json {
            print!("{}", Format::JSON.run(&report, &history)?);
        }
        if report.verdict() != Judgement::Valid {
            print!("{}", Format::TEXT.run(&report, &history)?);
            return Ok(Exit::Violation);
        }
    }
    if !args.json {
        println!("{} runs of {}", runs, scenario.name);
        println!("simulated seconds per CPU-second    {}", spread(&mut speeds));
        println!("completed operations per CPU-second {}", spread(&mut rates));
        println!("checking and reporting, % of CPU    {}", spread(&mut shares));
        println!("memory: peak {peak:.0} MB; {rss_early:.0} MB after the first runs, {:.0} MB after the last", rss_mb());
    }
    Ok(Exit::Ok)
}

fn spread(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    format!("min {:.1}  median {:.1}  max {:.1}", values[0], values[values.len() / 2], values[values.len() - 1])
}
