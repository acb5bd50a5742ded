//! The commands: one file each.

pub(crate) mod bench;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod run;
