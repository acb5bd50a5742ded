//! The operations of a witness, over time, with the fault bands.
//!
//! ```text
//!                           12.301s                                    14.377s
//!   c1  put k3 = c1-88      ├──┤                                              ok
//!   c2  get k3                      ├─────┤                                   c1-80
//!   partition-2                ████████████████████
//! ```

use squall_checker::Witness;
use squall_history::{CompletedOp, EffectPhase, Entry, OpEnd, SimTime, View, What};
use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

const WIDTH: usize = 56;
const OPS_MAX: usize = 30;
const BANDS_MAX: usize = 12;

/// `None` when the witness names no operations.
pub(crate) fn picture(history: &[Entry], witness: &Witness) -> Option<String> {
    let ops: Vec<CompletedOp> = View::new(history).ops().iter().filter(|op| witness.ops.contains(&op.id)).cloned().collect();
    let first = ops.iter().map(|op| op.invoked).min()?;
    let ended = |op: &CompletedOp| if let OpEnd::Ok(at, _) | OpEnd::Fail(at) = op.end { at } else { SimTime(0) };
    let last = ops.iter().map(ended).max()?.max(witness.at).max(first + Duration::from_millis(1));
    let scale = Scale { first, last };

    let label = |text: String| if text.chars().count() > 26 { text.chars().take(25).chain(['…']).collect() } else { text };
    let mut out = String::new();
    let (left, right) = (first.to_string(), last.to_string());
    let gap = WIDTH.saturating_sub(left.len() + right.len());
    writeln!(out, "  {:26}  {left}{}{right}", "", " ".repeat(gap)).ok()?;
    for op in ops.iter().take(OPS_MAX) {
        let (to, answer) = match &op.end {
            OpEnd::Ok(at, output) => (*at, output.to_string()),
            OpEnd::Fail(at) => (*at, "failed".to_string()),
            OpEnd::Open => (last, "nobody knows".to_string()),
        };
        let open = op.end == OpEnd::Open;
        writeln!(out, "  {:26}  {}  {answer}", label(format!("{} {}", op.client, op.ask)), scale.bar(op.invoked, to, open)).ok()?;
    }
    if ops.len() > OPS_MAX {
        writeln!(out, "  ... and {} more operations", ops.len() - OPS_MAX).ok()?;
    }
    let bands = bands(history, first, last);
    for (fault, text, from, to) in bands.iter().take(BANDS_MAX) {
        writeln!(out, "  {:26}  {}  {}", label(fault.clone()), scale.band(*from, *to), label(text.clone())).ok()?;
    }
    if bands.len() > BANDS_MAX {
        writeln!(out, "  ... and {} more faults", bands.len() - BANDS_MAX).ok()?;
    }
    Some(out)
}

struct Scale {
    first: SimTime,
    last: SimTime,
}

impl Scale {
    fn column(&self, at: SimTime) -> usize {
        let (past, whole) = (at.0.saturating_sub(self.first.0), self.last.0 - self.first.0);
        (u128::from(past) * (WIDTH as u128 - 1) / u128::from(whole)).min(WIDTH as u128 - 1) as usize
    }

    fn line(from: usize, to: usize, paint: impl Fn(usize) -> char) -> String {
        (0..WIDTH).map(|i| if i < from || i > to { ' ' } else { paint(i) }).collect()
    }

    fn bar(&self, from: SimTime, to: SimTime, open: bool) -> String {
        let (from, to) = (self.column(from), self.column(to));
        Scale::line(from, to, |i| match i {
            _ if from == to => '┼',
            i if i == from => '├',
            i if i == to => {
                if open {
                    '┄'
                } else {
                    '┤'
                }
            }
            _ => {
                if open {
                    '┄'
                } else {
                    '─'
                }
            }
        })
    }

    fn band(&self, from: SimTime, to: SimTime) -> String {
        Scale::line(self.column(from), self.column(to), |_| '█')
    }
}

/// The faults that were in force within the window: name, text, from, to.
pub(crate) fn bands(history: &[Entry], first: SimTime, last: SimTime) -> Vec<(String, String, SimTime, SimTime)> {
    // A fault may hit several: its band names all of them, and ends with the last.
    struct Open {
        from: SimTime,
        texts: Vec<String>,
        left: usize,
    }
    let mut open: BTreeMap<&str, Open> = BTreeMap::new();
    let mut bands = Vec::new();
    for entry in history {
        let What::Effect { fault, phase, text } = &entry.what else { continue };
        match phase {
            EffectPhase::Start => {
                let band = open.entry(fault).or_insert(Open { from: entry.t, texts: vec![], left: 0 });
                band.left += 1;
                band.texts.push(text.clone());
            }
            EffectPhase::Stop => {
                let Some(band) = open.get_mut(fault.as_str()) else { continue };
                band.left -= 1;
                if band.left == 0
                    && let Some(band) = open.remove(fault.as_str())
                {
                    bands.push((fault.clone(), band.texts.join("; "), band.from, entry.t));
                }
            }
            EffectPhase::Once => {
                // The heal ends whatever is still in force.
                if fault == "heal" {
                    let left = std::mem::take(&mut open);
                    bands.extend(left.into_iter().map(|(fault, band)| (fault.to_string(), band.texts.join("; "), band.from, entry.t)));
                } else if !text.ends_with(crate::model::NOBODY) {
                    bands.push((fault.clone(), text.clone(), entry.t, entry.t));
                }
            }
        }
    }
    bands.extend(open.into_iter().map(|(fault, band)| (fault.to_string(), band.texts.join("; "), band.from, last)));
    bands.retain(|(_, _, from, to)| *from <= last && *to >= first);
    bands.sort_by_key(|(_, _, from, _)| *from);
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_names_everybody_whom_its_fault_hits_and_ends_with_the_last() {
        let effect = |t, phase, text: &str| Entry { t: SimTime(t), what: What::Effect { fault: "sleep".into(), phase, text: text.into() } };
        let history = [
            effect(1, EffectPhase::Start, "pause c3"),
            effect(1, EffectPhase::Start, "pause c5"),
            effect(4, EffectPhase::Stop, "resume c3"),
            effect(6, EffectPhase::Stop, "resume c5"),
        ];
        let bands = bands(&history, SimTime(0), SimTime(9));
        assert_eq!(bands, [("sleep".to_string(), "pause c3; pause c5".to_string(), SimTime(1), SimTime(6))]);
    }
}
