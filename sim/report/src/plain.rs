//! What strangers wrote, made harmless for people's terminals.

/// Control characters would let a history write on the reader's terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A text on one line: what is in it can begin none.
pub(crate) fn flat(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A text on one line, cut to this many characters.
pub(crate) fn one_line(text: &str, columns: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.chars().count() <= columns { flat } else { flat.chars().take(columns - 1).chain(['…']).collect() }
}
