//! One file's contents, and what a power loss would make of them.

use super::SECTOR;
use squall_effect::PowerLoss;
use squall_history::SeededStream;
use std::collections::BTreeMap;

/// What a sector held before it was first changed in its layer.
struct Before {
    bytes: Vec<u8>,
    /// Changed by a truncation alone: such sectors share one fate, since a truncation is atomic.
    by_truncate: bool,
}

/// The changes since the last sync began.
#[derive(Default)]
struct Layer {
    before: BTreeMap<usize, Before>,
}

#[derive(Default)]
pub(crate) struct Inode {
    data: Vec<u8>,
    /// The layers that syncs in flight will make durable, oldest first, with their numbers.
    syncing: Vec<(u64, Layer)>,
    unsynced: Layer,
    layers: u64,
    /// What a sync that failed left in the cache alone: taken for written, and not. Never durable until it is
    /// written anew (Rebello et al., ATC 2020, "Can applications recover from fsync failures?").
    ghosts: Layer,
    /// What certainly is not where it was written, but went astray, and where to: seen once the cache is gone.
    misplaced: Layer,
    stray: BTreeMap<usize, Vec<u8>>,
    /// How many handles are open on it.
    pub(crate) handles: usize,
}

impl Inode {
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    fn sector(&self, n: usize) -> &[u8] {
        let from = (n * SECTOR).min(self.data.len());
        &self.data[from..(from + SECTOR).min(self.data.len())]
    }

    fn remember(&mut self, from: usize, to: usize, by_truncate: bool) {
        for n in from / SECTOR..to.div_ceil(SECTOR) {
            let bytes = match self.unsynced.before.get_mut(&n) {
                Some(before) => {
                    before.by_truncate &= by_truncate;
                    continue;
                }
                None => self.sector(n).to_vec(),
            };
            self.unsynced.before.insert(n, Before { bytes, by_truncate });
        }
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.remember(offset.min(self.data.len()), end, false);
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.data[offset..end].copy_from_slice(bytes);
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        let (low, high) = (len.min(self.data.len()), len.max(self.data.len()));
        self.remember(low, high, true);
        self.data.resize(len, 0);
    }

    /// A sync begins: it covers everything up to here. Returns the layer's number.
    pub(crate) fn sync_begins(&mut self) -> u64 {
        self.layers += 1;
        self.syncing.push((self.layers, std::mem::take(&mut self.unsynced)));
        self.layers
    }

    /// That sync is done: its layer, and every older one, is durable.
    pub(crate) fn synced(&mut self, layer: u64) {
        for sector in self.covered(layer).into_keys() {
            self.ghosts.before.remove(&sector);
            self.misplaced.before.remove(&sector);
            self.stray.remove(&sector);
        }
    }

    /// Takes out what a sync of this layer covers: each sector, with what it held before the oldest such layer.
    fn covered(&mut self, layer: u64) -> BTreeMap<usize, Before> {
        let mut covered = BTreeMap::new();
        for (_, done) in self.syncing.extract_if(.., |(n, _)| *n <= layer) {
            for (sector, before) in done.before {
                covered.entry(sector).or_insert(before);
            }
        }
        covered
    }

    /// That sync failed. As on Linux, its pages are marked clean: no later sync writes them.
    pub(crate) fn sync_failed(&mut self, layer: u64) {
        for (sector, before) in self.covered(layer) {
            self.ghosts.before.entry(sector).or_insert(before);
        }
    }

    /// That sync is done, but what it wrote went `away` sectors further, within the file. False when nothing did.
    pub(crate) fn misdirected(&mut self, layer: u64, away: usize) -> bool {
        let sectors = self.data.len().div_ceil(SECTOR);
        let covered = self.covered(layer);
        let went = sectors > away && covered.values().any(|before| !before.by_truncate);
        for (sector, before) in covered {
            self.ghosts.before.remove(&sector);
            self.stray.remove(&sector);
            if went && !before.by_truncate && sector < sectors {
                let mut whole = self.sector(sector).to_vec();
                whole.resize(SECTOR, 0);
                self.stray.insert((sector + away) % sectors, whole);
                self.misplaced.before.entry(sector).or_insert(before);
            }
        }
        went
    }

    /// Something else happens to what is on the disk, and to the cache with it: this many bits flip, in sectors that
    /// hold something. How many did.
    pub(crate) fn flip(&mut self, bits: u64, draws: &mut SeededStream) -> u64 {
        let written: Vec<usize> = (0..self.data.len().div_ceil(SECTOR)).filter(|n| self.sector(*n).iter().any(|b| *b != 0)).collect();
        if written.is_empty() {
            return 0;
        }
        for _ in 0..bits {
            let n = *draws.pick(&written);
            let at = n * SECTOR + draws.below(self.sector(n).len() as u64) as usize;
            self.data[at] ^= 1 << draws.below(8);
        }
        bits
    }

    /// The file loses up to this many bytes at its end, durably. Returns how many it lost.
    pub(crate) fn cut(&mut self, bytes: usize) -> usize {
        let lost = bytes.min(self.data.len());
        self.data.truncate(self.data.len() - lost);
        let sectors = self.data.len().div_ceil(SECTOR);
        let layers = self.syncing.iter_mut().map(|(_, layer)| layer);
        for layer in layers.chain([&mut self.unsynced, &mut self.ghosts, &mut self.misplaced]) {
            layer.before.retain(|n, _| *n < sectors);
        }
        self.stray.retain(|n, _| *n < sectors);
        lost
    }

    /// Whether anything of it would not survive every power loss.
    #[cfg(test)]
    fn is_clean(&self) -> bool {
        self.ghosts.before.is_empty() && self.misplaced.before.is_empty() && self.stray.is_empty()
    }

    /// Each unsynced sector is kept, lost or torn, newest layer first; or all have one of these fates.
    pub(crate) fn power_loss(&mut self, fate: PowerLoss, draws: &mut SeededStream) {
        self.lose_cache(fate, draws);
        let mut astray = std::mem::take(&mut self.stray);
        for (n, before) in std::mem::take(&mut self.misplaced).before {
            let mut whole = before.bytes;
            whole.resize(SECTOR, 0);
            astray.entry(n).or_insert(whole);
        }
        for (n, bytes) in astray {
            let from = (n * SECTOR).min(self.data.len());
            let to = (from + SECTOR).min(self.data.len());
            self.data[from..to].copy_from_slice(&bytes[..to - from]);
        }
    }

    fn lose_cache(&mut self, fate: PowerLoss, draws: &mut SeededStream) {
        let mut layers: Vec<Layer> = vec![std::mem::take(&mut self.ghosts)];
        layers.extend(std::mem::take(&mut self.syncing).into_iter().map(|(_, layer)| layer));
        layers.push(std::mem::take(&mut self.unsynced));
        let mut sectors: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for layer in layers.into_iter().rev().filter(|l| !l.before.is_empty()) {
            let truncation_lost = draws.ratio(1, 2) || fate == PowerLoss::Everything;
            for (n, before) in layer.before {
                let now = sectors.entry(n).or_insert_with(|| self.sector(n).to_vec());
                let drawn = match (fate, draws.below(3)) {
                    (PowerLoss::Chance, drawn) => drawn,
                    (PowerLoss::Everything, _) => 1,
                    (PowerLoss::Torn, _) => 2,
                };
                match (before.by_truncate, drawn) {
                    (true, _) if truncation_lost => *now = before.bytes,
                    (true, _) => {}
                    (false, 0) => {}
                    (false, 1) => *now = before.bytes,
                    (false, _) => {
                        let at = draws.below(now.len() as u64 + 1) as usize;
                        let mut torn = now[..at].to_vec();
                        torn.extend_from_slice(before.bytes.get(at..).unwrap_or_default());
                        *now = torn;
                    }
                }
            }
        }
        let Some((&first, _)) = sectors.first_key_value() else { return };
        // The file ends where its last byte that survived does; a hole before that reads as zeros.
        let untouched_end = (0..self.data.len().div_ceil(SECTOR)).rev().find(|n| !sectors.contains_key(n));
        let mut end = untouched_end.map_or(0, |n| n * SECTOR + self.sector(n).len());
        for (n, bytes) in &sectors {
            if !bytes.is_empty() {
                end = end.max(n * SECTOR + bytes.len());
            }
        }
        let keep = (first * SECTOR).min(self.data.len());
        let mut data = self.data[..keep].to_vec();
        data.resize(end, 0);
        for n in first..end.div_ceil(SECTOR) {
            let bytes = sectors.get(&n).map_or_else(|| self.sector(n), Vec::as_slice);
            let from = n * SECTOR;
            data[from..from + bytes.len()].copy_from_slice(bytes);
        }
        self.data = data;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::stream;

    #[test]
    fn what_was_synced_survives_every_power_loss_and_the_rest_has_every_fate() {
        let (mut kept, mut lost, mut torn) = (0, 0, 0);
        for seed in 0..200 {
            let mut inode = Inode::default();
            inode.write(0, &[1; 3 * SECTOR]);
            let layer = inode.sync_begins();
            inode.synced(layer);
            inode.write(SECTOR, &[2; SECTOR]);
            inode.power_loss(PowerLoss::Chance, &mut stream(seed, "disk"));
            assert_eq!(inode.data().len(), 3 * SECTOR);
            assert!(inode.data()[..SECTOR].iter().chain(&inode.data()[2 * SECTOR..]).all(|b| *b == 1));
            match inode.data()[SECTOR..2 * SECTOR].iter().filter(|b| **b == 2).count() {
                0 => lost += 1,
                SECTOR => kept += 1,
                _ => torn += 1,
            }
        }
        assert!(kept > 30 && lost > 30 && torn > 30, "kept {kept}, lost {lost}, torn {torn}");
    }

    #[test]
    fn an_unsynced_tail_may_vanish_but_the_synced_head_stays() {
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let mut inode = Inode::default();
            inode.write(0, b"head");
            let layer = inode.sync_begins();
            inode.synced(layer);
            inode.write(4, &[9; 2000]);
            inode.power_loss(PowerLoss::Chance, &mut stream(seed, "disk"));
            assert_eq!(&inode.data()[..4], b"head", "seed {seed}");
            lengths.insert(inode.data().len());
        }
        assert!(lengths.contains(&4) && lengths.contains(&2004) && lengths.len() > 5, "{lengths:?}");
    }

    #[test]
    fn a_sync_covers_what_was_written_before_it_began_only() {
        let fates: std::collections::BTreeSet<u8> = (0..100)
            .map(|seed| {
                let mut inode = Inode::default();
                inode.write(0, &[1]);
                let layer = inode.sync_begins();
                inode.write(0, &[2]);
                inode.synced(layer);
                inode.power_loss(PowerLoss::Chance, &mut stream(seed, "disk"));
                inode.data()[0]
            })
            .collect();
        assert_eq!(fates.into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn an_unsynced_truncation_is_kept_or_lost_as_a_whole() {
        let lengths: std::collections::BTreeSet<usize> = (0..100)
            .map(|seed| {
                let mut inode = Inode::default();
                inode.write(0, &[1; 5000]);
                let layer = inode.sync_begins();
                inode.synced(layer);
                inode.truncate(700);
                inode.power_loss(PowerLoss::Chance, &mut stream(seed, "disk"));
                assert!(inode.data().iter().all(|b| *b == 1), "seed {seed}: a hole in what was synced");
                inode.data().len()
            })
            .collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [700, 5000]);
    }

    #[test]
    fn what_a_failed_sync_left_in_the_cache_is_durable_only_once_it_is_written_anew() {
        let contents = |rewritten: bool| {
            let all = (0..60).map(|seed| {
                let mut inode = Inode::default();
                inode.write(0, &[1; SECTOR]);
                let layer = inode.sync_begins();
                inode.synced(layer);
                inode.write(0, &[2; SECTOR]);
                let layer = inode.sync_begins();
                inode.sync_failed(layer);
                if rewritten {
                    inode.write(0, &[2; SECTOR]);
                }
                // This one succeeds, and writes what is dirty: without a new write, nothing.
                let layer = inode.sync_begins();
                inode.synced(layer);
                assert_eq!(inode.data(), [2; SECTOR], "the cache shows it all the same");
                inode.power_loss(PowerLoss::Chance, &mut stream(seed, "disk"));
                inode.data()[0]
            });
            all.collect::<std::collections::BTreeSet<u8>>().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(contents(false), [1, 2]);
        assert_eq!(contents(true), [2]);
    }

    #[test]
    fn a_misdirected_write_is_seen_once_the_cache_is_gone_unless_it_was_written_again() {
        for again in [false, true] {
            let mut inode = Inode::default();
            inode.write(0, &[1; 4 * SECTOR]);
            let layer = inode.sync_begins();
            inode.synced(layer);
            inode.write(SECTOR, &[2; SECTOR]);
            let layer = inode.sync_begins();
            assert!(inode.misdirected(layer, 2));
            assert_eq!(inode.data()[SECTOR], 2, "the cache hides it");
            if again {
                inode.write(SECTOR, &[2; 3 * SECTOR]);
                let layer = inode.sync_begins();
                inode.synced(layer);
                assert!(inode.is_clean());
            }
            inode.power_loss(PowerLoss::Everything, &mut stream(1, "disk"));
            let sectors: Vec<u8> = inode.data().chunks(SECTOR).map(|s| s[0]).collect();
            assert_eq!(sectors, if again { [1, 2, 2, 2] } else { [1, 1, 1, 2] });
        }
    }

    #[test]
    fn a_power_loss_can_lose_or_tear_everything_that_was_not_synced() {
        for seed in 0..50 {
            let after = |fate| {
                let mut inode = Inode::default();
                inode.write(0, &[1; 2 * SECTOR]);
                let layer = inode.sync_begins();
                inode.synced(layer);
                inode.write(SECTOR, &[2; 3 * SECTOR]);
                inode.power_loss(fate, &mut stream(seed, "disk"));
                inode.data().to_vec()
            };
            assert_eq!(after(PowerLoss::Everything), [1; 2 * SECTOR]);
            let torn = after(PowerLoss::Torn);
            assert!(torn[SECTOR..2 * SECTOR].is_sorted_by(|a, b| a >= b), "a part of the new, then the old");
        }
    }

    #[test]
    fn bits_flip_where_something_is_and_a_file_loses_its_end() {
        let mut inode = Inode::default();
        inode.truncate(8 * SECTOR);
        inode.write(3 * SECTOR, &[7; 100]);
        assert_eq!(inode.flip(1, &mut stream(1, "disk")), 1);
        let flipped: Vec<usize> =
            (0..8 * SECTOR).filter(|at| inode.data()[*at] != if (3 * SECTOR..3 * SECTOR + 100).contains(at) { 7 } else { 0 }).collect();
        assert!(flipped.len() == 1 && flipped[0] / SECTOR == 3, "one bit, in the one sector that holds something: {flipped:?}");
        assert_eq!((inode.cut(SECTOR + 1), inode.data().len()), (SECTOR + 1, 7 * SECTOR - 1));
        assert_eq!(inode.cut(1 << 20), 7 * SECTOR - 1);
    }
}
