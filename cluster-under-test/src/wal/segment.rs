//! Reading one segment back, and telling a torn tail from corruption.

use super::{Record, WalError, record::Check};

/// A segment's good records, and where they end.
pub(super) struct Scanned {
    pub(super) records: Vec<Record>,
    /// Everything from here on is to be cut; the segment's length when nothing is.
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
pub(super) fn scan(sequence: u64, segment: &[u8], is_last: bool, check: Check) -> Result<Scanned, WalError> {
    let mut records = Vec::new();
    let (mut at, mut durable) = (0, 0);
    while let Some((record, mark, next)) = Record::decode(sequence, segment, at, check) {
        records.push(record);
        durable = durable.max(mark);
        at = next;
    }
    if at == segment.len() {
        return Ok(Scanned { records, end: at });
    }
    // Records that survived beyond the broken one may know of more that was durable.
    for beyond in at + 1..segment.len() {
        if let Some((_, mark, _)) = Record::decode(sequence, segment, beyond, Check::Sum) {
            durable = durable.max(mark);
        }
    }
    let corrupt =
        |what: &str| Err(WalError::Corrupt { file: format!("wal/{}", file_name(sequence)), offset: at as u64, what: what.to_string() });
    if !is_last {
        return corrupt("a broken record, and later segments exist, so this one was whole");
    }
    if (at as u64) < durable {
        return corrupt(&format!("a broken record, although the first {durable} bytes were durable"));
    }
    Ok(Scanned { records, end: at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::{internal::SegmentHead, raft};

    /// A segment of a head and some votes; `durable_from` is when marks begin to say what is durable.
    fn segment(sequence: u64, votes: u64, synced_upto: u64) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        Record::Head(SegmentHead { format: 1, sequence, ..Default::default() }).encode(sequence, 0, 0, &mut bytes);
        ends.push(bytes.len());
        for term in 1..=votes {
            let durable = if term <= synced_upto { bytes.len() as u64 } else { ends[synced_upto as usize] as u64 };
            let mut one = Vec::new();
            Record::Vote(raft::VoteState { term, voted_for: 2, committed: true }).encode(sequence, bytes.len() as u64, durable, &mut one);
            bytes.extend(one);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn outcome(bytes: &[u8], is_last: bool) -> Result<(usize, usize), String> {
        scan(7, bytes, is_last, Check::Sum).map(|s| (s.records.len(), s.end)).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_whole_is_read_whole() {
        let (bytes, ends) = segment(7, 5, 5);
        assert_eq!(outcome(&bytes, true), Ok((6, *ends.last().unwrap())));
        assert_eq!(outcome(&[], true), Ok((0, 0)));
    }

    #[test]
    fn every_single_broken_byte_is_found_and_cut_or_refused_rightly() {
        let (bytes, ends) = segment(7, 6, 3);
        let durable = ends[3];
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x40;
            let record = ends.iter().position(|end| at < *end).unwrap();
            let start = if record == 0 { 0 } else { ends[record - 1] };
            match outcome(&broken, true) {
                Ok((records, end)) => {
                    assert!(start >= durable, "byte {at}: a durable record was cut away");
                    assert_eq!((records, end), (record, start), "byte {at}");
                }
                Err(why) => {
                    assert!(start < durable, "byte {at}: a torn tail was refused: {why}");
                    assert!(why.contains(&format!("at byte {start}")), "{why}");
                }
            }
        }
    }

    #[test]
    fn a_cut_short_tail_is_cut_and_in_an_earlier_segment_refused() {
        let (bytes, ends) = segment(7, 4, 2);
        let short = &bytes[..bytes.len() - 3];
        assert_eq!(outcome(short, true), Ok((4, ends[3])));
        assert!(outcome(short, false).unwrap_err().contains("later segments exist"));
        // Another segment's records are not this one's.
        assert!(scan(8, &bytes, true, Check::Sum).is_ok_and(|s| s.records.is_empty() && s.end == 0));
    }
}
