//! `tickets`: every number is handed out once, in order, and nobody is told an old one. As a sequential specification, decided by
//! `squall-linear`.

use crate::{Ask, Told};
use squall_history::{CompletedOp, OpEnd, OpId, SimTime, View};
use squall_judge::{Checker, Verdict, Witness};
use squall_linear::{Call, CallId, CallOf, Decision, Effort, Model, NEVER, Nature, decide, explain};

pub(crate) const TICKETS: Checker = Checker {
    name: "tickets",
    client_side: true,
    prefix: true,
    about: "tickets are handed out one after the other, each once, and whoever looks is told the last one",
    applies: |view| view.asks().any(|ask| ask.get::<Ask>().is_some()),
    check,
};

/// The office: how many tickets it has handed out.
struct Office;

impl Model for Office {
    type State = u64;
    type Input = Ask;
    type Output = Told;

    fn init(&self) -> u64 {
        0
    }

    fn step(&self, taken: &u64, ask: &Ask, told: Option<&Told>) -> Option<u64> {
        let after = taken + u64::from(*ask == Ask::Take);
        told.is_none_or(|told| told.0 == after).then_some(after)
    }

    fn nature(&self, ask: &Ask, _told: Option<&Told>) -> Nature {
        if *ask == Ask::Last { Nature::Observes } else { Nature::Changes }
    }

    fn show_state(&self, taken: &u64) -> String {
        format!("{taken} taken")
    }

    fn show_call(&self, ask: &Ask, told: Option<&Told>) -> String {
        format!("{ask}: {}", told.map_or("?".to_string(), Told::to_string))
    }
}

/// How many steps a search may take.
const STEPS: u64 = 5_000_000;

fn check(view: &View<'_>) -> Verdict {
    // `None`: it is no operation of this service.
    let call = |op: &CompletedOp| {
        let (output, returned) = match &op.end {
            OpEnd::Ok(_, output) => (Some(*output.get()?), op.ended_at),
            OpEnd::Open | OpEnd::Fail(_) => (None, NEVER),
        };
        Some(Call { id: CallId(op.id.0), input: *op.ask.get()?, output, invoked: op.invoked_at, returned })
    };
    let may_have_happened = view.ops().iter().filter(|op| !matches!(op.end, OpEnd::Fail(_)));
    let Some(calls) = may_have_happened.map(call).collect::<Option<Vec<CallOf<Office>>>>() else {
        return Verdict::Unknown("there are operations of another service in it".to_string());
    };
    let mut steps = 0;
    let mut patience = |_| {
        steps += 1;
        steps < STEPS
    };
    match decide(&Office, &calls, false, &mut patience) {
        Decision::Linearizable(_) => Verdict::Valid,
        Decision::Unknown { events, .. } => Verdict::Unknown(format!("the search was given up after {events} events")),
        Decision::Stuck(stuck) => {
            let why = explain(&Office, None, &calls, &stuck, Effort::Bounded, &mut patience);
            let at = |id: CallId| view.ops().iter().find(|op| op.id.0 == id.0);
            let culprit = at(why.call);
            let when = culprit.map_or(SimTime(0), |op| if let OpEnd::Ok(at, _) = &op.end { *at } else { op.invoked });
            let told = |op: &CompletedOp| op.output().map_or("nothing".to_string(), ToString::to_string);
            let said = culprit.map_or(String::new(), |op| format!("{} by {} was told {}", op.ask, op.client, told(op)));
            let summary = format!("{said}, and no order of all that was asked allows that");
            let ops: Vec<OpId> = why.minimal.iter().map(|id| OpId(id.0)).collect();
            Verdict::Invalid(Box::new(Witness { kind: "no-order", summary, details: why.why, at: when, ops }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{ClientId, Entry, What};

    /// `take 1` from (asked) to (answered), `last 0`; `?`: never answered.
    fn verdict(calls: &[(&str, u64, u64)]) -> &'static str {
        let mut history: Vec<Entry<Ask, Told, Told>> = vec![];
        for (i, (call, from, to)) in calls.iter().enumerate() {
            let (ask, told) = call.split_once(' ').unwrap();
            let (op, ask) = (OpId(i as u64), if ask == "take" { Ask::Take } else { Ask::Last });
            history.push(Entry { t: SimTime(*from), what: What::Invoke { client: ClientId(1), op, ask } });
            if let Ok(number) = told.parse() {
                history.push(Entry { t: SimTime(*to), what: What::Ok { op, output: Told(number), position: None } });
            }
        }
        history.sort_by_key(|entry| entry.t);
        let history: Vec<Entry> = history.into_iter().map(Entry::untyped).collect();
        check(&View::new(&history)).word()
    }

    #[test]
    fn legal_and_illegal_tickets() {
        assert_eq!(verdict(&[("take 1", 1, 2), ("take 2", 3, 4), ("last 2", 5, 6)]), "valid");
        assert_eq!(verdict(&[("take 1", 1, 2), ("take 1", 3, 4)]), "invalid", "twice");
        assert_eq!(verdict(&[("take 1", 1, 2), ("last 0", 3, 4)]), "invalid", "old");
        assert_eq!(verdict(&[("take 1", 1, 5), ("take 2", 2, 4), ("last 2", 6, 7)]), "valid", "side by side");
        assert_eq!(verdict(&[("take ?", 1, 0), ("take 2", 3, 4)]), "valid", "the first one happened");
        assert_eq!(verdict(&[("take ?", 1, 0), ("take 3", 3, 4)]), "invalid", "a gap");
    }
}
