//! `membership`: lists of members are linearizable: who was added is there until somebody removes it,
//! and who was removed never comes back. Who votes does so until somebody asks for its removal: it is no learner afterwards.
//!
//! What it cannot see: nodes of the run that no client added (faults take them in and let them go), and whether a change was made
//! through joint consensus (that is for `raft`).

use crate::checks::{Checker, Verdict, Witness, applies, verdict};
use crate::ops::{CompletedOp, MemberId, MemberOp, MemberOutput, Op, OpEnd, OpId, Output, SimTime, View};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const CHECKER: Checker = Checker {
    name: "membership",
    client_side: true,
    prefix: true,
    about: "a member that was added is listed until it is removed, and never after",
    applies: &|view| applies(view, |view| view.asks().any(|op| matches!(op, Op::Member(_)))),
    check: &|view| verdict(view, check),
};

/// What was done to one member. Its number is its own: it is added once.
#[derive(Default)]
struct Life {
    /// The answer to its addition: where, and whose.
    added: Option<(usize, OpId)>,
    /// Where somebody first asked for its removal, be it in vain.
    removal_asked: Option<usize>,
    /// The first answer to a removal.
    removed: Option<(usize, OpId)>,
}

fn check(view: &View<'_>) -> Verdict {
    let ops = view.ops();
    let mut lives: BTreeMap<MemberId, Life> = BTreeMap::new();
    for op in ops {
        match (&op.ask, &op.end) {
            (Op::Member(MemberOp::AddLearner { .. }), OpEnd::Ok(_, Output::Member(MemberOutput::Added { member }))) => {
                lives.entry(*member).or_default().added = Some((op.ended_at, op.id));
            }
            (Op::Member(MemberOp::Remove { member }), end) => {
                let life = lives.entry(*member).or_default();
                if matches!(end, OpEnd::Fail(_)) {
                    continue;
                }
                life.removal_asked = Some(life.removal_asked.map_or(op.invoked_at, |at| at.min(op.invoked_at)));
                if matches!(end, OpEnd::Ok(..)) {
                    let this = (op.ended_at, op.id);
                    life.removed = Some(life.removed.map_or(this, |first| first.min(this)));
                }
            }
            _ => {}
        }
    }
    // What lists show counts as well: who was listed had been added, and who is missing after that is gone.
    let mut lists: Vec<(&CompletedOp, BTreeSet<MemberId>)> = ops.iter().filter_map(|op| Some((op, listed(op)?))).collect();
    lists.sort_by_key(|(op, _)| op.ended_at);
    let everybody: BTreeSet<MemberId> = lists.iter().flat_map(|(_, members)| members.iter().copied()).collect();
    for member in everybody.into_iter().filter(|member| member.0 > u64::from(u32::MAX)) {
        let life = lives.entry(member).or_default();
        for (op, members) in &lists {
            let this = (op.ended_at, op.id);
            match members.contains(&member) {
                true => life.added = Some(life.added.map_or(this, |first| first.min(this))),
                false if life.added.is_some_and(|(end, _)| end < op.invoked_at) => {
                    life.removed = Some(life.removed.map_or(this, |first| first.min(this)));
                }
                false => {}
            }
        }
    }
    // For each member, the first answer that showed it to vote.
    let mut votes: BTreeMap<MemberId, (usize, OpId)> = BTreeMap::new();
    for op in ops {
        let mut promoted = Vec::new();
        match (&op.ask, op.output()) {
            (Op::Member(MemberOp::Promote { member }), Some(_)) => promoted.push(*member),
            (_, Some(Output::Member(MemberOutput::Members { members }))) => {
                promoted.extend(members.iter().filter(|m| !m.learner).map(|m| m.member))
            }
            _ => {}
        }
        for member in promoted {
            let first = votes.entry(member).or_insert((op.ended_at, op.id));
            *first = (*first).min((op.ended_at, op.id));
        }
    }
    for op in ops {
        let OpEnd::Ok(at, Output::Member(MemberOutput::Members { members })) = &op.end else { continue };
        // Who was seen to vote does not only learn later, unless it is on its way out.
        let stays = |member: MemberId| {
            let asked = lives.get(&member).and_then(|life| life.removal_asked);
            member.0 > u64::from(u32::MAX) && asked.is_none_or(|asked| asked > op.ended_at)
        };
        for seen in members.iter().filter(|m| m.learner && stays(m.member)) {
            if let Some((_, by)) = votes.get(&seen.member).filter(|(end, _)| *end < op.invoked_at) {
                let text = format!("in {} by {} member {} only learns, and {by} saw it vote", op.id, op.client, seen.member);
                let witness = Witness { kind: "demoted", summary: text, details: vec![], at: *at, ops: vec![*by, op.id] };
                return Verdict::Invalid(Box::new(witness));
            }
        }
        for (member, life) in &lives {
            let listed = members.iter().any(|m| m.member == *member);
            if let Some(witness) = judge(op, *at, *member, life, listed) {
                return Verdict::Invalid(Box::new(witness));
            }
        }
    }
    Verdict::Valid
}

fn listed(op: &CompletedOp) -> Option<BTreeSet<MemberId>> {
    match op.output()? {
        Output::Member(MemberOutput::Members { members }) => Some(members.iter().map(|m| m.member).collect()),
        _ => None,
    }
}

fn judge(list: &CompletedOp, at: SimTime, member: MemberId, life: &Life, listed: bool) -> Option<Witness> {
    let (kind, by, why) = match (listed, life) {
        (true, Life { removed: Some((end, by)), .. }) if *end < list.invoked_at => ("came-back", *by, "is listed, and had been removed"),
        (false, Life { added: Some((end, by)), removal_asked, .. })
            if *end < list.invoked_at && removal_asked.is_none_or(|asked| asked > list.ended_at) =>
        {
            ("lost", *by, "is not listed; it had been added, and nobody asked for its removal")
        }
        _ => return None,
    };
    let summary = format!("in {} by {} member {member} {why} by {by}", list.id, list.client);
    Some(Witness { kind, summary, details: vec![], at, ops: vec![by, list.id] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ClientId, Entry, EntryKind, MemberSeen};

    /// Members from 7 on are clients' own. Lines: `add 1 7` (asked and answered), `remove 2 7`, `ok 2`, `list 3`, `listed 3 7` or `listed 3`;
    /// with a `+` it votes.
    fn verdict(script: &str) -> &'static str {
        let mut history = Vec::new();
        for line in script.split("; ") {
            let words: Vec<&str> = line.split(' ').collect();
            let op = OpId(words[1].parse().unwrap());
            let member = |word: &str| MemberId((1 << 40) + word.parse::<u64>().unwrap());
            let invoke = |ask| EntryKind::Invoke { client: ClientId(1), op, ask: Op::Member(ask) };
            let done = |output| EntryKind::Ok { op, output: Output::Member(output), position: None };
            let whats = match words[..] {
                ["add", _, m] => {
                    vec![invoke(MemberOp::AddLearner { url: "u".into() }), done(MemberOutput::Added { member: member(m) })]
                }
                ["remove", _, m] => vec![invoke(MemberOp::Remove { member: member(m) })],
                ["ok", _] => vec![done(MemberOutput::Removed)],
                ["no", _] => vec![EntryKind::Fail { op, code: String::new(), why: String::new() }],
                ["promote", _, m] => vec![invoke(MemberOp::Promote { member: member(m) }), done(MemberOutput::Promoted)],
                ["list", _] => vec![invoke(MemberOp::List)],
                ["listed", _, ref all @ ..] => {
                    let members =
                        all.iter().map(|m| MemberSeen { member: member(m.trim_end_matches('+')), learner: !m.ends_with('+') }).collect();
                    vec![done(MemberOutput::Members { members })]
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
    fn legal_and_illegal_lists() {
        for (script, expect) in [
            ("add 1 7; list 2; listed 2 7; remove 3 7; ok 3; list 4; listed 4", "valid"),
            ("add 1 7; list 2; listed 2", "lost"),
            ("add 1 7; remove 3 7; list 2; listed 2", "valid"),
            ("add 1 7; remove 3 7; list 2; listed 2 7", "valid"),
            ("add 1 7; remove 3 7; ok 3; list 2; listed 2 7", "came-back"),
            ("add 1 7; remove 3 7; list 2; ok 3; listed 2 7", "valid"),
            ("list 2; add 1 7; listed 2", "valid"),
            ("list 2; listed 2 7 8", "valid"),
            ("list 2; listed 2 7; list 3; listed 3", "lost"),
            ("list 2; list 3; listed 2 7; listed 3", "valid"),
            ("list 2; listed 2 7; remove 4 7; list 3; listed 3", "valid"),
            ("list 2; listed 2 7; remove 4 7; no 4; list 3; listed 3", "lost"),
            ("list 2; listed 2 7; remove 4 7; list 3; listed 3; list 5; listed 5 7", "came-back"),
            ("add 1 7; promote 2 7; list 3; listed 3 7+", "valid"),
            ("add 1 7; promote 2 7; list 3; listed 3 7", "demoted"),
            ("list 2; listed 2 7+; list 3; listed 3 7", "demoted"),
            ("list 2; list 3; listed 3 7+; listed 2 7", "valid"),
            ("list 2; listed 2 7+; remove 4 7; list 3; listed 3 7", "valid"),
            ("list 2; listed 2 7+; remove 4 7; no 4; list 3; listed 3 7", "demoted"),
            ("list 2; listed 2 7; list 3; listed 3 7+", "valid"),
        ] {
            assert_eq!(verdict(script), expect, "{script}");
        }
    }
}
