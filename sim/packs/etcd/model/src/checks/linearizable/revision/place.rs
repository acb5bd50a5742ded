//! Where an unanswered write may stand, and what it may leave there.

/// An unanswered write that may change a key.
pub(super) struct MayChange<'o> {
    pub(super) op: usize,
    pub(super) place: Place,
    /// What it leaves: the value, or nothing.
    pub(super) value: Option<&'o str>,
    /// If it does so under a condition: its number among the writers, and whether the condition must hold.
    pub(super) condition: Option<(usize, bool)>,
}

impl MayChange<'_> {
    /// In which case of its condition; without one, as if it held.
    pub(super) fn case(&self) -> bool {
        self.condition.is_none_or(|(_, succeeded)| succeeded)
    }
}

/// An unanswered write: pinned to a revision, or a member of a class, by its number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Pinned(u64),
    Member(usize, usize),
}
