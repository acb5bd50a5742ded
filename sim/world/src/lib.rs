//! The simulated machine, and the run of a plan on it.
//!
//! **Architecture Invariant:** this is the only crate that names madsim. The world never draws from
//! a plan's random streams; what it draws comes from streams labelled by entity.

#[cfg(not(madsim))]
compile_error!(
    "squall needs `--cfg madsim` for the whole build: it comes from .cargo/config.toml, so build from the workspace's \
     directory, with RUSTFLAGS (and CARGO_ENCODED_RUSTFLAGS) unset, since they replace that file's flags"
);

mod budget;
mod clock;
mod director;
mod disk;
mod driver;
mod env;
mod events;
mod failpoint;
mod machine;
mod net;
mod process;
mod queue;
mod system;

pub use clock::{ClockChange, PERFECT_RATE_PPM, SimSleep};
pub use director::{Run, RunError, check, run, run_while};
pub use disk::{DiskProfile, SECTOR, SimDisk, SimFile};
pub use env::SimEnv;
pub use machine::{GoOn, HISTORY_MAX, HostId, Machine, MachineConfig, cpu_clock};
pub use net::{BACKLOG, LinkProfile, RTO_MAX, RTO_MIN, Ratio, SimListener, SimNet, SimStream, USER_TIMEOUT, WINDOW};
pub use process::{Process, SimJoin};
pub use system::{BoxFuture, Client, ClientContext, Ear, NodeContext, Reporter, System};

pub use squall_scenario::{Admin, Cluster, Gives};
