//! One token of EDN.

use crate::raw::Value;

pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(100) {
        None => text.replace('\n', " "),
        Some((at, _)) => format!("{}…", text[..at].replace('\n', " ")),
    }
}

/// A number, a word, a keyword.
pub(super) fn atom(token: &str) -> Result<Value, String> {
    let bytes = token.as_bytes();
    if let Some(name) = token.strip_prefix(':') {
        return Ok(Value::text(name));
    }
    let number = |digits: &[u8]| digits.first().is_some_and(u8::is_ascii_digit);
    let is_number = number(bytes) || (matches!(bytes.first(), Some(b'-' | b'+')) && number(&bytes[1..]));
    if !is_number {
        return match token {
            "nil" => Ok(Value::Nil),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "" => Err("a value is expected here".into()),
            word => Ok(Value::text(word)),
        };
    }
    if let Ok(n) = token.parse::<i64>() {
        return Ok(Value::Int(n));
    }
    let (sign, digits) = match bytes[0] {
        b'-' => (-1, &token[1..]),
        b'+' => (1, &token[1..]),
        _ => (1, token),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).and_then(|hex| i64::from_str_radix(hex, 16).ok());
    let big = digits.strip_suffix(['N', 'M']).and_then(|n| n.parse::<i64>().ok());
    // Fractions, and what does not fit: compared as they are written.
    Ok(hex.or(big).map_or_else(|| Value::text(token), |n| Value::Int(sign * n)))
}
