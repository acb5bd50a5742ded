//! A key-value service: openraft 0.9, tonic, tokio, and files of std. Written as it would be without a simulator; what was changed for one is
//! in PORTED.md.

mod network;
mod server;
mod store;
mod types;

pub use server::{Failed, Node};
pub use store::{State, Values};
pub use types::{Put, TypeConfig, pb};
