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

use super::log::{Kind, Log, NONE, Row, Step};
use crate::foreign::Foreign;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
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
    /// There is none: this row tells of a key what nobody can have written.
    Impossible {
        /// The row.
        row: u32,
        /// The key, what it is told to hold, and at which revision.
        key: u32,
        /// [`NONE`]: absent.
        value: u32,
        /// At which revision.
        revision: u64,
        /// The last revision at which it certainly was otherwise, 1 if it was absent from the beginning.
        since: u64,
    },
}

/// No more repairs are tried for one revision.
const REPAIRS: usize = 12;

/// No more gaps are looked at for a repair.
const LOOK_BACK: usize = 512;

/// No more gaps are looked at for a write that is to come back.
const LOOK_FAR_BACK: usize = 1 << 15;

/// No more delicate writes are tried for one revision.
const TRIES: usize = 256;

/// Replays the history to a witness, or says where it found none.
pub(super) fn witness(log: &Log, foreign: &Foreign, foreign_floor: u64) -> Result<(), Missed> {
    let last = log.last as usize;
    if log.last > 4 * log.rows.len() as u64 + 1_000_000 || log.last > u64::from(u32::MAX - 1) || log.rows.len() >= NONE as usize {
        return Err(Missed::Unsure);
    }
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
    lost.retain(|i| matches!(log.rows[*i as usize].kind, Kind::Put | Kind::Swap | Kind::Delete | Kind::Txn));
    lost.sort_by_key(|i| log.rows[*i as usize].floor);

    let order = InOrder { claims, first, readers, foreign, foreign_floor, has_lost: !lost.is_empty() };
    let attempts = if order.has_lost { SLACK } else { &SLACK[..1] };
    let mut missed = Missed::Unsure;
    for slack in attempts {
        match attempt(log, &order, &lost, *slack) {
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
fn attempt(log: &Log, order: &InOrder<'_>, lost: &[u32], slack: u64) -> Result<(), Missed> {
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
    let mut unseen_first = false;
    while revision <= log.last {
        match replay.revision(order, revision, std::mem::take(&mut unseen_first)) {
            Ok(()) => revision += 1,
            Err(missed @ Missed::Impossible { .. }) => return Err(missed),
            Err(Missed::Unsure) => {
                let back = replay.turn_back(revision).ok_or(Missed::Unsure)?;
                steps_left = steps_left.checked_sub(revision - back).ok_or(Missed::Unsure)?;
                (revision, unseen_first) = (back, true);
            }
        }
    }
    if replay.repaired {
        // What was repaired is a guess until it is replayed.
        let fills = std::mem::take(&mut replay.fills);
        let mut again = Replay::new(log, lost, foreign.unclaimed);
        again.given = Some(fills);
        (1..=log.last).try_for_each(|revision| again.revision(order, revision, false)).map_err(|_| Missed::Unsure)?;
    }
    Ok(())
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

    /// What a lost write may leave, key by key.
    fn may_leave(&self, row: &Row, mut each: impl FnMut(u32, u32)) {
        match row.kind {
            Kind::Put | Kind::Swap => each(row.key, row.value),
            Kind::Delete => each(row.key, NONE),
            Kind::Txn => {
                let txn = &self.log.txns[row.extra as usize];
                for step in txn.then.iter().chain(&txn.otherwise).filter(|s| s.kind != Kind::Get) {
                    each(step.key, step.value);
                }
            }
            Kind::Get | Kind::Range => {}
        }
    }

    fn file_lost(&mut self, lost: &[u32]) {
        for &i in lost {
            let mut leaves = Vec::new();
            self.may_leave(&self.log.rows[i as usize], |key, value| leaves.push((key, value)));
            for (key, value) in leaves {
                self.known.entry(key).or_default();
                let writers = self.writers.entry((key, value)).or_default();
                if writers.last() != Some(&i) {
                    writers.push(i);
                }
            }
        }
    }

    /// What the answers tell of the keys that lost writes may change.
    fn file_known(&mut self) {
        let log = self.log;
        self.changeable = self.known.keys().copied().collect();
        self.changeable.sort_unstable();
        let known = &mut self.known;
        let mut tell = |key: u32, revision: u64, what: Known| {
            if let Some((all, _)) = known.get_mut(&key) {
                all.push((revision, what));
            }
        };
        let mut shown: FxMap<u32, ()> = FxMap::default();
        for row in log.rows.iter().filter(|row| row.revision > 0) {
            let before = row.revision - u64::from(row.changed);
            match row.kind {
                Kind::Get => tell(row.key, row.revision, Known::Holds(row.value, 0)),
                Kind::Put => tell(row.key, row.revision, Known::Written),
                Kind::Swap if row.yes => {
                    tell(row.key, before, Known::Holds(row.extra, 0));
                    tell(row.key, row.revision, Known::Written);
                }
                Kind::Swap => tell(row.key, row.revision, Known::HoldsNot(row.extra)),
                Kind::Delete if row.yes => {
                    tell(row.key, before, Known::There);
                    tell(row.key, row.revision, Known::Written);
                }
                Kind::Delete => tell(row.key, row.revision, Known::Holds(NONE, 0)),
                Kind::Range => {
                    let range = &log.ranges[row.extra as usize];
                    let at = range.at.unwrap_or(row.revision);
                    shown.clear();
                    for kv in &log.shown[range.shown.start as usize..range.shown.end as usize] {
                        tell(kv.key, at, Known::Holds(kv.value, kv.written));
                        shown.insert(kv.key, ());
                    }
                    let prefix = row.key;
                    for &key in &self.changeable {
                        if self.prefixes_of[key as usize].contains(&prefix) && !shown.contains_key(&key) {
                            tell(key, at, Known::Holds(NONE, 0));
                        }
                    }
                }
                Kind::Txn => {
                    let txn = &log.txns[row.extra as usize];
                    if row.yes {
                        txn.compare.iter().for_each(|(key, holds)| tell(*key, before, Known::Holds(*holds, 0)));
                    }
                    for (i, step) in if row.yes { &txn.then } else { &txn.otherwise }.iter().enumerate() {
                        let steps = if row.yes { &txn.then } else { &txn.otherwise };
                        // Of a key that it changed before, it tells its own doing.
                        let own = steps[..i].iter().any(|s| s.key == step.key && s.kind != Kind::Get);
                        match step.kind {
                            Kind::Get if !own => tell(step.key, before, Known::Holds(step.answer, 0)),
                            Kind::Put => tell(step.key, row.revision, Known::Written),
                            Kind::Delete if step.answer == 1 => {
                                if !own {
                                    tell(step.key, before, Known::There);
                                }
                                tell(step.key, row.revision, Known::Written);
                            }
                            Kind::Delete if !own => tell(step.key, before, Known::Holds(NONE, 0)),
                            _ => {}
                        }
                    }
                }
            }
        }
        // Of a revision: that it was written comes first, what it holds then after that.
        for (all, _) in self.known.values_mut() {
            all.sort_by_key(|(revision, known)| (*revision, *known != Known::Written));
            // When what is held was written, a later answer may tell.
            let mut later = (NONE, 0);
            for (revision, known) in all.iter_mut().rev() {
                if let Known::Holds(value, written) = known {
                    if *written == 0 && *value == later.0 && later.1 <= *revision {
                        *written = later.1;
                    }
                    later = (*value, *written);
                }
            }
        }
    }

    /// Which lost writes may fill any gap, and which are kept for what was seen of them.
    fn sort_lost(&mut self, lost: &[u32]) {
        let mut seen: FxMap<(u32, u32), ()> = FxMap::default();
        for (key, (all, _)) in &self.known {
            for (_, known) in all {
                if let Known::Holds(value, written) = known {
                    seen.insert((*key, *value), ());
                    if *written > 0 {
                        self.pinned.insert(*written, (*key, *value));
                    }
                }
            }
        }
        // What a lost write expects that was seen was there, too.
        loop {
            let before = seen.len();
            for &i in lost.iter().rev() {
                let row = &self.log.rows[i as usize];
                let mut was_seen = false;
                self.may_leave(row, |key, value| was_seen |= value != NONE && seen.contains_key(&(key, value)));
                match row.kind {
                    _ if !was_seen => {}
                    Kind::Swap => _ = seen.insert((row.key, row.extra), ()),
                    Kind::Txn => self.log.txns[row.extra as usize].compare.iter().for_each(|c| _ = seen.insert(*c, ())),
                    _ => {}
                }
            }
            if seen.len() == before {
                break;
            }
        }
        let mut unseen: FxMap<u32, Vec<u32>> = FxMap::default();
        for &i in lost {
            let row = &self.log.rows[i as usize];
            let mut was_seen = false;
            // What several may have left is not tied to one of them; that something is absent, neither.
            self.may_leave(row, |key, value| {
                was_seen |= value != NONE && seen.contains_key(&(key, value)) && self.writers[&(key, value)].len() == 1;
            });
            if !was_seen {
                let mut keys = Vec::new();
                self.may_leave(row, |key, _| keys.push(key));
                keys.into_iter().for_each(|key| self.of_key.entry(key).or_default().push(i));
            }
            match row.kind {
                _ if was_seen => {}
                Kind::Put => unseen.entry(row.key).or_default().push(i),
                _ => self.delicate.push(i),
            }
        }
        self.unseen = unseen.into_iter().map(|(key, all)| (key, all, 0)).collect();
        self.unseen.sort_unstable_by_key(|(key, ..)| *key);
    }

    fn set(&mut self, key: u32, value: u32, revision: u64) {
        if !self.used.is_empty() {
            self.journal.push(Undo::Cell(key, self.cells[key as usize]));
        }
        self.put_cell(key, Cell { value, written: revision });
        self.changes.push((key, value));
    }

    fn put_cell(&mut self, key: u32, new: Cell) {
        let cell = &mut self.cells[key as usize];
        let value = new.value;
        if (cell.value == NONE) != (value == NONE)
            && let Some(prefixes) = self.prefixes_of.get(key as usize)
        {
            for prefix in prefixes {
                let there = &mut self.there[*prefix as usize];
                *there = if value == NONE { *there - 1 } else { *there + 1 };
            }
        }
        *cell = new;
    }

    /// Does an operation that is to change something, at its revision. False, and nothing is done, when it changes nothing, or
    /// (if it was answered) answers otherwise.
    fn apply(&mut self, row: &Row, revision: u64, answered: bool) -> bool {
        let cell = self.cells[row.key as usize % self.cells.len().max(1)];
        match row.kind {
            Kind::Put => self.set(row.key, row.value, revision),
            Kind::Swap if cell.value == row.extra && (row.yes || !answered) => self.set(row.key, row.value, revision),
            Kind::Delete if cell.value != NONE && (row.yes || !answered) => self.set(row.key, NONE, revision),
            Kind::Txn => {
                let log = self.log;
                let txn = &log.txns[row.extra as usize];
                let yes = txn.compare.iter().all(|(key, holds)| self.cells[*key as usize].value == *holds);
                if answered && yes != row.yes {
                    return false;
                }
                let steps = if yes { &txn.then } else { &txn.otherwise };
                let undo: Vec<(u32, Cell)> =
                    steps.iter().filter(|s| s.kind != Kind::Get).map(|s| (s.key, self.cells[s.key as usize])).collect();
                let before = self.changes.len();
                let right = steps.iter().all(|step| self.step(step, revision) || !answered);
                if right && self.changes.len() > before {
                    return true;
                }
                for (key, cell) in undo.into_iter().rev() {
                    self.set(key, cell.value, cell.written);
                }
                self.changes.truncate(before);
                return false;
            }
            Kind::Swap | Kind::Delete | Kind::Get | Kind::Range => return false,
        }
        true
    }

    /// A step of a transaction; whether it answers as it says.
    fn step(&mut self, step: &Step, revision: u64) -> bool {
        let cell = self.cells[step.key as usize];
        match step.kind {
            Kind::Get => cell.value == step.answer,
            Kind::Put => {
                self.set(step.key, step.value, revision);
                true
            }
            _ => {
                if cell.value != NONE {
                    self.set(step.key, NONE, revision);
                }
                step.answer == u32::from(cell.value != NONE)
            }
        }
    }

    /// Whether an answer that changed nothing is the store's.
    fn agrees(&self, row: &Row, revision: u64) -> bool {
        let holds = |key: u32| self.cells[key as usize].value;
        match row.kind {
            Kind::Get => holds(row.key) == row.value,
            Kind::Swap => !row.yes && holds(row.key) != row.extra,
            Kind::Delete => !row.yes && holds(row.key) == NONE,
            Kind::Range => {
                let range = &self.log.ranges[row.extra as usize];
                let shown = &self.log.shown[range.shown.start as usize..range.shown.end as usize];
                let right = |kv: &super::log::Shown| {
                    let cell = self.cells[kv.key as usize];
                    cell.value == kv.value
                        && (kv.written == 0 || kv.written == cell.written)
                        && self.prefixes_of[kv.key as usize].contains(&row.key)
                };
                let name = |kv: &super::log::Shown| self.log.keys.bytes(kv.key);
                shown.len() == self.there[row.key as usize] as usize
                    && shown.iter().all(right)
                    && shown.is_sorted_by(|a, b| name(a) < name(b))
            }
            Kind::Txn => {
                let txn = &self.log.txns[row.extra as usize];
                let yes = txn.compare.iter().all(|(key, value)| holds(*key) == *value);
                let steps = if row.yes { &txn.then } else { &txn.otherwise };
                let right = |step: &Step| match step.kind {
                    Kind::Get => holds(step.key) == step.answer,
                    Kind::Delete => step.answer == 0 && holds(step.key) == NONE,
                    _ => false,
                };
                yes == row.yes && steps.iter().all(right)
            }
            Kind::Put => revision == 0,
        }
    }

    /// What a row that does not fit tells: whether that is impossible, whoever filled the gaps.
    fn missed(&self, i: u32, revision: u64, claims: &[u32], foreign: &Foreign) -> Missed {
        let log = self.log;
        let row = &log.rows[i as usize];
        let mut told: Vec<(u32, u32, u64)> = Vec::new();
        match row.kind {
            Kind::Get => told.push((row.key, row.value, 0)),
            Kind::Swap if row.yes => told.push((row.key, row.extra, 0)),
            Kind::Delete if !row.yes => told.push((row.key, NONE, 0)),
            Kind::Range => {
                let range = &log.ranges[row.extra as usize];
                let shown = &log.shown[range.shown.start as usize..range.shown.end as usize];
                told.extend(shown.iter().map(|kv| (kv.key, kv.value, kv.written)));
                let is_shown = |key: u32| shown.iter().any(|kv| kv.key == key);
                let missing =
                    (0..self.cells.len() as u32).filter(|key| self.prefixes_of[*key as usize].contains(&row.key) && !is_shown(*key));
                told.extend(missing.map(|key| (key, NONE, 0)));
            }
            Kind::Txn if row.yes => told.extend(log.txns[row.extra as usize].compare.iter().map(|(key, holds)| (*key, *holds, 0))),
            _ => {}
        }
        let impossible = told.into_iter().find_map(|(key, value, written)| {
            let since = self.cannot_hold(key, value, written, revision, claims, foreign)?;
            Some(Missed::Impossible { row: i, key, value, revision, since })
        });
        impossible.unwrap_or(Missed::Unsure)
    }

    /// Whether nobody can have left this in a key by a revision; since when it was certainly otherwise.
    fn cannot_hold(&self, key: u32, value: u32, written: u64, revision: u64, claims: &[u32], foreign: &Foreign) -> Option<u64> {
        let Some((all, _)) = self.known.get(&key) else {
            // Nobody of unknown outcome could change it: it holds what it holds.
            let cell = self.cells[key as usize];
            return (cell.value != value || (written != 0 && written != cell.written)).then_some(cell.written.max(1));
        };
        let end = all.partition_point(|(r, _)| *r <= revision);
        let mut since = 1;
        for (at, known) in all[..end].iter().rev() {
            let otherwise = match known {
                Known::Written => {
                    let left = self.left_by(claims[*at as usize], key);
                    if left == Some(value) && (written == 0 || written == *at) {
                        return None;
                    }
                    // What it leaves may depend on what it found.
                    left?;
                    true
                }
                Known::Holds(other, told) => *other != value || (written != 0 && *told != 0 && *told != written),
                Known::There => value == NONE,
                Known::HoldsNot(not) => *not == value,
            };
            // What is told of this very revision is what is asked about.
            if otherwise && (*at < revision || *known == Known::Written) {
                since = *at;
                break;
            }
        }
        if since == 1 && value == NONE && written == 0 {
            return None;
        }
        let gap = |r: u64| claims[r as usize] == NONE && !foreign.claims.contains_key(&r);
        let (from, to) = if written > 0 { (written, written) } else { (since + 1, revision) };
        let latest = (from.max(since + 1).max(2)..=to.min(revision)).rev().find(|r| gap(*r));
        let by_lost = latest.is_some_and(|latest| {
            self.writers.get(&(key, value)).is_some_and(|w| w.iter().any(|i| self.log.rows[*i as usize].floor < latest))
        });
        (!by_lost).then_some(since)
    }

    /// What an answered write leaves in a key, if that is certain.
    fn left_by(&self, claim: u32, key: u32) -> Option<u32> {
        let row = &self.log.rows[claim as usize];
        match row.kind {
            Kind::Put | Kind::Swap => Some(row.value),
            Kind::Delete => Some(NONE),
            Kind::Txn => {
                let txn = &self.log.txns[row.extra as usize];
                let steps = if row.yes { &txn.then } else { &txn.otherwise };
                steps.iter().rev().find(|s| s.key == key && s.kind != Kind::Get).map(|s| s.value)
            }
            Kind::Get | Kind::Range => None,
        }
    }

    /// What is known of a key from a revision on, the next first.
    fn ahead(&mut self, key: u32, from: u64) -> &[(u64, Known)] {
        let Some((all, past)) = self.known.get_mut(&key) else { return &[] };
        while all.get(*past).is_some_and(|(revision, _)| *revision < from) {
            *past += 1;
        }
        &all[*past..]
    }

    /// The next that is known of a key and that it does not fulfil: by when, what, and by when a lost write must have come.
    fn needed(&mut self, key: u32, from: u64) -> Option<(Known, u64)> {
        let cell = self.cells[key as usize];
        let mut open: Option<(Known, u64)> = None;
        for (by, known) in self.ahead(key, from) {
            match *known {
                Known::Written => break,
                Known::Holds(value, written) if cell.value == value && (written == 0 || written == cell.written) => break,
                // Told when it was written, it must be then; and what is told before that may be true of it.
                Known::Holds(_, written) => {
                    let by = if written >= from { written } else { *by };
                    return Some((*known, open.map_or(by, |(_, first)| first.min(by))));
                }
                Known::There if cell.value != NONE => {}
                Known::HoldsNot(not) if cell.value != not => {}
                Known::There | Known::HoldsNot(_) => open = open.or(Some((*known, *by))),
            }
        }
        open
    }

    /// If what is known of a key needs a lost write, that is noted.
    fn require(&mut self, key: u32, from: u64) {
        if let Some((_, by)) = self.needed(key, from) {
            self.required.push(Reverse((by, key)));
        }
    }

    /// Whether a lost put or delete is left that leaves this in a key, and a gap for it behind a revision.
    fn comes_anyhow(&self, key: u32, value: u32, revision: u64, by: u64) -> bool {
        let gaps = self.gaps.partition_point(|gap| *gap <= revision)..self.gaps.partition_point(|gap| *gap <= by);
        let Some(last) = self.gaps[gaps.start.min(gaps.end)..gaps.end].last() else { return false };
        let puts = |i: &u32| {
            let row = &self.log.rows[*i as usize];
            // What is put before it can be deleted by it.
            !self.used[*i as usize] && matches!(row.kind, Kind::Put | Kind::Delete) && row.floor < *last
        };
        self.writers.get(&(key, value)).is_some_and(|writers| writers.iter().any(puts))
    }

    /// Whether a key may come to hold this at a revision that nobody claims.
    fn permits(&mut self, key: u32, value: u32, revision: u64) -> bool {
        let cell = self.cells[key as usize];
        for (by, known) in self.ahead(key, revision) {
            match *known {
                Known::Written => return true,
                Known::Holds(holds, written) => {
                    if written == revision || (holds == value && written == 0) {
                        return holds == value;
                    }
                    // Something is to come that leaves what is seen: until then anything may be there, if it does not care.
                    let waits = (cell.value != holds || written > revision) && *by > revision;
                    let (by, key) = (*by, key);
                    return waits && (self.chained || self.comes_anyhow(key, holds, revision, by));
                }
                Known::There if value == NONE => return cell.value == NONE && *by > revision,
                Known::HoldsNot(not) if value == not => return cell.value == not && *by > revision,
                Known::There | Known::HoldsNot(_) => {}
            }
        }
        true
    }

    /// A lost write is done at a revision, if it may be: it was invoked in time, is not used, changes something, and nothing of
    /// that against what is known.
    fn take(&mut self, i: u32, revision: u64) -> bool {
        let row = self.log.rows[i as usize];
        if self.used[i as usize] || row.floor >= revision {
            return false;
        }
        // Simple ones are looked at before they are done.
        let permitted = match row.kind {
            Kind::Put | Kind::Swap => self.permits(row.key, row.value, revision),
            Kind::Delete => self.permits(row.key, NONE, revision),
            _ => true,
        };
        if !permitted {
            return false;
        }
        let before: Vec<(u32, Cell)> = match row.kind {
            Kind::Txn => {
                let mut keys = Vec::new();
                self.may_leave(&row, |key, _| keys.push(key));
                keys.into_iter().map(|key| (key, self.cells[key as usize])).collect()
            }
            _ => vec![],
        };
        if !self.apply(&row, revision, false) {
            return false;
        }
        if row.kind == Kind::Txn {
            let after: Vec<(u32, Cell)> = before.iter().map(|(key, _)| (*key, self.cells[*key as usize])).collect();
            before.iter().rev().for_each(|(key, cell)| self.set(*key, cell.value, cell.written));
            self.changes.clear();
            let changed: Vec<(u32, Cell)> = after.into_iter().filter(|(_, cell)| cell.written == revision).collect();
            if !changed.iter().all(|(key, cell)| self.permits(*key, cell.value, revision)) {
                return false;
            }
            changed.iter().for_each(|(key, cell)| self.set(*key, cell.value, revision));
        }
        self.used[i as usize] = true;
        self.journal.push(Undo::Used(i, false));
        true
    }

    /// A write that leaves this in the key is done; if it cannot be yet, one that makes it possible.
    fn take_for(&mut self, key: u32, value: u32, revision: u64, depth: usize) -> Option<u32> {
        let writers = self.writers.get(&(key, value))?;
        // Those that are used are mostly at the beginning.
        let some: Vec<u32> = writers.iter().copied().filter(|i| !self.used[*i as usize]).take(8).collect();
        for &i in &some {
            if self.take(i, revision) {
                return Some(i);
            }
        }
        some.into_iter().find_map(|i| {
            let row = self.log.rows[i as usize];
            let expects: Vec<(u32, u32)> = match row.kind {
                _ if depth == 0 => vec![],
                Kind::Swap => vec![(key, row.extra)],
                Kind::Txn => self.log.txns[row.extra as usize].compare.clone(),
                _ => vec![],
            };
            self.chained = true;
            let done = expects.into_iter().find_map(|(key, holds)| {
                if self.cells[key as usize].value == holds { None } else { self.take_for(key, holds, revision, depth - 1) }
            });
            self.chained = false;
            done
        })
    }

    /// What must be in a key, and is not, so that the one lost swap that leaves a value there can do it.
    fn expected(&self, key: u32, value: u32) -> Option<u32> {
        let writers = self.writers.get(&(key, value))?;
        let mut left = writers.iter().filter(|i| !self.used[**i as usize]).map(|i| &self.log.rows[*i as usize]);
        let only = left.next().filter(|row| row.kind == Kind::Swap && row.extra != self.cells[key as usize].value)?;
        left.next().is_none().then_some(only.extra)
    }

    /// Any lost write of a key.
    fn take_any_of(&mut self, key: u32, revision: u64) -> Option<u32> {
        let writers = self.of_key.get(&key)?;
        let some: Vec<u32> = writers.iter().copied().filter(|i| !self.used[*i as usize]).take(TRIES).collect();
        some.into_iter().find(|i| self.take(*i, revision))
    }

    /// Nobody claims this revision: one of the lost writes is done.
    fn fill(&mut self, revision: u64, foreign_floor: u64, unseen_first: bool) -> Option<()> {
        if let Some(given) = &self.given {
            let at = given.binary_search_by_key(&revision, |fill| fill.revision).ok()?;
            let op = given[at].op;
            if op == NONE {
                self.foreign_left = self.foreign_left.checked_sub(1).filter(|_| foreign_floor < revision)?;
                return Some(());
            }
            let row = self.log.rows[op as usize];
            let may = !std::mem::replace(&mut self.used[op as usize], true) && row.floor < revision;
            return (may && self.apply(&row, revision, false)).then_some(());
        }
        let fill = |op, by| Fill { revision, op, by };
        if let Some(&(key, value)) = self.pinned.get(&revision) {
            let op = self.take_for(key, value, revision, 0)?;
            self.fills.push(fill(op, u64::MAX));
            return Some(());
        }
        let urgent = self.required.peek().is_some_and(|Reverse((by, _))| *by <= revision.saturating_add(self.slack));
        if (unseen_first || !urgent)
            && let Some(op) = self.take_unseen(revision)
        {
            self.fills.push(fill(op, 0));
            return Some(());
        }
        let journal = self.journal.len();
        // What is required, the earliest deadline first.
        let mut later = Vec::new();
        let mut taken = None;
        while let Some(Reverse((by, key))) = self.required.pop() {
            let done = match self.needed(key, revision) {
                Some((_, still)) if still != by => continue,
                // Told when it was written, it is that revision's.
                Some((Known::Holds(value, written), _)) if written > revision => match self.expected(key, value) {
                    // But what it expects must be there by then.
                    Some(holds) => {
                        self.chained = true;
                        let done = self.take_for(key, holds, revision, 3);
                        self.chained = false;
                        done
                    }
                    None => None,
                },
                Some((Known::Holds(value, _), _)) => self.take_for(key, value, revision, 4),
                Some(_) => self.take_any_of(key, revision),
                // It is not required any more.
                None => continue,
            };
            if let Some(op) = done {
                taken = Some(op);
                if by > revision && !unseen_first {
                    self.marks.push(Mark { revision, by, journal });
                }
                // One that another one needs stays where it is.
                let simple = matches!(self.log.rows[op as usize].kind, Kind::Put | Kind::Delete);
                let movable = simple && self.needed(key, revision).is_none();
                self.fills.push(fill(op, if movable { by } else { u64::MAX }));
                break;
            }
            later.push(Reverse((by, key)));
            if later.len() > TRIES {
                break;
            }
        }
        self.required.extend(later);
        if taken.is_some() {
            return Some(());
        }
        if let Some(op) = self.take_unseen(revision) {
            self.fills.push(fill(op, 0));
            return Some(());
        }
        let some: Vec<u32> = self.delicate.iter().copied().filter(|i| !self.used[*i as usize]).take(TRIES).collect();
        if let Some(op) = some.into_iter().find(|i| self.take(*i, revision)) {
            let row = &self.log.rows[op as usize];
            let unseen = row.kind == Kind::Delete && self.may_hold(row.key, NONE, revision);
            self.fills.push(fill(op, if unseen { 0 } else { u64::MAX }));
            return Some(());
        }
        if self.foreign_left > 0 && foreign_floor < revision {
            self.foreign_left -= 1;
            self.journal.push(Undo::Foreign);
            self.fills.push(fill(NONE, u64::MAX));
            return Some(());
        }
        self.exchange(revision)
    }

    /// Nothing is left for a gap: one that fills an earlier one comes here, another one there, and so on.
    fn exchange(&mut self, revision: u64) -> Option<()> {
        let fill = self.augment(revision, None)?;
        self.fills.push(fill);
        self.repaired = true;
        Some(())
    }

    /// What may fill a gap, if others move: each into a later gap that it may fill as well, and one whose value nobody saw into
    /// the last that is left (an augmenting path of a matching, the shortest).
    fn augment(&mut self, gap: u64, without: Option<usize>) -> Option<Fill> {
        let from = self.fills.len().saturating_sub(LOOK_BACK);
        let mut met = vec![false; self.fills.len() - from];
        // A gap that needs one; what fills it now; and for whom that would go.
        let mut nodes: Vec<(u64, Option<usize>, usize)> = vec![(gap, without, 0)];
        if let Some(at) = without.filter(|at| *at >= from) {
            met[at - from] = true;
        }
        let mut turn = 0;
        while let Some(&(gap, ..)) = nodes.get(turn) {
            if let Some(op) = self.unseen_for(gap, NONE) {
                self.use_it(op, true);
                return Some(self.shift(&nodes, turn, op));
            }
            for at in (from..self.fills.len()).rev() {
                let Fill { revision, op, by } = self.fills[at];
                if met[at - from] || revision >= gap || op == NONE || by == u64::MAX {
                    continue;
                }
                if by >= gap || (by == 0 && self.may_hold(self.log.rows[op as usize].key, self.log.rows[op as usize].value, gap)) {
                    met[at - from] = true;
                    nodes.push((revision, Some(at), turn));
                }
            }
            turn += 1;
        }
        None
    }

    /// Moves along a path: what fills its first gap in the end.
    fn shift(&mut self, nodes: &[(u64, Option<usize>, usize)], last: usize, op: u32) -> Fill {
        let (mut comes, mut at) = ((op, 0), last);
        loop {
            let (gap, filled, parent) = nodes[at];
            let fill = Fill { revision: gap, op: comes.0, by: comes.1 };
            let row = self.log.rows[fill.op as usize];
            if self.cells[row.key as usize].written <= gap {
                self.set(row.key, row.value, gap);
            }
            if at == 0 {
                return fill;
            }
            let filled = filled.expect("every gap but the first is filled");
            let goes = std::mem::replace(&mut self.fills[filled], fill);
            self.journal.push(Undo::Filled(filled, goes));
            comes = (goes.op, goes.by);
            at = parent;
        }
    }

    /// A lost put whose value nobody saw, of another key, that may fill an earlier gap.
    fn unseen_for(&mut self, gap: u64, not: u32) -> Option<u32> {
        for at in 0..self.unseen.len() {
            let (key, waiting, head) = &self.unseen[at];
            let fits = |i: &&u32| !self.used[**i as usize] && self.log.rows[**i as usize].floor < gap;
            let (key, Some(&i)) = (*key, waiting[*head..].iter().take(4).find(fits)) else { continue };
            if key != not && self.may_hold(key, self.log.rows[i as usize].value, gap) {
                return Some(i);
            }
        }
        let fits = |i: &&u32| {
            let row = &self.log.rows[**i as usize];
            !self.used[**i as usize] && row.floor < gap && row.key != not && self.may_hold(row.key, row.value, gap)
        };
        self.returned.iter().find(fits).copied()
    }

    /// Whether a key may hold this from a revision on, until it is written over: nobody tells otherwise before.
    fn may_hold(&self, key: u32, value: u32, revision: u64) -> bool {
        let Some((all, _)) = self.known.get(&key) else { return true };
        let next = all.partition_point(|(at, _)| *at < revision);
        for (_, known) in &all[next..] {
            match *known {
                Known::Written => return true,
                Known::Holds(..) => return false,
                Known::There if value == NONE => return false,
                Known::HoldsNot(not) if value == not => return false,
                Known::There | Known::HoldsNot(_) => {}
            }
        }
        true
    }

    fn use_it(&mut self, i: u32, used: bool) {
        let before = std::mem::replace(&mut self.used[i as usize], used);
        self.journal.push(Undo::Used(i, before));
    }

    /// Another write fills an earlier gap.
    fn replace(&mut self, at: usize, instead: u32, by: u64) {
        let fill = self.fills[at];
        self.journal.push(Undo::Filled(at, fill));
        self.use_it(fill.op, false);
        if fill.by == 0 {
            self.returned.push(fill.op);
        }
        self.use_it(instead, true);
        self.fills[at] = Fill { op: instead, by, ..fill };
        self.repaired = true;
        let row = self.log.rows[instead as usize];
        if self.cells[row.key as usize].written <= fill.revision {
            self.set(row.key, row.value, fill.revision);
        }
    }

    /// An answer does not fit, because a lost put should have come: it fills a gap that another one fills that nobody saw.
    fn repair(&mut self, row: &Row, revision: u64) -> bool {
        if self.given.is_some() || self.used.is_empty() {
            return false;
        }
        let keys: Vec<u32> = match row.kind {
            Kind::Range => self.changeable.clone(),
            Kind::Txn => self.log.txns[row.extra as usize].compare.iter().map(|(key, _)| *key).collect(),
            _ => vec![row.key],
        };
        keys.into_iter().any(|key| {
            // Only what is told of this very revision.
            let Some((known, _)) = self.needed(key, revision) else { return false };
            let cell = self.cells[key as usize];
            let writers: Vec<u32> = match known {
                Known::Holds(value, 0) => self.writers.get(&(key, value)).cloned().unwrap_or_default(),
                Known::There | Known::HoldsNot(_) => self.of_key.get(&key).cloned().unwrap_or_default(),
                _ => vec![],
            };
            let removes = matches!(known, Known::HoldsNot(not) if not != NONE);
            let fits = |i: &u32| {
                let kind = self.log.rows[*i as usize].kind;
                !self.used[*i as usize] && (kind == Kind::Put || (removes && kind == Kind::Delete))
            };
            let writers: Vec<u32> = writers.into_iter().filter(fits).collect();
            let since = self.since(key, revision);
            let first = writers.iter().map(|i| self.log.rows[*i as usize].floor).min();
            let Some(first) = first else { return !matches!(known, Known::Holds(..)) && self.bring_back(key, revision, since, removes) };
            for at in (self.fills.len().saturating_sub(LOOK_BACK)..self.fills.len()).rev() {
                let fill = self.fills[at];
                if fill.revision <= first.max(since) || fill.revision < cell.written {
                    return false;
                }
                if fill.by != 0 || fill.revision > revision {
                    continue;
                }
                // What wrote the key last may be what is to go.
                if fill.revision == cell.written && self.log.rows[fill.op as usize].key != key {
                    continue;
                }
                let instead = writers.iter().copied().find(|i| self.log.rows[*i as usize].floor < fill.revision);
                let Some(instead) = instead else { continue };
                self.replace(at, instead, u64::MAX);
                return true;
            }
            false
        })
    }

    /// The last revision before one at which somebody told what a key holds.
    fn since(&self, key: u32, revision: u64) -> u64 {
        let Some((all, _)) = self.known.get(&key) else { return 0 };
        let before = all.partition_point(|(at, _)| *at < revision);
        all[..before].iter().rev().find(|(_, known)| *known != Known::Written).map_or(0, |(at, _)| *at)
    }

    /// A lost put of this key that fills an earlier gap comes behind what the key holds: another one goes there.
    fn bring_back(&mut self, key: u32, revision: u64, since: u64, removes: bool) -> bool {
        let from = self.fills.len().saturating_sub(LOOK_FAR_BACK);
        let since = since.max(self.cells[key as usize].written);
        let unseen = |fill: &Fill| fill.by == 0 && fill.op != NONE;
        let goes = |fill: &Fill| unseen(fill) && fill.revision > since && fill.revision <= revision;
        let Some(goes) = (from..self.fills.len()).rev().find(|at| goes(&self.fills[*at])) else { return false };
        for at in (from..goes).rev() {
            let fill = self.fills[at];
            if !unseen(&fill) || fill.revision > since {
                continue;
            }
            let row = &self.log.rows[fill.op as usize];
            if row.key != key || !(row.kind == Kind::Put || (removes && row.kind == Kind::Delete)) {
                continue;
            }
            let Some(instead) = self.augment(fill.revision, Some(at)) else { continue };
            self.journal.push(Undo::Filled(at, fill));
            self.fills[at] = instead;
            self.replace(goes, fill.op, u64::MAX);
            return true;
        }
        false
    }

    /// One whose value nobody saw, of a key that may be written.
    fn take_unseen(&mut self, revision: u64) -> Option<u32> {
        let keys = self.unseen.len();
        for turn in 0..keys {
            let at = (self.unseen_at + turn) % keys;
            let (key, waiting, head) = &self.unseen[at];
            let (key, head, Some(&i)) = (*key, *head, waiting.get(*head)) else { continue };
            let row = self.log.rows[i as usize];
            // With a floor too high, those behind it are no better.
            if row.floor < revision && self.permits(key, row.value, revision) {
                self.journal.push(Undo::Head(at as u32, head));
                self.unseen[at].2 = head + 1;
                if !self.used[i as usize] && self.take(i, revision) {
                    self.unseen_at = at + 1;
                    return Some(i);
                }
            }
        }
        let some: Vec<u32> = self.returned.iter().rev().copied().filter(|i| !self.used[*i as usize]).take(TRIES).collect();
        some.into_iter().find(|i| self.take(*i, revision))
    }
}
