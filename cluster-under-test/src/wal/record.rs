//! One record: `length u32 | crc32c u32 | offset u64 | durable u64 | kind u8 | payload | end u32`, little-endian.
//!
//! `length` counts what is between the checksum and the end mark. The checksum covers that, and the segment's
//! number, so that a stale record is not taken for a good one; the offset tells one that is in the wrong place.
//! The end mark has no byte that is zero: a record that shows it was written to its end.

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

/// Bytes of a body before the payload: offset, durable, kind.
const BODY: usize = 8 + 8 + 1;

/// What ends each record.
pub(super) const END: [u8; 4] = [0xa5, 0x5c, 0xe7, 0x3d];

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

fn checksum(sequence: u64, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&sequence.to_le_bytes()), body)
}

/// A good record, and where it stands.
pub(super) struct Found {
    pub(super) record: Record,
    /// Where it says that it is.
    pub(super) offset: u64,
    /// How much of its segment was durable when it was written.
    pub(super) durable: u64,
    /// Where the next one begins.
    pub(super) next: usize,
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

    /// The record as bytes for `offset` of segment `sequence`, of which `durable` bytes are known to be on the disk.
    pub(super) fn encode(&self, sequence: u64, offset: u64, durable: u64) -> Vec<u8> {
        let mut out = vec![0; 8];
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&durable.to_le_bytes());
        out.push(self.kind());
        let infallible = "a Vec takes whatever is written";
        match self {
            Record::Head(head) => head.encode(&mut out).expect(infallible),
            Record::Vote(vote) => vote.encode(&mut out).expect(infallible),
            Record::Entry(entry) => entry.encode(&mut out).expect(infallible),
            Record::Truncate { after: Some(after) } => out.extend_from_slice(&after.to_le_bytes()),
            Record::Truncate { after: None } => {}
            Record::Purge(id) | Record::Committed(id) => id.encode(&mut out).expect(infallible),
        }
        let length = (out.len() - 8) as u32;
        let sum = checksum(sequence, &out[8..]);
        out[..4].copy_from_slice(&length.to_le_bytes());
        out[4..8].copy_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&END);
        out
    }

    /// How long the record at `offset` says that it is, with everything, if that can be.
    pub(super) fn claimed_len(stream: &[u8], offset: usize) -> Option<usize> {
        let length = u32::from_le_bytes(stream.get(offset..offset + 4)?.try_into().ok()?);
        ((length as usize) >= BODY && length <= LENGTH_MAX).then(|| 8 + length as usize + END.len())
    }

    /// The good record whose bytes begin at `offset`, wherever it says that it is.
    pub(super) fn decode(sequence: u64, stream: &[u8], offset: usize, check: Check) -> Option<Found> {
        let all = stream.get(offset..offset + Record::claimed_len(stream, offset)?)?;
        let sum = u32::from_le_bytes(all[4..8].try_into().ok()?);
        let body = &all[8..all.len() - END.len()];
        let claims = u64::from_le_bytes(body[..8].try_into().ok()?);
        let durable = u64::from_le_bytes(body[8..16].try_into().ok()?);
        // Cheap doubts before the costly one: the search behind a broken record tries every offset.
        if !(1..=6).contains(&body[16]) || durable > claims {
            return None;
        }
        if check == Check::Sum && (!all.ends_with(&END) || checksum(sequence, body) != sum) {
            return None;
        }
        let payload = &body[BODY..];
        let record = match body[16] {
            1 => Record::Head(SegmentHead::decode(payload).ok()?),
            2 => Record::Vote(pb::VoteState::decode(payload).ok()?),
            3 => Record::Entry(pb::Entry::decode(Bytes::copy_from_slice(payload)).ok()?),
            4 if payload.is_empty() => Record::Truncate { after: None },
            4 => Record::Truncate { after: Some(u64::from_le_bytes(payload.try_into().ok()?)) },
            5 => Record::Purge(pb::LogId::decode(payload).ok()?),
            6 => Record::Committed(pb::LogId::decode(payload).ok()?),
            _ => return None,
        };
        Some(Found { record, offset: claims, durable, next: offset + all.len() })
    }
}
