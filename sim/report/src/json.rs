//! `json`: one object on one line, versioned.

use crate::{Format, RunReport};
use serde_json::{Map, Value, json};
use squall_checker::Verdict;

pub(crate) const FORMAT: Format = Format { name: "json", about: "one JSON object on one line, for programs", write };

fn rounded(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

fn write(r: &RunReport) -> String {
    let checkers: Map<String, Value> = r.verdicts.iter().map(|(name, v)| ((*name).to_string(), v.word().into())).collect();
    let reasons: Map<String, Value> = r
        .verdicts
        .iter()
        .filter_map(|(name, v)| {
            let reason = match v {
                Verdict::Valid => return None,
                Verdict::Unknown(why) => why.clone(),
                Verdict::Invalid(witness) => witness.summary.clone(),
            };
            Some(((*name).to_string(), reason.into()))
        })
        .collect();
    let sometimes: Map<String, Value> =
        r.sometimes.iter().map(|e| (e.name().to_string(), r.events.get(e).copied().unwrap_or(0).into())).collect();
    let mut value = json!({
        "format": 1,
        "scenario": r.scenario,
        "seed": r.seed,
        "verdict": r.verdict(),
        "checkers": checkers,
        "sometimes": sometimes,
        "digest": r.digest,
        "sim_s": rounded(r.sim_s),
        "cpu_s": rounded(r.cpu_s),
        "rss_mb": rounded(r.rss_mb),
        "ops": { "ok": r.ops.ok, "fail": r.ops.fail, "info": r.ops.info },
    });
    if !reasons.is_empty() {
        value["reasons"] = reasons.into();
    }
    value.to_string()
}
