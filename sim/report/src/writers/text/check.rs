//! The check of a history, for people: the verdict at once, and then what explains it.

use crate::{
    ByModel, CheckReport, JudgedBy,
    check::CUT_OFF,
    plain::{flat, printable},
};
use squall_judge::Verdict;
use squall_linear::{Anomaly, Counterexample, Found, RawCall, RawEnd, RawHistory, Value, lanes};
use std::fmt::Write as _;

/// Adds a line.
macro_rules! say {
    ($out:expr, $($told:tt)*) => {
        writeln!($out, $($told)*).expect("a String takes whatever is written")
    };
}

/// The first line.
pub(super) fn head(check: &CheckReport<'_>) -> String {
    let verdict = check.judgement().word().to_uppercase();
    let JudgedBy::Model(ByModel { model, judged, .. }) = &check.by else { return format!("{verdict}  {}\n", flat(&check.file)) };
    let calls = if judged.calls == 1 { "1 call".to_string() } else { format!("{} calls", judged.calls) };
    // It may be ended before they are counted.
    let counted = match judged.keys {
        0 => String::new(),
        1 => format!(": {calls}, 1 key"),
        keys => format!(": {calls}, {keys} keys"),
    };
    format!("{verdict}  {} as {model}{counted}\n", flat(&check.file))
}

/// The others.
pub(super) fn rest(check: &CheckReport<'_>) -> String {
    let mut out = String::new();
    match &check.by {
        JudgedBy::Model(by) => by_model(&mut out, by),
        JudgedBy::Checkers { verdicts, stopped, .. } => by_checkers(&mut out, verdicts, *stopped),
    }
    printable(&out)
}

fn by_model(out: &mut String, by: &ByModel<'_>) {
    let judged = by.judged;
    for remark in &judged.remarks {
        say!(out, "note: {}", flat(&remark.to_string()));
    }
    let [read, check] = [by.took.0, by.took.1].map(|time| (time.as_secs_f64() * 1e6).round() / 1e3);
    let cut = if by.whole { String::new() } else { format!("; {CUT_OFF}") };
    say!(out, "{read:.1} ms to read, {check:.1} ms to check (CPU){cut}");
    match (&judged.verdict, by.history) {
        (Found::Linearizable(_), _) if by.witness && judged.calls == 0 => {
            say!(out, "\nNo call may have happened: there is nothing to put in order.");
        }
        (Found::Linearizable(orders), _) if by.witness && orders.is_empty() => say!(out, "\nNo time was left for its order."),
        (Found::Linearizable(orders), Some(history)) if by.witness => {
            for (key, order) in orders {
                if order.is_empty() {
                    let of = key.as_ref().map_or(String::new(), |key| format!(" of key {key}"));
                    say!(out, "\nNo call{of} needs to have happened: none of them came back.");
                    continue;
                }
                say!(out, "\n{}", key.as_ref().map_or("in this order:".to_string(), |key| format!("key {key}, in this order:")));
                for (id, call) in order.iter().filter_map(|id| Some((id, history.call(*id)?))) {
                    say!(out, "{:>8}  {} by {}", id.0, said(call), call.process);
                }
            }
        }
        (Found::Not(why), history) => counterexample(out, why, history),
        (Found::Anomalies(all), history) => all.iter().for_each(|found| anomaly(out, found, history)),
        (Found::Unknown(why), _) => say!(out, "\n{}", flat(why)),
        _ => {}
    }
}

fn by_checkers(out: &mut String, verdicts: &[(&'static str, Verdict)], stopped: Option<&str>) {
    for (name, verdict) in verdicts {
        say!(out, " {name:<16} {}", verdict.word());
        match verdict {
            Verdict::Valid => {}
            Verdict::Unknown(why) => say!(out, "   {}", flat(why)),
            Verdict::Invalid(witness) => {
                say!(out, "   at {}: {}", witness.at, flat(&witness.summary));
                witness.details.iter().for_each(|line| say!(out, "   {}", flat(line)));
            }
        }
    }
    if let Some(why) = stopped {
        say!(out, "\n{why}");
    }
}

fn said(call: &RawCall) -> String {
    // The answer of a transaction says again what was asked.
    if let ("txn", RawEnd::Ok(Some(answer))) = (&*call.kind, &call.end) {
        return flat(&format!("txn {answer}"));
    }
    let input = if call.input == Value::Nil { String::new() } else { format!(" {}", call.input) };
    let output = match &call.end {
        RawEnd::Ok(Some(output)) => format!(": {output}"),
        RawEnd::Failed(_) => ": refused".into(),
        RawEnd::Ok(None) => String::new(),
        RawEnd::Unknown => " (outcome unknown)".into(),
    };
    flat(&format!("{}{input}{output}", call.kind))
}

fn anomaly(out: &mut String, found: &Anomaly, history: Option<&RawHistory>) {
    say!(out, "\n{}:", found.kind);
    found.steps.iter().for_each(|step| say!(out, "  {}", flat(step)));
    if let Some(history) = history {
        out.push('\n');
        let mut calls = found.calls.clone();
        calls.sort();
        out.push_str(&lanes(history, &calls, said));
    }
}

fn counterexample(out: &mut String, why: &Counterexample, history: Option<&RawHistory>) {
    let call = history.and_then(|history| history.call(why.call));
    let what = call.map_or(String::new(), |call| format!(", `{}` by {},", said(call), call.process));
    let of = why.key.as_ref().map_or(String::new(), |key| format!(" of key {key}"));
    let by: Vec<String> = why.looked_at.iter().map(ToString::to_string).collect();
    let by = if by.is_empty() { String::new() } else { format!(", by what is said of {} alone,", by.join(" and ")) };
    say!(out, "\nNo order{of} is left{by} when call {}{what} returns.", why.call.0);
    if !why.states.is_empty() {
        say!(out, "It could hold then: {}", flat(&why.states.join(", ")));
    }
    if why.states_in_all > why.states.len() {
        say!(out, "and {} more states", why.states_in_all - why.states.len());
    }
    for line in &why.why {
        say!(out, "  {}", flat(line));
    }
    if let Some(history) = history.filter(|_| !why.minimal.is_empty()) {
        let whatever = if why.relaxed > 0 { format!(", whatever became of {} others", why.relaxed) } else { String::new() };
        let more = if why.one_minimal { "" } else { " (perhaps not all of them are needed: looking for less was ended)" };
        let about: Vec<String> = why.about.iter().map(ToString::to_string).collect();
        let about = if about.is_empty() { String::new() } else { format!(", as far as they are about {}", about.join(", ")) };
        let from = if why.from.is_empty() { String::new() } else { format!(", from {}", why.from.join(" or ")) };
        match why.minimal.len() {
            1 => say!(out, "\nThis call alone has no order{about}{from}{whatever}:\n"),
            n => say!(out, "\nThese {n} calls alone have no order{about}{from}{whatever}{more}:\n"),
        }
        out.push_str(&lanes(history, &why.minimal, said));
    }
}
