//! Operations and answers of a service of one's own: whatever serde can write down.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value as Json;
use squall_history::Ask;
use std::{
    collections::BTreeSet,
    fmt::{Debug, Display, Formatter, Result},
    hash::Hash,
    sync::Mutex,
};

/// What clients ask: any type of serde's. An enum is told by the names of its variants.
pub trait Operation: Serialize + DeserializeOwned + Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// Whether it certainly changes nothing. It may be asked again then, whatever became of it.
    fn is_read(&self) -> bool {
        false
    }

    /// The object that it is about, such as a key, where objects have nothing to do with each other: each is judged by itself. `None`: there
    /// is only one.
    fn object(&self) -> Option<String> {
        None
    }

    /// What shows in the end what this left behind: it is asked once more, when all faults are over. Itself, if it only reads.
    fn looked_at_by(&self) -> Option<Self> {
        self.is_read().then(|| self.clone())
    }
}

/// What is answered: any type of serde's.
pub trait Answer: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync + 'static> Answer for T {}

/// An operation, as histories carry it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Asked<O>(pub(crate) O);

/// An answer, as histories carry it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Told<A>(pub(crate) A);

/// JSON in words: `put key a, value 3`.
fn in_words(json: &Json) -> String {
    match json {
        Json::Null => "nothing".to_string(),
        Json::String(text) => squall_history::brief(text),
        Json::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Json::Object(fields) => fields.iter().map(|(name, value)| format!("{name} {}", in_words(value))).collect::<Vec<_>>().join(", "),
        Json::Bool(_) | Json::Number(_) => json.to_string(),
    }
}

fn written(value: &impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or(Json::Null)
}

macro_rules! shown {
    ($($name:ident),*) => {$(
        impl<T: Debug> Debug for $name<T> {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                self.0.fmt(f)
            }
        }

        impl<T: Serialize> Display for $name<T> {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.write_str(&in_words(&written(&self.0)))
            }
        }
    )*};
}

shown!(Asked, Told);

/// The words that were asked for, for good: there are as many as a type has variants.
static VERBS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl<O: Operation> Ask for Asked<O> {
    fn verb(&self) -> &'static str {
        let json = written(&self.0);
        let verb = match &json {
            Json::String(name) => name,
            Json::Object(fields) if fields.len() == 1 => fields.keys().next().expect("it has one"),
            _ => "operation",
        };
        let mut verbs = VERBS.lock().expect("no panic under this lock");
        if let Some(known) = verbs.get(verb) {
            return known;
        }
        // A type whose values are their own names has no variants to count.
        let verb: &'static str = if verbs.len() < 1_000 { Box::leak(verb.to_string().into_boxed_str()) } else { "operation" };
        verbs.insert(verb);
        verb
    }

    fn may_write(&self) -> bool {
        !self.0.is_read()
    }
}
