//! What a search has taken, how much it may take, and how far it came.

use super::{Refused, Step, held::End, stopped};
use squall_linear::{Progress, frontier::Watchdog};

/// No more revisions are replayed in one search, over all the choices that are tried.
pub(super) const STEPS_MAX: u64 = 3_000_000;

/// No more candidates for a gap are looked at, over all the choices of one search: a second or two.
pub(super) const CANDIDATES_MAX: usize = 20_000_000;

/// After this many revisions the watchdog is asked whether to go on.
pub(in super::super) const ASKED_EVERY: u64 = 256;

/// The stores that are remembered as tried take no more bytes, roughly.
const TRIED_BYTES_MAX: usize = 200 << 20;

/// What a search has taken.
#[derive(Default)]
pub(super) struct Tally {
    /// Revisions that were replayed.
    pub(super) steps: u64,
    /// These, and choices that were looked at.
    pub(super) visits: u64,
    /// Choices that led on.
    pub(super) choices: usize,
    pub(super) choices_max: usize,
    pub(super) candidates: usize,
    /// What is remembered, and what is kept for the way.
    pub(super) bytes: usize,
    pub(super) held: usize,
    /// Whether somebody told it to stop.
    pub(super) stopped: bool,
}

impl Tally {
    /// A visit more: whether that is one too many.
    pub(super) fn is_spent(&mut self, at: u64, go_on: Watchdog<'_>) -> bool {
        self.visits += 1;
        self.stopped = self.visits.is_multiple_of(ASKED_EVERY)
            && !go_on(Progress { visits: self.visits, bytes: self.bytes + self.held, events: at as usize });
        let bounds = [
            self.steps > STEPS_MAX,
            self.candidates > CANDIDATES_MAX,
            self.bytes + self.held > TRIED_BYTES_MAX,
            self.choices > self.choices_max,
            self.stopped,
        ];
        bounds.contains(&true)
    }

    /// Why it ends without a verdict.
    pub(super) fn ended(&self, at: u64, furthest: Option<Furthest>) -> Refused {
        if self.stopped {
            return stopped(furthest.map_or(at, |furthest| furthest.revision.max(at)));
        }
        let Tally { choices, steps, .. } = self;
        Refused::Unknown(format!("too many writes of unknown outcome: {choices} choices and {steps} steps were tried"))
    }
}

/// No more ways to the furthest store are remembered.
const WAYS_MAX: usize = 10;

/// Why the attempts that came furthest came no further, and how they came there.
pub(super) struct Furthest {
    pub(super) revision: u64,
    pub(super) end: End,
    pub(super) ways: Vec<Vec<Step>>,
    pub(super) ways_in_all: usize,
}

/// An attempt ended at a revision; the furthest counts.
pub(super) fn remember(furthest: &mut Option<Furthest>, revision: u64, end: Option<End>, path: &[Step]) {
    let Some(end) = end else { return };
    if furthest.as_ref().is_none_or(|furthest| furthest.revision < revision) {
        *furthest = Some(Furthest { revision, end: end.clone(), ways: vec![], ways_in_all: 0 });
    }
    if let Some(furthest) = furthest.as_mut().filter(|furthest| furthest.revision == revision) {
        furthest.ways_in_all += 1;
        // What is told of one end is not true of another.
        if furthest.ways.len() < WAYS_MAX && furthest.end == end {
            furthest.ways.push(path.to_vec());
        }
    }
}
