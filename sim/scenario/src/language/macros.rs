//! `arguments!`: a struct that is its documentation, reader, printer, planner and schema. `words!`: an enum of words.

/// A value that a plan keeps as it is.
#[macro_export]
macro_rules! as_written {
    () => {
        type Planned = Self;

        fn plan(&self, _draws: &$crate::language::Draws) -> Self {
            self.clone()
        }

        fn planned(&self) -> Option<Self> {
            Some(self.clone())
        }

        fn unplanned(planned: &Self) -> Self {
            planned.clone()
        }
    };
}

/// An enum of which each case is a word.
///
/// ```text
///   words! {
///       /// Which way.
///       pub enum Direction, "a direction" {
///           /// Both ways.
///           Both = "both",
///       }
///   }
/// ```
#[macro_export]
macro_rules! words {
    (
        $(#[doc = $about:literal])*
        $vis:vis enum $name:ident, $what:literal { $($(#[doc = $doc:literal])* $word:ident = $text:literal),* $(,)? }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        $vis enum $name { $($(#[doc = $doc])* $word),* }

        impl $name {
            /// All, by the names that people write.
            pub const WORDS: &'static [(&'static str, $name)] = &[$(($text, $name::$word)),*];

            /// That name.
            #[allow(dead_code, reason = "not every word is told by name")]
            pub fn name(self) -> &'static str {
                match self {
                    $($name::$word => $text),*
                }
            }
        }

        $crate::language::word_value!($name, $what, $name::WORDS);
    };
}

/// Makes a value of a type of which each value is a word.
#[macro_export]
macro_rules! word_value {
    ($name:ty, $what:literal, $words:expr) => {
        impl $crate::language::Value for $name {
            $crate::language::as_written!();

            fn read(decoder: &mut $crate::Decoder, node: &$crate::yaml::Node) -> Option<Self> {
                let words = $words;
                decoder.word(node, $what, &words[..])
            }

            fn write(&self) -> $crate::language::serde_yaml::Value {
                let words = $words;
                words.iter().find(|(_, value)| value == self).expect("each has a word").0.into()
            }

            fn form() -> String {
                let words = $words;
                $crate::language::schema::either($what, words.iter().map(|(word, _)| *word))
            }

            fn schema(_vocabulary: &$crate::Vocabulary) -> $crate::language::serde_json::Value {
                let words = $words;
                $crate::language::schema::words(words.iter().map(|(word, _)| *word))
            }
        }
    };
}

/// Parts of [`arguments!`].
#[macro_export]
macro_rules! argument {
    (@key $name:ident) => {
        stringify!($name)
    };
    (@key $name:ident $key:literal) => {
        $key
    };
    (@some $ty:ty,) => {
        None::<$ty>
    };
    (@some $ty:ty, $default:expr) => {
        Some::<$ty>($default)
    };
    (@take () $d:ident, $fields:ident, $key:expr, $ty:ty, $default:expr) => {
        $crate::language::take::<$ty>($d, $fields, $key, $default)
    };
    (@take (flat) $d:ident, $fields:ident, $key:expr, $ty:ty, $default:expr) => {
        <$ty as $crate::language::Arguments>::take($d, $fields)
    };
    (@put () $into:ident, $key:expr, $value:expr, $ty:ty, $default:expr) => {
        $crate::language::put::<$ty>($into, $key, $value, $default)
    };
    (@put (flat) $into:ident, $key:expr, $value:expr, $ty:ty, $default:expr) => {
        $crate::language::Arguments::put($value, $into)
    };
    (@describe () $into:ident, $key:expr, $lines:expr, $ty:ty, $default:expr) => {
        $into.push($crate::language::describe::<$ty>($key, $lines, $default))
    };
    (@describe (flat) $into:ident, $key:expr, $lines:expr, $ty:ty, $default:expr) => {
        <$ty as $crate::language::Arguments>::describe($into)
    };
    (@fix () $value:expr, $draws:ident, $key:expr) => {
        $crate::language::Value::plan($value, &$draws.at($key))
    };
    (@fix (flat) $value:expr, $draws:ident, $key:expr) => {
        $crate::language::Arguments::resolve($value, $draws)
    };
    (@leaner () $value:expr, $ty:ty, $default:expr) => {
        $crate::language::without::<$ty>($value, $default).into_iter().collect::<Vec<$ty>>()
    };
    (@leaner (flat) $value:expr, $ty:ty, $default:expr) => {
        $crate::language::Arguments::leaner($value)
    };
    (@check () $value:expr, $check:ident) => {};
    (@check (flat) $value:expr, $check:ident) => {
        $crate::language::Arguments::check($value, $check);
    };
}

/// A struct of arguments. `NAME ["KEY"]: TYPE = DEFAULT`: without a default it is needed, unless its type says what it is when it is
/// absent; `@flat` takes the arguments of another struct in. `=> PLANNED` names the struct that a plan makes of it; without that
/// nothing of it may be left to a seed. `check` is told of all of them.
#[macro_export]
macro_rules! arguments {
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $written:ident => $planned:ident, $what:literal {
            $($(#[doc = $doc:literal])* $(@$flat:ident)? $name:ident $([$key:literal])? : $ty:ty $(= $default:expr)?),* $(,)?
        }
        $(check $check:expr)?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $written { $($(#[doc = $doc])* pub $name: $ty),* }

        #[doc = concat!("What a plan makes of [`", stringify!($written), "`].")]
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $planned { $($(#[doc = $doc])* pub $name: <$ty as $crate::language::Value>::Planned),* }

        $crate::language::arguments! {
            @impl $written $planned [$($about)*] $what
            { $([$($doc)*] ($($flat)?) $name ($($key)?) ($ty) ($($default)?)),* }
            ($($check)?)
        }
    };
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $written:ident, $what:literal {
            $($(#[doc = $doc:literal])* $(@$flat:ident)? $name:ident $([$key:literal])? : $ty:ty $(= $default:expr)?),* $(,)?
        }
        $(check $check:expr)?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $written { $($(#[doc = $doc])* pub $name: $ty),* }

        $crate::language::arguments! {
            @impl $written $written [$($about)*] $what
            { $([$($doc)*] ($($flat)?) $name ($($key)?) ($ty) ($($default)?)),* }
            ($($check)?)
        }
    };
    (
        @impl $written:ident $planned:ident [$($about:literal)*] $what:literal
        { $([$($doc:literal)*] ($($flat:ident)?) $name:ident ($($key:literal)?) ($ty:ty) ($($default:expr)?)),* }
        ($($check:expr)?)
    ) => {
        impl $crate::language::Arguments for $written {
            type Planned = $planned;
            const WHAT: &'static str = $what;
            const ABOUT: &'static [&'static str] = &[$($about),*];

            #[allow(unused_variables, reason = "there may be no arguments, and no check")]
            fn take(d: &mut $crate::Decoder, fields: &mut $crate::yaml::Fields<'_>) -> Option<Self> {
                $(
                    let $name = $crate::language::argument!(
                        @take ($($flat)?) d, fields, $crate::language::argument!(@key $name $($key)?), $ty,
                        $crate::language::argument!(@some $ty, $($default)?)
                    );
                )*
                let all = $written { $($name: $name?),* };
                $(
                    let check: fn(&$written, &mut $crate::language::Check<'_>) = $check;
                    check(&all, &mut $crate::language::Check::new(d, fields));
                )?
                Some(all)
            }

            #[allow(unused_variables, reason = "there may be no arguments")]
            fn put(&self, into: &mut $crate::language::serde_yaml::Mapping) {
                $(
                    $crate::language::argument!(
                        @put ($($flat)?) into, $crate::language::argument!(@key $name $($key)?), &self.$name, $ty,
                        $crate::language::argument!(@some $ty, $($default)?)
                    );
                )*
            }

            #[allow(unused_variables, reason = "there may be no arguments")]
            fn describe(into: &mut Vec<$crate::language::Argument>) {
                $(
                    $crate::language::argument!(
                        @describe ($($flat)?) into, $crate::language::argument!(@key $name $($key)?), &[$($doc),*], $ty,
                        $crate::language::argument!(@some $ty, $($default)?)
                    );
                )*
            }

            #[allow(unused_variables, reason = "there may be no arguments")]
            fn resolve(&self, draws: &$crate::language::Draws) -> $planned {
                $planned {
                    $($name: $crate::language::argument!(@fix ($($flat)?) &self.$name, draws, $crate::language::argument!(@key $name $($key)?))),*
                }
            }

            fn fixed(&self) -> Option<$planned> {
                Some($planned { $($name: $crate::language::Value::planned(&self.$name)?),* })
            }

            #[allow(unused_variables, reason = "there may be no arguments")]
            fn unfix(planned: &$planned) -> Self {
                $written { $($name: <$ty as $crate::language::Value>::unplanned(&planned.$name)),* }
            }

            #[allow(unused_variables, reason = "there may be no arguments")]
            fn each(&mut self, visit: &mut $crate::language::Visit<'_>) {
                $($crate::language::Value::parts(&mut self.$name, $crate::language::argument!(@key $name $($key)?), visit);)*
            }

            fn leaner(&self) -> Vec<Self> {
                #[allow(unused_mut, reason = "there may be no arguments")]
                let mut all: Vec<$written> = Vec::new();
                $(
                    for less in $crate::language::argument!(
                        @leaner ($($flat)?) &self.$name, $ty, $crate::language::argument!(@some $ty, $($default)?)
                    ) {
                        let mut leaner = self.clone();
                        leaner.$name = less;
                        all.push(leaner);
                    }
                )*
                all
            }

            #[allow(unused_variables, reason = "there may be nothing to check")]
            fn check(&self, check: &mut $crate::language::Check<'_>) {
                $($crate::language::argument!(@check ($($flat)?) &self.$name, check);)*
                $(
                    let all: fn(&$written, &mut $crate::language::Check<'_>) = $check;
                    all(self, check);
                )?
            }
        }
    };
}

pub use crate::{argument, arguments, as_written, word_value, words};
