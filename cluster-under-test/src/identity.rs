//! Whose data directory this is: written once, before anything else, and checked at every start.

use crate::{pb::internal::Identity, wal::sync_dir};
use prost::Message as _;
use squall_env::{Disk, Env, File, OpenMode};
use std::io;

const DIR: &str = "member";
const FILE: &str = "member/identity";
const TEMPORARY: &str = "member/identity.tmp";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It is of another cluster.
    #[error(
        "the data directory is of cluster {theirs:x}, and this member is of cluster {ours:x}: use another --data-dir, or the right --initial-cluster"
    )]
    Cluster {
        /// The directory's.
        theirs: u64,
        /// The configuration's.
        ours: u64,
    },
    /// It is another member's.
    #[error("the data directory is member {theirs:x}'s, and this is member {ours:x}: use another --data-dir, or the right --name")]
    Member {
        /// The directory's.
        theirs: u64,
        /// The configuration's.
        ours: u64,
    },
    /// It cannot be read or written.
    #[error("the data directory's identity: {0}")]
    Io(#[from] io::Error),
}

/// What the data directory says of itself; `None` when it is new.
pub async fn read<E: Env>(disk: &E::Disk) -> io::Result<Option<Identity>> {
    disk.create_dir(DIR).await?;
    if !disk.list(DIR).await?.iter().any(|name| name == "identity") {
        return Ok(None);
    }
    let file = disk.open(FILE, OpenMode::Existing).await?;
    let sealed = file.read_at(0, file.len().await? as usize).await?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("{FILE} is damaged; restore it, or replace the member"));
    let (sum, body) = sealed.split_first_chunk::<4>().ok_or_else(bad)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return Err(bad());
    }
    Identity::decode(body).map(Some).map_err(|_| bad())
}

/// Makes the data directory this member's, or checks that it is.
pub(crate) async fn claim<E: Env>(disk: &E::Disk, cluster_id: u64, member_id: u64) -> Result<(), IdentityError> {
    if let Some(known) = read::<E>(disk).await? {
        if known.cluster_id != cluster_id {
            return Err(IdentityError::Cluster { theirs: known.cluster_id, ours: cluster_id });
        }
        if known.member_id != member_id {
            return Err(IdentityError::Member { theirs: known.member_id, ours: member_id });
        }
        // Whoever wrote it may have died before its name was durable.
        return Ok(sync_dir::<E>(disk, DIR).await?);
    }
    let body = Identity { cluster_id, member_id }.encode_to_vec();
    let sealed = [&crc32c::crc32c(&body).to_le_bytes()[..], &body].concat();
    let file = disk.open(TEMPORARY, OpenMode::OrCreate).await?;
    file.truncate(0).await?;
    file.append(sealed).await?;
    file.sync_data().await?;
    disk.rename(TEMPORARY, FILE).await?;
    Ok(sync_dir::<E>(disk, DIR).await?)
}
