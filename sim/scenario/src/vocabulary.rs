//! The names that a scenario may use, where they are not this crate's own: what systems under test have.

use crate::{
    Gives,
    workloads::{Lines, WorkloadKind},
};
use squall_history::{Event, Op};
use std::sync::Arc;

/// What there is to test.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// The systems under test; the first is that of a scenario which names none.
    pub services: Vec<Arc<Service>>,
}

impl Vocabulary {
    /// Every system under test, by name.
    pub(crate) fn systems(&self) -> Vec<&'static str> {
        self.services.iter().map(|service| service.name).collect()
    }

    /// Whatever they have of this kind, each once.
    pub(crate) fn all<T: PartialEq>(&self, of: impl Fn(&Service) -> Vec<T>) -> Vec<T> {
        every(&self.services, of)
    }
}

/// Whatever these have, each once.
pub(crate) fn every<T: PartialEq>(services: &[Arc<Service>], of: impl Fn(&Service) -> Vec<T>) -> Vec<T> {
    let mut all = Vec::new();
    for one in services.iter().flat_map(|service| of(service)) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// What a system under test has, as far as a scenario can name it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// What it has besides clients that are answered.
    pub gives: Gives,
    /// What its clients may ask.
    pub workloads: &'static [WorkloadKind],
    /// What may happen in it, beside what may happen in any.
    pub events: &'static [Happening],
    /// The client that has what only one of them can have, where there is such a thing.
    pub holder: Option<&'static Holder>,
    /// The bugs that can be planted in it.
    pub bugs: Vec<Named>,
    /// The seams of its code.
    pub failpoints: &'static [Failpoint],
    /// Who judges it.
    pub checkers: Vec<&'static str>,
}

impl Service {
    /// One of which nothing is known.
    pub(crate) fn unknown() -> Service {
        Service {
            name: "",
            gives: Gives::EVERYTHING,
            workloads: &[],
            events: &[],
            holder: None,
            bugs: vec![],
            failpoints: &[],
            checkers: vec![],
        }
    }

    /// How its operations are written down, if they can be.
    pub(crate) fn lines(&self) -> Option<&'static Lines> {
        self.workloads.iter().find_map(|kind| kind.lines)
    }
}

/// A name, and what it stands for in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
}

/// An event of a system.
#[derive(Clone, Copy, Debug)]
pub struct Happening {
    /// The event.
    pub event: Event,
    /// Why it can never happen where clients ask only such operations; `None` where it may.
    pub never: fn(&[Op]) -> Option<&'static str>,
}

/// The client that has what only one of them can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The target's name.
    pub name: &'static str,
    /// Who that is.
    pub about: &'static str,
    /// The event by which a client comes to be it.
    pub comes: Event,
}

/// A seam of a system's code, at which a fault may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failpoint {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub about: &'static str,
    /// Whether what comes next can fail, so that `action: error` is possible.
    pub can_fail: bool,
    /// Whether a swarm only makes it late: who dies there dies as elsewhere.
    pub only_late: bool,
}
