//! Lists that grow: transactions of `[append k v]` and `[r k [v ...]]`.
//!
//! A list shows the whole order of what was appended to it: the longest one that was read is the order of a key's versions, and
//! every other one must be a beginning of it. What is not in it, though it was acknowledged, came later.

use super::{Evidence, Kind, Step, Txns, Values, Why, Writer, conclude, unreadable};
use crate::{
    isolation::{Anomaly, Isolation},
    judge::{Judged, Options},
    raw::{RawHistory, Value},
    reading::Unreadable,
};
use std::collections::BTreeMap;

const SHAPE: &str = "a list of `[append k v]` and `[r k [v ...]]`";

/// A list as a transaction saw it before it appended to it.
struct Read {
    txn: u32,
    list: Vec<u32>,
}

#[derive(Default)]
struct Key {
    values: Values,
    reads: Vec<Read>,
}

impl Key {
    fn show(&self, list: &[u32]) -> String {
        Value::List(list.iter().map(|v| self.values.all[*v as usize].clone()).collect()).to_string()
    }
}

pub(crate) fn judge(history: &RawHistory, options: &mut Options<'_>) -> Result<Judged, Unreadable> {
    let txns = Txns::of(history, &["append"], SHAPE)?;
    let mut keys: Vec<Key> = txns.keys.iter().map(|_| Key::default()).collect();
    let mut found: Vec<(Isolation, Anomaly)> = vec![];
    txns.writers(history, keys.iter_mut().map(|key| &mut key.values).collect())?;
    for at in 0..txns.all.len() as u32 {
        read(&txns, at, &mut keys, history, &mut found)?;
    }
    let mut seen = vec![false; txns.all.len()];
    let mut graph = super::Builder::new(txns.all.len());
    let mut orders: Vec<Vec<u32>> = vec![];
    for (at, key) in keys.iter().enumerate() {
        orders.push(versions(&txns, at, key, &mut found));
        for read in &key.reads {
            read.list.iter().filter_map(|v| key.values.writer(*v)).for_each(|writer| seen[writer.txn as usize] = true);
        }
    }
    let done: Vec<bool> = txns.all.iter().zip(seen).map(|(txn, seen)| !txn.aborted && (txn.certain || seen)).collect();
    for (at, (key, order)) in keys.iter().zip(&orders).enumerate() {
        edges(at as u32, key, order, &done, &mut graph);
        lost_updates(&txns, at, key, &mut found);
    }
    let values = keys.into_iter().map(|key| key.values.all).collect();
    Ok(conclude(&txns, Evidence { anomalies: found, graph, values, done, say }, options, true))
}

fn say(kind: Kind, key: &str, before: &str, after: &str) -> String {
    match kind {
        Kind::Ww => format!("it appended {before} to {key}, and that one appended {after} behind it"),
        Kind::Wr => format!("it appended {after} to {key}, which that one saw"),
        _ => format!("it did not see {after} in {key}, which that one appended"),
    }
}

/// What a transaction read: it fits what it did itself, and somebody appended it who did not give up.
fn read(txns: &Txns, at: u32, keys: &mut [Key], history: &RawHistory, found: &mut Vec<(Isolation, Anomaly)>) -> Result<(), Unreadable> {
    let txn = &txns.all[at as usize];
    if !txn.certain {
        return Ok(());
    }
    // What it knows of each key: the list that it saw, and what it appended since then, or before it saw any.
    let mut known: BTreeMap<u32, (Option<Vec<u32>>, Vec<u32>)> = BTreeMap::new();
    for step in &txn.steps {
        match step {
            Step::Write { key: of, value } => {
                let place = keys[*of as usize].values.place(value);
                known.entry(*of).or_default().1.push(place);
            }
            Step::Read { key: of, seen } => {
                let list = match seen {
                    None | Some(Value::Nil) => &[][..],
                    Some(Value::List(all)) => all,
                    Some(other) => {
                        return Err(unreadable(
                            history,
                            at as usize,
                            format!("saw {other} in {}, which is no list", txns.keys[*of as usize]),
                        ));
                    }
                };
                let key = &mut keys[*of as usize];
                let list: Vec<u32> = list.iter().map(|value| key.values.place(value)).collect();
                let (before, own) = known.entry(*of).or_default();
                let fits = match before {
                    Some(before) => list.len() == before.len() + own.len() && list.starts_with(before) && list.ends_with(own),
                    None => list.ends_with(own),
                };
                let name = &txns.keys[*of as usize];
                if !fits {
                    let text =
                        format!("{} saw {} in {name}, which is not what it had seen and appended itself", txns.text(at), key.show(&list));
                    found.push((Isolation::SnapshotIsolation, Anomaly { kind: "internal", steps: vec![text], calls: vec![txn.id] }));
                    continue;
                }
                if before.is_none() {
                    let external = list[..list.len() - own.len()].to_vec();
                    dirty(txns, at, name, key, &external, found);
                    key.reads.push(Read { txn: at, list: external });
                }
                (*before, *own) = (Some(list), vec![]);
            }
        }
    }
    Ok(())
}

/// What others did not mean to be seen.
fn dirty(txns: &Txns, at: u32, name: &Value, key: &Key, list: &[u32], found: &mut Vec<(Isolation, Anomaly)>) {
    let id = txns.all[at as usize].id;
    let show = |v: u32| key.values.all[v as usize].to_string();
    let mut tell = |level, kind, text: String, calls| found.push((level, Anomaly { kind, steps: vec![text], calls }));
    let (mut sorted, mut twice) = (list.to_vec(), None);
    sorted.sort_unstable();
    sorted.windows(2).for_each(|pair| twice = twice.or((pair[0] == pair[1]).then_some(pair[0])));
    if let Some(value) = twice {
        let text = format!("{} saw {} twice in {name}: {}", txns.text(at), show(value), key.show(list));
        tell(Isolation::ReadUncommitted, "duplicate-elements", text, vec![id]);
    }
    for value in list {
        let Some(writer) = key.values.writer(*value) else {
            let text = format!("{} saw {} in {name}, which nobody appended", txns.text(at), show(*value));
            tell(Isolation::ReadUncommitted, "unwritten", text, vec![id]);
            break;
        };
        if txns.all[writer.txn as usize].aborted {
            let text = format!("{} saw {} in {name}, which {} appended and took back", txns.text(at), show(*value), txns.text(writer.txn));
            tell(Isolation::ReadCommitted, "G1a", text, vec![txns.all[writer.txn as usize].id, id]);
            break;
        }
    }
    if let Some(writer) = list.last().and_then(|last| key.values.writer(*last)).filter(|writer| !writer.last && writer.txn != at) {
        let text = format!(
            "{} saw {name} end with {}, behind which {} appended more",
            txns.text(at),
            show(list[list.len() - 1]),
            txns.text(writer.txn)
        );
        tell(Isolation::ReadCommitted, "G1b", text, vec![txns.all[writer.txn as usize].id, id]);
    }
}

/// The order of a key's versions: the longest list that was read.
fn versions(txns: &Txns, at: usize, key: &Key, found: &mut Vec<(Isolation, Anomaly)>) -> Vec<u32> {
    let Some(longest) = key.reads.iter().max_by_key(|read| (read.list.len(), std::cmp::Reverse(read.txn))) else { return vec![] };
    if let Some(other) = key.reads.iter().find(|read| !longest.list.starts_with(&read.list)) {
        let text = format!(
            "{} saw {} in {}, and {} saw {}: neither is the beginning of the other",
            txns.text(other.txn),
            key.show(&other.list),
            txns.keys[at],
            txns.text(longest.txn),
            key.show(&longest.list)
        );
        let calls = vec![txns.all[other.txn as usize].id, txns.all[longest.txn as usize].id];
        found.push((Isolation::ReadUncommitted, Anomaly { kind: "incompatible-order", steps: vec![text], calls }));
    }
    longest.list.clone()
}

fn edges(at: u32, key: &Key, order: &[u32], done: &[bool], graph: &mut super::Builder) {
    let why = |before: u32, after: u32| Why { key: at, before, after };
    for pair in order.windows(2) {
        if let (Some(first), Some(second)) = (key.values.writer(pair[0]), key.values.writer(pair[1])) {
            graph.edge(first.txn, second.txn, Kind::Ww, why(pair[0], pair[1]));
        }
    }
    // What was acknowledged and is in no list came behind all of them.
    let mut in_order = vec![false; key.values.all.len()];
    order.iter().for_each(|v| in_order[*v as usize] = true);
    let unseen = key.values.writers.iter().enumerate().filter_map(|(v, writer)| Some((v as u32, (*writer)?)));
    let unseen: Vec<(u32, Writer)> = unseen.filter(|(v, writer)| !in_order[*v as usize] && done[writer.txn as usize]).collect();
    let end = if unseen.is_empty() { None } else { Some(graph.place()) };
    for (value, writer) in &unseen {
        end.into_iter().for_each(|end| graph.edge(end, writer.txn, Kind::Pass, Why { key: at, before: u32::MAX, after: *value }));
    }
    if let (Some(end), Some((last, writer))) = (end, order.last().and_then(|v| Some((*v, key.values.writer(*v)?)))) {
        graph.edge(writer.txn, end, Kind::Ww, why(last, u32::MAX));
    }
    let place: BTreeMap<u32, usize> = order.iter().enumerate().map(|(i, v)| (*v, i)).collect();
    for read in &key.reads {
        let last = read.list.last().copied();
        if let Some((value, writer)) = last.and_then(|v| Some((v, key.values.writer(v)?))) {
            graph.edge(writer.txn, read.txn, Kind::Wr, why(u32::MAX, value));
        }
        let next = last.map_or(Some(0), |v| place.get(&v).map(|i| i + 1));
        // What the transaction appended itself is no news to it: the next one's is.
        let Some(next) = next else { continue };
        let after = order[next.min(order.len())..]
            .iter()
            .find_map(|v| Some((*v, key.values.writer(*v)?)).filter(|(_, writer)| writer.txn != read.txn));
        match (after, end) {
            (Some((value, writer)), _) => graph.edge(read.txn, writer.txn, Kind::Rw, why(u32::MAX, value)),
            (None, Some(end)) => graph.edge(read.txn, end, Kind::Rw, why(u32::MAX, u32::MAX)),
            (None, None) => {}
        }
    }
}

/// Two saw the same list, and both appended to it.
fn lost_updates(txns: &Txns, at: usize, key: &Key, found: &mut Vec<(Isolation, Anomaly)>) {
    let appends = |txn: u32| txns.all[txn as usize].steps.iter().any(|step| matches!(step, Step::Write { key, .. } if *key as usize == at));
    let mut by_version: BTreeMap<Option<u32>, u32> = BTreeMap::new();
    for read in key.reads.iter().filter(|read| appends(read.txn)) {
        let Some(other) = by_version.insert(read.list.last().copied(), read.txn) else { continue };
        let text = format!(
            "{} and {} both saw {} in {}, and both appended to it",
            txns.text(other),
            txns.text(read.txn),
            key.show(&read.list),
            txns.keys[at]
        );
        let calls = vec![txns.all[other as usize].id, txns.all[read.txn as usize].id];
        found.push((Isolation::SnapshotIsolation, Anomaly { kind: "lost-update", steps: vec![text], calls }));
        return;
    }
}
