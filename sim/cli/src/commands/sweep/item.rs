//! One run of a sweep.

use std::path::PathBuf;

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) path: PathBuf,
    pub(super) scenario: String,
    /// `None`: the file is a plan.
    pub(super) seed: Option<u64>,
    /// The seed that a plan came from.
    pub(super) plan_seed: String,
    /// The checker that is to fail.
    pub(super) canary: Option<String>,
}

impl Item {
    pub(super) fn seed_text(&self) -> String {
        self.seed.map_or(self.plan_seed.clone(), |seed| seed.to_string())
    }
}
