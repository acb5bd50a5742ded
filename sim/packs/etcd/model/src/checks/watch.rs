//! `watch`: what watches tell is what happened (etcd's API guarantees for watches).
//!
//! ```text
//!   revision    4     5     6     7     8
//!   put         a     b     a     -     a
//!   watch a*    |=====from 5: a@6 ... progress 7 | from 8: a@8
//! ```
//!
//! * **filter**: only keys that were asked for, only from the revision that was asked for.
//! * **ordered**, **unique**, **atomic**: revisions never go back, none is told twice, and the changes of
//!   one revision come in one answer.
//! * **bookmarkable**: after "everything up to here is told" nothing older comes, and no compaction below that ends the watch.
//! * **reliable**, **resumable**: between its start and the last revision that it told, or vouched for, a
//!   watch leaves nothing out that an acknowledged write did or another watch told.
//! * **is-create**: version and create revision fit each other, and a key that was deleted is another one afterwards.
//! * **prev-kv**: what was before is told, unless it was compacted away, and is what was before.
//! * Nothing is told that nobody wrote, and all watches tell the same of the same.
//!
//! What it cannot see: a change that no watch told and whose write was never acknowledged; a watch that
//! tells nothing at all. What was before is demanded only where nodes tell of compactions.

use crate::checks::{Checker, Verdict, Witness, applies, verdict, writes};
use crate::ops::{ClientId, EntryKind, Kind, Observation, Op, OpId, SimTime, StreamEvent, View, WatchEvent, brief};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const CHECKER: Checker = Checker {
    name: "watch",
    client_side: true,
    prefix: true,
    about: "a watch delivers every change that it asked for exactly once, in order, with all changes of a revision together",
    applies: &|view| applies(view, |view| view.asks().any(|op| matches!(op, Op::Watch { .. }))),
    check: &|view| verdict(view, check),
};

/// One watch.
struct Session<'h> {
    client: ClientId,
    prefix: &'h str,
    /// Only that key.
    single: bool,
    without: Option<Kind>,
    /// The first revision that it is to tell; unknown until the watch is there, when it begins with now.
    from: Option<u64>,
    is_there: bool,
    is_over: bool,
    /// The last revision that it told a change of, and the last that it vouched for.
    told: u64,
    vouched: u64,
    /// Whatever it told.
    changes: BTreeSet<(u64, &'h str)>,
}

impl Session<'_> {
    /// Whether a change of this key that leaves this is to be told.
    fn asks_for(&self, key: &str, value: Option<&str>) -> bool {
        let is_key = if self.single { key == self.prefix } else { key.starts_with(self.prefix) };
        is_key && self.without != Some(Kind::of(value))
    }

    /// In words.
    fn what(&self) -> String {
        let all = if self.single { "" } else { "*" };
        let without = self.without.map_or(String::new(), |kind| format!(" without {}", kind.word()));
        format!("watch {}{all}{without} by {}", self.prefix, self.client)
    }

    /// The first revision that it may tell next, by what it told, whatever it vouched for.
    fn next_told(&self) -> u64 {
        self.from.unwrap_or(0).max(self.told + 1)
    }
}

/// A change, and who told of it first.
struct Known<'h> {
    told: &'h WatchEvent,
    by: OpId,
}

type Broken = Box<Witness>;

fn broken(kind: &'static str, at: SimTime, ops: &[OpId], summary: String) -> Broken {
    Box::new(Witness { kind, summary, details: vec![], at, ops: ops.to_vec() })
}

fn check(view: &View<'_>) -> Verdict {
    match Watches::follow(view).and_then(|watches| watches.complete(view)) {
        Ok(()) => Verdict::Valid,
        Err(witness) => Verdict::Invalid(witness),
    }
}

#[derive(Default)]
struct Watches<'h> {
    sessions: BTreeMap<OpId, Session<'h>>,
    known: BTreeMap<(u64, &'h str), Known<'h>>,
    /// When the last thing was heard.
    last: SimTime,
    /// The highest revision that a node told that its store is compacted up to (at its start, and whenever it changes); `None` where
    /// nodes tell nothing.
    floor: Option<u64>,
}

impl<'h> Watches<'h> {
    /// What each watch by itself may not say.
    fn follow(view: &View<'h>) -> Result<Watches<'h>, Broken> {
        let mut watches = Watches::default();
        for (_, entry) in view.entries() {
            match &entry.what {
                EntryKind::Invoke { client, op, ask: Op::Watch { prefix, from, single, without, .. } } => {
                    let session = Session {
                        client: *client,
                        prefix,
                        single: *single,
                        without: *without,
                        from: *from,
                        is_there: false,
                        is_over: false,
                        told: 0,
                        vouched: 0,
                        changes: BTreeSet::new(),
                    };
                    watches.sessions.insert(*op, session);
                }
                EntryKind::Node { saw: Observation::Forgot { before: revision }, .. } => watches.floor = watches.floor.max(Some(*revision)),
                EntryKind::Heard { op, heard } => {
                    watches.last = entry.t;
                    watches.hear(entry.t, *op, heard)?;
                }
                _ => {}
            }
        }
        Ok(watches)
    }

    fn hear(&mut self, at: SimTime, op: OpId, heard: &'h StreamEvent) -> Result<(), Broken> {
        // What is heard of elections is not for this checker.
        let Some(session) = self.sessions.get_mut(&op) else { return Ok(()) };
        let who = format!("{op} ({})", session.what());
        let wrong = |kind, summary: String| Err(broken(kind, at, &[op], format!("{who} {summary}")));
        if session.is_over {
            return wrong("told-after-the-end", format!("was ended, and went on: {heard}"));
        }
        match heard {
            StreamEvent::Created { .. } if session.is_there => return wrong("created-twice", "was created twice".to_string()),
            StreamEvent::Created { revision } => {
                session.is_there = true;
                session.from.get_or_insert(revision + 1);
            }
            StreamEvent::Progress { .. } | StreamEvent::Events { .. } if !session.is_there => {
                return wrong("told-before-created", format!("told something before it was there: {heard}"));
            }
            StreamEvent::Progress { revision } => {
                // That a change may be told before an older vouching comes is legal: they are two queues in etcd.
                if *revision < session.vouched {
                    let before = session.vouched;
                    return wrong("progress-goes-back", format!("says that it is at revision {revision}, and was at {before}"));
                }
                session.vouched = *revision;
            }
            StreamEvent::Canceled { compacted, .. } => {
                session.is_over = true;
                if *compacted == 0 && session.is_there {
                    return wrong("ended-for-nothing", format!("was ended, and nothing was compacted: {heard}"));
                }
                if *compacted > 0 && *compacted < session.next_told() {
                    let next = session.next_told();
                    let text = format!("was ended because revisions below {compacted} are compacted away, and it was to go on from {next}");
                    return wrong("ended-for-nothing", text);
                }
                // What it was to go on from is gone, so it had not come as far as it said.
                if *compacted > 0 && *compacted <= session.vouched {
                    let vouched = session.vouched;
                    let text = format!(
                        "had said that all up to revision {vouched} was told, and was ended because revisions below {compacted} are compacted away"
                    );
                    return wrong("overtaken", text);
                }
            }
            StreamEvent::Events { revision, events } => self.events(at, op, *revision, events)?,
            StreamEvent::Observing | StreamEvent::Leader { .. } => {}
        }
        Ok(())
    }

    /// One answer's changes.
    fn events(&mut self, at: SimTime, op: OpId, header: u64, events: &'h [WatchEvent]) -> Result<(), Broken> {
        let session = self.sessions.get_mut(&op).expect("it is known");
        let who = format!("{op} ({})", session.what());
        let before = session.told;
        for told in events {
            let change = format!("{} at revision {}", told.key, told.revision);
            let wrong = |kind, why: String| Err(broken(kind, at, &[op], format!("{who} tells {change}, {why}")));
            if !session.asks_for(&told.key, told.value.as_deref()) {
                return wrong("filter", "which it was not asked for".to_string());
            }
            if let Some(from) = session.from.filter(|from| told.revision < *from) {
                return wrong("filter", format!("and was to begin with revision {from}"));
            }
            if told.revision <= session.vouched {
                return wrong("overtaken", format!("after it had said that all up to revision {} was told", session.vouched));
            }
            if told.revision > header {
                return wrong("ahead-of-itself", format!("in an answer of revision {header}"));
            }
            if !session.changes.insert((told.revision, &told.key)) {
                return wrong("unique", "for the second time".to_string());
            }
            if told.revision == before {
                return wrong("atomic", "after an earlier answer had told a part of that revision".to_string());
            }
            if told.revision < session.told {
                return wrong("ordered", format!("after revision {}", session.told));
            }
            session.told = told.revision;
            if let Some(why) = misfit(told) {
                return wrong("versions", why);
            }
            let was_there = told.value.is_none() || told.version > 1;
            if was_there && told.before.is_none() && self.floor.is_some_and(|floor| told.revision > floor) {
                return wrong("without-before", "and not what was before it".to_string());
            }
            let known = self.known.entry((told.revision, &told.key)).or_insert(Known { told, by: op });
            let same = |t: &WatchEvent| (t.value.clone(), t.created, t.version);
            if same(known.told) != same(told) {
                let (by, other) = (known.by, known.told);
                return Err(broken("disagreement", at, &[by, op], format!("{who} tells {told}, and {by} told {other}")));
            }
        }
        Ok(())
    }

    /// What all of it together, and what was written, shows.
    fn complete(&self, view: &View<'h>) -> Result<(), Broken> {
        let ops = view.ops();
        let mut written: BTreeMap<(u64, String), (Option<String>, OpId)> = BTreeMap::new();
        let mut possible: BTreeSet<(String, String)> = BTreeSet::new();
        for op in ops {
            if let Some(revision) = op.position {
                written.extend(writes::certain(op).into_iter().map(|(key, value)| ((revision, key), (value, op.id))));
            }
            possible.extend(writes::possible(op));
        }
        for ((revision, key), Known { told, by }) in &self.known {
            let holds = |value: &Option<String>| value.as_deref().map_or("nothing".to_string(), brief);
            let change = format!("{by} told that {key} holds {} since revision {revision}", holds(&told.value));
            if let Some((value, op)) = written.get(&(*revision, key.to_string()))
                && *value != told.value
            {
                return Err(broken("wrong-value", self.last, &[*by, *op], format!("{change}, and {op} left {} there", holds(value))));
            }
            let value = told.value.iter().chain(told.before.as_ref().map(|b| &b.value));
            if let Some(value) = value.into_iter().find(|value| !possible.contains(&(key.to_string(), (*value).clone()))) {
                return Err(broken("invented", self.last, &[*by], format!("{change}, and nobody wrote {}", brief(value))));
            }
            if let Some(before) = &told.before
                && let Some(at) = self.between(&written, key, before.revision, *revision)
            {
                let text =
                    format!("{change}, and that before it was what revision {} wrote; revision {at} changed it, too", before.revision);
                return Err(broken("wrong-before", self.last, &[*by], text));
            }
            if let Some(before) = &told.before
                && let Some(known) = self.known.get(&(before.revision, key))
                && known.told.value.as_ref() != Some(&before.value)
            {
                let text = format!("{change}, and before that {before}; {} told otherwise", known.by);
                return Err(broken("wrong-before", self.last, &[*by, known.by], text));
            }
        }
        self.made_anew(&written)?;
        self.nothing_left_out(&written)
    }

    /// A key that was deleted is another one afterwards.
    fn made_anew(&self, written: &BTreeMap<(u64, String), (Option<String>, OpId)>) -> Result<(), Broken> {
        let told = self.known.iter().filter(|(_, known)| known.told.value.is_none()).map(|((at, key), known)| ((*key, *at), known.by));
        let done = written.iter().filter(|(_, (value, _))| value.is_none()).map(|((at, key), (_, op))| ((key.as_str(), *at), *op));
        let deleted: BTreeMap<(&str, u64), OpId> = told.chain(done).collect();
        for ((revision, key), Known { told, by }) in self.known.iter().filter(|(_, known)| known.told.value.is_some()) {
            if let Some(((_, at), op)) = deleted.range((*key, told.created)..(*key, *revision)).next() {
                let text = format!("{by} told that {key} of revision {revision} was made at {}, and {op} deleted it at {at}", told.created);
                return Err(broken("is-create", self.last, &[*by, *op], text));
            }
        }
        Ok(())
    }

    /// A revision between these two at which the key is known to have been changed.
    fn between(&self, written: &BTreeMap<(u64, String), (Option<String>, OpId)>, key: &str, after: u64, before: u64) -> Option<u64> {
        (after + 1..before.min(after + 10_000))
            .find(|r| self.known.contains_key(&(*r, key)) || written.contains_key(&(*r, key.to_string())))
    }

    fn nothing_left_out(&self, written: &BTreeMap<(u64, String), (Option<String>, OpId)>) -> Result<(), Broken> {
        let known = self.known.iter().map(|(change, known)| (*change, (known.told.value.as_deref(), known.by)));
        let mut all: BTreeMap<(u64, &str), (Option<&str>, OpId)> = known.collect();
        all.extend(written.iter().map(|((revision, key), (value, op))| ((*revision, key.as_str()), (value.as_deref(), *op))));
        for (id, session) in &self.sessions {
            let Some(from) = session.from.filter(|_| session.is_there) else { continue };
            let upto = session.told.max(session.vouched);
            if upto < from {
                continue;
            }
            let due = all.range((from, "")..(upto + 1, "")).filter(|((_, key), (value, _))| session.asks_for(key, *value));
            let mut due = due.filter(|(change, _)| !session.changes.contains(change));
            if let Some(((revision, key), (_, by))) = due.next() {
                let who = format!("{id} ({}, from {from})", session.what());
                let text = format!("{who} told everything up to revision {upto}, but not what {by} has of {key} at revision {revision}");
                return Err(broken("left-out", self.last, &[*id, *by], text));
            }
        }
        Ok(())
    }
}

/// Why the numbers of a change do not fit each other.
fn misfit(told: &WatchEvent) -> Option<String> {
    let WatchEvent { revision, created, version, before, .. } = told;
    if let Some(before) = before
        && before.revision >= *revision
    {
        return Some(format!("and says that before it there was revision {}", before.revision));
    }
    // Of a removal only the revision is told.
    told.value.as_ref()?;
    if *version == 0 || *created == 0 || created > revision || (*version == 1) != (created == revision) {
        return Some(format!("made at {created}, version {version}"));
    }
    let fits = before.as_ref().is_none_or(|b| b.created == *created && b.version + 1 == *version);
    (!fits).then(|| {
        let before = before.as_ref().map_or(String::new(), |before| format!(", and before that {before}"));
        format!("made at {created}, version {version}{before}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Before, Entry, NodeId, Output};

    /// Lines: `put 3 a v` (acknowledged at revision 3), `try a v` (nobody knows), `watch 1 a 3` or
    /// `watch 1 a now`, `there 1 2`, `tell 1 4 a=v@3 b=-@4` (answer of revision 4), `upto 1 5`, `end 1 7`.
    fn verdict(script: &str) -> &'static str {
        let mut history = Vec::new();
        let mut next = 100;
        let mut versions: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        for line in script.split("; ") {
            let words: Vec<&str> = line.split(' ').collect();
            let id = |w: &str| OpId(w.parse().unwrap());
            let n = |w: &str| w.parse::<u64>().unwrap();
            let heard = |op: &str, heard| vec![EntryKind::Heard { op: id(op), heard }];
            let whats = match words[..] {
                ["put", revision, key, value] => {
                    next += 1;
                    let ask = Op::Put { key: key.into(), value: value.into() };
                    let done = EntryKind::Ok { op: OpId(next), output: Output::Done, position: Some(n(revision)) };
                    vec![EntryKind::Invoke { client: ClientId(9), op: OpId(next), ask }, done]
                }
                ["try", key, value] => {
                    next += 1;
                    vec![EntryKind::Invoke { client: ClientId(9), op: OpId(next), ask: Op::Put { key: key.into(), value: value.into() } }]
                }
                ["watch", op, prefix, from, ref how @ ..] => {
                    let without = how.iter().find_map(|how| match *how {
                        "-puts" => Some(Kind::Puts),
                        "-deletes" => Some(Kind::Deletes),
                        _ => None,
                    });
                    let (from, single) = (from.parse().ok(), how.contains(&"single"));
                    let ask = Op::Watch { prefix: prefix.into(), from, lasts_ms: 1, progress: true, single, without };
                    vec![EntryKind::Invoke { client: ClientId(1), op: id(op), ask }]
                }
                ["there", op, revision] => heard(op, StreamEvent::Created { revision: n(revision) }),
                ["compact", revision] => vec![EntryKind::Node { node: NodeId(1), saw: Observation::Forgot { before: n(revision) } }],
                // What was made before, and nothing is told of what it was.
                ["bare", op, change] => {
                    let (key, rest) = change.split_once('=').unwrap();
                    let numbers: Vec<u64> = rest.split('@').skip(1).flat_map(|n| n.split(',')).map(n).collect();
                    let value = Some(rest.split('@').next().unwrap().to_string()).filter(|v| v != "-");
                    let [revision, created, version] = numbers[..] else { panic!("{line}") };
                    heard(
                        op,
                        StreamEvent::Events {
                            revision,
                            events: vec![WatchEvent { key: key.into(), value, revision, created, version, before: None }],
                        },
                    )
                }
                ["del", revision, key] => {
                    next += 1;
                    let done = EntryKind::Ok { op: OpId(next), output: Output::Deleted { count: 1 }, position: Some(n(revision)) };
                    vec![EntryKind::Invoke { client: ClientId(9), op: OpId(next), ask: Op::Delete { key: key.into() } }, done]
                }
                ["upto", op, revision] => heard(op, StreamEvent::Progress { revision: n(revision) }),
                ["end", op, compacted] => heard(op, StreamEvent::Canceled { compacted: n(compacted), why: String::new() }),
                ["tell", op, revision, ref changes @ ..] => {
                    let tell = |change: &&str| {
                        let (key, rest) = change.split_once('=').unwrap();
                        let (value, at) = rest.split_once('@').unwrap();
                        let of_key = versions.entry(key.to_string()).or_default();
                        if of_key.iter().all(|(r, _)| *r != n(at)) {
                            of_key.push((n(at), value.to_string()));
                        }
                        let place = of_key.iter().position(|(r, _)| *r == n(at)).unwrap();
                        let made = of_key[..place].iter().rposition(|(_, v)| v == "-").map_or(0, |i| i + 1);
                        let (created, version) = (of_key[made].0, (place - made + 1) as u64);
                        let before = (place > made).then(|| Before {
                            value: of_key[place - 1].1.clone(),
                            revision: of_key[place - 1].0,
                            created,
                            version: version - 1,
                        });
                        let value = (value != "-").then(|| value.to_string());
                        let (created, version) = if value.is_some() { (created, version) } else { (0, 0) };
                        WatchEvent { key: key.into(), value, revision: n(at), created, version, before }
                    };
                    heard(op, StreamEvent::Events { revision: n(revision), events: changes.iter().map(tell).collect() })
                }
                _ => panic!("{line}"),
            };
            history.extend(whats.into_iter().map(|what| Entry { t: SimTime(1), what }));
        }
        match check(&View::new(&history)) {
            Verdict::Invalid(witness) => witness.kind,
            other => other.word(),
        }
    }

    #[test]
    fn legal_and_illegal_watches() {
        for (script, expect) in [
            ("watch 1 a now; there 1 2; put 3 a x; tell 1 3 a=x@3; put 4 b y; put 5 a z; tell 1 5 a=z@5; upto 1 9", "valid"),
            ("put 2 a x; watch 1 a 2; there 1 2; tell 1 2 a=x@2", "valid"),
            ("try a x; watch 1 a 2; there 1 2; tell 1 2 a=x@2; put 3 a y; tell 1 3 a=y@3", "valid"),
            ("watch 1 a now; there 1 2; tell 1 3 a=x@3", "invented"),
            ("put 3 b x; watch 1 a 2; there 1 2; tell 1 3 b=x@3", "filter"),
            ("put 3 a x; watch 1 a 4; there 1 4; tell 1 4 a=x@3", "filter"),
            ("put 3 a x; put 4 a y; watch 1 a 3; there 1 4; tell 1 4 a=x@3 a=y@4", "valid"),
            ("put 3 a x; put 4 a y; watch 1 a 3; there 1 4; tell 1 4 a=x@3; tell 1 4 a=x@3", "unique"),
            ("try a x; try ab y; watch 1 a 3; there 1 3; tell 1 3 a=x@3; tell 1 3 ab=y@3", "atomic"),
            ("try a x; try ab y; watch 1 a 3; there 1 3; tell 1 3 a=x@3 ab=y@3", "valid"),
            ("put 3 a x; put 4 ab y; watch 1 a 3; there 1 4; tell 1 4 ab=y@4; tell 1 4 a=x@3", "ordered"),
            ("put 3 a x; watch 1 a 3; there 1 3; upto 1 3; tell 1 3 a=x@3", "overtaken"),
            ("put 3 a x; watch 1 a 3; there 1 3; upto 1 2; tell 1 3 a=x@3", "valid"),
            ("put 3 a x; watch 1 a 3; there 1 3; tell 1 3 a=x@3; upto 1 2", "valid"),
            ("put 3 a x; put 4 ab y; watch 1 a 3 single; there 1 4; tell 1 3 a=x@3; upto 1 4", "valid"),
            ("put 3 a x; put 4 ab y; watch 1 a 3 single; there 1 4; tell 1 3 a=x@3; tell 1 4 ab=y@4", "filter"),
            ("put 3 a x; put 4 ab y; watch 1 ab 3 single; there 1 4; upto 1 4", "left-out"),
            ("put 3 a x; del 4 a; watch 1 a 3 -deletes; there 1 4; tell 1 3 a=x@3; upto 1 4", "valid"),
            ("put 3 a x; del 4 a; watch 1 a 3 -deletes; there 1 4; tell 1 3 a=x@3; tell 1 4 a=-@4", "filter"),
            ("put 3 a x; del 4 a; watch 1 a 3 -puts; there 1 4; upto 1 4", "left-out"),
            ("watch 1 a 3; there 1 3; upto 1 5; upto 1 4", "progress-goes-back"),
            ("watch 1 a 3; there 1 3; end 1 0", "ended-for-nothing"),
            ("put 3 a x; put 4 a y; watch 1 a 3; there 1 5; tell 1 3 a=x@3; tell 1 5 a=z@5; try a z", "wrong-before"),
            ("put 3 a x; put 4 a y; watch 1 a 3; there 1 4; tell 1 4 a=y@4", "left-out"),
            ("put 3 a x; watch 1 a 3; there 1 4; upto 1 4", "left-out"),
            ("put 3 a x; watch 1 a 4; there 1 4; upto 1 4", "valid"),
            ("put 3 a x; watch 1 a 3; there 1 4", "valid"),
            ("try a x; watch 1 a 2; there 1 4; watch 2 a 2; there 2 4; tell 1 4 a=x@3; upto 2 4", "left-out"),
            ("put 3 a x; watch 1 a 2; there 1 4; tell 1 3 a=y@3; try a y", "wrong-value"),
            ("try a x; try a y; watch 1 a 2; there 1 4; watch 2 a 2; there 2 4; tell 1 3 a=x@3; tell 2 3 a=y@3", "disagreement"),
            ("put 3 a x; watch 1 a 2; there 1 4; tell 1 2 a=x@3", "ahead-of-itself"),
            ("watch 1 a 2; there 1 9; end 1 7", "valid"),
            ("watch 1 a 8; there 1 9; end 1 7", "ended-for-nothing"),
            ("watch 1 a 2; there 1 9; upto 1 6; end 1 9", "valid"),
            // Etcd's issue 15220, seen by a compaction: it vouched for what it had not come to.
            ("watch 1 a 2; there 1 9; upto 1 9; end 1 7", "overtaken"),
            ("watch 1 a 2; there 1 9; upto 1 7; end 1 7", "overtaken"),
            ("put 8 a x; watch 1 a 2; there 1 9; tell 1 8 a=x@8; upto 1 9; end 1 7", "ended-for-nothing"),
            ("watch 1 a 2; there 1 9; end 1 7; upto 1 9", "told-after-the-end"),
            ("watch 1 a 2; upto 1 9", "told-before-created"),
            // What was before is demanded where nodes tell of compactions, and of what is not compacted away.
            ("put 3 a x; watch 1 a 5; there 1 5; try a y; bare 1 a=y@5,3,2", "valid"),
            ("compact 2; put 3 a x; watch 1 a 5; there 1 5; try a y; bare 1 a=y@5,3,2", "without-before"),
            ("compact 5; put 3 a x; watch 1 a 5; there 1 5; try a y; bare 1 a=y@5,3,2", "valid"),
            ("compact 2; put 3 a x; watch 1 a 3; there 1 5; bare 1 a=x@3,3,1", "valid"),
            ("compact 2; put 3 a x; watch 1 a 5; there 1 5; del 5 a; bare 1 a=-@5,0,0", "without-before"),
            // What was deleted is another key afterwards.
            ("put 3 a x; del 4 a; watch 1 a 5; there 1 5; try a y; bare 1 a=y@5,3,2", "is-create"),
            ("put 3 a x; del 4 a; watch 1 a 5; there 1 5; try a y; bare 1 a=y@5,5,1", "valid"),
            ("put 3 a x; watch 1 a 3; there 1 6; tell 1 3 a=x@3; tell 1 4 a=-@4; try a y; bare 1 a=y@6,3,2", "is-create"),
            ("put 3 a x; watch 1 a 3; there 1 6; tell 1 3 a=x@3; tell 1 4 a=-@4; try a y; bare 1 a=y@6,6,1", "valid"),
        ] {
            assert_eq!(verdict(script), expect, "{script}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit() {
        let told = |revision, created, version, before: Option<(u64, u64, u64)>| WatchEvent {
            key: "k".into(),
            value: Some("v".into()),
            revision,
            created,
            version,
            before: before.map(|(revision, created, version)| Before { value: "w".into(), revision, created, version }),
        };
        for (told, fits) in [
            (told(5, 5, 1, None), true),
            (told(5, 3, 2, Some((3, 3, 1))), true),
            (told(5, 3, 2, None), true),
            (told(5, 3, 1, None), false),
            (told(5, 5, 2, None), false),
            (told(5, 6, 2, None), false),
            (told(5, 3, 3, Some((3, 3, 1))), false),
            (told(5, 5, 1, Some((3, 3, 1))), false),
            (told(5, 3, 2, Some((5, 3, 1))), false),
        ] {
            assert_eq!(misfit(&told).is_none(), fits, "{told:?}");
        }
    }
}
