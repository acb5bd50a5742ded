//! Workloads of one's own: functions that draw operations; and how an operation is written down in a script.

use crate::{
    kept::kept,
    operation::{Asked, Operation},
};
use squall_history::{Ask, Op, SeededStream as Draws, stream};
use squall_scenario::{
    as_written,
    workloads::{Lines, OwnLoad, WorkloadKind, drawn},
};
use std::{collections::BTreeSet, sync::Arc};

/// How many operations are drawn to find out which there are.
const SAMPLES: u64 = 500;

/// A workload that was handed over.
pub(crate) struct Load<O> {
    name: String,
    about: String,
    draw: Arc<dyn Fn(&mut Draws) -> O + Send + Sync>,
}

impl<O: Operation> Load<O> {
    pub(crate) fn new(name: &str, about: &str, draw: impl Fn(&mut Draws) -> O + Send + Sync + 'static) -> Load<O> {
        Load { name: name.to_string(), about: about.to_string(), draw: Arc::new(draw) }
    }

    /// Operations that it draws: not those of any run.
    fn samples(&self) -> impl Iterator<Item = O> + '_ {
        (0..SAMPLES).map(|i| (self.draw)(&mut stream(i, "what a workload may ask")))
    }

    /// One that only reads, if it draws any.
    pub(crate) fn reads(&self) -> Option<O> {
        self.samples().find(Operation::is_read).or_else(|| self.samples().find_map(|op| op.looked_at_by()))
    }

    pub(crate) fn any(&self) -> O {
        (self.draw)(&mut stream(0, "what a workload may ask"))
    }

    pub(crate) fn kind(self, probe: &O) -> WorkloadKind {
        let mut verbs = BTreeSet::new();
        let asks = self.samples().map(Asked).filter(|ask| verbs.insert((ask.verb(), ask.may_write()))).map(Op::new).collect();
        let (name, probe, draw) = (kept(&self.name), Asked(probe.clone()), self.draw);
        let source = move |plan: &squall_scenario::workloads::OwnPlanned, client: u32| {
            let (draw, pace, clients) = (draw.clone(), plan.pace(), plan.clients());
            drawn(plan.seed(), client, probe.clone(), move |draws| (pace.pace(draws, clients), Asked(draw(draws))))
        };
        WorkloadKind::own(Box::leak(Box::new(OwnLoad {
            name,
            about: Box::leak(Box::new([kept(&self.about)])),
            example: kept(&format!("{name}: {{ clients: 4, think: 20ms }}")),
            asks,
            source: Box::new(source),
        })))
    }
}

/// How operations are written down: under `op`, as serde has them.
pub(crate) fn lines<O: Operation>(probe: &O) -> WorkloadKind {
    let shown = serde_json::to_string(probe).unwrap_or_default();
    let probe = Asked(probe.clone());
    WorkloadKind::script(Box::leak(Box::new(Lines {
        example: kept(&format!("script: {{ ops: [ {{ at: 1s, op: {shown} }} ] }}")),
        about: "op: an operation, as serde writes it",
        keys: &["op"],
        read: |decoder, _, node| decoder.typed::<Asked<O>>(node).map(Op::new),
        write: |op| as_written(op.get::<Asked<O>>()?).map(|yaml| ("op", yaml)),
        schemas: |_| [("op".to_string(), serde_json::json!({ "description": "an operation, as serde writes it" }))].into_iter().collect(),
        probe: Box::leak(Box::new(move |_: &[&Op]| Op::new(probe.clone()))),
        renamed: |op, _| op.clone(),
    })))
}
