//! The run of a plan on a simulated machine: boot, load, faults, heal, liveness, final reads.
//!
//! ```text
//!   director ─► faults: the agenda, and its one interpreter of effects ─► heal ─► settle
//!      │           │                                                        │
//!      │           └── damage: the budget, and what was done ── membership: who is there, who may be asked
//!      └── driver: the clients                   stage: the machine, the recorder, the plan
//! ```
//!
//! Arrows go down only: each part owns its state, and is given the parts below it.

mod agenda;
mod damage;
mod director;
mod driver;
mod events;
mod faults;
mod heal;
mod interpreter;
mod membership;
mod pen;
mod recorder;
mod settle;
mod stage;
mod system;
mod tempo;

pub use director::{Run, RunError, check, run, run_while};
pub use driver::{Connect, Driver};
pub use pen::Pen;
pub use recorder::{GoOn, HISTORY_MAX};
pub use system::{BoxFuture, Client, ClientContext, Ear, NodeContext, RealContext, Reporter, System};
pub use tempo::Tempo;

pub use squall_machine::{SimEnv, cpu_clock};
pub use squall_scenario::{Admin, Cluster, Gives};
