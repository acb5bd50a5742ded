//! Registers: transactions of `[w k v]` and `[r k v]`.
//!
//! Which version of a register came before which is not told; it is known where a transaction read one and wrote the next, of
//! nil, which is first, and, where real time counts, of a version that somebody had seen (or written) before the next one began to be
//! written. What may be wrong beyond that is not seen.

use super::{Evidence, Kind, Step, Txns, Values, Why, conclude};
use crate::{
    call::NEVER,
    isolation::{Anomaly, Isolation},
    judge::{Judged, Options},
    raw::{RawHistory, Value},
    reading::Unreadable,
};
use std::collections::{BTreeMap, BTreeSet};

const SHAPE: &str = "a list of `[w k v]` and `[r k v]`";

/// Nil: what a register holds at first.
const NIL: u32 = 0;

struct Key {
    values: Values,
    /// Of each value, who read it before writing there.
    readers: Vec<Vec<u32>>,
    /// By transaction: what it read first, and what it left.
    updates: Vec<(u32, u32, u32)>,
}

impl Key {
    fn new() -> Key {
        let mut key = Key { values: Values::default(), readers: vec![], updates: vec![] };
        key.place(&Value::Nil);
        key
    }

    fn place(&mut self, value: &Value) -> u32 {
        let place = self.values.place(value);
        self.grow();
        place
    }

    fn grow(&mut self) {
        self.readers.resize(self.values.all.len(), vec![]);
    }
}

pub(crate) fn judge(history: &RawHistory, options: &mut Options<'_>) -> Result<Judged, Unreadable> {
    let txns = Txns::of(history, &["w", "write"], SHAPE)?;
    let mut keys: Vec<Key> = txns.keys.iter().map(|_| Key::new()).collect();
    let mut found = vec![];
    txns.writers(history, keys.iter_mut().map(|key| &mut key.values).collect())?;
    keys.iter_mut().for_each(Key::grow);
    let mut seen = vec![false; txns.all.len()];
    for at in 0..txns.all.len() as u32 {
        read(&txns, at, &mut keys, &mut seen, &mut found);
    }
    let done: Vec<bool> = txns.all.iter().zip(seen).map(|(txn, seen)| !txn.aborted && (txn.certain || seen)).collect();
    let mut graph = super::Builder::new(txns.all.len());
    for (at, key) in keys.iter().enumerate() {
        edges(at as u32, key, &done, &mut graph);
        if options.isolation == Isolation::StrictSerializable {
            seen_before(at as u32, key, &txns, &done, &mut graph);
        }
        lost_updates(&txns, at, key, &mut found);
    }
    let values = keys.into_iter().map(|key| key.values.all).collect();
    Ok(conclude(&txns, Evidence { anomalies: found, graph, values, done, say }, options, false))
}

fn say(kind: Kind, key: &str, before: &str, after: &str) -> String {
    match kind {
        Kind::Ww if before == "nothing" => format!("it wrote {key} before that one wrote {after} there"),
        Kind::Ww => format!("it wrote {before} to {key}, which that one replaced by {after}"),
        Kind::Wr => format!("it wrote {after} to {key}, which that one read"),
        _ => format!("it read {before} from {key}, which that one replaced by {after}"),
    }
}

fn read(txns: &Txns, at: u32, keys: &mut [Key], done: &mut [bool], found: &mut Vec<(Isolation, Anomaly)>) {
    let txn = &txns.all[at as usize];
    // What it knows of each key; and what it read there before it wrote.
    let (mut known, mut first): (BTreeMap<u32, u32>, BTreeMap<u32, u32>) = (BTreeMap::new(), BTreeMap::new());
    let mut tell = |level, kind, text: String, calls| found.push((level, Anomaly { kind, steps: vec![text], calls }));
    for step in &txn.steps {
        match step {
            Step::Write { key: of, value } => _ = known.insert(*of, keys[*of as usize].place(value)),
            Step::Read { seen: None, .. } => {}
            Step::Read { key: of, seen: Some(value) } => {
                let (name, key) = (&txns.keys[*of as usize], &mut keys[*of as usize]);
                let place = key.place(value);
                if let Some(before) = known.insert(*of, place) {
                    if before != place {
                        let before = &key.values.all[before as usize];
                        let text =
                            format!("{} read {value} from {name}, where it had itself read or written {before} before", txns.text(at));
                        tell(Isolation::SnapshotIsolation, "internal", text, vec![txn.id]);
                    }
                    continue;
                }
                match key.values.writer(place) {
                    _ if place == NIL => {}
                    None => {
                        let text = format!("{} read {value} from {name}, which nobody wrote", txns.text(at));
                        tell(Isolation::ReadUncommitted, "unwritten", text, vec![txn.id]);
                        continue;
                    }
                    Some(writer) => {
                        let (other, by) = (&txns.all[writer.txn as usize], txns.text(writer.txn));
                        if other.aborted {
                            let text = format!("{} read {value} from {name}, which {by} wrote and took back", txns.text(at));
                            tell(Isolation::ReadCommitted, "G1a", text, vec![other.id, txn.id]);
                        } else if !writer.last && writer.txn != at {
                            let text = format!("{} read {value} from {name}, which {by} wrote and replaced itself", txns.text(at));
                            tell(Isolation::ReadCommitted, "G1b", text, vec![other.id, txn.id]);
                        }
                        done[writer.txn as usize] = true;
                    }
                }
                key.readers[place as usize].push(at);
                first.insert(*of, place);
            }
        }
    }
    if txn.certain {
        for (of, before) in first {
            let left = txn.steps.iter().rev().find_map(|step| match step {
                Step::Write { key, value } if *key == of => Some(value),
                _ => None,
            });
            if let Some(left) = left {
                let key = &mut keys[of as usize];
                let left = key.place(left);
                key.updates.push((at, before, left));
            }
        }
    }
}

fn edges(at: u32, key: &Key, done: &[bool], graph: &mut super::Builder) {
    let why = |before: u32, after: u32| Why { key: at, before, after };
    let writer = |value: u32| key.values.writer(value).filter(|writer| done[writer.txn as usize]);
    for (value, readers) in key.readers.iter().enumerate().skip(1) {
        for reader in readers {
            writer(value as u32).into_iter().for_each(|writer| graph.edge(writer.txn, *reader, Kind::Wr, why(u32::MAX, value as u32)));
        }
    }
    let mut after: BTreeMap<u32, usize> = BTreeMap::new();
    for (txn, before, left) in &key.updates {
        // Two of one version are a lost update, which is told apart.
        let so_many = after.entry(*before).or_default();
        *so_many += 1;
        if *so_many > 2 {
            continue;
        }
        writer(*before).into_iter().for_each(|writer| graph.edge(writer.txn, *txn, Kind::Ww, why(*before, *left)));
        for reader in &key.readers[*before as usize] {
            graph.edge(*reader, *txn, Kind::Rw, why(*before, *left));
        }
    }
    // Whoever read nil came before everybody who wrote there; of those who read it themselves that is said already.
    if !key.readers[NIL as usize].is_empty() {
        let known: BTreeSet<u32> = key.updates.iter().map(|(txn, ..)| *txn).collect();
        let place = graph.place();
        for reader in &key.readers[NIL as usize] {
            graph.edge(*reader, place, Kind::Rw, why(NIL, u32::MAX));
        }
        for (value, other) in key.values.writers.iter().enumerate() {
            if let Some(other) = other.filter(|other| done[other.txn as usize] && !known.contains(&other.txn) && other.last) {
                graph.edge(place, other.txn, Kind::Pass, why(u32::MAX, value as u32));
            }
        }
    }
}

/// A version that somebody had seen before another one began to be written came before that.
fn seen_before(at: u32, key: &Key, txns: &Txns, done: &[bool], graph: &mut super::Builder) {
    let why = |before: u32, after: u32| Why { key: at, before, after };
    let updates: BTreeSet<u32> = key.updates.iter().map(|(txn, ..)| *txn).collect();
    // When each version was certainly there; and when others began to be written.
    let mut events: Vec<(usize, bool, u32)> = vec![];
    for (value, writer) in key.values.writers.iter().enumerate().skip(1) {
        let Some(writer) = writer.filter(|writer| writer.last && done[writer.txn as usize]) else { continue };
        let touched = key.readers[value].iter().chain([&writer.txn]).map(|txn| txns.all[*txn as usize].returned).min();
        events.push((txns.all[writer.txn as usize].invoked, true, value as u32));
        if let Some(there) = touched.filter(|there| *there != NEVER) {
            events.push((there, false, value as u32));
        }
    }
    events.sort_unstable();
    let mut now = None;
    for (_, begins, value) in events {
        let Some(writer) = key.values.writer(value) else { continue };
        if begins {
            now.into_iter().for_each(|now| graph.edge(now, writer.txn, Kind::Pass, why(u32::MAX, value)));
            continue;
        }
        let place = graph.place();
        now.into_iter().for_each(|now| graph.edge(now, place, Kind::Pass, why(u32::MAX, u32::MAX)));
        graph.edge(writer.txn, place, Kind::Ww, why(value, u32::MAX));
        // Who read it and wrote there itself comes after others that saw it, and before whatever comes after its own.
        for reader in key.readers[value as usize].iter().filter(|reader| !updates.contains(reader)) {
            graph.edge(*reader, place, Kind::Rw, why(value, u32::MAX));
        }
        now = Some(place);
    }
}

/// Two read the same version, and both replaced it.
fn lost_updates(txns: &Txns, at: usize, key: &Key, found: &mut Vec<(Isolation, Anomaly)>) {
    let mut by_version: BTreeMap<u32, u32> = BTreeMap::new();
    for (txn, before, _) in &key.updates {
        let Some(other) = by_version.insert(*before, *txn) else { continue };
        let text = format!(
            "{} and {} both read {} from {}, and both replaced it",
            txns.text(other),
            txns.text(*txn),
            key.values.all[*before as usize],
            txns.keys[at]
        );
        let calls = vec![txns.all[other as usize].id, txns.all[*txn as usize].id];
        found.push((Isolation::SnapshotIsolation, Anomaly { kind: "lost-update", steps: vec![text], calls }));
        return;
    }
}
