//! A snapshot, as it lies on the disk and travels to other nodes.

use super::convert::{SnapshotMeta, meta_from};
use crate::{mvcc::Store, pb::internal};
use bytes::Bytes;
use prost::Message;
use squall_env::{Disk, Env, File, OpenMode};
use std::io;

/// The directory of snapshots.
pub(super) const DIR: &str = "snap";

/// Writes a file, durably but for its name.
pub(super) async fn write_new<E: Env>(disk: &E::Disk, path: &str, bytes: &Bytes) -> io::Result<()> {
    let file = disk.open(path, OpenMode::OrCreate).await?;
    file.truncate(0).await?;
    file.append(bytes.to_vec()).await?;
    file.sync_data().await
}

/// The newest snapshot that is durable.
pub(super) struct CurrentSnapshot<E: Env> {
    pub(super) meta: SnapshotMeta<E>,
    pub(super) bytes: Bytes,
}

/// What is on the disk, or came from a peer, cannot be.
pub(super) fn bad_data(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

/// A snapshot file is `crc32c u32 | length u64 | squall.internal.Snapshot`.
pub(super) fn seal(snapshot: &internal::Snapshot) -> Bytes {
    let body = snapshot.encode_to_vec();
    let mut sealed = Vec::with_capacity(body.len() + 12);
    sealed.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    sealed.extend_from_slice(&(body.len() as u64).to_le_bytes());
    sealed.extend_from_slice(&body);
    Bytes::from(sealed)
}

fn unseal(sealed: &Bytes) -> io::Result<internal::Snapshot> {
    let (sum, length) = match (sealed.get(..4), sealed.get(4..12)) {
        (Some(sum), Some(length)) => (sum, length),
        _ => return Err(bad_data("a snapshot that is cut short")),
    };
    let body = sealed.slice(12..);
    let length = u64::from_le_bytes(length.try_into().map_err(bad_data)?);
    if length != body.len() as u64 || crc32c::crc32c(&body) != u32::from_le_bytes(sum.try_into().map_err(bad_data)?) {
        return Err(bad_data("a snapshot whose checksum does not fit"));
    }
    let snapshot = internal::Snapshot::decode(body).map_err(bad_data)?;
    if snapshot.format > 1 {
        return Err(bad_data(format!("a snapshot of format {}, newer than this program: use a newer one", snapshot.format)));
    }
    Ok(snapshot)
}

/// The place in the log, and the store, of a sealed snapshot.
pub(super) fn opened<E: Env>(sealed: &Bytes) -> io::Result<(SnapshotMeta<E>, Store)> {
    let mut snapshot = unseal(sealed)?;
    let meta = snapshot.meta.take().ok_or_else(|| bad_data("a snapshot without its place in the log"))?;
    let meta = meta_from::<E>(&meta).map_err(|status| bad_data(status.message()))?;
    Ok((meta, Store::from_snapshot(snapshot)))
}

/// Names sort by their place in the log.
pub(super) fn file_name<E: Env>(meta: &SnapshotMeta<E>) -> String {
    let (term, index) = meta.last_log_id.as_ref().map_or((0, 0), |id| (id.leader_id.term, id.index));
    format!("{index:016x}-{term:016x}.snap")
}
