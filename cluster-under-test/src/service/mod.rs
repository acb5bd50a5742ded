//! The services that clients call.

mod kv;

pub use kv::LEADER_HINT;
pub(crate) use kv::KvService;
