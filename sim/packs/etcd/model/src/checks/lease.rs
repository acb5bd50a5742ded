//! `lease`: a lease lives at least as long as was promised, ends at last, and takes its keys with it at
//! once.
//!
//! ```text
//!   grant 2s    keep-alive (asked at 1.0s, answered)     asked at 2.9s, answered at 3.1s: "no such lease"
//!   |-----------|----------------------------|- - - - - -^
//!                promised until 3.0s         3.0s         legal: it was told after that
//! ```
//!
//! * **never early**: told to be gone only when its time is over, counted from when its last successful
//!   renewal was *asked for*; unless somebody asked for its end.
//! * **nothing revives**: after somebody was told that it is gone, nobody finds it there.
//! * **at once**: its keys go in one revision (where a watch tells of them).
//! * **its keys**: whoever asks is told every key that was hung on it before, and none that was not.
//!   (A real etcd answers that from its leader's memory, which a put that was acknowledged elsewhere may not have reached.)
//! * **what is left**: whoever asks is not told less than what was promised, rounded down to whole seconds, nor more than its time to
//!   live, nor more than what can be left of a renewal or of an earlier answer, while one leader stays.
//! * **at last**: when nobody can have renewed it any more, and one leader stays, it is gone after its time
//!   to live and a little.
//!
//! It goes by true time, which is more than what a holder whose clock is off by a bound may count on: where clocks run slow leases end late, which is legal, and where one runs fast, by up to a
//! tenth, it must not matter. Where a monotonic clock leapt forward, a lease may have ended that much earlier. What it cannot see: a lease that nobody asks about at the end; renewals in the background of
//! leases that are kept (those count as granted once, and may live longer).

use crate::checks::{Checker, Verdict, Witness, applies, verdict};
use crate::ops::{
    CompletedOp, Entry, EntryKind, LEASE_NOT_FOUND, LeaseId, LeaseOp, LeaseOutput, LineOp, Observation, Op, OpEnd, OpId, Output, Role,
    SimTime, StreamEvent, View, in_words,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub(crate) const CHECKER: Checker = Checker {
    name: "lease",
    client_side: true,
    prefix: true,
    about: "a lease never expires early and always expires in the end; all its keys go in one revision; none comes back",
    applies: &|view| applies(view, |view| view.asks().any(|op| matches!(op, Op::Lease(_)))),
    check: &|view| verdict(view, check),
};

/// The server counts in its own steps, and a revocation takes its time through the log.
const GRACE: Duration = Duration::from_secs(4);

/// A renewal that nobody saw answered may reach the server this much later.
const LATE: Duration = Duration::from_secs(30);

/// How long the last renewal of a client that has ended may be under way, with nothing broken any more.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// Something that somebody was told.
#[derive(Clone, Copy, Debug)]
struct Sign {
    op: OpId,
    /// When that was asked.
    asked: SimTime,
    asked_at: usize,
    /// When it was answered.
    told: SimTime,
    told_at: usize,
}

#[derive(Default)]
struct Life {
    ttl: Duration,
    kept: bool,
    /// Grants and renewals that succeeded.
    renewed: Vec<Sign>,
    /// Somebody found it there.
    alive: Vec<Sign>,
    /// Somebody was told that it is gone.
    gone: Vec<Sign>,
    /// The first time that somebody asked for its end.
    end_asked: Option<SimTime>,
    /// Each renewal that may have happened: asked, and the last moment at which it may have reached the server.
    renewing: Vec<(SimTime, SimTime)>,
    /// What somebody was told to be left, in seconds.
    left: Vec<(Sign, u64)>,
    /// The last moment at which a renewal may have reached the server.
    renewable_until: SimTime,
    /// The revisions at which a watch told that one of its keys went.
    went: BTreeMap<u64, (String, OpId)>,
}

fn sign(op: &CompletedOp) -> Option<Sign> {
    let (OpEnd::Ok(told, _) | OpEnd::Fail(told)) = op.end else { return None };
    Some(Sign { op: op.id, asked: op.invoked, asked_at: op.invoked_at, told, told_at: op.ended_at })
}

/// Everything that is known of each lease.
fn lives(view: &View<'_>, ops: &[CompletedOp]) -> BTreeMap<LeaseId, Life> {
    let is_gone = |e: &Entry| if let EntryKind::Fail { op, code, .. } = &e.what { (code == LEASE_NOT_FOUND).then_some(*op) } else { None };
    let not_found: BTreeSet<OpId> = view.entries().filter_map(|(_, e)| is_gone(e)).collect();
    let mut lives: BTreeMap<LeaseId, Life> = BTreeMap::new();
    for op in ops {
        if let (Op::Lease(LeaseOp::Grant { keep, .. }), Some(Output::Lease(LeaseOutput::Granted { lease, ttl }))) = (&op.ask, op.output()) {
            let life = lives.entry(*lease).or_default();
            (life.ttl, life.kept) = (Duration::from_secs(*ttl), *keep);
            life.renewed.extend(sign(op));
            life.renewable_until = life.renewable_until.max(sign(op).map_or(op.invoked, |s| s.told));
        }
    }
    let mut owners: BTreeMap<&str, (LeaseId, usize)> = BTreeMap::new();
    for op in ops {
        let Op::Lease(ask) = &op.ask else { continue };
        let Some(life) = ask.lease().and_then(|lease| lives.get_mut(&lease)) else { continue };
        let not_found = not_found.contains(&op.id);
        match (ask, op.output()) {
            (_, None) if not_found => life.gone.extend(sign(op)),
            (LeaseOp::KeepAlive { .. }, Some(Output::Lease(LeaseOutput::Renewed { ttl: 0 }))) => life.gone.extend(sign(op)),
            (LeaseOp::KeepAlive { .. }, Some(_)) => life.renewed.extend(sign(op)),
            (LeaseOp::TimeLeft { .. }, Some(Output::Lease(LeaseOutput::Left { ttl: -1, .. }))) => life.gone.extend(sign(op)),
            (LeaseOp::TimeLeft { .. }, Some(Output::Lease(LeaseOutput::Left { ttl, .. }))) => {
                life.alive.extend(sign(op));
                life.left.extend(sign(op).zip(u64::try_from(*ttl).ok()));
            }
            (LeaseOp::Attach { lease, key, .. }, Some(_)) => {
                life.alive.extend(sign(op));
                owners.entry(key).or_insert((*lease, op.ended_at));
            }
            _ => {}
        }
        match (ask, &op.end) {
            (LeaseOp::Revoke { .. }, OpEnd::Ok(..) | OpEnd::Open) => {
                life.end_asked = Some(life.end_asked.map_or(op.invoked, |at| at.min(op.invoked)));
                if op.output().is_some() {
                    life.gone.extend(sign(op).map(|s| Sign { asked: s.told, asked_at: s.told_at, ..s }));
                }
            }
            (LeaseOp::KeepAlive { .. }, OpEnd::Ok(at, _)) => {
                life.renewing.push((op.invoked, *at));
                life.renewable_until = life.renewable_until.max(*at);
            }
            (LeaseOp::KeepAlive { .. }, OpEnd::Open) => {
                life.renewing.push((op.invoked, op.invoked + LATE));
                life.renewable_until = life.renewable_until.max(op.invoked + LATE);
            }
            _ => {}
        }
    }
    keys(view, ops, &owners, &mut lives);
    lives
}

/// What is told of a lease's keys. (Each key is hung on one lease, once.)
fn told_keys(ops: &[CompletedOp]) -> Option<Witness> {
    let mut hung: BTreeMap<LeaseId, Vec<(&str, &CompletedOp)>> = BTreeMap::new();
    // A place in line hangs on a lease, too.
    let mut in_line: BTreeSet<LeaseId> = BTreeSet::new();
    for op in ops.iter().filter(|op| !matches!(op.end, OpEnd::Fail(_))) {
        match &op.ask {
            Op::Lease(LeaseOp::Attach { lease, key, .. }) => hung.entry(*lease).or_default().push((key, op)),
            Op::Line(LineOp::Acquire { lease, .. }) => _ = in_line.insert(*lease),
            _ => {}
        }
    }
    for op in ops {
        let (Op::Lease(LeaseOp::TimeLeft { lease }), OpEnd::Ok(at, Output::Lease(LeaseOutput::Left { ttl: 0.., keys }))) =
            (&op.ask, &op.end)
        else {
            continue;
        };
        let hung = hung.get(lease).map_or(&[][..], Vec::as_slice);
        let before = |(_, other): &&(&str, &CompletedOp)| other.ended_at < op.invoked_at;
        let missing = hung.iter().filter(before).find(|(key, _)| !keys.iter().any(|k| k == key));
        let strange =
            keys.iter().find(|key| !in_line.contains(lease) && !hung.iter().any(|(k, other)| k == key && other.invoked_at < op.ended_at));
        let (text, ops) = match (missing, strange) {
            (Some((key, by)), _) => {
                (format!("{} was not told {key}, which {} had hung on lease {lease}", op.id, by.id), vec![by.id, op.id])
            }
            (None, Some(key)) => (format!("{} was told {key}, which nobody hung on lease {lease}", op.id), vec![op.id]),
            (None, None) => continue,
        };
        return Some(Witness { kind: "wrong-keys", summary: text, details: vec![], at: *at, ops });
    }
    None
}

/// What reads and watches tell of keys that hang on a lease. Each such key is written once, so that its
/// going is the lease's end.
fn keys(view: &View<'_>, ops: &[CompletedOp], owners: &BTreeMap<&str, (LeaseId, usize)>, lives: &mut BTreeMap<LeaseId, Life>) {
    for op in ops {
        let (Op::Get { key }, Some(Output::Got { value })) = (&op.ask, op.output()) else { continue };
        let Some((lease, attached)) = owners.get(key.as_str()) else { continue };
        let Some(life) = lives.get_mut(lease) else { continue };
        match value {
            Some(_) => life.alive.extend(sign(op)),
            None if *attached < op.invoked_at => life.gone.extend(sign(op)),
            None => {}
        }
    }
    for (at, t, op, heard) in view.heard() {
        let StreamEvent::Events { events, .. } = heard else { continue };
        for told in events.iter().filter(|told| told.value.is_none()) {
            let Some((lease, _)) = owners.get(told.key.as_str()) else { continue };
            let Some(life) = lives.get_mut(lease) else { continue };
            life.gone.push(Sign { op, asked: t, asked_at: at, told: t, told_at: at });
            life.went.insert(told.revision, (told.key.clone(), op));
        }
    }
}

fn check(view: &View<'_>) -> Verdict {
    let ops = view.ops();
    let settled = settled(view);
    // On whichever node: who led when is no business of this checker.
    let leaps: Vec<(SimTime, Duration)> = view
        .observations()
        .filter_map(|(at, _, saw)| match saw {
            Observation::ClockBound { leapt, .. } if *leapt > 0 => Some((at, Duration::from_nanos(*leapt))),
            _ => None,
        })
        .collect();
    let clocks = Clocks::of(view, leaps);
    for (lease, life) in lives(view, ops) {
        if let Some(witness) = judge(lease, &life, settled, &clocks.leaps).or_else(|| what_is_left(lease, &life, &clocks)) {
            return Verdict::Invalid(Box::new(witness));
        }
    }
    told_keys(ops).map_or(Verdict::Valid, |witness| Verdict::Invalid(Box::new(witness)))
}

/// What is known of the clocks by which leases go, and of whose they are.
struct Clocks {
    leaps: Vec<(SimTime, Duration)>,
    /// When a node became leader: it gives every lease its whole time again.
    began: Vec<SimTime>,
    /// How many parts per million a clock was off at the most.
    off_ppm: u64,
}

impl Clocks {
    fn of(view: &View<'_>, leaps: Vec<(SimTime, Duration)>) -> Clocks {
        let (mut began, mut off_ppm) = (Vec::new(), 0);
        for (at, _, saw) in view.observations() {
            match saw {
                Observation::Role { role: Role::Leader, .. } => began.push(at),
                Observation::ClockBound { off_ppm: off, .. } => off_ppm = off_ppm.max(*off),
                _ => {}
            }
        }
        Clocks { leaps, began, off_ppm }
    }

    /// The least that a node counts of this much true time: on a slow clock, taken for one that may be a tenth fast.
    fn at_least(&self, true_time: Duration) -> Duration {
        let ppm = 1_000_000_u64.saturating_sub(self.off_ppm);
        Duration::from_nanos((true_time.as_nanos() * u128::from(ppm) / 1_000_000) as u64) * 10 / 11
    }
}

/// The number that whoever asks is told.
fn what_is_left(lease: LeaseId, life: &Life, clocks: &Clocks) -> Option<Witness> {
    let witness =
        |kind, sign: &Sign, ops: &[OpId], text| Some(Witness { kind, summary: text, details: vec![], at: sign.told, ops: ops.to_vec() });
    let ttl = life.ttl;
    for (at, (sign, left)) in life.left.iter().enumerate() {
        let told = Duration::from_secs(*left);
        // A new leader may add its own time to find out that it leads.
        if told > ttl + Duration::from_secs(2) {
            let text = format!("{} was told that {left} s are left of lease {lease}, which lives {} s", sign.op, ttl.as_secs());
            return witness("left-too-much", sign, &[sign.op], text);
        }
        let leapt =
            |from: SimTime| clocks.leaps.iter().filter(|(at, _)| *at >= from && *at <= sign.told).map(|(_, by)| *by).sum::<Duration>();
        let before = life.renewed.iter().filter(|renewed| renewed.told_at < sign.asked_at);
        for renewed in before {
            // Rounded down, it is less than a second short.
            if life.end_asked.is_none() && sign.told.since(renewed.asked) + leapt(renewed.asked) + told + Duration::from_secs(1) <= ttl {
                let text = format!(
                    "lease {lease} of {} s was renewed by {}, asked at {}, and {} was told at {} that {left} s are left",
                    ttl.as_secs(),
                    renewed.op,
                    renewed.asked,
                    sign.op,
                    sign.told
                );
                return witness("left-too-little", sign, &[renewed.op, sign.op], text);
            }
        }
        // Of a system that does not tell who leads nobody knows whether one leader stayed.
        if life.kept || clocks.began.is_empty() {
            continue;
        }
        // From when on it can have had that much at the most. (A grant counts from when the leader first looks at it.)
        let renewals = life.renewed.iter().skip(1).map(|renewed| (renewed, ttl));
        let answers = life.left[..at].iter().map(|(sign, left)| (sign, Duration::from_secs(left + 1)));
        for (from, most) in renewals.chain(answers).filter(|(from, _)| from.told_at < sign.asked_at) {
            let quiet = !clocks.began.iter().any(|began| (from.asked..=sign.told).contains(began))
                && !life.renewing.iter().any(|(asked, until)| *asked <= sign.told && *until > from.told);
            let elapsed = clocks.at_least(sign.asked.since(from.told));
            if quiet && told > most.saturating_sub(elapsed) {
                let text = format!(
                    "lease {lease} of {} s had at most {} left for {} at {}, nobody renewed it, and {} was told at {} that {left} s are left",
                    ttl.as_secs(),
                    in_words(most),
                    from.op,
                    from.told,
                    sign.op,
                    sign.told
                );
                return witness("left-too-much", sign, &[from.op, sign.op], text);
            }
        }
    }
    None
}

/// When the faults were over and the last leader began, and when the clients were ended that keep leases.
fn settled(view: &View<'_>) -> Option<(SimTime, SimTime)> {
    let (mut healed, mut leads, mut ended) = (None, SimTime(0), None);
    for (_, entry) in view.entries() {
        match &entry.what {
            EntryKind::Healed { .. } => healed = Some(entry.t),
            EntryKind::FinalReads => ended = Some(entry.t),
            EntryKind::Node { saw: Observation::Role { role: Role::Leader, .. }, .. } => leads = entry.t,
            _ => {}
        }
    }
    Some((healed?.max(leads), ended?))
}

fn judge(lease: LeaseId, life: &Life, settled: Option<(SimTime, SimTime)>, leaps: &[(SimTime, Duration)]) -> Option<Witness> {
    let witness = |kind, at, ops: &[OpId], text: String| Some(Witness { kind, summary: text, details: vec![], at, ops: ops.to_vec() });
    for gone in &life.gone {
        if let Some(later) = life.renewed.iter().chain(&life.alive).find(|sign| sign.asked_at > gone.told_at) {
            let text = format!(
                "lease {lease} was gone for {} at {}, and {} found it there, asked at {}",
                gone.op, gone.told, later.op, later.asked
            );
            return witness("revived", later.told, &[gone.op, later.op], text);
        }
        if life.end_asked.is_some_and(|at| at <= gone.told) {
            continue;
        }
        let leapt = |from: SimTime| leaps.iter().filter(|(at, _)| *at >= from && *at <= gone.told).map(|(_, by)| *by).sum::<Duration>();
        if let Some(renewed) = life.renewed.iter().find(|renewed| gone.told + leapt(renewed.asked) < renewed.asked + life.ttl) {
            let text = format!(
                "lease {lease} of {} was renewed by {}, asked at {}, and gone for {} at {}",
                in_words(life.ttl),
                renewed.op,
                renewed.asked,
                gone.op,
                gone.told
            );
            return witness("early", gone.told, &[renewed.op, gone.op], text);
        }
    }
    let mut went = life.went.iter();
    if let (Some((first, (key, by))), Some((second, (other, by_other)))) = (went.next(), went.next()) {
        let text = format!("of the keys of lease {lease}, {key} went at revision {first} and {other} at revision {second}");
        return witness("not-at-once", SimTime(0), &[*by, *by_other], text);
    }
    let (quiet, ended) = settled?;
    // Their clients are gone then; a last renewal may be on its way.
    let renewable = if life.kept { life.renewable_until.max(ended + UNDER_WAY) } else { life.renewable_until };
    let due = quiet.max(renewable) + life.ttl + GRACE;
    let late = life.alive.iter().find(|alive| alive.asked > due)?;
    let text = format!(
        "lease {lease} of {} could not be renewed after {renewable}, and {} found it there at {}",
        in_words(life.ttl),
        late.op,
        late.told
    );
    witness("never-ends", late.told, &[late.op], text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ClientId, Entry, NodeId, WatchEvent};

    /// Lines `T what`: at millisecond T, `ask 1 grant`, `ask 1 keep`, `ask 1 left`, `ask 1 revoke`,
    /// `ask 1 attach k`, `ask 1 get k`; answers `1 granted`, `1 ok`, `1 gone`, `1 missing`, `1 there`, `1 refused`;
    /// `went 9 k 5`; `leap 500`, `leader`, `healed`, `finals`. The lease has 2 s.
    fn verdict(script: &str) -> &'static str {
        let lease = LeaseId(7);
        let mut history = Vec::new();
        for line in script.split("; ") {
            let words: Vec<&str> = line.split(' ').collect();
            let id = |w: &str| OpId(w.parse().unwrap());
            let ask = |op: &str, ask| EntryKind::Invoke { client: ClientId(1), op: id(op), ask };
            let ok = |op: &str, output| EntryKind::Ok { op: id(op), output, position: None };
            let what = match words[1..] {
                ["ask", op, "grant"] => ask(op, Op::Lease(LeaseOp::Grant { ttl: 2, keep: false })),
                ["ask", op, "keep"] => ask(op, Op::Lease(LeaseOp::KeepAlive { lease })),
                ["ask", op, "left"] => ask(op, Op::Lease(LeaseOp::TimeLeft { lease })),
                ["ask", op, "revoke"] => ask(op, Op::Lease(LeaseOp::Revoke { lease })),
                ["ask", op, "attach", key] => ask(op, Op::Lease(LeaseOp::Attach { lease, key: key.into(), value: "v".into() })),
                ["ask", op, "get", key] => ask(op, Op::Get { key: key.into() }),
                [op, "granted"] => ok(op, Output::Lease(LeaseOutput::Granted { lease, ttl: 2 })),
                [op, "renewed"] => ok(op, Output::Lease(LeaseOutput::Renewed { ttl: 2 })),
                [op, "gone"] => ok(op, Output::Lease(LeaseOutput::Left { ttl: -1, keys: vec![] })),
                [op, "there"] => ok(op, Output::Lease(LeaseOutput::Left { ttl: 1, keys: vec![] })),
                [op, "left", seconds] => ok(op, Output::Lease(LeaseOutput::Left { ttl: seconds.parse().unwrap(), keys: vec![] })),
                ["slow", ppm] => {
                    EntryKind::Node { node: NodeId(2), saw: Observation::ClockBound { off_ppm: ppm.parse().unwrap(), leapt: 0 } }
                }
                [op, "lists", ref keys @ ..] => {
                    let keys = keys.iter().map(ToString::to_string).collect();
                    ok(op, Output::Lease(LeaseOutput::Left { ttl: 1, keys }))
                }
                [op, "revoked"] => ok(op, Output::Lease(LeaseOutput::Revoked)),
                [op, "attached"] => ok(op, Output::Lease(LeaseOutput::Attached)),
                [op, "missing"] => ok(op, Output::Got { value: None }),
                [op, "present"] => ok(op, Output::Got { value: Some("v".into()) }),
                [op, "refused"] => EntryKind::Fail { op: id(op), code: LEASE_NOT_FOUND.into(), why: String::new() },
                ["went", op, key, revision] => {
                    let revision = revision.parse().unwrap();
                    let told = WatchEvent { key: key.into(), value: None, revision, created: 0, version: 0, before: None };
                    EntryKind::Heard { op: id(op), heard: StreamEvent::Events { revision, events: vec![told] } }
                }
                ["leap", ms] => {
                    let leapt = ms.parse::<u64>().unwrap() * 1_000_000;
                    EntryKind::Node { node: NodeId(2), saw: Observation::ClockBound { off_ppm: 0, leapt } }
                }
                ["leader"] => EntryKind::Node { node: NodeId(1), saw: Observation::Role { term: 1, role: Role::Leader, leader: None } },
                ["healed"] => EntryKind::Healed { within: 1, nodes: vec![] },
                ["finals"] => EntryKind::FinalReads,
                _ => panic!("{line}"),
            };
            history.push(Entry { t: SimTime(words[0].parse::<u64>().unwrap() * 1_000_000), what });
        }
        match check(&View::new(&history)) {
            Verdict::Invalid(witness) => witness.kind,
            other => other.word(),
        }
    }

    #[test]
    fn legal_and_illegal_lives() {
        let granted = "0 leader; 0 ask 1 grant; 10 1 granted";
        for (script, expect) in [
            ("1990 ask 2 left; 2001 2 gone", "valid"),
            ("1980 ask 2 left; 1999 2 gone", "early"),
            ("100 leap 500; 1480 ask 2 left; 1501 2 gone", "valid"),
            ("100 leap 500; 1480 ask 2 left; 1499 2 gone", "early"),
            ("1000 ask 2 keep; 1010 2 renewed; 2900 ask 3 left; 2999 3 gone", "early"),
            ("1000 ask 2 keep; 2900 ask 3 left; 2999 3 gone", "valid"),
            ("1000 ask 2 keep; 1010 2 renewed; 2900 ask 3 left; 3001 3 gone", "valid"),
            ("500 ask 2 revoke; 510 2 revoked; 520 ask 3 left; 530 3 gone", "valid"),
            ("500 ask 2 revoke; 520 ask 3 left; 530 3 gone", "valid"),
            ("500 ask 2 left; 505 ask 3 revoke; 530 2 gone", "valid"),
            ("500 ask 2 revoke; 510 2 revoked; 520 ask 3 left; 530 3 there", "revived"),
            ("2100 ask 2 left; 2110 2 gone; 2120 ask 3 keep; 2130 3 renewed", "revived"),
            ("2100 ask 2 left; 2105 ask 3 left; 2110 2 gone; 2130 3 there", "valid"),
            ("100 ask 2 attach k; 110 2 refused", "early"),
            ("100 ask 2 attach k; 110 2 attached; 500 ask 3 get k; 510 3 missing", "early"),
            ("100 ask 2 attach k; 500 ask 3 get k; 505 2 attached; 510 3 missing", "valid"),
            ("100 ask 2 attach k; 110 2 attached; 2100 ask 3 left; 2110 3 gone; 2120 ask 4 get k; 2130 4 present", "revived"),
            ("100 ask 2 attach k; 110 2 attached; 900 went 9 k 5", "early"),
            ("100 ask 2 attach k; 110 2 attached; 120 ask 3 attach l; 130 3 attached; 2100 went 9 k 5; 2100 went 9 l 5", "valid"),
            ("100 ask 2 attach k; 110 2 attached; 120 ask 3 attach l; 130 3 attached; 2100 went 9 k 5; 2200 went 9 l 6", "not-at-once"),
            ("100 ask 2 attach k; 110 2 attached; 120 ask 3 left; 130 3 lists k", "valid"),
            ("100 ask 2 attach k; 110 2 attached; 120 ask 3 left; 130 3 lists", "wrong-keys"),
            ("100 ask 2 attach k; 120 ask 3 left; 130 3 lists", "valid"),
            ("100 ask 2 attach k; 120 ask 3 left; 130 3 lists k", "valid"),
            ("120 ask 3 left; 130 3 lists k; 140 ask 2 attach k; 150 2 attached", "wrong-keys"),
            ("500 ask 2 left; 510 2 left 1", "valid"),
            ("500 ask 2 left; 510 2 left 0", "left-too-little"),
            ("100 leap 500; 500 ask 2 left; 510 2 left 0", "valid"),
            ("1200 ask 2 left; 1210 2 left 0", "valid"),
            ("1200 ask 2 keep; 1300 2 renewed; 1400 ask 3 left; 1410 3 left 0", "left-too-little"),
            ("500 ask 2 left; 510 2 left 2", "valid"),
            ("500 ask 2 left; 510 2 left 5", "left-too-much"),
            ("100 ask 2 left; 110 2 left 1; 1500 ask 3 left; 1510 3 left 0", "valid"),
            ("100 ask 2 left; 110 2 left 1; 1500 ask 3 left; 1510 3 left 1", "left-too-much"),
            ("100 ask 2 left; 110 2 left 1; 1000 leader; 1500 ask 3 left; 1510 3 left 1", "valid"),
            ("100 ask 2 left; 110 2 left 1; 120 ask 9 keep; 1500 ask 3 left; 1510 3 left 1", "valid"),
            ("10 slow 600000; 100 ask 2 left; 110 2 left 1; 1500 ask 3 left; 1510 3 left 1", "valid"),
            ("1000 ask 2 keep; 1010 2 renewed; 1500 ask 3 left; 1510 3 left 2", "left-too-much"),
            ("1000 ask 2 keep; 1010 2 renewed; 1500 ask 3 left; 1510 3 left 1", "valid"),
            ("1000 ask 2 keep; 1010 2 renewed; 2090 ask 3 left; 2100 3 left 1", "valid"),
            ("1000 ask 2 keep; 1010 2 renewed; 2190 ask 3 left; 2200 3 left 1", "left-too-much"),
            ("100 leader; 900 healed; 1000 finals; 7000 ask 3 left; 7010 3 there", "never-ends"),
            ("100 leader; 900 healed; 1000 finals; 6000 ask 3 left; 6010 3 there", "valid"),
            ("100 leader; 900 healed; 1000 finals; 3000 leader; 7000 ask 3 left; 7010 3 there", "valid"),
        ] {
            assert_eq!(verdict(&format!("{granted}; {script}")), expect, "{script}");
        }
    }
}
