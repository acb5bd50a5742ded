//! What belongs to a service in a history: operations, answers, what is heard. Typed by the service's pack; everybody else carries it.
//!
//! ```text
//!   pack                          everybody else                 pack
//!   Get { key }  ──into──►  Op: verb, may it write, in words  ──get::<Ask>()──►  Get { key }
//!                               JSON as the pack derives it
//! ```

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value as Json;
use std::{
    any::Any,
    fmt::{Debug, Display, Formatter, Result},
    sync::Arc,
    time::Duration,
};

/// Data of a service: it can be shown, compared and written down.
pub trait Body: Any + Debug + Display + erased_serde::Serialize + Send + Sync {
    /// Whether the other one is of this type, and the same.
    fn is(&self, other: &dyn Body) -> bool;
}

impl<T: Any + Debug + Display + Serialize + PartialEq + Send + Sync> Body for T {
    fn is(&self, other: &dyn Body) -> bool {
        (other as &dyn Any).downcast_ref::<T>().is_some_and(|other| self == other)
    }
}

/// What a client asks of a service.
pub trait Ask: Body {
    /// What kind of operation it is, in a word.
    fn verb(&self) -> &'static str;

    /// Whether it can change anything.
    fn may_write(&self) -> bool;

    /// How long it takes by its own wish: it listens, or waits for its turn.
    fn max_duration(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether it can change who belongs to the cluster.
    fn may_change_members(&self) -> bool {
        false
    }
}

macro_rules! bodies {
    ($($(#[doc = $about:literal])* $name:ident($of:ident);)*) => {
        $(
            $(#[doc = $about])*
            #[derive(Clone)]
            pub struct $name(Arc<dyn $of>);

            impl $name {
                /// This.
                pub fn new(body: impl $of) -> $name {
                    $name(Arc::new(body))
                }

                /// It, by whoever knows its type.
                pub fn get<T: $of>(&self) -> Option<&T> {
                    (&*self.0 as &dyn Any).downcast_ref::<T>()
                }
            }

            impl PartialEq for $name {
                fn eq(&self, other: &$name) -> bool {
                    self.0.is(&*other.0)
                }
            }

            impl Eq for $name {}

            impl Debug for $name {
                fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                    Debug::fmt(&*self.0, f)
                }
            }

            impl Display for $name {
                fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                    Display::fmt(&*self.0, f)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                    erased_serde::serialize(&*self.0, serializer)
                }
            }
        )*
    };
}

bodies! {
    /// What a client asks of the system under test.
    Op(Ask);
    /// What an operation that certainly happened answered.
    Output(Body);
    /// What a client hears while its operation lasts.
    StreamEvent(Body);
}

impl Op {
    /// What kind of operation it is, in a word.
    pub fn verb(&self) -> &'static str {
        self.0.verb()
    }

    /// Whether it can change anything.
    pub fn may_write(&self) -> bool {
        self.0.may_write()
    }

    /// How long it takes by its own wish: it listens, or waits for its turn.
    pub fn max_duration(&self) -> Duration {
        self.0.max_duration()
    }

    /// Whether it can change who belongs to the cluster.
    pub fn may_change_members(&self) -> bool {
        self.0.may_change_members()
    }
}

/// Data of a service that is not known here, as it was read. Nobody knows whether such an operation can change anything: it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untyped(pub Json);

impl Display for Untyped {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        Display::fmt(&self.0, f)
    }
}

impl Ask for Untyped {
    fn verb(&self) -> &'static str {
        "operation"
    }

    fn may_write(&self) -> bool {
        true
    }
}

impl From<Untyped> for Op {
    fn from(body: Untyped) -> Op {
        Op::new(body)
    }
}

impl From<Untyped> for Output {
    fn from(body: Untyped) -> Output {
        Output::new(body)
    }
}

/// A value in at most 40 characters: a long one by its beginning and its length.
pub fn brief(value: &str) -> String {
    match value.char_indices().nth(40) {
        None => value.to_string(),
        Some(_) => format!("{}… ({} bytes)", value.chars().take(24).collect::<String>(), value.len()),
    }
}
