//! Stories, one observation a word.

use super::*;
use squall_history::{BootData, Entry, SimTime};

/// `n1 boot`, `n1 vote 3>n2` (with `!`: and n2 won), `n1 lead 3`, `n1 append 5:2 6:2x` (index:term, a letter for other
/// contents), `n1 cut 4`, `n1 commit 5:2`, `n1 apply 5`, `n1 purge 5:2`, `n1 install 5:2`, `n1 sync 5`, `n1 member 3 1,2,3`.
fn verdict(story: &str) -> String {
    let pair = |text: &str| {
        let (index, term) = text.split_once(':').unwrap();
        let digits = term.trim_end_matches(char::is_alphabetic);
        (index.parse().unwrap(), digits.parse().unwrap(), (term.len() - digits.len()) as u32)
    };
    let mut history = Vec::new();
    for (t, line) in story.split("; ").enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["heal"] => {
                history.push(Entry { t: SimTime(t as u64), what: EntryKind::Healed { within: 1, nodes: vec![] } });
                continue;
            }
            // Ten seconds later.
            ["end"] => {
                history.push(Entry { t: SimTime(10_000_000_000), what: EntryKind::End });
                continue;
            }
            _ => {}
        }
        let node = NodeId(words[0][1..].parse().unwrap());
        let saw = match words[1..] {
            // The end of what a node tells at its start.
            ["up"] => Observation::Forgot { before: 0 },
            ["damaged"] => Observation::Disk { disk: squall_history::DiskHealth::Damaged },
            ["anew"] => Observation::Booted { incarnation: 1, data: BootData::Empty },
            ["boot"] => Observation::Booted { incarnation: 1, data: BootData::Kept },
            ["vote", vote] => {
                let granted = vote.ends_with('!');
                let (term, whom) = vote.trim_end_matches('!').split_once('>').unwrap();
                Observation::Vote { term: term.parse().unwrap(), voted_for: Some(NodeId(whom[1..].parse().unwrap())), granted }
            }
            ["lead", term] => Observation::Role { term: term.parse().unwrap(), role: Role::Leader, leader: Some(node) },
            ["append", ..] => {
                Observation::Append { entries: words[2..].iter().map(|w| pair(w)).map(|(i, t, h)| LogMark(i, t, h)).collect() }
            }
            ["cut", after] => Observation::Truncate { after: after.parse().ok() },
            ["commit", at] => Observation::Commit { index: pair(at).0, term: pair(at).1 },
            ["apply", index] => Observation::Apply { first: index.parse().unwrap(), state: vec![0] },
            ["sync", index] => Observation::Synced { index: index.parse().unwrap() },
            // `member 3 1,2,3+2,3,4`: at index 3, joint.
            ["member", index, sets] => {
                let set = |text: &str| text.split(',').map(|n| n.parse().unwrap()).collect();
                Observation::Membership { index: index.parse().unwrap(), voters: sets.split('+').map(set).collect(), learners: vec![] }
            }
            ["restored", at] => Observation::Restored { index: pair(at).0, term: pair(at).1, state: 0 },
            ["built", at] => Observation::SnapshotBuilt { index: pair(at).0, term: pair(at).1 },
            ["follow", term] => Observation::Role { term: term.parse().unwrap(), role: Role::Follower, leader: None },
            ["stop"] => Observation::Stopped,
            ["purge", at] => Observation::Purge { upto: pair(at).0, term: pair(at).1 },
            ["install", at] => Observation::SnapshotInstalled { index: pair(at).0, term: pair(at).1, state: 0 },
            _ => panic!("{line}"),
        };
        history.push(Entry { t: SimTime(t as u64), what: EntryKind::Node { node, saw } });
    }
    match check(&View::new(&history)) {
        Verdict::Invalid(witness) => witness.kind.to_string(),
        other => other.word().to_string(),
    }
}

#[test]
fn legal_and_illegal_stories() {
    for (story, expect) in [
        ("n1 lead 1; n2 lead 2; n1 lead 3", "valid"),
        ("n1 lead 1; n2 lead 1", "election-safety"),
        ("n1 vote 1>n1; n1 vote 2>n2; n1 boot; n1 vote 2>n2", "valid"),
        ("n1 vote 2>n2; n1 boot; n1 vote 1>n1", "monotonic-term"),
        ("n1 vote 2>n2; n1 boot; n1 vote 2>n3", "one-vote-a-term"),
        ("n3 vote 2>n3; n3 vote 2>n5!; n3 boot; n3 vote 2>n5!", "valid"),
        ("n3 vote 2>n5!; n3 vote 2>n4!", "one-vote-a-term"),
        ("n3 vote 2>n5!; n3 vote 2>n4", "one-vote-a-term"),
        ("n1 append 0:1 1:1; n2 append 0:1 1:1", "valid"),
        ("n1 append 0:1 1:1; n2 append 0:1 1:1x", "log-matching"),
        ("n1 append 0:1 1:1 2:3; n2 append 0:1 1:2 2:3", "log-matching"),
        ("n1 append 0:1 1:1 2:1; n1 cut 0; n1 append 1:2; n2 append 0:1 1:1 2:1", "valid"),
        ("n1 append 0:1 1:1 2:1; n1 append 1:2; n2 append 0:1", "log-matching"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 lead 2", "valid"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1; n2 lead 2", "leader-completeness"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:2; n2 lead 3", "leader-completeness"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 install 1:1; n2 purge 1:1; n2 lead 2", "valid"),
        ("n1 commit 1:1; n2 commit 1:2", "state-machine-safety"),
        ("n1 append 0:1 1:1; n1 commit 0:1; n1 commit 1:1; n2 append 0:1 1:2; n2 commit 0:1; n2 commit 1:2", "state-machine-safety"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n1 cut 0", "committed-truncated"),
        // What its leader has is removed only before a snapshot takes its place.
        (
            "n1 vote 1>n1!; n1 lead 1; n1 append 0:1 1:1; n2 boot; n2 vote 1>n1!; n2 append 0:1 1:1; n2 cut 0; heal; end",
            "truncated-without-conflict",
        ),
        ("n1 vote 1>n1!; n1 lead 1; n1 append 0:1 1:1; n2 boot; n2 vote 1>n1!; n2 append 0:1 1:1; n2 cut 0; heal", "valid"),
        ("n1 vote 1>n1!; n1 lead 1; n1 append 0:1 1:1; n2 boot; n2 vote 1>n1!; n2 append 0:1 1:1; n2 cut 0; n2 stop; heal; end", "valid"),
        (
            "n1 vote 1>n1!; n1 lead 1; n1 append 0:1 1:1; n2 vote 1>n1!; n2 append 0:1 1:1; n2 cut 0; n2 append 1:1",
            "truncated-without-conflict",
        ),
        ("n1 vote 2>n1!; n1 lead 2; n1 append 0:1 1:2; n2 vote 2>n1!; n2 append 0:1 1:1; n2 cut 0; n2 append 1:2", "valid"),
        (
            "n1 vote 1>n1!; n1 lead 1; n1 append 0:1 1:1; n2 vote 1>n1!; n2 append 0:1 1:1; n2 cut 0; n2 install 5:1; n2 purge 5:1; n2 append 6:1",
            "valid",
        ),
        ("n1 vote 1>n1!; n1 lead 1; n1 append 0:1 1:1; n2 vote 2>n3!; n2 append 0:1 1:1; n2 cut 0; n2 append 1:2", "valid"),
        ("n1 vote 1>n1!; n1 lead 1; n1 append 0:1 1:1; n1 follow 1; n2 vote 1>n1!; n2 append 0:1 1:1; n2 cut 0; n2 append 1:1", "valid"),
        ("n1 vote 1>n1!; n1 lead 1; n1 append 0:1 1:1; n1 cut 0; n1 append 1:1", "truncated-without-conflict"),
        ("n1 commit 5:1; n1 commit 4:1", "monotonic-commit"),
        ("n1 commit 5:1; n1 boot; n1 commit 4:1", "valid"),
        ("n1 commit 2:1; n1 apply 1; n1 apply 2", "valid"),
        ("n1 commit 2:1; n1 apply 1; n1 apply 1", "monotonic-applied"),
        ("n1 commit 2:1; n1 apply 3", "applied-uncommitted"),
        ("n1 install 7:2; n1 purge 7:2; n1 append 8:2; n1 commit 8:2; n1 apply 8", "valid"),
        ("n1 install 7:2; n1 install 5:2", "monotonic-applied"),
        ("n1 install 7:2; n1 boot; n1 install 5:2", "valid"),
        ("n1 append 0:1 1:1; n1 append 3:1", "log-gap"),
        ("n1 append 0:1 1:1; n1 append 2:1 4:1", "log-gap"),
        ("n1 append 0:1 1:1; n1 purge 1:1; n1 append 2:1", "valid"),
        ("n1 append 0:1; n1 install 7:2; n1 purge 7:2; n1 append 8:2", "valid"),
        ("n1 append 5:1", "valid"),
        // Quorums.
        ("n1 append 0:1; n1 member 0 1,2,3; n1 sync 0; n2 append 0:1; n2 sync 0; n1 commit 0:1", "valid"),
        ("n1 append 0:1; n1 member 0 1,2,3; n1 sync 0; n2 append 0:1; n1 commit 0:1", "no-quorum"),
        ("n1 append 0:1; n1 member 0 1,2,3; n1 sync 0; n2 append 0:2; n2 sync 0; n1 commit 0:1", "no-quorum"),
        ("n1 append 0:1; n1 member 0 1,2,3; n1 sync 0; n2 install 0:1; n1 commit 0:1", "valid"),
        ("n1 append 0:1; n1 member 0 1,2,3; n1 sync 0; n2 append 0:1; n2 sync 0; n2 boot; n1 commit 0:1", "valid"),
        ("n1 append 0:1; n1 member 0 1,2,3; n1 sync 0; n2 append 0:1; n2 boot; n1 commit 0:1", "no-quorum"),
        (
            "n1 append 0:1; n1 member 0 1,2,3; n1 sync 0; n2 append 0:1; n2 sync 0; n2 boot; n2 append 0:1; n2 sync 0; n2 cut -; \
             n2 append 0:2; n2 sync 0; n1 commit 0:1",
            "no-quorum",
        ),
        (
            "n1 append 0:1; n1 member 0 1,2; n1 sync 0; n2 append 0:1; n2 sync 0; n1 commit 0:1; n1 install 7:1; n1 purge 7:1; \
             n1 append 8:1; n1 member 8 4,5",
            "not-joint",
        ),
        (
            "n2 append 0:1 1:1; n2 member 0 1,2; n2 member 1 1,2+4,5; n2 sync 1; n1 append 0:1; n1 member 0 1,2; n1 sync 0; \
             n1 append 1:1; n1 sync 1; n4 append 0:1 1:1; n4 sync 1; n5 append 0:1 1:1; n5 sync 1; n2 commit 0:1; n2 commit 1:1; \
             n3 append 0:1; n3 member 0 1,2; n3 install 1:1; n3 purge 1:1; n3 append 2:1; n3 member 2 4,5",
            "valid",
        ),
        ("n1 append 0:1; n1 member 0 1,2,3; n1 sync 0; n2 append 0:1; n2 sync 0; n2 cut -; n1 commit 0:1", "no-quorum"),
        (
            "n1 append 0:1 1:1; n1 member 0 1,2,3; n1 member 1 1,2,3+4,5,6; n1 sync 1; n2 append 0:1 1:1; n2 sync 1; n1 commit 1:1",
            "no-quorum",
        ),
        ("n1 append 0:1 1:1; n1 member 0 1,2,3; n1 member 1 1,2,3+1,2,4; n1 sync 1; n2 append 0:1 1:1; n2 sync 1; n1 commit 1:1", "valid"),
        ("n1 append 0:1 1:1 2:1; n1 member 0 1,2; n1 member 1 1,2+1,2,3; n1 member 2 1,2,3", "valid"),
        ("n1 append 0:1 1:1; n1 member 0 1,2; n1 member 1 1,2,3", "not-joint"),
        ("n1 append 0:1 1:1; n1 member 0 1,2; n1 member 1 1,2", "valid"),
        ("n1 append 0:1 1:1; n1 member 0 1,2; n1 member 1 1,2+2,3; n1 cut 0; n1 append 1:2; n1 member 1 1,2", "valid"),
        // A leader's commit moves by an entry of its own term.
        ("n1 append 0:1 1:1; n2 append 0:1 1:1; n2 lead 2; n2 commit 1:1", "commit-of-another-term"),
        ("n1 append 0:1 1:1; n2 append 0:1 1:1; n2 lead 2; n2 append 2:2; n2 commit 2:2; n2 commit 2:2", "valid"),
        ("n1 append 0:1 1:1; n2 append 0:1 1:1; n1 commit 1:1; n2 lead 2; n2 commit 1:1", "valid"),
        ("n1 append 0:1 1:1; n2 append 0:1 1:1; n2 lead 2; n2 follow 3; n2 commit 1:1", "valid"),
        ("n1 append 0:1 1:1; n2 append 0:1 1:1; n2 lead 2; n2 boot; n2 append 0:1 1:1; n2 commit 1:1", "valid"),
        // What was told as durable is found again.
        ("n1 append 0:1 1:1 2:1; n1 sync 1; n1 boot; n1 append 0:1 1:1; n1 up", "valid"),
        ("n1 append 0:1 1:1 2:1; n1 sync 2; n1 boot; n1 append 0:1 1:1; n1 sync 1", "durable-lost"),
        ("n1 append 0:1 1:1 2:1; n1 sync 2; n1 boot; n1 append 0:1 1:1; n1 up", "durable-lost"),
        ("n1 append 0:1 1:1 2:1; n1 sync 2; n1 boot; n1 up", "durable-lost"),
        ("n1 append 0:1 1:1 2:1; n1 sync 2; n1 damaged; n1 boot; n1 up", "valid"),
        ("n1 append 0:1 1:1 2:1; n1 sync 2; n1 boot; n1 append 0:1 1:1 2:2; n1 up", "durable-lost"),
        ("n1 append 0:1 1:1 2:1; n1 sync 2; n1 cut 1; n1 boot; n1 append 0:1 1:1; n1 up", "valid"),
        ("n1 append 0:1 1:1 2:1; n1 sync 2; n1 cut 1; n1 append 2:2; n1 boot; n1 append 0:1 1:1 2:1; n1 up", "valid"),
        (
            "n1 append 0:1 1:1 2:1; n1 sync 2; n1 commit 2:1; n1 apply 2; n1 built 2:1; n1 purge 1:1; n1 boot; n1 purge 1:1; n1 append 2:1; n1 up",
            "valid",
        ),
        (
            "n1 append 0:1 1:1 2:1; n1 sync 2; n1 commit 1:1; n1 apply 1; n1 built 1:1; n1 purge 1:1; n1 boot; n1 purge 1:1; n1 up",
            "durable-lost",
        ),
        ("n1 append 0:1 1:1 2:1; n1 sync 2; n1 boot; n1 purge 1:2; n1 up", "valid"),
        ("n1 append 0:1 1:1; n1 sync 1; n1 boot; n1 boot; n1 append 0:1; n1 up", "durable-lost"),
        ("n1 append 0:1 1:1; n1 sync 1; n1 damaged; n1 anew; n1 up", "valid"),
        ("n1 append 0:1 1:1; n1 sync 1; n1 damaged; n1 anew; n1 boot; n1 up", "valid"),
        ("n1 append 0:1 1:1; n1 sync 1; n1 damaged; n1 anew; n1 append 0:2; n1 sync 0; n1 boot; n1 up", "durable-lost"),
        // What is committed stays.
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 cut 0; n2 append 1:2", "committed-truncated"),
        // What was cut off and durable must be found again at the start, or be in a snapshot.
        (
            "n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 sync 1; n2 cut 0; n2 boot; n2 append 0:1; n2 append 1:1",
            "committed-lost",
        ),
        (
            "n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 sync 1; n2 cut 0; n2 boot; n2 append 0:1; n2 restored 0:1; n2 install 5:1",
            "committed-lost",
        ),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 sync 1; n2 cut 0; n2 boot; n2 append 0:1 1:1; n2 install 5:1", "valid"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 sync 1; n2 cut 0; n2 install 5:1; n2 boot; n2 append 6:1", "valid"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 sync 0; n2 cut 0; n2 boot; n2 append 0:1; n2 append 1:1", "valid"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 sync 1; n2 cut 0; n2 boot; n2 purge 1:1; n2 install 5:1", "valid"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 cut 0; n2 install 1:1; n2 purge 1:1; n2 append 2:2", "valid"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:1; n2 cut 0; n2 boot; n2 append 0:1", "valid"),
        (
            "n1 append 0:1; n1 member 0 1,2,3; n1 sync 0; n1 append 1:1; n1 member 1 1,2,3+7,8,9; n1 boot; n1 append 0:1; n1 member 0 1,2,3; \
             n1 sync 0; n2 append 0:1 1:2; n2 sync 1; n1 append 1:2; n1 sync 1; n1 commit 1:2",
            "valid",
        ),
        (
            "n1 append 0:1 1:1; n1 member 0 1,2,3; n1 sync 1; n2 append 0:1 1:1; n2 sync 1; n1 commit 1:1; n3 append 0:1; n3 commit 0:1",
            "valid",
        ),
        ("n1 append 0:1 1:1; n1 commit 1:1; n2 append 0:1 1:0; n2 cut 0", "valid"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n1 append 1:2", "committed-overwritten"),
        // purged <= snapshot <= applied <= committed <= last
        ("n1 append 0:1 1:1; n1 commit 2:1", "committed-beyond-log"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n1 apply 0; n1 built 0:1", "valid"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n1 apply 0; n1 built 1:1", "snapshot-ahead"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n1 apply 0; n1 built 0:1; n1 purge 0:1; n1 apply 1", "valid"),
        ("n1 append 0:1 1:1; n1 commit 1:1; n1 apply 0; n1 purge 0:1; n1 apply 1", "purged-ahead"),
    ] {
        assert_eq!(verdict(story), expect, "{story}");
    }
}
