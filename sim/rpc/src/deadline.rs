//! The `grpc-timeout` header (gRPC over HTTP/2, "Requests": at most eight digits and a unit).

use std::time::Duration;

/// The header's name.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Reads a header value; `None` when it is not of the protocol's form.
pub fn parse_timeout(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

/// Writes a header value, in the finest unit that eight digits allow.
pub fn format_timeout(timeout: Duration) -> String {
    let nanos = timeout.as_nanos();
    for (unit, size) in [("n", 1u128), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000)] {
        let n = nanos.div_ceil(size);
        if n < 100_000_000 {
            return format!("{n}{unit}");
        }
    }
    format!("{}H", nanos.div_ceil(3_600_000_000_000).min(99_999_999))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_protocol_says() {
        for (value, expect) in [
            ("5S", Some(Duration::from_secs(5))),
            ("250m", Some(Duration::from_millis(250))),
            ("1H", Some(Duration::from_secs(3600))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("", None),
            ("m", None),
            ("100000000n", None),
            ("-5S", None),
            ("5", None),
            ("5ü", None),
        ] {
            assert_eq!(parse_timeout(value), expect, "{value:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back_never_shorter() {
        for nanos in [0, 1, 99_999_999, 100_000_001, 1_234_567_890_123, 86_400_000_000_000] {
            let timeout = Duration::from_nanos(nanos);
            let back = parse_timeout(&format_timeout(timeout)).expect("our own form");
            assert!(back >= timeout && back <= timeout + timeout / 1000, "{timeout:?} became {back:?}");
        }
    }
}
