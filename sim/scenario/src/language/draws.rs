//! Where random choices come from: labelled streams.

use crate::effect::Size;
use squall_history::{SeededStream, stream};

/// Where random choices come from: a stream for each place.
#[derive(Clone, Debug)]
pub struct Draws {
    seed: u64,
    label: String,
    /// How large the run is.
    pub size: Size,
}

impl Draws {
    /// Those of something with this label.
    pub fn new(seed: u64, label: String, size: Size) -> Draws {
        Draws { seed, label, size }
    }

    /// Those of one of its arguments.
    #[must_use]
    pub fn at(&self, key: &str) -> Draws {
        Draws { label: format!("{} {key}", self.label), ..*self }
    }

    /// Its stream.
    pub fn stream(&self) -> SeededStream {
        stream(self.seed, &self.label)
    }
}
