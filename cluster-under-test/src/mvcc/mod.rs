//! The replicated state: a multi-version key-value store with etcd's revision rules.
//!
//! * An empty store is at revision 1; each request that changes something takes one revision, and all
//!   its changes share it; a request that changes nothing takes none.
//! * A key's first version since it was absent is 1, and its `create_revision` is that revision.
//! * A key hangs on the lease of its last put. Revoking a lease deletes its keys, all in one revision, or takes
//!   none if there are none; granting one takes none.
//! * Compaction at `r` keeps, for each key, what a read at `r` or later may ask for.
//!
//! Deliberately not here: time, randomness, Raft. The same commands give the same store, anywhere.

mod applied;
mod apply;
mod bugs;
mod change;
mod check;
mod range;
mod store;
mod txn;

pub use applied::{Applied, AppliedResponse};
pub use apply::apply;
pub use check::{RequestError, check_command, check_range};
pub use range::range;
pub use store::{KeyChange, Lease, Store, Version};

#[cfg(test)]
mod tests;
