//! The faults of a run, one after the other, until their time is over.

use crate::{
    agenda::{Action, Agenda},
    holds::{Firing, Holds},
    interpreter::Interpreter,
};
use squall_effect::{Effect, Party, Strike};
use squall_history::{ClientId, EffectChange as Change, EffectResult, Event, FaultRef, SimTime};
use squall_scenario::{ClusterView, PlannedFault};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Who fires the faults of a plan.
pub(crate) struct Faults<'r> {
    interpreter: &'r Interpreter,
    agenda: Agenda,
    /// Whom faults with `as:` were done to.
    bound: BTreeMap<String, Vec<Party>>,
    holds: Holds,
    firings: u64,
}

impl<'r> Faults<'r> {
    pub(crate) fn new(interpreter: &'r Interpreter) -> Faults<'r> {
        Faults {
            interpreter,
            agenda: Agenda::of(interpreter.stage.plan.planned_faults()),
            bound: BTreeMap::new(),
            holds: Holds::default(),
            firings: 0,
        }
    }

    /// Fires them until the plan's duration is over.
    pub(crate) async fn run(mut self) {
        let stage = &self.interpreter.stage;
        // Who dies at a failpoint is booted again from here.
        stage.recorder.await_events(self.agenda.awaited().chain([Event::FailpointHit]).collect());
        let end = SimTime(0) + stage.plan.duration;
        loop {
            let next = self.agenda.next().map_or(end, |at| at.min(end));
            if let Some(happening) = stage.recorder.next_event(&stage.machine, next).await {
                if happening.event == Event::FailpointHit {
                    self.follow_hits();
                }
                self.agenda.happened(happening.at, happening.event, happening.subject);
                continue;
            }
            if next >= end {
                break;
            }
            match self.agenda.take(stage.now()) {
                Some(Action::Fire(fault, subject)) => self.fire(&fault, subject),
                Some(Action::Then(firing, fault, effect)) => self.perform(firing, &fault, effect),
                None => {}
            }
        }
        stage.recorder.await_events(BTreeSet::new());
    }

    fn next_firing(&mut self) -> Firing {
        self.firings += 1;
        Firing(self.firings)
    }

    /// Does it, unless it is the end of what did not begin, or must not end yet.
    fn perform(&mut self, firing: Firing, fault: &FaultRef, effect: Effect) {
        let stage = &self.interpreter.stage;
        let life = |party: Party| stage.machine.process(stage.host(party)).map(|process| process.incarnation);
        let (incarnation, boots) = match &effect {
            Effect::Pause { party } | Effect::Resume { party } => (life(*party), false),
            Effect::Kill { node, .. } | Effect::Wipe { node } => (life(Party::Node(*node)), self.agenda.boots(firing, *node)),
            _ => (None, false),
        };
        if !self.holds.may_be_done(firing, &effect, incarnation) {
            return;
        }
        if let Some(result) = self.interpreter.perform(fault, effect.clone()) {
            self.holds.begun(firing, &effect, result, incarnation, boots);
        }
    }

    /// What follows from a failpoint that was hit.
    fn follow_hits(&mut self) {
        let stage = self.interpreter.stage.clone();
        let now = stage.now();
        for hit in stage.machine.take_hits() {
            let Some(node) = stage.machine.node_of(hit.host) else { continue };
            let change = Change::Failpoint { point: hit.armed.point.clone(), how: hit.armed.strike.to_string(), hits: 1 };
            stage.tell(&hit.fault, vec![Party::Node(node)], change, EffectResult::Applied);
            let (later, effect) = match hit.armed.strike {
                Strike::Pause(lasts) => (Some(lasts), Effect::Resume { party: Party::Node(node) }),
                Strike::Delay(_) => continue,
                Strike::Kill | Strike::PowerLoss | Strike::Error(_) => {
                    (hit.armed.restart_after.map(|after| after.max(Duration::from_millis(1))), Effect::Boot { node })
                }
            };
            if let Some(later) = later {
                let firing = self.next_firing();
                // It was done by the process itself, just now.
                let incarnation = stage.machine.process(hit.host).map(|process| process.incarnation);
                let done = match effect {
                    Effect::Resume { party } => Effect::Pause { party },
                    _ => Effect::Kill { node, power_loss: None },
                };
                self.holds.begun(firing, &done, EffectResult::Started, incarnation, true);
                self.agenda.put(now + later, Action::Then(firing, hit.fault, effect));
            }
        }
    }

    fn fire(&mut self, fault: &PlannedFault, subject: Option<Party>) {
        let view = self.view(subject);
        let named = FaultRef { id: fault.id.clone(), kind: fault.fault.kind().to_string() };
        let effects = fault.fault.effects(&view);
        if let (Some(name), Some(target)) = (&fault.bind, fault.fault.target()) {
            self.bound.insert(name.clone(), target.resolve(&view));
        }
        let stage = &self.interpreter.stage;
        if effects.is_empty() {
            stage.tell(&named, vec![], Change::Nothing, EffectResult::NoTarget);
        }
        let (now, firing) = (stage.now(), self.next_firing());
        let (at_once, later): (Vec<_>, Vec<_>) = effects.into_iter().partition(|(after, _)| after.is_zero());
        for (after, effect) in later {
            self.agenda.put(now + after, Action::Then(firing, named.clone(), effect));
        }
        at_once.into_iter().for_each(|(_, effect)| self.perform(firing, &named, effect));
    }

    fn view(&self, subject: Option<Party>) -> ClusterView {
        let stage = &self.interpreter.stage;
        ClusterView {
            nodes: self.interpreter.membership.started(),
            clients: (1..=stage.plan.clients()).map(ClientId).collect(),
            leader: stage.recorder.leader(),
            subject,
            holder: stage.recorder.holder(),
            bound: self.bound.clone(),
        }
    }
}
