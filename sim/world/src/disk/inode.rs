//! One file's contents, and what a power loss would make of them.

use super::SECTOR;
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
        self.syncing.retain(|(n, _)| *n > layer);
    }

    /// Each unsynced sector is kept, lost or torn, newest layer first.
    pub(crate) fn power_loss(&mut self, draws: &mut SeededStream) {
        let mut layers: Vec<Layer> = std::mem::take(&mut self.syncing).into_iter().map(|(_, layer)| layer).collect();
        layers.push(std::mem::take(&mut self.unsynced));
        let mut sectors: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for layer in layers.into_iter().rev().filter(|l| !l.before.is_empty()) {
            let truncation_lost = draws.ratio(1, 2);
            for (n, before) in layer.before {
                let now = sectors.entry(n).or_insert_with(|| self.sector(n).to_vec());
                let fate = draws.below(3);
                match (before.by_truncate, fate) {
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
            inode.power_loss(&mut stream(seed, "disk"));
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
            inode.power_loss(&mut stream(seed, "disk"));
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
                inode.power_loss(&mut stream(seed, "disk"));
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
                inode.power_loss(&mut stream(seed, "disk"));
                assert!(inode.data().iter().all(|b| *b == 1), "seed {seed}: a hole in what was synced");
                inode.data().len()
            })
            .collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [700, 5000]);
    }
}
