//! Labelled randomness: one stream of draws for each label, all from one seed.
//!
//! Streams of different labels are independent, so that taking one entity or one fault away never
//! shifts the draws of another. Probabilities are ratios; there are no floats.

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use sha2::{Digest, Sha256};
use std::{ops::RangeInclusive, time::Duration};

/// The stream of `label` under `seed`. The key is SHA-256 over both.
pub fn stream(seed: u64, label: &str) -> SeededStream {
    let mut sha = Sha256::new();
    sha.update(b"squall stream 1\0");
    sha.update(seed.to_le_bytes());
    sha.update(label.as_bytes());
    SeededStream { rng: ChaCha8Rng::from_seed(sha.finalize().into()), drawn: 0 }
}

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct SeededStream {
    rng: ChaCha8Rng,
    drawn: u64,
}

impl SeededStream {
    /// How many draws were made so far. What made none is not random.
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.drawn += 1;
        self.rng.next_u64()
    }

    /// Uniform in `0..n`. `n` must not be zero. One draw, by multiplication: the bias is under n / 2^64.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "nothing to choose from");
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in a closed range.
    pub fn in_range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (*range.start(), *range.end());
        assert!(low <= high, "an empty range: {low}..={high}");
        match (high - low).checked_add(1) {
            Some(n) => low + self.below(n),
            None => self.bits(),
        }
    }

    /// A duration in a closed range, to the nanosecond.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.in_range(low.as_nanos() as u64..=high.as_nanos() as u64))
    }

    /// True `numerator` times out of `denominator`.
    pub fn ratio(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// A uniform permutation (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// A generator of its own, seeded from here.
    pub fn fork(&mut self) -> ChaCha8Rng {
        self.drawn += 1;
        let mut key = [0; 32];
        self.rng.fill_bytes(&mut key);
        ChaCha8Rng::from_seed(key)
    }
}

#[cfg(test)]
mod tests {
    use super::stream;

    #[test]
    fn a_stream_depends_on_seed_and_label_and_nothing_else() {
        let draws = |seed, label| stream(seed, label).bits();
        assert_eq!(draws(1, "a"), draws(1, "a"));
        assert_ne!(draws(1, "a"), draws(1, "b"));
        assert_ne!(draws(1, "a"), draws(2, "a"));
    }

    #[test]
    fn draws_stay_in_their_range_and_reach_its_ends() {
        let mut s = stream(7, "range");
        let seen: std::collections::BTreeSet<u64> = (0..200).map(|_| s.in_range(3..=6)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert!((0..100).all(|_| !s.ratio(0, 5)) && (0..100).all(|_| s.ratio(5, 5)));
        let mut order = [1, 2, 3, 4, 5];
        s.shuffle(&mut order);
        order.sort_unstable();
        assert_eq!(order, [1, 2, 3, 4, 5]);
    }
}
