//! What `squall check` says.

use super::{Args, limits::cpu};
use crate::{Exit, once::peak_rss_mb};
use serde_json::{Value as Json, json};
use squall_checker::{Judgement, Verdict, merge};
use squall_linear::{Anomaly, Counterexample, Found, Judged, RawCall, RawEnd, RawHistory, Remark, Value, lanes};
use squall_report::verdict_json;
use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// The CPU time that reading took, and what came after it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    pub(super) read: Duration,
    pub(super) check: Duration,
}

/// Says what was found, and how the process ends.
///
/// `history`: what the calls of an order or of a counterexample are; without it they are told by number. `cut`: what is to be
/// added where the history does not come to its end.
pub(super) fn tell(args: &Args, format: &str, judged: &Judged, history: Option<&RawHistory>, took: Took, cut: &str) -> Exit {
    let verdict = match &judged.verdict {
        Found::Linearizable(_) if cut.is_empty() => "valid",
        Found::Linearizable(_) | Found::Unknown(_) => "unknown",
        Found::Not(_) | Found::Anomalies(_) => "invalid",
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
            "read_cpu_ms": ms(took.read), "check_cpu_ms": ms(took.check), "peak_mb": peak_rss_mb().round(),
        });
        // It may be ended before they are counted.
        if judged.keys > 0 {
            object["calls"] = judged.calls.into();
            object["keys"] = judged.keys.into();
        }
        if !judged.remarks.is_empty() {
            let remark = |r: &Remark| json!({ "count": r.count, "what": r.what, "line": r.line });
            object["remarks"] = judged.remarks.iter().map(remark).collect();
        }
        match &judged.verdict {
            Found::Linearizable(orders) if args.witness => {
                let orders = orders.iter().map(|(key, order)| {
                    json!({ "key": key.as_ref().map(ToString::to_string), "order": order.iter().map(|id| id.0).collect::<Vec<_>>() })
                });
                object["orders"] = orders.collect();
            }
            Found::Linearizable(_) => {}
            Found::Not(why) => object["counterexample"] = counterexample(why),
            Found::Anomalies(all) => object["anomalies"] = all.iter().map(anomaly).collect(),
            Found::Unknown(why) => object["why"] = Json::String(why.clone()),
        }
        println!("{object}");
        return exit;
    }
    head_once(args, verdict, judged);
    for remark in &judged.remarks {
        println!("note: {remark}");
    }
    println!("{:.1} ms to read, {:.1} ms to check (CPU){cut}", ms(took.read), ms(took.check));
    match (&judged.verdict, history) {
        (Found::Linearizable(_), _) if args.witness && judged.calls == 0 => {
            println!("\nNo call may have happened: there is nothing to put in order.");
        }
        (Found::Linearizable(orders), _) if args.witness && orders.is_empty() => println!("\nNo time was left for its order."),
        (Found::Linearizable(orders), Some(history)) if args.witness => {
            for (key, order) in orders {
                if order.is_empty() {
                    let of = key.as_ref().map_or(String::new(), |key| format!(" of key {key}"));
                    println!("\nNo call{of} needs to have happened: none of them came back.");
                    continue;
                }
                println!("\n{}", key.as_ref().map_or("in this order:".to_string(), |key| format!("key {key}, in this order:")));
                for (id, call) in order.iter().filter_map(|id| Some((id, history.call(*id)?))) {
                    println!("{:>8}  {} by {}", id.0, said(call), call.process);
                }
            }
        }
        (Found::Not(why), history) => print_counterexample(why, history),
        (Found::Anomalies(all), history) => all.iter().for_each(|found| print_anomaly(found, history)),
        (Found::Unknown(why), _) => println!("\n{why}"),
        _ => {}
    }
    exit
}

/// The first line, at once: whatever explains it comes later.
pub(super) fn head(args: &Args, judged: &Judged) {
    head_once(args, "invalid", judged);
    _ = std::io::stdout().flush();
}

fn head_once(args: &Args, verdict: &str, judged: &Judged) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if TOLD.swap(true, Ordering::Relaxed) {
        return;
    }
    let calls = if judged.calls == 1 { "1 call".to_string() } else { format!("{} calls", judged.calls) };
    // It may be ended before they are counted.
    let counted = match judged.keys {
        0 => String::new(),
        1 => format!(": {calls}, 1 key"),
        keys => format!(": {calls}, {keys} keys"),
    };
    println!("{}  {} as {}{counted}", verdict.to_uppercase(), args.file.display(), args.model.as_deref().unwrap_or("kv"));
}

fn said(call: &RawCall) -> String {
    // The answer of a transaction says again what was asked.
    if let ("txn", RawEnd::Ok(Some(answer))) = (&*call.kind, &call.end) {
        return format!("txn {answer}");
    }
    let input = if call.input == Value::Nil { String::new() } else { format!(" {}", call.input) };
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
        "minimal": why.minimal.iter().map(|id| id.0).collect::<Vec<_>>(), "one_minimal": why.one_minimal, "whatever_became_of": why.relaxed,
        "looked_at": why.looked_at.iter().map(ToString::to_string).collect::<Vec<_>>(), "about": why.about.iter().map(ToString::to_string).collect::<Vec<_>>(), "from": why.from,
    })
}

fn anomaly(found: &Anomaly) -> Json {
    json!({ "kind": found.kind, "steps": found.steps, "calls": found.calls.iter().map(|id| id.0).collect::<Vec<_>>() })
}

fn print_anomaly(found: &Anomaly, history: Option<&RawHistory>) {
    println!("\n{}:", found.kind);
    found.steps.iter().for_each(|step| println!("  {step}"));
    if let Some(history) = history {
        println!();
        let mut calls = found.calls.clone();
        calls.sort();
        print!("{}", lanes(history, &calls, said));
    }
}

fn print_counterexample(why: &Counterexample, history: Option<&RawHistory>) {
    let call = history.and_then(|history| history.call(why.call));
    let what = call.map_or(String::new(), |call| format!(", `{}` by {},", said(call), call.process));
    let of = why.key.as_ref().map_or(String::new(), |key| format!(" of key {key}"));
    let by: Vec<String> = why.looked_at.iter().map(ToString::to_string).collect();
    let by = if by.is_empty() { String::new() } else { format!(", by what is said of {} alone,", by.join(" and ")) };
    println!("\nNo order{of} is left{by} when call {}{what} returns.", why.call.0);
    if !why.states.is_empty() {
        println!("It could hold then: {}", why.states.join(", "));
    }
    if why.states_in_all > why.states.len() {
        println!("and {} more states", why.states_in_all - why.states.len());
    }
    for line in &why.why {
        println!("  {line}");
    }
    if let Some(history) = history.filter(|_| !why.minimal.is_empty()) {
        let whatever = if why.relaxed > 0 { format!(", whatever became of {} others", why.relaxed) } else { String::new() };
        let more = if why.one_minimal { "" } else { " (perhaps not all of them are needed: looking for less was ended)" };
        let about: Vec<String> = why.about.iter().map(ToString::to_string).collect();
        let about = if about.is_empty() { String::new() } else { format!(", as far as they are about {}", about.join(", ")) };
        let from = if why.from.is_empty() { String::new() } else { format!(", from {}", why.from.join(" or ")) };
        match why.minimal.len() {
            1 => println!("\nThis call alone has no order{about}{from}{whatever}:\n"),
            n => println!("\nThese {n} calls alone have no order{about}{from}{whatever}{more}:\n"),
        }
        print!("{}", lanes(history, &why.minimal, said));
    }
}

/// Says what the checkers found; and, where it was stopped before all of them had, why.
pub(super) fn tell_all(args: &Args, verdicts: &[(&'static str, Verdict)], stopped: Option<&str>) -> Exit {
    let rest = stopped.map(|why| Verdict::Unknown(why.to_string()));
    let judgement = merge(verdicts.iter().map(|(_, verdict)| verdict).chain(&rest));
    if args.json {
        let checkers: serde_json::Map<String, Json> = verdicts.iter().map(|(name, v)| (name.to_string(), verdict_json(v))).collect();
        let mut object = json!({ "squall_check": 1, "file": args.file.display().to_string(), "format": "squall", "verdict": judgement.word(), "checkers": checkers });
        object["cpu_ms"] = ((cpu().as_secs_f64() * 1e6).round() / 1e3).into();
        if let Some(why) = stopped {
            object["why"] = Json::String(why.to_string());
        }
        println!("{object}");
    } else {
        println!("{}  {}", judgement.word().to_uppercase(), args.file.display());
        for (name, verdict) in verdicts {
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
        if let Some(why) = stopped {
            println!("\n{why}");
        }
    }
    match judgement {
        Judgement::Valid => Exit::Ok,
        Judgement::Invalid => Exit::Violation,
        Judgement::Unknown => Exit::Inconclusive,
    }
}
