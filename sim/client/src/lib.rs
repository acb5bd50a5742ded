//! Clients of gRPC services: of a simulated service, or of one that really runs.
//!
//! A pack says how one attempt is made at one node ([`Stub`]). [`Retrying`] makes a client of that: it stays with a node while that one
//! serves, goes on to the next one while it is certain that nothing happened, and ends each operation as what it is: answered, failed for
//! certain, or of unknown outcome.

mod nodes;
mod refusal;
mod retrying;

pub use nodes::Nodes;
pub use refusal::{failure, within, words};
pub use retrying::{Retrying, Stub};
