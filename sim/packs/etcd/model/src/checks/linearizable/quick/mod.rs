//! A witness in one pass: the history is replayed in order of revision, and who wrote a revision that nobody claims is decided on
//! the way, by what comes next.
//!
//! ```text
//!   revision   5    6    7    8    9
//!   of key a   c1   ?         ?         the next read of a, at 8, shows x: whoever puts x of those of
//!   of key b             ?         c2   unknown outcome must come by 8 (the earliest deadline first);
//!                                       of b nobody reads before 9: any lost write of b may fill 7
//! ```
//!
//! Whoever was invoked before a revision was told may have written it, and any later one: there is a first possible revision
//! for each (its floor), and no last one, but for what is read. So required writes are matched by earliest deadline, and the
//! other gaps are filled by lost writes whose values nobody saw, of keys that are overwritten before they are read again;
//! those of one key are interchangeable.
//!
//! This finds most witnesses, in time linear in the history, and `valid` is said only where every answer was held against the
//! replayed store. Where it finds none it says so, and nothing else: the exact search ([`super::revision`]) decides.

mod fill;
mod known;
mod repair;
mod store;

use super::log::{Kind, Log, NONE};
use crate::checks::foreign::Foreign;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use squall_linear::{Progress, frontier::Watchdog};
use std::{cmp::Reverse, collections::BinaryHeap};

type FxMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// What a key holds, and since which revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    value: u32,
    written: u64,
}

/// What is known of a key, of the store after a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// An answered write changes it at this revision.
    Written,
    /// It holds this; written at the revision, where that is told (else 0).
    Holds(u32, u64),
    /// It is there.
    There,
    /// It does not hold this.
    HoldsNot(u32),
}

struct Replay<'l> {
    log: &'l Log,
    cells: Vec<Cell>,
    /// For each key, the prefixes that are asked for and that it has; and how many keys are there of each.
    prefixes_of: Vec<Vec<u32>>,
    there: Vec<u32>,
    /// For each key that lost writes may change: what is known, by revision; and what of it is past.
    known: FxMap<u32, (Vec<(u64, Known)>, usize)>,
    used: Vec<bool>,
    /// The lost writes that leave a value in a key, in order of invocation.
    writers: FxMap<(u32, u32), Vec<u32>>,
    /// For each key, the lost writes that nobody saw the values of.
    of_key: FxMap<u32, Vec<u32>>,
    /// What is required later than in so many revisions may wait.
    slack: u64,
    /// The revisions that nobody claims.
    gaps: Vec<u64>,
    /// The keys that lost writes may change.
    changeable: Vec<u32>,
    /// For each key, lost puts whose values nobody saw; and how many of them are past.
    unseen: Vec<(u32, Vec<u32>, usize)>,
    unseen_at: usize,
    /// Lost writes that may change nothing, or several keys: whether nobody saw their values.
    delicate: Vec<u32>,
    /// Who wrote a revision, where an answer tells: the key, and what it left there.
    pinned: FxMap<u64, (u32, u32)>,
    /// Keys whose next answer needs a lost write: by when.
    required: BinaryHeap<Reverse<(u64, u32)>>,
    foreign_left: usize,
    changes: Vec<(u32, u32)>,
    /// Whether what is taken now is to make another one possible.
    chained: bool,
    /// What was done since the first revision, if it may have to be undone.
    journal: Vec<Undo>,
    /// What fills each gap so far.
    fills: Vec<Fill>,
    /// Lost puts that were taken out of their gap again.
    returned: Vec<u32>,
    /// What is to fill each gap, if that is given.
    given: Option<Vec<Fill>>,
    /// Whether what filled a gap was changed afterwards, so that all is to be replayed once more.
    repaired: bool,
    /// Gaps that were filled by a write that had to come by then, and might have come later.
    marks: Vec<Mark>,
}

/// What undoes a step.
enum Undo {
    Cell(u32, Cell),
    Used(u32, bool),
    Filled(usize, Fill),
    Head(u32, usize),
    Foreign,
}

/// What fills a gap.
#[derive(Clone, Copy, Debug)]
struct Fill {
    revision: u64,
    /// The lost write; [`NONE`]: something that is foreign.
    op: u32,
    /// If nobody sees it, 0; else by when it had to come. `u64::MAX` if it is not to be moved.
    by: u64,
}

/// A gap that could be filled otherwise.
struct Mark {
    revision: u64,
    /// By when what filled it had to come.
    by: u64,
    /// How long the journal was.
    journal: usize,
}

/// Why no witness was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// The way came to no end; another might.
    Unsure,
    /// It was told to stop, at this revision.
    Stopped(u64),
    /// There is none.
    Impossible(Box<Impossible>),
}

/// A row tells of a key what nobody can have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Impossible {
    pub(super) row: u32,
    /// The key, what it is told to hold ([`NONE`]: absent), and at which revision.
    pub(super) key: u32,
    pub(super) value: u32,
    pub(super) revision: u64,
    /// The last revision at which it certainly was otherwise, 1 if it was absent from the beginning.
    pub(super) since: u64,
    /// One way to that revision, where one was gone.
    pub(super) filled: Option<Filled>,
}

/// No more repairs are tried for one revision.
const REPAIRS: usize = 12;

/// No more gaps are looked at for a repair.
const LOOK_BACK: usize = 512;

/// No more gaps are looked at for a write that is to come back.
const LOOK_FAR_BACK: usize = 1 << 15;

/// No more delicate writes are tried for one revision.
const TRIES: usize = 256;

/// Who fills the revisions that nobody claims: the rows of lost writes, or [`NONE`] for what is foreign.
pub(super) type Filled = Vec<(u64, u32)>;

/// So few answers are held one by one against what nobody can have written.
const LITTLE: usize = 256;

/// Every so many revisions somebody is asked whether to go on.
const ASKED_EVERY: u64 = 1 << 14;

/// Replays the history to a witness, or says where it found none.
pub(super) fn witness(log: &Log, foreign: &Foreign, foreign_floor: u64, go_on: Watchdog<'_>) -> Result<Filled, Missed> {
    let last = log.last as usize;
    if log.last > 4 * log.rows.len() as u64 + 1_000_000 || log.last > u64::from(u32::MAX - 1) || log.rows.len() >= NONE as usize {
        return Err(Missed::Unsure);
    }
    let mut ready = || if go_on(Progress { visits: 0, bytes: 0, events: 0 }) { Ok(()) } else { Err(Missed::Stopped(1)) };
    ready()?;
    // Who claims each revision; and, in order of revision, who saw it.
    let mut claims = vec![NONE; last + 2];
    let mut first = vec![0u32; last + 3];
    let (mut lost, mut past_ranges): (Vec<u32>, Vec<(u64, u32)>) = Default::default();
    for (i, row) in log.rows.iter().enumerate() {
        let at = row.revision as usize;
        if row.revision == 0 {
            lost.push(i as u32);
            continue;
        }
        if row.revision < row.floor.max(1) + u64::from(row.changed) {
            return Err(Missed::Unsure);
        }
        if row.changed {
            if claims[at] != NONE || foreign.claims.contains_key(&row.revision) {
                return Err(Missed::Unsure);
            }
            claims[at] = i as u32;
        } else if row.kind == Kind::Range
            && let Some(past) = log.ranges[row.extra as usize].at
        {
            if past > log.last {
                return Err(Missed::Unsure);
            }
            past_ranges.push((past.max(1), i as u32));
        } else {
            first[at + 1] += 1;
        }
    }
    for (revision, _) in &past_ranges {
        first[*revision as usize + 1] += 1;
    }
    for at in 1..first.len() {
        first[at] += first[at - 1];
    }
    let mut readers = vec![0u32; *first.last().unwrap_or(&0) as usize];
    let mut next = first.clone();
    let mut file = |revision: usize, i: u32| {
        readers[next[revision] as usize] = i;
        next[revision] += 1;
    };
    for (i, row) in log.rows.iter().enumerate() {
        let is_past = row.kind == Kind::Range && log.ranges[row.extra as usize].at.is_some();
        if row.revision > 0 && !row.changed && !is_past {
            file(row.revision as usize, i as u32);
        }
    }
    past_ranges.iter().for_each(|(revision, i)| file(*revision as usize, *i));
    drop(next);
    ready()?;
    lost.retain(|i| matches!(log.rows[*i as usize].kind, Kind::Put | Kind::Swap | Kind::Delete | Kind::Txn));
    lost.sort_by_key(|i| log.rows[*i as usize].floor);

    let order = InOrder { claims, first, readers, foreign, foreign_floor, has_lost: !lost.is_empty() };
    // Where little was answered, what nobody can have written is found sooner than a way.
    let answered = log.rows.len() - lost.len();
    if order.has_lost
        && answered <= LITTLE
        && let Some(why) = Replay::new(log, &lost, foreign.unclaimed).nobody_wrote(&order)
    {
        return Err(Missed::Impossible(Box::new(why)));
    }
    let attempts = if order.has_lost { SLACK } else { &SLACK[..1] };
    let mut missed = Missed::Unsure;
    for slack in attempts {
        match attempt(log, &order, &lost, *slack, go_on) {
            Err(Missed::Unsure) => missed = Missed::Unsure,
            decided => return decided,
        }
    }
    Err(missed)
}

/// What is required in no more revisions than this comes before what nobody saw: one attempt each. The first one takes what is
/// required as soon as it can.
const SLACK: &[u64] = &[u64::MAX, 16, 4, 64, 8, 1, 32, 256];

/// One way through the history.
fn attempt(log: &Log, order: &InOrder<'_>, lost: &[u32], slack: u64, go_on: Watchdog<'_>) -> Result<Filled, Missed> {
    let foreign = order.foreign;
    let mut replay = Replay::new(log, lost, foreign.unclaimed);
    replay.slack = slack;
    if order.has_lost {
        let gap = |r: &u64| order.claims[*r as usize] == NONE && !foreign.claims.contains_key(r);
        replay.gaps = (2..=log.last).filter(gap).collect();
    }
    // Each turn back costs what it undoes.
    let mut steps_left = 4 * log.last + 100_000;
    let mut revision = 1;
    let (mut unseen_first, mut asked) = (false, ASKED_EVERY);
    while revision <= log.last {
        asked -= 1;
        if asked == 0 {
            asked = ASKED_EVERY;
            if !go_on(Progress { visits: 0, bytes: 0, events: revision as usize }) {
                return Err(Missed::Stopped(revision));
            }
        }
        match replay.revision(order, revision, std::mem::take(&mut unseen_first)) {
            Ok(()) => revision += 1,
            Err(Missed::Impossible(mut why)) => {
                // What was repaired is a guess.
                let filled = || replay.fills.iter().map(|fill| (fill.revision, fill.op)).collect();
                why.filled = (!replay.repaired).then(filled);
                return Err(Missed::Impossible(why));
            }
            Err(stopped @ Missed::Stopped(_)) => return Err(stopped),
            Err(Missed::Unsure) => {
                let back = replay.turn_back(revision).ok_or(Missed::Unsure)?;
                steps_left = steps_left.checked_sub(revision - back).ok_or(Missed::Unsure)?;
                (revision, unseen_first) = (back, true);
            }
        }
    }
    let fills = std::mem::take(&mut replay.fills);
    let filled = fills.iter().map(|fill| (fill.revision, fill.op)).collect();
    if replay.repaired {
        // What was repaired is a guess until it is replayed.
        let mut again = Replay::new(log, lost, foreign.unclaimed);
        again.given = Some(fills);
        for revision in 1..=log.last {
            if revision % ASKED_EVERY == 0 && !go_on(Progress { visits: 0, bytes: 0, events: revision as usize }) {
                return Err(Missed::Stopped(revision));
            }
            again.revision(order, revision, false).map_err(|_| Missed::Unsure)?;
        }
    }
    Ok(filled)
}

/// The history in order of revision.
struct InOrder<'f> {
    /// Who claims a revision.
    claims: Vec<u32>,
    /// Where the readers of a revision begin in `readers`.
    first: Vec<u32>,
    readers: Vec<u32>,
    foreign: &'f Foreign,
    foreign_floor: u64,
    has_lost: bool,
}

impl<'l> Replay<'l> {
    fn new(log: &'l Log, lost: &[u32], foreign_left: usize) -> Replay<'l> {
        let keys = log.keys.len();
        let mut replay = Replay {
            log,
            cells: vec![Cell { value: NONE, written: 0 }; keys],
            prefixes_of: vec![vec![]; if log.prefixes.len() > 0 { keys } else { 0 }],
            there: vec![0; log.prefixes.len()],
            known: FxMap::default(),
            used: if lost.is_empty() { vec![] } else { vec![false; log.rows.len()] },
            writers: FxMap::default(),
            of_key: FxMap::default(),
            slack: u64::MAX,
            gaps: vec![],
            changeable: vec![],
            unseen: vec![],
            unseen_at: 0,
            delicate: vec![],
            pinned: FxMap::default(),
            required: BinaryHeap::new(),
            foreign_left,
            changes: vec![],
            chained: false,
            journal: vec![],
            fills: vec![],
            returned: vec![],
            given: None,
            repaired: false,
            marks: vec![],
        };
        for prefix in 0..log.prefixes.len() as u32 {
            let start = log.prefixes.bytes(prefix);
            for key in (0..keys as u32).filter(|key| log.keys.bytes(*key).starts_with(start)) {
                replay.prefixes_of[key as usize].push(prefix);
            }
        }
        if !lost.is_empty() {
            replay.file_lost(lost);
            replay.file_known();
            replay.sort_lost(lost);
        }
        replay
    }

    /// One revision: who wrote it, and who saw it.
    fn revision(&mut self, order: &InOrder<'_>, revision: u64, unseen_first: bool) -> Result<(), Missed> {
        let (log, at) = (self.log, revision as usize);
        self.changes.clear();
        if revision > 1 {
            match order.claims[at] {
                NONE if order.foreign.claims.contains_key(&revision) => {}
                NONE => self.fill(revision, order.foreign_floor, unseen_first).ok_or(Missed::Unsure)?,
                claim => {
                    let row = &log.rows[claim as usize];
                    let mut tries = REPAIRS;
                    while !self.apply(row, revision, true) {
                        tries -= 1;
                        if tries == 0 || !self.repair(row, revision - 1) {
                            return Err(self.missed(claim, revision - 1, &order.claims, order.foreign));
                        }
                    }
                }
            }
        }
        let readers = &order.readers[order.first[at] as usize..order.first[at + 1] as usize];
        let mut tries = REPAIRS;
        while let Some(&wrong) = readers.iter().find(|i| !self.agrees(&log.rows[**i as usize], revision)) {
            tries -= 1;
            if tries == 0 || !self.repair(&log.rows[wrong as usize], revision) {
                return Err(self.missed(wrong, revision, &order.claims, order.foreign));
            }
        }
        if !order.has_lost {
            return Ok(());
        }
        for change in 0..self.changes.len() {
            self.require(self.changes[change].0, revision + 1);
        }
        let mut everything = revision == 1;
        for &i in readers {
            let row = &log.rows[i as usize];
            match row.kind {
                Kind::Range => everything = true,
                Kind::Txn => log.txns[row.extra as usize].compare.iter().for_each(|(key, _)| self.require(*key, revision + 1)),
                _ => self.require(row.key, revision + 1),
            }
        }
        if everything {
            for at in 0..self.changeable.len() {
                self.require(self.changeable[at], revision + 1);
            }
        }
        Ok(())
    }

    /// Back to the last gap before a revision that was filled by a write which could have come as late as that. `None`: there
    /// is none.
    fn turn_back(&mut self, revision: u64) -> Option<u64> {
        let mark = loop {
            let mark = self.marks.pop()?;
            if mark.by >= revision {
                break mark;
            }
        };
        for undo in self.journal.split_off(mark.journal).into_iter().rev() {
            match undo {
                Undo::Cell(key, cell) => self.put_cell(key, cell),
                Undo::Used(i, used) => self.used[i as usize] = used,
                Undo::Filled(at, fill) => self.fills[at] = fill,
                Undo::Head(at, head) => self.unseen[at as usize].2 = head,
                Undo::Foreign => self.foreign_left += 1,
            }
        }
        for (all, past) in self.known.values_mut() {
            *past = all.partition_point(|(at, _)| *at < mark.revision);
        }
        let filled = self.fills.partition_point(|fill| fill.revision < mark.revision);
        self.fills.truncate(filled);
        self.required.clear();
        for at in 0..self.changeable.len() {
            self.require(self.changeable[at], mark.revision);
        }
        Some(mark.revision)
    }
}
