//! The `squall` binary: the command line with the systems that we ship.

use std::{process::ExitCode, sync::Arc};

/// Allocation is a sixth of a run's time; this allocator is the cheapest win there is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // `squall ... | head` ends quietly when head has seen enough, as other tools do.
    sigpipe::reset();
    squall::main(vec![Arc::new(squall_etcd::Etcd), Arc::new(squall_primary_backup::PrimaryBackup)])
}
