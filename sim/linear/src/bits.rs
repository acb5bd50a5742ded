//! Small sets and counters that grow: no word-sized limits.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

/// A set of small numbers. Canonical: no trailing zero words, so that equal sets are equal bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    /// 0 to 63: most often all that there is.
    first: u64,
    rest: Option<Box<[u64]>>,
}

/// The empty set.
pub(crate) static NONE: Bits = Bits { first: 0, rest: None };

impl Bits {
    #[inline]
    pub(crate) fn has(&self, bit: u32) -> bool {
        self.word(bit as usize / 64) >> (bit % 64) & 1 == 1
    }

    #[inline]
    pub(crate) fn insert(&mut self, bit: u32) {
        let mask = 1 << (bit % 64);
        match bit as usize / 64 {
            0 => self.first |= mask,
            at => self.change(|rest| {
                rest.resize(rest.len().max(at), 0);
                rest[at - 1] |= mask;
            }),
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, bit: u32) {
        let mask = !(1 << (bit % 64));
        match bit as usize / 64 {
            0 => self.first &= mask,
            at if at < self.words() => self.change(|rest| rest[at - 1] &= mask),
            _ => {}
        }
    }

    #[cold]
    fn change(&mut self, change: impl FnOnce(&mut Vec<u64>)) {
        let mut rest = self.rest.take().map_or(vec![], Vec::from);
        change(&mut rest);
        while rest.last() == Some(&0) {
            rest.pop();
        }
        self.rest = (!rest.is_empty()).then(|| rest.into_boxed_slice());
    }

    #[inline]
    pub(crate) fn word(&self, at: usize) -> u64 {
        if at == 0 { self.first } else { self.rest.as_ref().and_then(|rest| rest.get(at - 1)).copied().unwrap_or(0) }
    }

    /// Takes in these of the first word.
    #[inline]
    pub(crate) fn add_first(&mut self, more: u64) {
        self.first |= more;
    }

    /// Those of this set that are not in the other, in order.
    pub(crate) fn without<'a>(&'a self, other: &'a Bits) -> impl Iterator<Item = u32> + 'a {
        (0..self.words()).flat_map(move |at| ones(at, self.word(at) & !other.word(at)))
    }

    /// Takes in those of `more` that are not in `except`.
    #[inline]
    pub(crate) fn add_without(&mut self, more: &Bits, except: &Bits) {
        self.first |= more.first & !except.first;
        for at in 1..more.words() {
            ones(at, more.word(at) & !except.word(at)).for_each(|bit| self.insert(bit));
        }
    }

    #[inline]
    pub(crate) fn words(&self) -> usize {
        1 + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    pub(crate) fn bytes(&self) -> usize {
        (self.words() - 1) * 8
    }
}

/// The numbers that the bits of a word stand for.
pub(crate) fn ones(at: usize, mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| at as u32 * 64 + word.trailing_zeros());
        word &= word.wrapping_sub(1);
        bit
    })
}

/// How many of each class are used: those of which any are, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Counts(SmallVec<[(u32, u32); 3]>);

impl Counts {
    pub(crate) fn get(&self, class: usize) -> u32 {
        self.0.iter().find(|(c, _)| *c == class as u32).map_or(0, |(_, n)| *n)
    }

    pub(crate) fn add(&mut self, class: usize) {
        let at = self.0.iter().position(|(c, _)| *c >= class as u32).unwrap_or(self.0.len());
        match self.0.get_mut(at) {
            Some((c, n)) if *c == class as u32 => *n += 1,
            _ => self.0.insert(at, (class as u32, 1)),
        }
    }

    /// Whether it counts no more than `other`, class by class.
    pub(crate) fn within(&self, other: &Counts) -> bool {
        if self.0.len() > other.0.len() {
            return false;
        }
        let mut its = other.0.iter();
        self.0.iter().all(|(class, n)| its.find(|(c, _)| c >= class).is_some_and(|(c, m)| c == class && n <= m))
    }
}

/// Counters by number, each kept once.
#[derive(Debug)]
pub(crate) struct Used {
    all: Vec<Counts>,
    ids: HashMap<Counts, u32, FxBuildHasher>,
    /// What one more of a class makes of them.
    more: HashMap<(u32, u32), u32, FxBuildHasher>,
}

impl Default for Used {
    /// Number 0 counts nothing.
    fn default() -> Used {
        let mut ids: HashMap<Counts, u32, FxBuildHasher> = HashMap::default();
        ids.insert(Counts::default(), 0);
        Used { all: vec![Counts::default()], ids, more: HashMap::default() }
    }
}

impl Used {
    pub(crate) fn get(&self, id: u32, class: usize) -> u32 {
        if id == 0 { 0 } else { self.all[id as usize].get(class) }
    }

    /// How many are used in all.
    pub(crate) fn sum(&self, id: u32) -> u32 {
        self.all[id as usize].0.iter().map(|(_, n)| n).sum()
    }

    /// The counter of each class.
    pub(crate) fn spread(&self, id: u32, classes: usize, into: &mut Vec<u32>) {
        into.clear();
        into.resize(classes, 0);
        self.all[id as usize].0.iter().for_each(|(class, n)| into[*class as usize] = *n);
    }

    /// One more of a class.
    pub(crate) fn add(&mut self, id: u32, class: usize) -> u32 {
        if let Some(more) = self.more.get(&(id, class as u32)) {
            return *more;
        }
        let mut counts = self.all[id as usize].clone();
        counts.add(class);
        let next = self.all.len() as u32;
        let more = *self.ids.entry(counts).or_insert_with_key(|counts| {
            self.all.push(counts.clone());
            next
        });
        self.more.insert((id, class as u32), more);
        more
    }

    /// Whether the one counts no more than the other, class by class.
    #[inline]
    pub(crate) fn within(&self, few: u32, many: u32) -> bool {
        few == many || few == 0 || (many != 0 && self.all[few as usize].within(&self.all[many as usize]))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.all.len() * 112 + self.more.len() * 16
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
        assert_eq!((set.words(), set.word(0)), (other.words(), other.word(0)));
        let (mut few, mut many) = (Counts::default(), Counts::default());
        (0..300).for_each(|_| many.add(20));
        assert!(few.within(&many) && !many.within(&few) && many.get(20) == 300);
        few.add(19);
        assert!(!few.within(&many));
    }
}
