//! `json`: one object on one line, versioned.

use super::{Format, Runs, WritesCheck};
use crate::{ByModel, CheckReport, JudgedBy, Record, RunReport, Sweep, recovery::distributions};
use serde_json::{Value, json};
use squall_history::Entry;
use squall_judge::Verdict;
use squall_linear::{Anomaly, Counterexample, Found, Remark};
use std::{collections::BTreeMap, time::Duration};

pub(super) const FORMAT: Format = Format {
    run: Some(run),
    runs: Some(Runs::Each(line)),
    sweep: Some(sweep),
    check: Some(WritesCheck { head: None, rest: check, shows_calls: false }),
    ..Format::new("json", "one JSON object on one line, for programs")
};

/// A checker's verdict, wherever one is written as JSON: `verdict`; of an unknown one `why`; of a violation `kind`, `summary`, `details`,
/// `at_ns` (virtual nanoseconds since the start) and `ops` (the numbers of the operations that show it).
pub(super) fn verdict_json(verdict: &Verdict) -> Value {
    let mut told = json!({ "verdict": verdict.word() });
    match verdict {
        Verdict::Valid => {}
        Verdict::Unknown(why) => told["why"] = why.as_str().into(),
        Verdict::Invalid(witness) => {
            told["kind"] = witness.kind.into();
            told["summary"] = witness.summary.as_str().into();
            told["details"] = witness.details.clone().into();
            told["at_ns"] = witness.at.0.into();
            told["ops"] = witness.ops.iter().map(|op| op.0).collect::<Vec<_>>().into();
        }
    }
    told
}

fn run(report: &RunReport, _: &[Entry]) -> String {
    line(&Record::of(report, report.canary.as_deref()))
}

fn line(record: &Record) -> String {
    format!("{}\n", record.to_line())
}

fn sweep(sweep: &Sweep) -> String {
    let scenarios: Vec<Value> = sweep
        .selected
        .iter()
        .map(|s| {
            let runs: Vec<&Record> = sweep.of(&s.scenario).collect();
            let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
            let (mut events, mut faults): (BTreeMap<&str, u64>, BTreeMap<&str, u64>) = Default::default();
            for r in &runs {
                *verdicts.entry(r.verdict.word()).or_default() += 1;
                r.events.iter().for_each(|(e, n)| *events.entry(e).or_default() += n);
                r.faults.iter().for_each(|(f, n)| *faults.entry(f).or_default() += n);
            }
            json!({
                "scenario": s.scenario, "canary": s.canary, "seeds": s.seeds, "runs": runs.len(), "verdicts": verdicts,
                "events": events, "faults": faults,
                "ops": runs.iter().map(|r| r.ops.ok).sum::<u64>(),
                "recovery": distributions(runs.iter().map(|r| &r.recovery)).into_iter().map(|(name, [n, p50, p90, max])| {
                    (name.to_string(), json!({ "n": n, "p50_s": p50, "p90_s": p90, "max_s": max }))
                }).collect::<serde_json::Map<String, Value>>(),
                "sim_s": runs.iter().map(|r| r.sim_s).sum::<f64>() + 0.0,
                "cpu_s": runs.iter().map(|r| r.cpu_s).sum::<f64>() + 0.0,
            })
        })
        .collect();
    let groups: Vec<Value> = sweep
        .groups()
        .iter()
        .map(|g| json!({ "fingerprint": g.fingerprint, "count": g.count, "scenario": g.cheapest.scenario, "seed": g.cheapest.seed }))
        .collect();
    let vacuous: Vec<Value> = sweep.vacuous().into_iter().map(|(s, e)| json!({ "scenario": s, "event": e })).collect();
    let all = json!({
        "format": 1,
        "runs": sweep.records.len(),
        "rechecked": sweep.rechecked,
        "cut_short": sweep.cut_short,
        "scenarios": scenarios,
        "fingerprints": groups,
        "mute_canaries": sweep.mute_canaries().iter().map(|s| &s.scenario).collect::<Vec<_>>(),
        "vacuous": vacuous,
        "unfired": sweep.unfired_faults().into_iter().map(|(s, f)| json!({ "scenario": s, "fault": f })).collect::<Vec<_>>(),
        "coverage": sweep.coverage().into_iter().collect::<BTreeMap<_, _>>(),
        "failures": sweep.failures(),
    });
    format!("{all}\n")
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn check(check: &CheckReport<'_>) -> String {
    let mut object = json!({ "squall_check": 1, "file": check.file, "verdict": check.judgement().word() });
    match &check.by {
        JudgedBy::Model(by) => by_model(by, &mut object),
        JudgedBy::Checkers { verdicts, stopped, cpu } => {
            object["format"] = "squall".into();
            object["checkers"] = verdicts.iter().map(|(name, v)| ((*name).to_string(), verdict_json(v))).collect();
            object["cpu_ms"] = ms(*cpu).into();
            if let Some(why) = stopped {
                object["why"] = (*why).into();
            }
        }
    }
    format!("{object}\n")
}

fn by_model(by: &ByModel<'_>, object: &mut Value) {
    let judged = by.judged;
    object["format"] = by.format.into();
    object["model"] = by.model.into();
    object["read_cpu_ms"] = ms(by.took.0).into();
    object["check_cpu_ms"] = ms(by.took.1).into();
    object["peak_mb"] = by.peak_mb.round().into();
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
        Found::Linearizable(orders) if by.witness => {
            let orders = orders.iter().map(|(key, order)| {
                json!({ "key": key.as_ref().map(ToString::to_string), "order": order.iter().map(|id| id.0).collect::<Vec<_>>() })
            });
            object["orders"] = orders.collect();
        }
        Found::Linearizable(_) => {}
        Found::Not(why) => object["counterexample"] = counterexample(why),
        Found::Anomalies(all) => object["anomalies"] = all.iter().map(anomaly).collect(),
        Found::Unknown(why) => object["why"] = Value::String(why.clone()),
    }
}

fn counterexample(why: &Counterexample) -> Value {
    json!({
        "key": why.key.as_ref().map(ToString::to_string), "call": why.call.0, "states": why.states, "states_in_all": why.states_in_all,
        "open": why.open.iter().map(|id| id.0).collect::<Vec<_>>(), "why": why.why,
        "minimal": why.minimal.iter().map(|id| id.0).collect::<Vec<_>>(), "one_minimal": why.one_minimal, "whatever_became_of": why.relaxed,
        "looked_at": why.looked_at.iter().map(ToString::to_string).collect::<Vec<_>>(), "about": why.about.iter().map(ToString::to_string).collect::<Vec<_>>(), "from": why.from,
    })
}

fn anomaly(found: &Anomaly) -> Value {
    json!({ "kind": found.kind, "steps": found.steps, "calls": found.calls.iter().map(|id| id.0).collect::<Vec<_>>() })
}
