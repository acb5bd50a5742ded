//! The simulated machine: hosts with clocks, disks and processes, and the network between them.
//!
//! ```text
//!   one queue of events ──► clocks: timers    net: segments    disk: syncs    process: crashes
//!            ▲                                        │
//!            └──────────── what they cause ───────────┘      what is seen of a host ──► the watcher
//! ```
//!
//! It knows no plan, no service and no history: whoever wants to know what happens gives it a [`Watcher`].
//!
//! **Architecture Invariant:** this is the only crate that names madsim. The machine never draws from
//! a plan's random streams; what it draws comes from streams labelled by entity.

#[cfg(not(madsim))]
compile_error!(
    "squall needs `--cfg madsim` for the whole build: it comes from .cargo/config.toml, so build from the workspace's \
     directory, with RUSTFLAGS (and CARGO_ENCODED_RUSTFLAGS) unset, since they replace that file's flags"
);

mod clock;
mod disk;
mod env;
mod failpoint;
mod faults;
mod host;
mod ids;
mod life;
mod machine;
mod net;
mod process;
mod queue;
mod run;
mod trap;
mod watcher;

pub use clock::SimSleep;
pub use disk::{DiskProfile, SECTOR, SimDisk, SimFile};
pub use env::SimEnv;
pub use ids::HostId;
pub use machine::{Machine, MachineConfig};
pub use net::{BACKLOG, LinkProfile, RTO_MAX, RTO_MIN, SimListener, SimNet, SimStream, USER_TIMEOUT, WINDOW};
pub use process::{Process, SimJoin, take_panic};
pub use run::{cpu_clock, virtual_time};
pub use trap::Hit;
pub use watcher::{Seen, Watcher};
