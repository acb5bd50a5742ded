//! What observers are shown: leaders in order, none that nobody was, and none left out.

use super::line::broken;
use crate::{
    checks::Witness,
    ops::{CompletedOp, Led, LineOp, LineOutput, Observation, Op, OpId, Output, SimTime, View},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What each observer was shown, one after another.
pub(super) fn in_order(
    ops: &[CompletedOp],
    observing: &BTreeMap<OpId, &str>,
    observed: &BTreeMap<OpId, Vec<(SimTime, &Led)>>,
) -> Option<Witness> {
    for (op, shown) in observed {
        let name = observing.get(op)?;
        for pair in shown.windows(2) {
            let ((_, before), (at, now)) = (pair[0], pair[1]);
            if (now.token, now.revision) < (before.token, before.revision) {
                let text = format!("{op}, which observes {name}, was shown {} after {}", show(now), show(before));
                return broken("observed-backwards", at, &[*op], text);
            }
        }
    }
    // Nobody leads who never stood.
    let stood: BTreeSet<(&str, &str)> = ops
        .iter()
        .filter_map(|op| match &op.ask {
            Op::Line(LineOp::Acquire { name, value, .. } | LineOp::Proclaim { name, value, .. }) => Some((name.as_str(), value.as_str())),
            _ => None,
        })
        .collect();
    observed.iter().find_map(|(op, shown)| {
        let name = observing.get(op)?;
        let (at, led) = shown.iter().find(|(_, led)| !stood.contains(&(*name, led.value.as_str())))?;
        broken("invented-leader", *at, &[*op], format!("{op}, which observes {name}, was shown {}, which nobody said", show(led)))
    })
}

/// A leader as it was shown, in words.
fn show(led: &Led) -> String {
    format!("token {} saying \"{}\" at revision {}", led.token, led.value, led.revision)
}

/// An observer that is at most so far behind has everything before it.
const KEEPS_UP: Duration = Duration::from_secs(3);

/// Somebody led, or said something while it led, between what an observer was shown, and was not shown. One that had fallen behind, or
/// whose node was sent a snapshot meanwhile, may begin again with who leads now.
pub(super) fn skipped(
    view: &View<'_>,
    ops: &[CompletedOp],
    observing: &BTreeMap<OpId, &str>,
    observed: &BTreeMap<OpId, Vec<(SimTime, &Led)>>,
    again: &BTreeSet<(OpId, usize)>,
) -> Option<Witness> {
    struct Said<'o> {
        op: &'o CompletedOp,
        token: u64,
        /// `None`: it was told to lead.
        revision: Option<u64>,
        value: &'o str,
    }
    let mut said: BTreeMap<&str, Vec<Said<'_>>> = BTreeMap::new();
    // When each token was last known to lead: asked then, and acknowledged.
    let mut led: BTreeMap<(&str, u64), SimTime> = BTreeMap::new();
    for op in ops {
        let (Op::Line(ask), Some(Output::Line(output))) = (&op.ask, op.output()) else { continue };
        let (token, revision, value) = match (ask, output) {
            (LineOp::Proclaim { place, value, .. }, LineOutput::Proclaimed) => (place.token, op.position, value.as_str()),
            (LineOp::Acquire { value, .. }, LineOutput::Held { place }) => (place.token, None, value.as_str()),
            (LineOp::Work { place, fenced: true, .. }, LineOutput::Worked { yes: true }) => {
                led.entry((ask.name(), place.token)).and_modify(|at| *at = op.invoked.max(*at)).or_insert(op.invoked);
                continue;
            }
            _ => continue,
        };
        said.entry(ask.name()).or_default().push(Said { op, token, revision, value });
    }
    // A real etcd, of whose nodes nothing is told, looks again when a leader goes: it may miss one that led for a moment.
    let in_order = view.observations().next().is_some();
    let begun_again: Vec<SimTime> = view
        .observations()
        .filter(|(_, _, saw)| matches!(saw, Observation::SnapshotInstalled { .. } | Observation::Forgot { .. }))
        .map(|(at, ..)| at)
        .collect();
    observed.iter().find_map(|(op, shown)| {
        let name = observing.get(op)?;
        let said = said.get(name).map_or(&[][..], Vec::as_slice);
        shown.windows(2).enumerate().filter(|(i, _)| !again.contains(&(*op, i + 1))).find_map(|(_, pair)| {
            let ((_, before), (at, now)) = (pair[0], pair[1]);
            said.iter().find_map(|said| {
                let (missed, since) = match said.revision {
                    Some(revision) => {
                        let missed = said.token == before.token
                            && revision > before.revision
                            && (now.token != before.token || revision < now.revision);
                        (missed, said.op.invoked)
                    }
                    None => {
                        let last = led.get(&(*name, before.token)).copied().unwrap_or_default();
                        (in_order && before.token < said.token && said.token < now.token, said.op.invoked.max(last))
                    }
                };
                if !missed || at > since + KEEPS_UP || begun_again.iter().any(|again| (since..=at).contains(again)) {
                    return None;
                }
                let what = match said.revision {
                    Some(revision) => format!("token {} said \"{}\" at revision {revision}", said.token, said.value),
                    None => format!("token {} led (\"{}\")", said.token, said.value),
                };
                let text = format!(
                    "{op}, which observes {name}, was shown {} right after {}: between them {what}, {}",
                    show(now),
                    show(before),
                    said.op.id
                );
                broken("skipped-leader", at, &[said.op.id, *op], text)
            })
        })
    })
}
