//! Changes of a plan's times: an earlier end, an earlier beginning, rounder ones.

use super::edits::{script_of, with_script};
use crate::{
    faults::Fault,
    language::Part,
    model::{Scenario, When},
    workloads::Line,
};
use std::time::Duration;

/// Up to the next tenth of a second.
pub(super) fn up(d: Duration) -> Duration {
    let step = 100_000_000;
    Duration::from_nanos((d.as_nanos() as u64).div_ceil(step) * step)
}

/// To the nearest multiple.
pub(super) fn round(d: Duration, step: Duration) -> Duration {
    let step = step.as_nanos() as u64;
    Duration::from_nanos((d.as_nanos() as u64 + step / 2) / step * step)
}

/// The plan with its operations changed, if they are written down.
fn with_ops(plan: Scenario, change: impl FnOnce(&mut Vec<Line>)) -> Scenario {
    match script_of(&plan) {
        None => plan,
        Some(mut script) => {
            let clients = script.count();
            change(&mut script.ops.all);
            with_script(&plan, clients, script.ops.all)
        }
    }
}

/// The plan as if it had ended then.
pub(super) fn cut(plan: &Scenario, end: Duration) -> Scenario {
    let mut plan = plan.clone();
    plan.duration = end;
    plan.faults.retain(|f| !matches!(f.when, When::At(at) if at >= end));
    with_ops(plan, |ops| ops.retain(|line| line.at < end))
}

/// Everything earlier, by this much.
pub(super) fn earlier(plan: &Scenario, by: Duration) -> Scenario {
    let mut plan = plan.clone();
    plan.duration = up(plan.duration.saturating_sub(by));
    for fault in &mut plan.faults {
        if let When::At(at) = &mut fault.when {
            *at = at.saturating_sub(by);
        }
    }
    with_ops(plan, |ops| ops.iter_mut().for_each(|line| line.at = line.at.saturating_sub(by)))
}

/// Every time of the plan, rounded.
pub(super) fn rounder(plan: &Scenario, step: Duration) -> Scenario {
    let mut plan = plan.clone();
    for fault in &mut plan.faults {
        if let When::At(at) = &mut fault.when {
            *at = round(*at, step);
        }
    }
    plan.faults.sort_by_key(|f| if let When::At(at) = f.when { at } else { Duration::ZERO });
    // What is rounded up must still lie before the end.
    let faults = plan.faults.iter().filter_map(|f| if let When::At(at) = f.when { Some(at) } else { None });
    let ops = script_of(&plan).into_iter().flat_map(|script| script.ops.all).map(|line| round(line.at, step));
    let last = faults.chain(ops).max().unwrap_or_default();
    plan.duration = up(plan.duration.max(last + Duration::from_millis(1)));
    with_ops(plan, |ops| ops.iter_mut().for_each(|line| line.at = round(line.at, step)))
}

/// Rounds the times among a fault's arguments, those that are no shorter than a step.
pub(super) fn round_fault(fault: &mut dyn Fault, step: Duration) {
    fault.parts(&mut |_, part| match part {
        Part::Time(time) if *time >= step => *time = round(*time, step),
        Part::Span(span) if span.is_fixed() && span.min >= step => {
            (span.min, span.max) = (round(span.min, step), round(span.max, step));
        }
        _ => {}
    });
}
