//! Configurations in machine words.

use super::object::WORD;
use crate::bits::ones;

pub(super) const NOBODY: u32 = u32::MAX;

#[derive(Clone, Copy)]
pub(super) struct Config {
    /// Open calls that happened, and those that may count as done or as to come.
    pub(super) done: u64,
    pub(super) free: u64,
    /// The last step of the order that led here.
    pub(super) trace: u32,
    /// The place of the one before it in the same state.
    pub(super) before: u32,
    pub(super) state: u8,
    /// Whether another one dominates it.
    pub(super) gone: bool,
}

impl Config {
    /// Whether it can do all that another one can that is in the same state.
    #[inline]
    fn is_as_good(&self, other: &Config, observers: u64) -> bool {
        let differ = (self.done ^ other.done) | (self.free ^ other.free);
        differ & !self.free & !(observers & self.done) == 0
    }
}

/// Configurations without the dominated ones.
pub(super) struct Best {
    pub(super) all: Vec<Config>,
    /// The place of the last one in each state, and which states have any.
    last: [u32; WORD],
    states: u64,
}

impl Best {
    pub(super) fn new() -> Best {
        Best { all: vec![], last: [NOBODY; WORD], states: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
        ones(0, std::mem::take(&mut self.states)).for_each(|state| self.last[state as usize] = NOBODY);
    }

    /// Whether one that is as good is there already; those that are not as good as it go.
    #[inline]
    fn has_as_good(&mut self, config: &Config, observers: u64) -> bool {
        let mut at = self.last[config.state as usize];
        while let Some(other) = self.all.get_mut(at as usize) {
            at = other.before;
            if other.gone {
                continue;
            }
            if other.is_as_good(config, observers) {
                return true;
            }
            other.gone = config.is_as_good(other, observers);
        }
        false
    }

    #[inline]
    pub(super) fn push(&mut self, mut config: Config) {
        self.states |= 1 << config.state;
        config.before = std::mem::replace(&mut self.last[config.state as usize], self.all.len() as u32);
        self.all.push(config);
    }

    #[inline]
    pub(super) fn insert(&mut self, config: Config, observers: u64) {
        if !self.has_as_good(&config, observers) {
            self.push(config);
        }
    }
}
