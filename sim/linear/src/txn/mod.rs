//! Transactions over keys: which anomalies does a history show? (Adya 1999; Kingsbury and Alvaro, Elle, VLDB 2020.)
//!
//! Values are written once, so that whoever reads one tells whose it is. From that follows what must have come before what:
//!
//! | edge | of two transactions |
//! | --- | --- |
//! | ww | the second one overwrites, or appends behind, what the first one wrote |
//! | wr | the second one read what the first one wrote |
//! | rw | the first one did not see what the second one wrote |
//! | process | one process did them in this order |
//! | realtime | the first one had returned before the second one began |
//!
//! There is an order of all of them exactly where these have no cycle; which edges a cycle has says which isolation is broken.
//! A transaction whose outcome nobody knows counts as done where somebody saw what it wrote, else as not done.
//!
//! *Sound*: what is told is there. For [`list_append`] it is also complete: with no anomaly there is an order, which is told on
//! request. Of [`rw_register`] what overwrote what is only known in part (a read before a write in one transaction; nil first; what was
//! seen before something else began to be written), so that an anomaly may go unseen.

mod graph;
pub(crate) mod list_append;
pub(crate) mod rw_register;
#[cfg(test)]
mod tests;

use crate::{
    call::{CallId, NEVER},
    isolation::{Anomaly, Isolation},
    judge::{Found, Judged, Options},
    raw::{RawCall, RawEnd, RawHistory, Value},
    reading::{Unreadable, bad_answer, bad_input},
};
use graph::{Builder, Cycle, Kind, Mask, NOTHING, Wanted, Why};
use std::{collections::BTreeMap, fmt::Write as _};

/// A step of a transaction, with values of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Read { key: u32, seen: Option<Value> },
    Write { key: u32, value: Value },
}

/// A transaction.
struct Txn {
    id: CallId,
    process: Value,
    invoked: usize,
    returned: usize,
    /// It returned, and it did what it was asked.
    certain: bool,
    /// It certainly did not.
    aborted: bool,
    steps: Vec<Step>,
}

/// What is known before keys are looked at.
struct Txns {
    all: Vec<Txn>,
    keys: Vec<Value>,
}

impl Txns {
    /// Reads every call. `write`: the names of the step that writes.
    fn of(history: &RawHistory, write: &[&str], shape: &'static str) -> Result<Txns, Unreadable> {
        let mut places: BTreeMap<Value, u32> = BTreeMap::new();
        let mut keys = Vec::new();
        let mut key = |value: &Value| {
            *places.entry(value.clone()).or_insert_with(|| {
                keys.push(value.clone());
                keys.len() as u32 - 1
            })
        };
        let mut all = Vec::with_capacity(history.calls.len());
        for call in &history.calls {
            let certain = matches!(call.end, RawEnd::Ok(_)) && call.returned != NEVER;
            let aborted = matches!(call.end, RawEnd::Failed(_));
            let mut steps = |value: &Value, answered: bool| -> Option<Vec<Step>> {
                let Value::List(steps) = value else { return None };
                let step = |step: &Value| {
                    let Value::List(words) = step else { return None };
                    let [Value::Text(kind), of, rest @ ..] = &words[..] else { return None };
                    let value = rest.first().cloned().unwrap_or(Value::Nil);
                    match &**kind {
                        "r" | "read" if rest.len() <= 1 => Some(Step::Read { key: key(of), seen: answered.then_some(value) }),
                        kind if write.contains(&kind) && rest.len() == 1 => Some(Step::Write { key: key(of), value }),
                        _ => None,
                    }
                };
                steps.iter().map(step).collect()
            };
            let steps = match (&*call.kind, &call.key, &call.end) {
                ("txn", _, RawEnd::Ok(Some(answer))) if certain => match steps(answer, true) {
                    Some(steps) => steps,
                    None => return bad_answer(call, shape),
                },
                ("txn", ..) => match steps(&call.input, false) {
                    Some(steps) => steps,
                    None => return bad_input(call, shape),
                },
                ("read" | "get" | "r", Some(of), end) => {
                    let seen = if let RawEnd::Ok(Some(seen)) = end { Some(seen.clone()) } else { None };
                    vec![Step::Read { key: key(of), seen: seen.filter(|_| certain) }]
                }
                (kind, Some(of), _) if write.contains(&kind) => vec![Step::Write { key: key(of), value: call.input.clone() }],
                _ => return bad_input(call, shape),
            };
            if certain && let Some(problem) = another(call, &steps, &mut key, write) {
                return Err(problem);
            }
            let (id, process) = (call.id, call.process.clone());
            all.push(Txn { id, process, invoked: call.invoked, returned: call.returned, certain, aborted, steps });
        }
        Ok(Txns { all, keys })
    }

    /// Who wrote what, into the values of each key.
    fn writers(&self, history: &RawHistory, mut keys: Vec<&mut Values>) -> Result<(), Unreadable> {
        for (at, txn) in self.all.iter().enumerate() {
            let mut last: BTreeMap<u32, u32> = BTreeMap::new();
            for step in &txn.steps {
                let Step::Write { key: of, value } = step else { continue };
                let (values, name) = (&mut keys[*of as usize], &self.keys[*of as usize]);
                if *value == Value::Nil {
                    return Err(unreadable(history, at, format!("writes nil to {name}, which is what an absent key reads as")));
                }
                let place = values.place(value);
                if let Some(other) = values.writer(place) {
                    let other = self.text(other.txn);
                    let text =
                        format!("writes {value} to {name}, which {other} does, too: values must be unique, or nobody knows whose was read");
                    return Err(unreadable(history, at, text));
                }
                if let Some(before) = last.insert(*of, place).and_then(|before| values.writers[before as usize].as_mut()) {
                    before.last = false;
                }
                values.writers[place as usize] = Some(Writer { txn: at as u32, last: true });
            }
        }
        Ok(())
    }

    fn text(&self, txn: u32) -> String {
        let txn = &self.all[txn as usize];
        format!("call {}", txn.id)
    }
}

fn unreadable(history: &RawHistory, txn: usize, what: String) -> Unreadable {
    let call = &history.calls[txn];
    Unreadable { kind: call.kind.to_string(), process: call.process.clone(), what }
}

/// An answer that is to something else than what was asked.
fn another(call: &RawCall, answered: &[Step], key: &mut impl FnMut(&Value) -> u32, write: &[&str]) -> Option<Unreadable> {
    let Value::List(asked) = &call.input else { return None };
    if &*call.kind != "txn" {
        return None;
    }
    let same = |asked: &Value, answered: &Step, key: &mut dyn FnMut(&Value) -> u32| {
        let Value::List(words) = asked else { return false };
        match (&words[..], answered) {
            ([Value::Text(kind), of, ..], Step::Read { key: there, .. }) => !write.contains(&&**kind) && key(of) == *there,
            ([Value::Text(kind), of, value], Step::Write { key: there, value: written }) => {
                write.contains(&&**kind) && key(of) == *there && value == written
            }
            _ => false,
        }
    };
    let fits = asked.len() == answered.len() && asked.iter().zip(answered).all(|(asked, answered)| same(asked, answered, key));
    (!fits).then(|| Unreadable {
        kind: call.kind.to_string(),
        process: call.process.clone(),
        what: format!("asked for {}, and something else is acknowledged", call.input),
    })
}

/// Who wrote a value, and whether it was the last one that this transaction wrote there.
#[derive(Clone, Copy)]
struct Writer {
    txn: u32,
    last: bool,
}

/// Values of one key, in the order in which they were first met.
#[derive(Default)]
struct Values {
    all: Vec<Value>,
    writers: Vec<Option<Writer>>,
    places: hashbrown::HashMap<Value, u32, rustc_hash::FxBuildHasher>,
}

impl Values {
    fn place(&mut self, value: &Value) -> u32 {
        if let Some(place) = self.places.get(value) {
            return *place;
        }
        self.all.push(value.clone());
        self.writers.push(None);
        self.places.insert(value.clone(), self.all.len() as u32 - 1);
        self.all.len() as u32 - 1
    }

    fn writer(&self, value: u32) -> Option<Writer> {
        self.writers.get(value as usize).copied().flatten()
    }
}

/// What a family of transactions tells besides cycles, and the order of versions.
struct Evidence {
    anomalies: Vec<(Isolation, Anomaly)>,
    graph: Builder,
    /// Of each key the values that edges name.
    values: Vec<Vec<Value>>,
    /// Whether a transaction counts as done.
    done: Vec<bool>,
    /// In words: what an edge of kind `Ww`, `Wr` or `Rw` says.
    say: fn(Kind, &str, &str, &str) -> String,
}

/// Visits of one search for a cycle; a hundred thousand transactions need about a million.
const VISITS_MAX: u64 = 20_000_000;

/// The cycles that are looked for: its name, its name where real time or a process's own order is in it, what it breaks, what it is like.
fn classes() -> [(&'static str, &'static str, &'static str, Isolation, Wanted); 5] {
    let (ww, wr, rw) = (Kind::Ww as Mask, Kind::Wr as Mask, Kind::Rw as Mask);
    [
        ("G0", "G0-process", "G0-realtime", Isolation::ReadUncommitted, Wanted { first: Kind::Ww, rest: ww, apart: false }),
        ("G1c", "G1c-process", "G1c-realtime", Isolation::ReadCommitted, Wanted { first: Kind::Wr, rest: ww | wr, apart: false }),
        (
            "G-single",
            "G-single-process",
            "G-single-realtime",
            Isolation::SnapshotIsolation,
            Wanted { first: Kind::Rw, rest: ww | wr, apart: false },
        ),
        (
            "G-nonadjacent",
            "G-nonadjacent-process",
            "G-nonadjacent-realtime",
            Isolation::SnapshotIsolation,
            Wanted { first: Kind::Rw, rest: ww | wr | rw, apart: true },
        ),
        (
            "G2-item",
            "G2-item-process",
            "G2-item-realtime",
            Isolation::Serializable,
            Wanted { first: Kind::Rw, rest: ww | wr | rw, apart: false },
        ),
    ]
}

/// Puts the order of time and of processes beside what the keys tell, looks for cycles, and says what was found.
fn conclude(txns: &Txns, mut evidence: Evidence, options: &mut Options<'_>, ordered: bool) -> Judged {
    let level = options.isolation;
    let calls = evidence.done.iter().filter(|done| **done).count();
    let judged = |verdict| Judged { calls, keys: txns.keys.len().max(1), verdict, remarks: vec![] };
    let extra = match level {
        Isolation::StrictSerializable => {
            realtime(txns, &evidence.done, &mut evidence.graph);
            Kind::Realtime as Mask
        }
        Isolation::StrongSessionSerializable => {
            processes(txns, &evidence.done, &mut evidence.graph);
            Kind::Process as Mask
        }
        _ => 0,
    };
    let graph = std::mem::take(&mut evidence.graph).finish();
    let mut anomalies = std::mem::take(&mut evidence.anomalies);
    let mut stopped = false;
    for (name, by_process, by_time, breaks, wanted) in classes().into_iter().filter(|(_, _, _, breaks, _)| *breaks <= level) {
        let rws = |cycle: &Cycle| cycle.iter().filter(|(_, kind, _)| *kind == Kind::Rw).count();
        let suits = |cycle: &Cycle| !matches!(name, "G-nonadjacent" | "G2-item") || rws(cycle) > 1;
        let known = |anomalies: &[(Isolation, Anomaly)], name: &str| anomalies.iter().any(|(_, known)| known.kind == name);
        if name == "G2-item" && (known(&anomalies, "G-nonadjacent") || known(&anomalies, "G-nonadjacent-realtime")) {
            continue;
        }
        let mut name = name;
        let mut budget = VISITS_MAX;
        let mut found = graph.cycle(wanted, suits, &mut budget);
        if found == Ok(None) && extra > 0 {
            name = if extra == Kind::Realtime as Mask { by_time } else { by_process };
            found = graph.cycle(Wanted { rest: wanted.rest | extra, ..wanted }, suits, &mut budget);
        }
        match found {
            Ok(None) => {}
            Ok(Some(cycle)) => anomalies.push((breaks, told(txns, &evidence, name, &cycle))),
            Err(()) => stopped = true,
        }
        if !(options.watchdog)(crate::Progress { visits: VISITS_MAX - budget, bytes: 0, events: 0 }) {
            return judged(if anomalies.is_empty() {
                Found::Unknown("stopped while cycles were looked for".to_string())
            } else {
                Found::Anomalies(listed(anomalies, level))
            });
        }
    }
    let anomalies = listed(anomalies, level);
    judged(match (anomalies.is_empty(), stopped) {
        (false, _) => Found::Anomalies(anomalies),
        (true, true) => Found::Unknown("there is a cycle; the search for a short one was ended".to_string()),
        (true, false) if options.order && ordered => {
            let order = graph.order().unwrap_or_default();
            let done = order.into_iter().filter(|txn| evidence.done[*txn as usize]);
            Found::Linearizable(vec![(None, done.map(|txn| txns.all[txn as usize].id).collect())])
        }
        (true, false) => Found::Linearizable(vec![]),
    })
}

/// Those that this isolation forbids.
fn listed(anomalies: Vec<(Isolation, Anomaly)>, level: Isolation) -> Vec<Anomaly> {
    anomalies.into_iter().filter(|(breaks, _)| *breaks <= level).map(|(_, anomaly)| anomaly).collect()
}

/// Whatever returned comes before whatever begins after that: through places of a line of time, so that there are few edges.
fn realtime(txns: &Txns, done: &[bool], graph: &mut Builder) {
    let mut events: Vec<(usize, bool, u32)> = Vec::new();
    for (at, txn) in txns.all.iter().enumerate().filter(|(at, _)| done[*at]) {
        events.push((txn.invoked, true, at as u32));
        if txn.certain {
            events.push((txn.returned, false, at as u32));
        }
    }
    events.sort_unstable();
    let mut now = None;
    for (_, begins, txn) in events {
        if begins {
            now.into_iter().for_each(|now| graph.edge(now, txn, Kind::Pass, NOTHING));
            continue;
        }
        let place = graph.place();
        now.into_iter().for_each(|now| graph.edge(now, place, Kind::Pass, NOTHING));
        graph.edge(txn, place, Kind::Realtime, NOTHING);
        now = Some(place);
    }
}

fn processes(txns: &Txns, done: &[bool], graph: &mut Builder) {
    let mut last: BTreeMap<&Value, u32> = BTreeMap::new();
    for (at, txn) in txns.all.iter().enumerate().filter(|(at, _)| done[*at]) {
        if let Some(before) = last.insert(&txn.process, at as u32) {
            graph.edge(before, at as u32, Kind::Process, NOTHING);
        }
    }
}

/// A cycle in words.
fn told(txns: &Txns, evidence: &Evidence, kind: &'static str, cycle: &Cycle) -> Anomaly {
    let value = |why: &Why, place: u32| match evidence.values.get(why.key as usize).and_then(|of| of.get(place as usize)) {
        Some(value) => value.to_string(),
        None => "nothing".to_string(),
    };
    let mut steps = Vec::new();
    for (i, (txn, edge, why)) in cycle.iter().enumerate() {
        let (next, _, _) = cycle[(i + 1) % cycle.len()];
        let key = txns.keys.get(why.key as usize).map_or(String::new(), ToString::to_string);
        let mut text = format!("{} comes before {}: ", txns.text(*txn), txns.text(next));
        let said = match edge {
            Kind::Realtime | Kind::Pass => "it had returned when that one began".to_string(),
            Kind::Process => "one process did them in this order".to_string(),
            kind => (evidence.say)(*kind, &key, &value(why, why.before), &value(why, why.after)),
        };
        let _ = write!(text, "{said}");
        steps.push(text);
    }
    Anomaly { kind, steps, calls: cycle.iter().map(|(txn, _, _)| txns.all[*txn as usize].id).collect() }
}
