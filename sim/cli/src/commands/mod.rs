//! The commands: one file each.

#[cfg(feature = "etcd")]
pub(crate) mod bench;
#[cfg(feature = "etcd")]
pub(crate) mod bench_checker;
#[cfg(feature = "compare")]
pub(crate) mod bench_others;
pub(crate) mod check;
pub(crate) mod init;
pub(crate) mod keep;
pub(crate) mod lint;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod seed;
pub(crate) mod shrink;
pub(crate) mod sweep;
