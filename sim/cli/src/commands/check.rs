//! `squall check`: judges a history that somebody recorded, ours or another tool's.

use crate::{
    Exit,
    failure::Failure,
    once::{peak_rss_mb, rss_mb},
};
use cpu_time::ProcessTime;
use serde_json::{Value as Json, json};
use squall_checker::{
    Verdict, check_all,
    linearizable::{OneGo, judge_kv, raw, read_columns},
    merge,
};
use squall_history::{History, View, read_jsonl};
use squall_linear::{
    Counterexample, Found, Judged, MODELS, Options, Progress, RawEnd, RawHistory, Reads,
    formats::{self, Format, ReadOptions},
    lanes,
};
use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The history: ours (JSON lines), porcupine's or Jepsen's logs, EDN, or opaque JSON lines
    file: PathBuf,
    /// What it is to be linearizable as (`squall list models`); without it every checker judges a history of ours
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Print JSON: one object
    #[arg(long)]
    json: bool,
    /// Print an order of the calls that explains every answer, where there is one
    #[arg(long, requires = "model")]
    witness: bool,
    /// Stop after so much CPU time: `10s`, `500ms`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    time_limit: Option<Duration>,
    /// Stop when the process holds so much memory: `256MB`, `2GB`
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory_limit: Option<u64>,
    /// Values of an EDN history are `[key value]`, as of jepsen.independent
    #[arg(long)]
    independent: bool,
    /// A read of nil saw that nothing is there. (In EDN it says that nobody knows what there was, as in Knossos' models.)
    #[arg(long)]
    nil_is_seen: bool,
    /// Print the history in another format, and do not judge it
    #[arg(long, value_name = "FORMAT", value_parser = ["edn"])]
    format: Option<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no time: expected `10s` or `500ms`");
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).ok_or_else(bad)?);
    let number: u64 = number.parse().map_err(|_| bad())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" | "min" => Ok(Duration::from_secs(60 * number)),
        _ => Err(bad()),
    }
}

fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no size: expected `256MB` or `2GB`");
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).ok_or_else(bad)?);
    let number: u64 = number.parse().map_err(|_| bad())?;
    match unit {
        "KB" => Ok(number << 10),
        "MB" => Ok(number << 20),
        "GB" => Ok(number << 30),
        _ => Err(bad()),
    }
}

/// A history, as it was found in a file.
enum Source {
    Ours(History),
    Other(Format, RawHistory),
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(model) = &args.model
        && model != "kv"
        && !MODELS.iter().any(|m| m.name == model)
    {
        let names: Vec<&str> = MODELS.iter().map(|m| m.name).chain(["kv"]).collect();
        return Err(Failure::Usage(format!("there is no model `{model}`; there are {}", names.join(", "))));
    }
    // Nothing is accepted and then ignored.
    let refuse = |option: &str, why: &str| Err(Failure::Usage(format!("{option}: {why}")));
    if args.model.is_none() && (args.time_limit.is_some() || args.memory_limit.is_some()) {
        return refuse("--time-limit and --memory-limit", "they are for --model; the checkers have bounds of their own");
    }
    if is_ours(&args.file)? && (args.independent || args.nil_is_seen) {
        return refuse("--independent and --nil-is-seen", "they are for EDN; this is a history of ours, which says both by itself");
    }
    // Long histories of keys and values need not be kept whole, if they are as they should be.
    if args.model.as_deref() == Some("kv") && !args.witness && args.format.is_none() && is_ours(&args.file)? {
        let started = ProcessTime::now();
        let file = File::open(&args.file).map_err(Failure::io(&args.file))?;
        if let Some(columns) = read_columns(file).map_err(Failure::io(&args.file))? {
            let read = started.elapsed();
            let begun = ProcessTime::now();
            let (calls, verdict, ended) = match columns.decide(&mut |_| in_bounds(args, begun)) {
                OneGo::Valid { ops, ended } => (ops, Some(Found::Linearizable(vec![])), ended),
                OneGo::Stopped { ops, revision } => (
                    ops,
                    Some(Found::Unknown(format!("it was stopped at revision {revision}: every answer before that has an order"))),
                    true,
                ),
                OneGo::Undecided => (0, None, true),
            };
            if let Some(verdict) = verdict {
                let judged = Judged { calls, keys: 1, verdict };
                let cut = if ended { "" } else { "; the history does not come to its end" };
                return Ok(tell(args, "squall", &judged, None, (read, started.elapsed() - read), cut));
            }
        }
    }
    let started = ProcessTime::now();
    let source = read(args)?;
    let read = started.elapsed();
    match (&source, &args.model, &args.format) {
        (_, _, Some(_)) => {
            let history = match source {
                Source::Ours(history) => raw(View::new(&history).ops()),
                Source::Other(_, history) => history,
            };
            print!("{}", formats::write_edn(&history));
            Ok(Exit::Ok)
        }
        (Source::Ours(history), None, _) => Ok(every_checker(args, history)),
        (Source::Other(format, _), None, _) => Err(Failure::Usage(format!(
            "{}: --model says what this {} is to be linearizable as: `squall list models`",
            args.file.display(),
            format_name(*format)
        ))),
        (_, Some(model), _) => {
            let (name, history) = match &source {
                Source::Ours(history) => ("squall", raw(View::new(history).ops())),
                Source::Other(format, history) => (format_name(*format), history.clone()),
            };
            let begun = ProcessTime::now();
            let judged = judge(args, model, &source, &history, begun)?;
            let cut = match &source {
                Source::Ours(history) if !View::new(history).ended() => "; the history does not come to its end",
                _ => "",
            };
            Ok(tell(args, name, &judged, Some(&history), (read, begun.elapsed()), cut))
        }
    }
}

fn is_ours(path: &Path) -> Result<bool, Failure> {
    let mut head = [0; 17];
    let mut file = File::open(path).map_err(Failure::io(path))?;
    let got = file.read(&mut head).map_err(Failure::io(path))?;
    Ok(head[..got] == *b"{\"squall_history\"")
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::JepsenLog => "jepsen-log",
        Format::Edn => "edn",
        Format::JsonLines => "json-lines",
    }
}

fn read(args: &Args) -> Result<Source, Failure> {
    let bad = |what: String| Failure::Usage(format!("{}: {what}", args.file.display()));
    if is_ours(&args.file)? {
        let file = File::open(&args.file).map_err(Failure::io(&args.file))?;
        return Ok(Source::Ours(read_jsonl(BufReader::new(file)).map_err(|e| bad(e.to_string()))?));
    }
    let bytes = fs::read(&args.file).map_err(Failure::io(&args.file))?;
    let text = String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8".into()))?;
    let (format, history) = formats::read(&text, ReadOptions { independent: args.independent }).map_err(|e| bad(e.to_string()))?;
    if format != Format::Edn && (args.independent || args.nil_is_seen) {
        return Err(Failure::Usage(format!("--independent and --nil-is-seen: they are for EDN; this is {}", format_name(format))));
    }
    Ok(Source::Other(format, history))
}

/// Whether it may go on, by the limits that were given.
fn in_bounds(args: &Args, begun: ProcessTime) -> bool {
    args.time_limit.is_none_or(|limit| begun.elapsed() < limit)
        && args.memory_limit.is_none_or(|limit| rss_mb() * (1 << 20) as f64 <= limit as f64)
}

fn judge(args: &Args, model: &str, source: &Source, history: &RawHistory, begun: ProcessTime) -> Result<Judged, Failure> {
    let knossos = matches!(source, Source::Other(Format::Edn, h) if h.calls.iter().all(|c| c.key.is_none()));
    let reads = if knossos && !args.nil_is_seen { Reads::NilIsUnknown } else { Reads::NilIsSeen };
    let mut watchdog = |_: Progress| in_bounds(args, begun);
    let mut options = Options { reads, order: args.witness, explain: true, watchdog: &mut watchdog };
    let unreadable = |e: squall_linear::Unreadable| Failure::Usage(format!("{}: model {model}: {e}", args.file.display()));
    match MODELS.iter().find(|m| m.name == model) {
        Some(named) => (named.judge)(history, &mut options).map_err(unreadable),
        None => match source {
            Source::Ours(entries) => Ok(judge_kv(View::new(entries).ops(), &mut options)),
            Source::Other(..) => Err(Failure::Usage(format!(
                "{}: the model kv is for histories of ours, whose answers carry revisions; register and append-kv are for others",
                args.file.display()
            ))),
        },
    }
}

/// Says what was found, and how the process ends.
fn tell(args: &Args, format: &str, judged: &Judged, history: Option<&RawHistory>, (read, check): (Duration, Duration), cut: &str) -> Exit {
    let verdict = match &judged.verdict {
        Found::Linearizable(_) if cut.is_empty() => "valid",
        Found::Linearizable(_) | Found::Unknown(_) => "unknown",
        Found::Not(_) => "invalid",
    };
    let exit = match verdict {
        "valid" => Exit::Ok,
        "invalid" => Exit::Violation,
        _ => Exit::Inconclusive,
    };
    let model = args.model.as_deref().unwrap_or("kv");
    let ms = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e3;
    if args.json {
        let mut object = json!({
            "squall_check": 1, "file": args.file.display().to_string(), "format": format, "model": model, "verdict": verdict,
            "calls": judged.calls, "keys": judged.keys, "read_cpu_ms": ms(read), "check_cpu_ms": ms(check), "peak_mb": peak_rss_mb().round(),
        });
        match &judged.verdict {
            Found::Linearizable(orders) if args.witness => {
                let orders = orders.iter().map(|(key, order)| {
                    json!({ "key": key.as_ref().map(ToString::to_string), "order": order.iter().map(|id| id.0).collect::<Vec<_>>() })
                });
                object["orders"] = orders.collect();
            }
            Found::Linearizable(_) => {}
            Found::Not(why) => object["counterexample"] = counterexample(why),
            Found::Unknown(why) => object["why"] = Json::String(why.clone()),
        }
        println!("{object}");
        return exit;
    }
    println!(
        "{}  {} as {model}: {} calls, {} key{}",
        verdict.to_uppercase(),
        args.file.display(),
        judged.calls,
        judged.keys,
        if judged.keys == 1 { "" } else { "s" }
    );
    println!("{:.1} ms to read, {:.1} ms to check (CPU){cut}", ms(read), ms(check));
    match (&judged.verdict, history) {
        (Found::Linearizable(orders), Some(history)) => {
            for (key, order) in orders {
                println!("\n{}", key.as_ref().map_or("in this order:".to_string(), |key| format!("key {key}, in this order:")));
                for id in order {
                    let call = &history.calls[id.0 as usize - 1];
                    println!("{:>8}  {} by {}", id.0, said(call), call.process);
                }
            }
        }
        (Found::Not(why), Some(history)) => print_counterexample(why, history),
        (Found::Unknown(why), _) => println!("\n{why}"),
        _ => {}
    }
    exit
}

fn said(call: &squall_linear::RawCall) -> String {
    let input = if call.input == squall_linear::Value::Nil { String::new() } else { format!(" {}", call.input) };
    let output = match &call.end {
        RawEnd::Ok(Some(output)) => format!(": {output}"),
        RawEnd::Failed(_) => ": refused".into(),
        RawEnd::Ok(None) => String::new(),
        RawEnd::Unknown => " (outcome unknown)".into(),
    };
    format!("{}{input}{output}", call.kind)
}

fn counterexample(why: &Counterexample) -> Json {
    json!({
        "key": why.key.as_ref().map(ToString::to_string), "call": why.call.0, "states": why.states, "states_in_all": why.states_in_all,
        "open": why.open.iter().map(|id| id.0).collect::<Vec<_>>(), "why": why.why,
        "minimal": why.minimal.iter().map(|id| id.0).collect::<Vec<_>>(), "whatever_became_of": why.relaxed,
    })
}

fn print_counterexample(why: &Counterexample, history: &RawHistory) {
    let call = &history.calls[why.call.0 as usize - 1];
    let of = why.key.as_ref().map_or(String::new(), |key| format!(" of key {key}"));
    println!("\nNo order{of} is left when call {}, `{}` by {}, returns.", why.call.0, said(call), call.process);
    if !why.states.is_empty() {
        println!("It could hold then: {}", why.states.join(", "));
    }
    if why.states_in_all > why.states.len() {
        println!("and {} more states", why.states_in_all - why.states.len());
    }
    for line in &why.why {
        println!("  {line}");
    }
    if !why.minimal.is_empty() {
        let whatever = if why.relaxed > 0 { format!(", whatever became of {} others", why.relaxed) } else { String::new() };
        println!("\nThese {} calls alone have no order{whatever}:\n", why.minimal.len());
        print!("{}", lanes(history, &why.minimal, said));
    }
}

/// Every checker that applies judges a history of ours.
fn every_checker(args: &Args, history: &[squall_history::Entry]) -> Exit {
    let verdicts = check_all(&View::new(history), &[]);
    let word = merge(verdicts.iter().map(|(_, verdict)| verdict));
    let told = |verdict: &Verdict| match verdict {
        Verdict::Valid => json!({ "verdict": "valid" }),
        Verdict::Unknown(why) => json!({ "verdict": "unknown", "why": why }),
        Verdict::Invalid(witness) => json!({
            "verdict": "invalid", "kind": witness.kind, "at": witness.at.as_secs_f64(), "summary": witness.summary,
            "details": witness.details, "ops": witness.ops.iter().map(|op| op.0).collect::<Vec<_>>(),
        }),
    };
    if args.json {
        let checkers: serde_json::Map<String, Json> = verdicts.iter().map(|(name, v)| (name.to_string(), told(v))).collect();
        println!(
            "{}",
            json!({ "squall_check": 1, "file": args.file.display().to_string(), "format": "squall", "verdict": word, "checkers": checkers })
        );
    } else {
        println!("{}  {}", word.to_uppercase(), args.file.display());
        for (name, verdict) in &verdicts {
            println!(" {name:<16} {}", verdict.word());
            match verdict {
                Verdict::Valid => {}
                Verdict::Unknown(why) => println!("   {why}"),
                Verdict::Invalid(witness) => {
                    println!("   at {}: {}", witness.at, witness.summary);
                    witness.details.iter().for_each(|line| println!("   {line}"));
                }
            }
        }
    }
    match word {
        "valid" => Exit::Ok,
        "invalid" => Exit::Violation,
        _ => Exit::Inconclusive,
    }
}
