//! The small values of the language: durations, numbers, rates, names.

mod bytes;
mod clock;
mod number;
mod ratio;
mod text;
mod time;

pub(crate) use bytes::{ByteRate, Bytes};
pub(crate) use clock::{Range, RateError, Shift};
pub use number::Number;
pub use number::Seed;
pub use ratio::PerSecond;
pub use squall_effect::{Probability, Span, format_duration, parse_duration};
pub use text::Prefix;
pub(crate) use text::{PathPrefix, Set, is_plain};
pub use time::Each;
