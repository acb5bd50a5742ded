//! The services that clients call.

mod kv;
mod lease;
mod replica;

pub(crate) use kv::KvService;
pub(crate) use lease::{LeaseService, Lessor};
pub use replica::LEADER_HINT;
pub(crate) use replica::Replica;
