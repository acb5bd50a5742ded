//! The log's bytes in sectors, each of which says where it belongs.
//!
//! ```text
//!   sector   508 bytes of the stream of records | guard: 4 bytes of (segment, sector), none of them 0
//! ```
//!
//! A guard is written with the last byte of its sector. So a sector whose guard is whole was written whole; one
//! that a power loss tore has a part of its guard, or none; and one that was written somewhere else has another.

/// What a disk writes whole, unless it loses power.
pub(super) const SECTOR: usize = 512;

const GUARD: usize = 4;

/// How many bytes of the stream a sector holds.
const PAYLOAD: usize = SECTOR - GUARD;

fn guard(sequence: u64, sector: u64) -> [u8; GUARD] {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&sequence.to_le_bytes()), &sector.to_le_bytes());
    sum.to_le_bytes().map(|byte| byte | 1)
}

/// Where a place of the stream is in the file.
pub(super) fn place(at: u64) -> u64 {
    let payload = PAYLOAD as u64;
    at / payload * SECTOR as u64 + at % payload
}

/// How much of the stream a file of this many bytes holds.
pub(super) fn room(file: u64) -> u64 {
    file / SECTOR as u64 * PAYLOAD as u64
}

/// How long a file must be to hold this much of the stream.
pub(super) fn file_for(stream: u64) -> u64 {
    stream.div_ceil(PAYLOAD as u64) * SECTOR as u64
}

/// What is to be written at `place(at)`, to add these bytes to the stream.
pub(super) fn wrap(sequence: u64, at: u64, bytes: &[u8]) -> Vec<u8> {
    let mut wrapped = Vec::with_capacity(bytes.len() + (bytes.len() / PAYLOAD + 1) * GUARD);
    let (mut at, mut rest) = (at as usize, bytes);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(PAYLOAD - at % PAYLOAD));
        wrapped.extend_from_slice(now);
        (at, rest) = (at + now.len(), later);
        if at % PAYLOAD == 0 {
            wrapped.extend_from_slice(&guard(sequence, (at / PAYLOAD - 1) as u64));
        }
    }
    wrapped
}

/// What a sector's guard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing: the sector is empty.
    Empty,
    /// The sector was written to its end, here.
    Whole,
    /// It was not written to its end, or torn.
    Open,
    /// It belongs somewhere else, or is damaged.
    Foreign,
}

/// A file's stream, and what the guards of its sectors say.
pub(super) fn unwrap(sequence: u64, file: &[u8]) -> (Vec<u8>, Vec<Guard>) {
    let (mut stream, mut guards) = (Vec::with_capacity(file.len()), Vec::with_capacity(file.len() / SECTOR));
    for (n, sector) in file.chunks(SECTOR).enumerate() {
        let (payload, found) = sector.split_at(sector.len().min(PAYLOAD));
        let expected = guard(sequence, n as u64);
        let written = found.iter().position(|byte| *byte == 0).unwrap_or(found.len());
        let is_prefix = found[..written] == expected[..written] && found[written..].iter().all(|byte| *byte == 0);
        guards.push(match is_prefix {
            true if written == GUARD => Guard::Whole,
            true if written == 0 && payload.iter().all(|byte| *byte == 0) => Guard::Empty,
            true => Guard::Open,
            false => Guard::Foreign,
        });
        stream.extend_from_slice(payload);
    }
    (stream, guards)
}

/// Which sector a place of the stream is in.
pub(super) fn sector_of(at: usize) -> usize {
    at / PAYLOAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrapped_piece_by_piece_is_unwrapped_whole() {
        let bytes: Vec<u8> = (0..3_000u32).map(|i| (i % 251) as u8 + 1).collect();
        let mut file = vec![0; file_for(4_000) as usize];
        let mut at = 0;
        for step in [1, 507, 508, 509, 3, 1_000, 472] {
            let wrapped = wrap(9, at as u64, &bytes[at..at + step]);
            let from = place(at as u64) as usize;
            file[from..from + wrapped.len()].copy_from_slice(&wrapped);
            at += step;
        }
        let (stream, guards) = unwrap(9, &file);
        assert_eq!((&stream[..3_000], stream.len() as u64), (&bytes[..], room(file.len() as u64)));
        assert_eq!(guards, [Guard::Whole, Guard::Whole, Guard::Whole, Guard::Whole, Guard::Whole, Guard::Open, Guard::Empty, Guard::Empty]);
        file.copy_within(0..SECTOR, 2 * SECTOR);
        assert_eq!(unwrap(9, &file).1[2], Guard::Foreign);
        assert_eq!(unwrap(8, &file).1[0], Guard::Foreign);
    }
}
