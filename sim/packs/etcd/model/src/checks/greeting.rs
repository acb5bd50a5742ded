//! `greeting`: a client that says hello is greeted by its name.

use crate::checks::{Checker, Verdict, Witness, applies, verdict};
use crate::ops::{Op, OpEnd, Output, View};

pub(crate) const CHECKER: Checker = Checker {
    name: "greeting",
    client_side: true,
    prefix: true,
    about: "a client that says hello is greeted by its name",
    applies: &|view| applies(view, |view| view.asks().any(|op| matches!(op, Op::Hello { .. }))),
    check: &|view| verdict(view, check),
};

fn check(view: &View<'_>) -> Verdict {
    for op in view.ops() {
        let (Op::Hello { name }, OpEnd::Ok(at, output)) = (&op.ask, &op.end) else { continue };
        if *output != (Output::Greeted { message: format!("Hello {name}") }) {
            let summary = format!("{} said hello as `{name}`, and was told `{output}`", op.client);
            return Verdict::Invalid(Box::new(Witness { kind: "not-by-name", summary, details: vec![], at: *at, ops: vec![op.id] }));
        }
    }
    Verdict::Valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ClientId, Entry, EntryKind, OpId, SimTime};

    #[test]
    fn legal_and_illegal_greetings() {
        for (message, expect) in [("Hello c1", "valid"), ("Hello c2", "invalid"), ("", "invalid")] {
            let ask = Op::Hello { name: "c1".into() };
            let output = Output::Greeted { message: message.into() };
            let whats =
                [EntryKind::Invoke { client: ClientId(1), op: OpId(1), ask }, EntryKind::Ok { op: OpId(1), output, position: None }];
            let history: Vec<Entry> = whats.into_iter().map(|what| Entry { t: SimTime(1), what }).collect();
            assert_eq!(check(&View::new(&history)).word(), expect);
        }
    }
}
