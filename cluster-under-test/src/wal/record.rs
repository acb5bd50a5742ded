//! One record: `length u32 | crc32c u32 | durable u64 | kind u8 | payload`, little-endian.
//!
//! `length` counts what follows the checksum. The checksum covers that, and the segment's number and
//! the record's offset too, so that a stale or misplaced record is not taken for a good one.

use crate::pb::{internal::SegmentHead, raft as pb};
use bytes::Bytes;
use prost::Message;

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    /// A segment begins.
    Head(SegmentHead),
    /// The hard state.
    Vote(pb::VoteState),
    /// A log entry.
    Entry(pb::Entry),
    /// Everything after this index goes; `None`: everything.
    Truncate { after: Option<u64> },
    /// Everything up to here went; a snapshot covers it.
    Purge(pb::LogId),
    /// Everything up to here is committed.
    Committed(pb::LogId),
}

/// Bytes before the payload.
const FRAME: usize = 4 + 4 + 8 + 1;

/// No record is longer: a request is at most 1.5 MiB.
const LENGTH_MAX: u32 = 16 << 20;

/// How a record is told from rubble.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// By its checksum.
    Sum,
    /// Not at all: whatever decodes is a record. A planted bug.
    Nothing,
}

fn checksum(sequence: u64, offset: u64, body: &[u8]) -> u32 {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&sequence.to_le_bytes());
    place[8..].copy_from_slice(&offset.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), body)
}

impl Record {
    fn kind(&self) -> u8 {
        match self {
            Record::Head(_) => 1,
            Record::Vote(_) => 2,
            Record::Entry(_) => 3,
            Record::Truncate { .. } => 4,
            Record::Purge(_) => 5,
            Record::Committed(_) => 6,
        }
    }

    /// Appends the record to `out`, which will be written at `base` of segment `sequence`, of which
    /// `durable` bytes are known to be on the disk.
    pub(super) fn encode(&self, sequence: u64, base: u64, durable: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&durable.to_le_bytes());
        out.push(self.kind());
        let infallible = "a Vec takes whatever is written";
        match self {
            Record::Head(head) => head.encode(out).expect(infallible),
            Record::Vote(vote) => vote.encode(out).expect(infallible),
            Record::Entry(entry) => entry.encode(out).expect(infallible),
            Record::Truncate { after: Some(after) } => out.extend_from_slice(&after.to_le_bytes()),
            Record::Truncate { after: None } => {}
            Record::Purge(id) | Record::Committed(id) => id.encode(out).expect(infallible),
        }
        let length = (out.len() - start - 8) as u32;
        let sum = checksum(sequence, base + start as u64, &out[start + 8..]);
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
    }

    /// The good record at `offset` of a segment, its `durable` mark, and where the next one begins.
    pub(super) fn decode(sequence: u64, segment: &[u8], offset: usize, check: Check) -> Option<(Record, u64, usize)> {
        let rest = segment.get(offset..)?;
        let length = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?);
        if (length as usize) < FRAME - 8 || length > LENGTH_MAX {
            return None;
        }
        let sum = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?);
        let body = rest.get(8..8 + length as usize)?;
        let durable = u64::from_le_bytes(body[..8].try_into().ok()?);
        // Cheap doubts before the costly one: the search behind a broken record tries every offset.
        if !(1..=6).contains(&body[8]) || durable > offset as u64 {
            return None;
        }
        if check == Check::Sum && checksum(sequence, offset as u64, body) != sum {
            return None;
        }
        let payload = &body[9..];
        let record = match body[8] {
            1 => Record::Head(SegmentHead::decode(payload).ok()?),
            2 => Record::Vote(pb::VoteState::decode(payload).ok()?),
            3 => Record::Entry(pb::Entry::decode(Bytes::copy_from_slice(payload)).ok()?),
            4 if payload.is_empty() => Record::Truncate { after: None },
            4 => Record::Truncate { after: Some(u64::from_le_bytes(payload.try_into().ok()?)) },
            5 => Record::Purge(pb::LogId::decode(payload).ok()?),
            6 => Record::Committed(pb::LogId::decode(payload).ok()?),
            _ => return None,
        };
        Some((record, durable, offset + 8 + length as usize))
    }
}
