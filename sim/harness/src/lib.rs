//! A harness for a service of your own.
//!
//! ```text
//!   your service ── async fn(Node), on tokio ──────────┐
//!   your client ── impl Client, asks one node          │
//!   your operations ── any type of serde, drawn        ├──►  Harness::main ── run, sweep, replay, shrink, lint, list, record, ...
//!   your model ── squall_linear::Model, or any check   │
//!   bug!, failpoint!, sometimes! in its code ──────────┘
//! ```
//!
//! It is the program that you start: each command of `squall` works with your service, as if it were one of those that we ship.

mod client;
mod harness;
mod kept;
mod loads;
mod node;
mod operation;
mod pack;

pub use client::{Client, Unanswered};
pub use harness::Harness;
pub use node::Node;
pub use operation::{Answer, Operation};
pub use squall_cli;
pub use squall_history::{CompletedOp, OpEnd, SeededStream as Draws, View};
pub use squall_host as host;
pub use squall_judge::{Verdict, Witness};
pub use squall_linear as linear;
pub use squall_linear::Model;
