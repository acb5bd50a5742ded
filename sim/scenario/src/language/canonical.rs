//! A value as bytes that depend on nothing but the value: the labels of random streams are made of it. How a plan is printed may
//! change; this may not, or every seed means another run.

use serde_yaml::Value as Yaml;

/// The canonical encoding: lists in brackets, mappings in braces, their entries in the order of the language, text by its length.
///
/// ```text
///   { target: one, for: 1s..3s }   {6:target=3:one,3:for=6:1s..3s}
///   [n1, 2, true]                  [2:n1,#2,!1]
/// ```
pub fn canonical(value: &Yaml) -> String {
    let mut out = String::new();
    encode(value, &mut out);
    out
}

fn encode(value: &Yaml, out: &mut String) {
    let joined = |out: &mut String, i: usize| {
        if i > 0 {
            out.push(',');
        }
    };
    match value {
        Yaml::Null => out.push('~'),
        Yaml::Bool(yes) => out.push_str(if *yes { "!1" } else { "!0" }),
        Yaml::Number(number) => {
            out.push('#');
            out.push_str(&number.to_string());
        }
        Yaml::String(text) => {
            out.push_str(&text.len().to_string());
            out.push(':');
            out.push_str(text);
        }
        Yaml::Sequence(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                joined(out, i);
                encode(item, out);
            }
            out.push(']');
        }
        Yaml::Mapping(map) => {
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                joined(out, i);
                encode(key, out);
                out.push('=');
                encode(value, out);
            }
            out.push('}');
        }
        Yaml::Tagged(tagged) => encode(&tagged.value, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_are_encoded_differently() {
        let all =
            ["{ target: one, for: 1s..3s }", "[n1, 2, true]", "{}", "[]", "[[n1], [n2]]", "[[n1, n2]]", "~", "false", "{ a: { b: c } }"];
        let encoded: Vec<String> = all.iter().map(|text| canonical(&serde_yaml::from_str(text).unwrap())).collect();
        assert_eq!(encoded[0], "{6:target=3:one,3:for=6:1s..3s}");
        assert_eq!(encoded[1], "[2:n1,#2,!1]");
        assert_eq!(encoded.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "{encoded:?}");
    }
}
