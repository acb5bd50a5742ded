//! The services that clients call.

mod kv;

pub(crate) use kv::KvService;
pub use kv::LEADER_HINT;
