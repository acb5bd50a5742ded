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

mod line;
mod lost;
mod observers;

use crate::checks::{Checker, Verdict, applies, verdict};
use crate::ops::{Led, LineOp, LineOutput, Op, OpEnd, OpId, Output, SimTime, StreamEvent, View};
use line::{LockQueue, Shown};
use lost::{lost_place, lost_work};
use observers::{in_order, skipped};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const CHECKER: Checker = Checker {
    name: "mutual-exclusion",
    client_side: true,
    prefix: true,
    about: "a lock has one holder at a time and an election one leader, in the order of the log; work is done in the order of the fencing tokens",
    applies: &|view| applies(view, |view| view.asks().any(|op| matches!(op, Op::Line(_)))),
    check: &|view| verdict(view, check),
};

fn check(view: &View<'_>) -> Verdict {
    let ops = view.ops();
    let mut lines: BTreeMap<&str, LockQueue> = BTreeMap::new();
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
        if *heard == StreamEvent::Observing {
            again.insert((op, observed.get(&op).map_or(0, Vec::len)));
        }
        if let (StreamEvent::Leader { leader }, Some(name)) = (heard, observing.get(&op)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ClientId, Entry, EntryKind, LeaseId, LeaseOp, LeaseOutput, LineKind, Observation, Ticket, work_key};

    /// Words: `hold 5@7` (told at revision 7 to hold with token 5), `work 5@9`, `give 5`, `lead 5`, each
    /// asked and answered at once; `watch 1`, `see 1 5@6`.
    fn verdict(script: &str) -> &'static str {
        let (mut history, mut next, mut t) = (Vec::new(), 100, 1);
        // Nodes tell of themselves.
        history.push(Entry { t: SimTime(0), what: EntryKind::Node { node: squall_history::NodeId(1), saw: Observation::Stopped } });
        for line in script.split("; ") {
            let words: Vec<&str> = line.split(' ').collect();
            let split = |w: &str| {
                let (token, revision) = w.split_once('@').unwrap_or((w, "0"));
                (token.parse::<u64>().unwrap(), revision.parse::<u64>().unwrap())
            };
            let place = |token: u64| Ticket { key: format!("l/{token}"), token, lease: LeaseId(token as i64) };
            let (kind, name) = (LineKind::Election, "l".to_string());
            next += 1;
            let whole = |ask, output, revision: u64| {
                let op = OpId(next);
                vec![
                    EntryKind::Invoke { client: ClientId(1), op, ask: Op::Line(ask) },
                    EntryKind::Ok { op, output: Output::Line(output), position: (revision > 0).then_some(revision) },
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
                ["finals"] => vec![EntryKind::FinalReads],
                ["read", value] => {
                    let output = Output::Got { value: Some(value.to_string()).filter(|v| v != "-") };
                    let ask = Op::Get { key: work_key("l") };
                    vec![
                        EntryKind::Invoke { client: ClientId(1), op: OpId(next), ask },
                        EntryKind::Ok { op: OpId(next), output, position: None },
                    ]
                }
                // Whether the lease of this token is there.
                ["lease", w] => {
                    let ask = Op::Lease(LeaseOp::TimeLeft { lease: LeaseId(split(w).0 as i64) });
                    let output = Output::Lease(LeaseOutput::Left { ttl: 1, keys: vec![] });
                    vec![
                        EntryKind::Invoke { client: ClientId(1), op: OpId(next), ask },
                        EntryKind::Ok { op: OpId(next), output, position: None },
                    ]
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
                ["again", op] => vec![EntryKind::Heard { op: OpId(op.parse().unwrap()), heard: StreamEvent::Observing }],
                ["install"] => {
                    vec![EntryKind::Node {
                        node: squall_history::NodeId(1),
                        saw: Observation::SnapshotInstalled { index: 1, term: 1, state: 0 },
                    }]
                }
                ["watch", op] => {
                    let ask = Op::Line(LineOp::Observe { name, lasts_ms: 1 });
                    vec![EntryKind::Invoke { client: ClientId(2), op: OpId(op.parse().unwrap()), ask }]
                }
                ["see", op, w] => {
                    let (token, revision) = split(w);
                    let leader = Led { key: format!("l/{token}"), token, value: token.to_string(), revision };
                    vec![EntryKind::Heard { op: OpId(op.parse().unwrap()), heard: StreamEvent::Leader { leader } }]
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
            let place = Ticket { key: key.into(), token: 5, lease: LeaseId(1) };
            let output = Output::Line(LineOutput::Held { place });
            [
                EntryKind::Invoke { client: ClientId(1), op: OpId(op), ask: Op::Line(ask) },
                EntryKind::Ok { op: OpId(op), output, position: Some(5) },
            ]
        };
        let history = |keys: [&str; 2]| -> Vec<Entry> {
            let whats = [hold(1, keys[0]), hold(2, keys[1])].concat();
            whats.into_iter().map(|what| Entry { t: SimTime(1), what }).collect()
        };
        assert_eq!(check(&View::new(&history(["l/1", "l/1"]))).word(), "valid");
        assert_eq!(check(&View::new(&history(["l/1", "l/2"]))).word(), "invalid");
    }
}
