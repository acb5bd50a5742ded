//! The state of a replay: the store in columns, the lost writes, and what filled each gap so far.

use super::super::log::{Log, NONE};
use crate::checks::out_of_model::OutOfModel;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use std::{cmp::Reverse, collections::BinaryHeap};

pub(super) type FxMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// What a key holds, and since which revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) value: u32,
    pub(super) written: u64,
}

/// What is known of a key, of the store after a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// An answered write changes it at this revision.
    Written,
    /// It holds this; written at the revision, where that is told (else 0).
    Holds(u32, u64),
    /// It is there.
    There,
    /// It does not hold this.
    HoldsNot(u32),
}

/// One way through the history, up to a revision.
pub(super) struct Replay<'l> {
    pub(super) log: &'l Log,
    pub(super) cells: Vec<Cell>,
    /// For each key, the prefixes that are asked for and that it has; and how many keys are there of each.
    pub(super) prefixes_of: Vec<Vec<u32>>,
    pub(super) there: Vec<u32>,
    /// For each key that lost writes may change: what is known, by revision; and what of it is past.
    pub(super) known: FxMap<u32, (Vec<(u64, Known)>, usize)>,
    pub(super) used: Vec<bool>,
    /// The lost writes that leave a value in a key, in order of invocation.
    pub(super) writers: FxMap<(u32, u32), Vec<u32>>,
    /// For each key, the lost writes that nobody saw the values of.
    pub(super) of_key: FxMap<u32, Vec<u32>>,
    /// What is required later than this many revisions ahead may wait.
    pub(super) slack: u64,
    /// The revisions that nobody claims.
    pub(super) gaps: Vec<u64>,
    /// The keys that lost writes may change.
    pub(super) changeable: Vec<u32>,
    /// For each key, lost puts whose values nobody saw; and how many of them are past.
    pub(super) unseen: Vec<(u32, Vec<u32>, usize)>,
    pub(super) unseen_at: usize,
    /// Lost writes that may change nothing, or several keys: whether nobody saw their values.
    pub(super) delicate: Vec<u32>,
    /// Who wrote a revision, where an answer tells: the key, and what it left there.
    pub(super) pinned: FxMap<u64, (u32, u32)>,
    /// Keys whose next answer needs a lost write: by when.
    pub(super) required: BinaryHeap<Reverse<(u64, u32)>>,
    pub(super) foreign_left: usize,
    pub(super) changes: Vec<(u32, u32)>,
    /// Whether what is taken now is to make another one possible.
    pub(super) chained: bool,
    /// What was done since the first revision, if it may have to be undone.
    pub(super) journal: Vec<Undo>,
    /// What fills each gap so far.
    pub(super) fills: Vec<Fill>,
    /// Lost puts that were taken out of their gap again.
    pub(super) returned: Vec<u32>,
    /// What is to fill each gap, if that is given.
    pub(super) given: Option<Vec<Fill>>,
    /// Whether what filled a gap was changed afterwards, so that all is to be replayed once more.
    pub(super) repaired: bool,
    /// Gaps that were filled by a write that had to come by then, and might have come later.
    pub(super) marks: Vec<Mark>,
}

/// What undoes a step.
pub(super) enum Undo {
    Cell(u32, Cell),
    Used(u32, bool),
    Filled(usize, Fill),
    Head(u32, usize),
    OutOfModel,
}

/// What fills a gap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    pub(super) revision: u64,
    /// The lost write; [`NONE`]: something that is out of the model.
    pub(super) op: u32,
    /// If nobody sees it, 0; else by when it had to come. `u64::MAX` if it is not to be moved.
    pub(super) by: u64,
}

/// A gap that could be filled otherwise.
pub(super) struct Mark {
    pub(super) revision: u64,
    /// By when what filled it had to come.
    pub(super) by: u64,
    /// How long the journal was.
    pub(super) journal: usize,
}

/// Why no witness was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum ReplayFailure {
    /// The way came to no end; another might.
    Unsure,
    /// It was told to stop, at this revision.
    Stopped(u64),
    /// There is none.
    Impossible(Box<Impossible>),
}

/// A row tells of a key what nobody can have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Impossible {
    pub(in super::super) row: u32,
    /// The key, what it is told to hold ([`NONE`]: absent), and at which revision.
    pub(in super::super) key: u32,
    pub(in super::super) value: u32,
    pub(in super::super) revision: u64,
    /// The last revision at which it certainly was otherwise, 1 if it was absent from the beginning.
    pub(in super::super) since: u64,
    /// One way to that revision, where one was gone.
    pub(in super::super) filled: Option<Filled>,
}

/// Who fills the revisions that nobody claims: the rows of lost writes, or [`NONE`] for what is out of the model.
pub(in super::super) type Filled = Vec<(u64, u32)>;

/// The history in order of revision.
pub(super) struct InOrder<'f> {
    /// Who claims a revision.
    pub(super) claims: Vec<u32>,
    /// Where the readers of a revision begin in `readers`.
    pub(super) first: Vec<u32>,
    pub(super) readers: Vec<u32>,
    pub(super) out_of_model: &'f OutOfModel,
    pub(super) foreign_floor: u64,
    pub(super) has_lost: bool,
}

impl<'l> Replay<'l> {
    /// A store with nothing in it, and the lost writes in their places.
    pub(super) fn new(log: &'l Log, lost: &[u32], foreign_left: usize) -> Replay<'l> {
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
}
