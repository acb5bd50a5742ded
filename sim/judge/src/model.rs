//! A checker from a model: the operations of a history, judged by a sequential specification.

use crate::{Verdict, Witness};
use squall_history::{Ask, Body, CompletedOp, Op, OpEnd, OpId, Output, SimTime, View};
use squall_linear::{Call, CallId, CallOf, Decision, Effort, Model, NEVER, decide, explain};

/// How many steps of the search are affordable: seconds at the most.
const STEPS_MAX: u64 = 5_000_000;

/// Whether the operations of a history are linearizable as this model wants it: in some order, in which each stands between its
/// invocation and its answer, every answer is right. An operation without an answer may have happened at any time since it was asked,
/// or never; one that failed did not happen.
///
/// Unknown, where an operation or an answer is of another type, and where the search takes too long.
pub fn by_model<M>(view: &View<'_>, model: &M) -> Verdict
where
    M: Model<Input: Ask + Clone, Output: Body + Clone>,
{
    by_model_of(
        &view.ops().iter().collect::<Vec<_>>(),
        model,
        |ask| ask.get::<M::Input>().cloned(),
        |output| output.get::<M::Output>().cloned(),
    )
}

/// The same of these operations of it, where the model's inputs and outputs are not those of the history, but made of them; `None`: it is of another service.
pub fn by_model_of<M: Model>(
    ops: &[&CompletedOp],
    model: &M,
    input: impl Fn(&Op) -> Option<M::Input>,
    answer: impl Fn(&Output) -> Option<M::Output>,
) -> Verdict {
    // `None`: it is of another service.
    let call = |op: &CompletedOp| {
        let (output, returned) = match &op.end {
            OpEnd::Ok(_, output) => (Some(answer(output)?), op.ended_at),
            OpEnd::Open | OpEnd::Fail(_) => (None, NEVER),
        };
        Some(Call { id: CallId(op.id.0), input: input(&op.ask)?, output, invoked: op.invoked_at, returned })
    };
    let may_have_happened = ops.iter().copied().filter(|op| !matches!(op.end, OpEnd::Fail(_)));
    let Some(calls) = may_have_happened.map(call).collect::<Option<Vec<CallOf<M>>>>() else {
        return Verdict::Unknown("there are operations of another service in it".to_string());
    };
    let mut steps = 0;
    let mut may_go_on = |_| {
        steps += 1;
        steps < STEPS_MAX
    };
    let stuck = match decide(model, &calls, false, &mut may_go_on) {
        Decision::Linearizable(_) => return Verdict::Valid,
        Decision::Unknown { events, .. } => return Verdict::Unknown(format!("the search was given up after {events} events")),
        Decision::Stuck(stuck) => stuck,
    };
    let why = explain(model, None, &calls, &stuck, Effort::Bounded, &mut may_go_on);
    let culprit = ops.iter().copied().find(|op| op.id.0 == why.call.0);
    let at = culprit.map_or(SimTime(0), |op| if let OpEnd::Ok(at, _) = &op.end { *at } else { op.invoked });
    let said = culprit.map_or(String::new(), |op| {
        let answer = op.output().map_or("nothing".to_string(), ToString::to_string);
        format!("{} by {} was answered {answer}, and ", op.ask, op.client)
    });
    let summary = format!("{said}no order of the operations allows that");
    let ops = why.minimal.iter().map(|id| OpId(id.0)).collect();
    Verdict::Invalid(Box::new(Witness { kind: "no-order", summary, details: why.why, at, ops }))
}
