//! What is to come, in order of time.

use crate::holds::Firing;
use squall_effect::{Effect, Party, Span};
use squall_history::{Event, FaultRef, NodeId, SimTime};
use squall_scenario::{PlannedFault, Start, Wait};
use std::{collections::BTreeMap, time::Duration};

/// What a run has in store.
pub(crate) enum Action {
    /// A fault begins; the party is whom the event was about that it waited for.
    Fire(PlannedFault, Option<Party>),
    /// Something that a fault which began does later.
    Then(Firing, FaultRef, Effect),
}

/// A fault that waits for an event.
struct Waiting {
    fault: PlannedFault,
    wait: Wait,
    /// How often the event happened since the last firing.
    seen: u32,
    /// How many firings are left.
    left: u32,
    /// A start that would overlap its own fault waits until then.
    free_at: SimTime,
}

/// What is to come.
#[derive(Default)]
pub(crate) struct Agenda {
    actions: BTreeMap<(SimTime, u64), Action>,
    ordinal: u64,
    waiting: Vec<Waiting>,
}

impl Agenda {
    /// Of these faults.
    pub(crate) fn of(faults: &[PlannedFault]) -> Agenda {
        let mut agenda = Agenda::default();
        for fault in faults.iter().cloned() {
            match fault.start {
                Start::At(at) => agenda.put(SimTime(0) + at, Action::Fire(fault, None)),
                Start::On(wait) => {
                    agenda.waiting.push(Waiting { fault, wait, seen: 0, left: wait.repeat, free_at: SimTime(0) });
                }
            }
        }
        agenda
    }

    pub(crate) fn put(&mut self, at: SimTime, action: Action) {
        self.ordinal += 1;
        self.actions.insert((at, self.ordinal), action);
    }

    /// The first action, if it is due.
    pub(crate) fn take(&mut self, now: SimTime) -> Option<Action> {
        let first = self.actions.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Whether this firing boots that node later.
    pub(crate) fn boots(&self, firing: Firing, node: NodeId) -> bool {
        self.actions.values().any(|action| matches!(action, Action::Then(by, _, Effect::Boot { node: n }) if (*by, *n) == (firing, node)))
    }

    /// When the next action is due.
    pub(crate) fn next(&self) -> Option<SimTime> {
        self.actions.first_key_value().map(|((at, _), _)| *at)
    }

    /// The events that some fault waits for.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = Event> + '_ {
        self.waiting.iter().map(|waiting| waiting.wait.event)
    }

    /// An event happened: the faults that it makes due are put in.
    pub(crate) fn happened(&mut self, at: SimTime, event: Event, subject: Option<Party>) {
        let within = |span: &Span| SimTime(0) + span.min <= at && at < SimTime(0) + span.max;
        let mut due = Vec::new();
        for waiting in &mut self.waiting {
            let wait = waiting.wait;
            if waiting.left == 0 || wait.event != event || !wait.within.as_ref().is_none_or(within) {
                continue;
            }
            waiting.seen += 1;
            if waiting.seen == wait.count {
                (waiting.seen, waiting.left) = (0, waiting.left - 1);
                let start = (at + wait.after).max(waiting.free_at);
                waiting.free_at = start + waiting.fault.fault.max_duration() + Duration::from_millis(1);
                due.push((start, Action::Fire(waiting.fault.clone(), subject)));
            }
        }
        due.into_iter().for_each(|(start, action)| self.put(start, action));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_scenario::{plan, testing::parse};

    fn agenda(faults: &str) -> Agenda {
        let text = format!("format: 1\nname: x\nduration: 9s\nworkloads: [{{ notes: {{}} }}]\nfaults:\n{faults}");
        Agenda::of(plan(&parse("x", &text).unwrap_or_else(|e| panic!("{e}")), 1).planned_faults())
    }

    fn ms(n: u64) -> SimTime {
        SimTime(n * 1_000_000)
    }

    #[test]
    fn faults_of_one_moment_come_in_the_order_of_the_file() {
        let mut agenda = agenda("  - { id: b, at: 2s, restart: { target: n1 } }\n  - { id: a, at: 2s, restart: { target: n2 } }\n");
        assert_eq!(agenda.next(), Some(ms(2_000)));
        assert!(agenda.take(ms(1_999)).is_none());
        let id = |action: Option<Action>| if let Some(Action::Fire(fault, _)) = action { fault.id } else { String::new() };
        assert_eq!(
            (id(agenda.take(ms(2_000))), id(agenda.take(ms(2_000))), id(agenda.take(ms(9_000)))),
            ("b".into(), "a".into(), String::new())
        );
    }

    /// It counts, keeps to its time, fires as often as it may, and never overlaps itself.
    #[test]
    fn a_fault_that_waits_fires_at_every_so_manyth_event_within_its_time() {
        let when = "when: { event: leader-changed, count: 2, after: 10ms }\n    repeat: 2\n    within: 1s..5s\n";
        let mut agenda = agenda(&format!("  - id: it\n    {when}    pause: {{ target: n1, for: 500ms }}\n"));
        assert_eq!(agenda.awaited().collect::<Vec<_>>(), [Event::LeaderChanged]);
        let mut starts = Vec::new();
        for at in [500, 900, 1_000, 1_100, 1_200, 1_300, 1_400, 1_500, 4_999, 5_000] {
            agenda.happened(ms(at), Event::NodeRestarted, None);
            agenda.happened(ms(at), Event::LeaderChanged, None);
            starts.extend(agenda.next().filter(|next| starts.last() != Some(next)));
            while agenda.take(ms(20_000)).is_some() {}
        }
        // The second event of the first pair is at 1.1 s; of the second pair at 1.3 s, while it still lasts.
        assert_eq!(starts, [ms(1_110), ms(1_611)]);
    }
}
