//! YAML as people write it: a tree in which every value knows where it stands, and a decoder that
//! collects every mistake of a file at once.
//!
//! Plain scalars are text here; what they mean is decided by whoever expects something. So there are
//! no YAML 1.1 traps: `no` is never a boolean by accident.

mod decode;
mod diagnostic;
mod emit;
mod tree;
mod typed;

pub use decode::{Decoder, Fields};
pub use diagnostic::{Diagnostic, Diagnostics, Place};
pub(crate) use emit::emit;
pub use emit::flow;
pub use tree::{Kind, Node};
pub(crate) use tree::{merged, parse_tree};
pub use typed::as_written;
