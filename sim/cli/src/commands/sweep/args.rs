//! The arguments of `squall sweep`.

use crate::{commands::run::parse_seeds, format::FormatOf};
use squall_report::{Format, Kind};
use std::{ops::Range, path::PathBuf, time::Duration};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenarios, plans, or directories of them
    #[arg(required_unless_present = "resume")]
    pub(super) paths: Vec<PathBuf>,
    /// These seeds: A..B, B excluded
    #[arg(long, value_parser = parse_seeds, conflicts_with_all = ["count", "seeds_from"])]
    pub(super) seeds: Option<Range<u64>>,
    /// How many seeds (20), from 0 on, or from where --seeds-from says
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(super) count: Option<u64>,
    /// Where the seeds begin: any text, such as a commit's hash or a date
    #[arg(long)]
    pub(super) seeds_from: Option<String>,
    /// How many runs side by side (the number of cores)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(super) jobs: Option<u64>,
    /// Stop after this many failures
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_fail: u64,
    /// Start no more runs after this time: 30m
    #[arg(long, value_parser = duration)]
    pub(super) time_budget: Option<Duration>,
    /// The i-th of n equal parts: 1/4
    #[arg(long, value_parser = shard)]
    pub(super) shard: Option<(u64, u64)>,
    /// Make this share of the runs twice, and compare
    #[arg(long, default_value = "5%", value_parser = percent)]
    pub(super) recheck: u64,
    /// The longest that one run may take, wall-clock
    #[arg(long, default_value = "5m", value_parser = duration)]
    pub(super) timeout: Duration,
    /// The most memory that one run may take: 2GiB
    #[arg(long, default_value = "2GiB", value_parser = memory)]
    pub(super) memory_limit: u64,
    /// Where failures are kept
    #[arg(long, default_value = "reports")]
    pub(super) reports: PathBuf,
    /// Go on with an interrupted sweep: its directory (the latest)
    #[arg(long, num_args = 0..=1, default_missing_value = "")]
    pub(super) resume: Option<String>,
    /// Do not run scenarios/regressions first
    #[arg(long)]
    pub(super) no_regressions: bool,
    /// Switch a planted bug on (may be given again)
    #[arg(long)]
    pub(super) bug: Vec<String>,
    /// Run scenarios with the change under which they say that they bite: each must fail
    #[arg(long, conflicts_with = "resume")]
    pub(super) bites: bool,
    /// What to print (`squall list formats`)
    #[arg(long, value_name = "NAME", default_value = "text", value_parser = FormatOf(Kind::Sweep))]
    pub(super) format: &'static Format,
    /// Short for --format wide: more columns
    #[arg(long, conflicts_with_all = ["format", "json"])]
    pub(super) wide: bool,
    /// Short for --format json: one object for the sweep
    #[arg(long, conflicts_with = "format")]
    pub(super) json: bool,
    /// Write JUnit XML to this file, too
    #[arg(long)]
    pub(super) junit: Option<PathBuf>,
    /// Print GitHub annotations, too, and append to the job's summary (as on a GitHub runner)
    #[arg(long)]
    pub(super) github: bool,
    /// Shrink the cheapest failure of each kind
    #[arg(long)]
    pub(super) shrink: bool,
    /// What never happened, although a scenario says sometimes, and faults that never fired, are exit code 4
    #[arg(long)]
    pub(super) strict: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    squall_scenario::parse_duration(text).ok_or_else(|| format!("`{text}` is not a duration such as 90s or 30m"))
}

fn shard(text: &str) -> Result<(u64, u64), String> {
    let parse = || {
        let (i, n) = text.split_once('/')?;
        let (i, n): (u64, u64) = (i.parse().ok()?, n.parse().ok()?);
        (1 <= i && i <= n).then_some((i, n))
    };
    parse().ok_or_else(|| format!("`{text}` is not a part such as 1/4"))
}

fn percent(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('%').and_then(|n| n.parse().ok()).filter(|n| *n <= 100);
    number.ok_or_else(|| format!("`{text}` is not a share such as 5%"))
}

fn memory(text: &str) -> Result<u64, String> {
    let scaled = |unit: &str, shift: u32| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(1 << shift);
    let bytes = scaled("MiB", 20).or_else(|| scaled("GiB", 30)).filter(|bytes| *bytes >= 16 << 20);
    bytes.ok_or_else(|| format!("`{text}` is not an amount of memory such as 2GiB or 500MiB (at least 16MiB)"))
}
