//! The store, as the pass replays it: cells, and how many keys there are of each prefix.

use super::{
    super::log::{Kind, NONE, Row, Shown, Step},
    replay::{Cell, Replay, Undo},
};

impl Replay<'_> {
    pub(super) fn set(&mut self, key: u32, value: u32, revision: u64) {
        if !self.used.is_empty() {
            self.journal.push(Undo::Cell(key, self.cells[key as usize]));
        }
        self.put_cell(key, Cell { value, written: revision });
        self.changes.push((key, value));
    }

    pub(super) fn put_cell(&mut self, key: u32, new: Cell) {
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
    pub(super) fn apply(&mut self, row: &Row, revision: u64, answered: bool) -> bool {
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
    pub(super) fn step(&mut self, step: &Step, revision: u64) -> bool {
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
    pub(super) fn agrees(&self, row: &Row, revision: u64) -> bool {
        let holds = |key: u32| self.cells[key as usize].value;
        match row.kind {
            Kind::Get => holds(row.key) == row.value,
            Kind::Swap => !row.yes && holds(row.key) != row.extra,
            Kind::Delete => !row.yes && holds(row.key) == NONE,
            Kind::Range => {
                let range = &self.log.ranges[row.extra as usize];
                let shown = &self.log.shown[range.shown.start as usize..range.shown.end as usize];
                let right = |kv: &Shown| {
                    let cell = self.cells[kv.key as usize];
                    cell.value == kv.value
                        && (kv.written == 0 || kv.written == cell.written)
                        && self.prefixes_of[kv.key as usize].contains(&row.key)
                };
                let name = |kv: &Shown| self.log.keys.bytes(kv.key);
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
}
