//! Whether faults fit into a run: its size, its end, and the names that they give each other.

use super::{
    limits::FAULTS_MAX,
    names::Placed,
    schedule::ScheduledFault,
    when::{Trigger, When},
};
use crate::{
    Decoder,
    effect::Party,
    faults,
    target::{Chosen, Target},
    values::format_duration,
    yaml::{Diagnostic, Place},
};
use squall_history::Subject;
use std::time::Duration;

/// What a fault is held against.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// How few nodes there may be; `None` where that is not known.
    pub(crate) nodes: Option<u32>,
    /// How many clients there are.
    pub(crate) clients: Option<u32>,
    /// When faults end.
    pub(crate) end: Option<Duration>,
}

impl ScheduledFault {
    /// Why it cannot be in such a run.
    pub(crate) fn misfit(&self, bounds: Bounds) -> Option<String> {
        self.bad_time(bounds.end).or_else(|| self.bad_size(bounds)).or_else(|| self.bad_subject())
    }

    fn bad_time(&self, end: Option<Duration>) -> Option<String> {
        let (end, text) = (end?, format_duration);
        let earliest = self.when.earliest();
        if earliest >= end {
            return Some(format!("this never happens: it is due at {} at the earliest, and faults end at {}", text(earliest), text(end)));
        }
        match self.when {
            When::Between(span) | When::On(Trigger { after: span, .. }) if span.max > end => {
                Some(format!("this may never happen: it is due at {} at the latest, and faults end at {}", text(span.max), text(end)))
            }
            When::Every { gap, repeat, .. } => {
                let most = (end.as_nanos() / gap.min.as_nanos().max(1)).min(u128::from(repeat.unwrap_or(u32::MAX)));
                (most > FAULTS_MAX as u128).then(|| format!("up to {most} of this fault; a plan has at most {FAULTS_MAX}"))
            }
            _ => None,
        }
    }

    fn bad_size(&self, Bounds { nodes, clients, .. }: Bounds) -> Option<String> {
        let fault = &*self.fault;
        for target in faults::targets(fault) {
            if let (Target::SomeClients(n), Some(clients)) = (target, clients)
                && n > clients
            {
                return Some(format!("this fault needs {n} clients, but the workloads have only {clients}"));
            }
        }
        let smallest = nodes.unwrap_or(u32::MAX);
        for party in faults::named(fault) {
            let (there, of) = match party {
                Party::Node(id) => (id.0 <= smallest, smallest),
                Party::Client(id) => (clients.is_none_or(|n| id.0 <= n), clients.unwrap_or(0)),
            };
            if !there {
                let what = if matches!(party, Party::Node(_)) { "the cluster may have only" } else { "the workloads have only" };
                return Some(format!("this fault names {party}, but {what} {of}"));
            }
        }
        let least = fault.least_nodes();
        (least > smallest).then(|| format!("this fault needs {least} nodes, but the cluster may have only {smallest}"))
    }

    fn bad_subject(&self) -> Option<String> {
        if !faults::targets(&*self.fault).contains(&Target::SUBJECT) {
            return None;
        }
        let When::On(Trigger { event, .. }) = self.when else {
            return Some("`subject` is whom an event is about: it needs `when`".to_string());
        };
        match (event.subject(), self.fault.takes_clients()) {
            (Some(Subject::Node), _) | (Some(Subject::Client), true) => None,
            (Some(Subject::Client), false) => Some(format!("`{}` is about a client, and this is done to nodes", event.name())),
            (None, _) => Some(format!("`{}` is about no node and no client, so it has no `subject`", event.name())),
        }
    }

    /// Whether `within` lies in the run.
    fn bad_within(&self, end: Option<Duration>) -> bool {
        let (When::Every { within, .. } | When::On(Trigger { within, .. })) = self.when else { return false };
        within.zip(end).is_some_and(|(within, end)| within.min == within.max || within.max > end)
    }
}

/// Notes what is wrong with faults in such a run, one by one.
pub(crate) fn check(d: &mut Decoder, faults: &[Placed<ScheduledFault>], bounds: Bounds) {
    for Placed { place, it } in faults {
        if it.bad_within(bounds.end) {
            let mistake = Diagnostic::new(*place, "`within` is a range such as 5s..10s, before the end of the faults");
            d.mistakes.push(mistake.help("both ends are told from the start"));
        }
        if let Some(text) = it.misfit(bounds) {
            d.mistakes.push(Diagnostic::new(*place, text));
        }
    }
}

/// Notes what is wrong with all faults of a run together: ids that are given twice, names that nobody has. A name that comes too late for whom it
/// is meant is a mistake of who writes a scenario; in a plan it is how the times were drawn.
pub(crate) fn check_names(d: &mut Decoder, all: &[(Place, ScheduledFault)], is_plan: bool) {
    let mut seen = std::collections::BTreeSet::new();
    for (place, fault) in all {
        if let Some(id) = &fault.id
            && !seen.insert(id)
        {
            d.mistakes.push(Diagnostic::new(*place, format!("two faults have the id `{id}`")));
        }
    }
    for (place, fault) in all {
        for target in faults::targets(&*fault.fault) {
            let Target::Chosen(Chosen::Bound(name)) = target else { continue };
            // One that names itself means whom it was done to the time before.
            let who = all.iter().filter(|(_, other)| other.bind.as_deref() == Some(name.as_str()));
            let Some(first) = who.map(|(_, other)| other.when.earliest()).min() else {
                let mistake = Diagnostic::new(*place, format!("no fault has `as: {name}`"));
                d.mistakes.push(mistake.help("put it beside `id` and `at` of the other fault"));
                continue;
            };
            if let Some(last) = fault.when.latest()
                && last < first
                && !is_plan
            {
                let (last, first) = (format_duration(last), format_duration(first));
                let text =
                    format!("nobody is `{name}` yet: this is due at {last} at the latest, and `as: {name}` at {first} at the earliest");
                d.mistakes.push(Diagnostic::new(*place, text).help("let the fault with `as` come first"));
            }
        }
    }
}
