//! The operations of a witness, over time, with the fault bands.
//!
//! ```text
//!                           12.301s                                    14.377s
//!   c1  put k3 = c1-88      ├──┤                                              ok
//!   c2  get k3                      ├─────┤                                   c1-80
//!   partition-2                ████████████████████
//! ```

use squall_checker::Witness;
use squall_history::{CompletedOp, EffectChange, Entry, NodeId, OpEnd, Role, Saw, SimTime, View, What};
use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

const WIDTH: usize = 56;
const OPS_MAX: usize = 30;
const BANDS_MAX: usize = 12;

/// A picture of what a witness is about: its operations; or, where it names none, what the nodes were at then.
pub(crate) fn picture(history: &[Entry], witness: &Witness) -> Option<String> {
    if witness.ops.is_empty() { Some(nodes(history, witness.at)) } else { operations(history, witness) }
}

/// How much of the time before a violation is shown.
const BEFORE: Duration = Duration::from_secs(2);

/// Who led, stood for election, ran or was down before a moment, the faults of that time, and every node's state then.
fn nodes(history: &[Entry], at: SimTime) -> String {
    let first = SimTime(at.0.saturating_sub(BEFORE.as_nanos() as u64));
    let scale = Scale { first, last: at.max(first + Duration::from_millis(1)) };
    let mut lanes: BTreeMap<NodeId, (Vec<char>, usize, char)> = BTreeMap::new();
    for entry in history.iter().take_while(|entry| entry.t <= at) {
        let What::Node { node, saw } = &entry.what else { continue };
        let mark = match saw {
            Saw::Booted { .. } | Saw::Role { role: Role::Follower | Role::Learner, .. } => '·',
            Saw::Stopped => 'x',
            Saw::Role { role: Role::Leader, .. } => 'L',
            Saw::Role { role: Role::Candidate, .. } => 'C',
            _ => continue,
        };
        let column = scale.column(entry.t);
        let (lane, from, before) = lanes.entry(*node).or_insert_with(|| (vec![' '; WIDTH], 0, ' '));
        if *from < column {
            lane[*from..column].fill(*before);
        }
        // What lasted less than a column is seen all the same.
        if !(entry.t >= first && matches!(lane[column], 'L' | 'C')) {
            lane[column] = mark;
        }
        (*from, *before) = (if entry.t < first { column } else { column + 1 }.min(WIDTH), mark);
    }
    let mut out = axis(first, scale.last);
    for (node, (mut lane, from, mark)) in lanes {
        lane[from..].fill(mark);
        out.push_str(&format!("  {:26}  {}\n", node.to_string(), lane.into_iter().collect::<String>()));
    }
    write_bands(&mut out, history, &scale);
    out.push_str("\n  L leads   C stands for election   · runs   x is down\n\n");
    out.push_str(&crate::story::node_table(history, at));
    out.push('\n');
    out
}

fn label(text: String) -> String {
    if text.chars().count() > 26 { text.chars().take(25).chain(['…']).collect() } else { text }
}

fn axis(first: SimTime, last: SimTime) -> String {
    let (left, right) = (first.to_string(), last.to_string());
    format!("  {:26}  {left}{}{right}\n", "", " ".repeat(WIDTH.saturating_sub(left.len() + right.len())))
}

fn write_bands(out: &mut String, history: &[Entry], scale: &Scale) {
    let bands = bands(history, scale.first, scale.last);
    for (fault, text, from, to) in bands.iter().take(BANDS_MAX) {
        out.push_str(&format!("  {:26}  {}  {}\n", label(fault.clone()), scale.band(*from, *to), label(text.clone())));
    }
    if bands.len() > BANDS_MAX {
        out.push_str(&format!("  ... and {} more faults\n", bands.len() - BANDS_MAX));
    }
}

fn operations(history: &[Entry], witness: &Witness) -> Option<String> {
    let ops: Vec<CompletedOp> = View::new(history).ops().iter().filter(|op| witness.ops.contains(&op.id)).cloned().collect();
    let first = ops.iter().map(|op| op.invoked).min()?;
    let ended = |op: &CompletedOp| if let OpEnd::Ok(at, _) | OpEnd::Fail(at) = op.end { at } else { SimTime(0) };
    let last = ops.iter().map(ended).max()?.max(witness.at).max(first + Duration::from_millis(1));
    let scale = Scale { first, last };

    let mut out = axis(first, last);
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
    write_bands(&mut out, history, &scale);
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
        let What::Effect(effect) = &entry.what else { continue };
        let id = effect.fault.id.as_str();
        if effect.begins_something() {
            let band = open.entry(id).or_insert(Open { from: entry.t, texts: vec![], left: 0 });
            band.left += 1;
            band.texts.push(effect.to_string());
        } else if effect.ends_something() {
            let Some(band) = open.get_mut(id) else { continue };
            band.left -= 1;
            if band.left == 0
                && let Some(band) = open.remove(id)
            {
                bands.push((id.to_string(), band.texts.join("; "), band.from, entry.t));
            }
        } else if effect.fault.is_heal() {
            // The heal ends whatever is still in force.
            let left = std::mem::take(&mut open);
            bands.extend(left.into_iter().map(|(fault, band)| (fault.to_string(), band.texts.join("; "), band.from, entry.t)));
        } else if effect.change != EffectChange::Nothing {
            bands.push((id.to_string(), effect.to_string(), entry.t, entry.t));
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
    use squall_history::{ClientId, Effect, EffectResult, FaultRef, Party};

    #[test]
    fn the_nodes_before_a_violation_are_drawn_however_close_their_changes_are() {
        let role = |ms: u64, node, role| Entry {
            t: SimTime(ms * 1_000_000),
            what: What::Node { node: NodeId(node), saw: Saw::Role { term: 2, role, leader: None } },
        };
        let history = [
            role(100, 1, Role::Follower),
            role(3_000, 2, Role::Candidate),
            role(3_001, 2, Role::Leader),
            role(3_990, 1, Role::Candidate),
            role(3_999, 1, Role::Leader),
            role(4_000, 2, Role::Follower),
        ];
        let shown = nodes(&history, SimTime(4_000_000_000));
        let lanes: Vec<&str> = shown.lines().skip(1).take(2).collect();
        assert!(lanes[0].starts_with("  n1") && lanes[0].contains("·····") && lanes[0].ends_with('L'), "{shown}");
        assert!(lanes[1].starts_with("  n2") && lanes[1].contains("LLLLL"), "{shown}");
        assert!(shown.contains("n1     ") && shown.contains("leader"), "{shown}");
    }

    #[test]
    fn a_band_names_everybody_whom_its_fault_hits_and_ends_with_the_last() {
        let effect = |t, result, client| {
            let fault = FaultRef { id: "sleep".into(), kind: "pause".into() };
            let on = vec![Party::Client(ClientId(client))];
            Entry { t: SimTime(t), what: What::Effect(Effect { fault, on, change: EffectChange::Pause, result }) }
        };
        let history = [
            effect(1, EffectResult::Started, 3),
            effect(1, EffectResult::Started, 5),
            effect(4, EffectResult::Stopped, 3),
            effect(6, EffectResult::Stopped, 5),
        ];
        let bands = bands(&history, SimTime(0), SimTime(9));
        assert_eq!(bands, [("sleep".to_string(), "pause c3; pause c5".to_string(), SimTime(1), SimTime(6))]);
    }
}
