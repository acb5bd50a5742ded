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
mod holds;
mod interpreter;
mod membership;
mod pack;
mod pen;
mod recorder;
mod service_events;
mod settle;
mod stage;
mod tempo;

pub use director::{Run, RunError, run, run_while};
pub use driver::{Connect, Driver};
pub use pack::{AtOnce, BoxFuture, Client, ClientContext, NodeContext, OwnModel, Pack, RealContext, Reporter, StreamSink, service};
pub use pen::Pen;
pub use recorder::{ContinueFn, HISTORY_MAX};
pub use service_events::{Leftovers, ServiceEvents};
pub use tempo::Tempo;

pub use squall_judge::Checker;
pub use squall_linear::StreamingVerdict;
pub use squall_machine::{SimEnv, cpu_clock};
pub use squall_scenario::{Admin, Cluster, EventInfo, Failpoint, Gives, Holder, Named};
