//! Reading one segment back, and telling a torn tail from corruption.
//!
//! A power loss may keep, lose or tear each sector that was not synced: what it leaves is a part of what was
//! written, and zeros. It never leaves a record that was written to its end in sectors that were, and whose
//! checksum does not fit; nor anything in the wrong place; nor a file that is shorter than it was. That is damage,
//! also where nothing says that it was durable.

use super::{
    Record, WalError,
    record::{Check, END},
    sector::{Guard, sector_of, unwrap},
};

/// A segment's good records, and where they end.
pub(super) struct Scanned {
    pub(super) records: Vec<Record>,
    /// Where the good records end in the stream.
    pub(super) end: usize,
}

/// The file's name. Sorts by sequence.
pub(super) fn file_name(sequence: u64) -> String {
    format!("{sequence:016x}.log")
}

/// The sequence of a file's name.
pub(super) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// Reads a segment. Only the log's last segment may have a torn tail. `check` is what makes a record
/// a good one.
pub(super) fn scan(sequence: u64, file: &[u8], is_last: bool, check: Check) -> Result<Scanned, WalError> {
    let (stream, guards) = unwrap(sequence, file);
    let (mut records, mut at, mut durable) = (Vec::new(), 0, 0);
    let good_here =
        |at: usize, check| Record::decode(sequence, &stream, at, check).filter(|f| check == Check::Nothing || f.offset == at as u64);
    while let Some(found) = good_here(at, check) {
        records.push(found.record);
        durable = durable.max(found.durable);
        at = found.next;
    }
    let corrupt =
        |what: &str| Err(WalError::Corrupt { file: format!("wal/{}", file_name(sequence)), offset: at as u64, what: what.to_string() });
    match records.first() {
        // It got its name only once its head was durable.
        Some(Record::Head(head)) if head.bytes == file.len() as u64 => {}
        Some(Record::Head(head)) => return corrupt(&format!("the file has {} bytes, and had {}", file.len(), head.bytes)),
        _ => return corrupt("there is no head, although it was written before anything else"),
    }
    let empty_beyond = |guard: &Guard| *guard == Guard::Empty;
    if stream[at..].iter().all(|byte| *byte == 0) && guards[(sector_of(at) + 1).min(guards.len())..].iter().all(empty_beyond) {
        return match (at as u64) < durable {
            true => corrupt(&format!("nothing is there, although the first {durable} bytes were durable")),
            false => Ok(Scanned { records, end: at }),
        };
    }
    if check == Check::Nothing {
        return Ok(Scanned { records, end: at });
    }
    if !is_last {
        return corrupt("a broken record, and later segments exist, so this one was whole");
    }
    // Records that survived beyond the broken one may know of more that was durable.
    for beyond in at + 1..stream.len() {
        match Record::decode(sequence, &stream, beyond, Check::Sum) {
            Some(found) if found.offset == beyond as u64 => durable = durable.max(found.durable),
            Some(found) => return corrupt(&format!("at {beyond} is what belongs to {}", found.offset)),
            None => {}
        }
    }
    if (at as u64) < durable {
        return corrupt(&format!("a broken record, although the first {durable} bytes were durable"));
    }
    if guards[sector_of(at)..].contains(&Guard::Foreign) {
        return corrupt("a sector that belongs somewhere else, or is damaged");
    }
    match was_written_whole(&stream, &guards, at) {
        true => corrupt("a record that was written to its end, and is damaged"),
        false => Ok(Scanned { records, end: at }),
    }
}

/// Whether nothing is torn in the broken record that begins here; if it does not even say how long it is, in
/// everything from here on.
fn was_written_whole(stream: &[u8], guards: &[Guard], at: usize) -> bool {
    let whole_up_to = |end: usize| guards[sector_of(at)..sector_of(end - 1).max(sector_of(at))].iter().all(|guard| *guard == Guard::Whole);
    let claimed = Record::claimed_len(stream, at).map(|len| at + len).filter(|end| *end <= stream.len());
    if let Some(end) = claimed.filter(|end| whole_up_to(*end)) {
        // A tear leaves the beginning of the mark, and zeros.
        let mark = &stream[end - END.len()..end];
        let written = mark.iter().position(|byte| *byte == 0).unwrap_or(END.len());
        if written == END.len() || mark[..written] != END[..written] || mark[written..].iter().any(|byte| *byte != 0) {
            return true;
        }
    }
    let last = stream.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    last > at && stream[..last].ends_with(&END) && whole_up_to(last)
}

#[cfg(test)]
mod tests {
    use super::{
        super::sector::{SECTOR, file_for, place, wrap},
        *,
    };
    use crate::pb::{internal::SegmentHead, raft};

    /// A generator for tests.
    struct Draws(u64);

    impl Draws {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }
    }

    const FILE: usize = 16 * SECTOR;

    /// A segment of a head and some entries; the first `synced` of them were durable when the others were written.
    /// Also where each record ends.
    fn segment(sequence: u64, entries: u64, synced: u64, size: usize) -> (Vec<u8>, Vec<usize>) {
        let (mut stream, mut ends) = (Vec::new(), Vec::new());
        let head = SegmentHead { format: 2, sequence, bytes: FILE as u64, ..Default::default() };
        stream.extend(Record::Head(head).encode(sequence, 0, 0));
        ends.push(stream.len());
        for index in 1..=entries {
            let durable = if index <= synced { stream.len() } else { ends[synced as usize] };
            let command = vec![if index % 3 == 0 { 0 } else { b'x' }; size].into();
            let entry = raft::Entry { index, term: 1, payload: Some(raft::entry::Payload::Command(command)) };
            let record = Record::Entry(entry).encode(sequence, stream.len() as u64, durable as u64);
            stream.extend(record);
            ends.push(stream.len());
        }
        let mut file = vec![0; FILE];
        let wrapped = wrap(sequence, 0, &stream);
        assert!(file_for(stream.len() as u64) as usize <= FILE);
        file[..wrapped.len()].copy_from_slice(&wrapped);
        (file, ends)
    }

    fn outcome(file: &[u8], is_last: bool) -> Result<(usize, usize), String> {
        scan(7, file, is_last, Check::Sum).map(|s| (s.records.len(), s.end)).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_whole_is_read_whole() {
        for size in [1, 100, 700] {
            let (file, ends) = segment(7, 8, 5, size);
            assert_eq!(outcome(&file, true), Ok((9, *ends.last().unwrap())));
            assert_eq!(outcome(&file, false), Ok((9, *ends.last().unwrap())));
        }
    }

    #[test]
    fn every_single_flipped_bit_is_refused_or_harmless_also_in_what_was_written_last() {
        for size in [3, 700] {
            let (file, ends) = segment(7, 8, 8, size);
            let whole = outcome(&file, true);
            for at in 0..place(*ends.last().unwrap() as u64) as usize {
                let mut broken = file.clone();
                broken[at] ^= 1 << (at % 8);
                match outcome(&broken, true) {
                    // A guard's own bit: the records are all there.
                    Ok(read) => assert_eq!(Ok(read), whole, "byte {at}"),
                    Err(why) => assert!(why.contains("corrupt"), "{why}"),
                }
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_or_emptied_is_refused() {
        let (file, _) = segment(7, 4, 2, 100);
        for len in [0, 1, 300, SECTOR, FILE - SECTOR, FILE - 1] {
            assert!(outcome(&file[..len], true).is_err(), "{len}");
        }
        assert!(outcome(&[file, vec![0; SECTOR]].concat(), true).is_err());
    }

    /// Sectors after the last sync are kept, lost or torn, each on its own, as by a power loss.
    #[test]
    fn no_power_loss_is_taken_for_damage_and_nothing_durable_is_lost() {
        let mut draws = Draws(1);
        for round in 0..20_000 {
            let size = [1, 60, 200, 700][draws.below(4) as usize];
            let synced = draws.below(7);
            let (after, ends) = segment(7, 6, synced, size);
            let durable = ends[synced as usize];
            let mut before = vec![0; FILE];
            let (stream, _) = unwrap(7, &after);
            let kept = wrap(7, 0, &stream[..durable]);
            before[..kept.len()].copy_from_slice(&kept);
            let mut file = before.clone();
            for n in 0..FILE / SECTOR {
                let sector = n * SECTOR..(n + 1) * SECTOR;
                let new = match draws.below(3) {
                    0 => SECTOR,
                    1 => 0,
                    _ => draws.below(SECTOR as u64 + 1) as usize,
                };
                file[sector.clone()][..new].copy_from_slice(&after[sector][..new]);
            }
            let (records, end) = outcome(&file, true).unwrap_or_else(|why| panic!("round {round}: {why}"));
            assert!(end >= durable && records > synced as usize, "round {round}: {end} of {durable}");
        }
    }

    /// Sectors of the last write went to another place: the right one keeps what it had.
    #[test]
    fn a_write_that_went_astray_is_refused_or_harmless() {
        let mut draws = Draws(2);
        let (mut refused, mut harmless) = (0, 0);
        for _ in 0..5_000 {
            let size = [1, 60, 200, 700][draws.below(4) as usize];
            let (after, ends) = segment(7, 6, 6, size);
            let last_record = ends[5];
            let (stream, _) = unwrap(7, &after);
            let mut file = vec![0; FILE];
            let kept = wrap(7, 0, &stream[..last_record]);
            file[..kept.len()].copy_from_slice(&kept);
            let (first, last) = (sector_of(last_record), sector_of(*ends.last().unwrap() - 1));
            let away = 1 + draws.below(9) as usize;
            for n in first..=last {
                let to = (n + away) % (FILE / SECTOR);
                let written = after[n * SECTOR..(n + 1) * SECTOR].to_vec();
                file[to * SECTOR..(to + 1) * SECTOR].copy_from_slice(&written);
            }
            match outcome(&file, true) {
                Ok((7, _)) => harmless += 1,
                Ok(lost) => panic!("{lost:?}: size {size}, away {away}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 4_000, "{refused} refused, {harmless} harmless");
    }

    #[test]
    fn a_broken_record_before_later_segments_is_refused() {
        let (file, ends) = segment(7, 4, 2, 10);
        let mut torn = file.clone();
        let last = ends[4] - 3;
        torn[last..].fill(0);
        assert_eq!(outcome(&torn, true), Ok((4, ends[3])));
        assert!(outcome(&torn, false).unwrap_err().contains("later segments exist"));
        // Another segment's records are not this one's.
        assert!(scan(8, &file, true, Check::Sum).is_err());
    }
}
