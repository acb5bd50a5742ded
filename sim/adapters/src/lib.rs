//! The systems that Squall ships as targets.
//!
//! A system of your own is a crate of your own: implement [`squall_run::System`] and give it to
//! `squall::main`.

mod etcd;
mod patience;
mod primary_backup;
mod refusals;

pub use etcd::{Etcd, User};
pub use primary_backup::PrimaryBackup;

use squall_run::System;
use std::sync::Arc;

/// Every system, the default first.
pub fn all() -> Vec<Arc<dyn System>> {
    vec![Arc::new(Etcd), Arc::new(PrimaryBackup)]
}
