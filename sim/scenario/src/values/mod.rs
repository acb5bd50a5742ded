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
pub(crate) use number::Seed;
pub(crate) use ratio::PerSecond;
pub use squall_effect::{Probability, Span, format_duration, parse_duration};
pub(crate) use text::{PathPrefix, Prefix, Set, is_plain};
pub use time::Each;
