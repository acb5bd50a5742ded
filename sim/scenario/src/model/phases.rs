//! Phases: parts of a run, each with its load and its faults.

use super::{
    limits::DURATION_MAX,
    misfit::{Bounds, check},
    names::{Placed, Prose, Several},
    schedule::ScheduledFault,
    when::When,
};
use crate::{
    Decoder, Vocabulary, faults,
    language::{Value, arguments, as_written},
    values::Number,
    yaml::{Kind, Node, Place},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;
use std::time::Duration;

arguments! {
    /// A part of the run.
    pub(crate) struct Phase, "a phase" {
        /// for whoever reads it
        name: Option<Prose>,
        /// how long it takes
        duration: Duration,
        /// how much clients ask
        load: Load = Load::Normal,
        /// what goes wrong; times are told from the phase's start
        faults: Several<ScheduledFault>,
    }
    check |it, check| {
        if it.duration.is_zero() || it.duration > DURATION_MAX {
            check.wrong("duration", "a phase takes some time, and an hour at the most");
        }
    }
}

/// How much clients ask in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Idle,
    Normal,
    Times(u32),
}

arguments! {
    /// A factor: this many times as much.
    pub(crate) struct Rush, "the load of a phase" {
        /// how many times as often
        times: Number<2, 100>,
    }
}

impl Value for Load {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        if let Kind::Map(_) = node.kind {
            return Rush::read(decoder, node).map(|rush| Load::Times(rush.times.small()));
        }
        let words = [("idle", Load::Idle), ("normal", Load::Normal)];
        decoder.word(node, "the load of a phase (`idle`, `normal`, or a mapping with `times`)", &words)
    }

    fn write(&self) -> Yaml {
        match self {
            Load::Idle => "idle".into(),
            Load::Normal => "normal".into(),
            Load::Times(times) => Rush { times: Number((*times).into()) }.write(),
        }
    }

    fn form() -> String {
        "idle, normal or { times }".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        json!({ "anyOf": [crate::language::schema::words(["idle", "normal"]), Rush::schema(vocabulary)] })
    }
}

/// The faults of phases that follow each other, and how long all of them take.
pub(crate) fn laid_out(d: &mut Decoder, phases: &[Placed<Phase>], bounds: Bounds) -> (Duration, Vec<(Place, ScheduledFault)>) {
    let (mut start, mut all) = (Duration::ZERO, Vec::new());
    for Placed { place, it: phase } in phases {
        let end = start + phase.duration;
        // What is wrong with its duration is told already.
        let sound = Some(phase.duration).filter(|lasts| !lasts.is_zero() && *lasts <= DURATION_MAX);
        check(d, &phase.faults.0, Bounds { end: sound, ..bounds });
        let times = match phase.load {
            Load::Normal => None,
            Load::Idle => Some(0),
            Load::Times(times) => Some(times),
        };
        if let Some(times) = times {
            let fault = faults::load(times, phase.duration);
            all.push((*place, ScheduledFault { id: None, bind: None, when: When::At(start), fault }));
        }
        all.extend(phase.faults.0.iter().map(|fault| (fault.place, fault.it.clone().in_phase(start, end))));
        start = end;
    }
    (start, all)
}
