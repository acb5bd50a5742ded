//! Mistakes, shown where they are.

use std::fmt;

/// Where a value stands: line and column count from 1; length in characters, on that line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// How many characters it takes on that line.
    pub length: usize,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    pub(crate) place: Place,
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub help: Option<String>,
}

impl Diagnostic {
    /// This is wrong there.
    pub fn new(place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic { place, message: message.into(), help: None }
    }

    /// With what would be accepted.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// How many characters are underlined.
    pub fn length(&self) -> usize {
        self.place.length
    }

    /// Line and column, counted from 1.
    pub fn position(&self) -> (usize, usize) {
        (self.place.line, self.place.column)
    }
}

/// Every mistake of one file, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostics {
    name: String,
    source: String,
    /// The mistakes.
    pub all: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(crate) fn new(name: &str, source: &str, mut all: Vec<Diagnostic>) -> Diagnostics {
        all.sort_by_key(Diagnostic::position);
        Diagnostics { name: name.to_string(), source: source.to_string(), all }
    }
}

/// Control characters would let a file write on the reader's terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.all.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let Place { line, column, length } = d.place;
            writeln!(f, "error: {}", printable(&d.message))?;
            writeln!(f, "  --> {}:{line}:{column}", self.name)?;
            if let Some(text) = self.source.lines().nth(line.saturating_sub(1)) {
                let gutter = line.to_string();
                let pad = " ".repeat(gutter.len());
                writeln!(f, " {pad} |")?;
                writeln!(f, " {gutter} | {}", printable(text))?;
                let room = (text.chars().count() + 1).saturating_sub(column - 1).max(1);
                writeln!(f, " {pad} | {}{}", " ".repeat(column - 1), "^".repeat(length.clamp(1, room)))?;
            }
            if let Some(help) = &d.help {
                writeln!(f, "   help: {}", printable(help))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
