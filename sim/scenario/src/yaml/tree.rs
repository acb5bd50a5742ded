//! The spanned tree. Depth and size are bounded; aliases, anchors and tags are refused.

use super::{Diagnostic, Place};
use saphyr_parser::{Event, Parser, Span as ParserSpan};

/// No scenario nests deeper.
const DEPTH_MAX: usize = 32;

/// No scenario has more values.
const NODES_MAX: usize = 4_000_000;

/// No scenario is longer, in bytes.
const SOURCE_MAX: usize = 16 << 20;

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Text, whatever it looks like.
    Scalar(String),
    /// Values in order.
    List(Vec<Node>),
    /// Keys and their values, in order.
    Map(Vec<(Node, Node)>),
}

/// A value, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub kind: Kind,
}

fn place(span: &ParserSpan) -> Place {
    let length = if span.end.line() == span.start.line() { span.end.col().saturating_sub(span.start.col()) } else { 1 };
    Place { line: span.start.line(), column: span.start.col() + 1, length: length.max(1) }
}

/// Reads exactly one document.
pub(crate) fn parse_tree(source: &str) -> Result<Node, Diagnostic> {
    let start = Place { line: 1, column: 1, length: 1 };
    if source.len() > SOURCE_MAX {
        return Err(Diagnostic::new(start, format!("the file has {} bytes; a scenario has at most {SOURCE_MAX}", source.len())));
    }
    let mut builder = Builder { parser: Parser::new_from_str(source), nodes: 0 };
    let mut document = None;
    loop {
        let (event, span) = builder.next()?;
        match event {
            Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            Event::DocumentStart(_) if document.is_some() => {
                return Err(Diagnostic::new(place(&span), "a second document; a scenario is one file with one document"));
            }
            Event::DocumentStart(_) => {
                let (event, span) = builder.next()?;
                document = Some(builder.node(event, span, 0)?);
            }
            Event::StreamEnd => return document.ok_or_else(|| Diagnostic::new(start, "the file is empty")),
            Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd => {
                return Err(Diagnostic::new(place(&span), "unexpected YAML here"));
            }
        }
    }
}

struct Builder<'s> {
    parser: Parser<'s, saphyr_parser::StrInput<'s>>,
    nodes: usize,
}

impl<'s> Builder<'s> {
    fn next(&mut self) -> Result<(Event<'s>, ParserSpan), Diagnostic> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(e)) => {
                let at = e.marker();
                Err(Diagnostic::new(Place { line: at.line(), column: at.col() + 1, length: 1 }, format!("this is not YAML: {}", e.info())))
            }
            None => Err(Diagnostic::new(Place { line: 1, column: 1, length: 1 }, "the file ends too early")),
        }
    }

    fn node(&mut self, event: Event<'s>, span: ParserSpan, depth: usize) -> Result<Node, Diagnostic> {
        let mut here = place(&span);
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(Diagnostic::new(here, format!("too deep or too large: at most {DEPTH_MAX} levels and {NODES_MAX} values")));
        }
        let no_anchor = |anchor: usize, tag: bool| match (anchor, tag) {
            (0, false) => Ok(()),
            (_, true) => Err(Diagnostic::new(here, "YAML tags (`!...`) mean nothing here")),
            (_, false) => Err(Diagnostic::new(here, "YAML anchors (`&name`) are not allowed: write the value out")),
        };
        let kind = match event {
            Event::Scalar(text, _, anchor, tag) => {
                no_anchor(anchor, tag.is_some())?;
                Kind::Scalar(text.into_owned())
            }
            Event::SequenceStart(anchor, tag) => {
                no_anchor(anchor, tag.is_some())?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Kind::List(items),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                no_anchor(anchor, tag.is_some())?;
                let mut entries: Vec<(Node, Node)> = Vec::new();
                loop {
                    let key = match self.next()? {
                        (Event::MappingEnd, _) => break,
                        (event, span) => self.node(event, span, depth + 1)?,
                    };
                    let (event, span) = self.next()?;
                    entries.push((key, self.node(event, span, depth + 1)?));
                }
                // A block mapping has no bracket to point at: point at its first key.
                if let Some((first, _)) = entries.first() {
                    here = Place { length: first.place.length, ..first.place };
                }
                Kind::Map(entries)
            }
            Event::Alias(_) => return Err(Diagnostic::new(here, "YAML aliases (`*name`) are not allowed: write the value out")),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => {
                return Err(Diagnostic::new(here, "a value is missing here"));
            }
        };
        Ok(Node { place: here, kind })
    }
}

/// The first with the second's values: mappings are merged, anything else takes the place of what is there.
pub(crate) fn merged(into: &Node, from: &Node) -> Node {
    let (Kind::Map(there), Kind::Map(new)) = (&into.kind, &from.kind) else { return from.clone() };
    let mut entries = there.clone();
    for (key, value) in new {
        match entries.iter_mut().find(|(known, _)| known.kind == key.kind) {
            Some((_, there)) => *there = merged(there, value),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    Node { place: into.place, kind: Kind::Map(entries) }
}
