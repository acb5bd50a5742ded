//! YAML as a person would write it: what fits on a line stands on one.
//!
//! ```text
//!   faults:
//!     - id: partition-1
//!       at: 2s
//!       partition: { isolate: leader, for: 1s }
//! ```
//!
//! serde_yaml prints every list of nodes over as many lines; a plan would be pages long. Strings that a
//! YAML reader could take for something else are quoted.

use serde_yaml::Value;

/// What fits into this many columns stands on one line.
const COLUMNS: usize = 120;

/// A mapping as a document.
pub(crate) fn emit(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            for (key, value) in map {
                let key = scalar(key);
                // The top level is for looking over: its lists of mappings stand one below the other.
                let spread = indent == 0 && matches!(value, Value::Sequence(items) if items.iter().any(Value::is_mapping));
                entry(&format!("{pad}{key}:"), value, indent, spread, out);
            }
        }
        Value::Sequence(items) if !items.is_empty() => {
            for item in items {
                let line = flow(item);
                // A fault stands over several lines; an operation of a script on one.
                let is_fault = indent <= 2 && item.as_mapping().is_some_and(|m| m.len() > 1 && m.values().any(Value::is_mapping));
                if line.len() + indent + 2 <= COLUMNS && !is_fault {
                    out.push_str(&format!("{pad}- {line}\n"));
                    continue;
                }
                let mut inner = String::new();
                block(item, indent + 2, &mut inner);
                out.push_str(&format!("{pad}- {}", &inner[(indent + 2).min(inner.len())..]));
            }
        }
        other => out.push_str(&format!("{pad}{}\n", flow(other))),
    }
}

fn entry(head: &str, value: &Value, indent: usize, spread: bool, out: &mut String) {
    let line = flow(value);
    let simple = !matches!(value, Value::Mapping(_) | Value::Sequence(_));
    if simple || (!spread && head.len() + 1 + line.len() <= COLUMNS) {
        out.push_str(&format!("{head} {line}\n"));
    } else {
        out.push_str(&format!("{head}\n"));
        block(value, indent + 2, out);
    }
}

/// A value on one line.
pub fn flow(value: &Value) -> String {
    match value {
        Value::Mapping(map) if map.is_empty() => "{}".to_string(),
        Value::Mapping(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{}: {}", scalar(k), flow(v))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Sequence(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        other => scalar(other),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(text) => quoted(text),
        Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => unreachable!("not a scalar: {value:?}"),
    }
}

/// Whether any YAML reader takes these bare characters for a string.
fn is_plain(text: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ' ' | '%');
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let number = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_alphabetic() || c == '%');
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let exponent = number && text.contains(['e', 'E', 'x', 'o', '_']);
    let spaced = text.contains(' ') && (text.ends_with(' ') || text.contains(" -"));
    (first || number) && !exponent && !spaced && text.chars().all(safe) && !words.contains(&text.to_ascii_lowercase().as_str())
}

/// Double quotes, with YAML's escapes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x100 && c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if matches!(c as u32, 0x2028 | 0x2029 | 0xfeff | 0xfffe | 0xffff) => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_a_plain_yaml_reader_reads() {
        let texts = [
            "n1",
            "1.5s",
            "250ms",
            "3%",
            "1/8",
            "yes",
            "No",
            "null",
            "~",
            "",
            "0",
            "12",
            "1e3",
            "0x10",
            "1_000",
            ".5",
            "-",
            "- a",
            "a: b",
            "a #b",
            "{",
            "[n1]",
            "'",
            "\"",
            "a\\b",
            "line\nline",
            "tab\there",
            "*x",
            "&x",
            "!x",
            "|",
            ">",
            "@",
            "`",
            "\u{7}",
            "é",
            "日本",
            "\u{2028}",
            "a ",
            " a",
            "kv/1",
            "c1-5.2",
            "64KiB/s",
            "y",
            "on",
            "=",
            "2026-01-01",
            "1:20",
            "k</script>",
            "]]>",
            "::error::",
            "1s..2s",
            "leader-changed",
        ];
        for text in texts {
            let value: Value = [("key", Value::from(text)), (text, Value::from(vec![Value::from(text)]))]
                .into_iter()
                .map(|(k, v)| (Value::from(k), v))
                .collect::<serde_yaml::Mapping>()
                .into();
            let written = emit(&value);
            let back: Value = serde_yaml::from_str(&written).unwrap_or_else(|e| panic!("{text:?}: {e}\n{written}"));
            assert_eq!(back, value, "{text:?}:\n{written}");
            let tree = crate::yaml::parse_tree(&written).unwrap_or_else(|e| panic!("{text:?}: {e:?}\n{written}"));
            let crate::yaml::Kind::Map(entries) = tree.kind else { panic!("{written}") };
            assert_eq!(entries[0].1.kind, crate::yaml::Kind::Scalar(text.to_string()), "{written}");
        }
    }
}
