//! Keys that hold text, to which one appends; absent keys read as empty. Each key is decided by itself.
//!
//! | call | legal answers | after |
//! | --- | --- | --- |
//! | `get k` | all that was appended to k, since it was put | the same |
//! | `put k v` | - | v |
//! | `append k v` | - | what it held, then v |

use super::{Parsed, Reads, bad_answer, bad_input};
use crate::{
    model::{Model, Nature},
    persistent::Text,
    raw::{RawCall, RawEnd, Value},
};
use std::sync::Arc;

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
