//! Configurations, and which of them are worth keeping.

use crate::bits::{Bits, Used};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

pub(super) type FxMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// Of how many states it is remembered what calls make of them: registers of a few values have no more.
pub(super) const FIRST: usize = 14;

#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) state: u32,
    /// Open calls that happened.
    pub(super) done: Bits,
    /// Open calls that may count as done or as to come.
    pub(super) free: Bits,
    /// How many of each class of unknown outcome happened: its number in `Used`.
    pub(super) used: u32,
    /// The last step of the order that led here.
    pub(super) trace: u32,
    /// Among others: the place of the one before it in the same state.
    pub(super) before: u32,
}

/// The state of a configuration that another one dominates.
pub(super) const GONE: u32 = u32::MAX;

/// Configurations without the dominated ones.
pub(super) struct Best {
    pub(super) all: Vec<Config>,
    /// The place of the last one in each of the first few states.
    pub(super) last: [u32; FIRST],
    /// The same of the other states: kept once there are many.
    pub(super) by_state: FxMap<u32, u32>,
}

/// Up to this number, configurations are looked through one by one.
pub(super) const FEW: usize = 24;

pub(super) const NOBODY: u32 = u32::MAX;

impl Default for Best {
    fn default() -> Best {
        Best { all: vec![], last: [NOBODY; FIRST], by_state: FxMap::default() }
    }
}

impl Best {
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.last = [NOBODY; FIRST];
        self.by_state.clear();
    }

    /// Takes it, unless one that is as good is there already.
    pub(super) fn insert(&mut self, config: Config, observers: &Bits, used: &Used) {
        let state = config.state as usize;
        if state >= FIRST && self.all.len() < FEW {
            for other in self.all.iter_mut().rev().filter(|other| other.state == config.state) {
                if as_good(other, &config, observers, used) {
                    return;
                }
                if as_good(&config, other, observers, used) {
                    other.state = GONE;
                }
            }
            self.all.push(config);
            return;
        }
        let mut at = self.last_in(config.state);
        while at != NOBODY {
            let other = &mut self.all[at as usize];
            at = other.before;
            if other.state != GONE {
                if as_good(other, &config, observers, used) {
                    return;
                }
                if as_good(&config, other, observers, used) {
                    other.state = GONE;
                }
            }
        }
        self.push(config);
    }

    /// Takes it: it is known that none is as good, nor it as good as any.
    pub(super) fn push(&mut self, mut config: Config) {
        let (at, state) = (self.all.len() as u32, config.state as usize);
        if let Some(last) = self.last.get_mut(state) {
            config.before = std::mem::replace(last, at);
        } else if at as usize >= FEW {
            config.before = self.last_in(config.state);
            self.by_state.insert(config.state, at);
        }
        self.all.push(config);
    }

    /// The place of the last one in a state.
    pub(super) fn last_in(&mut self, state: u32) -> u32 {
        if let Some(last) = self.last.get(state as usize) {
            return *last;
        }
        if self.by_state.is_empty() {
            for (at, config) in self.all.iter_mut().enumerate().filter(|(_, config)| config.state as usize >= FIRST) {
                config.before = self.by_state.insert(config.state, at as u32).unwrap_or(NOBODY);
            }
        }
        self.by_state.get(&state).copied().unwrap_or(NOBODY)
    }

    pub(super) fn is_best(&self, place: usize) -> bool {
        self.all[place].state != GONE
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that nothing dominates, in order of their arrival.
    pub(super) fn move_best(&mut self, into: &mut Vec<Config>) {
        into.clear();
        into.extend(self.all.drain(..).filter(|config| config.state != GONE));
        self.clear();
    }
}

/// Whether `a` can do all that `b` can, both in the same state.
#[inline(always)]
pub(super) fn as_good(a: &Config, b: &Config, observers: &Bits, used: &Used) -> bool {
    // Most often the first word tells.
    as_good_in(0, a, b, observers) && as_good_beyond(a, b, observers, used)
}

#[inline(always)]
pub(super) fn as_good_in(word: usize, a: &Config, b: &Config, observers: &Bits) -> bool {
    let differ = (a.done.word(word) ^ b.done.word(word)) | (a.free.word(word) ^ b.free.word(word));
    differ & !a.free.word(word) & !(observers.word(word) & a.done.word(word)) == 0
}

pub(super) fn as_good_beyond(a: &Config, b: &Config, observers: &Bits, used: &Used) -> bool {
    let words = a.done.words().max(b.done.words()).max(b.free.words());
    used.within(a.used, b.used) && (1..words).all(|word| as_good_in(word, a, b, observers))
}
