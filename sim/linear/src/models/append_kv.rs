//! Keys that hold text, to which one appends; absent keys read as empty. Each key is decided by itself.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `get k` | all that was appended to k, since it was put | the same |
//! | `put k v` | - | v |
//! | `append k v` | - | what it held, then v |

use crate::{
    call::NEVER,
    model::{CallOf, Model, Nature, Outright},
    persistent::Text,
    raw::{RawCall, RawEnd, Value},
    reading::{Parsed, Reads, bad_answer, bad_input},
};
use rustc_hash::FxHashSet;
use std::{collections::BTreeSet, sync::Arc};

/// What is asked of one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// What do you hold?
    Get,
    /// Hold this.
    Put(Arc<str>),
    /// Hold this behind what you hold.
    Append(Arc<str>),
}

/// The model. `grows`: nothing is ever put, so that what was appended stays.
pub struct AppendKv {
    /// Whether no call of the history puts.
    pub grows: bool,
}

impl Model for AppendKv {
    type State = Text;
    type Input = Ask;
    /// What a get showed; nothing for the others.
    type Output = Option<Arc<str>>;

    const MAY_LOSE_HOPE: bool = true;

    fn init(&self) -> Text {
        Text::default()
    }

    fn step(&self, state: &Text, input: &Ask, output: Option<&Option<Arc<str>>>) -> Option<Text> {
        match (input, output) {
            (Ask::Get, Some(Some(shown))) => state.is(shown).then(|| state.clone()),
            (Ask::Get, _) => Some(state.clone()),
            (Ask::Put(value), _) => Some(Text::of(value)),
            (Ask::Append(value), _) => Some(state.with(value)),
        }
    }

    fn nature(&self, input: &Ask, _: Option<&Option<Arc<str>>>) -> Nature {
        match input {
            Ask::Get => Nature::Observes,
            Ask::Put(_) => Nature::Overwrites,
            Ask::Append(_) => Nature::Adds,
        }
    }

    /// What was appended stays until something is put: a state that does not begin what is to be shown never will be it.
    fn hopeless(&self, state: &Text, input: &Ask, output: &Option<Arc<str>>) -> bool {
        *input == Ask::Get && output.as_ref().is_some_and(|shown| !state.begins(shown))
    }

    /// Where nothing is put, what gets show grows: each begins the longer ones, is made of what was appended, and has all that was
    /// appended before it was asked for.
    fn outright(&self, calls: &[CallOf<Self>]) -> Option<Outright> {
        if !self.grows {
            return None;
        }
        let shown = |call: &'_ CallOf<Self>| if call.returned == NEVER { None } else { call.output.clone().flatten() };
        let mut gets: Vec<(&CallOf<Self>, Arc<str>)> = calls.iter().filter_map(|call| Some((call, shown(call)?))).collect();
        gets.sort_by_key(|(call, text)| (text.len(), call.returned));
        let (_, longest) = gets.last()?.clone();
        let two = |a: &CallOf<Self>, b: &CallOf<Self>, possible: &Arc<str>, why: String| {
            let (first, last) = if a.invoked < b.invoked { (a, b) } else { (b, a) };
            let call = if a.returned < b.returned { b } else { a };
            Some(Outright { calls: vec![first.id, last.id], call: call.id, possible: end(possible), why })
        };
        for pair in gets.windows(2) {
            let [(a, short), (b, long)] = pair else { continue };
            if let Some(differ) = std::iter::zip(short.bytes(), long.bytes()).position(|(a, b)| a != b) {
                return two(a, b, short, format!("one shows {}, the other {}", around(short, differ), around(long, differ)));
            }
        }
        // Where something that was appended can end, in the longest.
        let mut pieces: FxHashSet<&str> = FxHashSet::default();
        pieces.extend(calls.iter().filter_map(|call| if let Ask::Append(text) = &call.input { Some(&**text) } else { None }));
        let lengths: BTreeSet<usize> = pieces.iter().map(|piece| piece.len()).filter(|n| *n > 0).collect();
        let mut ends = vec![false; longest.len() + 1];
        ends[0] = true;
        for at in 0..longest.len() {
            if ends[at] {
                for n in lengths.iter().filter(|n| longest.get(at..at + **n).is_some_and(|piece| pieces.contains(piece))) {
                    ends[at + n] = true;
                }
            }
        }
        if let Some((get, text)) = gets.iter().find(|(_, text)| !ends[text.len()]) {
            let why = format!("what it shows, {}, is not made of what was appended by anybody", around(text, text.len()));
            let possible = "what was appended, piece by piece".to_string();
            return Some(Outright { calls: vec![get.id], call: get.id, possible, why });
        }
        // What certainly is there when a get is asked for, and who says so.
        let mut told: Vec<(usize, usize, &CallOf<Self>)> = gets.iter().map(|(get, text)| (get.returned, text.len(), *get)).collect();
        for call in calls.iter().filter(|call| call.returned != NEVER) {
            let Ask::Append(piece) = &call.input else { continue };
            let end = memchr::memmem::find(longest.as_bytes(), piece.as_bytes()).map_or(usize::MAX, |at| at + piece.len());
            told.push((call.returned, end, call));
        }
        told.sort_by_key(|(returned, ..)| *returned);
        gets.sort_by_key(|(get, _)| get.invoked);
        let (mut next, mut most): (usize, Option<(usize, &CallOf<Self>)>) = (0, None);
        for (get, text) in &gets {
            while let Some((_, end, call)) = told.get(next).filter(|(returned, ..)| *returned < get.invoked) {
                most = most.filter(|(most, _)| most >= end).or(Some((*end, call)));
                next += 1;
            }
            let Some((_, call)) = most.filter(|(end, _)| *end > text.len()) else { continue };
            let why = match &call.input {
                Ask::Append(piece) => format!("{} was appended before it was asked for, and is not in it", Value::Text(piece.clone())),
                _ => format!("it ends with {}, less than was shown before", around(text, text.len())),
            };
            return two(call, get, text, why);
        }
        None
    }

    fn goes_with(&self, gone: (&Ask, Option<&Option<Arc<str>>>), other: (&Ask, Option<&Option<Arc<str>>>)) -> bool {
        match (gone.0, other) {
            (Ask::Append(value), (Ask::Get, Some(Some(shown)))) if self.grows => shown.contains(&**value),
            (_, (Ask::Get, _)) => true,
            _ => false,
        }
    }

    fn show_state(&self, state: &Text) -> String {
        Value::text(&state.to_string()).to_string()
    }

    fn show_call(&self, input: &Ask, output: Option<&Option<Arc<str>>>) -> String {
        match (input, output) {
            (Ask::Get, Some(Some(shown))) => format!("get: {}", Value::Text(shown.clone())),
            (Ask::Get, _) => "get".into(),
            (Ask::Put(value), _) => format!("put {}", Value::Text(value.clone())),
            (Ask::Append(value), _) => format!("append {}", Value::Text(value.clone())),
        }
    }
}

/// So much of a long text is told.
const TOLD: usize = 24;

/// The text around a place.
fn around(text: &str, at: usize) -> String {
    let from = text.floor_char_boundary(at.saturating_sub(TOLD));
    let to = text.ceil_char_boundary((at + TOLD / 2).min(text.len()));
    let dots = |more: bool| if more { "…" } else { "" };
    format!("{}{}{}", dots(from > 0), Value::text(&text[from..to]), dots(to < text.len()))
}

fn end(text: &str) -> String {
    around(text, text.len())
}

fn text(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Nil => Some("".into()),
        Value::Int(_) | Value::Bool(_) => Some(value.to_string().into()),
        Value::List(_) | Value::Map(_) => None,
    }
}

pub(super) fn parse(call: &RawCall, _: Reads) -> Parsed<Ask, Option<Arc<str>>> {
    if matches!(call.end, RawEnd::Failed(_)) {
        return Ok(None);
    }
    let (input, output) = match &*call.kind {
        "get" | "read" => match &call.end {
            RawEnd::Ok(Some(value)) => match text(value) {
                Some(shown) => (Ask::Get, Some(shown)),
                None => return bad_answer(call, "text"),
            },
            _ => (Ask::Get, None),
        },
        kind => match (kind, text(&call.input)) {
            ("put" | "write", Some(value)) => (Ask::Put(value), None),
            ("append", Some(value)) => (Ask::Append(value), None),
            ("put" | "write" | "append", None) => return bad_input(call, "text"),
            _ => return bad_input(call, "get, put or append"),
        },
    };
    Ok(Some((input, Some(output))))
}
