//! `mutual-exclusion`: of a lock, or of leading, one at a time, in the order of the log.
//!
//! ```text
//!   revision   5       7            12       15         20
//!   line       c1      c2           c1 goes  (c2 holds)
//!   work               ^ token 5                ^ token 7     ^ token 5: stale
//! ```
//!
//! A place's token is the revision that made its key, so whoever comes later has a higher one. No clock
//! tells who holds a lock *now* (Kleppmann 2016; Jepsen's etcd 3.4.3): what is promised is that **work is
//! in order of the tokens**. So:
//!
//! * **ordered work**: work with a lower token never lies behind work with a higher one; and none behind the
//!   revision at which somebody with a higher token held it (a Lock's answer is of such a revision); nor does
//!   anybody hold it then, nor when they ask for it after that. Unfenced work of a holder
//!   who was paused breaks this: that is what fencing is for.
//! * **one place, one holder**: no two are told that they hold with the same token, and nobody whose place was
//!   not there at the revision of that answer.
//! * **nothing is lost or returns**: a place that was given up, or at which fenced work was refused, does no more work, and
//!   is not seen to lead again; a resignation that was answered is none that is lost; nobody works, or says something, after
//!   somebody else was seen to lead with a higher token; whoever asks who leads, or observes, is never shown an earlier leader than before.
//!
//! * **an observer misses nobody**: between two leaders that it is shown one after another nobody led, and nothing was said by the one
//!   who led, that it was not shown; unless it had fallen behind by seconds, or a snapshot came in between.
//!
//! * **nothing that was done is undone**: what is read at the end of what they worked on is the last work that was acknowledged, or
//!   one that may have come after it.
//! * **no place is lost**: fenced work is not refused to somebody whose lease still lives, and who has not given the place up.
//!
//! (Of a real etcd, an observer may miss who led for a moment, and a member that led before may say that a lease lives which is gone,
//! without being asked to confirm it.)
//!
//! To proclaim is work: it is fenced by its place, too. What it cannot see: two who believe that they hold, of whom one never works.

use crate::checks::{Checker, Verdict, Witness, applies, verdict};
use crate::ops::{
    CompletedOp, Heard, LeaseId, LeaseOp, LeaseOutput, Led, LineOp, LineOutput, Op, OpEnd, OpId, Output, Saw, SimTime, View, What, work_key,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub(crate) const CHECKER: Checker = Checker {
    name: "mutual-exclusion",
    client_side: true,
    prefix: true,
    about: "who holds a lock, or leads, does so alone, in the order of the log, and works in the order of the fencing tokens",
    applies: |view| applies(view, |view| view.asks().any(|op| matches!(op, Op::Line(_)))),
    check: |view| verdict(view, check),
};

/// Somebody was shown something of a line, at a place of the history.
struct Shown {
    op: OpId,
    token: u64,
    asked_at: usize,
    told_at: usize,
    at: SimTime,
}

#[derive(Default)]
struct Line {
    /// Who was told to hold it: the token, the revision of the answer.
    held: Vec<(Shown, Option<u64>, String)>,
    /// Fenced work that was refused, by token: the place was gone.
    refused: BTreeMap<u64, Shown>,
    /// Work that was done, and what was proclaimed, by revision.
    work: BTreeMap<u64, Shown>,
    /// Places that were given up, by token.
    released: BTreeMap<u64, Shown>,
    /// Who was said to lead.
    leaders: Vec<Shown>,
}

fn check(view: &View<'_>) -> Verdict {
    let ops = view.ops();
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    let mut observing: BTreeMap<OpId, &str> = BTreeMap::new();
    for op in ops {
        let Op::Line(ask) = &op.ask else { continue };
        let line = lines.entry(ask.name()).or_default();
        if let LineOp::Observe { name, .. } = ask {
            observing.insert(op.id, name);
        }
        let (OpEnd::Ok(at, Output::Line(output)), told_at) = (&op.end, op.ended_at) else { continue };
        let shown = |token| Shown { op: op.id, token, asked_at: op.invoked_at, told_at, at: *at };
        match (ask, output) {
            (_, LineOutput::Held { place }) => line.held.push((shown(place.token), op.position, place.key.clone())),
            (LineOp::Work { place, .. }, LineOutput::Worked { yes: true }) => {
                // Two of one revision are the business of `revisions`.
                _ = op.position.map(|revision| line.work.insert(revision, shown(place.token)));
            }
            (LineOp::Proclaim { place, .. }, LineOutput::Proclaimed) => {
                _ = op.position.map(|revision| line.work.insert(revision, shown(place.token)));
            }
            (LineOp::Work { place, fenced: true, .. }, LineOutput::Worked { yes: false }) => {
                line.refused.entry(place.token).or_insert_with(|| shown(place.token));
            }
            (LineOp::Release { place, .. }, LineOutput::Released) => {
                line.released.entry(place.token).or_insert_with(|| shown(place.token));
            }
            (_, LineOutput::Led { leader: Some(led) }) => line.leaders.push(shown(led.token)),
            _ => {}
        }
    }
    let mut observed: BTreeMap<OpId, Vec<(SimTime, &Led)>> = BTreeMap::new();
    // Where an observation begins again: who led meanwhile is not told.
    let mut again: BTreeSet<(OpId, usize)> = BTreeSet::new();
    let asked: BTreeMap<OpId, usize> = ops.iter().map(|op| (op.id, op.invoked_at)).collect();
    for (told_at, t, op, heard) in view.heard() {
        if *heard == Heard::Observing {
            again.insert((op, observed.get(&op).map_or(0, Vec::len)));
        }
        if let (Heard::Leader { leader }, Some(name)) = (heard, observing.get(&op)) {
            observed.entry(op).or_default().push((t, leader));
            let asked_at = asked[&op];
            let shown = Shown { op, token: leader.token, asked_at, told_at, at: t };
            lines.entry(name).or_default().leaders.push(shown);
        }
    }
    let found = lines.iter().find_map(|(name, line)| line.judge(name));
    let found = found.or_else(|| in_order(ops, &observing, &observed));
    let found =
        found.or_else(|| skipped(view, ops, &observing, &observed, &again)).or_else(|| lost_work(view, ops)).or_else(|| lost_place(ops));
    found.map_or(Verdict::Valid, |witness| Verdict::Invalid(Box::new(witness)))
}

fn broken(kind: &'static str, at: SimTime, ops: &[OpId], summary: String) -> Option<Witness> {
    Some(Witness { kind, summary, details: vec![], at, ops: ops.to_vec() })
}

impl Line {
    fn judge(&self, name: &str) -> Option<Witness> {
        self.one_holder(name).or_else(|| self.ordered_work(name)).or_else(|| self.nothing_returns(name))
    }

    fn ordered_work(&self, name: &str) -> Option<Witness> {
        // The highest token up to each revision, of work and of those who were told that they hold.
        let mut highest: Option<(u64, OpId, &str)> = None;
        let told = self.held.iter().filter_map(|(shown, revision, _)| Some((((*revision)?, 1), shown, "was told to hold it")));
        // At the same revision, whoever was told it may have been so after the work.
        let worked = self.work.iter().map(|(revision, shown)| ((*revision, 0), shown, "worked"));
        let mut steps: Vec<((u64, u8), &Shown, &str)> = told.chain(worked).collect();
        steps.sort_by_key(|(place, shown, _)| (*place, shown.token));
        for ((revision, is_told), shown, how) in steps {
            if let Some((token, by, earlier)) = highest.filter(|(token, ..)| shown.token < *token) {
                let text = format!(
                    "{} {how} ({name}) at revision {revision} with token {}, after {by} {earlier} with token {token}",
                    shown.op, shown.token
                );
                return broken(if is_told == 1 { "held-too-late" } else { "stale-work" }, shown.at, &[by, shown.op], text);
            }
            if highest.is_none_or(|(token, ..)| shown.token >= token) {
                highest = Some((shown.token, shown.op, how));
            }
        }
        None
    }

    fn one_holder(&self, name: &str) -> Option<Witness> {
        if let Some((shown, revision, key)) = self.held.iter().find(|(shown, ..)| shown.token == 0) {
            let when = revision.map_or(String::new(), |revision| format!(" at revision {revision}"));
            let text = format!("{} was told to hold {name}{when}, and its place {key} was not there then", shown.op);
            return broken("held-without-place", shown.at, &[shown.op], text);
        }
        let mut keys: BTreeMap<u64, (&str, OpId)> = BTreeMap::new();
        for (shown, _, key) in &self.held {
            let (other, by) = *keys.entry(shown.token).or_insert((key, shown.op));
            if other != key {
                let text = format!("{by} and {} both hold {name} with token {}, as {other} and as {key}", shown.op, shown.token);
                return broken("two-holders", shown.at, &[by, shown.op], text);
            }
        }
        None
    }

    fn nothing_returns(&self, name: &str) -> Option<Witness> {
        let work = self.work.values().map(|shown| (shown, "worked"));
        let leaders = self.leaders.iter().map(|shown| (shown, "was shown that leader"));
        let held = self.held.iter().map(|(shown, ..)| (shown, "was told to hold it"));
        for (shown, how) in work.chain(leaders).chain(held) {
            if let Some(released) = self.released.get(&shown.token).filter(|released| released.told_at < shown.asked_at) {
                let text = format!("{} had given {name} up, token {}, and then {} {how}", released.op, shown.token, shown.op);
                return broken("returns", shown.at, &[released.op, shown.op], text);
            }
        }
        let work = self.work.values().map(|shown| (shown, "worked"));
        let held = self.held.iter().map(|(shown, ..)| (shown, "was told to hold it"));
        let leaders = self.leaders.iter().map(|shown| (shown, "was shown that leader"));
        for (shown, how) in work.chain(held).chain(leaders) {
            if let Some(refused) = self.refused.get(&shown.token).filter(|refused| refused.told_at < shown.asked_at) {
                let text = format!("{} was refused: token {} of {name} was gone; and then {} {how}", refused.op, shown.token, shown.op);
                return broken("returns", shown.at, &[refused.op, shown.op], text);
            }
        }
        // Who was told to hold it did so alone, and nobody before them ever again.
        let mut told: Vec<&Shown> = self.held.iter().map(|(shown, ..)| shown).chain(&self.leaders).collect();
        told.sort_by_key(|shown| shown.told_at);
        let works =
            self.work.values().map(|shown| (shown, "worked")).chain(self.held.iter().map(|(shown, ..)| (shown, "was told to hold it")));
        let mut works: Vec<(&Shown, &str)> = works.collect();
        works.sort_by_key(|(shown, _)| shown.asked_at);
        let (mut next, mut latest): (usize, Option<&Shown>) = (0, None);
        for (work, how) in works {
            while let Some(end) = told.get(next).filter(|end| end.told_at < work.asked_at) {
                latest = latest.filter(|l| l.token > end.token).or(Some(end));
                next += 1;
            }
            if let Some(latest) = latest.filter(|latest| latest.token > work.token) {
                let text = format!(
                    "{} {how} ({name}) with token {}, asked after {} was told of token {}",
                    work.op, work.token, latest.op, latest.token
                );
                return broken("stale-work", work.at, &[latest.op, work.op], text);
            }
        }
        // Who leads only ever becomes later: both those who are told that they do, and those who ask.
        let mut ends: Vec<&Shown> = self.leaders.iter().chain(self.held.iter().map(|(shown, ..)| shown)).collect();
        ends.sort_by_key(|shown| shown.told_at);
        let mut asks: Vec<&Shown> = self.leaders.iter().collect();
        asks.sort_by_key(|shown| shown.asked_at);
        let (mut next, mut latest): (usize, Option<&Shown>) = (0, None);
        for ask in asks {
            while let Some(end) = ends.get(next).filter(|end| end.told_at < ask.asked_at) {
                latest = latest.filter(|l| l.token > end.token).or(Some(end));
                next += 1;
            }
            if let Some(latest) = latest.filter(|latest| latest.token > ask.token) {
                let text = format!(
                    "{} was shown the leader of {name} with token {}, after {} had token {}",
                    ask.op, ask.token, latest.op, latest.token
                );
                return broken("old-leader", ask.at, &[latest.op, ask.op], text);
            }
        }
        None
    }
}

/// What is read at the end of what somebody worked on.
fn lost_work(view: &View<'_>, ops: &[CompletedOp]) -> Option<Witness> {
    let (finals_at, _) = view.entries().find(|(_, e)| e.what == What::FinalReads)?;
    let mut works: BTreeMap<String, Vec<(&CompletedOp, &str)>> = BTreeMap::new();
    for op in ops {
        let Op::Line(LineOp::Work { name, value, .. }) = &op.ask else { continue };
        if !matches!(op.end, OpEnd::Fail(_) | OpEnd::Ok(_, Output::Line(LineOutput::Worked { yes: false }))) {
            works.entry(work_key(name)).or_default().push((op, value));
        }
    }
    for read in ops.iter().filter(|op| op.invoked_at > finals_at) {
        let (Op::Get { key }, OpEnd::Ok(at, Output::Got { value })) = (&read.ask, &read.end) else { continue };
        let Some(works) = works.get(key) else { continue };
        let Some((last, what)) = works.iter().filter(|(op, _)| op.position.is_some()).max_by_key(|(op, _)| op.position) else { continue };
        let may_be_later = |(op, written): &(&CompletedOp, &str)| {
            Some(*written) == value.as_deref() && op.position.is_none_or(|r| Some(r) >= last.position)
        };
        if !works.iter().any(may_be_later) {
            let holds = value.as_deref().unwrap_or("nothing");
            let revision = last.position.unwrap_or(0);
            let text = format!(
                "{} left {what} in {key} at revision {revision}, the last that was acknowledged; at the end there is {holds}",
                last.id
            );
            return broken("lost-work", *at, &[last.id, read.id], text);
        }
    }
    None
}

/// Somebody was refused because their place was gone, whose lease lives on, and who did nothing to give it up.
fn lost_place(ops: &[CompletedOp]) -> Option<Witness> {
    let mut alive: BTreeMap<LeaseId, &CompletedOp> = BTreeMap::new();
    // Places that somebody gave up, or stood for without being told how that ended: then the server may have given them up.
    let mut doubtful: BTreeMap<(&str, LeaseId), usize> = BTreeMap::new();
    for op in ops {
        match (&op.ask, op.output()) {
            (Op::Lease(LeaseOp::KeepAlive { lease }), Some(Output::Lease(LeaseOutput::Renewed { ttl }))) if *ttl > 0 => {
                _ = alive.insert(*lease, op)
            }
            (Op::Lease(LeaseOp::TimeLeft { lease }), Some(Output::Lease(LeaseOutput::Left { ttl, .. }))) if *ttl >= 0 => {
                _ = alive.insert(*lease, op)
            }
            (Op::Line(LineOp::Release { name, place, .. }), _) => _ = doubtful.entry((name, place.lease)).or_insert(op.invoked_at),
            (Op::Line(LineOp::Acquire { name, lease, .. }), None) => _ = doubtful.entry((name, *lease)).or_insert(op.invoked_at),
            _ => {}
        }
    }
    ops.iter().find_map(|op| {
        let (Op::Line(LineOp::Work { name, place, fenced: true, .. }), OpEnd::Ok(at, Output::Line(LineOutput::Worked { yes: false }))) =
            (&op.ask, &op.end)
        else {
            return None;
        };
        let later = alive.get(&place.lease).filter(|later| later.invoked_at > op.ended_at)?;
        if place.token == 0 || doubtful.get(&(name.as_str(), place.lease)).is_some_and(|since| *since < op.ended_at) {
            return None;
        }
        let text = format!(
            "{} was refused: its place {} of {name} was gone; nobody gave it up, and {} found its lease alive after that",
            op.id, place.key, later.id
        );
        broken("lost-place", *at, &[op.id, later.id], text)
    })
}

/// What each observer was shown, one after another.
fn in_order(ops: &[CompletedOp], observing: &BTreeMap<OpId, &str>, observed: &BTreeMap<OpId, Vec<(SimTime, &Led)>>) -> Option<Witness> {
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
fn skipped(
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
        .filter(|(_, _, saw)| matches!(saw, Saw::SnapshotInstalled { .. } | Saw::Forgot { .. }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ClientId, Entry, LineKind, Place};

    /// Words: `hold 5@7` (told at revision 7 to hold with token 5), `work 5@9`, `give 5`, `lead 5`, each
    /// asked and answered at once; `watch 1`, `see 1 5@6`.
    fn verdict(script: &str) -> &'static str {
        let (mut history, mut next, mut t) = (Vec::new(), 100, 1);
        // Nodes tell of themselves.
        history.push(Entry { t: SimTime(0), what: What::Node { node: squall_history::NodeId(1), saw: Saw::Stopped } });
        for line in script.split("; ") {
            let words: Vec<&str> = line.split(' ').collect();
            let split = |w: &str| {
                let (token, revision) = w.split_once('@').unwrap_or((w, "0"));
                (token.parse::<u64>().unwrap(), revision.parse::<u64>().unwrap())
            };
            let place = |token: u64| Place { key: format!("l/{token}"), token, lease: LeaseId(token as i64) };
            let (kind, name) = (LineKind::Election, "l".to_string());
            next += 1;
            let whole = |ask, output, revision: u64| {
                let op = OpId(next);
                vec![
                    What::Invoke { client: ClientId(1), op, ask: Op::Line(ask) },
                    What::Ok { op, output: Output::Line(output), position: (revision > 0).then_some(revision) },
                ]
            };
            let whats = match words[..] {
                ["hold", w] => {
                    let (token, revision) = split(w);
                    let ask = LineOp::Acquire { kind, name, lease: LeaseId(1), value: token.to_string(), wait_ms: 1 };
                    whole(ask, LineOutput::Held { place: place(token) }, revision)
                }
                ["work", w] => {
                    let (token, revision) = split(w);
                    let ask = LineOp::Work { name, place: place(token), value: "v".into(), fenced: true };
                    whole(ask, LineOutput::Worked { yes: true }, revision)
                }
                ["refused", w] => {
                    let (token, revision) = split(w);
                    let ask = LineOp::Work { name, place: place(token), value: "v".into(), fenced: true };
                    whole(ask, LineOutput::Worked { yes: false }, revision)
                }
                ["say", w] => {
                    let (token, revision) = split(w);
                    let ask = LineOp::Proclaim { name, place: place(token), value: "v".into() };
                    whole(ask, LineOutput::Proclaimed, revision)
                }
                ["unfenced", w] => {
                    let (token, revision) = split(w);
                    let ask = LineOp::Work { name, place: place(token), value: "v".into(), fenced: false };
                    whole(ask, LineOutput::Worked { yes: true }, revision)
                }
                ["work", w, value] => {
                    let (token, revision) = split(w);
                    let ask = LineOp::Work { name, place: place(token), value: value.into(), fenced: true };
                    whole(ask, LineOutput::Worked { yes: true }, revision)
                }
                ["try", w, value] => {
                    let ask = LineOp::Work { name, place: place(split(w).0), value: value.into(), fenced: true };
                    whole(ask, LineOutput::Observed, 0)[..1].to_vec()
                }
                ["finals"] => vec![What::FinalReads],
                ["read", value] => {
                    let output = Output::Got { value: Some(value.to_string()).filter(|v| v != "-") };
                    let ask = Op::Get { key: work_key("l") };
                    vec![What::Invoke { client: ClientId(1), op: OpId(next), ask }, What::Ok { op: OpId(next), output, position: None }]
                }
                // Whether the lease of this token is there.
                ["lease", w] => {
                    let ask = Op::Lease(LeaseOp::TimeLeft { lease: LeaseId(split(w).0 as i64) });
                    let output = Output::Lease(LeaseOutput::Left { ttl: 1, keys: vec![] });
                    vec![What::Invoke { client: ClientId(1), op: OpId(next), ask }, What::Ok { op: OpId(next), output, position: None }]
                }
                ["give", w] => whole(LineOp::Release { kind, name, place: place(split(w).0) }, LineOutput::Released, 0),
                ["lead", w] => {
                    let token = split(w).0;
                    let led = Led { key: format!("l/{token}"), token, value: token.to_string(), revision: token };
                    whole(LineOp::Leader { name }, LineOutput::Led { leader: Some(led) }, 0)
                }
                ["late"] => {
                    t += 4_000_000_000;
                    continue;
                }
                ["again", op] => vec![What::Heard { op: OpId(op.parse().unwrap()), heard: Heard::Observing }],
                ["install"] => {
                    vec![What::Node { node: squall_history::NodeId(1), saw: Saw::SnapshotInstalled { index: 1, term: 1, state: 0 } }]
                }
                ["watch", op] => {
                    let ask = Op::Line(LineOp::Observe { name, lasts_ms: 1 });
                    vec![What::Invoke { client: ClientId(2), op: OpId(op.parse().unwrap()), ask }]
                }
                ["see", op, w] => {
                    let (token, revision) = split(w);
                    let leader = Led { key: format!("l/{token}"), token, value: token.to_string(), revision };
                    vec![What::Heard { op: OpId(op.parse().unwrap()), heard: Heard::Leader { leader } }]
                }
                _ => panic!("{line}"),
            };
            history.extend(whats.into_iter().map(|what| Entry { t: SimTime(t), what }));
        }
        match check(&View::new(&history)) {
            Verdict::Invalid(witness) => witness.kind,
            other => other.word(),
        }
    }

    #[test]
    fn legal_and_illegal_lines() {
        for (script, expect) in [
            ("hold 5@5; work 5@6; give 5; hold 7@8; work 7@9; lead 7", "valid"),
            ("hold 5@5; work 5@6; hold 7@8; work 7@9; work 5@10", "stale-work"),
            ("hold 5@5; hold 7@8; work 5@9", "stale-work"),
            ("hold 5@5; hold 7@8; work 5@7", "stale-work"),
            ("hold 5@5; hold 7@8; refused 5@9; work 7@10", "valid"),
            ("hold 5@5; work 7@8; hold 5@9", "held-too-late"),
            ("hold 5; hold 7; work 5@9", "stale-work"),
            ("hold 5; hold 7; hold 5", "stale-work"),
            ("hold 0@5", "held-without-place"),
            ("hold 5@5; hold 7@8; hold 5@9", "held-too-late"),
            ("hold 7@8; watch 1; see 1 5@5", "old-leader"),
            ("watch 1; hold 5@5; hold 7@8; see 1 5@5", "valid"),
            ("hold 5@5; give 5; watch 1; see 1 5@5", "returns"),
            ("hold 5@5; give 5; work 5@9", "returns"),
            ("hold 5@5; give 5; lead 5", "returns"),
            ("hold 5@5; give 5; hold 5@9", "returns"),
            ("hold 5@5; hold 7@8; lead 5", "old-leader"),
            ("lead 7; lead 5", "old-leader"),
            ("lead 5; lead 7", "valid"),
            ("watch 1; hold 5@5; hold 7@8; see 1 5@5; see 1 7@7", "valid"),
            ("watch 1; hold 5@5; hold 7@8; see 1 7@7; see 1 5@5", "observed-backwards"),
            ("hold 5@5; watch 1; see 1 5@6; see 1 5@5", "observed-backwards"),
            ("hold 5@5; watch 1; see 1 6@6", "invented-leader"),
            ("watch 1; hold 5@5; see 1 5@5; hold 7@8; hold 9@10; see 1 9@9", "skipped-leader"),
            ("watch 1; hold 5@5; see 1 5@5; hold 7@8; see 1 7@7; hold 9@10; see 1 9@9", "valid"),
            ("watch 1; hold 5@5; see 1 5@5; hold 7@8; hold 9@10; late; see 1 9@9", "valid"),
            ("watch 1; hold 5@5; see 1 5@5; work 5@6; hold 7@8; late; hold 9@10; see 1 9@9", "valid"),
            ("watch 1; hold 5@5; see 1 5@5; say 5@6; say 5@7; see 1 5@7", "skipped-leader"),
            ("watch 1; hold 5@5; see 1 5@5; say 5@6; see 1 5@6; say 5@7; see 1 5@7", "valid"),
            ("watch 1; hold 5@5; see 1 5@5; say 5@9; hold 7@10; see 1 7@7", "skipped-leader"),
            ("watch 1; hold 5@5; say 5@9; see 1 5@9; hold 7@10; see 1 7@7", "valid"),
            ("watch 1; hold 5@5; see 1 5@5; hold 7@8; hold 9@10; install; see 1 9@9", "valid"),
            ("watch 1; again 1; hold 5@5; see 1 5@5; hold 7@8; hold 9@10; again 1; see 1 9@9", "valid"),
            (
                "watch 1; again 1; hold 5@5; see 1 5@5; hold 7@8; again 1; hold 9@10; see 1 9@9; hold 11@12; hold 13@14; see 1 13@13",
                "skipped-leader",
            ),
            ("hold 5@5; say 5@6; hold 7@8; say 7@9", "valid"),
            ("hold 5@5; hold 7@8; say 7@9; say 5@10", "stale-work"),
            ("hold 5@5; give 5; say 5@9", "returns"),
            ("hold 5@5; refused 5@6; work 5@7", "returns"),
            ("hold 5@5; refused 5@6; lead 5", "returns"),
            ("hold 5@5; refused 5@6; hold 7@8; work 7@9", "valid"),
            ("hold 5@5; lead 7; work 5@9", "stale-work"),
            ("hold 5@5; lead 5; work 5@9; lead 7", "valid"),
            ("hold 5@5; unfenced 5@6; hold 7@8; work 7@9", "valid"),
            ("hold 5@5; hold 7@8; work 7@9; unfenced 5@10", "stale-work"),
            ("hold 5@5; work 5@6 a; work 5@7 b; finals; read b", "valid"),
            ("hold 5@5; work 5@6 a; work 5@7 b; finals; read a", "lost-work"),
            ("hold 5@5; work 5@6 a; work 5@7 b; finals; read -", "lost-work"),
            ("hold 5@5; work 5@6 a; try 5 c; finals; read c", "valid"),
            ("hold 5@5; work 5@6 a; try 5 c; finals; read a", "valid"),
            ("hold 5@5; work 5@6 a; work 5@7 b; finals; read z", "lost-work"),
            ("hold 5@5; refused 5@6; lease 5", "lost-place"),
            ("hold 5@5; lease 5; refused 5@6", "valid"),
            ("hold 5@5; give 5; refused 5@6; lease 5", "valid"),
            ("hold 5@5; refused 5@6; lease 7", "valid"),
            ("hold 5@5; refused 5@6; give 5; lease 5", "lost-place"),
        ] {
            assert_eq!(verdict(script), expect, "{script}");
        }
    }

    #[test]
    fn two_holders_of_one_token_are_seen() {
        let hold = |op, key: &str| {
            let ask = LineOp::Acquire { kind: LineKind::Lock, name: "l".into(), lease: LeaseId(1), value: String::new(), wait_ms: 1 };
            let place = Place { key: key.into(), token: 5, lease: LeaseId(1) };
            let output = Output::Line(LineOutput::Held { place });
            [What::Invoke { client: ClientId(1), op: OpId(op), ask: Op::Line(ask) }, What::Ok { op: OpId(op), output, position: Some(5) }]
        };
        let history = |keys: [&str; 2]| -> Vec<Entry> {
            let whats = [hold(1, keys[0]), hold(2, keys[1])].concat();
            whats.into_iter().map(|what| Entry { t: SimTime(1), what }).collect()
        };
        assert_eq!(check(&View::new(&history(["l/1", "l/1"]))).word(), "valid");
        assert_eq!(check(&View::new(&history(["l/1", "l/2"]))).word(), "invalid");
    }
}
