//! How much goes into one answer.

use crate::{mvcc::KeyChange, pb::mvccpb::Event, service::replica::REQUEST_BYTES_MAX};
use bytes::Bytes;
use prost::Message as _;

/// An answer is closed once it has so many changes, or so many bytes of them.
const CHANGES_MAX: usize = 1000;
const BYTES_MAX: usize = 1 << 20;

/// How many changes are looked at while nothing else can be applied.
const SEEN_MAX: usize = 20_000;

/// Where an answer is cut if its client takes fragments: etcd's limit on a request and its overhead.
const FRAGMENT_BYTES: usize = REQUEST_BYTES_MAX + (512 << 10);

/// When a batch is full: at the end of a revision, once it has enough, or has looked at enough.
#[derive(Default)]
pub(super) struct Batch {
    seen: usize,
    changes: usize,
    bytes: usize,
    pub(super) last: i64,
}

impl Batch {
    /// Whether this change is still looked at.
    pub(super) fn looks_at(&mut self, change: &KeyChange<'_>) -> bool {
        let revision = change.version.mod_revision;
        if revision != self.last && (self.changes >= CHANGES_MAX || self.bytes >= BYTES_MAX || self.seen >= SEEN_MAX) {
            return false;
        }
        self.last = revision;
        self.seen += 1;
        true
    }

    pub(super) fn take(&mut self, change: &KeyChange<'_>) {
        self.changes += 1;
        self.bytes += change.key.len() + change.version.value.as_ref().map_or(0, Bytes::len);
    }
}

/// Cuts events into pieces that are small enough, or have one event.
pub(super) fn fragments(events: Vec<Event>) -> Vec<Vec<Event>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for event in events {
        let length = event.encoded_len();
        if bytes > 0 && bytes + length > FRAGMENT_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += length;
        parts.last_mut().expect("there is always one").push(event);
    }
    parts
}
