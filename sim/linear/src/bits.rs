//! Small sets and counters that grow: no word-sized limits.

use smallvec::SmallVec;

/// A set of small numbers. Canonical: no trailing zero words, so that equal sets are equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bits(SmallVec<[u64; 1]>);

impl Bits {
    pub(crate) fn has(&self, bit: u32) -> bool {
        self.0.get(bit as usize / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    pub(crate) fn insert(&mut self, bit: u32) {
        let at = bit as usize / 64;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (bit % 64);
    }

    pub(crate) fn remove(&mut self, bit: u32) {
        if let Some(word) = self.0.get_mut(bit as usize / 64) {
            *word &= !(1 << (bit % 64));
            while self.0.last() == Some(&0) {
                self.0.pop();
            }
        }
    }

    pub(crate) fn word(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(0)
    }

    pub(crate) fn words(&self) -> usize {
        self.0.len()
    }
}

/// How many of each class are used. Canonical: no trailing zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Counts(SmallVec<[u32; 2]>);

impl Counts {
    pub(crate) fn get(&self, class: usize) -> u32 {
        self.0.get(class).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, class: usize) {
        if self.0.len() <= class {
            self.0.resize(class + 1, 0);
        }
        self.0[class] += 1;
    }

    /// Whether it counts no more than `other`, class by class.
    pub(crate) fn within(&self, other: &Counts) -> bool {
        self.0.len() <= other.0.len() && self.0.iter().zip(&other.0).all(|(mine, its)| mine <= its)
    }

    pub(crate) fn bytes(&self) -> usize {
        if self.0.spilled() { self.0.capacity() * 4 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_counts_are_canonical_and_have_no_limit() {
        let mut set = Bits::default();
        set.insert(3);
        set.insert(1_000);
        assert!(set.has(1_000) && set.has(3) && !set.has(4) && !set.has(5_000));
        set.remove(1_000);
        let mut other = Bits::default();
        other.insert(3);
        assert_eq!(set, other);
        let (mut few, mut many) = (Counts::default(), Counts::default());
        (0..300).for_each(|_| many.add(20));
        assert!(few.within(&many) && !many.within(&few) && many.get(20) == 300);
        few.add(19);
        assert!(!few.within(&many));
    }
}
