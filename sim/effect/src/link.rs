//! Links that carry less than they did.

use crate::Span;
use std::fmt;

/// How a link becomes worse than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// More latency one way, drawn per segment.
    Delay(Span),
    /// Segments are lost this often, each independently: a retransmission delay.
    Loss(Probability),
    /// At most this many bytes a second.
    Bandwidth(u64),
    /// Each connection is slower than it was, by a share drawn for it: what is sent over several arrives in any order.
    Reorder(Span),
    /// A bit flips in a segment's first byte, this often: where a frame of HTTP/2 says how long it is.
    Corrupt(Probability),
    /// A request is sent once more, this often, over another connection.
    Duplicate(Probability),
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkChange::Delay(by) => write!(f, "delay by {}", by.to_text()),
            LinkChange::Loss(rate) => write!(f, "lose {}", rate.to_text()),
            LinkChange::Bandwidth(limit) => write!(f, "at most {limit}B/s"),
            LinkChange::Reorder(by) => write!(f, "delay each connection by {}", by.to_text()),
            LinkChange::Corrupt(rate) => write!(f, "corrupt {}", rate.to_text()),
            LinkChange::Duplicate(rate) => write!(f, "send {} of the requests twice", rate.to_text()),
        }
    }
}

/// How often, as a ratio: `3/100` or `3%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability {
    /// This many times
    pub numerator: u32,
    /// out of this many.
    pub denominator: u32,
}

impl Probability {
    /// Never.
    pub const NEVER: Probability = Probability { numerator: 0, denominator: 1 };
    /// Each time.
    pub const ALWAYS: Probability = Probability::percent(100);

    /// This many times in a hundred.
    pub const fn percent(numerator: u32) -> Probability {
        Probability { numerator, denominator: 100 }
    }

    /// Whether it is more than nine times in ten.
    pub fn is_nearly_always(self) -> bool {
        u64::from(self.numerator) * 10 > u64::from(self.denominator) * 9
    }

    /// As it is written.
    pub fn to_text(self) -> String {
        match self.denominator {
            100 => format!("{}%", self.numerator),
            denominator => format!("{}/{denominator}", self.numerator),
        }
    }
}
