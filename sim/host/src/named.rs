//! Places in the code of a service that have a name: planted bugs, failpoints, and places that a sweep should come to. Whoever links the
//! service into a harness finds all of them, whether they are passed or not.

use crate::{
    bell::outside,
    inside::{As, is_inside},
};
use linkme::distributed_slice;
use squall_env::{Bug, Env, Failpoint};
use squall_machine::{Process, SimEnv};
use std::io;

/// What a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceKind {
    /// A planted bug: see [`bug!`](crate::bug).
    Bug,
    /// See [`failpoint!`](crate::failpoint).
    Failpoint,
    /// See [`sometimes!`](crate::sometimes).
    Sometimes,
}

/// A place that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What it is.
    pub kind: PlaceKind,
    /// Its name.
    pub name: &'static str,
    /// One sentence; empty where its author wrote none.
    pub about: &'static str,
    /// Its file.
    pub file: &'static str,
    /// Its line.
    pub line: u32,
}

/// Every place of the program, in no order.
#[doc(hidden)]
#[distributed_slice]
pub static PLACES: [Place];

/// Every place of the program: by kind and name, each name once.
pub fn places() -> Vec<Place> {
    let mut all = PLACES.to_vec();
    all.sort_unstable();
    all.dedup_by_key(|place| (place.kind, place.name));
    all
}

#[doc(hidden)]
pub fn is_planted(name: &'static str) -> bool {
    is_inside() && {
        let _as_machine = As::machine();
        SimEnv::bug(Bug(name))
    }
}

#[doc(hidden)]
pub async fn passes(name: &'static str) -> io::Result<()> {
    if is_inside() { outside(SimEnv::failpoint(Failpoint(name))).await } else { Ok(()) }
}

#[doc(hidden)]
pub fn reaches(name: &'static str) {
    if is_inside() {
        let _as_machine = As::machine();
        Process::reaches(name);
    }
}

/// Declares a place, where it stands.
#[doc(hidden)]
#[macro_export]
macro_rules! __place {
    ($kind:ident, $name:literal, $about:expr) => {
        #[$crate::__linkme::distributed_slice($crate::named::PLACES)]
        #[linkme(crate = $crate::__linkme)]
        static PLACE: $crate::named::Place =
            $crate::named::Place { kind: $crate::named::PlaceKind::$kind, name: $name, about: $about, file: file!(), line: line!() };
    };
}

/// Whether a bug of this name is planted in the run: a scenario says `bugs: [NAME]`, `--bug NAME` does, too. `false` in production, where
/// the wrong branch is compiled out.
///
/// ```text
/// if bug!("stale-read", "answers from its own state, without asking anybody") { return Ok(self.local(key)); }
/// ```
#[macro_export]
macro_rules! bug {
    ($name:literal $(, $about:literal)? $(,)?) => {{
        $crate::__place!(Bug, $name, concat!("" $(, $about)?));
        $crate::named::is_planted($name)
    }};
}

/// A seam: a fault may delay, pause or kill the node right here, or make what comes next fail. To be awaited; the result is an error where
/// the fault says so. Nothing in production.
///
/// ```text
/// failpoint!("before-ack", "the write is durable, and nobody knows it yet").await?;
/// ```
#[macro_export]
macro_rules! failpoint {
    ($name:literal $(, $about:literal)? $(,)?) => {{
        $crate::__place!(Failpoint, $name, concat!("" $(, $about)?));
        $crate::named::passes($name)
    }};
}

/// A place that a sweep should come to: an event of this name, for `sometimes:` and `when:`. Nothing in production.
///
/// ```text
/// sometimes!("read-repair", "a reader found a replica that was behind");
/// ```
#[macro_export]
macro_rules! sometimes {
    ($name:literal $(, $about:literal)? $(,)?) => {{
        $crate::__place!(Sometimes, $name, concat!("" $(, $about)?));
        $crate::named::reaches($name)
    }};
}
