//! The values of the options of `squall check`.

use squall_linear::{Effort, Initial, Isolation, formats};
use std::time::Duration;

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no time: expected `10s` or `500ms`");
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).ok_or_else(bad)?);
    let number: u64 = number.parse().map_err(|_| bad())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" | "min" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(bad()),
    }
}

/// How long may be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Explain {
    pub(super) effort: Effort,
    pub(super) time: Duration,
}

/// What is explained unless somebody says otherwise: the same for the same history, as far as this time is enough.
pub(super) const EXPLAIN: Explain = Explain { effort: Effort::Bounded, time: Duration::from_secs(2) };

pub(super) fn explaining(text: &str) -> Result<Explain, String> {
    match text {
        "0" => Ok(Explain { effort: Effort::Nothing, time: Duration::ZERO }),
        "2s" => Ok(EXPLAIN),
        "full" => Ok(Explain { effort: Effort::Full, time: Duration::MAX }),
        text => Ok(Explain { effort: Effort::Full, time: duration(text).map_err(|e| format!("{e}, `0`, or `full`"))? }),
    }
}

pub(super) fn initial(text: &str) -> Result<Initial, String> {
    formats::initial(text).map_err(|e| format!("{e}: expected a value such as `0`, values by key such as `x=0,y=0`, or `unknown`"))
}

pub(super) fn isolation(text: &str) -> Result<Isolation, String> {
    let names: Vec<&str> = Isolation::ALL.iter().map(|(_, name)| *name).collect();
    Isolation::from_name(text).ok_or_else(|| format!("there is no isolation `{text}`; there are {}", names.join(", ")))
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no size: expected `256MB` or `2GB`");
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).ok_or_else(bad)?);
    let number: u64 = number.parse().map_err(|_| bad())?;
    match unit {
        "KB" => Ok(number.saturating_mul(1 << 10)),
        "MB" => Ok(number.saturating_mul(1 << 20)),
        "GB" => Ok(number.saturating_mul(1 << 30)),
        _ => Err(bad()),
    }
}
